//! Planned frames: the input of a client, and the expected output.

use std::io;

use arbitrary::Arbitrary;
use bytes::Bytes;
use ws_core::{Message, Text, fuzzing::Received};

use super::script::Outcome;

/// The messages of a client, then its end: a close frame, a fault, or the end of the stream.
#[derive(Debug, Arbitrary)]
pub(super) struct Plan {
    seed: u64,
    limit: u8,
    messages: Vec<Planned>,
    end: End,
    /// The bytes after the end, which are never read.
    behind: Vec<u8>,
}

#[derive(Debug, Arbitrary)]
struct Planned {
    payload: Payload,
    /// The number of repetitions, for large sizes.
    times: Times,
    /// The places of the cuts into frames.
    cuts: Vec<u16>,
    /// The control frames before each of its frames.
    between: Vec<Control>,
    /// Whether data frames have longer length fields than necessary.
    long_lengths: bool,
    mask: [u8; 4],
}

#[derive(Debug, Arbitrary)]
enum Payload {
    Text(String),
    Binary(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Times {
    One,
    Some(u8),
    Many(u16),
}

#[derive(Clone, Debug, Arbitrary)]
enum Control {
    None,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum End {
    Nothing,
    /// An incomplete frame.
    Cut,
    Close(Option<(u16, String)>),
    Fault(Fault),
}

#[derive(Debug, Arbitrary)]
enum Fault {
    Unmasked,
    Reserved(u8),
    UnknownOpcode(u8),
    LongControl(u8),
    FragmentedControl,
    ContinuationOfNothing,
    MessageInsideAnother,
    BadText,
    TextCutShort,
    ShortClose,
    BadReason,
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const FINAL: u8 = 0x80;
/// The largest message of a plan, in bytes.
const MAX_PAYLOAD: usize = 70_000;
const PROTOCOL: u16 = 1002;
const UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;

impl Plan {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// The smallest limit that accepts every valid control frame.
    pub(super) fn limit(&self) -> usize {
        256 << (self.limit % 11)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in &self.messages {
            let (first, payload) = message.payload();
            let parts = message.parts(&payload);
            for (at, part) in parts.iter().enumerate() {
                match message.between.get(at) {
                    Some(Control::Ping(payload)) => {
                        bytes.extend(masked(FINAL | 9, control(payload), false, message.mask))
                    }
                    Some(Control::Pong(payload)) => {
                        bytes.extend(masked(FINAL | 10, control(payload), false, message.mask))
                    }
                    Some(Control::None) | None => {}
                }
                let opcode = if at == 0 { first } else { 0 };
                let is_last = at == parts.len() - 1;
                bytes.extend(frame(if is_last { FINAL | opcode } else { opcode }, part, message));
            }
        }
        bytes.extend(self.end.bytes());
        if !matches!(self.end, End::Nothing | End::Cut) {
            bytes.extend(&self.behind);
        }
        bytes
    }

    pub(super) fn expected(&self) -> Outcome {
        let (mut received, mut written) = (Vec::new(), Vec::new());
        for message in &self.messages {
            let (first, payload) = message.payload();
            let mut before = 0;
            for (at, part) in message.parts(&payload).iter().enumerate() {
                match message.between.get(at) {
                    Some(Control::Ping(payload)) => {
                        let payload = control(payload);
                        written.extend([FINAL | 10, payload.len() as u8]);
                        written.extend(payload);
                        received.push(Received::Ping(Bytes::copy_from_slice(payload)));
                    }
                    Some(Control::Pong(payload)) => {
                        received.push(Received::Pong(Bytes::copy_from_slice(control(payload))));
                    }
                    Some(Control::None) | None => {}
                }
                if before + part.len() > self.limit() {
                    received.push(Received::Fault(TOO_BIG));
                    return Outcome { received, written };
                }
                before += part.len();
            }
            received.push(Received::Message(match String::from_utf8(payload) {
                Ok(text) if first == TEXT => Message::text(text),
                Ok(text) => Message::binary(text.into_bytes()),
                Err(error) => Message::binary(error.into_bytes()),
            }));
        }
        received.push(self.end.received());
        Outcome { received, written }
    }
}

impl Planned {
    fn payload(&self) -> (u8, Vec<u8>) {
        let (opcode, once) = match &self.payload {
            Payload::Text(text) => (TEXT, text.as_bytes()),
            Payload::Binary(bytes) => (BINARY, &bytes[..]),
        };
        let times = match self.times {
            Times::One => 1,
            Times::Some(times) => usize::from(times),
            Times::Many(times) => usize::from(times),
        };
        (opcode, once.repeat(times.min(MAX_PAYLOAD / once.len().max(1))))
    }

    fn parts<'p>(&self, payload: &'p [u8]) -> Vec<&'p [u8]> {
        let mut cuts: Vec<usize> =
            self.cuts.iter().map(|cut| usize::from(*cut) % (payload.len() + 1)).collect();
        cuts.sort_unstable();
        let mut parts = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([payload.len()]) {
            parts.push(&payload[from..cut]);
            from = cut;
        }
        parts
    }
}

impl End {
    fn bytes(&self) -> Vec<u8> {
        let whole = [1, 2, 3, 4];
        match self {
            Self::Nothing => Vec::new(),
            Self::Cut => vec![FINAL | BINARY, 0x80 | 5, 1, 2, 3, 4, 5],
            Self::Close(None) => masked(FINAL | 8, &[], false, whole),
            Self::Close(Some((code, reason))) => {
                let payload = [&code.to_be_bytes()[..], reason_of(reason).as_bytes()].concat();
                masked(FINAL | 8, &payload, false, whole)
            }
            Self::Fault(fault) => match fault {
                Fault::Unmasked => vec![FINAL | TEXT, 2, b'h', b'i'],
                Fault::Reserved(bits) => masked(FINAL | TEXT | (bits % 7 + 1) << 4, b"hi", false, whole),
                Fault::UnknownOpcode(opcode) => {
                    let opcode = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15][usize::from(*opcode) % 10];
                    masked(FINAL | opcode, b"hi", false, whole)
                }
                Fault::LongControl(opcode) => masked(FINAL | (8 + opcode % 3), &[b'x'; 126], false, whole),
                Fault::FragmentedControl => masked(9, b"hi", false, whole),
                Fault::ContinuationOfNothing => masked(FINAL, b"hi", false, whole),
                Fault::MessageInsideAnother => {
                    [masked(TEXT, b"hi", false, whole), masked(FINAL | TEXT, b"hi", false, whole)].concat()
                }
                Fault::BadText => masked(FINAL | TEXT, &[b'h', 0xff], false, whole),
                Fault::TextCutShort => {
                    [masked(TEXT, &[b'h', 0xe2], false, whole), masked(FINAL, &[0x82], false, whole)].concat()
                }
                Fault::ShortClose => masked(FINAL | 8, &[3], false, whole),
                Fault::BadReason => masked(FINAL | 8, &[3, 0xe8, 0xff], false, whole),
            },
        }
    }

    fn received(&self) -> Received {
        match self {
            Self::Nothing | Self::Cut => Received::Gone(io::ErrorKind::UnexpectedEof),
            Self::Close(None) => Received::Close(None),
            Self::Close(Some((code, reason))) => match code {
                1000..=1003 | 1007..=1014 | 3000..=4999 => {
                    Received::Close(Some((*code, Text::from(reason_of(reason)))))
                }
                _ => Received::Fault(PROTOCOL),
            },
            Self::Fault(Fault::BadText | Fault::TextCutShort | Fault::BadReason) => Received::Fault(UTF8),
            Self::Fault(_) => Received::Fault(PROTOCOL),
        }
    }
}

fn reason_of(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(123)]
}

fn control(payload: &[u8]) -> &[u8] {
    &payload[..payload.len().min(125)]
}

fn frame(first: u8, payload: &[u8], like: &Planned) -> Vec<u8> {
    masked(first, payload, like.long_lengths, like.mask)
}

fn masked(first: u8, payload: &[u8], is_long: bool, mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len if is_long || len > 65_535 => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
    }
    bytes.extend(mask);
    let start = bytes.len();
    bytes.extend(payload);
    for word in bytes[start..].chunks_mut(4) {
        word.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    bytes
}
