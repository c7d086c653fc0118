//! The format of the messages between nodes: encoding and decoding, without I/O.
//!
//! All numbers are big-endian. A message is
//!
//! ```text
//! version u8 | kind u8 | flags u8 | link u32 | node u32 | sequence u64
//! excepted ids: count u16, then node u32 and sequence u64 of each
//! with flag 1, the connection of the receiving node that it is for: sequence u64
//! with flag 2, a key: length u16 and bytes
//! with flag 4, the name of the controller that members must have: length u16 and bytes
//! body
//! ```
//!
//! A flag may add a field and narrow the connections that a message is for, so a message with an
//! unknown flag is skipped like one of an unknown kind.
//!
//! A heartbeat has version 0 and never changes its form, so nodes of all versions know each other;
//! bytes after its end are ignored. Decoding does not trust the sender: each length is compared
//! with the received bytes before memory is allocated.

mod asks;
mod beat;
mod fields;
mod presence;
#[cfg(test)]
mod tests;

use bytes::{BufMut as _, Bytes};

use self::fields::{Reader, put_close, put_frame, put_head, put_short, read_close};
pub(crate) use self::{
    asks::{Answer, Ask, Failure},
    beat::{Beat, Phase},
    presence::{Changes, Entry, RosterPart, Wanted, Watch},
};
use crate::{
    envelope::Format,
    socket,
    wire::{CloseFrame, ConnectionId},
};

/// The version that this node sends, and the versions that it reads.
pub(super) const VERSION: u8 = 1;
pub(super) const OLDEST_VERSION: u8 = 1;
/// The version of heartbeats.
const BEAT_VERSION: u8 = 0;
/// The offset of the link in a message. It is written when the message is sent.
const LINK_OFFSET: usize = 3;
/// The size of the part before the excepted ids.
const HEAD_BYTES: usize = 19;

const FOR_CONNECTION: u8 = 1;
const HAS_KEY: u8 = 2;
const AT_CONTROLLER: u8 = 4;
const FLAGS: u8 = FOR_CONNECTION | HAS_KEY | AT_CONTROLLER;

const BEAT: u8 = 1;
const PUSH: u8 = 2;
const CLOSE: u8 = 3;
const QUESTION: u8 = 4;
const RESULT: u8 = 5;
const WATCH: u8 = 8;
const ROSTER: u8 = 9;
const CHANGES: u8 = 10;
const ASK: u8 = 16;
const CLAIM: u8 = 17;

/// The formats of a frame in a push.
const ANY_FORMAT: u8 = 0;
const JSON: u8 = 1;
const MSGPACK: u8 = 2;
/// The most frames of a push. There are fewer formats.
const MOST_FRAMES: u8 = 8;
/// The most excepted ids of a message: their count has two bytes.
pub(super) const MOST_EXCEPTED: usize = u16::MAX as usize;

/// The head of a message other than a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    kind: u8,
    flags: u8,
    pub(crate) link: u32,
    pub(crate) node: u32,
    pub(crate) sequence: u64,
}

/// The start of a received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Beat(Beat),
    Message(Head),
}

/// A message other than a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The connections that do not get the message.
    pub(crate) except: Vec<ConnectionId>,
    /// The number of the connection that the message is for, on the receiving node.
    pub(crate) connection: Option<u64>,
    /// Names the value of which only the latest matters. It is not used yet.
    pub(crate) key: Option<Bytes>,
    /// The name of the controller to which the members are narrowed.
    pub(crate) at: Option<Bytes>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Push(Frames),
    Close(CloseFrame),
    Question(Question),
    Result(ResultPart),
    /// An ask of one connection of the receiving node.
    Ask(Ask),
    /// The sending node claims that its connection is the only one of a user at a controller.
    Claim(Claiming),
    Watch(Watch),
    Roster(RosterPart),
    Changes(Changes),
}

/// The claim of a connection of the sending node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claiming {
    /// Orders the claims; of two equal ones, the one of the greater node is greater.
    pub(crate) counter: u64,
    /// Whether the claim was just made. Otherwise it is repeated, and connections without a claim
    /// may be newer.
    pub(crate) is_new: bool,
    /// Closes the connections with smaller claims.
    pub(crate) frame: CloseFrame,
}

/// The encoded WebSocket frames of one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frames {
    /// One frame for all connections.
    One(Bytes),
    /// A frame for each format.
    ByFormat(Vec<(Format, Bytes)>),
}

/// A question to the other nodes about a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) id: u64,
    pub(crate) about: About,
    /// The name of the target's channel.
    pub(crate) channel: Bytes,
}

/// The subject of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Count,
    Ids,
    /// The greatest counter of a claim that the node knows.
    Claims,
}

