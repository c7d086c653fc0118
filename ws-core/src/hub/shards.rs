//! [`Shards`]: a value split into independently locked shards.

use crate::sync::{Mutex, MutexGuard};

/// The number of shards. With 64, joins of different rooms, and connections that open and close at
/// the same time, rarely contend for one lock.
pub(super) const SHARDS: usize = 64;

#[derive(Debug)]
pub(super) struct Shards<T>([Mutex<T>; SHARDS]);

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

impl<T> Shards<T> {
    /// Locks the shard of this number or hash.
    pub(super) fn lock(&self, at: usize) -> MutexGuard<'_, T> {
        let Self([first, ..]) = self;
        lock(self.0.get(at % SHARDS).unwrap_or(first))
    }

    /// Returns the sum over all shards, which are locked one after another.
    pub(super) fn sum(&self, of: impl Fn(&T) -> usize) -> usize {
        self.0.iter().map(|shard| of(&lock(shard))).sum()
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock()
}
