//! [`Hub`]: all connections of one node, from before their `on_open` until after their `on_close`,
//! by id, controller, room and user.
//!
//! A [`Target`] is the set of connections that a call addresses. A push copies the members in turns
//! of limited size under a lock, and delivers to their outboxes without it. The drain at shutdown
//! also uses this module, since no other module has all connections. `cluster` reaches the members
//! on other nodes, and `remote` joins it with the targets.
//!
//! The hub must not use sockets or HTTP, and must not hold a lock while it delivers or awaits.

mod claims;
#[cfg_attr(
    not(any(feature = "nats", feature = "redis", feature = "testing")),
    expect(dead_code, unused_variables, reason = "used only with a broker")
)]
mod cluster;
mod connection;
mod connections;
mod delivery;
mod event;
mod exclusive;
mod groups;
mod journal;
mod live;
mod membership;
mod names;
mod remote;
mod shards;
mod target;
#[cfg(test)]
mod tests;
mod undeclared;
mod user_at;
mod users;
mod walk;
mod watch;
mod wheel;

use std::{any::TypeId, sync::Arc};

pub(crate) use self::cluster::Connector;
#[cfg(feature = "testing")]
pub(crate) use self::cluster::memory;
#[cfg(all(fuzzing, feature = "testing"))]
pub(crate) use self::cluster::{Frames, NodeBody, NodeMessage, Start, read_start};
use self::target::Scope;
#[cfg(feature = "testing")]
pub use self::undeclared::UndeclaredEvent;
pub use self::{
    cluster::{Cluster, ClusterChange, ClusterChanges, ClusterNode, ClusterState, ClusterStats, NodeId},
    delivery::{Delivery, Incomplete, NotSent, Reach, Remote},
    membership::JoinError,
    target::{InTurns, Room, Target, User},
    user_at::{UserAsk, UserAt},
    users::{UserEvent, Users},
    watch::{Member, MemberEvent, Members, Presence, PresenceEvent},
};
pub(crate) use self::{
    groups::GroupKey,
    live::{Entry, Live},
    membership::Membership,
    undeclared::EmitCheck,
    wheel::Alarm,
};
#[cfg(feature = "console")]
pub(crate) use self::{
    groups::RoomMembers,
    journal::{JournalEntry, JournalKind},
    live::Place,
};
use crate::{connection::Connection, wire::ConnectionId};

/// The connections of this application, from any task: `conn.hub()` in a callback, `running.hub()`
/// elsewhere, `app.hub()` before the start.
///
/// Calls that act (push, event, disconnect) act on all nodes of the [cluster](Self::cluster), and
/// deliver on this node before they return. Methods whose name ends in `_local` return the result
/// for this process and never wait; the async methods of the same name ask all nodes. Without a
/// cluster both return the same.
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
/// /// May be called from any task: a timer, an HTTP handler.
/// fn greet(hub: &Hub) {
///     let delivery = hub.room::<Lobby>("newcomers").push("welcome");
///     println!("sent to {} of {}", delivery.sent, hub.count_local());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Hub(Arc<Live>);

impl Hub {
    pub(crate) fn new(live: &Arc<Live>) -> Self {
        Self(Arc::clone(live))
    }

    /// Returns the connection with this id if it is on this node. A connection can be found from
    /// before its `on_open` until after its `on_close`.
    pub fn get_local(&self, id: ConnectionId) -> Option<Connection> {
        self.0.get(id)
    }

    /// Returns the number of connections on all nodes.
    ///
    /// # Errors
    /// [`Incomplete`] has the number of the nodes that answered. Without a cluster the result is
    /// exact.
    pub async fn count(&self) -> Result<usize, Incomplete<usize>> {
        self.all().count().await
    }

    /// Returns the number of connections on this node.
    pub fn count_local(&self) -> usize {
        self.0.len()
    }

    /// The connection with this id, as a target, on whichever node it is. If it has ended on this
    /// node, or its node is gone, it is counted in [`Delivery::gone`].
    pub fn connection(&self, id: ConnectionId) -> Target {
        Target::new(&self.0, Scope::One(id))
    }

    /// All connections, as a target.
    pub fn all(&self) -> Target {
        Target::new(&self.0, Scope::All)
    }

    /// All connections of the controller of this type.
    pub(crate) fn of_controller(&self, controller: TypeId) -> Target {
        Target::new(&self.0, Scope::Controller(self.0.names().of(controller)))
    }

    /// A room of the controller of this type.
    pub(crate) fn room_of(&self, controller: TypeId, name: &str) -> Room {
        Room::new(&self.0, self.0.names().of(controller), name)
    }

    /// A room of the controller of this name; `None` if its name is unknown.
    #[cfg(feature = "console")]
    pub(crate) fn room_named(&self, controller: &str, name: &str) -> Option<Room> {
        Some(Room::of_controller(&self.0, self.0.names().find(controller)?, name))
    }

    /// The open connections.
    #[cfg(feature = "console")]
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.0
    }

    /// The cluster that this process belongs to. Without `[cluster]` its state is
    /// [`ClusterState::Alone`].
    pub fn cluster(&self) -> Cluster {
        Cluster::new(&self.0)
    }

    /// The connections of this user ([`Connection::identify`]).
    pub fn user(&self, name: impl AsRef<str>) -> User {
        User::new(&self.0, name.as_ref())
    }
}
