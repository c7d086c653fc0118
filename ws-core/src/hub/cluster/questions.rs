//! [`Questions`]: the questions of this node to the others that are not answered yet.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

use super::{
    ThisNode,
    handle::ClusterState,
    names::Channel,
    wire::{About, Body, Found, Message, Question, ResultPart},
};
use crate::{fixed, hub::Remote, sync::Mutex, wire::ConnectionId};

/// The parts of results that may wait for the task that asked.
const WAITING_PARTS: usize = 1024;

/// A part of a result, and the node that sent it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) node: u32,
    pub(super) part: ResultPart,
}

#[derive(Debug, Default)]
pub(super) struct Questions {
    next: AtomicU64,
    open: Mutex<HashMap<u64, mpsc::Sender<Received>>>,
}

/// A question that waits for results. It is closed on drop.
#[derive(Debug)]
pub(super) struct Open<'a> {
    questions: &'a Questions,
    pub(super) id: u64,
    pub(super) received: mpsc::Receiver<Received>,
}

/// The results of a question.
#[derive(Debug, Default)]
pub(in crate::hub) struct Answers {
    /// The results, each with the id of its node. A node may have several.
    pub(in crate::hub) found: Vec<(u32, Found)>,
    /// The names of the nodes without a complete result.
    pub(in crate::hub) missing: Vec<String>,
}

/// The results that were received so far.
#[derive(Debug)]
pub(super) struct Collected {
    /// The nodes without a complete result, with their names.
    missing: HashMap<u32, String>,
    /// The number of the next part of each node.
    next: HashMap<u32, u32>,
    found: Vec<(u32, Found)>,
}

impl Collected {
    /// Begins with the nodes that have to answer.
    pub(super) fn of(missing: HashMap<u32, String>) -> Self {
        Self { missing, next: HashMap::new(), found: Vec::new() }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Adds a part. The parts of a node arrive in order; if one was lost, the result of the node
    /// stays incomplete.
    pub(super) fn add(&mut self, Received { node, part }: Received) {
        let next = self.next.entry(node).or_default();
        if part.number == *next {
            *next += 1;
            if part.is_last {
                self.missing.remove(&node);
            }
        }
        self.found.push((node, part.found));
    }

    pub(super) fn answers(self) -> Answers {
        let mut missing: Vec<String> = self.missing.into_values().collect();
        missing.sort();
        Answers { found: self.found, missing }
    }
}

impl Questions {
    /// Opens a question. Returns `None` if too many are open.
    pub(super) fn open(&self) -> Option<Open<'_>> {
        let mut open = self.open.lock();
        if open.len() >= fixed::OPEN_QUESTIONS {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, received) = mpsc::channel(WAITING_PARTS);
        open.insert(id, sender);
        Some(Open { questions: self, id, received })
    }

    /// Passes a part of a result to the task that asked. A part that comes too late is dropped.
    pub(super) fn receive(&self, node: u32, part: ResultPart) {
        if let Some(open) = self.open.lock().get(&part.id) {
            // Without room, the result stays incomplete and its node is reported as missing.
            let _ = open.try_send(Received { node, part });
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.questions.open.lock().remove(&self.id);
    }
}

impl ThisNode {
    /// Asks the other nodes about the members of a target, and waits for their results for at most
    /// a second.
    pub(in crate::hub) async fn ask(
        &self,
        target: &Channel,
        connection: Option<u64>,
        at: Option<Bytes>,
        except: Vec<ConnectionId>,
        about: About,
    ) -> Answers {
        let mut missing = self.nodes.names();
        let mut known_at = *self.nodes_known_at.lock();
        let to = match *target {
            Channel::Node(node) => {
                missing.retain(|id, _| *id == node);
                known_at = Instant::now();
                Channel::Node(node)
            }
            _ => Channel::Nodes,
        };
        let mut collected = Collected::of(missing);
        if self.state() == ClusterState::Up
            && (!collected.is_complete() || Instant::now() < known_at)
            && let Some(mut open) = self.questions.open()
        {
            let question = Question { id: open.id, about, channel: target.name().into() };
            let message = Message { except, connection, at, ..Message::new(Body::Question(question)) };
            if let Remote::Queued = self.publish(&to, &message) {
                let collect = async {
                    // Soon after the start, nodes that are not known yet answer as well.
                    while !collected.is_complete() || Instant::now() < known_at {
                        tokio::select! {
                            Some(received) = open.received.recv() => collected.add(received),
                            () = sleep_until(known_at), if collected.is_complete() => {}
                            else => break,
                        }
                    }
                };
                // At the deadline, the nodes without a complete result are missing.
                let _ = timeout(fixed::QUESTION_TIMEOUT, collect).await;
            }
        }
        collected.answers()
    }
}

/// Adds the counts of a result.
pub(in crate::hub) fn count(answers: &Answers) -> usize {
    let counts = answers.found.iter().filter_map(|(_, found)| match found {
        Found::Count(count) => Some(*count),
        Found::Ids(_) | Found::Answer(_) => None,
    });
    usize::try_from(counts.fold(0, u64::saturating_add)).unwrap_or(usize::MAX)
}

/// Collects the ids of a result.
pub(in crate::hub) fn ids(answers: Answers) -> Vec<ConnectionId> {
    let mut by_node: HashMap<u32, Vec<u64>> = HashMap::new();
    for (node, found) in answers.found {
        if let Found::Ids(numbers) = found {
            by_node.entry(node).or_default().extend(numbers);
        }
    }
    let ids =
        |(node, numbers): (u32, Vec<u64>)| numbers.into_iter().map(move |it| ConnectionId::new(node, it));
    by_node.into_iter().flat_map(ids).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, is_last: bool) -> Received {
        Received { node: 1, part: ResultPart { id: 1, number, is_last, found: Found::Count(1) } }
    }

    #[test]
    fn a_result_without_one_of_its_parts_is_incomplete() {
        for (parts, missing) in [(&[0, 1, 2][..], 0), (&[0, 2], 1), (&[1, 2], 1), (&[0, 1], 1), (&[2], 1)] {
            let mut collected = Collected::of(HashMap::from([(1, "one".to_owned())]));
            parts.iter().for_each(|number| collected.add(part(*number, *number == 2)));
            assert_eq!(collected.is_complete(), missing == 0, "{parts:?}");
            let answers = collected.answers();
            assert_eq!((answers.found.len(), answers.missing.len()), (parts.len(), missing), "{parts:?}");
        }
    }

    #[test]
    fn open_questions_are_limited_and_closed_on_drop() {
        let questions = Questions::default();
        let mut open: Vec<_> = (0..fixed::OPEN_QUESTIONS).map(|_| questions.open().unwrap()).collect();
        assert!(questions.open().is_none());
        let id = open.pop().unwrap().id;
        let part = ResultPart { id, number: 0, is_last: true, found: Found::Count(1) };
        questions.receive(1, part.clone());
        let mut again = questions.open().unwrap();
        assert!(again.received.try_recv().is_err(), "an old result");
        questions.receive(1, ResultPart { id: again.id, ..part });
        assert_eq!(again.received.try_recv().unwrap().node, 1);
    }
}
