//! [`Connections`]: a set of them that can be walked in turns.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::{connection::Connection, fixed, wire::ConnectionId};

/// Connections in the order of their numbers. The number alone is the key, as it takes half the room of a whole name.
#[derive(Debug, Default)]
pub(super) struct Connections(BTreeMap<u64, Connection>);

impl Connections {
    /// False if it is in it.
    pub(super) fn insert(&mut self, connection: &Connection) -> bool {
        self.0.insert(connection.id().sequence(), connection.clone()).is_none()
    }

    /// False if it is not in it.
    pub(super) fn remove(&mut self, connection: &Connection) -> bool {
        self.0.remove(&connection.id().sequence()).is_some()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.0.get(&id.sequence()).filter(|connection| connection.id() == id)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        self.0.values().map(Connection::id).collect()
    }

    /// Adds those that are numbered above `after` to a turn until it is full, and moves `after` to the last of them.
    ///
    /// However a set changes from one turn to the next: one that is in it throughout is taken exactly once, and none is
    /// taken twice.
    pub(super) fn take(&self, after: &mut u64, turn: &mut Vec<Connection>) {
        let room = fixed::MEMBERS_A_TURN.saturating_sub(turn.len());
        turn.reserve(room.min(self.len()));
        for (sequence, connection) in self.0.range((Excluded(*after), Unbounded)).take(room) {
            turn.push(connection.clone());
            *after = *sequence;
        }
    }
}
