//! [`Walk`]: one delivery to the members of a target, turn by turn.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Delivery,
    cluster::wire::Frames,
    connections::Recipient,
    event::EventFrames,
    groups::GroupKey,
    live::Place,
    target::{Scope, Target},
};
use crate::{
    connection::{Connection, Stop},
    envelope::Format,
    fixed,
    socket::SharedFrame,
    wire::{CloseFrame, CloseReason, SendError},
};

/// A delivery in progress.
///
/// Each turn is copied under the lock of its members and delivered without the lock. So a lock is
/// held only for the copy of one turn, and memory does not grow with the size of the room. A
/// connection that stays a member is reached exactly once, while others join and leave.
pub(super) struct Walk<'a> {
    target: &'a Target,
    /// The group of the members, if the target is a room or a user.
    key: Option<GroupKey>,
    place: Place,
    turn: Vec<Recipient>,
    /// The name of the group in which a connection of this turn must still be at its delivery.
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

    /// Takes the next turn. Returns false if there is none.
    pub(super) fn advance(&mut self) -> bool {
        // Clear before a lock is taken: dropping the last handle of a connection drops user values.
        self.turn.clear();
        if self.is_over {
            return false;
        }
        self.take();
        self.is_over = self.turn.len() < fixed::MEMBERS_A_TURN;
        let is_turn = !self.turn.is_empty();
        if let Scope::UserAt(controller, _) = &self.target.scope {
            let name = self.target.live.names().resolve(*controller);
            self.turn.retain(|recipient| Some(recipient.connection.controller()) == name);
        }
        if !self.target.except.is_empty() {
            self.turn.retain(|recipient| !self.target.except.contains(&recipient.connection.id()));
        }
        is_turn
    }

    fn take(&mut self) {
        let (live, turn) = (&self.target.live, &mut self.turn);
        match &self.target.scope {
            Scope::One(id) => {
                turn.extend(live.get(*id).as_ref().map(Recipient::from));
                self.delivery.gone = usize::from(turn.is_empty() && !live.is_of_other_node(*id));
            }
            Scope::All => live.take(None, &mut self.place, turn),
            Scope::Controller(controller) => {
                if let Some(name) = live.names().resolve(*controller) {
                    live.take(Some(name), &mut self.place, turn);
                }
            }
            Scope::Room(..) | Scope::User(_) | Scope::UserAt(..) => {
                if let Some(key) = &self.key {
                    self.group = live.groups().take(key, &mut self.place.after, turn);
                }
            }
        }
    }

    /// Whether the current turn is the last one.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The connections of the current turn.
    pub(super) fn turn(&self) -> impl DoubleEndedIterator<Item = &Connection> {
        self.turn.iter().map(|recipient| &recipient.connection)
    }

    pub(super) fn push(&mut self, frame: &mut SharedFrame) {
        for recipient in &self.turn {
            self.delivery.count(push_to(recipient, self.group.as_ref(), frame));
        }
    }

    /// Pushes frames that another node has encoded.
    pub(super) fn frames(&mut self, frames: &mut ReceivedFrames) {
        let by_format = match frames {
            ReceivedFrames::One(frame) => return self.push(frame),
            ReceivedFrames::ByFormat(by_format) => by_format,
        };
        for recipient in &self.turn {
            let format = recipient.connection.format();
            let Some((_, frame)) = by_format.iter_mut().find(|(of, _)| *of == format) else {
                self.delivery.failed += 1;
                continue;
            };
            self.delivery.count(push_to(recipient, self.group.as_ref(), frame));
        }
    }

    /// Closes the connections of the turn.
    pub(super) fn close(&mut self, frame: &CloseFrame) {
        self.each(|connection| {
            let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
            connection.outbox().stop(Stop::Close { frame: frame.clone(), reason })
        });
    }

    pub(super) fn event<T: Serialize + ?Sized>(&mut self, frames: &mut EventFrames<'_, T>) {
        for recipient in &self.turn {
            frames.check_route(&recipient.connection);
            let Some(frame) = frames.get(recipient.connection.format()) else {
                self.delivery.failed += 1;
                continue;
            };
            self.delivery.count(push_to(recipient, self.group.as_ref(), frame));
        }
    }

    /// Calls `deliver` for each connection of the turn that has not left the group meanwhile.
    fn each(&mut self, deliver: impl Fn(&Connection) -> Result<(), SendError>) {
        for Recipient { connection, .. } in &self.turn {
            self.delivery.count(if_member(connection, self.group.as_ref(), || deliver(connection)));
        }
    }

    /// The outcome so far.
    pub(super) fn delivery(&self) -> Delivery {
        self.delivery
    }
}

/// The frames of a message of another node.
pub(super) enum ReceivedFrames {
    One(SharedFrame),
    ByFormat(Vec<(Format, SharedFrame)>),
}

impl From<Frames> for ReceivedFrames {
    fn from(frames: Frames) -> Self {
        match frames {
            Frames::One(frame) => Self::One(SharedFrame::new(frame)),
            Frames::ByFormat(by_format) => {
                let shared = |(format, frame)| (format, SharedFrame::new(frame));
                Self::ByFormat(by_format.into_iter().map(shared).collect())
            }
        }
    }
}

/// Pushes a frame, unless the connection has left the group. It is compressed before any lock is
/// taken.
fn push_to(
    recipient: &Recipient,
    group: Option<&Arc<str>>,
    frame: &mut SharedFrame,
) -> Result<(), SendError> {
    let Recipient { connection, departures } = recipient;
    let outbox = connection.outbox();
    outbox.prepare(frame);
    // In most cases it has not left any group, which needs no lock but that of the outbox.
    if group.is_some()
        && let Some(pushed) = outbox.push_frame_to_member(frame, *departures)
    {
        return pushed;
    }
    if_member(connection, group, || outbox.push_frame(frame))
}

/// Calls `deliver` unless the connection has left the group.
fn if_member(
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
