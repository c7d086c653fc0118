use std::{
    io, iter,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{compress::Pause, *};
use crate::{config::CompressionMode, extension::MOST_BITS};

const LIMIT: usize = 1 << 20;

fn direction(bits: u8, takes_over: bool) -> Direction {
    Direction { bits, takes_over }
}

fn deflate(send: Direction, receive: Direction) -> Deflate {
    let settings =
        Compression { mode: CompressionMode::Window, threshold: Some(1), ..Compression::default() };
    Deflate::new(Agreement { send, receive, memory: None }, &settings)
}

/// Both ends of a connection.
fn pair(direction: Direction) -> (Deflate, Deflate) {
    (deflate(direction, direction), deflate(direction, direction))
}

/// Compresses what is queued, slice by slice, and returns the frames.
fn sent(deflate: &mut Deflate) -> Vec<u8> {
    let mut all = Vec::new();
    while deflate.waiting() > 0 {
        let (mut out, mut budget) = (OutQueue::default(), fixed::COMPRESSED_A_POLL);
        deflate.advance(&mut out, Role::Server, &mut budget);
        all.extend_from_slice(&out.flatten());
    }
    all
}

/// The first byte of a frame, and its payload.
fn frame(bytes: &[u8]) -> (u8, &[u8]) {
    let header = super::super::header::Header::read(bytes).unwrap();
    assert_eq!(bytes.len(), header.size + header.length as usize, "one frame");
    (header.first, &bytes[header.size..])
}

/// Decompresses a payload in all its slices.
fn received(deflate: &mut Deflate, payload: &[u8], limit: usize) -> Result<Message, MessageError> {
    let mut message = deflate.inflate(MessageKind::Binary, Cow::Borrowed(payload), limit)?;
    while message.is_none() {
        assert!(deflate.is_inflating());
        message = deflate.resume(limit)?;
    }
    assert!(!deflate.is_inflating());
    Ok(message.unwrap())
}

/// Text as an application sends it.
fn text(number: usize, length: usize) -> Vec<u8> {
    let words = (number..).flat_map(|it| {
        format!("{{\"event\":\"moved\",\"data\":{{\"x\":{},\"y\":{}}}}}", it * 7919 % 1000, it * 31 % 500)
            .into_bytes()
    });
    words.take(length).collect()
}

/// Bytes that do not become smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    next.take(length).collect()
}

#[test]
fn messages_of_all_sizes_arrive_with_and_without_a_window() {
    for bits in 9..=MOST_BITS {
        for takes_over in [false, true] {
            let (mut here, mut there) = pair(direction(bits, takes_over));
            for (number, length) in [1, 10, 125, 500, 5000, 70_000, 300_000, 3, 900].into_iter().enumerate() {
                let message = text(number, length);
                here.plain().message(Message::binary(message.clone()));
                let frames = sent(&mut here);
                let (first, payload) = frame(&frames);
                let back = match first {
                    0xc2 => {
                        assert!(payload.len() < length);
                        received(&mut there, payload, LIMIT).unwrap()
                    }
                    0x82 => Message::from(payload),
                    other => panic!("{other:x}"),
                };
                assert!(back.as_bytes() == message, "{length} bytes with {bits} bits, {takes_over}");
            }
        }
    }
}

#[test]
fn a_window_makes_similar_messages_smaller() {
    let sizes = [false, true].map(|takes_over| {
        let (mut here, _) = pair(direction(12, takes_over));
        here.plain().message(Message::binary(text(1, 300)));
        sent(&mut here);
        here.plain().message(Message::binary(text(2, 300)));
        sent(&mut here).len()
    });
    assert!(sizes[1] * 2 < sizes[0], "{sizes:?}");
}

#[test]
fn a_message_that_does_not_become_smaller_is_sent_as_it_is_and_is_not_in_the_window() {
    let (mut here, mut there) = pair(direction(15, true));
    for length in [1, 100, 5000, 100_000] {
        let message = noise(length);
        here.plain().message(Message::binary(message.clone()));
        let frames = sent(&mut here);
        assert_eq!(frame(&frames), (0x82, &message[..]));
        // Both windows are still the same.
        here.plain().message(Message::binary(text(length, 2000)));
        let frames = sent(&mut here);
        let (first, payload) = frame(&frames);
        assert_eq!(first, 0xc2);
        assert_eq!(received(&mut there, payload, LIMIT).unwrap().as_bytes(), text(length, 2000));
    }
}

