//! [`Stats`] and its parts: the counters as plain numbers, for users. They serialise as they are
//! named here; durations are seconds.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::{CompressionStats, StatusStats};
use crate::config::Overflow;

/// The counters of one process at one moment, from [`Running::stats`](crate::Running::stats) or
/// [`App::stats`](crate::App::stats).
///
/// All counts are since the start and never go down, except those that say "now". The counters are
/// read one after another, so two of them may be from slightly different moments. Messages are
/// counted when the task of their connection goes to sleep, at the latest after 512 received
/// messages.
///
/// ```
/// use ws_core::Running;
///
/// fn report(running: &Running) {
///     for route in running.stats().servers.iter().flat_map(|server| &server.routes) {
///         println!("{}: {} connections, {} in", route.path, route.connections, route.received.messages());
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Whether the application is ready for new clients now.
    pub is_ready: bool,
    /// Whether the application is stopping or has stopped.
    pub is_draining: bool,
    /// The servers of kind `websocket`, as configured. Empty before the start.
    pub servers: Vec<ServerStats>,
    /// The controllers, by name.
    pub controllers: Vec<ControllerStats>,
    /// The link to the other nodes; `None` without a cluster.
    pub cluster: Option<ClusterStatus>,
}

/// The counters of one server.
///
/// ```
/// use ws_core::telemetry::ServerStats;
///
/// fn connections(server: &ServerStats) -> u64 {
///     server.routes.iter().map(|route| route.connections).sum()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ServerStats {
    /// The name of the server.
    pub name: String,
    /// Answered handshakes without a route: the path is not known, or the request was refused
    /// before its path was looked up.
    pub unmatched: Vec<StatusStats>,
    /// The routes, sorted by path.
    pub routes: Vec<RouteStats>,
}

/// The counters of one route.
///
/// ```
/// use ws_core::telemetry::RouteStats;
///
/// fn print(route: &RouteStats) {
///     println!("{}: {} connections", route.path, route.connections);
///     println!("{} in, {} out", route.received.messages(), route.sent.messages());
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RouteStats {
    /// The path pattern, such as `/rooms/{room}`.
    pub path: String,
    /// The name of the controller.
    pub controller: &'static str,
    /// The number of connections now, from before `on_open` until after `on_close`.
    pub connections: u64,
    /// Answered handshakes by status.
    pub handshakes: Vec<StatusStats>,
    /// Ended connections by cause and close code, counted before their `on_close`.
    pub closed: Vec<CloseStats>,
    /// Received messages, also those that a limit refused.
    pub received: TrafficStats,
    /// Messages that were taken from an outbox to be written.
    pub sent: TrafficStats,
    /// The received messages that were compressed. Their uncompressed bytes are also in `received`.
    pub received_compression: CompressionStats,
    /// The sent messages that were compressed. Their uncompressed bytes are also in `sent`.
    pub sent_compression: CompressionStats,
    /// Messages that found no room in an outbox.
    pub outbox_full: u64,
    /// The reaction to a full outbox (`limits.overflow`).
    pub overflow: Overflow,
    /// Messages over `limits.messages_per_second`.
    pub rate_limited: u64,
    /// Connections that ended because a ping was not answered in time.
    pub heartbeat_lost: u64,
    /// The declared events that clients send, sorted by name, then `unknown` for all other names
    /// and for messages that are not events. Empty if the controller handles no events.
    pub events: Vec<EventStats>,
    /// The asks of [`Connection::ask`](crate::Connection::ask) that were made, by event; `unknown`
    /// for events that `emits(..)` does not list.
    pub asks: Vec<AskStats>,
}

/// Ended connections with one cause and one close code.
///
/// ```
/// use ws_core::telemetry::RouteStats;
///
/// fn print(route: &RouteStats) {
///     for closed in &route.closed {
///         println!("{} with {}: {}", closed.cause, closed.code, closed.count);
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CloseStats {
    /// The [reason](crate::CloseReason) in lower case, such as `peer` or `handler_timeout`.
    pub cause: &'static str,
    /// The close code from `1000` to `1015`, `3xxx`, `4xxx`, or `other`.
    pub code: &'static str,
    /// The number of connections.
    pub count: u64,
}

/// Messages in one direction.
///
/// ```
/// use ws_core::telemetry::TrafficStats;
///
/// fn mean_size(traffic: &TrafficStats) -> u64 {
///     traffic.bytes() / traffic.messages().max(1)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TrafficStats {
    /// Text messages.
    pub text: MessageStats,
    /// Binary messages.
    pub binary: MessageStats,
}

impl TrafficStats {
    /// Returns the number of messages of both kinds.
    pub fn messages(&self) -> u64 {
        self.text.messages + self.binary.messages
    }

    /// Returns the bytes in the payloads of messages of both kinds.
    pub fn bytes(&self) -> u64 {
        self.text.bytes + self.binary.bytes
    }
}

