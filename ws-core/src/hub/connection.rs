//! The methods of [`Connection`] that use the hub: rooms, user, and access to other connections.

use std::sync::Arc;

use super::{GroupKey, Hub, JoinError, Reach, Room};
use crate::connection::Connection;

impl Connection {
    /// Joins a room of this connection's controller. Returns false if the connection was in it
    /// before. Messages that are pushed to the room after this method has returned reach this
    /// connection as well.
    ///
    /// The connection leaves all rooms after `on_close` has run, for every reason of its end.
    ///
    /// # Errors
    /// [`JoinError::TooManyRooms`] beyond `limits.rooms`, [`JoinError::NameTooLong`] over 256
    /// bytes, [`JoinError::Closed`] after the connection has ended.
    #[doc(alias("subscribe"))]
    pub fn join(&self, room: impl AsRef<str>) -> Result<bool, JoinError> {
        let key = GroupKey::Room(self.controller(), room.as_ref().into());
        self.membership().join(self.live().groups(), key, self, self.limits().rooms)
    }

    /// Joins a room as [`join`](Self::join) does, and waits until the membership is known to all
    /// nodes.
    ///
    /// After [`Reach::Cluster`], every message that any node pushes to the room arrives while the
    /// link to the broker is up. An unreachable broker, or no confirmation within 2 s, is not an
    /// error: the result is [`Reach::Local`], and messages of other nodes arrive when the broker
    /// can be reached again. The first member of a room on a node waits for a round trip to the
    /// broker, further ones do not wait. Without a cluster the result is [`Reach::Cluster`] at
    /// once.
    ///
    /// # Errors
    /// The errors of [`join`](Self::join).
    pub async fn join_confirmed(&self, room: impl AsRef<str>) -> Result<Reach, JoinError> {
        let room = room.as_ref();
        self.join(room)?;
        let Some(cluster) = self.live().cluster() else { return Ok(Reach::Cluster) };
        Ok(cluster.confirmed(&GroupKey::Room(self.controller(), room.into())).await)
    }

    /// Leaves a room. Returns false if the connection was not in it. After this method has
    /// returned, no message to the room is queued for this connection.
    #[doc(alias("unsubscribe"))]
    pub fn leave(&self, room: impl AsRef<str>) -> bool {
        let key = GroupKey::Room(self.controller(), room.as_ref().into());
        self.membership().leave(self.live().groups(), &key, self)
    }

    /// The names of the rooms that the connection is in. They can still be read in `on_close`.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.membership().rooms()
    }

    /// Sets the user of this connection, for [`Hub::user`]. A connection has at most one user: a
    /// later call replaces the user.
    ///
    /// # Errors
    /// [`JoinError::NameTooLong`] over 256 bytes, [`JoinError::Closed`] after the connection has
    /// ended.
    pub fn identify(&self, user: impl AsRef<str>) -> Result<(), JoinError> {
        self.membership().identify(self.live().groups(), GroupKey::User(user.as_ref().into()), self)
    }

    /// The user of this connection, if [`identify`](Self::identify) has set one.
    pub fn user(&self) -> Option<Arc<str>> {
        self.membership().user()
    }

    /// A room of this connection's controller, as a target. The connection need not be in it.
    pub fn room(&self, name: impl AsRef<str>) -> Room {
        Room::of_controller(self.live(), self.controller(), name.as_ref())
    }

    /// The hub of this application, to address other connections.
    pub fn hub(&self) -> Hub {
        Hub::new(self.live())
    }
}