#[test]
fn any_number_of_messages_that_do_not_become_smaller_leave_a_usable_compressor() {
    for takes_over in [false, true] {
        let (mut here, mut there) = pair(direction(12, takes_over));
        for length in iter::repeat_n(1024, 300).chain([70_000; 20]) {
            here.plain().message(Message::binary(noise(length)));
            assert_eq!(frame(&sent(&mut here)).0, 0x82);
        }
        here.plain().message(Message::binary(text(1, 2000)));
        let frames = sent(&mut here);
        assert_eq!(received(&mut there, frame(&frames).1, LIMIT).unwrap().as_bytes(), text(1, 2000));
    }
}

#[test]
fn control_frames_and_small_messages_stay_plain_and_in_order() {
    let settings = Compression { threshold: Some(100), ..Compression::per_message() };
    let way = direction(15, false);
    let mut deflate = Deflate::new(Agreement { send: way, receive: way, memory: None }, &settings);
    let plain = deflate.plain();
    plain.ping(text(1, 120).into());
    plain.message(Message::binary(text(1, 99)));
    plain.message(Message::text(""));
    plain.message(Message::binary(text(1, 100)));
    plain.close(None);
    let frames = sent(&mut deflate);
    let mut rest = &frames[..];
    let mut firsts = Vec::new();
    while let Some(header) = super::super::header::Header::read(rest) {
        firsts.push((header.first, header.length));
        rest = &rest[header.size + header.length as usize..];
    }
    let [ping, small, empty, (first, size), close] = firsts[..] else { panic!("{firsts:?}") };
    assert_eq!([ping, small, empty, close], [(0x89, 120), (0x82, 99), (0x81, 0), (0x88, 0)]);
    assert!(first == 0xc2 && size < 100);
}

#[test]
fn a_shared_message_is_compressed_once_and_sent_as_it_is() {
    let way = direction(15, false);
    let (mut first, mut second) = (deflate(way, way), deflate(way, way));
    let mut shared = crate::socket::SharedFrame::new(crate::socket::encode(Message::binary(text(1, 3000))));
    let mut sent_by = |deflate: &mut Deflate| {
        let format = deflate.shared_format();
        shared.prepare(format);
        deflate.plain().shared(shared.in_format(format));
        sent(deflate)
    };
    let frames = [sent_by(&mut first), sent_by(&mut second)];
    assert_eq!(frames[0], frames[1]);
    let (opcode, payload) = frame(&frames[0]);
    assert_eq!(opcode, 0xc2);
    assert_eq!(received(&mut first, payload, LIMIT).unwrap().as_bytes(), text(1, 3000));
    let (_, mut counted) = (payload, CompressedBytes::default());
    counted.sent(3000, payload.len());
    assert_eq!(second.settle(), Some(counted));
    assert!(deflate(direction(15, true), way).shared_format().is_none(), "it has a window");

    let noise = noise(3000);
    let mut shared = crate::socket::SharedFrame::new(crate::socket::encode(Message::binary(noise.clone())));
    let format = first.shared_format();
    first.settle();
    shared.prepare(format);
    first.plain().shared(shared.in_format(format));
    let frames = sent(&mut first);
    assert_eq!(frame(&frames), (0x82, &noise[..]));
    assert_eq!(first.settle(), Some(CompressedBytes::default()), "nothing was compressed");
}

#[test]
fn a_bomb_is_found_at_the_limit_and_takes_no_more_memory() {
    let (mut here, mut there) = pair(direction(15, false));
    here.plain().message(Message::binary(vec![0; 8 << 20]));
    let frames = sent(&mut here);
    let (_, payload) = frame(&frames);
    assert!(payload.len() < 100_000, "{}", payload.len());
    for limit in [1, 100, 4096, (1 << 20) - 1, 1 << 20, (8 << 20) - 1] {
        let error = received(&mut there, payload, limit).unwrap_err();
        assert_eq!(error, MessageError::TooBig { size: limit + 1, limit }, "{limit}");
    }
    assert_eq!(received(&mut there, payload, 8 << 20).unwrap().len(), 8 << 20);
}

