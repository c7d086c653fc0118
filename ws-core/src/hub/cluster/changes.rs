//! The changes of the cluster: the link comes up and ends, nodes join and leave.
//!
//! Each change is recorded, logged, and announced to the streams of
//! [`Cluster::changes`](super::Cluster::changes). Silence of a node counts only while the link is
//! up.

use std::sync::{Arc, Weak, atomic::Ordering};

use tokio::time::{Instant, sleep};

use super::{
    ThisNode,
    agenda::Due,
    claiming,
    handle::{ClusterChange, ClusterState, NodeId},
    link::Ended,
    nodes::NodeChange,
    wire::{Beat, Phase},
};
use crate::{
    config::OnGap,
    connection::Stop,
    fixed,
    hub::Live,
    random,
    wire::{CloseFrame, CloseReason},
};

impl ThisNode {
    /// Records that the link is up.
    pub(super) fn link_is_up(self: &Arc<Self>) {
        self.nodes.reset_silence();
        *self.nodes_known_at.lock() = Instant::now() + fixed::NODES_KNOWN;
        self.outgoing.connected();
        self.state.send_replace(ClusterState::Up);
        self.watches_due(Due::Up);
        let gap = self.gap_since.lock().take().map(|since| since.elapsed());
        tracing::info!(node = %NodeId(self.id()), name = self.name(), broker = %self.config.url, "the cluster is joined");
        self.announce(ClusterChange::Up);
        tokio::spawn(claiming::announce_claims(Arc::downgrade(self), Weak::clone(&self.live)));
        if let Some(at_most) = gap {
            self.counters.reconnects.add(1);
            self.counters.gap_micros.add(at_most.as_micros() as usize);
            tracing::warn!(
                ?at_most,
                "messages of other nodes were missed while the broker was not reachable"
            );
            self.announce(ClusterChange::Gap { at_most });
            if self.config.on_gap == OnGap::Close {
                tokio::spawn(close_members(Weak::clone(&self.live)));
            }
        }
    }

    /// Records that the link has ended. Returns whether it was up.
    pub(super) fn link_ended(&self, why: &Ended) -> bool {
        let was_up = self.state() == ClusterState::Up;
        if was_up {
            *self.gap_since.lock() = Some(self.beats.last_echo());
            self.outgoing.disconnected();
            self.state.send_replace(ClusterState::Down { since: Instant::now() });
            self.announce(ClusterChange::Down);
        }
        if let Some(skipped) = self.link_warning.due().or(was_up.then_some(0)) {
            tracing::warn!(broker = %self.config.url, skipped, "no link to the other nodes: {why}");
        }
        self.interest.restart();
        self.watches_lost_link();
        was_up
    }

    /// Records a heartbeat.
    pub(super) fn record_beat(&self, beat: Beat) {
        if beat.node == self.id() {
            if beat.instance != self.instance {
                self.id_is_taken(beat);
            } else if self.is_current(beat.link)
                && let Some(delay) = self.beats.echo(beat.sequence)
            {
                self.counters.worst_echo_micros.at_least(delay.as_micros() as u64);
            }
            return;
        }
        if beat.phase == Phase::Hello {
            self.beats.want();
        }
        let change =
            if beat.phase == Phase::Goodbye { self.nodes.left(&beat) } else { self.nodes.record_beat(beat) };
        match change {
            NodeChange::Nothing => {}
            NodeChange::Joined { id, name } => {
                tracing::info!(node = %NodeId(id), name, "a node has joined the cluster");
                self.watches_due(Due::Joined(id));
                self.announce(ClusterChange::NodeJoined { id: NodeId(id), name });
            }
            NodeChange::Left { id, name } => self.node_left(id, name, false),
            NodeChange::Incompatible { id, name } => {
                tracing::error!(node = %NodeId(id), name, "a node has no version in common with this node");
                self.announce(ClusterChange::Incompatible { id: NodeId(id), name });
            }
        }
    }

    /// Another process has the same id. A new id is drawn, which is possible before the first
    /// connection.
    #[cold]
    fn id_is_taken(&self, other: Beat) {
        if let Some(id) = self.live().and_then(|live| live.draw_node()) {
            self.id.store(id, Ordering::Release);
            self.beats.take_id();
        } else if let Some(skipped) = self.malformed_warning.due() {
            let (id, name) = (NodeId(other.node), other.name);
            tracing::error!(%id, name, skipped, "another node has the id of this node; restart one of them");
            self.announce(ClusterChange::Incompatible { id, name });
        }
    }

    /// Removes the nodes that are silent for too long. While the link is down, no node is removed.
    pub(super) fn expire_nodes(&self) {
        if self.state() == ClusterState::Up {
            for (id, name) in self.nodes.expire(self.config.node_timeout) {
                self.node_left(id, name, true);
            }
        }
    }

    fn node_left(&self, id: u32, name: String, died: bool) {
        tracing::info!(node = %NodeId(id), name, died, "a node has left the cluster");
        self.watches_due(Due::Left(id));
        self.announce(ClusterChange::NodeLeft { id: NodeId(id), name, died });
    }

    /// Records that the broker has refused a message without saying which one, so it was counted as
    /// accepted.
    #[cfg(feature = "nats")]
    pub(super) fn refused_unknown(&self, error: &str) {
        self.counters.refused.add(1);
        self.refused(error);
    }

    #[cold]
    pub(super) fn refused(&self, error: &str) {
        if let Some(skipped) = self.refused_warning.due() {
            tracing::error!(skipped, "the broker refused a message: {error}");
        }
    }

    pub(super) fn announce(&self, change: ClusterChange) {
        if let Some(changes) = &*self.changes.lock() {
            // Fails without a stream of the changes.
            let _ = changes.send(change);
        }
    }
}

/// Closes each connection that is in a room or has a user with 1012, in turns, so that their
/// clients do not all connect again at the same time.
async fn close_members(live: Weak<Live>) {
    let Some(all) = live.upgrade().map(|live| live.all()) else { return };
    for turn in all.chunks(fixed::MEMBERS_A_TURN) {
        for connection in turn.iter().filter(|connection| connection.membership().is_joined()) {
            let frame = CloseFrame::new(1012, "messages may be missing");
            let reason = CloseReason::Local { code: frame.code, reason: frame.reason.clone() };
            // Fails if the connection is already closing.
            let _ = connection.outbox().stop(Stop::Close { frame, reason });
        }
        sleep(random::jitter(fixed::GAP_PAUSE, 50)).await;
    }
}
