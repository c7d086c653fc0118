//! Tests of the state machines of the watcher and the owner, without a broker.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::hub::{
    GroupKey,
    cluster::{
        owned::{Owned, Reports},
        wire::{Wanted, Watch},
    },
};

const NODE: u32 = 7;

fn channel() -> Bytes {
    Bytes::from_static(b"r:Room:lobby")
}

fn entry(connection: u64, user: &str) -> Entry {
    Entry { connection, user: Some(user.into()) }
}

/// All nodes that are alive are known.
fn others(alive: &[u32]) -> Others<'_> {
    Others { alive, known_at: None }
}

fn changes(from: u64, to: u64, joined: Vec<Entry>, left: &[u64]) -> Changes {
    Changes { from, to, channel: channel(), joined, left: left.to_vec() }
}

fn part(question: u64, version: u64, number: u32, is_last: bool, members: Vec<Entry>) -> RosterPart {
    RosterPart { question, version, number, is_last, channel: channel(), members }
}

/// The changes of a step in the form `+1 tom`, `=1 jerry`, `-1`, sorted.
fn shown(step: &Step) -> Vec<String> {
    let user = |user: &Option<Arc<str>>| user.as_deref().unwrap_or("?").to_owned();
    let show = |change: &Change| match &change.kind {
        ChangeKind::Joined(name) => format!("+{} {}", change.id.sequence(), user(name)),
        ChangeKind::User(name) => format!("={} {}", change.id.sequence(), user(name)),
        ChangeKind::Left => format!("-{}", change.id.sequence()),
    };
    let mut shown: Vec<_> = step.changes.iter().map(show).collect();
    shown.sort();
    shown
}

/// A watch that has asked one node with the question 1.
fn asked(now: Instant) -> Known {
    let mut known = Known::default();
    known.subscribed();
    assert!(known.due(now, 1, others(&[NODE])).ask_all);
    known
}

/// A watch of connection 1 of tom, at version 10.
fn settled(now: Instant) -> Known {
    let mut known = asked(now);
    let step = known.part(now, 2, NODE, part(1, 10, 0, true, vec![entry(1, "tom")]));
    assert_eq!(shown(&step), ["+1 tom"]);
    assert!(known.is_settled());
    known
}

#[test]
fn a_watch_is_settled_when_all_nodes_have_answered_or_are_gone() {
    let now = Instant::now();
    let mut known = Known::default();
    assert!(!known.is_settled());
    known.subscribed();
    assert!(!known.is_settled());
    known.due(now, 1, others(&[1, 2, 3]));
    assert!(!known.is_settled());
    known.part(now, 2, 1, part(1, 5, 0, false, vec![entry(1, "tom")]));
    known.part(now, 3, 1, part(1, 5, 1, true, vec![entry(2, "tom")]));
    known.part(now, 4, 2, part(1, 9, 0, true, Vec::new()));
    assert!(!known.is_settled());
    known.left(3);
    assert!(known.is_settled());
    // Without another node it is settled as soon as all nodes are known.
    let mut alone = Known::default();
    alone.subscribed();
    let known_at = now + Duration::from_millis(500);
    alone.due(now, 1, Others { alive: &[], known_at: Some(known_at) });
    assert_eq!((alone.is_settled(), alone.next_due(now)), (false, Some(known_at)));
    alone.due(known_at, 1, others(&[]));
    assert!(alone.is_settled());
}

#[test]
fn changes_in_order_are_applied_and_old_ones_are_ignored() {
    let now = Instant::now();
    let mut known = settled(now);
    let joined = vec![entry(2, "jerry"), entry(1, "spike")];
    let step = known.changed(now, 2, NODE, changes(10, 12, joined.clone(), &[]));
    assert_eq!(shown(&step), ["+2 jerry", "=1 spike"]);
    for old in [changes(10, 12, joined, &[]), changes(9, 10, vec![], &[1]), changes(12, 12, vec![], &[])] {
        assert_eq!(known.changed(now, 3, NODE, old), Step::default());
    }
    assert_eq!(shown(&known.changed(now, 3, NODE, changes(12, 13, vec![], &[1, 9]))), ["-1"]);
    let jerry = Member { id: ConnectionId::new(NODE, 2), user: Some("jerry".into()) };
    assert_eq!(known.members(), [jerry]);
}