#[test]
fn only_a_message_that_ends_at_a_block_is_valid() {
    let way = direction(15, false);
    // From RFC 7692 section 7.2.3.
    let hello: [(&str, &[u8]); 4] = [
        ("one compressed block", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        ("without compression", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]),
        ("a last block", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]),
        ("two blocks", &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]),
    ];
    for (name, payload) in hello {
        let message = received(&mut deflate(way, way), payload, LIMIT).unwrap();
        assert_eq!(message.as_bytes(), b"Hello", "{name}");
    }
    for payload in [&[][..], &[0x00], &[0x02, 0x00]] {
        assert!(received(&mut deflate(way, way), payload, LIMIT).unwrap().is_empty(), "{payload:x?}");
    }
    for (name, payload) in [
        ("a cut block", &[0xf2, 0x48, 0xcd][..]),
        ("an invalid block type", &[0x07, 0x00]),
        ("a distance before the start", &[0x02, 0x13, 0x00, 0x00]),
        ("a stored block with a wrong length", &[0x00, 0x05, 0x00, 0xfa, 0xfe, 0x48]),
        ("bytes behind the end", &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]),
        ("its own end", &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00, 0x00, 0xff, 0xff, 0x03, 0x00]),
    ] {
        let error = received(&mut deflate(way, way), payload, LIMIT).unwrap_err();
        assert_eq!(error, MessageError::Compression, "{name}");
    }
}

#[test]
fn a_message_may_have_a_few_last_blocks() {
    let way = direction(15, false);
    // "Hello" as a last block, again and again, then an empty block.
    let hello = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for (count, expected) in [(1, true), (7, true), (8, true), (9, false), (500, false)] {
        let payload = [hello.repeat(count), vec![0x00]].concat();
        let result = received(&mut deflate(way, way), &payload, LIMIT);
        assert_eq!(result.as_ref().map(Message::len).ok(), expected.then_some(5 * count), "{count}");
    }
}

