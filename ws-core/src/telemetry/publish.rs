//! Publishes the counters through the facade `metrics`.
//!
//! [`publish`] copies all of them at once, so that a message never calls the facade. Only durations
//! are recorded directly. Without a recorder nothing is kept.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use metrics::{Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::Instant;

use super::{
    AskStats, ClusterStatus, ControllerStats, EventStats, RouteCounters, RouteStats, ServerStats, Stats,
    StatusStats, TrafficStats,
};

pub(crate) const HANDSHAKE_SECONDS: &str = "ws_handshake_duration_seconds";
pub(crate) const CONNECTION_SECONDS: &str = "ws_connection_duration_seconds";
pub(crate) const EVENT_SECONDS: &str = "ws_event_duration_seconds";

/// The label of handshakes without a route.
const UNMATCHED: &str = "unmatched";

/// The duration of one in this number of events of a connection is measured.
const EVENTS_A_SAMPLE: u32 = 16;

/// Describes the metrics to the recorder.
pub(crate) fn describe() {
    for (name, text) in [
        ("ws_connections", "Open connections."),
        ("ws_rooms", "Rooms with a member on this node."),
        ("ws_ready", "1 if the application is ready for new clients."),
        ("ws_draining", "1 if the application is stopping."),
        ("ws_cluster_up", "1 if the link to the broker is up."),
        ("ws_cluster_nodes", "Nodes that are alive, with this one."),
    ] {
        describe_gauge!(name, text);
    }
    for (name, text) in [
        ("ws_handshakes_total", "Answered handshakes."),
        ("ws_closed_total", "Ended connections."),
        ("ws_messages_total", "Messages."),
        ("ws_message_bytes_total", "Bytes in the payloads of messages."),
        ("ws_compression_bytes_total", "Bytes of compressed messages, before and after compression."),
        ("ws_events_total", "Handled events."),
        ("ws_event_errors_total", "Errors of events by code."),
        ("ws_asks_total", "Asks of clients."),
        ("ws_outbox_full_total", "Messages that found no room in an outbox."),
        ("ws_rate_limited_total", "Messages over the rate limit."),
        ("ws_heartbeat_lost_total", "Connections whose peer did not answer a ping in time."),
        ("ws_room_joins_total", "Joins of rooms."),
        ("ws_cluster_messages_total", "Messages to and from the broker."),
        ("ws_cluster_lost_total", "Messages of other nodes that were received and dropped."),
        ("ws_cluster_gap_seconds_total", "Time in which messages of other nodes may have been missed."),
    ] {
        describe_counter!(name, text);
    }
    describe_histogram!(HANDSHAKE_SECONDS, "Time from a request to its answer.");
    describe_histogram!(CONNECTION_SECONDS, "Time from the 101 to the end of a connection.");
    describe_histogram!(EVENT_SECONDS, "Time of a handler, of one in 16 events of a connection.");
}

/// Sets all counters and gauges.
pub(crate) fn publish(stats: &Stats) {
    gauge!("ws_ready").set(f64::from(u8::from(stats.is_ready)));
    gauge!("ws_draining").set(f64::from(u8::from(stats.is_draining)));
    stats.servers.iter().for_each(publish_server);
    for ControllerStats { name, rooms, room_joins } in &stats.controllers {
        gauge!("ws_rooms", "controller" => *name).set(*rooms as f64);
        counter!("ws_room_joins_total", "controller" => *name).absolute(*room_joins);
    }
    if let Some(cluster) = &stats.cluster {
        publish_cluster(cluster);
    }
}

fn publish_server(ServerStats { name, unmatched, routes }: &ServerStats) {
    publish_handshakes(name, UNMATCHED, unmatched);
    for route in routes {
        publish_route(name, route);
    }
}

