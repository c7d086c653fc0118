//! The rules: for each client while it receives, and for all after the faults have ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use ws_core::{
    hub::{ClusterChange, ClusterNode, ClusterState, Remote},
    prelude::*,
};

use super::{
    steps::MOST_DELAY,
    world::{Arrival, Client, Faults, Goal, KICKED, NODES, Net, ROOMS, USERS, World},
};
use crate::brokers::eventually;

/// The messages that a client has received so far.
#[derive(Debug, Default)]
pub(super) struct Received {
    /// The number of checked entries.
    checked: usize,
    pub(super) pushes: HashSet<u64>,
    rooms: BTreeSet<usize>,
    user: Option<usize>,
    /// The last message of each sender to each target.
    last: BTreeMap<(usize, Goal), u64>,
    pub(super) is_closed: bool,
}

impl World<'_> {
    /// Checks what a client has received since the last check.
    fn check_arrivals(&mut self, at: usize) {
        let client = &mut self.clients[at];
        let arrivals: Vec<Arrival> = client.arrivals.lock().unwrap()[client.state.checked..].to_vec();
        client.state.checked += arrivals.len();
        let (id, node) = (client.id, client.node);
        for entry in arrivals {
            let state = &mut self.clients[at].state;
            assert!(!state.is_closed, "{id} received {entry:?} after its end");
            match entry {
                Arrival::Joined(room) => _ = state.rooms.insert(room),
                Arrival::Left(room) => _ = state.rooms.remove(&room),
                Arrival::User(user) => state.user = Some(user),
                Arrival::Push(number) => self.check_push(at, number),
                Arrival::Closed(code) => {
                    assert_eq!(code, KICKED, "{id} of {node} was closed");
                    assert!(self.clients[at].is_kicked, "{id} was not kicked");
                    self.clients[at].state.is_closed = true;
                }
            }
        }
    }

    fn check_push(&mut self, at: usize, number: u64) {
        let push = &self.pushes[&number];
        let client = &mut self.clients[at];
        let (id, state) = (client.id, &mut client.state);
        assert!(state.pushes.insert(number), "{id} received {number} twice");
        let is_member = match push.goal {
            Goal::All | Goal::Controller => true,
            Goal::Room(room) => state.rooms.contains(&room),
            Goal::User(user) => state.user == Some(user),
            Goal::One(to) => to == id,
        };
        assert!(
            is_member && !push.except.contains(&id),
            "{id} received {number} without being a member: {push:?}"
        );
        let faults = self.faults[push.from][client.node];
        let before = state.last.insert((push.from, push.goal), number);
        let is_ordered = before.is_none_or(|before| before < number);
        assert!(is_ordered || faults.delays || faults.swaps, "{id} received {before:?} before {number}");
        self.owed.remove(&(number, id));
    }

    /// Checks a client whose connection the test ends.
    pub(super) fn check_client(&mut self, client: Client) {
        self.clients.push(client);
        self.check_arrivals(self.clients.len() - 1);
        self.clients.pop();
    }

    fn check_all(&mut self) {
        for at in 0..self.clients.len() {
            self.check_arrivals(at);
        }
        for (number, push) in &self.pushes {
            if push.is_kick {
                let closed = self.clients.iter().filter(|client| client.state.is_closed);
                closed.for_each(|client| _ = self.owed.remove(&(*number, client.id)));
            }
        }
    }

    /// Ends the faults, and checks that everything lost was reported and that nothing is lost any
    /// more.
    pub(super) async fn settle(&mut self) {
        self.log("settles".to_owned());
        if let Net::Memory(cluster) = &self.net {
            cluster.start_broker();
            let apps = || self.nodes.iter().map(|node| &node.app);
            for (at, from) in apps().enumerate() {
                apps()
                    .enumerate()
                    .filter(|(to, _)| *to != at)
                    .for_each(|(_, to)| cluster.between(from, to).heal());
            }
        }
        // A node that was silent since the end of the faults may still be declared dead.
        let healed = Instant::now();
        let is_memory = self.net.is_memory();
        eventually("all nodes are up and know each other", || {
            self.nodes.iter().map(|node| node.hub().cluster()).all(|cluster| {
                let nodes = cluster.nodes();
                let is_current = |node: &ClusterNode| !is_memory || node.last_seen <= healed.elapsed();
                cluster.state() == ClusterState::Up && nodes.len() == NODES && nodes.iter().all(is_current)
            })
        })
        .await;
        if self.net.is_memory() {
            sleep(MOST_DELAY + Duration::from_millis(100)).await;
        }
        self.receive().await;
        self.check_losses();
        let (gone, stay): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.clients).into_iter().partition(|client| client.state.is_closed);
        (self.clients, _) = (stay, gone);
        self.clients.iter_mut().for_each(|client| client.is_kicked = false);
        self.begin_anew();
        self.check_exactly().await;
        self.check_watches().await;
        self.pushes.clear();
    }

    /// Waits for the messages on their way.
    pub(super) async fn receive(&mut self) {
        let patience = if self.net.is_memory() { 1 } else { 200 };
        for _ in 0..patience {
            sleep(Duration::from_millis(10)).await;
            self.check_all();
            if self.owed.is_empty() {
                break;
            }
        }
        sleep(Duration::from_millis(20)).await;
        self.check_all();
    }

    /// Checks that each message that was not received was reported as lost.
    fn check_losses(&mut self) {
        // The pushes that the sender has counted as dropped or unknown, without a result.
        let mut unsent: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); NODES];
        for (number, id) in &self.owed {
            let push = &self.pushes[number];
            let Some(client) = self.clients.iter().find(|client| client.id == *id) else { continue };
            assert_ne!(push.from, client.node, "{id} did not receive {number} of its own node: {push:?}");
            let Faults { loses, delays, .. } = self.faults[push.from][client.node];
            if loses || (delays && self.was_out) || self.is_in_gap(client.node, push.at) {
                continue;
            }
            assert!(self.was_out, "{id} did not receive {number}: {push:?}");
            assert_eq!(push.remote, Remote::Queued, "{id} did not receive {number}: {push:?}");
            unsent[push.from].insert(*number);
        }
        for (node, unsent) in unsent.iter().enumerate() {
            let of_node = self.pushes.values().filter(|push| push.from == node);
            let results =
                of_node.filter(|push| matches!(push.remote, Remote::NotSent(_) | Remote::Unknown)).count();
            let counted = self.count_unsent(node) - self.nodes[node].unsent;
            let counted = (counted as usize).saturating_sub(results);
            assert!(unsent.len() <= counted, "node {node} has not reported {unsent:?}, only {counted}");
        }
        self.owed.clear();
    }

    /// Whether a node has reported that it may have missed messages of this time.
    fn is_in_gap(&self, node: usize, time: Instant) -> bool {
        self.nodes[node].changes.lock().unwrap().iter().any(|(at, change)| match change {
            ClusterChange::Gap { at_most } => *at - *at_most <= time && time <= *at,
            _ => false,
        })
    }

    fn count_unsent(&self, node: usize) -> u64 {
        let stats = self.nodes[node].hub().cluster().stats();
        stats.dropped + stats.unknown
    }

    /// Forgets the faults that have ended.
    fn begin_anew(&mut self) {
        self.faults = Default::default();
        self.was_out = false;
        self.kicked_users.clear();
        for node in 0..NODES {
            self.nodes[node].unsent = self.count_unsent(node);
            self.nodes[node].changes.lock().unwrap().clear();
            let stats = self.nodes[node].hub().cluster().stats();
            assert_eq!((stats.malformed, stats.duplicates, stats.lost), (0, 0, 0), "{stats:?}");
        }
    }

    /// Checks that each push reaches exactly the members, and that they are counted.
    async fn check_exactly(&mut self) {
        for at in 0..self.clients.len() {
            assert!(self.confirm(at).await);
            let client = &mut self.clients[at];
            client.rooms.values_mut().for_each(|is_known| *is_known = true);
            client.user = client.user.map(|(user, _)| (user, true));
        }
        let local = |world: &Self| world.nodes.iter().map(|node| node.hub().count_local()).sum::<usize>();
        eventually("the connections of ended clients are gone", || local(self) == self.clients.len()).await;
        let rooms = (0..ROOMS).map(Goal::Room).chain((0..USERS).map(Goal::User));
        let ones = self.clients.iter().map(|client| Goal::One(client.id));
        let goals: Vec<Goal> = [Goal::All, Goal::Controller].into_iter().chain(rooms).chain(ones).collect();
        for goal in goals {
            for from in 0..NODES {
                self.send(from, goal, Vec::new(), false).await;
            }
            if !self.random.one_in(3) {
                continue;
            }
            let from = self.random.below(NODES);
            let members = self.clients.iter().filter(|client| client.membership(goal).is_some());
            let mut members: Vec<ConnectionId> = members.map(|client| client.id).collect();
            let mut ids = self.target(from, goal).ids().await.unwrap();
            ids.sort();
            members.sort();
            assert_eq!(ids, members, "{goal:?} from {from}");
            assert_eq!(self.target(from, goal).count().await, Ok(members.len()));
        }
        self.receive().await;
        assert!(self.owed.is_empty(), "not received: {:?}", self.owed);
    }
}
