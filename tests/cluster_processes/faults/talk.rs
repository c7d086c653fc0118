//! [`Talk`]: members of one room that continuously send numbers, and the check of their received
//! messages.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::{
    client::{Client, numbers},
    node::Process,
};

/// The room of the members.
pub(super) const ROOM: &str = "lobby";
/// Longer than any step on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A member at each node. A member sends `<its index> <number>`.
pub(super) struct Talk {
    of: &'static str,
    /// `None` for a member that has retired.
    members: Vec<Option<Client>>,
    received: Vec<Vec<String>>,
    /// All sent numbers are below this one.
    said: usize,
    /// The numbers that each member has sent.
    numbers: Vec<Vec<usize>>,
    missed: Vec<Missed>,
    marks: usize,
}

/// Numbers that may be missing.
#[derive(Debug)]
struct Missed {
    /// The node that may have missed them; `None` for all other nodes than the sender.
    at: Option<usize>,
    numbers: Range<usize>,
}

impl Talk {
    /// Connects the members. The name is for failures.
    pub(super) async fn start(of: &'static str, nodes: &[Process]) -> Self {
        let mut talk = Self::new(of);
        for node in nodes {
            talk.add(node.connect().await).await;
        }
        talk
    }

    /// Starts without members.
    pub(super) fn new(of: &'static str) -> Self {
        let (members, received, numbers) = (Vec::new(), Vec::new(), Vec::new());
        Self { of, members, received, said: 0, numbers, missed: Vec::new(), marks: 0 }
    }

    /// Adds a member, and returns its index. It receives all later messages.
    pub(super) async fn add(&mut self, mut member: Client) -> usize {
        member.join(&[ROOM]).await;
        let at = self.members.len();
        self.members.push(Some(member));
        self.received.push(Vec::new());
        self.numbers.push(Vec::new());
        self.missed_by(at, 0);
        at
    }

    /// Removes a member. The others receive its messages; it may miss the numbers since this one.
    pub(super) fn retire(&mut self, at: usize, first: usize) {
        self.members[at] = None;
        self.missed.push(Missed { at: Some(at), numbers: first..usize::MAX });
    }

    pub(super) fn member(&mut self, at: usize) -> &mut Client {
        self.members[at].as_mut().expect("it has not retired")
    }

    /// The numbers that each member has sent.
    pub(super) fn numbers(&self) -> &[Vec<usize>] {
        &self.numbers
    }

