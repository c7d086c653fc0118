//! [`Connection`]: the handle through which any task sends to a connection and closes it.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use serde::Serialize;
use tracing::Span;

use super::{
    Outbox, Stop,
    asks::Asks,
    expiry::{Expiry, valid_until},
    tasks::Tasks,
};
use crate::{
    config::Limits,
    envelope::{Format, WsEvent},
    hub::{Alarm, EmitCheck, Live, Membership},
    request::{ContextMap, Handshake},
    socket::SharedFormat,
    telemetry::{EventCounters, Outcome, RouteCounters, RunningEvent},
    wire::{CloseFrame, CloseReason, ConnectionId, Message, SendError, may_be_sent},
};

/// The handle of an open connection. It is cheap to clone, and it is `Send` and `Sync`: other
/// tasks, HTTP handlers and timers may hold it.
///
/// The handle does not own the socket, so it does not keep the connection open. After the
/// connection has ended, its methods return [`SendError::Closed`]. Messages that one task pushes
/// arrive in the order in which they were pushed.
///
/// ```
/// use std::time::Duration;
/// use ws_core::Connection;
///
/// /// Pushes until the connection closes.
/// fn start_clock(conn: &Connection) {
///     let conn = conn.clone();
///     tokio::spawn(async move {
///         while conn.push("tick").is_ok() {
///             tokio::time::sleep(Duration::from_secs(1)).await;
///         }
///     });
/// }
/// ```
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

// In this order, because a delivery to many sleeping connections is bound by cache misses: the
// reference counts of the `Arc` and the outbox take three lines.
#[repr(C)]
struct Shared {
    outbox: Outbox,
    handshake: Handshake,
    expiry: Expiry,
    alarm: Alarm,
    /// This reference cycle does not leak: [`Live`] drops its handle when the connection ends.
    live: Arc<Live>,
    event: RunningEvent,
    /// Made when one of its parts is needed, at the latest when the connection ends.
    rare: OnceLock<Box<Rare>>,
}

/// The parts that most connections do not use.
#[derive(Default)]
struct Rare {
    asks: Asks,
    tasks: Tasks,
    membership: Membership,
}

impl Connection {
    pub(crate) fn new(
        handshake: Handshake,
        limits: &Arc<Limits>,
        live: Arc<Live>,
        shared_format: Option<SharedFormat>,
    ) -> Self {
        let expiry = Expiry::new(valid_until(handshake.context()));
        let counters = handshake.matched().and_then(|route| route.counters().cloned()).unwrap_or_default();
        Self(Arc::new(Shared {
            outbox: Outbox::new(live.next_id(), Arc::clone(limits), counters, shared_format),
            handshake,
            expiry,
            alarm: Alarm::default(),
            live,
            event: RunningEvent::default(),
            rare: OnceLock::new(),
        }))
    }

    /// The id of the connection. An id is never used again.
    pub fn id(&self) -> ConnectionId {
        self.0.outbox.id()
    }

    /// Queues a message and never waits.
    ///
    /// # Errors
    /// [`SendError::Full`] when the outbox has no room (`limits.outbox_messages`,
    /// `limits.outbox_bytes`); `limits.overflow` decides whether the connection then stays open.
    /// [`SendError::Closed`] when the connection is closing or closed.
    pub fn push(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.outbox.push(message.into())
    }

    /// Serialises the value as JSON and queues it as a text message.
    ///
    /// # Errors
    /// [`SendError::Serialize`], and the errors of [`push`](Self::push).
    pub fn push_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SendError> {
        self.push(serde_json::to_string(value)?)
    }

