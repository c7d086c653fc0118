//! The part of a target's calls that concerns the other nodes of the cluster.

use std::time::Duration;

use bytes::Bytes;

use super::{
    ClusterState, NotSent, Remote, Target,
    cluster::{
        Answers, Channel, Cluster, Sought, ThisNode,
        wire::{About, Body, Message},
    },
    live::Live,
    target::Scope,
    user_at::{Answered, Encoded},
};
use crate::{connection::AskError, wire::ConnectionId};

/// The members of a target on other nodes.
struct Others<'a> {
    node: &'a ThisNode,
    channel: Channel,
    /// The number of the connection, if the target is one.
    connection: Option<u64>,
    /// The name of the controller, if the target is a user at one.
    at: Option<Bytes>,
}

impl Live {
    /// Whether a connection is on another node of the cluster that is alive.
    pub(super) fn is_of_other_node(&self, id: ConnectionId) -> bool {
        self.cluster().is_some_and(|node| id.node() != self.node() && node.is_alive(id.node()))
    }
}

impl Target {
    /// Queues a message for the members on other nodes. `body` is called only if there may be some;
    /// it returns `None` if the value was not serialised.
    pub(super) fn publish(&self, body: impl FnOnce() -> Option<Body>) -> Remote {
        let Some(others) = self.others() else { return Remote::None };
        match body() {
            Some(body) => others.node.publish(&others.channel, &self.message(&others, body)),
            None => Remote::NotSent(NotSent::Failed),
        }
    }

    /// Queues a message for the members on other nodes, and waits until the broker has accepted it.
    pub(super) async fn publish_accepted(&self, body: impl FnOnce() -> Option<Body>) -> Remote {
        let Some(others) = self.others() else { return Remote::None };
        match body() {
            Some(body) => {
                let message = self.message(&others, body);
                others.node.publish_accepted(&others.channel, &message).await
            }
            None => Remote::NotSent(NotSent::Failed),
        }
    }

    /// Asks the other nodes about their members. Returns `None` if there cannot be any.
    pub(super) async fn ask(&self, about: About) -> Option<Answers> {
        let Others { node, channel, connection, at } = self.others()?;
        Some(node.ask(&channel, connection, at, self.except.clone(), about).await)
    }

    /// Asks one client of another node.
    pub(super) async fn ask_other_nodes(
        &self,
        encoded: Encoded,
        timeout: Duration,
    ) -> Result<Answered, AskError> {
        let Others { node, channel, at, .. } = self.others().ok_or(AskError::Offline)?;
        node.ask_client(&Sought { channel, at }, encoded, timeout).await
    }

    /// Whether the other nodes cannot be reached, so that a result without missing nodes is
    /// incomplete as well.
    pub(super) fn is_unreachable(&self) -> bool {
        let state = Cluster::new(&self.live).state();
        !matches!(state, ClusterState::Alone | ClusterState::Up)
    }

    fn others(&self) -> Option<Others<'_>> {
        let node = &**self.live.cluster()?;
        let mut at = None;
        let (channel, connection) = match &self.scope {
            Scope::One(id) if self.live.is_of_other_node(*id) => {
                (Channel::Node(id.node()), Some(id.sequence()))
            }
            Scope::One(_) => return None,
            Scope::All => (Channel::All, None),
            Scope::Controller(controller) => {
                (Channel::Controller(self.live.names().resolve(*controller)?), None)
            }
            Scope::Room(..) | Scope::User(_) => (Channel::Group(self.group()?), None),
            Scope::UserAt(controller, _) => {
                at = Some(Bytes::from_static(self.live.names().resolve(*controller)?.as_bytes()));
                (Channel::Group(self.group()?), None)
            }
        };
        Some(Others { node, channel, connection, at })
    }

    fn message(&self, others: &Others<'_>, body: Body) -> Message {
        let (connection, at) = (others.connection, others.at.clone());
        Message { except: self.except.clone(), connection, at, ..Message::new(body) }
    }
}
