//! [`Walk`]: through those whom a target means, turn by turn.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::{
    Delivery,
    event::EventFrames,
    groups::GroupKey,
    live::Place,
    target::{Target, Whom},
};
use crate::{connection::Connection, fixed, wire::SendError};

/// A delivery on its way.
///
/// A turn is copied under the lock that its members are kept behind, and delivered without it: no lock is held for longer,
/// and nothing becomes as large as the room. One that is meant throughout is reached exactly once, whoever comes or goes
/// meanwhile.
pub(super) struct Walk<'a> {
    target: &'a Target,
    /// The members' group, where the target is one.
    key: Option<GroupKey>,
    place: Place,
    turn: Vec<Connection>,
    /// What those whose turn it is have to be in still when it is delivered to them.
    group: Option<Arc<str>>,
    is_over: bool,
    delivery: Delivery,
}

impl<'a> Walk<'a> {
    pub(super) fn new(target: &'a Target) -> Self {
        let (place, delivery) = (Place::default(), Delivery::default());
        let key = target.group();
        Self { target, key, place, turn: Vec::new(), group: None, is_over: false, delivery }
    }

    /// Goes on to the next turn; false if there is none.
    pub(super) fn advance(&mut self) -> bool {
        // Before anything is locked: whoever drops a connection last drops values of users.
        self.turn.clear();
        if self.is_over {
            return false;
        }
        self.take();
        self.is_over = self.turn.len() < fixed::MEMBERS_A_TURN;
        let is_turn = !self.turn.is_empty();
        if !self.target.except.is_empty() {
            self.turn.retain(|connection| !self.target.except.contains(&connection.id()));
        }
        is_turn
    }

    fn take(&mut self) {
        let (live, turn) = (&self.target.live, &mut self.turn);
        match &self.target.whom {
            Whom::One(id) => {
                turn.extend(live.get(*id));
                self.delivery.gone = usize::from(turn.is_empty());
            }
            Whom::All => live.take(None, &mut self.place, turn),
            Whom::Controller(controller) => {
                if let Some(name) = live.names().resolve(*controller) {
                    live.take(Some(name), &mut self.place, turn);
                }
            }
            Whom::Room(..) | Whom::User(_) => {
                if let Some(key) = &self.key {
                    self.group = live.groups().take(key, &mut self.place.after, turn);
                }
            }
        }
    }

    /// Those whose turn it is.
    pub(super) fn turn(&self) -> &[Connection] {
        &self.turn
    }

    pub(super) fn push(&mut self, frame: &Bytes) {
        self.each(|connection| connection.outbox().push_frame(frame));
    }

    pub(super) fn event<T: Serialize + ?Sized>(&mut self, frames: &mut EventFrames<'_, T>) {
        for connection in &self.turn {
            let Some(frame) = frames.get(connection.format()) else {
                self.delivery.failed += 1;
                continue;
            };
            let result = still(connection, self.group.as_ref(), || connection.outbox().push_frame(&frame));
            self.delivery.count(result);
        }
    }

    /// Does it with each whose turn it is and who has not left the group meanwhile.
    pub(super) fn each(&mut self, deliver: impl Fn(&Connection) -> Result<(), SendError>) {
        for connection in &self.turn {
            self.delivery.count(still(connection, self.group.as_ref(), || deliver(connection)));
        }
    }

    /// What has become of it.
    pub(super) fn delivery(&self) -> Delivery {
        self.delivery
    }
}

/// Does it unless the connection has left the group.
fn still(
    connection: &Connection,
    group: Option<&Arc<str>>,
    deliver: impl FnOnce() -> Result<(), SendError>,
) -> Result<(), SendError> {
    match group {
        None => deliver(),
        Some(group) => {
            let left = SendError::Closed { connection: connection.id() };
            connection.membership().while_in(group, deliver).unwrap_or(Err(left))
        }
    }
}
