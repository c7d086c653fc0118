//! The system's allocator, which counts the allocated bytes and their maximum.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

pub(crate) struct Counting {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Counting {
    pub(crate) const fn new() -> Self {
        Self { now: AtomicUsize::new(0), most: AtomicUsize::new(0) }
    }

    /// Returns the number of bytes that are allocated.
    pub(crate) fn now(&self) -> usize {
        self.now.load(Relaxed)
    }

    /// Returns the most bytes that were allocated at once during this future, beyond those at its
    /// start.
    pub(crate) async fn most_during(&self, work: impl Future<Output = ()>) -> usize {
        let before = self.now.load(Relaxed);
        self.most.store(before, Relaxed);
        work.await;
        self.most.load(Relaxed) - before
    }

    fn add(&self, bytes: usize) {
        let now = self.now.fetch_add(bytes, Relaxed) + bytes;
        self.most.fetch_max(now, Relaxed);
    }
}

// SAFETY: every call is forwarded unchanged to the system's allocator. The counters touch only
// their own memory.
#[expect(unsafe_code, reason = "a global allocator needs it")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        self.now.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.add(size);
        self.now.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(place, layout, size) }
    }
}
