//! [`Target`], [`Room`] and [`User`]: the sets of connections that hub calls address.
//!
//! A target stores a description, not the connections: each call determines the members anew.
//! [`Walk`] copies and serves the members; this module must not take the hub's locks itself.

use std::{any::TypeId, panic::Location, sync::Arc};

use serde::Serialize;

use super::{
    Delivery, Incomplete, Live,
    cluster::{
        self,
        wire::{About, Body, Frames},
    },
    event::EventFrames,
    groups::GroupKey,
    names::Named,
    user_at::UserAt,
    users::Users,
    walk::Walk,
    watch::{Members, Presence},
};
use crate::{
    connection::Connection,
    envelope::WsEvent,
    socket::{self, SharedFrame},
    wire::{CloseFrame, ConnectionId, Message, SendError, may_be_sent},
};

/// The connections that a hub call addresses. Each call determines the members anew, so a target
/// may be created early and stored.
///
/// A message is serialised and framed once, and all members share the frame. A slow or dead member
/// does not delay or fail the delivery to the others. Messages that one task pushes to a target
/// arrive at each member in that order.
///
/// A push does not return an error: [`Delivery`] counts its outcomes.
///
/// ```
/// use ws_core::{Connection, Hub};
///
/// fn announce(hub: &Hub, from: &Connection) {
///     let delivery = hub.all().except(from.id()).push_json(&serde_json::json!({"news": 1}));
///     println!("sent to {}", delivery.sent);
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a target does nothing until something is pushed"]
pub struct Target {
    pub(super) live: Arc<Live>,
    pub(super) scope: Scope,
    pub(super) except: Vec<ConnectionId>,
}

/// The connections of a target before exceptions.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    One(ConnectionId),
    All,
    Controller(Named),
    Room(Named, Arc<str>),
    User(Arc<str>),
    /// The connections of a user at one controller.
    UserAt(Named, Arc<str>),
}

impl Scope {
    /// The connections of the controller of this name.
    pub(super) fn of_controller(name: &'static str) -> Self {
        Self::Controller(Named::Name(name))
    }

    /// The members of a group.
    pub(super) fn of_group(key: GroupKey) -> Self {
        match key {
            GroupKey::Room(controller, name) => Self::Room(Named::Name(controller), name),
            GroupKey::User(name) => Self::User(name),
        }
    }
}

impl Target {
    pub(super) fn new(live: &Arc<Live>, scope: Scope) -> Self {
        Self { live: Arc::clone(live), scope, except: Vec::new() }
    }

    /// Leaves a connection out. May be called several times.
    pub fn except(mut self, id: ConnectionId) -> Self {
        self.except.push(id);
        self
    }