    /// Queues a message as soon as the outbox has room. If the future is dropped before that, the
    /// message is not sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the connection is closing or closed, or starts to close during
    /// the wait.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.outbox.send(message.into()).await
    }

    /// Queues the event `{"event": name, "data": data}`. The event is encoded in MessagePack if the
    /// connection uses the subprotocol `msgpack`, else in JSON.
    ///
    /// This is for names that are known only at run time. Other events have a type:
    /// [`emit`](Self::emit).
    ///
    /// # Errors
    /// [`SendError::Serialize`], and the errors of [`push`](Self::push).
    pub fn event<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), SendError> {
        self.push(self.format().encode(name, data, None)?)
    }

    /// Queues an event under the name of its type, as [`event`](Self::event) does.
    ///
    /// The controller declares the event with `emits(..)`, or returns it from a handler. In builds
    /// with `debug_assertions`, the first emit of an event that is not declared is logged as a
    /// warning.
    ///
    /// ```
    /// use serde::Serialize;
    /// use ws_core::prelude::*;
    ///
    /// /// The number of connections.
    /// #[derive(Serialize, WsEvent)]
    /// #[ws_event("crowd")]
    /// struct Crowd(usize);
    ///
    /// #[ws_controller(path = "/crowd", emits(Crowd))]
    /// struct Counter;
    ///
    /// impl Controller for Counter {
    ///     async fn on_open(&self, conn: &Connection) -> Result {
    ///         Ok(conn.emit(&Crowd(conn.hub().count_local()))?)
    ///     }
    /// }
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// The errors of [`event`](Self::event).
    #[track_caller]
    pub fn emit<E: WsEvent + Serialize + ?Sized>(&self, event: &E) -> Result<(), SendError> {
        self.check_emit::<E>(std::panic::Location::caller());
        self.event(E::NAME, event)
    }

    /// Checks an emit on this connection alone.
    pub(crate) fn check_emit<E: WsEvent + ?Sized>(&self, place: &'static std::panic::Location<'static>) {
        if let Some(mut check) = EmitCheck::new::<E>(place) {
            check.check_route(self);
        }
    }

    /// Sends a ping (RFC 6455 section 5.5.2) ahead of the queued messages. The pong is passed to
    /// `on_pong`.
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`] if the payload exceeds 125 bytes, [`SendError::Full`] when 16
    /// pings are queued already, [`SendError::Closed`] when the connection is closing or closed.
    pub fn ping(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.outbox.ping(payload.into())
    }

    /// Closes the connection with this code (RFC 6455 section 7.4) and reason. The reason is cut to
    /// 123 bytes at a char boundary.
    ///
    /// Messages that were pushed before are sent first, because no data may follow a close frame
    /// (section 5.5.1). They and the close frame must be sent within the close deadline,
    /// `limits.close_timeout`. From now on nothing can be pushed, and no further message is
    /// handled.
    ///
    /// # Errors
    /// [`SendError::CloseCode`] for a code that may not be sent. [`SendError::Closed`] when the
    /// connection is closing already: the first request to close decides code and reason.
    #[doc(alias("kick"))]
    pub fn disconnect(&self, code: u16, reason: impl AsRef<str>) -> Result<(), SendError> {
        if !may_be_sent(code) {
            return Err(SendError::CloseCode(code));
        }
        let frame = CloseFrame::new(code, reason.as_ref());
        let reason = CloseReason::Local { code, reason: frame.reason.clone() };
        self.0.outbox.stop(Stop::Close { frame, reason })
    }

    /// Waits until the connection ends: the client sends a close frame or closes the socket, or
    /// this side closes the connection.
    ///
    /// Messages that the client sent before are still handled, and replies to them can still be
    /// pushed. So [`is_open`](Self::is_open) may stay true for a while. While
    /// `limits.inbox_messages` messages wait behind a running callback, nothing is read; the end is
    /// then noticed within a second.
    pub async fn closed(&self) {
        self.0.outbox.closed().await;
    }

    /// Whether messages can still be pushed.
    pub fn is_open(&self) -> bool {
        self.0.outbox.is_open()
    }

    /// The peer's address, where the transport has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.handshake.peer_addr()
    }

    /// The name of the server that accepted the connection.
    pub fn server(&self) -> &str {
        self.0.handshake.server()
    }

    /// The path pattern of the route, such as `/rooms/{room}`.
    pub fn route(&self) -> &str {
        self.0.handshake.route().unwrap_or_default()
    }

    /// The finished handshake: method, URI, headers, cookies, query, path parameters, subprotocol.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// Typed values that belong to this connection. They are dropped after `on_close` has run.
    pub fn context(&self) -> &ContextMap {
        self.0.handshake.context()
    }

    /// The number of messages that a full outbox dropped, under `overflow = "drop_oldest"` and
    /// `"drop_newest"`.
    pub fn dropped(&self) -> u64 {
        self.0.outbox.dropped()
    }

    /// Returns the value that the controller took from the handshake and kept.
    pub(crate) fn kept<T: 'static>(&self) -> Option<&T> {
        self.0.handshake.kept.as_ref()?.downcast_ref()
    }

    /// The format of the connection's envelopes.
    pub(crate) fn format(&self) -> Format {
        Format::of(self.0.handshake.subprotocol())
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.rare().membership
    }

    /// Returns the membership if the connection may be in a room or have a user.
    pub(crate) fn membership_if_any(&self) -> Option<&Membership> {
        self.0.rare.get().map(|rare| &rare.membership)
    }

    /// The open connections of this node.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// The limits of the route.
    pub(crate) fn limits(&self) -> &Limits {
        self.0.outbox.limits()
    }

    /// The name of the controller. Rooms are separate for each controller.
    pub(crate) fn controller(&self) -> &'static str {
        self.0.handshake.matched().map_or("", |route| route.controller())
    }

    pub(crate) fn asks(&self) -> &Asks {
        &self.rare().asks
    }

    /// Returns the asks if there may be one.
    pub(crate) fn asks_if_any(&self) -> Option<&Asks> {
        self.0.rare.get().map(|rare| &rare.asks)
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.rare().tasks
    }

    /// Returns the tasks if there may be one.
    pub(crate) fn tasks_if_any(&self) -> Option<&Tasks> {
        self.0.rare.get().map(|rare| &rare.tasks)
    }

    fn rare(&self) -> &Rare {
        self.0.rare.get_or_init(Box::default)
    }

    /// The messages of the connection, for the console.
    pub(crate) fn tap(&self) -> &super::Tap {
        self.0.outbox.tap()
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// The counters of the route.
    pub(crate) fn counters(&self) -> &RouteCounters {
        self.0.outbox.counters()
    }

    /// Records that the handling of the event of this name begins.
    pub(crate) fn begin_event(&self, name: &str) {
        self.0.event.begin(&self.counters().events, name);
    }

    /// Returns the label of the event that is handled: its name if it is declared.
    pub(crate) fn event_label(&self) -> &'static str {
        self.0.event.name(&self.counters().events)
    }

    /// Counts the outcome of the event that is handled. Returns its counters; `None` if no event is
    /// handled.
    pub(crate) fn end_event(&self, outcome: Outcome) -> Option<&EventCounters> {
        self.0.event.end(self.counters(), outcome)
    }

    /// The time at which the session is woken to check its timers.
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.0.alarm
    }

    pub(crate) fn expiry(&self) -> &Expiry {
        &self.0.expiry
    }

    /// Makes a span for the log lines of the connection. It has no parent, so that it is the same
    /// wherever it is made.
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!(
            target: "ws_core::connection",
            parent: None,
            "connection",
            id = %self.id(),
            server = self.server(),
            route = self.route(),
            peer = self.peer_addr().map(tracing::field::display),
        )
    }

    /// Sets the time at which the connection expires, and wakes the session task to apply it.
    #[cfg(feature = "jwt")]
    pub(crate) fn set_expiry(&self, at: Option<std::time::SystemTime>) {
        self.0.expiry.set(at);
        self.0.outbox.nudge();
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Connection {}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id())
            .field("route", &self.route())
            .finish_non_exhaustive()
    }
}
