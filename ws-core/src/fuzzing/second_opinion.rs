//! [`compare_with_tungstenite`]: the socket layer and tungstenite's codec read the same bytes, and
//! must return the same messages, the same kind of fault and the same close code.
//!
//! Both stand behind the trait [`Layer`]. The differences that are intended are listed where they
//! are compared, each with its reason. Any other difference is a failure.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::{
    Error as WsError, Message as Ws,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use crate::{
    socket::{Ended, Incoming, SizeLimits, Socket},
    wire::Message,
};

/// One event of a stream of frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// A fault of the peer, with the close code that answers it.
    Fault(u16),
    /// The stream ended without a close frame.
    Gone,
}

impl Seen {
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Fault(_) | Self::Gone)
    }
}

/// How a stream is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// The side that reads.
    pub side: Side,
    /// The limit of a message in bytes.
    pub message: usize,
    /// The limit of a frame in bytes. A limit above that of a message is the same as that.
    pub frame: usize,
    /// Determines where the stream is cut into pieces.
    pub seed: u64,
}

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Reads frames of a client, which are masked.
    Server,
    /// Reads frames of a server, which are not.
    #[cfg(feature = "client")]
    Client,
}

/// An implementation of RFC 6455 that reads frames.
trait Layer {
    /// Reads these pieces and then the end of the stream. Returns all events, the last one
    /// included.
    fn read(pieces: &[Vec<u8>], reading: Reading) -> Vec<Seen>;
}

/// This crate's layer.
struct Own;

impl Layer for Own {
    fn read(pieces: &[Vec<u8>], reading: Reading) -> Vec<Seen> {
        let limits = SizeLimits::new(reading.message, Some(reading.frame), usize::MAX);
        let pieces = Pieces::new(pieces);
        let socket = match reading.side {
            Side::Server => Socket::new(pieces, Bytes::new(), limits),
            #[cfg(feature = "client")]
            Side::Client => Socket::of_client(pieces, &[], limits),
        };
        events(socket)
    }
}

/// Returns all events of a socket, the last one included.
pub(super) fn events<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>) -> Vec<Seen> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    while !seen.last().is_some_and(Seen::is_last) {
        let Poll::Ready(read) = socket.poll_read(&mut cx) else { continue };
        seen.push(match read {
            Ok(Incoming::Message(Message::Text(text))) => Seen::Text(text.into()),
            Ok(Incoming::Message(Message::Binary(bytes))) => Seen::Binary(bytes.into()),
            Ok(Incoming::Ping(payload)) => Seen::Ping(payload.into()),
            Ok(Incoming::Pong(payload)) => Seen::Pong(payload.into()),
            Ok(Incoming::Close(close)) => Seen::Close(close.map(|(code, reason)| (code, reason.into()))),
            Err(Ended::Fault(fault)) => Seen::Fault(fault.close_code()),
            Err(Ended::Gone(_)) => Seen::Gone,
        });
    }
    seen
}

/// The codec of tungstenite.
struct Tungstenite;

impl Layer for Tungstenite {
    fn read(pieces: &[Vec<u8>], reading: Reading) -> Vec<Seen> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(reading.message))
            .max_frame_size(Some(reading.frame.min(reading.message)))
            .read_buffer_size(1 << 10);
        let role = match reading.side {
            Side::Server => Role::Server,
            #[cfg(feature = "client")]
            Side::Client => Role::Client,
        };
        let mut codec = WebSocketContext::new(role, Some(config));
        let mut stream = Pieces::new(pieces);
        let mut seen = Vec::new();
        while !seen.last().is_some_and(Seen::is_last) {
            seen.push(match codec.read(&mut stream) {
                Ok(Ws::Text(text)) => Seen::Text(text.as_str().into()),
                Ok(Ws::Binary(bytes)) => Seen::Binary(bytes.into()),
                Ok(Ws::Ping(payload)) => Seen::Ping(payload.into()),
                Ok(Ws::Pong(payload)) => Seen::Pong(payload.into()),
                // Stands for a code that the codec does not accept. A peer may send the same frame
                // itself; see `is_intended`.
                Ok(Ws::Close(Some(frame))) if u16::from(frame.code) == 1002 && frame.reason == REPLACED => {
                    Seen::Fault(1002)
                }
                Ok(Ws::Close(frame)) => {
                    Seen::Close(frame.map(|frame| (frame.code.into(), frame.reason.as_str().into())))
                }
                // Not returned by a read.
                Ok(Ws::Frame(_)) => continue,
                Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(WsError::Utf8(_)) => Seen::Fault(1007),
                Err(WsError::Capacity(_)) => Seen::Fault(1009),
                Err(
                    WsError::Io(_)
                    | WsError::ConnectionClosed
                    | WsError::AlreadyClosed
                    | WsError::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ) => Seen::Gone,
                Err(_) => Seen::Fault(1002),
            });
        }
        seen
    }
}

/// The reason that tungstenite puts beside 1002 in place of a close code that it does not accept.
const REPLACED: &str = "Protocol violation";

