//! [`Expiry`]: the time at which a connection closes because its credentials, such as a token,
//! expire.
//!
//! The time is one atomic. The session task reads it in every turn, and any task may change it. A
//! caller that changes it must wake the session task.

use std::{
    any::TypeId,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{request::ContextMap, sync::RwLock, wire::ConnectionId};

/// Returns the time until which a value of one type is valid, if the context has such a value.
type ValidUntil = fn(&ContextMap) -> Option<SystemTime>;

/// The types of values that expire and then close the connection, such as the claims of a token. A
/// context stores values by type, without their expiry, so these types are registered here.
/// The list is bounded by the number of types in the program.
static TYPES: RwLock<Vec<(TypeId, ValidUntil)>> = RwLock::new(Vec::new());

/// Registers a type: a connection closes when a value of this type in its context expires.
#[cfg(feature = "jwt")]
pub(crate) fn register_expiring<T: 'static>(valid_until: ValidUntil) {
    let id = TypeId::of::<T>();
    let mut types = TYPES.write();
    if types.iter().all(|(known, _)| *known != id) {
        types.push((id, valid_until));
    }
}

/// Returns the earliest time at which a registered value in the context expires.
pub(crate) fn valid_until(context: &ContextMap) -> Option<SystemTime> {
    TYPES.read().iter().filter_map(|(_, valid_until)| valid_until(context)).min()
}

/// The value of [`Expiry::after`] for a connection that does not expire.
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Expiry {
    /// The time at which the connection was created.
    since: Instant,
    /// Milliseconds from `since` until the connection expires.
    after: AtomicU64,
}

impl Expiry {
    pub(crate) fn new(at: Option<SystemTime>) -> Self {
        let this = Self { since: Instant::now(), after: AtomicU64::new(NEVER) };
        this.set(at);
        this
    }

    /// Returns the age of the connection.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Sets the time. It is converted to the monotonic clock here, so a later change of the system
    /// clock does not move it.
    pub(crate) fn set(&self, at: Option<SystemTime>) {
        let after = at.and_then(|at| {
            let left = at.duration_since(SystemTime::now()).unwrap_or_default();
            u64::try_from((self.since.elapsed() + left).as_millis()).ok()
        });
        self.after.store(after.unwrap_or(NEVER), Ordering::Release);
    }

    /// Returns the time at which the connection reaches `lifetime`, less up to a tenth of it.
    /// Consecutive ids are spread evenly over that tenth, so that connections of the same age do
    /// not close at once.
    pub(crate) fn end_of(&self, lifetime: Duration, id: ConnectionId) -> Option<Instant> {
        // Multiplication by 2^64 divided by the golden ratio spreads a sequence evenly.
        let parts = (id.sequence().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as u32;
        let less = (lifetime / 10 / (1 << 16)).checked_mul(parts)?;
        self.since.checked_add(lifetime.checked_sub(less)?)
    }

    /// Returns the time at which the connection expires; `None` if it never does, or if the clock
    /// cannot express the time.
    pub(crate) fn at(&self) -> Option<Instant> {
        match self.after.load(Ordering::Acquire) {
            NEVER => None,
            after => self.since.checked_add(Duration::from_millis(after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_calendar_time_becomes_a_clock_time() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Expiry::new(None).at(), None);
        assert!(Expiry::new(Some(SystemTime::UNIX_EPOCH)).at().unwrap() <= Instant::now(), "long past");

        let expiry = Expiry::new(Some(SystemTime::now() + hour));
        let left = expiry.at().unwrap() - Instant::now();
        assert!(left <= hour && left > hour - Duration::from_secs(60), "{left:?}");

        tokio::time::advance(hour).await;
        expiry.set(Some(SystemTime::now() + hour));
        assert!(expiry.at().unwrap() > Instant::now(), "counts from now, not from the start");
        expiry.set(None);
        assert_eq!(expiry.at(), None);
    }

    #[test]
    fn lifetimes_are_spread_over_their_last_tenth() {
        let expiry = Expiry::new(None);
        let lifetime = Duration::from_secs(1000);
        let mut ages: Vec<_> = (1..=100)
            .map(|sequence| expiry.end_of(lifetime, ConnectionId::new(7, sequence)).unwrap() - expiry.since)
            .collect();
        ages.sort();
        assert!(ages[0] >= lifetime * 9 / 10 && ages[99] <= lifetime, "{ages:?}");
        let largest_gap = ages.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        assert!(largest_gap < Duration::from_secs(3), "{largest_gap:?} of 100 s for 100 connections");
    }

    #[tokio::test]
    async fn a_time_beyond_the_clock_does_not_panic() {
        let largest = (0..63).rev().map(|bit| Duration::from_secs(1 << bit));
        let largest = largest.filter_map(|it| SystemTime::UNIX_EPOCH.checked_add(it)).next();
        assert!(largest.is_some());
        // A far time and `None` are both correct; a panic is not.
        assert!(
            Expiry::new(largest).at().is_none_or(|at| at > Instant::now() + Duration::from_secs(1 << 30))
        );
    }
}
