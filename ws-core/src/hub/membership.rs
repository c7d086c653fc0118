//! [`Membership`]: the rooms and the user of one connection, stored in the connection behind one
//! lock.
//!
//! No message reaches a member after its [`leave`](Membership::leave) has returned. A delivery
//! first compares the number of groups that the connection has left, under the lock of its outbox
//! ([`Outbox::departed`](crate::connection::Outbox::departed)). If that has changed since the
//! member was found, the delivery checks the membership under the same lock as `leave`. The check
//! compares the address of the group's name, not its text: a room that became empty and was joined
//! again is another group with another name allocation. Lock order: this lock, then those of
//! [`Groups`], then that of the outbox.

use std::sync::Arc;

use super::{
    claims::{Claim, Standing, Verdict},
    exclusive::OwnClaim,
    groups::{GroupKey, Groups},
};
use crate::{
    connection::Connection,
    fixed,
    sync::{Mutex, MutexGuard},
};

/// The reason why a connection did not join a room, or was not identified as a user.
///
/// ```
/// use ws_core::{Connection, Result, hub::JoinError};
///
/// fn enter(conn: &Connection, room: &str) -> Result {
///     match conn.join(room) {
///         Ok(_) => Ok(conn.push("joined")?),
///         Err(JoinError::TooManyRooms { .. }) => Ok(conn.push("leave another room first")?),
///         Err(error) => Err(error.into()),
///     }
/// }
/// ```
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
    /// This close code may not be sent (RFC 6455 section 7.4). Use 1000 to 1003, 1007 to 1014, or
    /// 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
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
    /// The claim to be the only connection of the user; `None` if there never was one.
    exclusive: Option<Box<Exclusive>>,
}

#[derive(Debug, Default)]
struct Exclusive {
    claim: Option<OwnClaim>,
    /// The number of claims that are not made yet.
    claiming: usize,
    /// Whether the connection is closed because of a greater claim. It cannot claim any more.
    has_lost: bool,
}

/// The outcome of a comparison with the claim of another connection.
#[derive(Debug)]
pub(super) enum Judged {
    Stays,
    Loses,
    /// The own claim is greater.
    Wins(OwnClaim),
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
        self.lock().joined_mut()?.identify(groups, key, connection);
        Ok(())
    }

    /// Sets the user as [`identify`](Self::identify) does. Until [`end_claim`](Self::end_claim), a
    /// connection without a claim is not compared with those of others.
    pub(super) fn begin_claim(
        &self,
        groups: &Groups,
        key: GroupKey,
        connection: &Connection,
    ) -> Result<(), JoinError> {
        check_name(key.name())?;
        let mut state = self.lock();
        let joined = state.joined_mut()?;
        joined.identify(groups, key, connection);
        joined.exclusive.get_or_insert_default().claiming += 1;
        Ok(())
    }

    pub(super) fn end_claim(&self, key: &GroupKey) {
        if let Some(exclusive) = self.lock().exclusive_of(key) {
            exclusive.claiming = exclusive.claiming.saturating_sub(1);
        }
    }

    /// Stores a claim. It is dropped if the connection has another user meanwhile.
    pub(super) fn claim(&self, key: &GroupKey, own: OwnClaim) -> Result<(), JoinError> {
        let mut state = self.lock();
        state.joined_mut()?;
        match state.exclusive_of(key) {
            Some(exclusive) if exclusive.has_lost => Err(JoinError::Closed),
            Some(exclusive) => {
                exclusive.claim = Some(own);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Compares the connection of a user with the claim of another connection. Under the same lock
    /// as [`claim`](Self::claim), so that a connection that has lost does not claim afterwards.
    pub(super) fn judge(&self, key: &GroupKey, other: Claim, is_new: bool) -> Judged {
        let mut state = self.lock();
        let State::Joined(joined) = &mut *state else { return Judged::Stays };
        if joined.user.as_ref() != Some(key) {
            return Judged::Stays;
        }
        let own = joined.exclusive.as_ref().and_then(|it| it.claim.clone());
        let standing = match (&own, &joined.exclusive) {
            (Some(own), _) => Standing::Claimed(own.claim),
            (None, Some(exclusive)) if exclusive.claiming > 0 => Standing::Claiming,
            (None, _) => Standing::Identified,
        };
        match (standing.judge(other, is_new), own) {
            (Verdict::Loses, _) => {
                joined.exclusive.get_or_insert_default().has_lost = true;
                Judged::Loses
            }
            (Verdict::Wins, Some(own)) => Judged::Wins(own),
            (Verdict::Wins | Verdict::Stays, _) => Judged::Stays,
        }
    }

    /// Returns the claim of the connection and its user.
    pub(super) fn own_claim(&self) -> Option<(GroupKey, OwnClaim)> {
        match &*self.lock() {
            State::Joined(joined) => {
                let own = joined.exclusive.as_ref()?.claim.clone()?;
                Some((joined.user.clone()?, own))
            }
            State::Empty | State::Ended => None,
        }
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

impl State {
    /// Returns the claim if the connection has this user.
    fn exclusive_of(&mut self, key: &GroupKey) -> Option<&mut Exclusive> {
        match self {
            Self::Joined(joined) if joined.user.as_ref() == Some(key) => joined.exclusive.as_deref_mut(),
            Self::Joined(_) | Self::Empty | Self::Ended => None,
        }
    }
}

impl Joined {
    /// Sets the user, and leaves the group of the previous user.
    fn identify(&mut self, groups: &Groups, key: GroupKey, connection: &Connection) {
        if self.user.as_ref() == Some(&key) {
            return;
        }
        self.exclusive = None;
        if let Some(before) = self.user.take() {
            groups.leave(&before, connection);
        }
        let own = groups.join(key, connection, None);
        self.rooms.iter().for_each(|room| groups.identify(room, connection, own.name()));
        self.user = Some(own);
    }
}

fn check_name(name: &str) -> Result<(), JoinError> {
    let size = name.len();
    if size > fixed::NAME_BYTES { Err(JoinError::NameTooLong { size }) } else { Ok(()) }
}
