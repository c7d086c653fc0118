//! [`Known`]: the members of one watched group on the other nodes, as far as this node knows them.
//!
//! A state machine without I/O and without a clock: each input takes `now`, and returns a [`Step`]
//! with the changes for the watchers and the questions to ask. Each node owns its members and
//! counts their changes with a version, which never decreases. Changes that do not start at the
//! known version lead to one question to their node; its answer, the whole roster, replaces what
//! was known. Every other loss is noticed when the watch is renewed: a node answers with its
//! version, and a node that does not answer is asked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tokio::time::Instant;

use super::wire::{Changes, Entry, RosterPart};
use crate::{
    fixed,
    hub::{
        Member,
        groups::{Change, ChangeKind},
    },
    wire::ConnectionId,
};

/// The members of one group on all other nodes.
#[derive(Debug, Default)]
pub(super) struct Known {
    nodes: HashMap<u32, Roster>,
    phase: Phase,
    /// The time before which a node may be alive without being known.
    known_at: Option<Instant>,
}

/// The other nodes at the time of a check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others<'a> {
    pub(super) alive: &'a [u32],
    /// The later time from which on all nodes that are alive are known; `None` once it has passed.
    pub(super) known_at: Option<Instant>,
}

/// The phase of a watch within one link to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The channel of the changes is not subscribed.
    #[default]
    Unsubscribed,
    /// All nodes are to be asked.
    Asks,
    /// All nodes were asked. The watch is renewed at this time.
    Renews(Instant),
}

/// The members on one node.
#[derive(Debug, Default)]
struct Roster {
    members: Members,
    /// The version of the members; zero before the first answer.
    version: u64,
    /// The newest version that the node has sent.
    newest: u64,
    question: Option<Question>,
    /// The changes that start at a later version. They arrived before the answer to the question.
    early: Vec<Changes>,
    /// The end of the time for the answer to a renewal.
    answers_until: Option<Instant>,
}

/// The users of members by the numbers of their connections.
#[derive(Debug, Default)]
struct Members(HashMap<u64, Option<Arc<str>>>);

/// A question to one node, and the parts of the answer so far.
#[derive(Debug)]
struct Question {
    id: u64,
    until: Instant,
    next_part: u32,
    members: Members,
}

/// The result of an input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// The changes for the watchers.
    pub(super) changes: Vec<Change>,
    /// The nodes to ask for their rosters.
    pub(super) ask: Vec<u32>,
    /// Whether to ask all nodes at once.
    pub(super) ask_all: bool,
    /// Whether to renew the watch.
    pub(super) renew: bool,
}

impl Known {
    /// Records that the channel of the changes is subscribed, so that all nodes are to be asked.
    pub(super) fn subscribed(&mut self) {
        if self.phase == Phase::Unsubscribed {
            self.phase = Phase::Asks;
        }
    }

    /// Records that the link has ended. The known members stay.
    pub(super) fn lost_link(&mut self) {
        self.phase = Phase::Unsubscribed;
        for roster in self.nodes.values_mut() {
            (roster.question, roster.answers_until) = (None, None);
            roster.early.clear();
        }
    }

