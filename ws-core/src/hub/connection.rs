//! What a [`Connection`] does with the hub: its rooms, its user, and the way to all others.

use std::sync::Arc;

use super::{GroupKey, Hub, JoinError, Reach, Room};
use crate::connection::Connection;

impl Connection {
    /// Joins a room of this connection's controller; false if it was in it. What is pushed to the room after this returned
    /// reaches this connection, too.
    ///
    /// It leaves all rooms once `on_close` has run, whatever ended it.
    ///
    /// # Errors
    /// [`JoinError::TooManyRooms`] beyond `limits.rooms`, [`JoinError::NameTooLong`] over 256 bytes,
    /// [`JoinError::Closed`] once it has ended.
    #[doc(alias("subscribe"))]
    pub fn join(&self, room: impl AsRef<str>) -> Result<bool, JoinError> {
        let key = GroupKey::Room(self.controller(), room.as_ref().into());
        self.membership().join(self.live().groups(), key, self, self.max_rooms())
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
    #[doc(alias("unsubscribe"))]
    pub fn leave(&self, room: impl AsRef<str>) -> bool {
        let key = GroupKey::Room(self.controller(), room.as_ref().into());
        self.membership().leave(self.live().groups(), &key, self)
    }

    /// The rooms that it is in; still readable in `on_close`.
    pub fn rooms(&self) -> Vec<Arc<str>> {
        self.membership().rooms()
    }

    /// Says whose connection this is, for [`Hub::user`]. It is one user's at a time: the last call counts.
    ///
    /// # Errors
    /// [`JoinError::NameTooLong`] over 256 bytes, [`JoinError::Closed`] once it has ended.
    pub fn identify(&self, user: impl AsRef<str>) -> Result<(), JoinError> {
        self.membership().identify(self.live().groups(), GroupKey::User(user.as_ref().into()), self)
    }

    /// Whose connection this is, if it was said.
    pub fn user(&self) -> Option<Arc<str>> {
        self.membership().user()
    }

    /// A room of this connection's controller, to push to; the connection itself need not be in it.
    pub fn room(&self, name: impl AsRef<str>) -> Room {
        Room::of_controller(self.live(), self.controller(), name.as_ref())
    }

    /// The hub of this application, to address other connections.
    pub fn hub(&self) -> Hub {
        Hub::new(self.live())
    }
}