    /// Queues a message for every member and never waits.
    ///
    /// This call serves all members before it returns. For large targets in async code, use
    /// [`in_turns`](Self::in_turns).
    #[doc(alias("publish", "broadcast"))]
    pub fn push(&self, message: impl Into<Message>) -> Delivery {
        let mut frame = SharedFrame::new(socket::encode(message.into()));
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.push(&mut frame);
        }
        Delivery {
            remote: self.publish(|| Some(Body::Push(Frames::One(frame.plain().clone())))),
            ..walk.delivery()
        }
    }

    /// Serialises a value once and pushes the JSON as a text message.
    ///
    /// A value that does not serialise is logged at error level, with its type and the place of
    /// this call, and counted in [`Delivery::failed`].
    #[track_caller]
    pub fn push_json<T: Serialize + ?Sized>(&self, value: &T) -> Delivery {
        match serde_json::to_string(value) {
            Ok(json) => self.push(json),
            Err(error) => self.failed::<T>(&SendError::from(error), Location::caller()),
        }
    }

    /// Pushes the event `{"event": name, "data": data}`. Connections with the subprotocol `msgpack`
    /// get it in MessagePack, all others in JSON. It is serialised once for each format that is
    /// needed.
    ///
    /// Data that does not serialise is logged at error level, with its type and the place of this
    /// call, and counted in [`Delivery::failed`].
    ///
    /// This is for names that are known only at run time. Other events have a type:
    /// [`emit`](Self::emit).
    #[track_caller]
    pub fn event<T: Serialize + ?Sized>(&self, name: &str, data: &T) -> Delivery {
        self.deliver(EventFrames::new(name, data, Location::caller()))
    }

    /// Pushes an event under the name of its type, as [`event`](Self::event) does.
    ///
    /// ```
    /// use serde::Serialize;
    /// use ws_core::{Hub, WsEvent};
    ///
    /// #[derive(Serialize, WsEvent)]
    /// #[ws_event("news")]
    /// struct News {
    ///     text: String,
    /// }
    ///
    /// fn announce(hub: &Hub, text: String) {
    ///     let delivery = hub.all().emit(&News { text });
    ///     println!("sent to {}", delivery.sent);
    /// }
    /// ```
    #[track_caller]
    #[doc(alias("publish", "broadcast"))]
    pub fn emit<E: WsEvent + Serialize + ?Sized>(&self, event: &E) -> Delivery {
        self.deliver(EventFrames::of_type(event, Location::caller()))
    }

    fn deliver<T: Serialize + ?Sized>(&self, mut frames: EventFrames<'_, T>) -> Delivery {
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.event(&mut frames);
        }
        let body = || frames.for_nodes(self.live.names().use_msgpack()).map(Body::Push);
        Delivery { remote: self.publish(body), ..walk.delivery() }
    }

    /// Returns the same target for async code. It lets other tasks run after every 512 members.
    ///
    /// ```
    /// # use ws_core::Hub;
    /// async fn announce(hub: &Hub) {
    ///     let delivery = hub.all().in_turns().push("maintenance at noon").await;
    ///     println!("sent to {}", delivery.sent);
    /// }
    /// ```
    pub fn in_turns(&self) -> InTurns<'_> {
        InTurns { target: self }
    }

    /// Closes every member with this code (RFC 6455 section 7.4) and reason, as
    /// [`Connection::disconnect`] does. [`Delivery::sent`] counts the members that were open.
    ///
    /// # Errors
    /// [`SendError::CloseCode`] for a code that may not be sent.
    #[doc(alias("kick"))]
    pub fn disconnect(&self, code: u16, reason: impl AsRef<str>) -> Result<Delivery, SendError> {
        if !may_be_sent(code) {
            return Err(SendError::CloseCode(code));
        }
        let frame = CloseFrame::new(code, reason.as_ref());
        let mut walk = Walk::new(self);
        while walk.advance() {
            walk.close(&frame);
        }
        Ok(Delivery { remote: self.publish(|| Some(Body::Close(frame))), ..walk.delivery() })
    }

    /// Returns the number of members on all nodes.
    ///
    /// # Errors
    /// [`Incomplete`] has the number of the nodes that answered within a second. Without a cluster
    /// the result is exact.
    pub async fn count(&self) -> Result<usize, Incomplete<usize>> {
        let local = self.count_local();
        match self.ask(About::Count).await {
            None => Ok(local),
            Some(answers) => {
                let value = local.saturating_add(cluster::count(&answers));
                complete(value, answers.missing, self.is_unreachable())
            }
        }
    }

    /// Returns the number of members on this node.
    pub fn count_local(&self) -> usize {
        if !self.except.is_empty() {
            return self.ids_local().len();
        }
        match &self.scope {
            Scope::One(id) => usize::from(self.live.get(*id).is_some()),
            Scope::All => self.live.len(),
            Scope::Controller(controller) => {
                self.live.names().resolve(*controller).map_or(0, |name| self.live.len_of(name))
            }
            Scope::Room(..) | Scope::User(_) => self.group().map_or(0, |key| self.live.groups().count(&key)),
            Scope::UserAt(..) => self.ids_local().len(),
        }
    }

    /// Returns the ids of the members on all nodes, in no particular order.
    ///
    /// # Errors
    /// [`Incomplete`] has the ids of the nodes that answered within a second. Without a cluster the
    /// result is exact. A node answers with at most a million ids.
    pub async fn ids(&self) -> Result<Vec<ConnectionId>, Incomplete<Vec<ConnectionId>>> {
        let mut ids = self.ids_local();
        match self.ask(About::Ids).await {
            None => Ok(ids),
            Some(mut answers) => {
                let missing = std::mem::take(&mut answers.missing);
                ids.append(&mut cluster::ids(answers));
                complete(ids, missing, self.is_unreachable())
            }
        }
    }

    /// Returns the ids of the members on this node, in no particular order.
    pub fn ids_local(&self) -> Vec<ConnectionId> {
        let (mut walk, mut ids) = (Walk::new(self), Vec::new());
        while walk.advance() {
            ids.extend(walk.turn().map(Connection::id));
        }
        ids
    }

    /// Returns the key of the group of a room or user. `None` for other targets, and for a
    /// controller without a route.
    pub(super) fn group(&self) -> Option<GroupKey> {
        match &self.scope {
            Scope::Room(controller, name) => {
                let controller = self.live.names().resolve(*controller)?;
                Some(GroupKey::Room(controller, Arc::clone(name)))
            }
            Scope::User(name) | Scope::UserAt(_, name) => Some(GroupKey::User(Arc::clone(name))),
            Scope::One(_) | Scope::All | Scope::Controller(_) => None,
        }
    }

    /// Returns the user and the name of the controller, if the target is a user at one.
    pub(super) fn user_at(&self) -> Option<(GroupKey, &'static str)> {
        let Scope::UserAt(controller, name) = &self.scope else { return None };
        Some((GroupKey::User(Arc::clone(name)), self.live.names().resolve(*controller)?))
    }

    /// Returns the key to watch. A controller without a route has no members, so it gets the key of
    /// a group that no controller can have.
    fn watched(&self) -> GroupKey {
        self.group().unwrap_or_else(|| match &self.scope {
            Scope::Room(_, name) | Scope::User(name) | Scope::UserAt(_, name) => {
                GroupKey::of_no_controller(name)
            }
            Scope::One(_) | Scope::All | Scope::Controller(_) => GroupKey::of_no_controller(&"".into()),
        })
    }

    /// Logs that a value was not serialised, and returns the delivery in which all members failed.
    #[cold]
    fn failed<T: ?Sized>(&self, error: &SendError, place: &Location<'_>) -> Delivery {
        super::event::log_failure::<T>(error, place);
        let remote = self.publish(|| None);
        Delivery { failed: self.count_local(), remote, ..Delivery::default() }
    }
}

