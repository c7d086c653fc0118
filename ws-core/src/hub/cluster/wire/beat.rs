//! The heartbeats of nodes, whose form never changes.

use bytes::BufMut as _;

use super::{BEAT, BEAT_VERSION, HEAD_BYTES, Reader, put_head, put_short};

/// The phase of a node that sends a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first heartbeat of a link. It is answered by a heartbeat of each node.
    Hello,
    Alive,
    /// The node has stopped.
    Goodbye,
}

/// A heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub(crate) phase: Phase,
    /// The number of the node's link to the broker.
    pub(crate) link: u32,
    pub(crate) node: u32,
    /// The number of the heartbeat, counted from the start of the node.
    pub(crate) sequence: u64,
    /// A random number of the process, which distinguishes two nodes with the same id.
    pub(crate) instance: u64,
    /// The versions of messages that the node reads.
    pub(crate) oldest: u8,
    pub(crate) newest: u8,
    pub(crate) connections: u64,
    pub(crate) name: String,
}

impl Beat {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + 20 + self.name.len());
        let phase = match self.phase {
            Phase::Alive => 0,
            Phase::Hello => 1,
            Phase::Goodbye => 2,
        };
        put_head(&mut out, [BEAT_VERSION, BEAT, phase], self.link, self.node, self.sequence);
        out.put_u64(self.instance);
        out.put_u8(self.oldest);
        out.put_u8(self.newest);
        out.put_u64(self.connections);
        put_short(&mut out, self.name.as_bytes());
        out
    }

    pub(super) fn decode(
        mut from: Reader<'_>,
        phase: u8,
        link: u32,
        node: u32,
        sequence: u64,
    ) -> Option<Self> {
        let phase = match phase {
            0 => Phase::Alive,
            1 => Phase::Hello,
            2 => Phase::Goodbye,
            _ => return None,
        };
        let (instance, oldest, newest, connections) = (from.u64()?, from.u8()?, from.u8()?, from.u64()?);
        let length = usize::from(from.u16()?);
        let name = std::str::from_utf8(from.take(length)?).ok()?.to_owned();
        Some(Self { phase, link, node, sequence, instance, oldest, newest, connections, name })
    }
}