#[test]
fn text_is_checked_after_it_is_decompressed() {
    let (mut here, mut there) = pair(direction(15, false));
    for (bytes, is_text) in [("κόσμε".repeat(50).into_bytes(), true), (b"\xce\xba\xff".repeat(50), false)]
    {
        here.plain().message(Message::binary(bytes));
        let frames = sent(&mut here);
        let message = there.inflate(MessageKind::Text, Cow::Borrowed(frame(&frames).1), LIMIT);
        match message {
            Ok(Some(Message::Text(_))) => assert!(is_text),
            Err(MessageError::Utf8) => assert!(!is_text),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_message_reaches_the_next_connection_of_the_thread() {
    let way = direction(15, true);
    let secret = b"the secret of another connection ".repeat(20);
    let (mut here, mut there) = pair(way);
    here.plain().message(Message::binary(secret.clone()));
    let first = sent(&mut here);
    received(&mut there, frame(&first).1, LIMIT).unwrap();
    // The second message refers to the first one.
    here.plain().message(Message::binary(secret));
    let second = sent(&mut here);
    let mut stranger = deflate(way, way);
    assert_eq!(received(&mut stranger, frame(&second).1, LIMIT), Err(MessageError::Compression));
}

#[test]
fn an_idle_connection_keeps_its_windows_and_nothing_else() {
    let (mut here, mut there) = pair(direction(9, true));
    here.plain().message(Message::binary(text(1, 100_000)));
    let frames = sent(&mut here);
    received(&mut there, frame(&frames).1, LIMIT).unwrap();
    for deflate in [&mut here, &mut there] {
        assert!(deflate.settle().is_some());
        assert!(deflate.busy.is_none());
        assert!(deflate.settle().is_none());
    }
    assert!(size_of::<Deflate>() <= 32, "{}", size_of::<Deflate>());
    assert_eq!(here.windows.unwrap().sent.bytes(), &text(1, 100_000)[100_000 - 512..]);
}

#[test]
fn a_large_message_is_compressed_and_decompressed_in_slices() {
    let (mut here, mut there) = pair(direction(15, true));
    here.plain().message(Message::binary(text(1, 1_000_000)));
    let mut out = OutQueue::default();
    let mut slices = 0;
    while here.waiting() > 0 {
        assert!(out.is_empty(), "the message is one frame");
        let mut budget = fixed::COMPRESSED_A_POLL;
        here.advance(&mut out, Role::Server, &mut budget);
        slices += 1;
    }
    assert_eq!(slices, 1_000_000 / fixed::COMPRESSED_A_POLL + 1);
    let frames = out.flatten();
    let mut message = there.inflate(MessageKind::Binary, Cow::Borrowed(frame(&frames).1), LIMIT).unwrap();
    let mut slices = 1;
    while message.is_none() {
        assert!(there.take_inflated() < 2 * fixed::INFLATED_A_POLL);
        message = there.resume(LIMIT).unwrap();
        slices += 1;
    }
    assert!(slices >= 3, "{slices}");
    assert!(message.unwrap().as_bytes() == text(1, 1_000_000));
}

#[test]
fn a_message_without_output_is_decompressed_in_slices_too() {
    let way = direction(15, false);
    // Empty blocks take time and have no output.
    let payload = [[0x00, 0x00, 0x00, 0xff, 0xff].repeat(60_000), vec![0x00]].concat();
    let mut there = deflate(way, way);
    let mut message = there.inflate(MessageKind::Binary, Cow::Borrowed(&payload), LIMIT).unwrap();
    let mut slices = 1;
    while message.is_none() {
        message = there.resume(LIMIT).unwrap();
        slices += 1;
    }
    assert_eq!(slices, payload.len() / fixed::INFLATED_INPUT_A_POLL + 1);
    assert!(message.unwrap().is_empty());
}

#[test]
fn the_window_of_each_message_counts_as_compressed_bytes() {
    let (mut here, _) = pair(direction(15, true));
    here.plain().message(Message::binary(text(1, 60_000)));
    sent(&mut here);
    for number in 0..20 {
        here.plain().message(Message::binary(text(number, 100)));
    }
    let (mut out, mut budget) = (OutQueue::default(), fixed::COMPRESSED_A_POLL);
    here.advance(&mut out, Role::Server, &mut budget);
    assert_eq!(budget, 0);
    assert!(here.waiting() > 17 * 100, "two windows are all that a poll may take");
    assert!(!sent(&mut here).is_empty());
}

#[test]
fn a_fault_is_the_same_whatever_the_thread_has_decompressed_before() {
    let way = direction(15, false);
    let (mut here, mut there) = pair(way);
    here.plain().message(Message::binary(vec![0; 1000]));
    let frames = sent(&mut here);
    // More than the limit, and then a broken block.
    let payload = [frame(&frames).1, &[0x00, 0x00, 0xff, 0xff, 0xff]].concat();
    let fresh = received(&mut there, &payload, 100);
    here.plain().message(Message::binary(text(1, 10_000)));
    let frames = sent(&mut here);
    received(&mut there, frame(&frames).1, LIMIT).unwrap();
    assert_eq!(received(&mut there, &payload, 100), fresh);
    assert_eq!(fresh, Err(MessageError::TooBig { size: 101, limit: 100 }));
}

/// A transport that accepts no bytes.
struct Full;

impl AsyncRead for Full {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_peer_that_does_not_read_holds_no_compressor() {
    let way = direction(15, false);
    let limits = crate::socket::SizeLimits::new(LIMIT, None, 1);
    let mut socket = crate::socket::Socket::new(Full, Bytes::new(), limits);
    socket.deflate = Some(Box::new(deflate(way, way)));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    // Something is being written already, and it is less than a backlog.
    for number in 0..3 {
        socket.out().message(Message::binary(text(number, 300_000)));
    }
    let mut polls = 0;
    loop {
        polls += 1;
        assert!(socket.poll_flush(&mut cx).is_pending());
        if !woken.0.swap(false, Ordering::Relaxed) {
            break;
        }
        assert!(polls < 20, "it is woken again and again");
    }
    let deflate = socket.deflate.as_ref().unwrap();
    assert!(!deflate.is_deflating() && deflate.waiting() > 300_000, "{} bytes wait", deflate.waiting());
    assert!(polls > 4, "{polls}");
}

#[test]
fn few_compressors_wait_for_their_next_poll_at_the_same_time() {
    let mut connections: Vec<Deflate> = iter::repeat_with(|| pair(direction(15, true)).0).take(100).collect();
    let waiting = connections
        .iter_mut()
        .map(|connection| {
            connection.plain().message(Message::binary(text(1, 100_000)));
            let (mut out, mut budget) = (OutQueue::default(), fixed::COMPRESSED_A_POLL);
            connection.advance(&mut out, Role::Server, &mut budget);
            assert_eq!(connection.is_deflating(), out.is_empty());
            connection.is_deflating()
        })
        .filter(|is_deflating| *is_deflating)
        .count();
    // Other tests of this process may have some of them.
    assert!(waiting <= fixed::PAUSED_COMPRESSORS && waiting > 0, "{waiting}");
    drop(connections);
    assert!(Pause::new().is_some(), "they are given back");
}
