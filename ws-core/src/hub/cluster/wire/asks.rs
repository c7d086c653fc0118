//! The ask of a client of another node, and its outcome.
//!
//! An ask is
//!
//! ```text
//! question u64 | reference u64 | milliseconds to wait u32 | length u16 and name of the channel
//! number of formats u8, then format u8, length u32 and the event in this format of each
//! ```

use bytes::{BufMut as _, Bytes};

#[cfg(test)]
use super::{Body, Found, ResultPart};
use super::{JSON, MOST_FRAMES, MSGPACK, Reader, put_frame, put_short};
use crate::{
    envelope::Format,
    wire::{ConnectionId, Message},
};

/// An ask of one connection of the receiving node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The id of the question that the outcome belongs to.
    pub(crate) id: u64,
    /// The number in the `ref` of the event.
    pub(crate) reference: u64,
    /// The time that the asking node waits.
    pub(crate) wait_millis: u32,
    /// The name of the target's channel.
    pub(crate) channel: Bytes,
    /// The event for each format that a connection may have.
    pub(crate) events: Vec<(Format, Message)>,
}

/// The outcome of an ask on another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The message of the client, in the format of its connection.
    Message(Format, Message),
    /// An answer in a format that this node does not read.
    Unreadable,
    Failed(Failure),
}

/// The reason why an ask failed on another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection is open; nothing was sent.
    Offline,
    /// The connection ended before the answer arrived.
    Closed(ConnectionId),
    TimedOut,
    /// Too many asks of the connection or of the node are outstanding; nothing was sent.
    TooMany,
    /// The answer is larger than `cluster.message`.
    TooLarge,
    /// The connection has a format in which the event was not encoded; nothing was sent.
    NoFormat,
}

const FAILED: u8 = 16;
const ANSWERED: u8 = 17;

impl Ask {
    pub(super) fn size(&self) -> usize {
        let events: usize = self.events.iter().map(|(_, message)| 8 + message.len()).sum();
        24 + self.channel.len() + events
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.id);
        out.put_u64(self.reference);
        out.put_u32(self.wait_millis);
        put_short(out, &self.channel);
        out.put_u8(self.events.len() as u8);
        for (format, message) in &self.events {
            put_frame(out, number(*format), message.as_bytes());
        }
    }

    pub(super) fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let (id, reference, wait_millis) = (from.u64()?, from.u64()?, from.u32()?);
        let channel = from.short(message)?;
        let count = from.u8()?;
        if count > MOST_FRAMES {
            return None;
        }
        let mut events = Vec::new();
        for _ in 0..count {
            let format = from.u8()?;
            let length = usize::try_from(from.u32()?).ok()?;
            events.extend(in_format(format, &from.slice(message, length)?)?);
        }
        (from.left() == 0).then_some(Self { id, reference, wait_millis, channel, events })
    }
}

impl Answer {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Message(_, message) => 8 + message.len(),
            Self::Unreadable | Self::Failed(_) => 16,
        }
    }

    /// Writes the kind of the result and the answer.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let failure = match self {
            Self::Message(format, message) => {
                out.put_u8(ANSWERED);
                return put_frame(out, number(*format), message.as_bytes());
            }
            Self::Unreadable => Failure::NoFormat,
            Self::Failed(failure) => *failure,
        };
        out.put_u8(FAILED);
        match failure {
            Failure::Offline => out.put_u8(1),
            Failure::Closed(connection) => {
                out.put_u8(2);
                out.put_u32(connection.node());
                out.put_u64(connection.sequence());
            }
            Failure::TimedOut => out.put_u8(3),
            Failure::TooMany => out.put_u8(4),
            Failure::TooLarge => out.put_u8(5),
            Failure::NoFormat => out.put_u8(6),
        }
    }

    /// Reads the rest of a result of this kind.
    pub(super) fn read(kind: u8, from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        match kind {
            ANSWERED => {
                let format = from.u8()?;
                let length = usize::try_from(from.u32()?).ok()?;
                let answer = in_format(format, &from.slice(message, length)?)?;
                Some(answer.map_or(Self::Unreadable, |(format, message)| Self::Message(format, message)))
            }
            FAILED => Some(Self::Failed(match from.u8()? {
                1 => Failure::Offline,
                2 => Failure::Closed(ConnectionId::new(from.u32()?, from.u64()?)),
                3 => Failure::TimedOut,
                4 => Failure::TooMany,
                5 => Failure::TooLarge,
                6 => Failure::NoFormat,
                _ => return None,
            })),
            _ => None,
        }
    }
}

fn number(format: Format) -> u8 {
    match format {
        Format::Json => JSON,
        #[cfg(feature = "msgpack")]
        Format::MsgPack => MSGPACK,
    }
}

/// Returns a message in this format: `Some(None)` if this node does not read the format, and `None`
/// if the format is unknown or the message is not valid in it.
fn in_format(format: u8, bytes: &Bytes) -> Option<Option<(Format, Message)>> {
    match format {
        JSON => Some(Some((Format::Json, Message::text(std::str::from_utf8(bytes).ok()?)))),
        #[cfg(feature = "msgpack")]
        MSGPACK => Some(Some((Format::MsgPack, Message::binary(bytes.clone())))),
        #[cfg(not(feature = "msgpack"))]
        MSGPACK => Some(None),
        _ => None,
    }
}

/// Bodies for the tests of the format.
#[cfg(test)]
pub(super) fn examples() -> Vec<Body> {
    let events = vec![
        (Format::Json, Message::text("{}")),
        #[cfg(feature = "msgpack")]
        (Format::MsgPack, Message::binary(vec![0x80])),
    ];
    let ask = Ask { id: 1, reference: 2, wait_millis: 3, channel: Bytes::from_static(b"u:x"), events };
    let messages = ask.events.iter().map(|(format, message)| Answer::Message(*format, message.clone()));
    let failures = [
        Failure::Offline,
        Failure::Closed(ConnectionId::new(1, 2)),
        Failure::TimedOut,
        Failure::TooMany,
        Failure::TooLarge,
        Failure::NoFormat,
    ];
    let result =
        |answer| Body::Result(ResultPart { id: 7, number: 0, is_last: true, found: Found::Answer(answer) });
    let answers = failures.into_iter().map(Answer::Failed).chain(messages).map(result);
    let asks = [Body::Ask(ask.clone()), Body::Ask(Ask { events: Vec::new(), ..ask.clone() })];
    answers.chain(asks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_or_an_answer_that_is_not_valid_in_its_format_is_malformed() {
        for (format, bytes, is_read) in
            [(JSON, &b"{}"[..], true), (JSON, b"\xff", false), (0, b"{}", false), (9, b"{}", false)]
        {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(in_format(format, &bytes).is_some(), is_read, "{format} {bytes:?}");
        }
    }
}
