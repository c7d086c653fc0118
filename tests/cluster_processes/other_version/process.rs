//! The process of a node of another version.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt as _};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::{MissedTickBehavior, interval},
};

use super::{GUEST, Observed, Order, SETUP, SKIPPED, Said, Setup, Version, reader::Reader};
use crate::{
    client::within,
    foreign::{ALIVE, BEAT, Foreign, PUSH, UNKNOWN, frame_for_all},
};

/// The room in which it talks, as a channel.
const ROOM: &str = "r:Node:lobby";

/// The least number of its messages, so that each kind of message that must be skipped is sent.
const LEAST_SAID: usize = 100;

/// The first and the last heartbeat.
const HELLO: u8 = 1;
const GOODBYE: u8 = 2;

/// Further kinds of version 1. An older node does not know those about watches.
const CLOSE: u8 = 3;
const QUESTION: u8 = 4;
const RESULT: u8 = 5;
const WATCH: u8 = 8;
const ROSTER: u8 = 9;
const CHANGES: u8 = 10;

/// A flag of version 1, and one that it does not have.
const HAS_KEY: u8 = 2;
const UNKNOWN_FLAG: u8 = 8;

/// The subject of a question and of a watch.
const COUNT: u8 = 1;
const MEMBERS: u8 = 1;

/// A message and its channel, without the prefix.
type Received = (String, Vec<u8>);

/// Subscribes everything under the prefix.
async fn subscribe(setup: &Setup) -> Pin<Box<dyn Stream<Item = Received>>> {
    let Setup { url, prefix, version, .. } = setup;
    let scheme = version.scheme();
    if url.starts_with("redis") {
        let client = redis::Client::open(&**url).unwrap();
        let mut messages = client.get_async_pubsub().await.unwrap();
        messages.psubscribe(format!("{prefix}:{scheme}:*")).await.unwrap();
        let start = format!("{prefix}:{scheme}:").len();
        Box::pin(messages.into_on_message().map(move |message| {
            let channel = &message.get_channel_name()[start..];
            (channel.to_owned(), message.get_payload_bytes().to_vec())
        }))
    } else {
        let client = async_nats::connect(&**url).await.unwrap();
        let messages = client.subscribe(format!("{prefix}.{scheme}.>")).await.unwrap();
        client.flush().await.unwrap();
        Box::pin(messages.map(|message| {
            let mut tokens: Vec<&str> = message.subject.split('.').skip(2).collect();
            // The bucket of a group.
            if tokens[0] == "g" {
                tokens.drain(..2);
            }
            (tokens.join(":"), message.payload.to_vec())
        }))
    }
}

#[tokio::test]
#[ignore = "other tests run it in a process of its own"]
async fn speaks() {
    let Ok(setup) = std::env::var(SETUP) else { return };
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    let mut received = subscribe(&setup).await;
    let mut node = Node::connect(&setup).await;
    node.foreign.beat(HELLO).await;
    // Its own heartbeat proves that the broker has the subscription.
    while !node.has_echo {
        let message = within("the own heartbeat", received.next()).await.unwrap();
        node.receive(message).await;
    }
    answer(&"joined");
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let (mut beats, mut talk) = (interval(setup.heartbeat), interval(Duration::from_millis(5)));
    // On a busy machine it sends less often, but it still answers.
    talk.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = received.next() => node.receive(message.unwrap()).await,
            _ = beats.tick() => node.foreign.beat(ALIVE).await,
            _ = talk.tick(), if node.talks => node.say().await,
            order = orders.next_line() => {
                // It ends with its test.
                let Some(order) = order.unwrap() else { return };
                match serde_json::from_str(&order).unwrap() {
                    Order::Talk => {
                        node.talks = true;
                        answer(&"talking");
                    }
                    Order::BeQuiet => {
                        while node.said.numbers < LEAST_SAID {
                            node.say().await;
                        }
                        node.talks = false;
                        answer(&node.said);
                    }
                    Order::Observe => answer(&node.observed),
                    Order::Leave => {
                        node.foreign.beat(GOODBYE).await;
                        // NATS's client sends it later; it has arrived when it comes back.
                        while !node.has_left {
                            node.receive(received.next().await.unwrap()).await;
                        }
                        return answer(&"left");
                    }
                }
            }
        }
    }
}

/// Begins with a line break, because the test harness may have begun a line.
fn answer(answer: &impl Serialize) {
    println!("\n={}", serde_json::to_string(answer).unwrap());
}

/// The node in its own process.
struct Node {
    version: Version,
    foreign: Foreign,
    talks: bool,
    has_echo: bool,
    has_left: bool,
    said: Said,
    observed: Observed,
}

impl Node {
    async fn connect(setup: &Setup) -> Self {
        let Setup { version, url, prefix, .. } = setup;
        let mut foreign = Foreign::connect(url, prefix, version.id(), version.name(), version.reads()).await;
        foreign.scheme = version.scheme();
        if *version != Version::Older {
            foreign.added = ", and the field of a newer version";
        }
        let (said, observed) = (Said::default(), Observed::default());
        Self { version: *version, foreign, talks: false, has_echo: false, has_left: false, said, observed }
    }

