//! [`Stage`]: nodes of this version with members that continuously send, and the reports of the
//! nodes.

use std::time::Duration;

use crate::{
    brokers::Broker,
    client::{Client, numbers, within},
    faults::{
        both::{kind, nodes, server, settings},
        talk::{ROOM, Talk},
    },
    node::{Ask, Process, Settings},
    other_version::{Observed, OtherVersion, Version},
};

const HEARTBEAT: Duration = Duration::from_millis(500);
/// The messages that a connection sends when its node stops: more than are on their way to a broker
/// at once, and fewer than may wait at a node.
pub(super) const LAST: usize = 3000;
/// The kinds and flags of version 1.
const KINDS: [u8; 9] = [2, 3, 4, 5, 8, 9, 10, 16, 17];
const FLAGS: u8 = 7;

pub(super) fn joined(name: &str) -> String {
    format!("NodeJoined {{ name: {name:?} }}")
}

pub(super) fn left(name: &str, died: bool) -> String {
    format!("NodeLeft {{ name: {name:?}, died: {died} }}")
}

/// The changes of the cluster that a node has reported, without the ids of nodes.
struct Changes {
    client: Client,
    reported: Vec<String>,
    /// The changes that are to be reported.
    expected: Vec<String>,
}

impl Changes {
    async fn of(node: &Process) -> Self {
        Self { client: node.watch().await, reported: Vec::new(), expected: Vec::new() }
    }

    fn add(&mut self, change: &str) {
        // The id has eight digits.
        let without_id = change.split_once("id: ").map(|(head, rest)| format!("{head}{}", &rest[10..]));
        self.reported.push(without_id.unwrap_or(change.to_owned()));
    }

    /// Waits until this change was reported.
    async fn report(&mut self, change: &str) {
        self.expected.push(change.to_owned());
        while !self.reported.iter().any(|reported| reported == change) {
            let next = self.client.answer().await;
            self.add(&next);
        }
    }

    /// Checks that the expected changes were reported, each once, and no others.
    fn check(mut self, of: &str) {
        for change in self.client.arrived_answers() {
            self.add(&change);
        }
        self.reported.sort();
        self.expected.sort();
        assert_eq!(self.reported, self.expected, "{of}");
    }
}

/// The lists of the users in the room that a node has reported.
struct Users {
    client: Client,
    lists: Vec<String>,
    /// The longest list that was expected.
    all: String,
}

impl Users {
    async fn of(node: &Process) -> Self {
        let mut client = node.connect().await;
        client.send(&Ask::Members(ROOM.into())).await;
        Self { client, lists: Vec::new(), all: String::new() }
    }

    /// Waits until these are the users.
    async fn become_these(&mut self, users: &str) {
        if users.len() > self.all.len() {
            users.clone_into(&mut self.all);
        }
        while self.lists.last().is_none_or(|last| last != users) {
            self.lists.push(self.client.answer().await);
        }
    }

    /// Checks that at most one user was missing at a time, and none was listed twice, since all
    /// were listed for the first time.
    fn check(mut self, of: &str) {
        self.lists.append(&mut self.client.arrived_answers());
        let all: Vec<&str> = self.all.split(' ').collect();
        let lists = self.lists.iter().map(|list| list.split(' ').collect::<Vec<_>>());
        for list in lists.skip_while(|list| *list != all) {
            let is_expected = list.iter().all(|user| all.contains(user)) && list.is_sorted_by(|a, b| a < b);
            assert!(is_expected && list.len() + 1 >= all.len(), "{of}: {list:?} in {:?}", self.lists);
        }
    }
}

/// A node, its member in the room, and what it reports.
pub(super) struct Seat {
    name: String,
    user: &'static str,
    node: Process,
    /// The index of the member.
    pub(super) member: usize,
    changes: Changes,
    users: Users,
}

pub(super) struct Stage {
    pub(super) of: &'static str,
    pub(super) settings: Settings,
    pub(super) talk: Talk,
    pub(super) seats: Vec<Seat>,
}

