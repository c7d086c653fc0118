//! Counters: what has happened on each route since the start, as plain numbers.
//!
//! [`Stats`] is the view for users, from [`Running::stats`](crate::Running::stats) or
//! [`App::stats`](crate::App::stats). Counters are always on. The task of a connection counts
//! messages in plain integers (`traffic`) and adds them to the atomics of its route when it goes
//! to sleep. What happens once per connection or less is counted in small maps under a lock.
//!
//! `access` writes a line to the log for each refused handshake and each ended connection.
//!
//! The number of counters is fixed at start: their labels are servers, route patterns, declared
//! events and declared codes. A name that a client sends must never become a label.

mod access;
mod compression;
mod counters;
mod events;
mod labels;
#[cfg(feature = "metrics")]
mod publish;
mod stats;
mod traffic;

#[cfg(feature = "prometheus")]
pub(crate) use self::publish::{CONNECTION_SECONDS, EVENT_SECONDS, HANDSHAKE_SECONDS};
#[cfg(feature = "metrics")]
pub(crate) use self::publish::{describe, publish, record_handshake};
pub(crate) use self::{
    access::{EndedConnection, RefusedHandshake},
    compression::CompressedBytes,
    counters::{ControllerCounters, Counters, HandshakeCounters, RouteCounters, RouteLabels, ServerCounters},
    events::{AskCounters, AskOutcome, AskTable, EventCounters, EventTable, Outcome, RunningEvent},
    traffic::{MessageKind, Tally, Traffic},
};
pub use self::{
    compression::CompressionStats,
    counters::StatusStats,
    stats::{
        AskStats, CloseStats, ClusterStats, ClusterStatus, ControllerStats, ErrorStats, EventStats,
        MessageStats, RouteStats, ServerStats, Stats, TrafficStats,
    },
};
