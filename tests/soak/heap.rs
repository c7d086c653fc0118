//! The number of allocated bytes of this process. Unlike resident memory it is exact: an allocator
//! keeps freed memory, which hides a leak or looks like one.
//!
//! Buffers are counted separately: threads keep some for reading. Their number is limited, but
//! varies.

#![allow(unsafe_code, reason = "counting takes a global allocator, and every method of one is unsafe")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// The system's allocator, which counts.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;

/// The least size of an allocation that counts as a buffer, in bytes: the smallest read buffer.
const BUFFER: usize = 16 << 10;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static BUFFER_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Returns the allocated bytes: those outside of buffers, and those in buffers.
pub(crate) fn bytes() -> (usize, usize) {
    (BYTES.load(Ordering::Relaxed), BUFFER_BYTES.load(Ordering::Relaxed))
}

fn counter(layout: Layout) -> &'static AtomicUsize {
    if layout.size() < BUFFER { &BYTES } else { &BUFFER_BYTES }
}

// SAFETY: every call is forwarded unchanged to `System`.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counter(layout).fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller must keep the contract of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        counter(layout).fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