/// Compares the two layers on one stream.
///
/// # Panics
/// If they disagree.
pub fn compare_with_tungstenite(bytes: &[u8], reading: Reading) {
    let own = Own::read(&cut(bytes, reading.seed), reading);
    let other = Tungstenite::read(&cut(bytes, !reading.seed), reading);
    if own == other {
        return;
    }
    let other = judged(&own, other, bytes, reading);
    let at = own.iter().zip(&other).take_while(|(own, other)| own == other).count();
    let intended = match (own.get(at), other.get(at)) {
        (None, None) => true,
        // RFC 6455 section 5.5 limits a control frame to 125 bytes, so its length needs no longer
        // encoding. This crate refuses one with the second byte, before the length itself.
        (Some(Seen::Fault(1002)), Some(_)) if has_long_control(bytes) => true,
        (Some(own), Some(other)) => is_intended(own, other),
        _ => false,
    };
    assert!(intended, "event {at} of {bytes:02x?} with {reading:?}: {own:?} is not {other:?}");
}

/// Returns the events of tungstenite, with the last frame completed if this crate has found a
/// fault.
///
/// Intended: tungstenite judges complete frames only, and finds nothing if the stream ends before.
/// This crate judges a header byte by byte, and text with each piece of it, so that a fault ends
/// the connection before more is received and kept for it.
fn judged(own: &[Seen], other: Vec<Seen>, bytes: &[u8], reading: Reading) -> Vec<Seen> {
    match (own.last(), other.last()) {
        (Some(Seen::Fault(_)), Some(Seen::Gone)) => {
            let longest_frame = 14 + reading.frame;
            Tungstenite::read(&[[bytes, &vec![0; longest_frame]].concat()], reading)
        }
        _ => other,
    }
}

/// Whether two events differ as they are intended to.
fn is_intended(own: &Seen, other: &Seen) -> bool {
    match (own, other) {
        // 1014 is in the registry of close codes of RFC 6455 section 11.7; tungstenite rejects it.
        (Seen::Close(Some((1014, _))), Seen::Fault(1002)) => true,
        // A peer may send what tungstenite puts in place of a code that it rejects.
        (Seen::Close(Some((1002, reason))), Seen::Fault(1002)) => reason == REPLACED,
        // A header that breaks the protocol is refused for that before its length is known.
        // tungstenite looks at the length first.
        (Seen::Fault(1002), Seen::Fault(1009)) => true,
        _ => false,
    }
}

/// Whether a control frame of this stream has its length in more than one byte.
fn has_long_control(mut bytes: &[u8]) -> bool {
    while let [first, second, rest @ ..] = bytes {
        let length = match second & 0x7f {
            126 | 127 if first & 0x08 != 0 => return true,
            126 => rest.first_chunk().map(|it| (2, u64::from(u16::from_be_bytes(*it)))),
            127 => rest.first_chunk().map(|it| (8, u64::from_be_bytes(*it))),
            length => Some((0, u64::from(length))),
        };
        let Some((extended, length)) = length else { return false };
        let behind = length.saturating_add(extended + u64::from(second >> 7) * 4);
        bytes = usize::try_from(behind).ok().and_then(|behind| rest.get(behind..)).unwrap_or_default();
    }
    false
}

/// Cuts the bytes into pieces of random sizes.
pub(super) fn cut(bytes: &[u8], seed: u64) -> Vec<Vec<u8>> {
    let mut state = seed;
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (choice, most) = ((state >> 33) as usize % 6, [1, 3, 14, 200, 20_000, usize::MAX]);
        let size = most.get(choice).copied().unwrap_or(1).min(rest.len());
        let (piece, behind) = rest.split_at(size);
        pieces.push(piece.to_vec());
        rest = behind;
    }
    pieces
}

/// A transport that returns one piece per read, is pending in between, and then ends. It discards
/// all writes.
pub(super) struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    is_pending: bool,
}

impl Pieces {
    pub(super) fn new(pieces: &[Vec<u8>]) -> Self {
        Self { pieces: pieces.to_vec().into(), is_pending: false }
    }

    /// Returns at most this many bytes of the next piece; none at the end.
    fn next_piece(&mut self, most: usize) -> Poll<Vec<u8>> {
        if std::mem::take(&mut self.is_pending) {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Ready(Vec::new()) };
        if most < piece.len() {
            self.pieces.push_front(piece.split_off(most));
        } else {
            self.is_pending = true;
        }
        Poll::Ready(piece)
    }
}