/// A part of a result. The last part of a result is marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultPart {
    /// The id of the question.
    pub(crate) id: u64,
    /// The number of the part, from zero on.
    pub(crate) number: u32,
    pub(crate) is_last: bool,
    pub(crate) found: Found,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Count(u64),
    /// The numbers of connections of the answering node.
    Ids(Vec<u64>),
    /// The outcome of an ask.
    Answer(Answer),
}

/// The reason why a message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("not a message of this protocol")]
    Malformed,
    #[error("a version, kind or flag that this node does not read")]
    Unknown,
}

/// Reads the start of a received message.
pub(crate) fn start(message: &[u8]) -> Result<Start, Unreadable> {
    let mut from = Reader::new(message, 0);
    let mut head = || Some((from.u8()?, from.u8()?, from.u8()?, from.u32()?, from.u32()?, from.u64()?));
    let (version, kind, flags, link, node, sequence) = head().ok_or(Unreadable::Malformed)?;
    match (version, kind) {
        (BEAT_VERSION, BEAT) => {
            Beat::decode(from, flags, link, node, sequence).map(Start::Beat).ok_or(Unreadable::Malformed)
        }
        (
            OLDEST_VERSION..=VERSION,
            PUSH | CLOSE | QUESTION | RESULT | WATCH | ROSTER | CHANGES | ASK | CLAIM,
        ) if flags & !FLAGS == 0 => Ok(Start::Message(Head { kind, flags, link, node, sequence })),
        _ => Err(Unreadable::Unknown),
    }
}

impl Message {
    /// A message without exceptions to all members of a channel.
    pub(crate) fn new(body: Body) -> Self {
        Self { except: Vec::new(), connection: None, key: None, at: None, body }
    }

    /// Encodes a message of this node. The link is written when it is sent, by [`set_link`].
    pub(crate) fn encode(&self, node: u32, sequence: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        let kind = match &self.body {
            Body::Push(_) => PUSH,
            Body::Close(_) => CLOSE,
            Body::Question(_) => QUESTION,
            Body::Result(_) => RESULT,
            Body::Ask(_) => ASK,
            Body::Claim(_) => CLAIM,
            Body::Watch(_) => WATCH,
            Body::Roster(_) => ROSTER,
            Body::Changes(_) => CHANGES,
        };
        let for_connection = if self.connection.is_some() { FOR_CONNECTION } else { 0 };
        let has_key = if self.key.is_some() { HAS_KEY } else { 0 };
        let at_controller = if self.at.is_some() { AT_CONTROLLER } else { 0 };
        let flags = for_connection | has_key | at_controller;
        put_head(&mut out, [VERSION, kind, flags], 0, node, sequence);
        out.put_u16(self.except.len() as u16);
        for id in self.except.iter().take(usize::from(u16::MAX)) {
            out.put_u32(id.node());
            out.put_u64(id.sequence());
        }
        if let Some(connection) = self.connection {
            out.put_u64(connection);
        }
        if let Some(key) = &self.key {
            put_short(&mut out, key);
        }
        if let Some(at) = &self.at {
            put_short(&mut out, at);
        }
        self.body.encode(&mut out);
        out
    }

    /// An upper bound of the encoded size.
    pub(crate) fn size(&self) -> usize {
        let body = match &self.body {
            Body::Push(Frames::One(frame)) => 8 + frame.len(),
            Body::Push(Frames::ByFormat(frames)) => frames.iter().map(|(_, frame)| 8 + frame.len()).sum(),
            Body::Close(frame) => 2 + frame.reason.len(),
            Body::Question(question) => 16 + question.channel.len(),
            Body::Result(ResultPart { found: Found::Ids(ids), .. }) => 16 + 8 * ids.len(),
            Body::Result(ResultPart { found: Found::Answer(answer), .. }) => 24 + answer.size(),
            Body::Result(_) => 24,
            Body::Ask(ask) => ask.size(),
            Body::Claim(claim) => 16 + claim.frame.reason.len(),
            Body::Watch(watch) => watch.size(),
            Body::Roster(part) => part.size(),
            Body::Changes(changes) => changes.size(),
        };
        let short = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, |bytes| 2 + bytes.len());
        HEAD_BYTES + 16 + 12 * self.except.len() + short(&self.key) + short(&self.at) + body
    }

    /// Reads the rest of a message with this head.
    pub(crate) fn decode(head: Head, message: &Bytes) -> Result<Self, Unreadable> {
        let mut from = Reader::new(message, HEAD_BYTES);
        Self::read(head, &mut from, message).ok_or(Unreadable::Malformed)
    }

    fn read(head: Head, from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let excepted = usize::from(from.u16()?);
        if excepted > from.left() / 12 {
            return None;
        }
        let mut except = Vec::with_capacity(excepted);
        for _ in 0..excepted {
            except.push(ConnectionId::new(from.u32()?, from.u64()?));
        }
        let connection = if head.flags & FOR_CONNECTION == 0 { None } else { Some(from.u64()?) };
        let key = if head.flags & HAS_KEY == 0 { None } else { Some(from.short(message)?) };
        let at = if head.flags & AT_CONTROLLER == 0 { None } else { Some(from.short(message)?) };
        let body = match head.kind {
            PUSH => Body::Push(Frames::read(from, message)?),
            CLOSE => Body::Close(read_close(from)?),
            QUESTION => Body::Question(Question::read(from, message)?),
            RESULT => Body::Result(ResultPart::read(from, message)?),
            ASK => Body::Ask(Ask::read(from, message)?),
            CLAIM => {
                let (counter, is_new) = (from.u64()?, from.u8()? == 1);
                Body::Claim(Claiming { counter, is_new, frame: read_close(from)? })
            }
            WATCH => Body::Watch(Watch::read(from, message)?),
            ROSTER => Body::Roster(RosterPart::read(from, message)?),
            CHANGES => Body::Changes(Changes::read(from, message)?),
            _ => return None,
        };
        Some(Self { except, connection, key, at, body })
    }
}

