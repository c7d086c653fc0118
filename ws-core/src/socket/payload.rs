//! [`Payload`]: an incomplete message. Its memory grows with the bytes that have arrived, and not
//! with the announced length.

use std::{
    io,
    pin::pin,
    task::{Context, Poll},
};

use bytes::BufMut as _;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::utf8::TextPieces;
use crate::{
    fixed,
    wire::{Message, MessageError},
};

/// The part of a frame that has not arrived yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rest {
    pub(super) bytes: usize,
    /// Whether the frame is the last one of its message.
    pub(super) is_last: bool,
}

/// The received part of a message.
#[derive(Debug)]
pub(super) enum Payload {
    Text(TextPieces),
    Binary(Vec<u8>),
}

impl Payload {
    pub(super) fn text() -> Self {
        Self::Text(TextPieces::default())
    }

    pub(super) fn binary() -> Self {
        Self::Binary(Vec::new())
    }

    /// The number of bytes that have arrived.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Appends an unmasked piece. `rest` is the rest of its frame.
    pub(super) fn push(&mut self, piece: &[u8], rest: Rest) -> Result<(), MessageError> {
        let len = self.len();
        match self {
            Self::Text(text) => {
                if text.capacity() < len + piece.len() {
                    text.reserve(room(len, piece.len(), rest));
                }
                text.push(piece)
            }
            Self::Binary(bytes) => {
                if bytes.capacity() < len + piece.len() {
                    bytes.reserve_exact(room(len, piece.len(), rest));
                }
                bytes.extend_from_slice(piece);
                Ok(())
            }
        }
    }

    /// Returns the bytes of a binary payload.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Binary(bytes) => bytes,
            // Not reachable: the payload of a compressed message is binary.
            Self::Text(_) => Vec::new(),
        }
    }

    /// Returns the message, which owns exactly its own bytes.
    pub(super) fn finish(self) -> Result<Message, MessageError> {
        Ok(match self {
            Self::Text(text) => Message::Text(text.finish()?),
            Self::Binary(bytes) => Message::binary(bytes.into_boxed_slice()),
        })
    }
}

/// Reads once from the transport and appends to these bytes, at most the rest of a frame. Zero
/// bytes mean the end of the stream.
pub(super) fn poll_append<S: AsyncRead + Unpin>(
    bytes: &mut Vec<u8>,
    rest: Rest,
    io: &mut S,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if bytes.len() == bytes.capacity() {
        bytes.reserve_exact(room(bytes.len(), 0, rest));
    }
    let most = rest.bytes.min(bytes.capacity() - bytes.len());
    let mut into = bytes.limit(most);
    // A pending read has not consumed anything, so its future need not be kept.
    pin!(io.read_buf(&mut into)).poll(cx)
}

/// Returns the number of bytes to allocate beyond `len`, for a piece that does not fit.
///
/// The allocation is limited to twice the bytes that have arrived, in steps of
/// [`fixed::PAYLOAD_STEP`]. Only the last frame has the end of the message. Before it, the
/// allocation is doubled, so that many small fragments are not copied often.
fn room(len: usize, piece: usize, rest: Rest) -> usize {
    let arrived = len + piece;
    let most = arrived.saturating_mul(2).max(1).next_multiple_of(fixed::PAYLOAD_STEP);
    let end_of_frame = arrived.saturating_add(rest.bytes);
    let wanted = if rest.is_last { end_of_frame } else { end_of_frame.max(2 * len) };
    wanted.min(most) - len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_has_arrived_and_ends_at_the_end_of_the_message() {
        let step = fixed::PAYLOAD_STEP;
        let [last, other] = [true, false].map(|is_last| move |bytes| Rest { bytes, is_last });
        for (len, piece, rest, expected) in [
            // A small message is allocated as it is announced.
            (0, 10, last(0), 10),
            (0, 10, last(90), 100),
            // A large one grows with its bytes, up to its end.
            (0, 0, last(1 << 30), step),
            (0, step, last(1 << 30), 2 * step),
            (step, 0, last(1 << 30), step),
            (step, 0, last(10), 10),
            // The end is not known yet.
            (0, 0, other(1 << 30), step),
            (0, 10, other(90), 100),
            (10, 1, other(0), 10),
            (step, 1, other(0), step),
        ] {
            assert_eq!(room(len, piece, rest), expected, "{len} {piece} {rest:?}");
        }
    }

    #[test]
    fn a_message_owns_exactly_its_own_bytes() {
        for rest in [Rest { bytes: 0, is_last: true }, Rest { bytes: 7, is_last: false }] {
            let (mut binary, mut text) = (Payload::binary(), Payload::text());
            for piece in [&[b'x'; 700][..], &[b'x'; 1], &[b'x'; 40_000], &[b'x'; 2]] {
                binary.push(piece, rest).unwrap();
                text.push(piece, rest).unwrap();
            }
            for payload in [binary, text] {
                let message = payload.finish().unwrap();
                assert_eq!(message.len(), 40_703);
                let owned = message.into_bytes().try_into_mut().unwrap();
                assert_eq!(owned.capacity(), 40_703);
            }
        }
    }
}
