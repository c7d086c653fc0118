//! [`WindowMemory`]: the memory for the windows of all connections.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The bytes that are left for windows. It is cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct WindowMemory(Arc<AtomicUsize>);

impl WindowMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Reserves bytes until the result is dropped; `None` if too few are left.
    pub(super) fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let take = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Reserved { memory: self.clone(), bytes })
    }
}

/// A part of the memory, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    memory: WindowMemory,
    bytes: usize,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.memory.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