#[test]
fn a_lost_change_leads_to_one_question_and_its_answer_is_completed_by_the_changes_after_it() {
    let now = Instant::now();
    let mut known = settled(now);
    let step = known.changed(now, 5, NODE, changes(11, 12, vec![entry(3, "c")], &[]));
    assert_eq!((step.ask, step.changes.len()), (vec![NODE], 0));
    let step = known.changed(now, 6, NODE, changes(12, 13, vec![], &[1]));
    assert_eq!(step, Step::default(), "it is asked already");
    assert!(!known.is_settled());
    // The roster has an older version than the last change.
    let step = known.part(now, 7, NODE, part(5, 11, 0, true, vec![entry(1, "tom"), entry(2, "b")]));
    // Connection 1 leaves by the change after it.
    assert_eq!(shown(&step), ["+2 b", "+3 c", "-1"]);
    assert!(step.ask.is_empty() && known.is_settled());
}

#[test]
fn a_change_that_was_overtaken_by_the_next_one_is_applied_without_the_answer() {
    let now = Instant::now();
    let mut known = settled(now);
    assert_eq!(known.changed(now, 5, NODE, changes(11, 12, vec![], &[1])).ask, [NODE]);
    assert_eq!(
        shown(&known.changed(now, 6, NODE, changes(10, 11, vec![entry(2, "b")], &[]))),
        ["+2 b", "-1"]
    );
    // The answer is older than what is known.
    let step = known.part(now, 7, NODE, part(5, 10, 0, true, vec![entry(1, "tom")]));
    assert_eq!((step, known.is_settled()), (Step::default(), true));
}

#[test]
fn a_roster_that_is_older_than_an_announced_version_is_asked_for_again() {
    let now = Instant::now();
    let mut known = asked(now);
    assert_eq!(known.changed(now, 5, NODE, changes(4, 4, vec![], &[])), Step::default());
    let step = known.part(now, 6, NODE, part(1, 3, 0, true, Vec::new()));
    assert_eq!(step.ask, [NODE]);
    assert_eq!(shown(&known.part(now, 7, NODE, part(6, 5, 0, true, vec![entry(1, "tom")]))), ["+1 tom"]);
    assert!(known.is_settled());
}

#[test]
fn a_roster_without_one_of_its_parts_is_asked_for_again_and_changes_nothing() {
    let now = Instant::now();
    let mut known = settled(now);
    known.changed(now, 5, NODE, changes(20, 20, vec![], &[]));
    assert_eq!(known.part(now, 6, NODE, part(5, 20, 0, false, vec![entry(2, "b")])), Step::default());
    let step = known.part(now, 6, NODE, part(5, 20, 2, true, vec![entry(3, "c")]));
    assert_eq!((step.ask, step.changes.len()), (vec![NODE], 0));
    // Parts of the old answer are ignored.
    assert_eq!(known.part(now, 7, NODE, part(5, 20, 1, true, Vec::new())), Step::default());
    let step = known.part(now, 7, NODE, part(6, 20, 0, true, vec![entry(1, "tom"), entry(2, "b")]));
    assert_eq!(shown(&step), ["+2 b"]);
}

#[test]
fn a_node_that_does_not_answer_is_asked_again_every_second() {
    let now = Instant::now();
    let mut known = asked(now);
    for second in 1..5 {
        let due = now + fixed::QUESTION_TIMEOUT * second;
        assert_eq!(known.next_due(now), Some(due));
        assert_eq!(known.due(due - Duration::from_millis(1), 9, others(&[NODE])), Step::default());
        assert_eq!(known.due(due, u64::from(second) + 1, others(&[NODE])).ask, [NODE]);
    }
    assert!(!known.is_settled());
}

#[test]
fn a_watch_is_renewed_and_a_node_with_members_that_does_not_answer_is_asked() {
    let now = Instant::now();
    let mut known = settled(now);
    known.joined(now, 8);
    assert_eq!(known.due(now, 3, others(&[NODE, 8])).ask, [8]);
    known.part(now, 4, 8, part(3, 1, 0, true, Vec::new()));
    let renewal = now + fixed::WATCH_RENEWED;
    for (answers, asked) in [(true, &[][..]), (false, &[NODE])] {
        let renewal = known.next_due(now).unwrap().max(renewal);
        let step = known.due(renewal, 4, others(&[NODE, 8]));
        assert!(step.renew && step.ask.is_empty(), "{step:?}");
        if answers {
            known.changed(renewal, 5, NODE, changes(10, 10, vec![], &[]));
        }
        // The node without members does not receive the renewal.
        let step = known.due(renewal + fixed::QUESTION_TIMEOUT, 6, others(&[NODE, 8]));
        assert_eq!(step.ask, asked);
    }
    // The change by which the last member left was lost.
    let step = known.part(now, 7, NODE, part(6, 11, 0, true, Vec::new()));
    assert_eq!(shown(&step), ["-1"]);
}

