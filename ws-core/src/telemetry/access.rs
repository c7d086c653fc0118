//! The access log: one line at level INFO for each refused handshake and for each ended connection,
//! with the target `ws_core::access`.
//!
//! A line never has a query, a header, a token or a payload.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;

use super::{Traffic, labels::cause};
use crate::wire::{CloseReason, ConnectionId};

/// The target of the lines.
const TARGET: &str = "ws_core::access";

/// A handshake that was not answered with 101.
#[derive(Debug)]
pub(crate) struct RefusedHandshake<'a> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) server: &'a str,
    pub(crate) route: Option<&'a str>,
    pub(crate) status: StatusCode,
    pub(crate) duration: Duration,
}

impl RefusedHandshake<'_> {
    pub(crate) fn log(&self) {
        let Self { peer, server, route, status, duration } = *self;
        tracing::info!(
            target: TARGET,
            peer = peer.map(display),
            server,
            route,
            status = status.as_u16(),
            duration_ms = milliseconds(duration),
            "refused"
        );
    }
}

/// A connection that has ended.
#[derive(Debug)]
pub(crate) struct EndedConnection<'a> {
    pub(crate) id: ConnectionId,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) server: &'a str,
    pub(crate) route: &'a str,
    pub(crate) subprotocol: Option<&'a str>,
    pub(crate) reason: &'a CloseReason,
    pub(crate) duration: Duration,
    pub(crate) traffic: &'a Traffic,
    /// Messages that a full outbox dropped.
    pub(crate) dropped: u64,
}

impl EndedConnection<'_> {
    pub(crate) fn log(&self) {
        let Self { id, peer, server, route, subprotocol, reason, duration, traffic, dropped } = *self;
        let (received, sent) = (traffic.received(), traffic.sent());
        tracing::info!(
            target: TARGET,
            %id,
            peer = peer.map(display),
            server,
            route,
            subprotocol,
            close_code = reason.code(),
            cause = cause(reason),
            duration_ms = milliseconds(duration),
            messages_in = received.messages,
            bytes_in = received.bytes,
            messages_out = sent.messages,
            bytes_out = sent.bytes,
            dropped,
            "closed"
        );
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
