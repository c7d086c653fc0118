//! [`Interest`]: the groups with members on this node, and which of their channels the broker has
//! confirmed.
//!
//! The hub's index reports the first and the last member of a group. A channel stays subscribed for
//! two seconds after the last member has left, since clients often reconnect. The subscriptions of
//! one channel follow one another: a channel is not subscribed again before its unsubscription is
//! confirmed.

use std::collections::{HashMap, VecDeque};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep_until},
};

use crate::{fixed, hub::GroupKey, sync::Mutex};

#[derive(Debug, Default)]
pub(in crate::hub) struct Interest {
    state: Mutex<State>,
    /// Notified when there may be something to subscribe or a group begins to linger.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    groups: HashMap<GroupKey, Entry>,
    /// The groups to subscribe, in order. A group may have been removed meanwhile.
    pending: VecDeque<GroupKey>,
    /// The groups that have lost their last member, with the time at which to check them. Each
    /// group is in it at most once.
    lingering: VecDeque<(Instant, GroupKey)>,
    /// The calls that wait for a confirmation.
    waiting: HashMap<GroupKey, Vec<oneshot::Sender<()>>>,
}

impl State {
    /// Removes a group without members. The calls that wait for its confirmation return.
    fn remove(&mut self, key: &GroupKey) {
        self.groups.remove(key);
        self.waiting.remove(key);
    }
}

#[derive(Debug)]
struct Entry {
    status: Status,
    /// The end of the time for which a group without members lingers; `None` with members.
    lingers_until: Option<Instant>,
    /// Whether the group is in the queue of lingering groups.
    is_lingering: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Pending,
    Subscribing,
    Confirmed,
    Unsubscribing,
}

/// The confirmation of a group's channel.
#[derive(Debug)]
pub(super) enum Confirmation {
    Confirmed,
    Waits(oneshot::Receiver<()>),
    /// The group has no members.
    NotWanted,
}

impl Interest {
    /// Records that a group has its first member.
    pub(in crate::hub) fn want(&self, key: &GroupKey) {
        let mut state = self.state.lock();
        if let Some(entry) = state.groups.get_mut(key) {
            entry.lingers_until = None;
            return;
        }
        let entry = Entry { status: Status::Pending, lingers_until: None, is_lingering: false };
        state.groups.insert(key.clone(), entry);
        state.pending.push_back(key.clone());
        drop(state);
        self.changed.notify_one();
    }

    /// Records that the last member of a group has left.
    pub(in crate::hub) fn unwant(&self, key: &GroupKey) {
        let mut state = self.state.lock();
        let until = Instant::now() + fixed::INTEREST_LINGERS;
        let Some(entry) = state.groups.get_mut(key) else { return };
        entry.lingers_until = Some(until);
        if std::mem::replace(&mut entry.is_lingering, true) {
            return;
        }
        let is_first = state.lingering.is_empty();
        state.lingering.push_back((until, key.clone()));
        drop(state);
        if is_first {
            self.changed.notify_one();
        }
    }

    /// Returns whether the channel of a group is confirmed, or a receiver that waits for it.
    pub(super) fn confirmation(&self, key: &GroupKey) -> Confirmation {
        let mut state = self.state.lock();
        match state.groups.get(key).map(|entry| entry.status) {
            None => Confirmation::NotWanted,
            Some(Status::Confirmed) => Confirmation::Confirmed,
            Some(_) => {
                let (sender, receiver) = oneshot::channel();
                let waiting = state.waiting.entry(key.clone()).or_default();
                // Cancelled calls must not accumulate.
                waiting.retain(|sender| !sender.is_closed());
                waiting.push(sender);
                Confirmation::Waits(receiver)
            }
        }
    }

    /// The number of subscribed or wanted groups.
    pub(super) fn len(&self) -> usize {
        self.state.lock().groups.len()
    }

