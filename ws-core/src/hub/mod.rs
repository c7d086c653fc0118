//! Who is connected: every connection of this application from before its `on_open` until after its `on_close`, by its
//! name, its controller, its rooms and its user.
//!
//! [`Hub`] is what users hold of it, [`Target`] is whom they address, [`walk`] goes there in turns. [`live`] knows the
//! connections and their tasks, [`groups`] the rooms and users, [`membership`] is a connection's own side of it. The accept
//! side adds nothing here and the wire is not known here; draining goes through it, because nobody else knows all
//! connections. All of it is this process: other nodes are not reached.

mod connections;
mod groups;
mod live;
mod membership;
mod shards;
mod target;
#[cfg(test)]
mod tests;
mod walk;
mod watch;

use std::{any::TypeId, sync::Arc};

pub(crate) use self::{
    groups::GroupKey,
    live::{Entry, Live},
    membership::Membership,
};
pub use self::{
    membership::JoinError,
    target::{Delivery, Room, Target, User},
    watch::{MemberEvent, Members, Presence, PresenceEvent},
};
use crate::{
    connection::{Connection, ConnectionId},
    controller::Controller,
};

/// Everyone who is connected to this process, from any task: `conn.hub()` in a callback, `running.hub()` elsewhere,
/// `app.hub()` before the start.
///
/// ```
/// use ws_core::{Hub, prelude::*};
///
/// struct Lobby;
///
/// impl Controller for Lobby {
///     async fn on_open(&self, conn: &Connection) -> Result {
///         conn.join("newcomers")?;
///         Ok(())
///     }
/// }
///
/// /// In a timer, an HTTP handler, anywhere.
/// fn greet(hub: &Hub) {
///     let delivery = hub.room::<Lobby>("newcomers").push("welcome");
///     println!("{} of {} heard it", delivery.sent, hub.count());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Hub(Arc<Live>);

impl Hub {
    pub(crate) fn new(live: &Arc<Live>) -> Self {
        Self(Arc::clone(live))
    }

    /// The connection of this name, if it is there: from before its `on_open` until after its `on_close`.
    pub fn get(&self, id: ConnectionId) -> Option<Connection> {
        self.0.get(id)
    }

    /// How many connections there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The connection of this name as a target: if it is not there, the answer is an honest `gone`.
    pub fn connection(&self, id: ConnectionId) -> Target {
        Target::one(&self.0, id)
    }

    /// Everyone.
    pub fn all(&self) -> Target {
        Target::all(&self.0)
    }

    /// Everyone at the routes of this controller, on whatever server and path.
    pub fn controller<C: Controller>(&self) -> Target {
        Target::controller(&self.0, TypeId::of::<C>())
    }

    /// A room of this controller. Rooms belong to a controller: two controllers may both have a room `"1"`, and nothing leaks.
    pub fn room<C: Controller>(&self, name: impl AsRef<str>) -> Room {
        Room::new(&self.0, TypeId::of::<C>(), name.as_ref())
    }

    /// The connections that said they are this user's ([`Connection::identify`]).
    pub fn user(&self, name: impl AsRef<str>) -> User {
        User::new(&self.0, name.as_ref())
    }
}