    /// Sends the next number, and from time to time a message that must be skipped.
    async fn say(&mut self) {
        let number = self.said.numbers;
        self.said.numbers += 1;
        let body = frame_for_all(&format!("{} {number}", self.version.name()));
        match self.version {
            Version::Newer if number % 10 == 9 => {
                self.foreign.message(ROOM, [1, PUSH, 0], &[], &body).await;
                self.say_skipped_message(number / 10).await;
            }
            // The key names a value of which only the latest one matters.
            Version::Newer if number % 2 == 1 => {
                self.foreign.message(ROOM, [1, PUSH, HAS_KEY], b"\0\x05value", &body).await;
            }
            Version::Newer | Version::Older => {
                self.foreign.message(ROOM, [1, PUSH, 0], &[], &body).await;
            }
            Version::Incompatible => {
                self.said.skipped += 1;
                self.foreign.message(ROOM, [2, PUSH, 0], &[], &frame_for_all(SKIPPED)).await;
            }
            Version::OtherScheme => {
                self.said.skipped += 1;
                for channel in ["all", "nodes", ROOM] {
                    self.foreign.message(channel, [1, PUSH, 0], &[], &frame_for_all(SKIPPED)).await;
                }
            }
        }
    }

    /// Sends one of the messages that a later version may have, to a channel that all nodes
    /// receive.
    async fn say_skipped_message(&mut self, number: usize) {
        self.said.skipped += 1;
        let push = frame_for_all(SKIPPED);
        let mut other_format = push.clone();
        other_format[1] = 7;
        let close = [&4403_u16.to_be_bytes(), SKIPPED.as_bytes()].concat();
        // This version reads this field as the code of the close frame.
        let delay = 3000_u16.to_be_bytes();
        let question = [&[0; 8][..], &[99], ROOM.as_bytes()].concat();
        let (channel, start, fields, body) = match number % 10 {
            0 => (ROOM, [2, PUSH, 0], &[][..], push),
            1 => ("all", [1, UNKNOWN, 0], &[][..], push),
            2 => ("nodes", [1, CHANGES + 1, 0], &[][..], push),
            3 => ("all", [0, PUSH, 0], &[][..], push),
            4 => ("all", [u8::MAX, UNKNOWN, u8::MAX], &[][..], push),
            5 => ("all", [1, CLOSE, UNKNOWN_FLAG], &delay[..], close),
            6 => (ROOM, [1, PUSH, UNKNOWN_FLAG], &[][..], push),
            7 => ("nodes", [1, QUESTION, 0], &[][..], question),
            8 => (ROOM, [1, PUSH, 0], &[][..], other_format),
            _ => ("nodes", [0, BEAT, 9], &[][..], push),
        };
        self.foreign.message(channel, start, fields, &body).await;
    }

    async fn receive(&mut self, (channel, message): Received) {
        // The messages of a node to itself at NATS have a form of their own.
        if channel.starts_with("fence:") {
            return;
        }
        let mut from = Reader(&message);
        let [version, kind, flags] = from.array();
        let (_link, node, _sequence) = (from.u32(), from.u32(), from.u64());
        if node == self.foreign.id {
            self.has_echo = true;
            self.has_left |= (version, kind, flags) == (0, BEAT, GOODBYE);
        } else if Version::ALL.iter().any(|version| version.id() == node) {
            // Tests check only what nodes of this version send.
        } else if (version, kind) == (0, BEAT) {
            let (_instance, reads, _connections) = (from.u64(), from.array::<2>(), from.u64());
            let name = String::from_utf8(from.short().to_vec()).unwrap();
            if flags == GOODBYE {
                self.observed.left.insert(name);
            } else {
                self.observed.nodes.insert(name, (reads[0], reads[1]));
            }
        } else {
            self.observed.starts.insert((version, kind, flags));
            let is_for_this = ["nodes", &self.own_channel(), ROOM].contains(&&*channel);
            if is_for_this && (self.version.reads().0..=self.version.reads().1).contains(&version) {
                self.read(kind, node, from).await;
            }
        }
    }

    /// Reads a message of version 1 without the fields of flags.
    async fn read(&mut self, kind: u8, node: u32, mut from: Reader<'_>) {
        assert_eq!(from.u16(), 0, "excepted ids");
        match kind {
            PUSH => {
                assert_eq!(from.array(), [1, 0], "one frame for all formats");
                let length = from.u32();
                let [opcode, length_of_text] = from.array();
                assert_eq!((opcode, u32::from(length_of_text)), (0x81, length - 2), "a short text");
                self.observed.texts.push(String::from_utf8(from.0.to_vec()).unwrap());
            }
            QUESTION => {
                let (id, about) = (from.u64(), from.array::<1>());
                if about == [COUNT] {
                    let count = u64::from(from.0 == ROOM.as_bytes());
                    // Its only part.
                    let body = [&id.to_be_bytes()[..], &[0, 0, 0, 0, 1, 1], &count.to_be_bytes()].concat();
                    self.answer(node, RESULT, &body).await;
                }
            }
            WATCH if self.version == Version::Newer => {
                let (id, wanted, channel) = (from.u64(), from.array::<1>(), from.0);
                let version = 1_u64.to_be_bytes();
                let channel = [&(channel.len() as u16).to_be_bytes()[..], channel].concat();
                if wanted == [MEMBERS] {
                    let member = [&7_u64.to_be_bytes()[..], &[0, 5], GUEST.as_bytes()].concat();
                    // Its only part.
                    let part = [&id.to_be_bytes()[..], &version, &[0, 0, 0, 0, 1]].concat();
                    self.answer(node, ROSTER, &[part, channel, member].concat()).await;
                } else {
                    let body = [&version[..], &version, &channel, &[0; 4]].concat();
                    self.answer(node, CHANGES, &body).await;
                }
            }
            _ => {}
        }
    }

    async fn answer(&mut self, node: u32, kind: u8, body: &[u8]) {
        self.foreign.message(&format!("node:{node:08x}"), [1, kind, 0], &[], body).await;
    }

    fn own_channel(&self) -> String {
        format!("node:{:08x}", self.foreign.id)
    }
}