    /// Starts again after the link has ended: all groups with members are to be subscribed.
    pub(super) fn restart(&self) {
        let mut state = self.state.lock();
        let State { groups, pending, lingering, waiting } = &mut *state;
        lingering.clear();
        groups.retain(|_, entry| entry.lingers_until.is_none());
        for entry in groups.values_mut() {
            (entry.status, entry.is_lingering) = (Status::Pending, false);
        }
        *pending = groups.keys().cloned().collect();
        waiting.retain(|key, waiting| {
            waiting.retain(|sender| !sender.is_closed());
            !waiting.is_empty() && groups.contains_key(key)
        });
    }

    /// Takes the next groups to subscribe, at most this number.
    pub(super) fn take_pending(&self, most: usize) -> Vec<GroupKey> {
        let mut state = self.state.lock();
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(key) = state.pending.pop_front()
        {
            if let Some(entry) = state.groups.get_mut(&key).filter(|entry| entry.status == Status::Pending) {
                entry.status = Status::Subscribing;
                taken.push(key);
            }
        }
        if state.pending.is_empty() {
            state.pending.shrink_to(fixed::CHANNELS_A_BATCH);
        }
        taken
    }

    /// Records that the broker has confirmed subscriptions.
    pub(super) fn subscribed(&self, keys: &[GroupKey]) {
        let mut state = self.state.lock();
        for key in keys {
            let Some(entry) = state.groups.get_mut(key) else { continue };
            entry.status = Status::Confirmed;
            for waiting in state.waiting.remove(key).unwrap_or_default() {
                // Fails if the call was cancelled.
                let _ = waiting.send(());
            }
        }
    }

