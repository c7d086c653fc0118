//! The comparison of the compression of a connection with flate2, used in another way: this crate
//! sets the last bytes of a connection as the dictionary of a borrowed state, a peer keeps one
//! state for the whole connection.
//!
//! A peer compresses messages and writes any frames ([`check_read`]), reads what this crate has
//! written ([`check_written`]), or sends any bytes ([`check_stream`]).

#[expect(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a fault of the peer is a fault of the comparison, which must stop there"
)]
mod peer;
#[cfg(test)]
mod tests;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::peer::{Reader, Writer};
use super::{
    Side,
    second_opinion::{Pieces, Seen, cut, events},
};
use crate::{
    config::{Compression, CompressionMode},
    extension::{self, Agreement, LEAST_BITS, Terms, WindowMemory},
    socket::{Deflate, SizeLimits, Socket},
    wire::Message,
};

/// The way in which one side compresses.
#[derive(Clone, Copy, Debug)]
pub struct Direction {
    /// The side that reads.
    pub reader: Side,
    /// The base-2 logarithm of the window, from 8 to 15. With 8 nothing is compressed.
    pub bits: u8,
    /// Whether a message may refer to the messages before it.
    pub takes_over: bool,
    /// The level of the sender, from 1 to 9.
    pub level: u8,
}

impl Direction {
    fn agreed(self) -> extension::Direction {
        extension::Direction { bits: self.bits, takes_over: self.takes_over }
    }

    /// The compression of this crate, which reads and writes like this.
    fn deflate(self, threshold: usize) -> Box<Deflate> {
        let (send, receive) = (self.agreed(), self.agreed());
        let settings = Compression {
            mode: CompressionMode::Window,
            threshold: Some(threshold),
            level: self.level.into(),
            ..Compression::default()
        };
        Box::new(Deflate::new(Agreement { send, receive, memory: None }, &settings))
    }

    fn reading_socket(self, stream: &[u8], seed: Option<u64>, limit: usize) -> Socket<Pieces> {
        let pieces = match seed {
            None => vec![stream.to_vec()],
            Some(seed) => cut(stream, seed),
        };
        let (pieces, limits) = (Pieces::new(&pieces), SizeLimits::new(limit, None, usize::MAX));
        let socket = match self.reader {
            Side::Server => Socket::new(pieces, Bytes::new(), limits),
            #[cfg(feature = "client")]
            Side::Client => Socket::of_client(pieces, &[], limits),
        };
        socket.with_deflate(Some(self.deflate(1)))
    }
}

/// A message of a peer.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Whether it is text. Its bytes need not be UTF-8.
    pub is_text: bool,
    /// The payload.
    pub content: Content,
    /// The sizes of the frames before the last one.
    pub frames: Vec<usize>,
    /// Whether a ping is sent before each frame.
    pub is_interrupted: bool,
}

/// The payload of a message.
#[derive(Clone, Debug)]
pub enum Content {
    /// Sent uncompressed.
    Plain(Vec<u8>),
    /// Compressed by the peer, if its window allows that.
    Compressed(Vec<u8>),
    /// Sent as a compressed message, as it is.
    Deflate(Vec<u8>),
}

/// Checks that this crate reads these messages as a simple implementation of RFC 7692 does, however
/// the stream is cut. `limit` is the largest message in bytes.
///
/// # Panics
/// If it does not.
pub fn check_read(direction: Direction, messages: &[Sent], limit: usize, seed: u64) {
    let mut writer = Writer::new(direction);
    let (mut stream, mut expected) = (Vec::new(), Vec::new());
    for message in messages {
        writer.write(message, limit, &mut stream, &mut expected);
        if expected.last().is_some_and(Seen::is_last) {
            break;
        }
    }
    if !expected.last().is_some_and(Seen::is_last) {
        expected.push(Seen::Gone);
    }
    for seed in [None, Some(seed)] {
        let seen = events(direction.reading_socket(&stream, seed, limit));
        let at = seen.iter().zip(&expected).take_while(|(seen, expected)| seen == expected).count();
        assert!(
            seen == expected,
            "event {at} of {direction:?} in pieces {seed:?}: {:?} is not {:?}",
            seen.get(at),
            expected.get(at),
        );
    }
}

