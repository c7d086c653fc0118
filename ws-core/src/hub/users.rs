//! [`Users`]: a stream of the users who join a room and leave it, each once for all connections.
//!
//! A user who has no connection any more is kept for five seconds, because clients connect again
//! when a page is loaded or their node stops. A watcher that reads too slowly compares the users
//! with those that it has returned, so it needs no event for what it missed.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Live,
    groups::{Change, ChangeKind, GroupKey},
    watch::{Member, Watch},
};
use crate::{fixed, wire::ConnectionId};

/// A change of the users in a room, returned by [`Users`].
///
/// ```
/// use ws_core::hub::{UserEvent, Users};
///
/// async fn print(mut users: Users) {
///     while let Some(event) = users.next().await {
///         match event {
///             UserEvent::Joined(user) => println!("{user} came"),
///             UserEvent::Left(user) => println!("{user} left"),
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserEvent {
    /// The first connection of the user joined.
    Joined(Arc<str>),
    /// The user has had no connection in the room for five seconds.
    Left(Arc<str>),
}

/// The users in a room on all nodes, each once, and a stream of the changes. Returned by
/// [`Room::users`](super::Room::users).
///
/// Members without a user ([`Connection::identify`](crate::Connection::identify)) are left out. A
/// user is reported as gone after five seconds without a connection in the room, so a page that is
/// loaded again, or a client that moves to another node, is not reported.
///
/// ```
/// use ws_core::Connection;
///
/// async fn who(conn: &Connection) -> String {
///     let mut users = conn.room("lobby").users();
///     users.settled().await;
///     users.now().join(", ")
/// }
/// ```
#[derive(Debug)]
pub struct Users {
    now: Vec<Arc<str>>,
    state: State,
    /// The end of the grace that ends first, if one was waited for.
    grace: Option<Pin<Box<Sleep>>>,
    watch: Watch,
}

/// The users that a watcher knows: a state machine that takes the time.
#[derive(Debug, Default)]
struct State {
    by_connection: HashMap<ConnectionId, Arc<str>>,
    users: HashMap<Arc<str>, Known>,
    /// The users without connections, by the end of their grace.
    leaving: VecDeque<(Instant, Arc<str>)>,
    events: VecDeque<UserEvent>,
}

#[derive(Debug, Default)]
struct Known {
    connections: usize,
    /// The end of the grace; `None` with connections.
    leaves_at: Option<Instant>,
}

impl Users {
    pub(super) fn new(live: &Arc<Live>, key: GroupKey) -> Self {
        let (snapshot, watch) = Watch::new(live, key);
        let state = State::of(snapshot.members(live));
        Self { now: state.names(), state, grace: None, watch }
    }

    /// The users when the watch began or [`settled`](Self::settled) returned last, in no particular
    /// order. The stream has every later change.
    pub fn now(&self) -> &[Arc<str>] {
        &self.now
    }

    /// Waits until all nodes that are alive have answered. After that, [`now`](Self::now) has the
    /// users of all nodes at this time, and the stream continues from there. Without a cluster it
    /// returns at once.
    ///
    /// While the broker cannot be reached it does not return, so use a timeout where this matters.
    /// Dropping the future changes nothing.
    pub async fn settled(&mut self) {
        if let Some(snapshot) = self.watch.settled().await {
            self.state = State::of(snapshot.members(self.watch.live()));
            self.now = self.state.names();
        }
    }

    /// Whether the users of other nodes are the last known ones: the broker is away, or a node has
    /// not answered yet. Without a cluster it is false.
    pub fn is_stale(&self) -> bool {
        self.watch.is_stale()
    }

    /// Waits for the next change. Never returns `None`.
    pub async fn next(&mut self) -> Option<UserEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Users {
    type Item = UserEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<UserEvent>> {
        let this = &mut *self;
        loop {
            // Changes come first: a user who is back is not reported as gone.
            match this.watch.poll(cx) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(change))) => this.state.apply(Instant::now(), change),
                Poll::Ready(Some(Err(_))) => {
                    let members = this.watch.restart().members(this.watch.live());
                    this.state.replace(Instant::now(), members);
                }
                Poll::Pending => {
                    this.state.expire(Instant::now());
                    if let Some(event) = this.state.events.pop_front() {
                        return Poll::Ready(Some(event));
                    }
                    let Some(next) = this.state.next_expiry() else { return Poll::Pending };
                    let grace = this.grace.get_or_insert_with(|| Box::pin(sleep_until(next)));
                    if grace.deadline() != next {
                        grace.as_mut().reset(next);
                    }
                    std::task::ready!(grace.as_mut().poll(cx));
                }
            }
            if let Some(event) = this.state.events.pop_front() {
                return Poll::Ready(Some(event));
            }
        }
    }
}

impl State {
    fn of(members: Vec<Member>) -> Self {
        let mut this = Self::default();
        for Member { id, user } in members {
            this.set(Instant::now(), id, user);
        }
        this.events.clear();
        this
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.users.keys().cloned().collect()
    }

    fn apply(&mut self, now: Instant, Change { id, kind }: Change) {
        match kind {
            ChangeKind::Joined(user) | ChangeKind::User(user) => self.set(now, id, user),
            ChangeKind::Left => self.set(now, id, None),
        }
    }

