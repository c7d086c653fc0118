//! [`Watching`]: the watches of this node, and the answers to those of other nodes.
//!
//! All watchers of one group on this node share a [`Watched`]. One task does what is due on the
//! [`Agenda`]: it asks, renews, and publishes the changes of the own members. A second one sends
//! rosters. Both wait for the broker after every 256 messages, so that they leave room in the queue
//! for the messages of the application. The state machines are [`roster`](super::roster) and
//! [`owned`](super::owned).

mod answers;
mod tasks;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::{
    ThisNode,
    agenda::{Agenda, Due},
    handle::ClusterState,
    interest::{Confirmation, Interest},
    names::Channel,
    owned::Reports,
    roster::{Known, Step},
    wire::{Body, Changes, Message, RosterPart, Wanted, Watch},
};
use crate::{
    fixed,
    hub::{GroupKey, Live, Member},
    sync::Mutex,
};

#[derive(Debug)]
pub(super) struct Watching {
    groups: Mutex<HashMap<GroupKey, Shared>>,
    /// The channels of the changes of watched groups. Its lock comes after that of the groups.
    pub(super) channels: Interest,
    next_question: AtomicU64,
    agenda: Arc<Agenda>,
    pub(super) reports: Arc<Reports>,
    /// The rosters that other nodes have asked for.
    rosters: mpsc::Sender<WaitingRoster>,
}

/// A watched group, and the number of its watchers.
#[derive(Debug)]
struct Shared {
    watchers: usize,
    watched: Arc<Watched>,
}

/// One watched group.
#[derive(Debug)]
struct Watched {
    key: GroupKey,
    /// The name of the group's channel.
    channel: Bytes,
    /// Its lock comes before those of the index of groups and of the agenda.
    state: Mutex<State>,
    status: watch::Sender<Status>,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    /// The time of the next check on the agenda.
    checked_at: Option<Instant>,
}

/// The completeness of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Status {
    /// The link is down, or not all nodes have answered.
    #[default]
    Stale,
    Settled,
    /// This node has left the cluster.
    Over,
}

/// A roster that another node has asked for.
#[derive(Debug)]
pub(super) struct WaitingRoster {
    to: u32,
    watch: Watch,
    /// `None` for a group that this node cannot have.
    key: Option<GroupKey>,
}

/// The rosters that other nodes have asked for. It is given to the task that sends them.
#[derive(Debug)]
pub(super) struct WaitingRosters(mpsc::Receiver<WaitingRoster>);

/// A watch of the members of a group on the other nodes. Ends on drop.
#[derive(Debug)]
pub(in crate::hub) struct RemoteWatch {
    node: Arc<ThisNode>,
    watched: Arc<Watched>,
}

impl Watching {
    pub(super) fn new(interest: &Arc<Interest>) -> (Self, WaitingRosters) {
        let agenda = Arc::default();
        let (rosters, waiting) = mpsc::channel(fixed::WAITING_ROSTERS);
        let this = Self {
            groups: Mutex::default(),
            channels: Interest::default(),
            next_question: AtomicU64::new(1),
            reports: Arc::new(Reports::new(interest, &agenda)),
            agenda,
            rosters,
        };
        (this, WaitingRosters(waiting))
    }

    fn get(&self, key: &GroupKey) -> Option<Arc<Watched>> {
        self.groups.lock().get(key).map(|shared| Arc::clone(&shared.watched))
    }

    fn all(&self) -> Vec<Arc<Watched>> {
        self.groups.lock().values().map(|shared| Arc::clone(&shared.watched)).collect()
    }

    fn question(&self) -> u64 {
        self.next_question.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a watcher of a group.
    fn enter(&self, key: &GroupKey) -> Arc<Watched> {
        let mut groups = self.groups.lock();
        if let Some(shared) = groups.get_mut(key) {
            shared.watchers += 1;
            return Arc::clone(&shared.watched);
        }
        let watched = Arc::new(Watched {
            key: key.clone(),
            channel: Channel::Group(key.clone()).name().into(),
            state: Mutex::default(),
            status: watch::Sender::default(),
        });
        groups.insert(key.clone(), Shared { watchers: 1, watched: Arc::clone(&watched) });
        self.channels.want(key);
        watched
    }

    /// Removes a watcher of a group.
    fn leave(&self, key: &GroupKey) {
        let mut groups = self.groups.lock();
        let Some(shared) = groups.get_mut(key) else { return };
        shared.watchers = shared.watchers.saturating_sub(1);
        if shared.watchers == 0 {
            groups.remove(key);
            self.channels.unwant(key);
        }
    }
}

impl Watched {
    /// Returns whether the check on the agenda is due. Otherwise it was replaced by a later one.
    fn take_check(&self) -> bool {
        self.state.lock().checked_at.take_if(|at| *at <= Instant::now()).is_some()
    }