/// Returns a value that all nodes have contributed to, or the error if some have not.
fn complete<T>(value: T, missing: Vec<String>, is_unreachable: bool) -> Result<T, Incomplete<T>> {
    if missing.is_empty() && !is_unreachable { Ok(value) } else { Err(Incomplete { value, missing }) }
}

/// A [`Target`] for async code, which lets other tasks run after every 512 members. Returned by
/// [`Target::in_turns`].
///
/// If a task awaits one push and then another, their messages arrive in this order. A member that
/// leaves before its turn does not get the message. A member that joins during the push may get it.
///
/// After the members on this node, the message goes to the other nodes, and the future waits until
/// the broker has accepted it ([`Remote::Accepted`](super::Remote::Accepted)). That takes at most
/// three times `cluster.heartbeat`, after which the link is replaced. Dropping the future stops the
/// push between two turns; a message that was queued for the other nodes is still sent.
///
/// ```
/// use ws_core::Hub;
///
/// async fn announce(hub: &Hub) {
///     let delivery = hub.all().in_turns().event("news", "maintenance at noon").await;
///     println!("sent to {}", delivery.sent);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a target does nothing until something is pushed"]
pub struct InTurns<'a> {
    target: &'a Target,
}

impl<'a> InTurns<'a> {
    /// Queues a message for every member, as [`Target::push`] does.
    pub async fn push(self, message: impl Into<Message>) -> Delivery {
        let mut frame = SharedFrame::new(socket::encode(message.into()));
        let mut walk = Walk::new(self.target);
        while walk.advance() {
            walk.push(&mut frame);
            tokio::task::yield_now().await;
        }
        let remote =
            self.target.publish_accepted(|| Some(Body::Push(Frames::One(frame.plain().clone())))).await;
        Delivery { remote, ..walk.delivery() }
    }

    /// Serialises a value once and pushes the JSON as a text message, as [`Target::push_json`]
    /// does.
    #[track_caller]
    pub fn push_json<T: Serialize + ?Sized>(
        self,
        value: &T,
    ) -> impl Future<Output = Delivery> + Send + use<'a, T> {
        let (place, json) = (Location::caller(), serde_json::to_string(value));
        async move {
            match json {
                Ok(json) => self.push(json).await,
                Err(error) => self.target.failed::<T>(&SendError::from(error), place),
            }
        }
    }

    /// Pushes an event, as [`Target::event`] does.
    #[track_caller]
    pub fn event<'e, T: Serialize + Sync + ?Sized>(
        self,
        name: &'e str,
        data: &'e T,
    ) -> impl Future<Output = Delivery> + Send {
        self.deliver(EventFrames::new(name, data, Location::caller()))
    }

    /// Pushes an event under the name of its type, as [`Target::emit`] does.
    #[track_caller]
    pub fn emit<'e, E: WsEvent + Serialize + Sync + ?Sized>(
        self,
        event: &'e E,
    ) -> impl Future<Output = Delivery> + Send + use<'a, 'e, E> {
        self.deliver(EventFrames::of_type(event, Location::caller()))
    }

    async fn deliver<T: Serialize + Sync + ?Sized>(self, mut frames: EventFrames<'_, T>) -> Delivery {
        let mut walk = Walk::new(self.target);
        while walk.advance() {
            walk.event(&mut frames);
            tokio::task::yield_now().await;
        }
        let use_msgpack = self.target.live.names().use_msgpack();
        let body = || frames.for_nodes(use_msgpack).map(Body::Push);
        Delivery { remote: self.target.publish_accepted(body).await, ..walk.delivery() }
    }
}