fn publish_handshakes(server: &str, route: &str, handshakes: &[StatusStats]) {
    for StatusStats { status, count } in handshakes {
        let labels =
            [("server", server.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
        counter!("ws_handshakes_total", &labels).absolute(*count);
    }
}

fn publish_route(server: &str, route: &RouteStats) {
    let of_route = [("server", server.to_owned()), ("route", route.path.clone())];
    let with = |labels: &[(&'static str, &'static str)]| {
        let more = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
        of_route.iter().cloned().chain(more).collect::<Vec<_>>()
    };
    gauge!("ws_connections", &of_route).set(route.connections as f64);
    publish_handshakes(server, &route.path, &route.handshakes);
    for closed in &route.closed {
        let labels = with(&[("cause", closed.cause), ("close_code", closed.code)]);
        counter!("ws_closed_total", &labels).absolute(closed.count);
    }
    for (direction, TrafficStats { text, binary }) in [("in", &route.received), ("out", &route.sent)] {
        for (kind, stats) in [("text", text), ("binary", binary)] {
            let labels = with(&[("direction", direction), ("kind", kind)]);
            counter!("ws_messages_total", &labels).absolute(stats.messages);
            counter!("ws_message_bytes_total", &labels).absolute(stats.bytes);
        }
    }
    for (direction, stats) in [("in", route.received_compression), ("out", route.sent_compression)] {
        for (stage, bytes) in [("before", stats.before), ("after", stats.after)] {
            let labels = with(&[("direction", direction), ("stage", stage)]);
            counter!("ws_compression_bytes_total", &labels).absolute(bytes);
        }
    }
    let policy = with(&[("policy", super::labels::policy(route.overflow))]);
    counter!("ws_outbox_full_total", &policy).absolute(route.outbox_full);
    counter!("ws_rate_limited_total", &of_route).absolute(route.rate_limited);
    counter!("ws_heartbeat_lost_total", &of_route).absolute(route.heartbeat_lost);
    publish_events(route);
}

fn publish_events(RouteStats { path, events, asks, .. }: &RouteStats) {
    for EventStats { name, ok, error, panic, timeout, errors } in events {
        for (outcome, count) in [("ok", ok), ("error", error), ("panic", panic), ("timeout", timeout)] {
            counter!("ws_events_total", "route" => path.clone(), "event" => *name, "outcome" => outcome)
                .absolute(*count);
        }
        for error in errors {
            counter!("ws_event_errors_total", "route" => path.clone(), "event" => *name, "code" => error.code)
                .absolute(error.count);
        }
    }
    for AskStats { name, ok, refused, timeout, error } in asks {
        for (outcome, count) in [("ok", ok), ("refused", refused), ("timeout", timeout), ("error", error)] {
            counter!("ws_asks_total", "route" => path.clone(), "event" => *name, "outcome" => outcome)
                .absolute(*count);
        }
    }
}

fn publish_cluster(ClusterStatus { is_up, nodes, link }: &ClusterStatus) {
    gauge!("ws_cluster_up").set(f64::from(u8::from(*is_up)));
    gauge!("ws_cluster_nodes").set(*nodes as f64);
    for (direction, outcome, count) in [
        ("out", "accepted", link.accepted),
        ("out", "unknown", link.unknown),
        ("out", "dropped", link.dropped),
        ("out", "refused", link.refused),
        ("in", "received", link.received),
        ("in", "lost", link.lost),
        ("in", "duplicate", link.duplicates),
        ("in", "late", link.late),
        ("in", "malformed", link.malformed),
    ] {
        counter!("ws_cluster_messages_total", "direction" => direction, "outcome" => outcome).absolute(count);
    }
    counter!("ws_cluster_lost_total").absolute(link.lost);
    counter!("ws_cluster_gap_seconds_total").absolute(link.gaps.as_secs());
}

/// Records the duration of an answered handshake.
pub(crate) fn record_handshake(server: &str, route: Option<&str>, status: StatusCode, duration: Duration) {
    let labels = [
        ("server", server.to_owned()),
        ("route", route.unwrap_or(UNMATCHED).to_owned()),
        ("status", status.as_u16().to_string()),
    ];
    histogram!(HANDSHAKE_SECONDS, &labels).record(duration);
}

impl RouteCounters {
    /// Records the duration of an ended connection.
    pub(crate) fn record_duration(&self, server: &str, duration: Duration) {
        let labels = [("server", server.to_owned()), ("route", self.path.to_string())];
        histogram!(CONNECTION_SECONDS, &labels).record(duration);
    }
}

/// The handle of an event's histogram, resolved once.
#[derive(Debug, Default)]
pub(super) struct EventSeconds(OnceLock<Histogram>);

impl EventSeconds {
    pub(super) fn record(&self, route: &str, event: &'static str, duration: Duration) {
        let resolve = || histogram!(EVENT_SECONDS, "route" => route.to_owned(), "event" => event);
        self.0.get_or_init(resolve).record(duration);
    }
}

/// Measures the duration of some events of a connection.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    events: AtomicU32,
    /// The time at which the running event began, in nanoseconds; 0 if it is not measured.
    began: AtomicU64,
}

impl Sampler {
    pub(super) fn begin(&self) {
        // Only the task of the connection writes.
        let number = self.events.load(Ordering::Relaxed);
        self.events.store(number.wrapping_add(1), Ordering::Relaxed);
        if number.is_multiple_of(EVENTS_A_SAMPLE) {
            self.began.store(nanoseconds().max(1), Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self) -> Option<Duration> {
        let began = self.began.load(Ordering::Relaxed);
        if began == 0 {
            return None;
        }
        self.began.store(0, Ordering::Relaxed);
        Some(Duration::from_nanos(nanoseconds().saturating_sub(began)))
    }
}

/// The time since the first call.
fn nanoseconds() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}