    /// Replaces all connections. The differences are reported.
    fn replace(&mut self, now: Instant, members: Vec<Member>) {
        let mut gone = std::mem::take(&mut self.by_connection);
        // Added before the others are removed, so that no user leaves for a moment.
        for Member { id, user } in members {
            if let Some(before) = gone.remove(&id) {
                self.by_connection.insert(id, before);
            }
            self.set(now, id, user);
        }
        gone.into_values().for_each(|user| self.remove(now, user));
    }

    /// Sets the user of a connection.
    fn set(&mut self, now: Instant, id: ConnectionId, user: Option<Arc<str>>) {
        let before = match user {
            Some(user) => {
                let before = self.by_connection.insert(id, Arc::clone(&user));
                self.add(user);
                before
            }
            None => self.by_connection.remove(&id),
        };
        if let Some(before) = before {
            self.remove(now, before);
        }
    }

    fn add(&mut self, user: Arc<str>) {
        if !self.users.contains_key(&user) {
            self.events.push_back(UserEvent::Joined(Arc::clone(&user)));
        }
        let known = self.users.entry(user).or_default();
        known.connections += 1;
        known.leaves_at = None;
    }

    fn remove(&mut self, now: Instant, user: Arc<str>) {
        let Some(known) = self.users.get_mut(&user) else { return };
        known.connections = known.connections.saturating_sub(1);
        if known.connections == 0 {
            let at = now + fixed::USER_GRACE;
            known.leaves_at = Some(at);
            self.leaving.push_back((at, user));
        }
    }

    /// Reports the users whose grace has ended.
    fn expire(&mut self, now: Instant) {
        while self.leaving.front().is_some_and(|(at, _)| *at <= now)
            && let Some((at, user)) = self.leaving.pop_front()
        {
            // Otherwise the user was back meanwhile.
            if self.users.get(&user).is_some_and(|known| known.leaves_at == Some(at)) {
                self.users.remove(&user);
                self.events.push_back(UserEvent::Left(user));
            }
        }
    }

    fn next_expiry(&self) -> Option<Instant> {
        self.leaving.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn joined(number: u64, user: &str) -> Change {
        Change { id: ConnectionId::new(1, number), kind: ChangeKind::Joined(Some(user.into())) }
    }

    fn user(number: u64, user: &str) -> Change {
        Change { kind: ChangeKind::User(Some(user.into())), ..joined(number, user) }
    }

    fn left(number: u64) -> Change {
        Change { kind: ChangeKind::Left, ..joined(number, "") }
    }

    fn events(state: &mut State, now: Instant) -> Vec<String> {
        state.expire(now);
        let text = |event| match event {
            UserEvent::Joined(user) => format!("+{user}"),
            UserEvent::Left(user) => format!("-{user}"),
        };
        state.events.drain(..).map(text).collect()
    }

    #[test]
    fn a_user_is_reported_once_and_gone_after_the_grace() {
        let (mut state, start) = (State::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let steps: [(u64, &[Change], &[&str]); 7] = [
            (0, &[joined(1, "tom"), joined(2, "tom")], &["+tom"]),
            (1, &[left(1)], &[]),
            (2, &[left(2)], &[]),
            // Back within the grace, on another connection.
            (6, &[joined(3, "tom"), left(3)], &[]),
            (10, &[], &[]),
            (11, &[], &["-tom"]),
            (12, &[joined(4, "tom")], &["+tom"]),
        ];
        for (seconds, changes, expected) in steps {
            changes.iter().for_each(|change| state.apply(at(seconds), change.clone()));
            assert_eq!(events(&mut state, at(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn another_user_of_a_connection_is_a_leave_and_a_join() {
        let (mut state, now) = (State::default(), Instant::now());
        [joined(1, "tom"), user(1, "tom"), user(1, "jerry")].into_iter().for_each(|it| state.apply(now, it));
        assert_eq!(events(&mut state, now), ["+tom", "+jerry"]);
        assert_eq!(events(&mut state, now + fixed::USER_GRACE), ["-tom"]);
        // Members without a user are left out.
        let id = ConnectionId::new(1, 2);
        state.apply(now, Change { id, kind: ChangeKind::Joined(None) });
        state.apply(now, Change { id, kind: ChangeKind::Left });
        assert_eq!(events(&mut state, now + fixed::USER_GRACE * 2), [""; 0]);
    }

    #[test]
    fn after_missed_changes_the_differences_are_reported() {
        let (mut state, now) = (State::default(), Instant::now());
        [joined(1, "tom"), joined(2, "jerry")].into_iter().for_each(|it| state.apply(now, it));
        events(&mut state, now);
        let member =
            |number, user: &str| Member { id: ConnectionId::new(1, number), user: Some(user.into()) };
        state.replace(now, vec![member(3, "jerry"), member(4, "spike")]);
        assert_eq!(events(&mut state, now), ["+spike"]);
        assert_eq!(events(&mut state, now + fixed::USER_GRACE), ["-tom"]);
        assert_eq!(state.users.len(), 2);
    }
}