#[test]
fn an_outage_removes_nothing_and_after_it_the_differences_are_reported() {
    let now = Instant::now();
    let mut known = settled(now);
    known.lost_link();
    assert!(!known.is_settled());
    assert_eq!(known.due(now + Duration::from_secs(60), 2, others(&[])), Step::default());
    assert_eq!((known.members().len(), known.next_due(now)), (1, None));
    let later = now + Duration::from_secs(60);
    known.subscribed();
    assert!(known.due(later, 2, others(&[NODE, 8])).ask_all);
    known.part(later, 3, 8, part(2, 1, 0, true, Vec::new()));
    let step = known.part(later, 3, NODE, part(2, 40, 0, true, vec![entry(1, "tom"), entry(2, "b")]));
    assert_eq!((shown(&step), known.is_settled()), (vec!["+2 b".to_owned()], true));
}

#[test]
fn a_node_that_is_gone_takes_its_members_with_it_and_its_late_messages_are_ignored() {
    let now = Instant::now();
    let mut known = settled(now);
    assert_eq!(shown(&known.left(NODE)), ["-1"]);
    assert_eq!(known.left(NODE), Step::default());
    assert_eq!(known.changed(now, 5, NODE, changes(10, 11, vec![entry(2, "b")], &[])), Step::default());
    assert_eq!(known.part(now, 5, NODE, part(1, 11, 0, true, vec![entry(2, "b")])), Step::default());
    // A node whose end was not noticed is removed by the next renewal.
    let mut known = settled(now);
    assert_eq!(shown(&known.due(now + fixed::WATCH_RENEWED, 5, others(&[]))), ["-1"]);
}

/// A step of the property test. The numbers choose a message in flight.
#[derive(Clone, Debug)]
enum Action {
    Join(u64, u8),
    Leave(u64),
    Publish,
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    /// The owner forgets that it is watched.
    Forget,
    Wait(u64),
    LoseLink,
}

fn action() -> impl Strategy<Value = Action> {
    let message = 0..8usize;
    prop_oneof![
        6 => (0..4u64, 0..3u8).prop_map(|(number, user)| Action::Join(number, user)),
        4 => (0..4u64).prop_map(Action::Leave),
        5 => Just(Action::Publish),
        8 => Just(Action::Deliver(0)),
        4 => message.clone().prop_map(Action::Deliver),
        3 => message.clone().prop_map(Action::Lose),
        2 => message.prop_map(Action::Repeat),
        1 => Just(Action::Forget),
        4 => (0..9000u64).prop_map(Action::Wait),
        1 => Just(Action::LoseLink),
    ]
}

#[derive(Clone, Debug)]
enum InFlight {
    Question(Watch),
    Part(RosterPart),
    Changes(Changes),
}

/// One owner and one watcher.
struct World {
    now: Instant,
    next_question: u64,
    key: GroupKey,
    reports: Reports,
    members: BTreeMap<u64, Option<Arc<str>>>,
    owned: Option<Box<Owned>>,
    known: Known,
    in_flight: Vec<InFlight>,
    /// The members by the changes for the watchers.
    shown: BTreeMap<u64, Option<Arc<str>>>,
}

impl World {
    fn new() -> Self {
        let mut known = Known::default();
        known.subscribed();
        Self {
            now: Instant::now(),
            next_question: 0,
            key: GroupKey::Room("Room", "lobby".into()),
            reports: Reports::new(&Arc::default(), &Arc::default()),
            members: BTreeMap::new(),
            owned: None,
            known,
            in_flight: Vec::new(),
            shown: BTreeMap::new(),
        }
    }

    fn record(&mut self, number: u64, kind: ChangeKind) {
        let change = Change { id: ConnectionId::new(NODE, number), kind };
        if let Some(owned) = &mut self.owned {
            self.reports.record(&self.key, owned, &change);
        } else if self.members.len() == 1 && matches!(change.kind, ChangeKind::Joined(_)) {
            let version = self.reports.next_version();
            self.in_flight.push(InFlight::Changes(changes(version, version, vec![], &[])));
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Join(number, user) => {
                let user = Some(format!("user{user}").into());
                let kind = match self.members.insert(number, user.clone()) {
                    None => ChangeKind::Joined(user),
                    Some(_) => ChangeKind::User(user),
                };
                self.record(number, kind);
            }
            Action::Leave(number) => {
                if self.members.remove(&number).is_some() {
                    self.record(number, ChangeKind::Left);
                }
            }
            Action::Publish => self.publish(),
            Action::Deliver(at) if at < self.in_flight.len() => {
                let message = self.in_flight.remove(at);
                self.deliver(message);
            }
            Action::Lose(at) if at < self.in_flight.len() => drop(self.in_flight.remove(at)),
            Action::Repeat(at) if at < self.in_flight.len() => self.deliver(self.in_flight[at].clone()),
            Action::Deliver(_) | Action::Lose(_) | Action::Repeat(_) => {}
            Action::Forget => self.owned = None,
            Action::Wait(millis) => {
                self.now += Duration::from_millis(millis);
                self.check();
            }
            Action::LoseLink => {
                self.known.lost_link();
                self.known.subscribed();
            }
        }
    }

