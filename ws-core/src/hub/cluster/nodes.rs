//! [`Nodes`]: the other nodes of the cluster, known by their heartbeats, and which of their
//! messages are accepted.
//!
//! A message is dropped if it belongs to a link that its sender has replaced, or if its sequence
//! number was received before. Clocks of other nodes are never read: a node is gone when this node
//! has not received a heartbeat for `node_timeout`.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use super::{
    handle::ClusterNode,
    wire::{Beat, Head, OLDEST_VERSION, VERSION},
};
use crate::{fixed, sync::Mutex};

/// Whether a message of another node is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Accepted,
    /// The message was received before.
    Duplicate,
    /// The message is older than the last 1024 of its node, so it is not known whether it was
    /// received before.
    TooOld,
    /// The sender has declared the message's link ended, so it has counted the message as unknown.
    Late,
    /// More nodes than [`fixed::CLUSTER_NODES`] have sent messages.
    TooManyNodes,
}

/// A change that a heartbeat made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeChange {
    Nothing,
    Joined {
        id: u32,
        name: String,
    },
    Left {
        id: u32,
        name: String,
    },
    /// The node reads no version that this node sends, or the other way round.
    Incompatible {
        id: u32,
        name: String,
    },
}

/// All nodes that have sent something.
#[derive(Debug, Default)]
pub(super) struct Nodes(Mutex<HashMap<u32, Known>>);

#[derive(Debug)]
struct Known {
    /// The last heartbeat; `None` if there was none or the node is gone. A node that is gone is
    /// kept, because its late messages must still be recognised.
    alive: Option<Alive>,
    /// The largest number of a link in a message of the node.
    link: u32,
    received: Window,
    /// The process that has said goodbye. Its heartbeats that arrive later are ignored.
    left: Option<u64>,
    /// The time of the first message or of the last heartbeat.
    seen: Instant,
    is_incompatible: bool,
}

#[derive(Debug)]
struct Alive {
    beat: Beat,
    at: Instant,
}

impl Nodes {
    /// Decides about a message of another node.
    pub(super) fn admit(&self, head: &Head) -> Verdict {
        let mut nodes = self.0.lock();
        let Some(node) = known(&mut nodes, head.node) else { return Verdict::TooManyNodes };
        if head.link < node.link {
            return Verdict::Late;
        }
        node.link = head.link;
        node.received.insert(head.sequence)
    }

    /// Records a heartbeat of another node, other than a goodbye.
    pub(super) fn record_beat(&self, beat: Beat) -> NodeChange {
        let mut nodes = self.0.lock();
        let (id, name) = (beat.node, beat.name.clone());
        let Some(node) = known(&mut nodes, id) else { return NodeChange::Nothing };
        if beat.link < node.link || node.left == Some(beat.instance) {
            return NodeChange::Nothing;
        }
        (node.link, node.seen) = (beat.link, Instant::now());
        if beat.newest < OLDEST_VERSION || beat.oldest > VERSION {
            let is_new = !std::mem::replace(&mut node.is_incompatible, true);
            return if is_new { NodeChange::Incompatible { id, name } } else { NodeChange::Nothing };
        }
        let is_new = node.alive.is_none();
        node.alive = Some(Alive { beat, at: node.seen });
        if is_new { NodeChange::Joined { id, name } } else { NodeChange::Nothing }
    }

    /// Records that a node has said goodbye.
    pub(super) fn left(&self, beat: &Beat) -> NodeChange {
        let mut nodes = self.0.lock();
        let Some(node) = nodes.get_mut(&beat.node).filter(|node| beat.link >= node.link) else {
            return NodeChange::Nothing;
        };
        node.link = beat.link;
        node.left = Some(beat.instance);
        match node.alive.take() {
            Some(Alive { beat: Beat { name, .. }, .. }) => NodeChange::Left { id: beat.node, name },
            None => NodeChange::Nothing,
        }
    }

    /// Removes the nodes without a heartbeat for this time, and returns their ids and names.
    pub(super) fn expire(&self, timeout: Duration) -> Vec<(u32, String)> {
        let now = Instant::now();
        let mut gone = Vec::new();
        for (id, node) in self.0.lock().iter_mut() {
            if let Some(alive) = node.alive.take_if(|alive| now.duration_since(alive.at) > timeout) {
                gone.push((*id, alive.beat.name));
            }
        }
        gone
    }

    /// Counts the time in which no heartbeat could arrive as if the nodes had been alive.
    pub(super) fn reset_silence(&self) {
        let now = Instant::now();
        for node in self.0.lock().values_mut() {
            if let Some(alive) = &mut node.alive {
                alive.at = now;
            }
        }
    }

