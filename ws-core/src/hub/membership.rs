//! [`Membership`]: the rooms and the user of one connection, stored in the connection behind one
//! lock.
//!
//! A delivery checks the membership under the same lock as [`leave`](Membership::leave), so no
//! message reaches a member after its `leave` has returned. The check compares the address of the
//! group's name, not its text: a room that became empty and was joined again is another group with
//! another name allocation. Lock order: this lock comes before the locks of [`Groups`].

use std::sync::Arc;

use super::groups::{GroupKey, Groups};
use crate::{
    connection::Connection,
    fixed,
    sync::{Mutex, MutexGuard},
};

/// The reason why a connection did not join a room, or was not identified as a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
    /// The connection is in as many rooms as `limits.rooms` allows.
    #[error("a connection may be in {limit} rooms at once")]
    TooManyRooms {
        /// The limit.
        limit: usize,
    },
    /// The name is longer than 256 bytes.
    #[error("a name has at most 256 bytes, not {size}")]
    NameTooLong {
        /// The size of the name in bytes.
        size: usize,
    },
}

/// The rooms and the user of one connection. Without any, it owns no heap memory.
#[derive(Debug, Default)]
pub(crate) struct Membership(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// No rooms and no user.
    #[default]
    Empty,
    Joined(Box<Joined>),
    /// `on_close` has run, so nothing can be joined any more.
    Ended,
}

#[derive(Debug, Default)]
struct Joined {
    rooms: Vec<GroupKey>,
    user: Option<GroupKey>,
}

impl Membership {
    /// Joins a room. Returns false if the connection was in it before.
    pub(crate) fn join(
        &self,
        groups: &Groups,
        key: GroupKey,
        connection: &Connection,
        limit: usize,
    ) -> Result<bool, JoinError> {
        check_name(key.name())?;
        let mut state = self.lock();
        let joined = state.joined_mut()?;
        if joined.rooms.contains(&key) {
            return Ok(false);
        }
        if joined.rooms.len() >= limit {
            return Err(JoinError::TooManyRooms { limit });
        }
        let own = groups.join(key, connection, joined.user.as_ref().map(GroupKey::name));
        joined.rooms.push(own);
        Ok(true)
    }

    /// Leaves a room. Returns false if the connection was not in it.
    pub(crate) fn leave(&self, groups: &Groups, key: &GroupKey, connection: &Connection) -> bool {
        let mut state = self.lock();
        let State::Joined(joined) = &mut *state else { return false };
        let Some(at) = joined.rooms.iter().position(|room| room == key) else { return false };
        let own = joined.rooms.swap_remove(at);
        groups.leave(&own, connection);
        true
    }

    /// Sets the user, and leaves the group of the previous user.
    pub(crate) fn identify(
        &self,
        groups: &Groups,
        key: GroupKey,
        connection: &Connection,
    ) -> Result<(), JoinError> {
        check_name(key.name())?;
        let mut state = self.lock();
        let joined = state.joined_mut()?;
        if joined.user.as_ref() == Some(&key) {
            return Ok(());
        }
        if let Some(before) = joined.user.take() {
            groups.leave(&before, connection);
        }
        let own = groups.join(key, connection, None);
        joined.rooms.iter().for_each(|room| groups.identify(room, connection, own.name()));
        joined.user = Some(own);
        Ok(())
    }

    /// The names of the rooms, in the order in which they were joined unless some were left.
    pub(crate) fn rooms(&self) -> Vec<Arc<str>> {
        match &*self.lock() {
            State::Joined(joined) => joined.rooms.iter().map(|key| Arc::clone(key.name())).collect(),
            State::Empty | State::Ended => Vec::new(),
        }
    }

    /// Whether the connection is in a room or has a user.
    pub(crate) fn is_joined(&self) -> bool {
        match &*self.lock() {
            State::Joined(joined) => joined.user.is_some() || !joined.rooms.is_empty(),
            State::Empty | State::Ended => false,
        }
    }

    pub(crate) fn user(&self) -> Option<Arc<str>> {
        match &*self.lock() {
            State::Joined(joined) => joined.user.as_ref().map(|key| Arc::clone(key.name())),
            State::Empty | State::Ended => None,
        }
    }

    /// Runs `deliver` if the connection is in the group that owns this name allocation. The lock
    /// keeps the connection in the group meanwhile.
    pub(crate) fn while_in<T>(&self, group: &Arc<str>, deliver: impl FnOnce() -> T) -> Option<T> {
        let state = self.lock();
        let State::Joined(joined) = &*state else { return None };
        let mut groups = joined.rooms.iter().chain(&joined.user);
        groups.any(|key| Arc::ptr_eq(key.name(), group)).then(deliver)
    }

    /// Leaves all groups. From now on nothing can be joined.
    pub(crate) fn end(&self, groups: &Groups, connection: &Connection) {
        let mut state = self.lock();
        if let State::Joined(joined) = std::mem::replace(&mut *state, State::Ended) {
            for key in joined.rooms.iter().chain(&joined.user) {
                groups.leave(key, connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    fn joined_mut(&mut self) -> Result<&mut Joined, JoinError> {
        if let Self::Empty = self {
            *self = Self::Joined(Box::default());
        }
        match self {
            Self::Joined(joined) => Ok(joined),
            Self::Empty | Self::Ended => Err(JoinError::Closed),
        }
    }
}

fn check_name(name: &str) -> Result<(), JoinError> {
    let size = name.len();
    if size > fixed::NAME_BYTES { Err(JoinError::NameTooLong { size }) } else { Ok(()) }
}