/// A room of a controller: a [`Target`] whose members can be watched.
///
/// ```
/// use ws_core::Connection;
///
/// /// Sends to the other members of a room.
/// fn say(conn: &Connection, text: &str) {
///     conn.room("lobby").except(conn.id()).push(text);
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a room does nothing until something is pushed"]
#[doc(alias("topic", "channel"))]
pub struct Room(Target);

/// The connections of a user: a [`Target`] whose presence can be watched.
///
/// ```
/// use ws_core::{Hub, error::SendError};
///
/// /// Closes all connections of a user, on all nodes.
/// fn log_out(hub: &Hub, account: &str) -> Result<(), SendError> {
///     hub.user(account).disconnect(4001, "logged out").map(drop)
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a user does nothing until something is pushed"]
pub struct User(Target);

impl Room {
    pub(super) fn new(live: &Arc<Live>, controller: Named, name: &str) -> Self {
        Self(Target::new(live, Scope::Room(controller, name.into())))
    }

    /// A room of the controller of this name.
    pub(crate) fn of_controller(live: &Arc<Live>, controller: &'static str, name: &str) -> Self {
        Self::new(live, Named::Name(controller), name)
    }

    /// All members of the room except this connection.
    pub fn except(self, id: ConnectionId) -> Target {
        self.0.except(id)
    }

    /// Returns the members on all nodes, and a stream of those that join and leave from now on. The
    /// members of other nodes are known after [`Members::settled`].
    ///
    /// ```no_run
    /// # use ws_core::{Hub, prelude::*};
    /// # struct Lobby; impl Controller for Lobby {}
    /// async fn watch(hub: &Hub) {
    ///     let mut members = hub.room::<Lobby>("42").members();
    ///     members.settled().await;
    ///     println!("{} are there", members.now().len());
    ///     while let Some(event) = members.next().await {
    ///         println!("{event:?}");
    ///     }
    /// }
    /// ```
    pub fn members(&self) -> Members {
        Members::new(&self.0.live, self.0.watched())
    }

    /// Returns the users in the room on all nodes, each once, and a stream of those who join and
    /// leave from now on. The users of other nodes are known after [`Users::settled`].
    ///
    /// ```no_run
    /// # use ws_core::{Hub, hub::UserEvent, prelude::*};
    /// # struct Lobby; impl Controller for Lobby {}
    /// async fn watch(hub: &Hub) {
    ///     let mut users = hub.room::<Lobby>("42").users();
    ///     users.settled().await;
    ///     println!("{} are there", users.now().join(", "));
    ///     while let Some(event) = users.next().await {
    ///         match event {
    ///             UserEvent::Joined(user) => println!("{user} came"),
    ///             UserEvent::Left(user) => println!("{user} left"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    pub fn users(&self) -> Users {
        Users::new(&self.0.live, self.0.watched())
    }
}

impl User {
    pub(super) fn new(live: &Arc<Live>, name: &str) -> Self {
        Self(Target::new(live, Scope::User(name.into())))
    }

    /// All connections of the user except this one.
    pub fn except(self, id: ConnectionId) -> Target {
        self.0.except(id)
    }

    /// The connections of the user at the controller of this type.
    pub(crate) fn at_controller(&self, controller: TypeId) -> UserAt {
        let Target { live, scope, .. } = &self.0;
        let Scope::User(name) = scope else { return UserAt::new(self.0.clone()) };
        UserAt::new(Target::new(live, Scope::UserAt(live.names().of(controller), Arc::clone(name))))
    }

    /// Returns whether the user is connected to any node, and a stream that reports when the first
    /// connection opens and the last one ends. The connections on other nodes are known after
    /// [`Presence::settled`].
    pub fn presence(&self) -> Presence {
        Presence::new(&self.0.live, self.0.watched())
    }
}

impl std::ops::Deref for Room {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.0
    }
}

impl std::ops::Deref for User {
    type Target = Target;

    fn deref(&self) -> &Target {
        &self.0
    }
}