impl Read for Pieces {
    fn read(&mut self, mut into: &mut [u8]) -> io::Result<usize> {
        match self.next_piece(into.len()) {
            Poll::Ready(piece) => into.write(&piece),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.next_piece(into.remaining()).map(|piece| {
            into.put_slice(&piece);
            Ok(())
        })
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame as a peer may send it, which is not always right.
    #[derive(Clone, Debug)]
    struct Frame {
        first: u8,
        /// Whether it is masked as its sender must.
        is_masked_well: bool,
        mask: [u8; 4],
        /// The number of bytes of the length field, if it is not the shortest that fits.
        extended: Option<usize>,
        payload: Vec<u8>,
    }

    impl Frame {
        fn bytes(&self, reader: Side) -> Vec<u8> {
            let is_masked = self.is_masked_well == (reader == Side::Server);
            let length = self.payload.len();
            let shortest = match length {
                0..126 => 0,
                126..65_536 => 2,
                _ => 8,
            };
            let extended = self.extended.unwrap_or(0).max(shortest);
            let short = match extended {
                0 => length as u8,
                2 => 126,
                _ => 127,
            };
            let mut bytes = vec![self.first, u8::from(is_masked) << 7 | short];
            bytes.extend(&(length as u64).to_be_bytes()[8 - extended..]);
            let mask = if is_masked { self.mask } else { [0; 4] };
            if is_masked {
                bytes.extend(mask);
            }
            bytes.extend(self.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
            bytes
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        "[a-zß€𝄞\u{0}]{0,40}".prop_map(String::into_bytes)
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            6 => text(),
            2 => prop::collection::vec(any::<u8>(), 0..140),
            // Text that ends inside of a character, or goes on with the rest of one.
            2 => (text(), 0_usize..4).prop_map(|(text, cut)| text[cut.min(text.len())..].to_vec()),
            2 => (text(), 1_usize..4).prop_map(|(text, cut)| text[..text.len().saturating_sub(cut)].to_vec()),
            // Long ones, with a fault near the end of some.
            1 => (text(), 1_usize..2000).prop_map(|(text, times)| text.repeat(times)),
            1 => (text(), 1_usize..2000, any::<u8>()).prop_map(|(text, times, last)| {
                [text.repeat(times), vec![last, b'x']].concat()
            }),
            2 => (prop_oneof![980_u16..5010, any::<u16>()], text())
                .prop_map(|(code, reason)| [&code.to_be_bytes()[..], &reason].concat()),
        ]
    }

    fn first_byte() -> impl Strategy<Value = u8> {
        prop_oneof![
            // Whole messages, then fragments, control frames, faults, and anything.
            6 => prop::sample::select(vec![0x81, 0x82]),
            6 => prop::sample::select(vec![0x01, 0x02, 0x00, 0x00, 0x80]),
            4 => prop::sample::select(vec![0x89, 0x8a]),
            1 => Just(0x88),
            1 => prop::sample::select(vec![0x08, 0x09, 0x0a, 0xc1, 0x22, 0x50, 0x83, 0x8b]),
            1 => any::<u8>(),
        ]
    }

    fn any_frame() -> impl Strategy<Value = Frame> {
        let extended = prop_oneof![9 => Just(None), 1 => prop::sample::select(vec![Some(2), Some(8)])];
        (first_byte(), prop::bool::weighted(0.98), any::<[u8; 4]>(), extended, payload()).prop_map(
            |(first, is_masked_well, mask, extended, mut payload)| {
                // Most control frames have a length that they may have.
                if first & 0x08 != 0 && mask[0] < 250 {
                    payload.truncate(125);
                }
                Frame { first, is_masked_well, mask, extended, payload }
            },
        )
    }

    fn side() -> impl Strategy<Value = Side> {
        prop::sample::select(vec![
            Side::Server,
            #[cfg(feature = "client")]
            Side::Client,
        ])
    }

    /// A stream and its reader.
    fn stream() -> impl Strategy<Value = (Vec<u8>, Side)> {
        let frames = prop::collection::vec(any_frame(), 0..12);
        // Some streams end early, some go on with an announced length, some with noise.
        let end = prop_oneof![
            3 => Just(None),
            1 => any::<prop::sample::Index>().prop_map(Some),
        ];
        let behind = prop_oneof![
            5 => Just(Vec::new()),
            1 => prop::collection::vec(any::<u8>(), 0..30),
            1 => any::<u64>().prop_map(|length| [&[0x82, 0xff][..], &length.to_be_bytes(), &[0; 9]].concat()),
        ];
        (frames, end, behind, side()).prop_map(|(frames, end, behind, side)| {
            let mut bytes = frames.iter().flat_map(|frame| frame.bytes(side)).collect::<Vec<_>>();
            if let Some(end) = end {
                bytes.truncate(end.index(bytes.len() + 1));
            }
            ([bytes, behind].concat(), side)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn the_layer_reads_what_tungstenite_reads(
            (bytes, side) in stream(),
            message in prop::sample::select(vec![0, 64, 125, 1 << 10, 1 << 20]),
            frame in prop::sample::select(vec![16, 125, 1 << 10, 1 << 20]),
            seed in any::<u64>(),
        ) {
            compare_with_tungstenite(&bytes, Reading { side, message, frame, seed });
        }
    }

    #[test]
    fn every_close_code_is_read_as_tungstenite_reads_it() {
        for code in 0..=u16::MAX {
            let payload = [&code.to_be_bytes()[..], b"why"].concat();
            let frame =
                Frame { first: 0x88, is_masked_well: true, mask: [1, 2, 3, 4], extended: None, payload };
            let side = Side::Server;
            let reading = Reading { side, message: 1 << 10, frame: 1 << 10, seed: code.into() };
            compare_with_tungstenite(&frame.bytes(side), reading);
        }
    }
}
