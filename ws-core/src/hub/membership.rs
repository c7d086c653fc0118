//! Which rooms a connection is in, and whose it is: kept by the connection, behind one lock.
//!
//! Delivery looks here, under the same lock as [`leave`](Membership::leave): that is why nothing reaches a member after its `leave` has
//! returned. The group's own name tells one life of a room from the next: a room that became empty and was entered
//! again has another.

use std::sync::Arc;

use super::groups::{GroupKey, Groups};
use crate::{
    connection::Connection,
    fixed,
    sync::{Mutex, MutexGuard},
};

/// Why a connection did not join a room, or did not become a user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
    /// It is in as many rooms as it may be (`limits.rooms`).
    #[error("a connection may be in {limit} rooms at once")]
    TooManyRooms {
        /// The limit.
        limit: usize,
    },
    /// The name is longer than 256 bytes.
    #[error("a name has at most 256 bytes, not {size}")]
    NameTooLong {
        /// The name's size in bytes.
        size: usize,
    },
}

/// Empty, it owns nothing.
#[derive(Debug, Default)]
pub(crate) struct Membership(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// In no room, nobody's.
    #[default]
    Nowhere,
    Somewhere(Box<Somewhere>),
    /// `on_close` has run: nothing can be joined any more.
    Ended,
}

#[derive(Debug, Default)]
struct Somewhere {
    rooms: Vec<GroupKey>,
    user: Option<GroupKey>,
}

impl Membership {
    /// Joins a room; false if it was in it.
    pub(crate) fn join(
        &self,
        groups: &Groups,
        key: GroupKey,
        connection: &Connection,
        limit: usize,
    ) -> Result<bool, JoinError> {
        check_name(key.name())?;
        let mut state = self.lock();
        let somewhere = state.somewhere()?;
        if somewhere.rooms.contains(&key) {
            return Ok(false);
        }
        if somewhere.rooms.len() >= limit {
            return Err(JoinError::TooManyRooms { limit });
        }
        somewhere.rooms.push(groups.join(key, connection));
        Ok(true)
    }

    /// Leaves a room; false if it was not in it.
    pub(crate) fn leave(&self, groups: &Groups, key: &GroupKey, connection: &Connection) -> bool {
        let mut state = self.lock();
        let State::Somewhere(somewhere) = &mut *state else { return false };
        let Some(at) = somewhere.rooms.iter().position(|room| room == key) else { return false };
        let own = somewhere.rooms.swap_remove(at);
        groups.leave(&own, connection);
        true
    }

    /// Becomes this user's, and nobody else's any more.
    pub(crate) fn identify(
        &self,
        groups: &Groups,
        key: GroupKey,
        connection: &Connection,
    ) -> Result<(), JoinError> {
        check_name(key.name())?;
        let mut state = self.lock();
        let somewhere = state.somewhere()?;
        if somewhere.user.as_ref() == Some(&key) {
            return Ok(());
        }
        if let Some(before) = somewhere.user.take() {
            groups.leave(&before, connection);
        }
        somewhere.user = Some(groups.join(key, connection));
        Ok(())
    }

    /// The rooms' names, in the order in which they were joined unless some were left.
    pub(crate) fn rooms(&self) -> Vec<Arc<str>> {
        match &*self.lock() {
            State::Somewhere(somewhere) => somewhere.rooms.iter().map(|key| Arc::clone(key.name())).collect(),
            State::Nowhere | State::Ended => Vec::new(),
        }
    }

    pub(crate) fn user(&self) -> Option<Arc<str>> {
        match &*self.lock() {
            State::Somewhere(somewhere) => somewhere.user.as_ref().map(|key| Arc::clone(key.name())),
            State::Nowhere | State::Ended => None,
        }
    }

    /// Runs `deliver` if the connection is in the very group of this name, and keeps it there meanwhile.
    pub(crate) fn while_in<T>(&self, group: &Arc<str>, deliver: impl FnOnce() -> T) -> Option<T> {
        let state = self.lock();
        let State::Somewhere(somewhere) = &*state else { return None };
        let mut groups = somewhere.rooms.iter().chain(&somewhere.user);
        groups.any(|key| Arc::ptr_eq(key.name(), group)).then(deliver)
    }

    /// Leaves everything, for ever.
    pub(crate) fn end(&self, groups: &Groups, connection: &Connection) {
        let mut state = self.lock();
        if let State::Somewhere(somewhere) = std::mem::replace(&mut *state, State::Ended) {
            for key in somewhere.rooms.iter().chain(&somewhere.user) {
                groups.leave(key, connection);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

impl State {
    fn somewhere(&mut self) -> Result<&mut Somewhere, JoinError> {
        if let Self::Nowhere = self {
            *self = Self::Somewhere(Box::default());
        }
        match self {
            Self::Somewhere(somewhere) => Ok(somewhere),
            Self::Nowhere | Self::Ended => Err(JoinError::Closed),
        }
    }
}

fn check_name(name: &str) -> Result<(), JoinError> {
    let size = name.len();
    if size > fixed::NAME_BYTES { Err(JoinError::NameTooLong { size }) } else { Ok(()) }
}
