//! The client's end of a connection of `growth`: it checks all that the server sends, and answers
//! pings and the close frame.

use anyhow::{bail, ensure};

use crate::load::frames::{self, BINARY, CLOSE, PING, PONG, TEXT};

/// The size of a broadcast message, in bytes.
pub(crate) const MESSAGE_BYTES: usize = 64;

/// The text that asks the node for its allocated bytes. The answer is their number, or empty.
pub(crate) const ALLOCATED: &str = "allocated";

/// The text that asks the node to add the connection to its room. The answer is the same text.
pub(crate) const JOIN: &str = "join";

/// The place of the byte in a message that says whom it is for, and its value for the room.
pub(crate) const TARGET: usize = 4;
pub(crate) const TO_ROOM: u8 = 1;

/// The close code of a server that stops (RFC 6455 section 7.4.1).
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// The bit that says that a frame is the last of its message.
const FIN: u8 = 0x80;

/// The frames that all members have received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) messages: u64,
    pub(crate) pings: u64,
    pub(crate) closes: u64,
    /// The texts, and the number in the last one.
    pub(crate) answers: u64,
    pub(crate) answer: Option<u64>,
}

/// The client of one connection.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// The bytes of an incomplete frame.
    partial: Vec<u8>,
    /// The number of the next message.
    next: u32,
    has_closed: bool,
}

impl Member {
    /// Makes a member that gets the messages from this number on.
    pub(crate) fn new(next: u32) -> Self {
        Self { next, ..Self::default() }
    }

    /// Checks received bytes. Appends what is to be sent to `answers`.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        answers: &mut Vec<u8>,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let mut rest = &partial[..];
        while let Some((first, payload, length)) = frame(rest)? {
            self.accept(first, payload, answers, seen)?;
            rest = &rest[length..];
        }
        // An idle member keeps no memory.
        self.partial = if rest.is_empty() { Vec::new() } else { rest.to_vec() };
        Ok(())
    }

    fn accept(
        &mut self,
        first: u8,
        payload: &[u8],
        answers: &mut Vec<u8>,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        ensure!(first & !0x0f == FIN, "a fragment or an extension: {first:#x}");
        ensure!(!self.has_closed, "a frame after the close frame");
        match first & 0x0f {
            BINARY => {
                let expected = [message(self.next), to_room(self.next)];
                ensure!(
                    expected.iter().any(|expected| payload == expected),
                    "message {} was lost or is another one",
                    self.next
                );
                self.next += 1;
                seen.messages += 1;
            }
            TEXT => {
                seen.answers += 1;
                seen.answer = std::str::from_utf8(payload)?.parse().ok();
            }
            PING => {
                answers.extend(frames::from_client(PONG, payload));
                seen.pings += 1;
            }
            CLOSE => {
                ensure!(payload.starts_with(&GOING_AWAY), "it was closed by {payload:?}");
                answers.extend(frames::from_client(CLOSE, &GOING_AWAY));
                self.has_closed = true;
                seen.closes += 1;
            }
            opcode => bail!("the opcode {opcode}"),
        }
        Ok(())
    }
}

/// The first byte of the first frame, its payload, and its length; `None` if it is incomplete.
fn frame(bytes: &[u8]) -> anyhow::Result<Option<(u8, &[u8], usize)>> {
    let [first, size, rest @ ..] = bytes else { return Ok(None) };
    ensure!(*size < 126, "frames of `growth` are short");
    let size = usize::from(*size);
    Ok(rest.get(..size).map(|payload| (*first, payload, 2 + size)))
}

/// The payload of the broadcast with this number.
pub(crate) fn message(number: u32) -> [u8; MESSAGE_BYTES] {
    let mut payload = [0xa5; MESSAGE_BYTES];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    payload
}

/// The same for the members of the room only.
fn to_room(number: u32) -> [u8; MESSAGE_BYTES] {
    let mut payload = message(number);
    payload[TARGET] = TO_ROOM;
    payload
}

/// The frame that makes the node send the message with this number to all connections.
pub(crate) fn publish(number: u32) -> Vec<u8> {
    frames::from_client(BINARY, &message(number))
}

/// The frame that makes the node send the message with this number to the room.
pub(crate) fn publish_to_room(number: u32) -> Vec<u8> {
    frames::from_client(BINARY, &to_room(number))
}

/// The frame with a text for the node.
pub(crate) fn ask(text: &str) -> Vec<u8> {
    frames::from_client(TEXT, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(member: &mut Member, bytes: &[u8]) -> anyhow::Result<(Vec<u8>, Seen)> {
        let (mut answers, mut seen) = (Vec::new(), Seen::default());
        member.receive(bytes, &mut answers, &mut seen)?;
        Ok((answers, seen))
    }

    #[test]
    fn messages_are_counted_in_order_wherever_the_bytes_are_cut() {
        let stream: Vec<u8> =
            (0..3).flat_map(|number| frames::from_server(BINARY, &message(number))).collect();
        for cut in 0..stream.len() {
            let mut member = Member::default();
            let (first, rest) = stream.split_at(cut);
            let counts = [first, rest].map(|part| receive(&mut member, part).expect("valid").1.messages);
            assert_eq!(counts.iter().sum::<u64>(), 3, "{cut}");
        }
    }

    #[test]
    fn a_lost_message_is_an_error() {
        let mut member = Member::default();
        assert!(receive(&mut member, &frames::from_server(BINARY, &message(1))).is_err());
    }

    #[test]
    fn pings_and_the_close_frame_are_answered() {
        let mut member = Member::default();
        let (answers, seen) = receive(&mut member, &frames::from_server(PING, b"12345678")).expect("valid");
        assert_eq!((answers, seen.pings), (frames::from_client(PONG, b"12345678"), 1));
        let close = frames::from_server(CLOSE, &[&GOING_AWAY[..], b"bye"].concat());
        let (answers, seen) = receive(&mut member, &close).expect("valid");
        assert_eq!((answers, seen.closes), (frames::from_client(CLOSE, &GOING_AWAY), 1));
        assert!(receive(&mut member, &close).is_err(), "a second close frame");
        let abnormal = frames::from_server(CLOSE, &1011_u16.to_be_bytes());
        assert!(receive(&mut Member::default(), &abnormal).is_err());
    }
}