impl Stage {
    /// Starts nodes of these names with members of these users.
    pub(super) async fn start(broker: &Broker, names: &[(&str, &'static str)]) -> Self {
        let (of, settings) = (kind(broker), settings(broker, server(broker).port, HEARTBEAT));
        let named: Vec<_> = names.iter().map(|(name, _)| (*name, &settings)).collect();
        let nodes = nodes(&named).await;
        let mut stage = Self { of, settings, talk: Talk::new(of), seats: Vec::new() };
        for (at, (node, (name, user))) in nodes.into_iter().zip(names).enumerate() {
            stage.seat(at, node, name, user).await;
        }
        let mut users: Vec<&str> = names.iter().map(|(_, user)| *user).collect();
        users.sort_unstable();
        stage.have_users(&users).await;
        stage
    }

    /// Connects the clients of a node.
    async fn seat(&mut self, at: usize, node: Process, name: &str, user: &'static str) {
        let mut member = node.connect().await;
        // The user is known before it is in the room.
        assert_eq!(member.ask(&Ask::Identify(user.into())).await, "identified Cluster");
        let member = self.talk.add(member).await;
        let (changes, users) = (Changes::of(&node).await, Users::of(&node).await);
        self.seats.insert(at, Seat { name: name.into(), user, node, member, changes, users });
    }

    /// Lets a node of another version join, which is reported.
    pub(super) async fn add(&mut self, version: Version) -> OtherVersion {
        let other = self.talk.say_while(OtherVersion::start(version, &self.settings)).await;
        self.report(&joined(version.name())).await;
        other
    }

    /// Stops a node with SIGTERM and starts another one instead, whose member has the same user.
    /// The others talk meanwhile. `users` are those of all nodes, sorted.
    pub(super) async fn replace(&mut self, at: usize, name: &str, users: &[&str]) {
        let of = self.of;
        self.talk.meet().await;
        let mut seat = self.seats.remove(at);
        let (room, name_of_last) = (ROOM.into(), format!("last of {}", seat.name));
        let last = Ask::Farewell { room, name: name_of_last, numbers: LAST };
        assert_eq!(self.talk.member(seat.member).ask(&last).await, "kept", "{of}");
        seat.changes.check(of);
        seat.users.check(of);
        let first = self.talk.said();
        self.talk.say().await;
        seat.node.signal("-TERM");
        self.talk.retire(seat.member, first);
        self.report(&left(&seat.name, false)).await;
        let rest: Vec<&str> = users.iter().copied().filter(|user| *user != seat.user).collect();
        self.have_users(&rest).await;
        self.talk.say_while(seat.node.ended()).await;

        let node = self.talk.say_while(Process::start_with(&self.settings, name)).await;
        self.report(&joined(name)).await;
        // The nodes here, this one, and two of other versions.
        self.talk.say_while(node.knows(self.seats.len() + 3)).await;
        self.seat(at, node, name, seat.user).await;
        self.have_users(users).await;
    }

    /// Lets the members talk until all nodes have reported a change.
    pub(super) async fn report(&mut self, change: &str) {
        for seat in &mut self.seats {
            self.talk.say_while(within(change, seat.changes.report(change))).await;
        }
    }

    /// Lets the members talk until all nodes have these users, which are sorted.
    pub(super) async fn have_users(&mut self, users: &[&str]) {
        for seat in &mut self.seats {
            self.talk.say_while(within("the users", seat.users.become_these(&users.join(" ")))).await;
        }
    }

    /// Waits until each node counts this number of members in the room. On a busy machine the
    /// others may not answer within the second of a count.
    pub(super) async fn have_members(&mut self, members: usize) {
        let (ask, expected) = (Ask::Count(ROOM.into()), format!("Ok({members})"));
        for seat in &self.seats {
            let member = self.talk.member(seat.member);
            within("the count of the members", async { while member.ask(&ask).await != expected {} }).await;
        }
    }

    /// Checks the messages that a node of another version has received: all that the members have
    /// sent since this number, once and in order, and only readable ones.
    pub(super) async fn check_observed(&mut self, other: &mut OtherVersion, first: usize) -> Observed {
        let of = self.of;
        let last = self.talk.said();
        self.talk.say().await;
        let ends: Vec<String> = self.seats.iter().map(|seat| format!("{} {last}", seat.member)).collect();
        let observed = within("the other version receives", async {
            loop {
                let observed = other.observed().await;
                if ends.iter().all(|end| observed.texts.contains(end)) {
                    return observed;
                }
            }
        });
        let observed = self.talk.say_while(observed).await;
        for (sender, said) in self.talk.numbers().iter().enumerate() {
            let received = numbers(&observed.texts, &sender.to_string());
            let is_asked = |number: &&usize| (first..=last).contains(*number);
            let (received, said) = (received.iter().filter(is_asked), said.iter().filter(is_asked));
            assert!(received.clone().eq(said.clone()), "{of}: of {sender}: {received:?}, not {said:?}");
        }
        for (version, kind, flags) in &observed.starts {
            let is_known = *version == 1 && KINDS.contains(kind) && flags & !FLAGS == 0;
            assert!(is_known, "{of}: version {version}, kind {kind}, flags {flags}");
        }
        observed
    }

    /// Waits until each node has counted this number of messages that it could not read.
    pub(super) async fn have_skipped(&mut self, skipped: u64) {
        for seat in &self.seats {
            let mut client = seat.node.connect().await;
            within("the messages are counted", async { while client.stats().await.malformed != skipped {} })
                .await;
        }
    }

    /// Checks that each member has received everything and that the nodes have reported the
    /// expected changes. Returns the received messages of the members.
    pub(super) async fn end(self) -> Vec<Vec<String>> {
        let Self { of, talk, seats, .. } = self;
        let mut nodes = Vec::new();
        for Seat { node, changes, users, .. } in seats {
            changes.check(of);
            // Checked before the members leave.
            users.check(of);
            nodes.push(node);
        }
        let received = talk.check().await;
        for node in &nodes {
            let stats = node.connect().await.stats().await;
            let (unknown, reconnects) = (stats.unknown, stats.reconnects);
            assert_eq!((stats.duplicates, stats.late, unknown, reconnects), (0, 0, 0, 0), "{of}");
            node.has_not_panicked();
        }
        received
    }
}