/// Messages of one kind in one direction.
///
/// ```
/// use ws_core::telemetry::RouteStats;
///
/// fn text_bytes(route: &RouteStats) -> u64 {
///     route.received.text.bytes
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MessageStats {
    /// The number of messages.
    pub messages: u64,
    /// The bytes in their payloads, without the headers of frames.
    pub bytes: u64,
}

/// The counters of one event that clients send.
///
/// The outcome is that of the handler, also if its [`Reply`](crate::handlers::Reply) is sent later.
///
/// ```
/// use ws_core::telemetry::RouteStats;
///
/// fn failures(route: &RouteStats) -> u64 {
///     route.events.iter().map(|event| event.error + event.panic + event.timeout).sum()
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EventStats {
    /// The name of the event.
    pub name: &'static str,
    /// Handlers that returned without an error, or failed because their own connection had ended.
    pub ok: u64,
    /// Handlers that failed, and events without a handler.
    pub error: u64,
    /// Handlers that panicked.
    pub panic: u64,
    /// Handlers that took longer than `limits.handler_timeout`, or were cut by the drain.
    pub timeout: u64,
    /// The errors of handlers and of later replies, by code. Codes without an error are left out.
    pub errors: Vec<ErrorStats>,
}

/// The number of errors with one code.
///
/// ```
/// use ws_core::telemetry::EventStats;
///
/// fn count(event: &EventStats, code: &str) -> u64 {
///     event.errors.iter().find(|error| error.code == code).map_or(0, |error| error.count)
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorStats {
    /// A code that the handler declares, a common one such as `internal`, or `other`.
    pub code: &'static str,
    /// The number of errors.
    pub count: u64,
}

/// The counters of one event that asks the client for an answer.
///
/// ```
/// use ws_core::telemetry::AskStats;
///
/// fn unanswered(ask: &AskStats) -> u64 {
///     ask.timeout + ask.error
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AskStats {
    /// The name of the event.
    pub name: &'static str,
    /// Asks that were answered.
    pub ok: u64,
    /// Asks that the client refused.
    pub refused: u64,
    /// Asks without an answer in time.
    pub timeout: u64,
    /// Asks that failed in another way: the connection ended, the answer does not fit, or the ask
    /// was not sent.
    pub error: u64,
}

/// The counters of one controller on this node, on all servers and paths.
///
/// ```
/// use ws_core::telemetry::Stats;
///
/// fn print(stats: &Stats) {
///     for controller in &stats.controllers {
///         println!("{}: {} rooms", controller.name, controller.rooms);
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ControllerStats {
    /// The name of the controller.
    pub name: &'static str,
    /// The number of rooms with a member now.
    pub rooms: u64,
    /// The number of times that a connection joined a room.
    pub room_joins: u64,
}

/// The link to the other nodes of the cluster.
///
/// ```
/// use ws_core::telemetry::Stats;
///
/// fn is_cluster_up(stats: &Stats) -> bool {
///     stats.cluster.is_none_or(|cluster| cluster.is_up)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// Whether the link to the broker is up now.
    pub is_up: bool,
    /// The number of nodes that are alive now, with this one.
    pub nodes: usize,
    /// The counters of the link.
    pub link: ClusterStats,
}

impl ClusterStatus {
    pub(crate) fn new(is_up: bool, nodes: usize, link: ClusterStats) -> Self {
        Self { is_up, nodes, link }
    }
}

/// The counters of this node's link to the broker since the start, returned by
/// [`Cluster::stats`](crate::hub::Cluster::stats).
///
/// ```
/// use ws_core::Hub;
///
/// fn print(hub: &Hub) {
///     let stats = hub.cluster().stats();
///     println!("{} of {} accepted, {} lost", stats.accepted, stats.published, stats.lost);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Messages that were queued for the broker.
    pub published: u64,
    /// Messages that the broker has accepted.
    pub accepted: u64,
    /// Messages whose outcome is not known, because the link ended after they were sent.
    pub unknown: u64,
    /// Messages that were not sent: the queue was full, they were too large, the broker refused
    /// them, or there was no link.
    pub dropped: u64,
    /// Messages that the broker refused after they were counted as accepted. NATS reports a missing
    /// permission in this way; with Redis they are `dropped`.
    pub refused: u64,
    /// Messages of other nodes that were received.
    pub received: u64,
    /// Received messages that were dropped because this node is too slow, or because they came
    /// after 1024 later messages of their sender.
    pub lost: u64,
    /// Received messages that were received before.
    pub duplicates: u64,
    /// Received messages of a link that its sender had replaced.
    pub late: u64,
    /// Received messages that could not be read.
    pub malformed: u64,
    /// The channels of rooms and users that are subscribed now.
    pub subscriptions: u64,
    /// The number of times that the link came up again.
    pub reconnects: u64,
    /// The longest time that a heartbeat took through the broker.
    #[serde(serialize_with = "seconds")]
    pub worst_echo: Duration,
    /// The sum of the upper bounds of all [gaps](crate::hub::ClusterChange::Gap).
    #[serde(serialize_with = "seconds")]
    pub gaps: Duration,
}

/// Writes a duration as seconds.
fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
