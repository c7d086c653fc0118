//! [`Connection`]: what everyone may hold of a living connection.

use std::{fmt, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    CloseFrame, CloseReason, ConnectionId, ContextMap, Outbox, Stop, expiry::Expiry, may_be_sent,
    outbox::OutboxLimits,
};
use crate::{
    config::Limits,
    error::SendError,
    handlers::{Asks, Codec, PendingAsk},
    handshake::Handshake,
    hub::{GroupKey, Hub, JoinError, Live, Membership, Reach, Room},
    message::Message,
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
        let controller = handshake.found_route().map_or("", |route| route.controller_name);
        #[cfg(feature = "jwt")]
        let valid_until = crate::jwt::valid_until(handshake.context());
        #[cfg(not(feature = "jwt"))]
        let valid_until = None;
        let expiry = Expiry::new(valid_until);
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
    pub fn event<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<(), SendError> {
        self.push(self.codec().encode(name, data, None)?)
    }

    /// Asks the client: sends the event with a `ref` and waits for the message that brings this
    /// `ref` back.
    ///
    /// The answer is `{"event": any, "data": R, "ref": the same}`. The client refuses with
    /// `{"event": "error", "data": {"code", "message"}, "ref": the same}`. An answer is recognised
    /// as it arrives and reaches no handler, so a handler may ask its own connection: messages in
    /// front of the answer are read ahead (`limits.inbox_messages`, `limits.inbox_bytes`) and
    /// handled in order afterwards. One connection may have 64 outstanding asks.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use ws_core::{AskError, Connection};
    /// async fn is_ready(conn: &Connection) -> Result<bool, AskError> {
    ///     conn.ask_event::<bool>("ready?", "the game begins").timeout(Duration::from_secs(5)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AskError`](crate::AskError): the connection ended, no answer came in time (10 s unless
    /// [`timeout`](PendingAsk::timeout) sets another), the client refused, or its answer does not
    /// decode as `R`. The ask is forgotten then; an answer that comes later is dropped.
    pub fn ask_event<R: DeserializeOwned>(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> PendingAsk<'_, R> {
        PendingAsk::new(self, event, data)
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

    /// Joins a room of this connection's controller; false if it was in it. What is pushed to the room after this returned
    /// reaches this connection, too.
    ///
    /// It leaves all rooms once `on_close` has run, whatever ended it.
    ///
    /// # Errors
    /// [`JoinError::TooManyRooms`] beyond `limits.rooms`, [`JoinError::NameTooLong`] over 256 bytes,
    /// [`JoinError::Closed`] once it has ended.
    pub fn join(&self, room: impl AsRef<str>) -> Result<bool, JoinError> {
        let key = GroupKey::Room(self.0.controller, room.as_ref().into());
        self.0.membership.join(self.0.live.groups(), key, self, self.0.max_rooms)
    }

    /// [`join`](Self::join), and waits until the membership holds on all nodes.
    ///
    /// After [`Reach::Cluster`], every message that any node pushes to the room arrives. An
    /// unreachable broker is not an error: the result is [`Reach::Local`], and the other nodes
    /// follow when the broker can be reached again. Today an application is one process, and the
    /// result is [`Reach::Cluster`] at once.
    ///
    /// # Errors
    /// Those of [`join`](Self::join).
    pub async fn join_confirmed(&self, room: impl AsRef<str>) -> Result<Reach, JoinError> {
        self.join(room)?;
        Ok(Reach::Cluster)
    }

    /// Leaves a room; false if it was not in it. Nothing that is pushed to the room reaches this connection after this returned.
    pub fn leave(&self, room: impl AsRef<str>) -> bool {
        let key = GroupKey::Room(self.0.controller, room.as_ref().into());
        self.0.membership.leave(self.0.live.groups(), &key, self)
    }

    /// The rooms that it is in; still readable in `on_close`.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.0.membership.rooms()
    }

    /// Says whose connection this is, for [`Hub::user`]. It is one user's at a time: the last call counts.
    ///
    /// # Errors
    /// [`JoinError::NameTooLong`] over 256 bytes, [`JoinError::Closed`] once it has ended.
    pub fn identify(&self, user: impl AsRef<str>) -> Result<(), JoinError> {
        self.0.membership.identify(self.0.live.groups(), GroupKey::User(user.as_ref().into()), self)
    }

    /// Whose connection this is, if it was said.
    pub fn user(&self) -> Option<Arc<str>> {
        self.0.membership.user()
    }

    /// A room of this connection's controller, to push to; the connection itself need not be in it.
    pub fn room(&self, name: impl AsRef<str>) -> Room {
        Room::of_controller(&self.0.live, self.0.controller, name.as_ref())
    }

    /// Messages that a full outbox dropped, under `overflow = "drop_oldest"` and `"drop_newest"`.
    pub fn dropped(&self) -> u64 {
        self.0.outbox.dropped()
    }

    /// Everyone else.
    pub fn hub(&self) -> Hub {
        Hub::new(&self.0.live)
    }

    /// What the controller kept of the handshake.
    pub(crate) fn kept<T: 'static>(&self) -> Option<&T> {
        self.0.handshake.kept.as_ref()?.downcast_ref()
    }

    /// How its envelopes are written.
    pub(crate) fn codec(&self) -> Codec {
        Codec::of(self.0.handshake.subprotocol())
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.0.membership
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
