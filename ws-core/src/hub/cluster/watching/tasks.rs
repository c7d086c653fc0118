//! The task that does the work that is due for the watches, and its pace.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Watched, announcement};
use crate::{
    fixed,
    hub::{
        Live, Remote,
        cluster::{
            ThisNode,
            agenda::Due,
            handle::ClusterState,
            names::Channel,
            roster::{Others, Step},
            wire::{Body, Message, Wanted},
        },
    },
};

impl ThisNode {
    /// Does the work that is due, until the node leaves the cluster.
    pub(in super::super) async fn follow_watches(self: Arc<Self>) {
        let work = async {
            let mut pace = Pace::default();
            loop {
                let due = self.watching.agenda.next().await;
                let Some(live) = self.live() else { return };
                self.carry_out(&live, due, &mut pace).await;
            }
        };
        tokio::select! {
            () = work => {}
            () = self.leaving() => {}
        }
    }

    async fn carry_out(&self, live: &Live, due: Due, pace: &mut Pace) {
        let reports = &self.watching.reports;
        match due {
            // The next renewal of a watch finds the members.
            Due::First(_) if self.state() != ClusterState::Up => {}
            Due::Gathered(key) if self.state() != ClusterState::Up => {
                // Changes are gathered further, until the watch ends.
                let later = Instant::now() + fixed::CHANGES_WAIT;
                self.watching.agenda.add(later, Due::Gathered(key));
            }
            Due::First(key) => {
                if let Some(version) = live.groups().version(&key, reports) {
                    pace.publish(self, &Channel::Watch(key.clone()), announcement(&key, version)).await;
                }
            }
            Due::Gathered(key) => {
                let channel = Channel::Group(key.clone()).name().into();
                for changes in live.groups().take_gathered(&key, &channel, self.part_bytes(), reports) {
                    pace.publish(self, &Channel::Watch(key.clone()), Message::new(Body::Changes(changes)))
                        .await;
                }
            }
            Due::Forget(key) => live.groups().disown(&key, reports),
            Due::Check(key) => {
                if let Some(watched) = self.watching.get(&key)
                    && watched.take_check()
                {
                    self.check(&watched, pace).await;
                }
            }
            Due::Up => {
                for watched in self.watching.all() {
                    self.check(&watched, pace).await;
                }
            }
            Due::Joined(node) => {
                for watched in self.watching.all() {
                    watched.update(self, |known| {
                        known.joined(Instant::now(), node);
                        Step::default()
                    });
                }
            }
            Due::Left(node) => {
                for watched in self.watching.all() {
                    watched.update(self, |known| known.left(node));
                }
            }
        }
    }

    /// Sends the questions and the renewal of a watch that are due.
    async fn check(&self, watched: &Watched, pace: &mut Pace) {
        // When the link is up, everything is checked.
        if self.state() != ClusterState::Up {
            return;
        }
        let (now, id) = (Instant::now(), self.watching.question());
        let alive: Vec<u32> = self.nodes.names().into_keys().collect();
        let known_at = Some(*self.nodes_known_at.lock()).filter(|at| *at > now);
        let step = watched.update(self, |known| known.due(now, id, Others { alive: &alive, known_at }));
        if step.ask_all {
            pace.publish(self, &Channel::Nodes, watched.question(id, Wanted::Roster)).await;
        }
        if step.renew {
            let channel = Channel::Group(watched.key.clone());
            pace.publish(self, &channel, watched.question(id, Wanted::Version)).await;
        }
        for node in step.ask {
            pace.publish(self, &Channel::Node(node), watched.question(id, Wanted::Roster)).await;
        }
    }
}

/// The pace of a task that publishes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The size and the number of messages since the broker has accepted one.
    bytes: usize,
    messages: usize,
}

impl Pace {
    /// Publishes a message. Returns whether it was queued.
    pub(super) async fn publish(&mut self, node: &ThisNode, channel: &Channel, message: Message) -> bool {
        self.messages += 1;
        self.bytes += message.size();
        if self.messages < fixed::PRESENCE_IN_FLIGHT && self.bytes < 16 * fixed::PRESENCE_BYTES {
            return node.publish(channel, &message) == Remote::Queued;
        }
        (self.messages, self.bytes) = (0, 0);
        node.publish_accepted(channel, &message).await == Remote::Accepted
    }
}
