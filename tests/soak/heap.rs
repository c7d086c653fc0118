//! How many bytes of this process are allocated: exact where resident memory is not, which keeps
//! what an allocator has not given back, and so hides a leak or shows one that is none.
//!
//! Buffers are counted apart: threads keep some to read into, within bounds but not the same number
//! each time.

#![allow(unsafe_code, reason = "counting takes a global allocator, and every method of one is unsafe")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The system's allocator, counted.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;

/// From this size on an allocation is a buffer, in bytes: the smallest that a connection reads
/// into.
const BUFFER: usize = 16 << 10;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static BUFFER_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Bytes that are allocated now: all but the buffers, and those.
pub(crate) fn bytes() -> (usize, usize) {
    (BYTES.load(Ordering::Relaxed), BUFFER_BYTES.load(Ordering::Relaxed))
}

fn counter(layout: Layout) -> &'static AtomicUsize {
    if layout.size() < BUFFER { &BYTES } else { &BUFFER_BYTES }
}

// SAFETY: every call is passed on to `System` as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counter(layout).fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        counter(layout).fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