/// Checks that any stream gives the same events however it is cut.
///
/// # Panics
/// If it does not.
pub fn check_stream(direction: Direction, stream: &[u8], limit: usize, seed: u64) {
    let whole = events(direction.reading_socket(stream, None, limit));
    let pieces = events(direction.reading_socket(stream, Some(seed), limit));
    assert_eq!(pieces, whole, "{direction:?}");
}

/// Checks that a peer that keeps to its window reads the messages that this crate writes. Messages
/// below `threshold` bytes are not compressed.
///
/// # Panics
/// If it does not.
pub fn check_written(direction: Direction, messages: &[Message], threshold: usize) {
    let mut sink = Vec::new();
    let limits = SizeLimits::new(0, None, 0);
    let deflate = Some(direction.deflate(threshold));
    let mut socket = match direction.reader {
        // The reader is the server, so this side is a client.
        #[cfg(feature = "client")]
        Side::Server => Socket::of_client(Sink(&mut sink), &[], limits),
        #[cfg(not(feature = "client"))]
        Side::Server => return,
        #[cfg(feature = "client")]
        Side::Client => Socket::new(Sink(&mut sink), Bytes::new(), limits),
    }
    .with_deflate(deflate);
    for message in messages {
        #[cfg(feature = "client")]
        match direction.reader {
            Side::Server => socket.send(message.clone()),
            Side::Client => socket.out().message(message.clone()),
        }
        #[cfg(not(feature = "client"))]
        socket.out().message(message.clone());
    }
    let mut cx = Context::from_waker(Waker::noop());
    while socket.poll_flush(&mut cx).is_pending() {}
    drop(socket);
    let mut reader = Reader::new(direction);
    let read = reader.read(&sink, threshold);
    let expected: Vec<(bool, &[u8])> =
        messages.iter().map(|it| (matches!(it, Message::Text(_)), it.as_bytes())).collect();
    let read: Vec<(bool, &[u8])> = read.iter().map(|(is_text, bytes)| (*is_text, &bytes[..])).collect();
    assert!(read == expected, "{direction:?}, threshold {threshold}");
}

/// Returns the answer of a server to these lines of `Sec-WebSocket-Extensions`, after some checks.
///
/// # Panics
/// If the answer is not one that RFC 7692 allows for any offer.
pub fn check_answer(lines: &[&[u8]], mode: CompressionMode, window: usize) -> Option<String> {
    let settings = Compression { mode, window, ..Compression::default() };
    let terms = Terms::new(settings, WindowMemory::new(1 << 20));
    let (agreement, answer) = terms.answer(lines.iter().copied(), None)?;
    assert!((LEAST_BITS..=15).contains(&agreement.send.bits), "{answer}");
    assert!((8..=15).contains(&agreement.receive.bits), "{answer}");
    let offered = lines.concat().to_ascii_lowercase();
    let is_offered = |name: &str| offered.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(is_offered("permessage-deflate"), "{answer}");
    // A server may limit itself, and ask for no context, without an offer.
    assert!(!answer.contains("client_max_window_bits") || is_offered("client_max_window_bits"), "{answer}");
    for name in ["server_no_context_takeover", "client_no_context_takeover"] {
        // Only of the offer that was chosen, so not for more than one.
        let is_single = offered.iter().filter(|byte| **byte == b',').count() == 0 && lines.len() == 1;
        assert!(!is_single || !is_offered(name) || answer.contains(name), "{answer}");
    }
    Some(answer)
}

/// A transport that keeps what is written.
struct Sink<'a>(&'a mut Vec<u8>);

impl AsyncRead for Sink<'_> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Sink<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
