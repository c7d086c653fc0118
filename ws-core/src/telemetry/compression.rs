//! The bytes of messages before and after compression.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// The bytes that one connection has compressed and decompressed since its last report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CompressedBytes {
    received: CompressionStats,
    sent: CompressionStats,
}

#[cfg(feature = "deflate")]
impl CompressedBytes {
    /// Counts a received message.
    pub(crate) fn received(&mut self, before: usize, after: usize) {
        self.received.add(before, after);
    }

    /// Counts a message to send.
    pub(crate) fn sent(&mut self, before: usize, after: usize) {
        self.sent.add(before, after);
    }
}

/// The payloads of the compressed messages of a route, in one direction.
///
/// ```
/// use ws_core::telemetry::CompressionStats;
///
/// /// The part of the bytes that compression has saved, from 0 to 1.
/// fn saved(stats: &CompressionStats) -> f64 {
///     1.0 - stats.after as f64 / stats.before.max(1) as f64
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CompressionStats {
    /// The bytes of the messages, uncompressed.
    pub before: u64,
    /// The bytes of the same messages as they are sent over the network.
    pub after: u64,
}

#[cfg(feature = "deflate")]
impl CompressionStats {
    fn add(&mut self, before: usize, after: usize) {
        self.before += before as u64;
        self.after += after as u64;
    }
}

/// The counters of a route.
#[derive(Debug, Default)]
pub(super) struct CompressionCounters {
    received: Pair,
    sent: Pair,
}

#[derive(Debug, Default)]
struct Pair {
    before: AtomicU64,
    after: AtomicU64,
}

impl CompressionCounters {
    pub(super) fn add(&self, bytes: &CompressedBytes) {
        self.received.add(bytes.received);
        self.sent.add(bytes.sent);
    }

    pub(super) fn received(&self) -> CompressionStats {
        self.received.stats()
    }

    pub(super) fn sent(&self) -> CompressionStats {
        self.sent.stats()
    }
}

impl Pair {
    fn add(&self, bytes: CompressionStats) {
        if bytes.before > 0 {
            self.before.fetch_add(bytes.before, Ordering::Relaxed);
            self.after.fetch_add(bytes.after, Ordering::Relaxed);
        }
    }

    fn stats(&self) -> CompressionStats {
        CompressionStats {
            before: self.before.load(Ordering::Relaxed),
            after: self.after.load(Ordering::Relaxed),
        }
    }
}
