//! Tests of the socket over a scripted transport: the messages it returns, and when it holds a
//! buffer.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::wire::{Message, may_be_sent};

const LIMITS: SizeLimits = SizeLimits { message: 1 << 20, frame: 1 << 20, fragments: 3 };
/// The code that answers a fault of the protocol.
const PROTOCOL: u16 = 1002;
const UTF8: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// A transport that returns one piece per read and is pending in between. It discards all writes.
#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    is_pending: bool,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_pending) {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Pending };
        let fits = piece.len().min(into.remaining());
        into.put_slice(&piece[..fits]);
        if fits < piece.len() {
            self.pieces.push_front(piece.split_off(fits));
        } else {
            self.is_pending = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
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

/// Returns a masked client frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 11, 13, 17];
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Returns everything that the socket returns until the script ends. Calls `look` after each
/// pending read and after an error.
fn run(pieces: Vec<Vec<u8>>, mut look: impl FnMut(&Socket<Script>)) -> Vec<String> {
    let script = Script { pieces: pieces.into(), is_pending: false };
    let mut socket = Socket::new(script, Bytes::new(), LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    loop {
        match socket.poll_read(&mut cx) {
            Poll::Ready(Ok(incoming)) => seen.push(format!("{incoming:?}")),
            Poll::Ready(Err(ended)) => {
                seen.push(format!("{ended:?}"));
                look(&socket);
                return seen;
            }
            Poll::Pending => {
                look(&socket);
                if socket.io.pieces.is_empty() {
                    return seen;
                }
            }
        }
    }
}

/// Returns a pseudo-random number below `below`.
fn random(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % below
}

fn messages(state: &mut u64) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..20 {
        let payload = vec![b'x'; [0, 1, 125, 126, 3000, 40_000][random(state, 6)]];
        match random(state, 4) {
            0 => stream.extend(frame(0x81, &payload)),
            1 => stream.extend(frame(0x82, &payload)),
            2 => stream.extend(frame(0x89, b"ping")),
            _ => {
                stream.extend(frame(0x01, &payload));
                stream.extend(frame(0x8a, b"in between"));
                stream.extend(frame(0x00, b""));
                stream.extend(frame(0x80, b"end"));
            }
        }
    }
    stream
}

#[test]
fn the_messages_are_the_same_however_the_stream_is_cut() {
    for seed in 0..200 {
        let mut state = seed;
        let stream = messages(&mut state);
        let whole = run(vec![stream.clone()], |_| {});
        let mut pieces = Vec::new();
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let most = [1, 2, 7, 100, 5000, 50_000][random(&mut state, 6)];
            let (piece, left) = rest.split_at(most.min(rest.len()));
            pieces.push(piece.to_vec());
            rest = left;
        }
        assert_eq!(run(pieces, |_| {}), whole, "seed {seed}");
    }
}

#[test]
fn a_waiting_connection_has_no_input_and_has_state_only_inside_a_message() {
    let stream = [
        frame(0x81, b"whole"),
        frame(0x01, b"begun"),
        frame(0x89, b"ping"),
        frame(0x80, b"ended"),
        frame(0x82, &[0; 200]),
    ]
    .concat();
    let between = [0, 11, stream.len() - 208, stream.len()];
    for cut in 1..=stream.len() {
        let pieces = vec![stream[..cut].to_vec()];
        run(pieces, |socket| {
            assert!(socket.input.is_none(), "after {cut} bytes");
            assert_eq!(socket.frames.is_between_messages(), between.contains(&cut), "after {cut} bytes");
        });
    }
}

