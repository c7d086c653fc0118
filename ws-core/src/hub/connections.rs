//! [`Connections`]: a set of connections that can be copied in turns of limited size.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use crate::{connection::Connection, fixed, wire::ConnectionId};

/// Connections, ordered by the sequence numbers of their ids. The key is the sequence number alone,
/// which takes half the memory of a whole id.
#[derive(Debug, Default)]
pub(super) struct Connections(BTreeMap<u64, Connection>);

/// A connection that a delivery is about to reach.
#[derive(Debug)]
pub(crate) struct Recipient {
    pub(crate) connection: Connection,
    /// The number of [departures](crate::connection::Outbox::departures) when it was a member.
    pub(super) departures: u32,
}

impl From<&Connection> for Recipient {
    fn from(connection: &Connection) -> Self {
        Self { connection: connection.clone(), departures: connection.outbox().departures() }
    }
}

impl Connections {
    /// Returns false if the connection was in the set before.
    pub(super) fn insert(&mut self, connection: &Connection) -> bool {
        self.0.insert(connection.id().sequence(), connection.clone()).is_none()
    }

    /// Returns false if the connection was not in the set.
    pub(super) fn remove(&mut self, connection: &Connection) -> bool {
        self.0.remove(&connection.id().sequence()).is_some()
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.0.get(&id.sequence()).filter(|connection| connection.id() == id)
    }

    pub(super) fn of_sequence(&self, sequence: u64) -> Option<&Connection> {
        self.0.get(&sequence)
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

    /// Appends connections with numbers above `after` to the turn until it is full, and sets
    /// `after` to the last number.
    ///
    /// The set may change between two turns. A connection that stays in the set is appended exactly
    /// once, and no connection is appended twice.
    pub(super) fn take(&self, after: &mut u64, turn: &mut Vec<Recipient>) {
        let room = fixed::MEMBERS_A_TURN.saturating_sub(turn.len());
        turn.reserve(room.min(self.len()));
        for (sequence, connection) in self.0.range((Excluded(*after), Unbounded)).take(room) {
            turn.push(connection.into());
            *after = *sequence;
        }
    }
}
