//! [`Target`]: whom the hub addresses, and [`Delivery`]: what became of it.

use std::{any::TypeId, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use super::{
    Live,
    groups::GroupKey,
    walk::Walk,
    watch::{Members, Presence},
};
use crate::{
    connection::{CloseFrame, CloseReason, Connection, ConnectionId, Stop, may_be_sent},
    error::SendError,
    handlers::Codec,
    message::Message,
    socket,
};

/// What became of a message that went to several connections of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// Outboxes that took it. Whether the peer reads it is not known, as with any push.
    pub sent: usize,
    /// Outboxes that were full; what happens to these connections is their `limits.overflow`.
    pub full: usize,
    /// Connections that were gone, or about to be.
    pub gone: usize,
}

impl Delivery {
    pub(super) fn count(&mut self, result: Result<(), SendError>) {
        match result {
            Ok(()) => self.sent += 1,
            Err(SendError::Full { .. }) => self.full += 1,
            Err(_) => self.gone += 1,
        }
    }
}

/// Whom the hub addresses: the connections that are meant when a method is called, not when the target was made.
///
/// A message is serialised and framed once and shared by all. One slow or dead member neither delays nor fails the
/// rest. What one task pushes to a target arrives at each member in the order in which it was pushed.
///
/// ```
/// use ws_core::{Connection, Hub, Result};
///
/// fn announce(hub: &Hub, from: &Connection) -> Result {
///     let delivery = hub.all().except(from.id()).push_json(&serde_json::json!({"news": 1}))?;
///     println!("{} heard it", delivery.sent);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a target does nothing until something is pushed"]
pub struct Target {
    pub(super) live: Arc<Live>,
    pub(super) whom: Whom,
    pub(super) except: Vec<ConnectionId>,
}

#[derive(Clone, Debug)]
pub(super) enum Whom {
    One(ConnectionId),
    All,
    Controller(TypeId),
    Group(GroupKey),
}

impl Target {
    pub(super) fn one(live: &Arc<Live>, id: ConnectionId) -> Self {
        Self::new(live, Whom::One(id))
    }

    pub(super) fn all(live: &Arc<Live>) -> Self {
        Self::new(live, Whom::All)
    }

    pub(super) fn controller(live: &Arc<Live>, controller: TypeId) -> Self {
        Self::new(live, Whom::Controller(controller))
    }

    fn new(live: &Arc<Live>, whom: Whom) -> Self {
        Self { live: Arc::clone(live), whom, except: Vec::new() }
    }

    /// Leaves a connection out; may be called several times.
    pub fn except(mut self, id: ConnectionId) -> Self {
        self.except.push(id);
        self
    }

    /// Queues a message with every connection that is meant, and never waits.
    ///
    /// All of it happens in this call, so in async code large targets are better served by
    /// [`broadcast`](Self::broadcast).
    pub fn push(&self, message: impl Into<Message>) -> Delivery {
        let frame = socket::encode(message.into());
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.push(&frame);
        }
        walk.delivery()
    }

    /// Serialises once and pushes the JSON as a text message.
    ///
    /// # Errors
    /// [`SendError::Serialize`]; nothing is pushed then.
    pub fn push_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<Delivery, SendError> {
        Ok(self.push(serde_json::to_string(value)?))
    }

    /// Pushes the event `{"event": name, "data": data}`; in MessagePack to connections that speak the subprotocol `msgpack`. It is serialised once for each of the
    /// two that is needed.
    ///
    /// # Errors
    /// [`SendError::Serialize`]; nothing is pushed to those who would have got it.
    pub fn event<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Result<Delivery, SendError> {
        let (mut walk, mut frames) = (Walk::new(self), Frames::default());
        while walk.advance() {
            walk.event(&mut frames, name, data)?;
        }
        Ok(walk.delivery())
    }

    /// [`push`](Self::push) for large targets: lets other tasks run after every 512 members.
    ///
    /// Two broadcasts that one task awaits one after the other arrive in this order. Those that leave meanwhile do not get
    /// it any more, those that join meanwhile may get it. Dropping the future stops half-way.
    pub async fn broadcast(&self, message: impl Into<Message>) -> Delivery {
        let frame = socket::encode(message.into());
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.push(&frame);
            tokio::task::yield_now().await;
        }
        walk.delivery()
    }

    /// [`event`](Self::event) for large targets: lets other tasks run after every 512 members, as
    /// [`broadcast`](Self::broadcast) does.
    ///
    /// # Errors
    /// [`SendError::Serialize`]; nothing is pushed to those who would have got it.
    pub async fn broadcast_event<T: Serialize + Sync + ?Sized>(
        &self,
        name: &str,
        data: &T,
    ) -> Result<Delivery, SendError> {
        let (mut walk, mut frames) = (Walk::new(self), Frames::default());
        while walk.advance() {
            walk.event(&mut frames, name, data)?;
            tokio::task::yield_now().await;
        }
        Ok(walk.delivery())
    }

    /// Closes every connection that is meant with this code (RFC 6455 section 7.4) and reason, as
    /// [`Connection::disconnect`] does. `sent` counts those that were open.
    ///
    /// # Errors
    /// [`SendError::CloseCode`] for a code that may not be sent.
    pub fn disconnect(&self, code: u16, reason: impl AsRef<str>) -> Result<Delivery, SendError> {
        if !may_be_sent(code) {
            return Err(SendError::CloseCode(code));
        }
        let frame = CloseFrame::new(code, reason.as_ref());
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.each(|connection| {
                let reason = CloseReason::Local { code, reason: frame.reason.clone() };
                connection.outbox().stop(Stop::Close { frame: frame.clone(), reason })
            });
        }
        Ok(walk.delivery())
    }

    /// How many connections are meant.
    pub fn count(&self) -> usize {
        match &self.whom {
            Whom::All if self.except.is_empty() => self.live.len(),
            Whom::Controller(controller) if self.except.is_empty() => self.live.len_of(*controller),
            Whom::Group(key) if self.except.is_empty() => self.live.groups().count(key),
            _ => {
                let (mut walk, mut count) = (Walk::new(self), 0);
                while walk.advance() {
                    count += walk.turn().len();
                }
                count
            }
        }
    }

    /// The connections that are meant, in no particular order.
    pub fn ids(&self) -> Vec<ConnectionId> {
        let (mut walk, mut ids) = (Walk::new(self), Vec::new());
        while walk.advance() {
            ids.extend(walk.turn().iter().map(Connection::id));
        }
        ids
    }
}

