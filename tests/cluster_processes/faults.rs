//! A node that is killed, and a broker that is killed. The modules have the faults of both brokers.
//!
//! With `WS_TESTS_LONG_FAULTS=10` the churn and the random faults take ten minutes each, a broker
//! is also stopped for one minute, and the rolling deploy replaces all nodes ten times.

mod both;
mod chaos;
mod churn;
mod clocks;
mod network;
mod proxy;
mod slow;
mod stopped;
mod talk;
mod versions;

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    brokers::Redis,
    client::{Client, numbers},
    node::{Ask, Process, alone},
};

/// The broadcasts of each node, and how many it sends at once. With more, a slow receiver could
/// lose some, which would be reported.
const BROADCASTS: usize = 10_000;
const CHUNK: usize = 500;
/// The chunk in which a node is killed.
const KILLED_IN: usize = 6;
const NAMES: [&str; 3] = ["a", "b", "c"];

async fn three(redis: &Redis, prefix: &str) -> Vec<Process> {
    let mut nodes = Vec::new();
    for name in NAMES {
        nodes.push(Process::start(redis, prefix, name).await);
    }
    nodes
}

/// Connects a member of the room to each node.
async fn members(nodes: &[Process]) -> Vec<Client> {
    let mut members = Vec::new();
    for node in nodes {
        let mut member = node.connect().await;
        member.join(&["lobby"]).await;
        members.push(member);
    }
    members
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_killed_node_a_prefix_is_received_and_of_the_others_everything() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let mut nodes = three(&redis, "kill").await;
    let members = members(&nodes).await;
    let (mut senders, mut watchers) = (Vec::new(), Vec::new());
    for node in &nodes {
        node.knows(3).await;
        senders.push(node.connect().await);
        watchers.push(node.watch().await);
    }
    let mut receivers: Vec<Receiver> = members.into_iter().map(Receiver::new).take(2).collect();
    for chunk in 0..BROADCASTS / CHUNK {
        let living = if chunk < KILLED_IN { 3 } else { 2 };
        for (sender, name) in senders.iter_mut().zip(NAMES).take(living) {
            let numbers = chunk * CHUNK..(chunk + 1) * CHUNK;
            sender.send(&Ask::Burst { room: "lobby".into(), name: name.into(), numbers }).await;
        }
        if chunk == KILLED_IN {
            let (room, name, from) = ("lobby".into(), "c".into(), chunk * CHUNK);
            senders[2].send(&Ask::Endless { room, name, from }).await;
            receivers[0].receive(2, from + CHUNK / 4).await;
            nodes[2].kill().await;
        }
        for receiver in &mut receivers {
            for sender in 0..living {
                receiver.receive(sender, (chunk + 1) * CHUNK).await;
            }
        }
        for sender in &mut senders[..2] {
            assert_eq!(sender.answer().await, "done");
        }
    }
    for watcher in &mut watchers[..2] {
        let left = watcher.answer_with("NodeLeft").await;
        assert!(left.contains("name: \"c\"") && left.contains("died: true"), "{left}");
    }
    let mut prefixes = Vec::new();
    for receiver in &mut receivers {
        // Everything else has arrived before the node was declared dead.
        receiver.take_arrived();
        for name in ["a", "b"] {
            assert!(numbers(&receiver.received, name).into_iter().eq(0..BROADCASTS), "{name}");
        }
        let killed = numbers(&receiver.received, "c");
        let gap = killed.iter().enumerate().find(|(at, number)| at != *number);
        assert_eq!(gap, None, "of {}", killed.len());
        prefixes.push(killed.len());
        assert_eq!(receiver.client.ask(&Ask::Count("lobby".into())).await, "Ok(2)");
    }
    assert_eq!(prefixes[0], prefixes[1], "the broker passes each message to all nodes or to none");
    assert!(prefixes[0] > KILLED_IN * CHUNK, "{prefixes:?}");
}

/// A member and its received messages.
struct Receiver {
    client: Client,
    received: Vec<String>,
    /// The number of messages of each node.
    counts: [usize; 3],
}

impl Receiver {
    fn new(client: Client) -> Self {
        Self { client, received: Vec::new(), counts: [0; 3] }
    }

    fn add(&mut self, message: String) {
        for (name, count) in NAMES.iter().zip(&mut self.counts) {
            *count += usize::from(message.starts_with(name));
        }
        self.received.push(message);
    }

    /// Waits until this number of messages of a node was received.
    async fn receive(&mut self, sender: usize, count: usize) {
        while self.counts[sender] < count {
            let message = self.client.message().await;
            self.add(message);
        }
    }

    fn take_arrived(&mut self) {
        self.client.arrived().into_iter().for_each(|message| self.add(message));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_restarted_empty_costs_a_reported_gap_and_nothing_local() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let nodes = three(&redis, "broker").await;
    let mut members = members(&nodes).await;
    let mut watchers = Vec::new();
    for node in &nodes {
        watchers.push(node.watch().await);
    }
    let mut said = 0;
    say_for(&mut members, &mut said, Duration::from_millis(500)).await;
    redis.kill();
    say_for(&mut members, &mut said, Duration::from_millis(1500)).await;
    redis.restart();
    for watcher in &mut watchers {
        watcher.answer_with("Down").await;
        watcher.answer_with("Up").await;
        let gap = watcher.answer_with("Gap").await;
        assert!(gap.contains("at_most"), "{gap}");
        say_for(&mut members, &mut said, Duration::ZERO).await;
    }
    // All links are up, so everything is received again.
    let resumed = said;
    say_for(&mut members, &mut said, Duration::from_millis(500)).await;
    for member in &mut members {
        member.say("lobby", "end").await;
    }
    for (at, member) in members.iter_mut().enumerate() {
        let mut received = Vec::new();
        for _ in 0..3 {
            received.append(&mut member.messages_until("end").await);
        }
        for sender in 0..3 {
            let numbers = numbers(&received, &sender.to_string());
            assert!(numbers.is_sorted_by(|a, b| a < b), "{sender} on {at}: twice or in another order");
            let is_complete = |from| numbers.iter().filter(|number| **number >= from).count() == said - from;
            assert!(is_complete(if sender == at { 0 } else { resumed }), "{sender} on {at}: {numbers:?}");
        }
    }
}

/// Lets the members send numbers for this time, and at least one each.
async fn say_for(members: &mut [Client], said: &mut usize, time: Duration) {
    let began = Instant::now();
    loop {
        for (at, member) in members.iter_mut().enumerate() {
            member.say("lobby", &format!("{at} {said}")).await;
        }
        *said += 1;
        if began.elapsed() >= time {
            return;
        }
        // This does not wait for an event. It spreads the messages over the time.
        sleep(Duration::from_millis(2)).await;
    }
}