    /// Takes the groups that have lingered long enough, at most this number.
    pub(super) fn take_lingering(&self, most: usize) -> Vec<GroupKey> {
        let mut state = self.state.lock();
        let (now, mut taken) = (Instant::now(), Vec::new());
        while taken.len() < most
            && state.lingering.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, key)) = state.lingering.pop_front()
        {
            let Some(entry) = state.groups.get_mut(&key) else { continue };
            entry.is_lingering = false;
            let Some(until) = entry.lingers_until else { continue };
            match entry.status {
                _ if until > now => {
                    // Members have come and gone meanwhile.
                    entry.is_lingering = true;
                    state.lingering.push_back((until, key));
                }
                Status::Confirmed => {
                    entry.status = Status::Unsubscribing;
                    taken.push(key);
                }
                Status::Pending => state.remove(&key),
                Status::Subscribing | Status::Unsubscribing => {
                    let later = now + fixed::INTEREST_LINGERS;
                    entry.lingers_until = Some(later);
                    entry.is_lingering = true;
                    state.lingering.push_back((later, key));
                }
            }
        }
        taken
    }

    /// Records that the broker has confirmed the end of subscriptions. Groups with members again
    /// are to be subscribed again.
    pub(super) fn unsubscribed(&self, keys: Vec<GroupKey>) {
        let mut state = self.state.lock();
        let before = state.pending.len();
        for key in keys {
            match state.groups.get_mut(&key) {
                Some(entry) if entry.lingers_until.is_none() => {
                    entry.status = Status::Pending;
                    state.pending.push_back(key);
                }
                _ => state.remove(&key),
            }
        }
        if state.pending.len() > before {
            // `want` did not notify, because it could not subscribe them yet.
            self.changed.notify_one();
        }
    }

    /// Waits until there may be something to subscribe or to unsubscribe.
    pub(super) async fn changed(&self) {
        let next = self.state.lock().lingering.front().map(|(until, _)| *until);
        let lingered = async {
            match next {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.changed.notified() => {}
            () = lingered => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::time::advance;

    use super::*;

    fn user(name: &str) -> GroupKey {
        GroupKey::User(name.into())
    }

    /// Takes and confirms everything that is to be subscribed.
    fn subscribe(interest: &Interest) -> Vec<GroupKey> {
        let keys = interest.take_pending(usize::MAX);
        interest.subscribed(&keys);
        keys
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_is_subscribed_once_and_lingers_after_its_last_member() {
        let interest = Interest::default();
        interest.want(&user("a"));
        assert_eq!(subscribe(&interest), [user("a")]);
        interest.unwant(&user("a"));
        advance(Duration::from_millis(1900)).await;
        assert!(interest.take_lingering(9).is_empty());
        // A member returns and leaves again: the time begins anew.
        interest.want(&user("a"));
        assert!(matches!(interest.confirmation(&user("a")), Confirmation::Confirmed));
        interest.unwant(&user("a"));
        advance(Duration::from_millis(1900)).await;
        assert!(interest.take_lingering(9).is_empty());
        advance(Duration::from_millis(100)).await;
        assert_eq!(interest.take_lingering(9), [user("a")]);
        interest.unsubscribed(vec![user("a")]);
        assert_eq!(interest.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_members_join_and_leave_all_the_time_lingers_once() {
        let interest = Interest::default();
        for _ in 0..1000 {
            interest.want(&user("a"));
            subscribe(&interest);
            interest.unwant(&user("a"));
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(interest.state.lock().lingering.len(), 1);
        advance(Duration::from_millis(1500)).await;
        assert!(interest.take_lingering(9).is_empty(), "it lingers from the last member on");
        advance(Duration::from_millis(500)).await;
        assert_eq!(interest.take_lingering(9), [user("a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_wanted_while_it_is_unsubscribed_is_subscribed_again() {
        let interest = Interest::default();
        interest.want(&user("a"));
        subscribe(&interest);
        interest.unwant(&user("a"));
        advance(fixed::INTEREST_LINGERS).await;
        let keys = interest.take_lingering(9);
        interest.changed().now_or_never();
        interest.want(&user("a"));
        let Confirmation::Waits(confirmed) = interest.confirmation(&user("a")) else { panic!("confirmed") };
        assert!(interest.take_pending(9).is_empty(), "its unsubscription is not confirmed");
        interest.unsubscribed(keys);
        assert!(interest.changed().now_or_never().is_some(), "there is something to subscribe");
        assert_eq!(subscribe(&interest), [user("a")]);
        confirmed.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_no_longer_wanted_before_it_is_subscribed_is_removed() {
        let interest = Interest::default();
        interest.want(&user("a"));
        let Confirmation::Waits(confirmed) = interest.confirmation(&user("a")) else { panic!("confirmed") };
        interest.unwant(&user("a"));
        advance(fixed::INTEREST_LINGERS).await;
        assert!(interest.take_lingering(9).is_empty());
        assert!(interest.take_pending(9).is_empty());
        assert_eq!(interest.len(), 0);
        confirmed.await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_lingers_while_it_is_subscribed_is_unsubscribed_later() {
        let interest = Interest::default();
        interest.want(&user("a"));
        let keys = interest.take_pending(9);
        interest.unwant(&user("a"));
        advance(fixed::INTEREST_LINGERS).await;
        assert!(interest.take_lingering(9).is_empty());
        interest.subscribed(&keys);
        advance(fixed::INTEREST_LINGERS).await;
        assert_eq!(interest.take_lingering(9), [user("a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_end_of_the_link_everything_with_members_is_subscribed_again() {
        let interest = Interest::default();
        ["a", "b", "c"].iter().for_each(|name| interest.want(&user(name)));
        assert_eq!(interest.take_pending(2).len(), 2);
        interest.subscribed(&[user("a")]);
        interest.unwant(&user("b"));
        interest.restart();
        let mut names: Vec<_> = subscribe(&interest).iter().map(|key| key.name().to_string()).collect();
        names.sort();
        assert_eq!(names, ["a", "c"]);
        assert_eq!(interest.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_or_the_end_of_lingering_is_noticed() {
        let interest = Interest::default();
        interest.want(&user("a"));
        interest.changed().await;
        subscribe(&interest);
        interest.unwant(&user("a"));
        interest.changed().await;
        let began = Instant::now();
        interest.changed().await;
        assert_eq!(began.elapsed(), fixed::INTEREST_LINGERS);
        assert_eq!(interest.take_lingering(9).len(), 1);
    }
}
