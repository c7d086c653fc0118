//! [`Connection`]: what everyone may hold of a living connection.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Outbox, Stop,
    asks::Asks,
    expiry::{Expiry, valid_until},
    outbox::OutboxLimits,
};
use crate::{
    config::Limits,
    envelope::Format,
    hub::{Live, Membership},
    request::{ContextMap, Handshake},
    wire::{CloseFrame, CloseReason, ConnectionId, Message, SendError, may_be_sent},
};

/// A living connection. Cheap to clone, `Send` and `Sync`, valid anywhere: in other tasks, HTTP handlers, timers.
///
/// It does not own the socket: holding one keeps no connection open, and its methods say so when the connection is
/// gone. What is pushed by one task arrives in the order it was pushed.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    handshake: Handshake,
    outbox: Outbox,
    expiry: Expiry,
    asks: Asks,
    membership: Membership,
    /// The name of its controller, which its rooms belong to.
    controller: &'static str,
    max_rooms: usize,
    /// No circle: the living hold a connection only until its end.
    live: Arc<Live>,
}

impl Connection {
    pub(crate) fn new(handshake: Handshake, limits: &Limits, live: Arc<Live>) -> Self {
        let controller = handshake.matched().map_or("", |route| route.controller());
        let expiry = Expiry::new(valid_until(handshake.context()));
        Self(Arc::new(Shared {
            handshake,
            outbox: Outbox::new(live.next_id(), OutboxLimits::from(limits)),
            expiry,
            asks: Asks::default(),
            membership: Membership::default(),
            controller,
            max_rooms: limits.rooms,
            live,
        }))
    }

    /// Its name, never used again.
    pub fn id(&self) -> ConnectionId {
        self.0.outbox.id()
    }

    /// Queues a message and never waits.
    ///
    /// # Errors
    /// [`SendError::Full`] when the outbox has no room (`limits.outbox_messages`, `limits.outbox_bytes`); what then
    /// happens to the connection is `limits.overflow`. [`SendError::Closed`] when it is closing or closed.
    pub fn push(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.outbox.push(message.into())
    }

    /// Serialises once and queues the JSON as a text message.
    ///
    /// # Errors
    /// [`SendError::Serialize`], and those of [`push`](Self::push).
    pub fn push_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), SendError> {
        self.push(serde_json::to_string(value)?)
    }

    /// Queues a message as soon as the outbox has room. Dropping the future gives up the place; nothing is sent then.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the connection is closing or closed, or becomes so while waiting.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.0.outbox.send(message.into()).await
    }

    /// Queues the event `{"event": name, "data": data}`; in MessagePack where the connection speaks the subprotocol
    /// `msgpack`.
    ///
    /// # Errors
    /// [`SendError::Serialize`], and those of [`push`](Self::push).
    #[doc(alias("emit"))]
    pub fn event<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), SendError> {
        self.push(self.format().encode(name, data, None)?)
    }

    /// Sends a ping ahead of the queued messages; the answer reaches `on_pong`.
    ///
    /// # Errors
    /// [`SendError::ControlTooLong`] over 125 bytes, [`SendError::Full`] when 16 pings wait already,
    /// [`SendError::Closed`].
    pub fn ping(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        self.0.outbox.ping(payload.into())
    }

    /// Closes the connection with this code (RFC 6455 section 7.4) and reason, which is cut to 123 bytes at a char
    /// boundary.
    ///
    /// What was pushed before is sent first: a close frame ends the data (section 5.5.1). All of it has the close
    /// deadline, `limits.close_timeout`. Nothing can be pushed from now on, and no further message is handled.
    ///
    /// # Errors
    /// [`SendError::CloseCode`] for a code that may not be sent, [`SendError::Closed`] when it is closing already; the
    /// first one counts.
    #[doc(alias("kick"))]
    pub fn disconnect(&self, code: u16, reason: impl AsRef<str>) -> Result<(), SendError> {
        if !may_be_sent(code) {
            return Err(SendError::CloseCode(code));
        }
        let frame = CloseFrame::new(code, reason.as_ref());
        let reason = CloseReason::Local { code, reason: frame.reason.clone() };
        self.0.outbox.stop(Stop::Close { frame, reason })
    }

    /// Waits until the connection ends: the client sends a close frame or leaves, or this side
    /// closes it.
    ///
    /// Messages that the client sent before its end are still handled, so
    /// [`is_open`](Self::is_open) may be true for a while: answers can still be pushed. A client
    /// that leaves while a callback keeps `limits.inbox_messages` waiting is noticed within a
    /// second.
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

    /// The name of its server.
    pub fn server(&self) -> &str {
        self.0.handshake.server()
    }

    /// The path pattern of its route, such as `/rooms/{room}`.
    pub fn route(&self) -> &str {
        self.0.handshake.route().unwrap_or_default()
    }

    /// What the connection was asked for with: method, URI, headers, cookies, query, path parameters, subprotocol.
    pub fn handshake(&self) -> &Handshake {
        &self.0.handshake
    }

    /// Typed values that belong to this connection.
    pub fn context(&self) -> &ContextMap {
        self.0.handshake.context()
    }

    /// Messages that a full outbox dropped, under `overflow = "drop_oldest"` and `"drop_newest"`.
    pub fn dropped(&self) -> u64 {
        self.0.outbox.dropped()
    }

    /// What the controller kept of the handshake.
    pub(crate) fn kept<T: 'static>(&self) -> Option<&T> {
        self.0.handshake.kept.as_ref()?.downcast_ref()
    }

    /// How its envelopes are written.
    pub(crate) fn format(&self) -> Format {
        Format::of(self.0.handshake.subprotocol())
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.0.membership
    }

    /// The connections of its node.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// The most rooms that it may be in at once.
    pub(crate) fn max_rooms(&self) -> usize {
        self.0.max_rooms
    }

    /// The name of its controller.
    pub(crate) fn controller(&self) -> &'static str {
        self.0.controller
    }

    pub(crate) fn asks(&self) -> &Asks {
        &self.0.asks
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// When it ends by itself.
    pub(crate) fn expiry(&self) -> &Expiry {
        &self.0.expiry
    }

    /// From now on it ends at this time.
    #[cfg(feature = "jwt")]
    pub(crate) fn ends_at(&self, at: Option<std::time::SystemTime>) {
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
