//! The messages between the nodes of a cluster.

use bytes::Bytes;

use crate::{
    hub::{Frames, NodeBody as Body, NodeMessage as Message, Start, read_start},
    testing::TestApp,
};

/// A message of another node, as it is received from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeMessage(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Heartbeat(Bytes, Start),
    Other { node: u32, sequence: u64, message: Message },
}

impl NodeMessage {
    /// Reads a message; `None` if it is malformed or of another version.
    pub fn read(bytes: &Bytes) -> Option<Self> {
        Some(Self(match read_start(bytes).ok()? {
            Start::Beat(beat) => Kind::Heartbeat(beat.encode().into(), Start::Beat(beat)),
            Start::Message(head) => {
                let (node, sequence) = (head.node, head.sequence);
                Kind::Other { node, sequence, message: Message::decode(head, bytes).ok()? }
            }
        }))
    }

    /// Encodes the message again. The number of the link is zero, except in heartbeats.
    pub fn encode(&self) -> Bytes {
        match &self.0 {
            Kind::Heartbeat(encoded, _) => encoded.clone(),
            Kind::Other { node, sequence, message } => message.encode(*node, *sequence).into(),
        }
    }

    /// The largest size that the encoded message is expected to have.
    pub fn size(&self) -> usize {
        match &self.0 {
            Kind::Heartbeat(encoded, _) => encoded.len(),
            Kind::Other { message, .. } => message.size(),
        }
    }

    /// The WebSocket frames in the message.
    pub fn frames(&self) -> Vec<Bytes> {
        match &self.0 {
            Kind::Other { message: Message { body: Body::Push(frames), .. }, .. } => match frames {
                Frames::One(frame) => vec![frame.clone()],
                Frames::ByFormat(frames) => frames.iter().map(|(_, frame)| frame.clone()).collect(),
            },
            _ => Vec::new(),
        }
    }

    /// Whether the message closes connections.
    pub fn is_close(&self) -> bool {
        matches!(&self.0, Kind::Other { message: Message { body: Body::Close(_), .. }, .. })
    }
}

/// Passes a message to a node of a cluster as if the broker had sent it.
pub fn receive_from_broker(app: &TestApp, channel: Bytes, message: Bytes) {
    app.running().hub().cluster().receive(channel, message);
}