    pub(super) fn is_alive(&self, id: u32) -> bool {
        self.0.lock().get(&id).is_some_and(|node| node.alive.is_some())
    }

    /// The nodes that are alive, sorted by name.
    pub(super) fn alive(&self) -> Vec<ClusterNode> {
        let now = Instant::now();
        let nodes = self.0.lock();
        let alive = nodes.values().filter_map(|node| node.alive.as_ref());
        let mut alive: Vec<_> =
            alive.map(|Alive { beat, at }| ClusterNode::new(beat, now.duration_since(*at))).collect();
        alive.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        alive
    }

    /// The ids and the names of the nodes that are alive.
    pub(super) fn names(&self) -> HashMap<u32, String> {
        let nodes = self.0.lock();
        let name = |(id, node): (&u32, &Known)| Some((*id, node.alive.as_ref()?.beat.name.clone()));
        nodes.iter().filter_map(name).collect()
    }
}

/// Returns the entry of a node. If there are too many, the node that is gone for the longest time
/// is forgotten; if all are alive, a further one gets no entry.
fn known(nodes: &mut HashMap<u32, Known>, id: u32) -> Option<&mut Known> {
    if nodes.len() >= fixed::CLUSTER_NODES && !nodes.contains_key(&id) {
        let gone = nodes.iter().filter(|(_, node)| node.alive.is_none());
        let oldest = gone.min_by_key(|(_, node)| node.seen).map(|(id, _)| *id)?;
        nodes.remove(&oldest);
    }
    // The clock is not read for each message.
    Some(nodes.entry(id).or_insert_with(|| Known {
        alive: None,
        link: 0,
        received: Window::default(),
        left: None,
        seen: Instant::now(),
        is_incompatible: false,
    }))
}

/// The size of a [`Window`] in words and in numbers.
const WORDS: usize = 16;
const NUMBERS: u64 = 64 * WORDS as u64;

/// The received numbers among the last 1024.
#[derive(Debug, Default)]
struct Window {
    /// One more than the largest received number.
    next: u64,
    /// A bit for each of the last 1024 numbers, at the number modulo 1024.
    received: [u64; WORDS],
}

impl Window {
    /// Records a number.
    fn insert(&mut self, number: u64) -> Verdict {
        if number >= self.next {
            if number - self.next >= NUMBERS {
                self.received = [0; WORDS];
            } else {
                (self.next..=number).for_each(|skipped| *self.word(skipped) &= !bit(skipped));
            }
            self.next = number.saturating_add(1);
        } else if self.next - number > NUMBERS {
            return Verdict::TooOld;
        }
        let word = self.word(number);
        let is_new = *word & bit(number) == 0;
        *word |= bit(number);
        if is_new { Verdict::Accepted } else { Verdict::Duplicate }
    }

    #[expect(clippy::indexing_slicing, reason = "the remainder is below the length")]
    fn word(&mut self, number: u64) -> &mut u64 {
        &mut self.received[(number / 64) as usize % WORDS]
    }
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;
    use crate::hub::cluster::wire::{self, Phase, Start};

    fn head(node: u32, link: u32, sequence: u64) -> Head {
        let message = wire::Message {
            except: Vec::new(),
            connection: None,
            key: None,
            at: None,
            body: wire::Body::Push(wire::Frames::ByFormat(Vec::new())),
        };
        let mut bytes = message.encode(node, sequence);
        wire::set_link(&mut bytes, link);
        match wire::start(&bytes) {
            Ok(Start::Message(head)) => head,
            other => panic!("{other:?}"),
        }
    }

    fn beat(node: u32, link: u32) -> Beat {
        let name = format!("n{node}");
        let phase = Phase::Alive;
        Beat { phase, link, node, sequence: 1, instance: 1, oldest: 1, newest: 1, connections: 0, name }
    }