    /// The indices of the members that have not retired.
    pub(super) fn present(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|at| self.members[*at].is_some()).collect()
    }

    /// The present members, and what each has received.
    fn receivers(&mut self) -> impl Iterator<Item = (&mut Client, &mut Vec<String>)> {
        let members = self.members.iter_mut().zip(&mut self.received);
        members.filter_map(|(member, received)| Some((member.as_mut()?, received)))
    }

    pub(super) fn said(&self) -> usize {
        self.said
    }

    /// Lets each of these members send the next number, and checks that it is delivered locally at
    /// once. Returns the results for the other nodes.
    async fn say_at(&mut self, at: &[usize]) -> Vec<String> {
        let mut outcomes = Vec::new();
        for &at in at {
            self.numbers[at].push(self.said);
            let text = format!("{at} {}", self.said);
            outcomes.push(self.member(at).say(ROOM, &text).await);
            // A local message is queued before the answer.
            let mut arrived = self.member(at).arrived();
            self.received[at].append(&mut arrived);
            assert!(self.received[at].contains(&text), "{}: {text} is not delivered locally", self.of);
        }
        self.said += 1;
        outcomes
    }

    pub(super) async fn say(&mut self) -> Vec<String> {
        let all = self.present();
        self.say_at(&all).await
    }

    /// Lets all members talk until a future is ready.
    pub(super) async fn say_while<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            // This does not wait for an event. It spreads the messages over the time.
            if let Ok(output) = timeout(Duration::from_millis(5), &mut future).await {
                return output;
            }
            self.say().await;
        }
    }

    pub(super) async fn say_for(&mut self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            self.say().await;
            // This does not wait for an event. It spreads the messages over the time.
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets all members talk until a watcher reports this change, and returns it.
    pub(super) async fn say_until(&mut self, watcher: &mut Client, change: &str) -> String {
        let all = self.present();
        self.say_at_until(&all, watcher, change).await
    }

    /// Lets these members talk until a watcher reports this change, and returns it.
    pub(super) async fn say_at_until(&mut self, at: &[usize], watcher: &mut Client, change: &str) -> String {
        let began = Instant::now();
        loop {
            self.say_at(at).await;
            if let Some(reported) = watcher.arrived_answer_with(change) {
                return reported;
            }
            assert!(began.elapsed() < PATIENCE, "{}: {change} is not reported", self.of);
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Records that the numbers since this one may be missing on other nodes.
    pub(super) fn missed_since(&mut self, first: usize) {
        self.missed.push(Missed { at: None, numbers: first..self.said });
    }

    /// Records that the numbers since this one may be missing on this node.
    pub(super) fn missed_by(&mut self, at: usize, first: usize) {
        self.missed.push(Missed { at: Some(at), numbers: first..self.said });
    }

    /// Waits until each member has received all messages so far.
    pub(super) async fn meet(&mut self) {
        self.marks += 1;
        let mark = format!("mark {}", self.marks);
        let (of, marks) = (self.of, self.present().len());
        for (member, _) in self.receivers() {
            assert_eq!(member.say(ROOM, &mark).await, "Queued", "{of}");
        }
        for (member, received) in self.receivers() {
            for _ in 0..marks {
                received.append(&mut member.messages_until(&mark).await);
            }
        }
    }

    /// Waits until a message of each member reaches all, and no older message is on its way.
    /// Numbers that were sent so far may be missing.
    pub(super) async fn heal(&mut self) {
        let began = Instant::now();
        loop {
            self.missed_since(0);
            self.marks += 1;
            let mark = format!("mark {}", self.marks);
            let expected = self.present().len();
            for (member, _) in self.receivers() {
                member.say(ROOM, &mark).await;
            }
            let sent = Instant::now();
            // Longer than a message takes; otherwise there is another mark.
            while sent.elapsed() < Duration::from_millis(500) {
                let mut is_healed = true;
                for (member, received) in self.receivers() {
                    received.append(&mut member.arrived());
                    is_healed &= received.iter().filter(|it| **it == mark).count() == expected;
                }
                if is_healed {
                    return;
                }
                sleep(Duration::from_millis(5)).await;
            }
            assert!(began.elapsed() < PATIENCE, "{}: the nodes have not healed", self.of);
        }
    }

    /// Checks that each member has received everything once and in order, except for missed
    /// numbers. Returns the received messages of the members, and closes their connections.
    pub(super) async fn check(mut self) -> Vec<Vec<String>> {
        self.meet().await;
        for (receiver, received) in self.received.iter().enumerate() {
            for sender in 0..self.members.len() {
                let place = format!("{}: of {sender} at {receiver}", self.of);
                let numbers = numbers(received, &sender.to_string());
                assert!(numbers.is_sorted_by(|a, b| a < b), "{place}: twice or in another order");
                let may_miss = |missed: &Missed| missed.at.is_none_or(|at| at == receiver);
                let is_optional = |number| {
                    let mut missed = self.missed.iter().filter(|missed| may_miss(missed));
                    receiver != sender && missed.any(|missed| missed.numbers.contains(&number))
                };
                let mut missing = self.numbers[sender].clone();
                missing.retain(|number| numbers.binary_search(number).is_err() && !is_optional(*number));
                assert!(missing.is_empty(), "{place}: {missing:?} are missing; may be: {:?}", self.missed);
            }
        }
        for member in self.members.into_iter().flatten() {
            member.close().await;
        }
        self.received
    }
}
