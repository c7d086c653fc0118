//! [`Counters`]: the counters of this node's link to the broker.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that several tasks change.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Ordering::Relaxed);
    }

    pub(super) fn at_least(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`ClusterStats`](super::ClusterStats).
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) published: Counter,
    pub(super) accepted: Counter,
    pub(super) unknown: Counter,
    pub(super) dropped: Counter,
    pub(super) refused: Counter,
    pub(super) received: Counter,
    pub(super) lost: Counter,
    pub(super) duplicates: Counter,
    pub(super) late: Counter,
    pub(super) malformed: Counter,
    pub(super) reconnects: Counter,
    pub(super) worst_echo_micros: Counter,
    pub(super) gap_micros: Counter,
}
