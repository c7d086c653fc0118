//! The number of allocated bytes, with the feature `heap`.
//!
//! The allocator counts in atomics, which makes each allocation slower, so the other measurements
//! run without it.

#[cfg(feature = "heap")]
#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

/// The bytes that this process has allocated; `None` without the feature.
pub(crate) fn allocated() -> Option<u64> {
    #[cfg(feature = "heap")]
    return Some(ALLOCATOR.allocated() as u64);
    #[cfg(not(feature = "heap"))]
    None
}