    /// Updates the known members, and passes the changes on. Returns the questions to ask.
    fn update(&self, node: &ThisNode, change: impl FnOnce(&mut Known) -> Step) -> Step {
        let mut state = self.state.lock();
        let mut step = change(&mut state.known);
        let changes = std::mem::take(&mut step.changes);
        if !changes.is_empty()
            && let Some(live) = node.live()
        {
            live.groups().announce(&self.key, changes);
        }
        let status = match (node.state(), state.known.is_settled()) {
            (ClusterState::Alone, _) => Status::Over,
            (_, true) => Status::Settled,
            (_, false) => Status::Stale,
        };
        self.status.send_if_modified(|now| std::mem::replace(now, status) != status);
        if let Some(due) = state.known.next_due(Instant::now())
            && state.checked_at.is_none_or(|at| due < at)
        {
            state.checked_at = Some(due);
            node.watching.agenda.add(due, Due::Check(self.key.clone()));
        }
        step
    }
}

impl RemoteWatch {
    /// Returns the members on other nodes, and the result of a function that is called meanwhile:
    /// every later change is announced after it.
    pub(in crate::hub) fn begin<T>(&self, begin: impl FnOnce() -> T) -> (Vec<Member>, T) {
        let state = self.watched.state.lock();
        (state.known.members(), begin())
    }

    /// Whether the known members may differ from the present ones.
    pub(in crate::hub) fn is_stale(&self) -> bool {
        *self.watched.status.borrow() != Status::Settled
    }

    /// Waits until all nodes have answered, or this node has left the cluster.
    pub(in crate::hub) async fn settled(&self) {
        // This fails only if the sender is dropped, and `self` owns it.
        let _ = self.watched.status.subscribe().wait_for(|status| *status != Status::Stale).await;
    }
}

impl Drop for RemoteWatch {
    fn drop(&mut self) {
        self.node.watching.leave(&self.watched.key);
    }
}

/// The watches of this node.
impl ThisNode {
    /// Watches the members of a group on the other nodes.
    pub(in crate::hub) fn watch(self: &Arc<Self>, key: &GroupKey) -> RemoteWatch {
        let watched = self.watching.enter(key);
        // The channel may be subscribed because of an earlier watch.
        if let Confirmation::Confirmed = self.watching.channels.confirmation(key) {
            self.watch_confirmed(&watched);
        } else if self.state() == ClusterState::Alone {
            self.end_watch(&watched);
        }
        RemoteWatch { node: Arc::clone(self), watched }
    }

    /// Records that the broker has confirmed the channels of the changes of groups.
    pub(super) fn watches_confirmed(&self, keys: &[GroupKey]) {
        keys.iter()
            .filter_map(|key| self.watching.get(key))
            .for_each(|watched| self.watch_confirmed(&watched));
    }

    fn watch_confirmed(&self, watched: &Watched) {
        watched.update(self, |known| {
            known.subscribed();
            Step::default()
        });
    }

    /// Records that the link has ended. The known members stay.
    pub(super) fn watches_lost_link(&self) {
        self.watching.channels.restart();
        for watched in self.watching.all() {
            watched.update(self, |known| {
                known.lost_link();
                Step::default()
            });
        }
    }

    /// Lets all calls return that wait for other nodes, after this node has left the cluster.
    pub(super) fn end_watches(&self) {
        self.watching.all().iter().for_each(|watched| self.end_watch(watched));
    }

    fn end_watch(&self, watched: &Watched) {
        watched.update(self, |_| Step::default());
    }

    /// Adds an entry to the agenda of the watches.
    pub(super) fn watches_due(&self, due: Due) {
        self.watching.agenda.add_now(due);
    }

    /// Handles changes of members on another node.
    pub(super) fn members_changed(&self, live: &Live, from: u32, changes: Changes) {
        if let Some(watched) = self.watched(live, &changes.channel) {
            let (now, id) = (Instant::now(), self.watching.question());
            let step = watched.update(self, |known| known.changed(now, id, from, changes));
            self.ask_for_rosters(&watched, id, &step);
        }
    }

    /// Handles a part of the members on another node.
    pub(super) fn roster_received(&self, live: &Live, from: u32, part: RosterPart) {
        if let Some(watched) = self.watched(live, &part.channel) {
            let (now, id) = (Instant::now(), self.watching.question());
            let step = watched.update(self, |known| known.part(now, id, from, part));
            self.ask_for_rosters(&watched, id, &step);
        }
    }

    fn watched(&self, live: &Live, channel: &[u8]) -> Option<Arc<Watched>> {
        match Channel::parse(channel, |name| live.names().find(name))? {
            Channel::Group(key) => self.watching.get(&key),
            _ => None,
        }
    }

    fn ask_for_rosters(&self, watched: &Watched, id: u64, step: &Step) {
        for node in &step.ask {
            // A question that is not sent is asked again after its timeout.
            let _ = self.publish(&Channel::Node(*node), &watched.question(id, Wanted::Roster));
        }
    }
}

impl Watched {
    fn question(&self, id: u64, wanted: Wanted) -> Message {
        Message::new(Body::Watch(Watch { id, wanted, channel: self.channel.clone() }))
    }
}

/// The message with the version of the members of a group.
fn announcement(key: &GroupKey, version: u64) -> Message {
    let channel = Channel::Group(key.clone()).name().into();
    let (joined, left) = (Vec::new(), Vec::new());
    Message::new(Body::Changes(Changes { from: version, to: version, channel, joined, left }))
}