/// An event as a frame, made once for each way in which envelopes are written.
#[derive(Default)]
pub(super) struct Frames(Vec<(Codec, Bytes)>);

impl Frames {
    pub(super) fn of<T: Serialize + ?Sized>(
        &mut self,
        codec: Codec,
        name: &str,
        data: &T,
    ) -> Result<Bytes, SendError> {
        if let Some((_, frame)) = self.0.iter().find(|(made, _)| *made == codec) {
            return Ok(frame.clone());
        }
        let frame = socket::encode(codec.encode(name, data, None)?);
        self.0.push((codec, frame.clone()));
        Ok(frame)
    }
}

/// A room of a controller: a [`Target`] whose members can be watched.
#[derive(Clone, Debug)]
#[must_use = "a room does nothing until something is pushed"]
pub struct Room {
    target: Target,
    key: GroupKey,
}

/// A user's connections: a [`Target`] that can be watched coming and going.
#[derive(Clone, Debug)]
#[must_use = "a user does nothing until something is pushed"]
pub struct User {
    target: Target,
    key: GroupKey,
}

impl Room {
    pub(crate) fn new(live: &Arc<Live>, controller: TypeId, name: &str) -> Self {
        let key = GroupKey::Room(controller, name.into());
        Self { target: Target::new(live, Whom::Group(key.clone())), key }
    }

    /// Everyone in the room but this connection.
    pub fn except(self, id: ConnectionId) -> Target {
        self.target.except(id)
    }

    /// Who is in the room now, and a stream of who joins and leaves from now on.
    ///
    /// ```no_run
    /// # use ws_core::{Hub, prelude::*};
    /// # struct Lobby; impl Controller for Lobby {}
    /// async fn watch(hub: &Hub) {
    ///     let mut members = hub.room::<Lobby>("42").members();
    ///     println!("{} are there", members.now().len());
    ///     while let Some(event) = members.next().await {
    ///         println!("{event:?}");
    ///     }
    /// }
    /// ```
    pub fn members(&self) -> Members {
        Members::new(&self.target.live, self.key.clone())
    }
}

impl User {
    pub(super) fn new(live: &Arc<Live>, name: &str) -> Self {
        let key = GroupKey::User(name.into());
        Self { target: Target::new(live, Whom::Group(key.clone())), key }
    }

    /// The user's connections but this one.
    pub fn except(self, id: ConnectionId) -> Target {
        self.target.except(id)
    }

    /// Whether the user is connected now, and a stream of the first connection's coming and the last one's going.
    pub fn presence(&self) -> Presence {
        Presence::new(&self.target.live, self.key.clone())
    }
}

impl std::ops::Deref for Room {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}

impl std::ops::Deref for User {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.target
    }
}
