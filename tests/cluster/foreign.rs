//! [`Foreign`]: a node of another version. It shares no code with the nodes of this one: it makes
//! its messages by hand, in the format of version 1 as it was released, so that a change of that
//! format makes tests fail.

use std::time::Duration;

use async_nats::Client;
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};

/// The kinds of a message in version 1.
pub(crate) const BEAT: u8 = 1;
pub(crate) const PUSH: u8 = 2;
pub(crate) const UNKNOWN: u8 = 200;

/// The phase of a heartbeat that is neither the first nor the last one.
pub(crate) const ALIVE: u8 = 0;

/// The number of the divisions of groups at NATS.
const BUCKETS: u64 = 4096;

/// A node of another version, which publishes and receives nothing.
pub(crate) struct Foreign {
    publisher: Publisher,
    prefix: String,
    /// The version of the names of channels.
    pub(crate) scheme: u8,
    pub(crate) id: u32,
    pub(crate) link: u32,
    sequence: u64,
    pub(crate) name: String,
    /// The oldest and the newest version that the node reads.
    pub(crate) versions: (u8, u8),
    /// The bytes that a newer version has added to the end of a heartbeat.
    pub(crate) added: &'static str,
}

enum Publisher {
    Redis(MultiplexedConnection),
    Nats(Client),
}

impl Foreign {
    /// Connects to the broker of this URL.
    pub(crate) async fn connect(url: &str, prefix: &str, id: u32, name: &str, versions: (u8, u8)) -> Self {
        let publisher = if url.starts_with("redis") {
            // On a busy machine an answer may take longer than the 500 ms of the client.
            let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(30)));
            let client = redis::Client::open(url).unwrap();
            let connection = client.get_multiplexed_async_connection_with_config(&patient).await;
            Publisher::Redis(connection.unwrap())
        } else {
            Publisher::Nats(async_nats::connect(url).await.unwrap())
        };
        let (prefix, name) = (prefix.to_owned(), name.to_owned());
        Self { publisher, prefix, scheme: 1, id, link: 1, sequence: 0, name, versions, added: "" }
    }

    async fn publish(&self, channel: &str, message: Vec<u8>) {
        let Self { prefix, scheme, .. } = self;
        match &self.publisher {
            Publisher::Redis(connection) => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(format!("{prefix}:{scheme}:{channel}")).arg(message);
                command.query_async::<i64>(&mut connection.clone()).await.unwrap();
            }
            Publisher::Nats(client) => {
                let subject = format!("{prefix}.{scheme}.{}", tokens(channel));
                client.publish(subject, message.into()).await.unwrap();
            }
        }
    }

    /// The start of the next message: its version, kind and flags, and the numbers of the node.
    fn head(&mut self, start: [u8; 3]) -> Vec<u8> {
        self.sequence += 1;
        let mut head = start.to_vec();
        head.extend(self.link.to_be_bytes());
        head.extend(self.id.to_be_bytes());
        head.extend(self.sequence.to_be_bytes());
        head
    }

    /// Publishes a heartbeat.
    pub(crate) async fn beat(&mut self, phase: u8) {
        let mut beat = self.head([0, BEAT, phase]);
        beat.extend(u64::from(self.id).to_be_bytes());
        beat.extend([self.versions.0, self.versions.1]);
        beat.extend(3_u64.to_be_bytes());
        beat.extend((self.name.len() as u16).to_be_bytes());
        beat.extend(self.name.bytes());
        beat.extend(self.added.bytes());
        self.publish("nodes", beat).await;
    }

    /// Publishes a message without excepted connections, with the fields of its flags.
    pub(crate) async fn message(&mut self, channel: &str, start: [u8; 3], fields: &[u8], body: &[u8]) {
        let mut message = self.head(start);
        message.extend([0, 0]);
        message.extend(fields);
        message.extend(body);
        self.publish(channel, message).await;
    }

    /// Publishes a message to all connections, with this text in the form of version 1.
    pub(crate) async fn push(&mut self, version: u8, kind: u8, text: &str) {
        self.message("all", [version, kind, 0], &[], &frame_for_all(text)).await;
    }
}

/// The tokens of a channel's subject at NATS. Those of groups begin with a bucket, which is the
/// FNV-1a hash of the channel.
fn tokens(channel: &str) -> String {
    let tokens = channel.replace(':', ".");
    if !["r:", "u:", "w:"].iter().any(|kind| channel.starts_with(kind)) {
        return tokens;
    }
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = channel.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    format!("g.{}.{tokens}", hash % BUCKETS)
}

/// The body of a push: one frame for all formats, which is the whole frame of a short text.
pub(crate) fn frame_for_all(text: &str) -> Vec<u8> {
    assert!(text.len() < 126, "its length has one byte");
    let mut body = vec![1, 0];
    body.extend((2 + text.len() as u32).to_be_bytes());
    body.extend([0x81, text.len() as u8]);
    body.extend(text.bytes());
    body
}