    #[test]
    fn a_message_is_accepted_once_and_not_after_its_link_was_replaced() {
        let nodes = Nodes::default();
        for (link, sequence, expected) in [
            (1, 1, Verdict::Accepted),
            (1, 2, Verdict::Accepted),
            (1, 1, Verdict::Duplicate),
            (2, 4, Verdict::Accepted),
            (1, 3, Verdict::Late),
            (2, 3, Verdict::Accepted),
            (2, 5000, Verdict::Accepted),
            (2, 3977, Verdict::Accepted),
            (2, 3976, Verdict::TooOld),
        ] {
            assert_eq!(nodes.admit(&head(7, link, sequence)), expected, "{link} {sequence}");
        }
        // A heartbeat replaces the link as well; each node has its own numbers.
        nodes.record_beat(beat(7, 3));
        assert_eq!(nodes.admit(&head(7, 2, 6000)), Verdict::Late);
        assert_eq!(nodes.admit(&head(8, 1, 1)), Verdict::Accepted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_joins_with_its_first_heartbeat_and_is_gone_after_the_timeout_or_its_goodbye() {
        let nodes = Nodes::default();
        let timeout = Duration::from_secs(10);
        assert_eq!(nodes.record_beat(beat(1, 1)), NodeChange::Joined { id: 1, name: "n1".into() });
        assert_eq!(nodes.record_beat(beat(1, 1)), NodeChange::Nothing);
        advance(Duration::from_secs(6)).await;
        assert_eq!(nodes.record_beat(beat(2, 1)), NodeChange::Joined { id: 2, name: "n2".into() });
        advance(Duration::from_secs(5)).await;
        assert_eq!(nodes.expire(timeout), [(1, "n1".to_owned())]);
        assert_eq!(nodes.alive().iter().map(|node| &*node.name).collect::<Vec<_>>(), ["n2"]);
        // The link is known, although the node is gone.
        assert_eq!(nodes.record_beat(beat(1, 0)), NodeChange::Nothing);
        assert_eq!(nodes.left(&beat(2, 1)), NodeChange::Left { id: 2, name: "n2".into() });
        assert_eq!(nodes.left(&beat(2, 1)), NodeChange::Nothing);
        assert!(nodes.alive().is_empty());
    }

    #[test]
    fn a_heartbeat_after_the_goodbye_does_not_bring_a_node_back() {
        let nodes = Nodes::default();
        nodes.record_beat(beat(1, 1));
        nodes.left(&beat(1, 1));
        assert_eq!(nodes.record_beat(beat(1, 1)), NodeChange::Nothing);
        assert!(!nodes.is_alive(1));
        let other = Beat { instance: 2, ..beat(1, 1) };
        assert_eq!(nodes.record_beat(other), NodeChange::Joined { id: 1, name: "n1".into() });
    }

    #[tokio::test(start_paused = true)]
    async fn silence_while_the_link_was_down_does_not_count() {
        let nodes = Nodes::default();
        nodes.record_beat(beat(1, 1));
        advance(Duration::from_secs(60)).await;
        nodes.reset_silence();
        assert!(nodes.expire(Duration::from_secs(10)).is_empty());
        advance(Duration::from_secs(11)).await;
        assert_eq!(nodes.expire(Duration::from_secs(10)).len(), 1);
    }

    #[test]
    fn an_incompatible_node_is_reported_once_and_not_alive() {
        let nodes = Nodes::default();
        let beat = Beat { oldest: 2, newest: 3, ..beat(1, 1) };
        assert_eq!(nodes.record_beat(beat.clone()), NodeChange::Incompatible { id: 1, name: "n1".into() });
        assert_eq!(nodes.record_beat(beat), NodeChange::Nothing);
        assert!(!nodes.is_alive(1));
    }

    #[test]
    fn the_number_of_known_nodes_is_limited() {
        let nodes = Nodes::default();
        for id in 0..3 * fixed::CLUSTER_NODES as u32 {
            assert_eq!(nodes.admit(&head(id, 1, 1)), Verdict::Accepted);
        }
        assert_eq!(nodes.0.lock().len(), fixed::CLUSTER_NODES);
        let nodes = Nodes::default();
        for id in 0..fixed::CLUSTER_NODES as u32 {
            nodes.record_beat(beat(id, 1));
        }
        assert_eq!(nodes.admit(&head(u32::MAX, 1, 1)), Verdict::TooManyNodes);
    }

    proptest! {
        #[test]
        fn a_window_accepts_each_recent_number_once(steps in proptest::collection::vec(0u64..3000, 1..400)) {
            let (mut window, mut seen, mut largest) = (Window::default(), HashSet::new(), None::<u64>);
            for number in steps {
                let is_old = largest.is_some_and(|largest| largest >= number + NUMBERS);
                let expected = match (is_old, seen.contains(&number)) {
                    (true, _) => Verdict::TooOld,
                    (false, true) => Verdict::Duplicate,
                    (false, false) => Verdict::Accepted,
                };
                prop_assert_eq!(window.insert(number), expected, "{}", number);
                seen.insert(number);
                largest = largest.max(Some(number));
            }
        }
    }
}