/// Writes the number of the link into an encoded message.
pub(super) fn set_link(message: &mut [u8], link: u32) {
    if let Some(place) = message.get_mut(LINK_OFFSET..LINK_OFFSET + 4) {
        place.copy_from_slice(&link.to_be_bytes());
    }
}

impl Body {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Watch(watch) => watch.encode(out),
            Self::Roster(part) => part.encode(out),
            Self::Changes(changes) => changes.encode(out),
            Self::Push(Frames::One(frame)) => {
                out.put_u8(1);
                put_frame(out, ANY_FORMAT, frame);
            }
            Self::Push(Frames::ByFormat(frames)) => {
                out.put_u8(frames.len() as u8);
                for (format, frame) in frames {
                    let format = match format {
                        Format::Json => JSON,
                        #[cfg(feature = "msgpack")]
                        Format::MsgPack => MSGPACK,
                    };
                    put_frame(out, format, frame);
                }
            }
            Self::Close(frame) => put_close(out, frame),
            Self::Ask(ask) => ask.encode(out),
            Self::Claim(claim) => {
                out.put_u64(claim.counter);
                out.put_u8(u8::from(claim.is_new));
                put_close(out, &claim.frame);
            }
            Self::Question(question) => {
                out.put_u64(question.id);
                out.put_u8(match question.about {
                    About::Count => 1,
                    About::Ids => 2,
                    About::Claims => 16,
                });
                out.put_slice(&question.channel);
            }
            Self::Result(part) => {
                out.put_u64(part.id);
                out.put_u32(part.number);
                out.put_u8(u8::from(part.is_last));
                match &part.found {
                    Found::Count(count) => {
                        out.put_u8(1);
                        out.put_u64(*count);
                    }
                    Found::Ids(ids) => {
                        out.put_u8(2);
                        ids.iter().for_each(|id| out.put_u64(*id));
                    }
                    Found::Answer(answer) => answer.encode(out),
                }
            }
        }
    }
}

impl Frames {
    fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let count = from.u8()?;
        if count > MOST_FRAMES {
            return None;
        }
        let (mut one, mut by_format) = (None, Vec::new());
        for _ in 0..count {
            let format = from.u8()?;
            let length = usize::try_from(from.u32()?).ok()?;
            let frame = from.slice(message, length)?;
            if !socket::is_whole_message(&frame) {
                return None;
            }
            match format {
                ANY_FORMAT => one = Some(frame),
                JSON => by_format.push((Format::Json, frame)),
                #[cfg(feature = "msgpack")]
                MSGPACK => by_format.push((Format::MsgPack, frame)),
                // No connection of this node has such a format.
                #[cfg(not(feature = "msgpack"))]
                MSGPACK => {}
                _ => return None,
            }
        }
        match (one, from.left()) {
            (Some(frame), 0) if count == 1 => Some(Self::One(frame)),
            (None, 0) => Some(Self::ByFormat(by_format)),
            _ => None,
        }
    }
}

impl Question {
    fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let id = from.u64()?;
        let about = match from.u8()? {
            1 => About::Count,
            2 => About::Ids,
            16 => About::Claims,
            _ => return None,
        };
        let channel = from.slice(message, from.left())?;
        Some(Self { id, about, channel })
    }
}

impl ResultPart {
    fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let (id, number, is_last) = (from.u64()?, from.u32()?, from.u8()? == 1);
        let found = match from.u8()? {
            1 => Found::Count(from.u64()?),
            2 if from.left().is_multiple_of(8) => {
                let mut ids = Vec::with_capacity(from.left() / 8);
                while from.left() > 0 {
                    ids.push(from.u64()?);
                }
                Found::Ids(ids)
            }
            kind => Found::Answer(Answer::read(kind, from, message)?),
        };
        (from.left() == 0).then_some(Self { id, number, is_last, found })
    }
}
