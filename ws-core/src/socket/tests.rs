//! Tests of the socket over a scripted transport: the messages it returns, and when it holds a
//! codec.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::wire::{Message, may_be_sent};

const LIMITS: SizeLimits = SizeLimits { message: 1 << 20, frame: 1 << 20, fragments: 3 };

/// A transport that returns one piece per read and is pending in between. It discards all writes.
#[derive(Default)]
struct Script {
    pieces: VecDeque<Vec<u8>>,
    is_dry: bool,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_dry) {
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else { return Poll::Pending };
        let fits = piece.len().min(into.remaining());
        into.put_slice(&piece[..fits]);
        if fits < piece.len() {
            self.pieces.push_front(piece.split_off(fits));
        } else {
            self.is_dry = true;
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
    let script = Script { pieces: pieces.into(), is_dry: false };
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
fn whatever_the_pieces_the_same_comes_out_as_from_one_codec() {
    for seed in 0..200 {
        let mut state = seed;
        let stream = messages(&mut state);
        // If all bytes arrive in one piece, the codec is given back only after all are read.
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
fn a_connection_has_a_codec_only_in_the_middle_of_a_message() {
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
        run(pieces, |socket| assert_eq!(socket.codec.is_none(), between.contains(&cut), "after {cut} bytes"));
    }
}

#[test]
fn a_codec_that_saw_a_fault_is_not_given_back() {
    std::thread::spawn(|| {
        let seen = run(vec![frame(0x81, b"ok"), vec![0xff; 20]], |_| {});
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(pool::kept(), (0, 0));
        run(vec![frame(0x81, b"ok")], |_| {});
        assert_eq!(pool::kept(), (1, 0));
    })
    .join()
    .unwrap();
}

#[test]
fn large_messages_get_large_buffers_and_leave_them_again() {
    std::thread::spawn(|| {
        let large = frame(0x82, &[0; 40_000]);
        let mut sizes = Vec::new();
        run(vec![large.clone(), large, frame(0x82, &[0; 10]), frame(0x82, &[0; 10])], |socket| {
            sizes.push(socket.size);
        });
        assert_eq!(sizes.last(), Some(&Size::Small));
        assert!(sizes.contains(&Size::Large));
        assert_eq!(pool::kept(), (1, 1), "the small one that grew was dropped");
    })
    .join()
    .unwrap();
}

#[test]
fn a_large_codec_stays_until_the_messages_that_share_its_buffer_are_written() {
    std::thread::spawn(|| {
        let large = frame(0x82, &[0; 40_000]);
        let script = Script { pieces: vec![large.clone(), large].into(), is_dry: false };
        let mut socket = Socket::new(script, Bytes::new(), LIMITS);
        let mut cx = Context::from_waker(Waker::noop());
        let mut echoed = 0;
        for _ in 0..8 {
            while let Poll::Ready(read) = socket.poll_read(&mut cx) {
                let Ok(Incoming::Message(message)) = read else { panic!("{read:?}") };
                socket.out().message(message);
                echoed += 1;
            }
            let is_large = socket.codec.as_ref().is_some_and(|codec| codec.is_large());
            assert_eq!(is_large, echoed == 2 && !socket.out().is_empty());
            if is_large {
                assert!(matches!(socket.poll_flush(&mut cx), Poll::Ready(Ok(()))));
                assert!(socket.codec.is_none());
                assert_eq!(pool::kept().1, 1);
            } else if echoed == 1 {
                assert!(matches!(socket.poll_flush(&mut cx), Poll::Ready(Ok(()))));
            }
        }
        assert_eq!(echoed, 2);
    })
    .join()
    .unwrap();
}

#[test]
fn a_frame_is_never_larger_than_a_message() {
    for (message, frame, expected) in [(10, None, 10), (10, Some(4), 4), (10, Some(20), 10)] {
        assert_eq!(SizeLimits::from(&Limits { message, frame, ..Limits::default() }).frame, expected);
    }
}

#[test]
fn limits_go_with_the_connection_not_with_the_codec() {
    std::thread::spawn(|| {
        run(vec![frame(0x82, &[0; 100])], |_| {});
        assert_eq!(pool::kept(), (1, 0));
        let script = Script { pieces: vec![frame(0x82, &[0; 100])].into(), is_dry: false };
        let mut socket = Socket::new(script, Bytes::new(), SizeLimits { message: 99, frame: 99, ..LIMITS });
        let read = socket.poll_read(&mut Context::from_waker(Waker::noop()));
        let too_big = MessageError::TooBig { size: 100, limit: 99 };
        assert!(matches!(&read, Poll::Ready(Err(Ended::Fault(fault))) if *fault == too_big), "{read:?}");
    })
    .join()
    .unwrap();
}

#[test]
fn what_came_before_a_fragment_too_many_is_handed_out_and_the_fragment_is_not() {
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
        is_dry: false,
    };
    let mut socket = Socket::new(script, Bytes::copy_from_slice(prefix), LIMITS);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..messages {
        assert!(socket.poll_read(&mut cx).is_ready());
    }
    socket.poll_drain(&mut cx).is_ready() && socket.has_seen_close()
}

#[test]
fn draining_finds_the_close_frame_behind_what_was_read_and_not_handled() {
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
fn what_a_transport_holds_back_is_flushed_until_it_lets_go() {
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
        socket.ponged(pong);
        assert_eq!(socket.ping(), unread, "{pong:?}");
    }
}
