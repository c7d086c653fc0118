//! [`Agenda`]: the work that is due for the watches of groups, by time.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{fixed, hub::GroupKey, sync::Mutex};

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The first member of a group that is not known to be watched is to be announced.
    First(GroupKey),
    /// The gathered changes of a group are to be published.
    Gathered(GroupKey),
    /// The watch of other nodes may have ended.
    Forget(GroupKey),
    /// A watch of this node may have to ask.
    Check(GroupKey),
    /// The link is up.
    Up,
    /// A node has joined the cluster.
    Joined(u32),
    /// A node has left the cluster.
    Left(u32),
}

/// The entries by time, and by their order at the same time.
#[derive(Debug, Default)]
pub(in crate::hub) struct Agenda {
    entries: Mutex<BTreeMap<(Instant, u64), Due>>,
    next: AtomicU64,
    /// Notified when an earlier entry than all others was added.
    changed: Notify,
}

impl Agenda {
    pub(super) fn add(&self, at: Instant, due: Due) {
        let mut entries = self.entries.lock();
        let key = (at, self.next.fetch_add(1, Ordering::Relaxed));
        entries.insert(key, due);
        let is_first = entries.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(entries);
        if is_first {
            self.changed.notify_one();
        }
    }

    pub(super) fn add_now(&self, due: Due) {
        self.add(Instant::now(), due);
    }

    /// Adds the first member of a group. If too many wait, it is found by the next renewal of a
    /// watch.
    pub(super) fn add_first(&self, key: &GroupKey) {
        if self.entries.lock().len() < fixed::WAITING_ANNOUNCEMENTS {
            self.add_now(Due::First(key.clone()));
        }
    }

    /// Waits until something is due, and removes it.
    pub(super) async fn next(&self) -> Due {
        loop {
            let first = self.entries.lock().first_key_value().map(|((at, _), _)| *at);
            match first {
                Some(at) if at <= Instant::now() => {
                    if let Some((_, due)) = self.entries.lock().pop_first() {
                        return due;
                    }
                }
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn entries_are_due_in_the_order_of_their_times_and_an_earlier_one_wakes_the_task() {
        let agenda = std::sync::Arc::new(Agenda::default());
        let now = Instant::now();
        let seconds = Duration::from_secs;
        agenda.add(now + seconds(3), Due::Joined(3));
        let waits = tokio::spawn({
            let agenda = std::sync::Arc::clone(&agenda);
            async move { (agenda.next().await, Instant::now()) }
        });
        tokio::task::yield_now().await;
        agenda.add(now + seconds(2), Due::Joined(1));
        agenda.add(now + seconds(2), Due::Joined(2));
        assert_eq!(waits.await.unwrap(), (Due::Joined(1), now + seconds(2)));
        assert_eq!(agenda.next().await, Due::Joined(2));
        assert_eq!((agenda.next().await, Instant::now()), (Due::Joined(3), now + seconds(3)));
    }
}
