//! Frames prepared before the measurement (RFC 6455 section 5.2), and their expected replies.

use std::io::{Read, Write as _};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::connect::{self, Offer};
use crate::process::Endpoint;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The bit that says that the payload of a message is compressed (RFC 7692 section 6).
pub(crate) const COMPRESSED: u8 = 0x40;

/// The bit that says that a frame is the last of its message.
const FIN: u8 = 0x80;

/// The bit of a masked payload.
const MASKED: u8 = 0x80;

/// Any key will do, because no intermediary reads the frames.
const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Returns the frame of a client.
pub(crate) fn from_client(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, MASKED, payload.len());
    frame.extend(MASKING_KEY);
    frame.extend(payload.iter().zip(MASKING_KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Returns the frame of a server.
pub(crate) fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, 0, payload.len());
    frame.extend(payload);
    frame
}

fn head(opcode: u8, masked: u8, len: usize) -> Vec<u8> {
    let mut head = vec![FIN | opcode];
    match len {
        0..126 => head.push(masked | len as u8),
        126..0x1_0000 => {
            head.push(masked | 126);
            head.extend((len as u16).to_be_bytes());
        }
        _ => {
            head.push(masked | 127);
            head.extend((len as u64).to_be_bytes());
        }
    }
    head
}

/// Reads one frame of at most 64 KiB from a server. Returns the whole frame, and its payload.
pub(crate) fn read_from_server(stream: &mut impl Read) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let mut frame = vec![0; 2];
    stream.read_exact(&mut frame)?;
    let len = match frame[1] {
        126 => {
            let mut len = [0; 2];
            stream.read_exact(&mut len)?;
            frame.extend(len);
            u16::from_be_bytes(len).into()
        }
        len => usize::from(len),
    };
    ensure!(len < 1 << 16, "a frame of this kind is short");
    let mut payload = vec![0; len];
    stream.read_exact(&mut payload)?;
    frame.extend(&payload);
    Ok((frame, payload))
}

/// Frames of equal length, repeated without end.
pub(crate) struct Ring {
    /// All frames twice, so that any range up to the ring's length is one slice.
    twice: Vec<u8>,
    frame_len: usize,
}

impl Ring {
    pub(crate) fn new(frames: impl IntoIterator<Item = Vec<u8>>) -> anyhow::Result<Self> {
        let frames: Vec<Vec<u8>> = frames.into_iter().collect();
        let frame_len = frames.first().context("a ring holds frames")?.len();
        ensure!(frames.iter().all(|frame| frame.len() == frame_len), "the frames of a ring are equally long");
        Ok(Self { twice: [frames.concat(), frames.concat()].concat(), frame_len })
    }

    pub(crate) fn frame_len(&self) -> u64 {
        self.frame_len as u64
    }

    /// Returns the bytes from this position of the endless stream: `most` of them, or a ring's
    /// length if that is less.
    pub(crate) fn at(&self, position: u64, most: u64) -> &[u8] {
        let period = (self.twice.len() / 2) as u64;
        let start = position % period;
        &self.twice[start as usize..(start + most.min(period)) as usize]
    }

    /// Whether the endless stream has these bytes at this position.
    pub(crate) fn matches(&self, mut position: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.at(position, bytes.len() as u64);
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                return false;
            }
            position += now.len() as u64;
            bytes = later;
        }
        true
    }
}

/// The frames to send, and the expected ones.
pub(crate) struct Exchange {
    pub(crate) requests: Ring,
    pub(crate) replies: Ring,
    /// The offer of each connection of this exchange.
    pub(crate) offer: Offer,
}

impl Exchange {
    /// Binary messages of this size; all messages in flight are different. Without WebSocket the
    /// same frames are expected.
    pub(crate) fn echo(is_websocket: bool, bytes: usize, in_flight: usize) -> anyhow::Result<Self> {
        let payloads = || (0..in_flight.max(2)).map(|index| payload(bytes, index));
        let requests = || Ring::new(payloads().map(|payload| from_client(BINARY, &payload)));
        let replies = if is_websocket {
            Ring::new(payloads().map(|payload| from_server(BINARY, &payload)))
        } else {
            requests()
        };
        Ok(Self { requests: requests()?, replies: replies?, offer: Offer::Nothing })
    }

    /// JSON events. The meaning of each answer is checked once. After that the same bytes are
    /// expected, because a server may choose the order of an object's members.
    pub(crate) fn events(server: &Endpoint, in_flight: usize) -> anyhow::Result<Self> {
        let mut stream = connect::open(server)?;
        let (mut requests, mut replies) = (Vec::new(), Vec::new());
        for index in 0..in_flight.max(2) {
            let event = event(index);
            let request = from_client(TEXT, event.to_string().as_bytes());
            stream.write_all(&request)?;
            let (reply, payload) = read_from_server(&mut stream)?;
            let answer: Value = serde_json::from_slice(&payload).context("the answer is not JSON")?;
            ensure!(answer == event, "{event} was answered by {answer}");
            requests.push(request);
            replies.push(reply);
        }
        Ok(Self { requests: Ring::new(requests)?, replies: Ring::new(replies)?, offer: Offer::Nothing })
    }
}

/// Bytes that differ from message to message and are not UTF-8.
fn payload(bytes: usize, index: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(31) ^ index.wrapping_mul(89) ^ 0x80) as u8).collect()
}

/// An event as of a chat program. Every number has two digits, so that all events have the same
/// length.
fn event(index: usize) -> Value {
    json!({
        "event": "say",
        "data": { "room": 10 + index, "text": "a sentence of a typical length" },
        "ref": (10 + index).to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_heads_are_those_of_the_rfc() {
        // RFC 6455 section 5.7: a masked "Hello", a ping, 256 bytes, 64 KiB.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(from_client(TEXT, b"Hello"), hello);
        assert_eq!(from_server(PING, b"Hello"), b"\x89\x05Hello");
        assert_eq!(from_server(BINARY, &[0; 256])[..4], [0x82, 0x7e, 0x01, 0x00]);
        assert_eq!(from_server(BINARY, &[0; 0x1_0000])[..10], [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn a_ring_finds_every_difference_and_repeats_itself() {
        let ring = Ring::new([vec![1, 2], vec![3, 4]]).expect("a ring");
        assert!(ring.matches(0, &[1, 2, 3, 4, 1, 2, 3, 4, 1]));
        assert!(ring.matches(7, &[4, 1]));
        assert!(!ring.matches(0, &[1, 2, 3, 4, 1, 2, 3, 4, 2]));
        assert_eq!(ring.at(3, 3), [4, 1, 2]);
        assert!(Ring::new([vec![1], vec![1, 2]]).is_err());
    }
}
