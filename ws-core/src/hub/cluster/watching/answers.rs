//! The answers to the watches of other nodes.

use std::sync::Arc;

use super::{WaitingRoster, WaitingRosters, announcement, tasks::Pace};
use crate::{
    fixed,
    hub::{
        GroupKey, Live,
        cluster::{
            ThisNode,
            handle::ClusterState,
            names::Channel,
            wire::{Body, Entry, Message, RosterPart, Wanted, Watch},
        },
    },
};

impl ThisNode {
    /// Handles a question of another node about the members of a group on this one.
    pub(in super::super) fn watch_asked(&self, live: &Live, from: u32, watch: Watch) {
        // Questions arrive before the link is up, and answers are sent after it. The other node
        // asks again.
        if self.state() != ClusterState::Up {
            return;
        }
        let key = match Channel::parse(&watch.channel, |name| live.names().find(name)) {
            Some(Channel::Group(key)) => Some(key),
            _ => None,
        };
        match (watch.wanted, key) {
            // If too many wait, the other node asks again.
            (Wanted::Roster, key) => {
                let _ = self.watching.rosters.try_send(WaitingRoster { to: from, watch, key });
            }
            (Wanted::Version, Some(key)) => {
                if let Some(version) = live.groups().renew(&key, &self.watching.reports) {
                    // Without it, the other node asks for the roster.
                    let _ = self.publish(&Channel::Node(from), &announcement(&key, version));
                }
            }
            (Wanted::Version, None) => {}
        }
    }

    /// Sends the rosters that other nodes ask for, until the node leaves the cluster.
    pub(in super::super) async fn send_rosters(self: Arc<Self>, mut waiting: WaitingRosters) {
        let send = async {
            let mut pace = Pace::default();
            while let Some(waiting) = waiting.0.recv().await {
                let Some(live) = self.live() else { return };
                self.send_roster(&live, waiting, &mut pace).await;
            }
        };
        tokio::select! {
            () = send => {}
            () = self.leaving() => {}
        }
    }

    async fn send_roster(&self, live: &Live, waiting: WaitingRoster, pace: &mut Pace) {
        let WaitingRoster { to, watch: Watch { id: question, channel, .. }, key } = waiting;
        let reports = &self.watching.reports;
        let (version, mut ids) = match &key {
            Some(key) => live.groups().own(key, reports),
            None => (reports.next_version(), Vec::new()),
        };
        ids.truncate(fixed::WATCHED_MEMBERS);
        let (mut number, mut ids) = (0, ids.into_iter().peekable());
        loop {
            let (mut members, mut bytes) = (Vec::new(), 0);
            while bytes < self.part_bytes()
                && let Some(id) = ids.next()
            {
                let user = match key {
                    Some(GroupKey::Room(..)) => live.get(id).and_then(|connection| connection.user()),
                    _ => None,
                };
                let entry = Entry { connection: id.sequence(), user };
                bytes += entry.size();
                members.push(entry);
            }
            let is_last = ids.peek().is_none();
            let part = RosterPart { question, version, number, is_last, channel: channel.clone(), members };
            let is_sent = pace.publish(self, &Channel::Node(to), Message::new(Body::Roster(part))).await;
            // The other node asks again if a part is missing.
            if is_last || !is_sent {
                return;
            }
            number += 1;
            tokio::task::yield_now().await;
        }
    }

    /// The size of one message about members.
    pub(super) fn part_bytes(&self) -> usize {
        self.config.message.clamp(1024, fixed::PRESENCE_BYTES)
    }
}