    /// Whether all nodes have answered, and no answer is outstanding.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.phase, Phase::Renews(_))
            && self.known_at.is_none()
            && self.nodes.values().all(|it| it.question.is_none())
    }

    /// The members on the other nodes and their users.
    pub(super) fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for (node, roster) in &self.nodes {
            let member = |(number, user): (&u64, &Option<Arc<str>>)| Member {
                id: ConnectionId::new(*node, *number),
                user: user.clone(),
            };
            members.extend(roster.members.0.iter().map(member));
        }
        members
    }

    /// Records that a node has joined the cluster. It is asked at the next check.
    pub(super) fn joined(&mut self, now: Instant, node: u32) {
        if let Phase::Renews(_) = self.phase {
            self.nodes.entry(node).or_default().ask(now, 0).until = now;
        }
    }

    /// Records that a node has left the cluster.
    pub(super) fn left(&mut self, node: u32) -> Step {
        let mut step = Step::default();
        if let Some(roster) = self.nodes.remove(&node) {
            step.changes.extend(roster.members.0.keys().map(|number| left(node, *number)));
        }
        step
    }

    /// Handles changes on a node. `id` is the id of a question that may follow.
    pub(super) fn changed(&mut self, now: Instant, id: u64, node: u32, changes: Changes) -> Step {
        let mut step = Step::default();
        // Nodes that are not asked are not alive.
        let Some(roster) = self.nodes.get_mut(&node) else { return step };
        roster.answers_until = None;
        if changes.to <= roster.version {
            return step;
        }
        roster.newest = roster.newest.max(changes.to);
        if changes.from == roster.version {
            roster.apply(node, changes, &mut step.changes);
            roster.apply_early(node, &mut step.changes);
            return step;
        }
        if changes.from < changes.to {
            if roster.early.len() >= fixed::EARLY_CHANGES {
                roster.early.clear();
            }
            roster.early.push(changes);
        }
        if roster.question.is_none() {
            roster.ask(now, id);
            step.ask.push(node);
        }
        step
    }

    /// Handles a part of a node's roster. `id` is the id of a question that may follow.
    pub(super) fn part(&mut self, now: Instant, id: u64, node: u32, part: RosterPart) -> Step {
        let mut step = Step::default();
        let Some(roster) = self.nodes.get_mut(&node) else { return step };
        let Some(question) = roster.question.as_mut().filter(|it| it.id == part.question) else {
            return step;
        };
        if part.number != question.next_part {
            roster.ask(now, id);
            step.ask.push(node);
            return step;
        }
        question.next_part += 1;
        question.until = now + fixed::QUESTION_TIMEOUT;
        part.members.into_iter().for_each(|entry| question.members.set(entry));
        if !part.is_last {
            return step;
        }
        let members = std::mem::take(&mut question.members);
        (roster.question, roster.answers_until) = (None, None);
        // An older roster than the known one was overtaken by changes.
        if part.version >= roster.version {
            roster.replace(node, members, &mut step.changes);
            roster.version = part.version;
        }
        roster.apply_early(node, &mut step.changes);
        roster.early.clear();
        if roster.version < roster.newest {
            // A further answer has a later version. A node that does not have it any more starts
            // again.
            roster.newest = roster.version;
            roster.ask(now, id);
            step.ask.push(node);
        }
        step
    }

    /// Returns what is due now. `id` is the id of the questions.
    pub(super) fn due(&mut self, now: Instant, id: u64, others: Others<'_>) -> Step {
        let mut step = Step::default();
        self.known_at = others.known_at;
        let is_renewal = match self.phase {
            Phase::Unsubscribed => return step,
            Phase::Asks => true,
            Phase::Renews(at) => at <= now,
        };
        if is_renewal {
            let alive: HashSet<u32> = others.alive.iter().copied().collect();
            let gone: Vec<u32> = self.nodes.keys().copied().filter(|node| !alive.contains(node)).collect();
            gone.into_iter().for_each(|node| step.changes.append(&mut self.left(node).changes));
            step.ask_all = self.phase == Phase::Asks;
            step.renew = !step.ask_all;
            for node in alive {
                let is_new = !self.nodes.contains_key(&node);
                let roster = self.nodes.entry(node).or_default();
                if step.ask_all {
                    roster.ask(now, id);
                } else if is_new {
                    roster.ask(now, id).until = now;
                } else if !roster.members.0.is_empty() && roster.question.is_none() {
                    roster.answers_until = Some(now + fixed::QUESTION_TIMEOUT);
                }
            }
            self.phase = Phase::Renews(now + fixed::WATCH_RENEWED);
        }
        for (node, roster) in &mut self.nodes {
            if roster.due().is_some_and(|due| due <= now) {
                roster.ask(now, id);
                step.ask.push(*node);
            }
        }
        step
    }

    /// The time at which [`due`](Self::due) has to be called.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let next = match self.phase {
            Phase::Unsubscribed => return None,
            Phase::Asks => now,
            Phase::Renews(at) => at,
        };
        self.nodes.values().filter_map(Roster::due).chain(self.known_at).chain([next]).min()
    }
}

impl Roster {
    /// Begins a question, instead of the present one.
    fn ask(&mut self, now: Instant, id: u64) -> &mut Question {
        self.answers_until = None;
        let until = now + fixed::QUESTION_TIMEOUT;
        self.question.insert(Question { id, until, next_part: 0, members: Members::default() })
    }

    /// The end of the time for an answer.
    fn due(&self) -> Option<Instant> {
        self.question.as_ref().map(|question| question.until).or(self.answers_until)
    }

    /// Applies changes that start at the known version.
    fn apply(&mut self, node: u32, changes: Changes, out: &mut Vec<Change>) {
        self.version = changes.to;
        for entry in changes.joined {
            self.join(node, entry, out);
        }
        for number in changes.left {
            if self.members.0.remove(&number).is_some() {
                out.push(left(node, number));
            }
        }
    }

    /// Applies the early changes that follow the known version.
    fn apply_early(&mut self, node: u32, out: &mut Vec<Change>) {
        while let Some(at) = self.early.iter().position(|changes| changes.from == self.version) {
            let changes = self.early.swap_remove(at);
            self.apply(node, changes, out);
        }
    }

    fn join(&mut self, node: u32, entry: Entry, out: &mut Vec<Change>) {
        let id = ConnectionId::new(node, entry.connection);
        match self.members.0.get(&entry.connection) {
            Some(user) if *user == entry.user => {}
            Some(_) => {
                out.push(Change { id, kind: ChangeKind::User(entry.user.clone()) });
                self.members.set(entry);
            }
            None if self.members.is_full() => {}
            None => {
                out.push(Change { id, kind: ChangeKind::Joined(entry.user.clone()) });
                self.members.set(entry);
            }
        }
    }

    /// Replaces the members by those of a roster.
    fn replace(&mut self, node: u32, members: Members, out: &mut Vec<Change>) {
        self.members.0.retain(|number, _| {
            let stays = members.0.contains_key(number);
            if !stays {
                out.push(left(node, *number));
            }
            stays
        });
        for (connection, user) in members.0 {
            self.join(node, Entry { connection, user }, out);
        }
    }
}

impl Members {
    fn is_full(&self) -> bool {
        self.0.len() >= fixed::WATCHED_MEMBERS
    }

    fn set(&mut self, entry: Entry) {
        if !self.is_full() || self.0.contains_key(&entry.connection) {
            self.0.insert(entry.connection, entry.user);
        }
    }
}

fn left(node: u32, number: u64) -> Change {
    Change { id: ConnectionId::new(node, number), kind: ChangeKind::Left }
}

#[cfg(test)]
mod tests;
