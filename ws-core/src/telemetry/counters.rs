//! The counters of servers, routes and controllers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::StatusCode;
use serde::Serialize;

use super::{
    AskTable, CloseStats, ControllerStats, EventTable, RouteStats, ServerStats,
    compression::{CompressedBytes, CompressionCounters},
    labels::{HEARTBEAT, cause, close_code},
    traffic::TrafficCounters,
};
use crate::{config::Overflow, sync::Mutex, wire::CloseReason};

/// All counters of an application. They exist from the check at start on.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) servers: Vec<ServerCounters>,
    pub(crate) controllers: Vec<Arc<ControllerCounters>>,
}

impl Counters {
    pub(crate) fn servers(&self) -> Vec<ServerStats> {
        self.servers.iter().map(ServerCounters::stats).collect()
    }

    pub(crate) fn controllers(&self) -> Vec<ControllerStats> {
        self.controllers.iter().map(|controller| controller.stats()).collect()
    }
}

/// The counters of one server of kind `websocket`.
#[derive(Debug)]
pub(crate) struct ServerCounters {
    pub(crate) name: String,
    /// Handshakes that no route was found for.
    pub(crate) unmatched: Arc<HandshakeCounters>,
    pub(crate) routes: Vec<Arc<RouteCounters>>,
}

impl ServerCounters {
    fn stats(&self) -> ServerStats {
        ServerStats {
            name: self.name.clone(),
            unmatched: self.unmatched.stats(),
            routes: self.routes.iter().map(|route| route.stats()).collect(),
        }
    }
}

/// Answered handshakes by status.
#[derive(Debug, Default)]
pub(crate) struct HandshakeCounters(Mutex<BTreeMap<u16, u64>>);

impl HandshakeCounters {
    pub(crate) fn count(&self, status: StatusCode) {
        *self.0.lock().entry(status.as_u16()).or_default() += 1;
    }

    fn stats(&self) -> Vec<StatusStats> {
        self.0.lock().iter().map(|(&status, &count)| StatusStats { status, count }).collect()
    }
}

/// The number of handshakes that were answered with one status.
///
/// ```
/// use ws_core::telemetry::RouteStats;
///
/// fn accepted(route: &RouteStats) -> u64 {
///     route.handshakes.iter().filter(|it| it.status == 101).map(|it| it.count).sum()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusStats {
    /// The HTTP status; 101 if the handshake was accepted.
    pub status: u16,
    /// The number of handshakes.
    pub count: u64,
}

/// The counters of one route. Its connections hold them.
#[derive(Debug, Default)]
pub(crate) struct RouteCounters {
    pub(super) received: TrafficCounters,
    pub(super) sent: TrafficCounters,
    compression: CompressionCounters,
    pub(crate) path: Arc<str>,
    overflow: Overflow,
    pub(crate) controller: Arc<ControllerCounters>,
    pub(crate) events: EventTable,
    /// Whether the controller handles events.
    is_typed: bool,
    pub(crate) asks: AskTable,
    pub(crate) handshakes: HandshakeCounters,
    connections: AtomicU64,
    /// Ended connections by the labels of their cause and their close code.
    closed: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    outbox_full: AtomicU64,
    rate_limited: AtomicU64,
}

/// The parts of a route that its counters need.
#[derive(Debug)]
pub(crate) struct RouteLabels {
    pub(crate) path: Arc<str>,
    pub(crate) overflow: Overflow,
    pub(crate) controller: Arc<ControllerCounters>,
    pub(crate) events: EventTable,
    pub(crate) is_typed: bool,
    pub(crate) asks: AskTable,
}

impl RouteCounters {
    pub(crate) fn new(labels: RouteLabels) -> Self {
        let RouteLabels { path, overflow, controller, events, is_typed, asks } = labels;
        Self { path, overflow, controller, events, is_typed, asks, ..Self::default() }
    }

    pub(crate) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection out that was [opened](Self::opened).
    pub(crate) fn left(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts bytes that a connection has compressed or decompressed.
    pub(crate) fn compressed(&self, bytes: &CompressedBytes) {
        self.compression.add(bytes);
    }

    /// Counts the end of a connection.
    pub(crate) fn closed(&self, reason: &CloseReason) {
        *self.closed.lock().entry((cause(reason), close_code(reason.code()))).or_default() += 1;
    }

    /// Counts a message that found no room in an outbox.
    pub(crate) fn outbox_full(&self) {
        self.outbox_full.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a message over the rate limit.
    pub(crate) fn rate_limited(&self) {
        self.rate_limited.fetch_add(1, Ordering::Relaxed);
    }

    fn stats(&self) -> RouteStats {
        let closed: Vec<CloseStats> = {
            let closed = self.closed.lock();
            let of = |(&(cause, code), &count): (&(_, _), &u64)| CloseStats { cause, code, count };
            closed.iter().map(of).collect()
        };
        let lost = closed.iter().filter(|closed| closed.cause == HEARTBEAT).map(|closed| closed.count);
        RouteStats {
            path: self.path.to_string(),
            controller: self.controller.name,
            connections: self.connections.load(Ordering::Relaxed),
            handshakes: self.handshakes.stats(),
            heartbeat_lost: lost.sum(),
            closed,
            received: self.received.stats(),
            sent: self.sent.stats(),
            received_compression: self.compression.received(),
            sent_compression: self.compression.sent(),
            outbox_full: self.outbox_full.load(Ordering::Relaxed),
            overflow: self.overflow,
            rate_limited: self.rate_limited.load(Ordering::Relaxed),
            events: if self.is_typed { self.events.stats() } else { Vec::new() },
            asks: self.asks.stats(),
        }
    }
}

/// The counters of one controller, on all servers and paths.
#[derive(Debug, Default)]
pub(crate) struct ControllerCounters {
    name: &'static str,
    rooms: AtomicU64,
    room_joins: AtomicU64,
}

impl ControllerCounters {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Counts a member of a room that was not in it before.
    pub(crate) fn joined_room(&self, is_first: bool) {
        self.room_joins.fetch_add(1, Ordering::Relaxed);
        if is_first {
            self.rooms.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a member out that has left a room.
    pub(crate) fn left_room(&self, was_last: bool) {
        if was_last {
            self.rooms.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn stats(&self) -> ControllerStats {
        ControllerStats {
            name: self.name,
            rooms: self.rooms.load(Ordering::Relaxed),
            room_joins: self.room_joins.load(Ordering::Relaxed),
        }
    }
}