#[test]
fn unread_bytes_stay_with_their_connection_and_a_buffer_without_any_goes_back() {
    std::thread::spawn(|| {
        let script = Script { pieces: vec![frame(0x81, b"one").repeat(2)].into(), is_pending: false };
        let mut socket = Socket::new(script, Bytes::new(), LIMITS);
        let mut cx = Context::from_waker(Waker::noop());
        for unread in [true, false] {
            assert!(socket.poll_read(&mut cx).is_ready());
            assert!(socket.poll_flush(&mut cx).is_ready());
            assert_eq!(socket.input.is_some(), unread);
            assert_eq!(input::kept(), [usize::from(!unread), 0]);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_connection_that_fills_its_input_gets_a_larger_one_and_loses_it_again() {
    std::thread::spawn(|| {
        // With its header as large as a small input.
        let full = frame(0x81, &[b'x'; fixed::INPUT_BYTES - 8]);
        let mut sizes = Vec::new();
        run(vec![full.clone(), full, frame(0x81, b"x"), frame(0x81, b"x")], |socket| sizes.push(socket.size));
        assert_eq!(sizes, [Size::Large, Size::Large, Size::Small, Size::Small]);
        assert_eq!(input::kept(), [1, 1]);
    })
    .join()
    .unwrap();
}

#[test]
fn the_bytes_behind_the_handshake_are_read_first_and_not_kept() {
    std::thread::spawn(|| {
        let stream = [frame(0x81, b"one"), frame(0x82, &[7; 40_000]), frame(0x81, b"three")].concat();
        for cut in [1, 3, 9, 100, 20_000, stream.len()] {
            let (prefix, rest) = stream.split_at(cut);
            let script = Script { pieces: VecDeque::from([rest.to_vec()]), is_pending: false };
            let mut socket = Socket::new(script, Bytes::copy_from_slice(prefix), LIMITS);
            let mut cx = Context::from_waker(Waker::noop());
            let mut seen = Vec::new();
            while seen.len() < 3 {
                if let Poll::Ready(read) = socket.poll_read(&mut cx) {
                    let Ok(Incoming::Message(message)) = read else { panic!("{read:?}") };
                    seen.push(message.len());
                }
            }
            assert_eq!(seen, [3, 40_000, 5], "cut at {cut}");
            assert!(input::kept()[0] <= 1, "only buffers of the pool's sizes are kept");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_received_payload_owns_exactly_its_own_bytes() {
    for size in [1, 100, 20_000, 100_000, 300_000] {
        for first in [0x81, 0x82] {
            let payload = vec![b'x'; size];
            let (half, rest) = payload.split_at(size / 2);
            let fragments = [frame(first & 0x0f, half), frame(0x80, rest)].concat();
            for stream in [frame(first, &payload), fragments] {
                for piece in [1000, 17_000, stream.len()] {
                    let pieces = stream.chunks(piece).map(<[u8]>::to_vec).collect();
                    let mut socket = Socket::new(Script { pieces, is_pending: false }, Bytes::new(), LIMITS);
                    let mut cx = Context::from_waker(Waker::noop());
                    let read = loop {
                        if let Poll::Ready(read) = socket.poll_read(&mut cx) {
                            break read;
                        }
                    };
                    let Ok(Incoming::Message(message)) = read else { panic!("{read:?}") };
                    let owned = message.into_bytes().try_into_mut().expect("nothing shares it");
                    assert_eq!((owned.len(), owned.capacity()), (size, size), "in pieces of {piece}");
                }
            }
        }
    }
}

/// Checks that the last of these bytes, and none before it, is answered with this close code. The
/// bytes come from a client if `role` says so.
fn check_fault(case: &str, role: Role, limits: SizeLimits, bytes: &[u8], code: u16) {
    for cut in 1..=bytes.len() {
        // In two pieces, and with the next byte behind a pending read.
        for pieces in
            [vec![bytes[..cut].to_vec()], vec![bytes[..cut - 1].to_vec(), bytes[cut - 1..cut].to_vec()]]
        {
            let pieces = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
            let mut socket = Socket::with_role(role, Script { pieces, is_pending: false }, &[], limits);
            let mut cx = Context::from_waker(Waker::noop());
            let mut fault = None;
            while fault.is_none() && !(socket.io.pieces.is_empty() && socket.has_read_all) {
                if let Poll::Ready(Err(ended)) = socket.poll_read(&mut cx) {
                    let Ended::Fault(found) = ended else { panic!("{case}: {ended:?}") };
                    fault = Some(found);
                }
            }
            let expected = (cut == bytes.len()).then_some(code);
            assert_eq!(fault.map(|it| it.close_code()), expected, "{case}: {cut} bytes of {bytes:02x?}");
        }
    }
}

#[test]
fn each_fault_is_found_with_the_byte_that_causes_it() {
    let limits = SizeLimits { message: 300, frame: 200, fragments: 3 };
    let length = |first: u8, second: u8, bytes: &[u8]| [&[first, second], bytes].concat();
    let begun = frame(0x01, b"begun");
    let behind = |start: &[u8], next: &[u8]| [start, next].concat();
    let part = |frame: Vec<u8>, length: usize| frame[..length].to_vec();
    let check = |case, bytes: &[u8], code| check_fault(case, Role::Server, limits, bytes, code);

    for first in [0xa1, 0x91, 0xc1, 0xc9, 0x51] {
        check("a reserved bit", &[first], PROTOCOL);
    }
    for first in [0x83, 0x87, 0x8b, 0x8f, 0x03] {
        check("an unknown opcode", &[first], PROTOCOL);
    }
    for first in [0x08, 0x09, 0x0a] {
        check("a control frame without FIN", &[first], PROTOCOL);
    }
    check("a continuation of nothing", &[0x80], PROTOCOL);
    check("a continuation behind a whole message", &behind(&frame(0x81, b"x"), &[0x00]), PROTOCOL);
    check("a message inside of another one", &behind(&begun, &[0x81]), PROTOCOL);
    check("RSV1 on a continuation", &behind(&begun, &[0xc0]), PROTOCOL);
    let three = [&begun[..], &frame(0x00, b"2"), &frame(0x89, b"ping"), &frame(0x00, b"3")].concat();
    check("a fragment too many", &behind(&three, &[0x80]), TOO_BIG);

    check("no mask", &[0x82, 0x05], PROTOCOL);
    check("a long ping", &[0x89, 0x80 | 126], PROTOCOL);
    check("a longer ping", &[0x89, 0x80 | 127], PROTOCOL);
    check("a close frame of one byte", &[0x88, 0x81], PROTOCOL);

    check("the highest bit", &length(0x82, 0xff, &(1_u64 << 63).to_be_bytes()), PROTOCOL);
    check("a frame too big", &length(0x82, 0xfe, &201_u16.to_be_bytes()), TOO_BIG);
    check("an enormous frame", &length(0x82, 0xff, &(u64::MAX >> 1).to_be_bytes()), TOO_BIG);
    let most = frame(0x02, &[0; 200]);
    check("a message too big", &behind(&most, &[0x80, 0x80 | 101]), TOO_BIG);

    check("no UTF-8", &part(frame(0x81, b"ab\xffbehind"), 6 + 3), UTF8);
    check("no UTF-8 in a fragment", &behind(&begun, &part(frame(0x00, b"\xf4\x90\x80\x80"), 6 + 2)), UTF8);
    check("a text that ends inside of a character", &frame(0x81, b"ab\xe2\x82"), UTF8);
    check("the same in its last fragment", &behind(&begun, &frame(0x80, b"\xe2\x82")), UTF8);
    check("the same in an empty one", &[&frame(0x01, b"\xe2")[..], &frame(0x80, b"")].concat(), UTF8);
    check("a reason that is not UTF-8", &frame(0x88, b"\x03\xe8\xff"), UTF8);
    check("a code that may not be sent", &frame(0x88, &1005_u16.to_be_bytes()), PROTOCOL);
}

#[cfg(feature = "client")]
#[test]
fn a_client_refuses_masked_frames_and_reads_unmasked_ones() {
    check_fault("a mask", Role::Client, LIMITS, &[0x81, 0x85], PROTOCOL);
    let stream = [&[0x01, 2][..], b"ab", &[0x89, 1, b'p', 0x80, 1, b'c', 0x82, 0]].concat();
    for piece in 1..=stream.len() {
        let pieces = stream.chunks(piece).map(<[u8]>::to_vec).collect();
        let mut socket = Socket::of_client(Script { pieces, is_pending: false }, &[], LIMITS);
        let mut seen = Vec::new();
        while seen.len() < 3 {
            if let Poll::Ready(read) = socket.poll_read(&mut Context::from_waker(Waker::noop())) {
                seen.push(format!("{:?}", read.unwrap()));
            }
        }
        let expected = [
            format!("{:?}", Incoming::Ping("p".into())),
            format!("{:?}", Incoming::Message(Message::text("abc"))),
            format!("{:?}", Incoming::Message(Message::binary(Vec::new()))),
        ];
        assert_eq!(seen, expected);
        // The pong is masked.
        assert_eq!(socket.out().flatten()[..2], [0x8a, 0x81]);
    }
}

#[cfg(feature = "client")]
#[test]
fn nothing_follows_the_close_frame_of_a_client() {
    let script = Script { pieces: vec![vec![0x89, 1, b'p']].into(), is_pending: false };
    let mut socket = Socket::of_client(script, &[], LIMITS);
    socket.send_close(None);
    let queued = socket.out().len();
    assert!(socket.poll_read(&mut Context::from_waker(Waker::noop())).is_ready());
    socket.send_close(None);
    assert_eq!(socket.out().len(), queued);
}

#[test]
fn a_poll_reads_a_limited_number_of_frames_and_bytes() {
    let empty = [frame(0x01, b""), frame(0x00, b"").repeat(4 * fixed::FRAMES_A_POLL as usize)].concat();
    let messages = frame(0x81, b"").repeat(4 * fixed::FRAMES_A_POLL as usize);
    let limits = SizeLimits { fragments: usize::MAX, message: 16 << 20, frame: 16 << 20 };
    let large = frame(0x82, &vec![0; 12 * fixed::BYTES_A_POLL]);
    for (case, stream) in [("fragments", empty), ("messages", messages), ("bytes", large)] {
        // As one piece, so that the transport is never pending before its end.
        let script = Script { pieces: vec![stream].into(), is_pending: false };
        let mut socket = Socket::new(script, Bytes::new(), limits);
        let mut polls = 0;
        while polls < 4 {
            match socket.poll_read(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(read) => assert!(matches!(read, Ok(Incoming::Message(_))), "{case}: {read:?}"),
                Poll::Pending => {
                    polls += 1;
                    assert!(!socket.has_read_all(), "{case}: {polls} polls");
                }
            }
        }
    }
}

#[test]
fn a_frame_is_never_larger_than_a_message() {
    for (message, frame, expected) in [(10, None, 10), (10, Some(4), 4), (10, Some(20), 10)] {
        assert_eq!(SizeLimits::from(&Limits { message, frame, ..Limits::default() }).frame, expected);
    }
}

#[test]
fn messages_before_a_fragment_too_many_are_returned_and_the_fragment_is_not() {
    let stream = [
        frame(0x81, b"before"),
        frame(0x01, b""),
        frame(0x00, b""),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, b"one too many"),
        frame(0x81, b"behind"),
    ]
    .concat();
    let too_many = format!("{:?}", Ended::Fault(MessageError::TooManyFragments { limit: 3 }));
    for cut in 1..stream.len() {
        let seen = run(vec![stream[..cut].to_vec(), stream[cut..].to_vec()], |_| {});
        assert_eq!(seen.len(), 3, "cut at {cut}: {seen:?}");
        assert!(seen[0].contains("before") && seen[1].contains("Ping"), "cut at {cut}: {seen:?}");
        assert_eq!(seen[2], too_many, "cut at {cut}");
    }
}

/// Reads `messages` messages, then returns whether draining finds the peer's close frame in the
/// rest of these bytes.
fn is_close_seen(bytes: Vec<u8>, messages: usize, prefix: usize) -> bool {
    let (prefix, piece) = bytes.split_at(prefix);
    let script = Script {
        pieces: [piece.to_vec()].into_iter().filter(|piece| !piece.is_empty()).collect(),
        is_pending: false,
    };
    let mut socket = Socket::new(script, Bytes::copy_from_slice(prefix), LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..messages {
        assert!(socket.poll_read(&mut cx).is_ready());
    }
    socket.poll_drain(&mut cx).is_ready() && socket.has_seen_close()
}

#[test]
fn draining_finds_the_close_frame_behind_bytes_that_were_read_and_not_handled() {
    let messages =
        [frame(0x81, &[b'a'; 3000]), frame(0x81, &[b'b'; 3000]), frame(0x82, &[0x88; 5000])].concat();
    let close = frame(0x88, &1000_u16.to_be_bytes());
    let too_big = [&[0x82, 0xff][..], &(2_u64 << 20).to_be_bytes(), &[0; 4], &vec![0x88; 2 << 20]].concat();
    let fragments =
        [frame(0x01, b"1"), frame(0, b"2"), frame(0, b"3"), frame(0, b"one too many"), frame(0x80, b"")];
    for behind in [vec![], too_big, fragments.concat()] {
        let stream = [&*messages, &behind, &close].concat();
        for prefix in [0, 7, 5000, stream.len()] {
            // If bytes follow the three messages, the fourth read returns a fault.
            for read in 0..=if behind.is_empty() { 2 } else { 4 } {
                assert!(is_close_seen(stream.clone(), read, prefix), "{} {prefix} {read}", behind.len());
            }
        }
    }
}

/// A transport that accepts everything and buffers it, as TLS does, until the second flush.
#[derive(Default)]
struct Holding {
    flushes: u32,
}

impl AsyncRead for Holding {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Holding {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        if self.flushes == 1 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_transport_that_buffers_is_flushed_until_it_has_sent_everything() {
    let mut socket = Socket::new(Holding::default(), Bytes::new(), LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    socket.out().message(Message::text("hi"));
    assert!(socket.poll_flush(&mut cx).is_pending());
    assert!(socket.out().is_empty(), "the transport has taken it");
    assert!(matches!(socket.poll_flush(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(socket.io.flushes, 2);
    assert!(matches!(socket.poll_flush(&mut cx), Poll::Ready(Ok(()))));
    assert_eq!(socket.io.flushes, 2, "nothing is left to flush");
}

#[test]
fn a_close_code_is_accepted_if_and_only_if_it_may_be_sent() {
    for code in (0..=5001).chain([u16::MAX]) {
        let seen = run(vec![frame(0x88, &[&code.to_be_bytes()[..], b"why"].concat())], |_| {});
        let accepted = format!("{:?}", Incoming::Close(Some((code, "why".into()))));
        let refused = format!("{:?}", Ended::Fault(MessageError::bad_close_code()));
        assert_eq!(seen[0], if may_be_sent(code) { accepted } else { refused }, "{code}");
    }
}

#[test]
fn a_ping_carries_the_count_of_bytes_in_front_of_it_and_one_waits_at_most() {
    let mut socket = Socket::new(Holding::default(), Bytes::new(), LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    socket.out().message(Message::text("hello"));
    assert_eq!(socket.ping(), 0, "nothing is written yet");
    let queued = socket.out().len();
    assert_eq!(queued, 7 + 10);
    assert_eq!(socket.out().flatten()[7..], [&[0x89, 8][..], &7_u64.to_be_bytes()].concat());
    socket.ping();
    assert_eq!(socket.out().len(), queued, "the one that waits is enough");

    while socket.poll_flush(&mut cx).is_pending() {}
    assert_eq!(socket.ping(), 17, "written, and not confirmed");
    for (pong, unread) in [
        (&7_u64.to_be_bytes()[..], 10),
        (&5_u64.to_be_bytes(), 10),
        (b"of another ping", 10),
        (&u64::MAX.to_be_bytes(), 10),
        (&18_u64.to_be_bytes(), 10),
        (&17_u64.to_be_bytes(), 0),
    ] {
        socket.accept_pong(pong);
        assert_eq!(socket.ping(), unread, "{pong:?}");
    }
}
