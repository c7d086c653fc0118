//! [`Shards`]: one thing in many parts, each behind a lock of its own.

use crate::sync::{Mutex, MutexGuard};

/// Joins of different rooms, and connections that come and go, seldom meet.
pub(super) const SHARDS: usize = 64;

#[derive(Debug)]
pub(super) struct Shards<T>([Mutex<T>; SHARDS]);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<T> Shards<T> {
    /// The part of this number, or of this hash.
    pub(super) fn lock(&self, at: usize) -> MutexGuard<'_, T> {
        let Self([first, ..]) = self;
        lock(self.0.get(at % SHARDS).unwrap_or(first))
    }

    /// The sum over all parts, which are locked one after another.
    pub(super) fn sum(&self, of: impl Fn(&T) -> usize) -> usize {
        self.0.iter().map(|shard| of(&lock(shard))).sum()
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock()
}