    fn publish(&mut self) {
        if let Some(owned) = &mut self.owned {
            // A part for each change.
            let parts = owned.take(&channel(), 1, || self.reports.next_version());
            self.in_flight.extend(parts.into_iter().map(InFlight::Changes));
        }
    }

    fn check(&mut self) {
        self.next_question += 1;
        let id = self.next_question;
        let step = self.known.due(self.now, id, others(&[NODE]));
        self.follow(id, step);
    }

    fn deliver(&mut self, message: InFlight) {
        self.next_question += 1;
        let (now, id) = (self.now, self.next_question);
        match message {
            InFlight::Question(watch) => self.answer(watch),
            InFlight::Part(part) => {
                let step = self.known.part(now, id, NODE, part);
                self.follow(id, step);
            }
            InFlight::Changes(changes) => {
                let step = self.known.changed(now, id, NODE, changes);
                self.follow(id, step);
            }
        }
    }

    fn answer(&mut self, watch: Watch) {
        let is_known = self.owned.is_some() || !self.members.is_empty();
        if let Wanted::Version = watch.wanted {
            if is_known {
                let version = self.reports.own(&self.key, &mut self.owned);
                self.in_flight.push(InFlight::Changes(changes(version, version, vec![], &[])));
            }
            return;
        }
        let version = match is_known {
            true => self.reports.own(&self.key, &mut self.owned),
            false => self.reports.next_version(),
        };
        let member = |(number, user): (&u64, &Option<Arc<str>>)| {
            vec![Entry { connection: *number, user: user.clone() }]
        };
        let mut parts: Vec<_> = self.members.iter().map(member).collect();
        parts.push(Vec::new());
        let last = parts.len() - 1;
        for (number, members) in parts.into_iter().enumerate() {
            let part = part(watch.id, version, number as u32, number == last, members);
            self.in_flight.push(InFlight::Part(part));
        }
    }

    /// Checks that no change is reported twice, and sends the questions.
    fn follow(&mut self, id: u64, step: Step) {
        for Change { id, kind } in step.changes {
            let before = self.shown.remove(&id.sequence());
            match kind {
                ChangeKind::Joined(user) => {
                    assert_eq!(before, None, "{id} has joined twice");
                    self.shown.insert(id.sequence(), user);
                }
                ChangeKind::User(user) => {
                    assert!(before.is_some_and(|before| before != user), "{id} has this user");
                    self.shown.insert(id.sequence(), user);
                }
                ChangeKind::Left => assert!(before.is_some(), "{id} is not there"),
            }
        }
        let mut send = |wanted| {
            self.in_flight.push(InFlight::Question(Watch { id, wanted, channel: channel() }));
        };
        if step.ask_all {
            send(Wanted::Roster);
        }
        // A node without members is not subscribed to the group.
        if step.renew && !self.members.is_empty() {
            send(Wanted::Version);
        }
        step.ask.iter().for_each(|_| send(Wanted::Roster));
    }

    fn deliver_all(&mut self) {
        while !self.in_flight.is_empty() {
            let message = self.in_flight.remove(0);
            self.deliver(message);
        }
    }

    /// Lets the time of a renewal and its answer pass, without further losses.
    fn renew(&mut self) {
        self.publish();
        // The messages in flight are lost.
        self.in_flight.clear();
        let end = self.now + fixed::WATCH_RENEWED + fixed::QUESTION_TIMEOUT;
        while let Some(due) = self.known.next_due(self.now).filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.check();
            self.deliver_all();
        }
    }
}

proptest! {
    #[test]
    fn after_a_renewal_the_watcher_knows_the_members_of_the_owner(
        actions in proptest::collection::vec(action(), 0..120),
    ) {
        let mut world = World::new();
        world.check();
        actions.into_iter().for_each(|action| world.act(action));
        world.renew();
        let known: BTreeMap<_, _> =
            world.known.members().into_iter().map(|it| (it.id.sequence(), it.user)).collect();
        prop_assert_eq!(&known, &world.members);
        prop_assert_eq!(&world.shown, &world.members);
        prop_assert!(world.known.is_settled());
    }
}
