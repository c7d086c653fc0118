use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

use bytes::BytesMut;

use super::*;

const ALL: usize = usize::MAX;

fn outbox(messages: usize, bytes: usize) -> Outbox {
    with(messages, bytes, Overflow::Disconnect)
}

fn with(messages: usize, bytes: usize, overflow: Overflow) -> Outbox {
    let limits = Limits { outbox_messages: messages, outbox_bytes: bytes, overflow, ..Limits::default() };
    Outbox::new(ConnectionId::new(1, 1), Arc::new(limits), Arc::default(), None)
}

#[test]
fn drop_newest_refuses_a_message_without_room_and_the_connection_stays_open() {
    let outbox = with(2, 1000, Overflow::DropNewest);
    for (text, taken) in [("a", true), ("b", true), ("c", false), ("d", false)] {
        assert_eq!(outbox.push(text.into()).is_ok(), taken, "{text}");
    }
    assert_eq!((outbox.dropped(), outbox.is_open()), (2, true));
    let mut out = OutQueue::default();
    assert!(outbox.collect(&mut out, ALL, None).stop.is_none());
    assert_eq!(out.len(), 6);
    outbox.push("e".into()).unwrap();
}

#[test]
fn drop_oldest_drops_whole_messages_from_the_front() {
    let outbox = with(100, 12, Overflow::DropOldest);
    for text in ["aaaa", "bb", "cc", "dddd"] {
        outbox.push(text.into()).unwrap();
    }
    assert_eq!(outbox.dropped(), 1);
    let mut expected = OutQueue::default();
    for text in ["bb", "cc", "dddd"] {
        expected.message(text.into());
    }
    let mut out = OutQueue::default();
    outbox.collect(&mut out, ALL, None);
    assert_eq!(format!("{out:?}"), format!("{expected:?}"));
    outbox.push(vec![0; 1000].into()).unwrap();
    assert_eq!(outbox.dropped(), 1, "an empty outbox takes one message of any size");
}

#[test]
fn it_is_full_by_messages_and_by_bytes_and_closes_with_1013() {
    let by_messages = outbox(2, 1000);
    by_messages.push("a".into()).unwrap();
    by_messages.push("b".into()).unwrap();
    assert!(matches!(by_messages.push("c".into()), Err(SendError::Full { .. })));
    assert!(matches!(by_messages.push("d".into()), Err(SendError::Closed { .. })));
    let stop = by_messages.collect(&mut OutQueue::default(), ALL, None).stop;
    let Some(Stop::CloseNow { frame, reason: CloseReason::Overflow }) = stop else { panic!("{stop:?}") };
    assert_eq!(frame.code, 1013);

    let by_bytes = outbox(100, 10);
    by_bytes.push("12345".into()).unwrap();
    assert!(matches!(by_bytes.push("67890".into()), Err(SendError::Full { .. })), "headers count");
}

#[test]
fn an_empty_outbox_takes_one_message_of_any_size() {
    let outbox = outbox(2, 10);
    outbox.push(vec![0; 1000].into()).unwrap();
    assert!(matches!(outbox.push("x".into()), Err(SendError::Full { .. })));
}

#[test]
fn it_must_be_collected_for_urgent_frames_and_before_a_large_part_of_the_room_is_used() {
    let check = |outbox: Outbox, messages: usize, size: usize| {
        for number in 0..messages {
            assert!(!outbox.must_be_collected(), "{number} of {messages} x {size}");
            outbox.push(vec![0; size].into()).unwrap();
        }
        assert!(outbox.must_be_collected(), "{messages} x {size}");
        outbox.collect(&mut OutQueue::default(), ALL, None);
        assert!(!outbox.must_be_collected());
    };
    check(outbox(1000, 1 << 20), 32, 0);
    check(outbox(1000, 1 << 20), 2, 8 << 10);
    check(outbox(16, 1 << 20), 2, 0);
    check(outbox(1, 1 << 20), 1, 0);
    check(outbox(1000, 8000), 1, 1000);

    let check = |case: &str, ask: &dyn Fn(&Outbox)| {
        let outbox = outbox(1000, 1 << 20);
        ask(&outbox);
        assert!(outbox.must_be_collected(), "{case}");
    };
    check("ping", &|outbox| outbox.ping(Bytes::new()).unwrap());
    check("close", &Outbox::shut_down);
    check("cut", &|outbox| outbox.stop(Stop::Cut).unwrap());
}

#[test]
fn pings_go_ahead_of_the_messages_and_are_bounded() {
    let outbox = outbox(2, 10);
    outbox.push("x".into()).unwrap();
    for _ in 0..fixed::WAITING_PINGS {
        outbox.ping(Bytes::new()).unwrap();
    }
    assert!(matches!(outbox.ping(Bytes::new()), Err(SendError::Full { .. })));
    let long = Bytes::from(vec![0; 126]);
    assert!(matches!(outbox.ping(long), Err(SendError::ControlTooLong { size: 126 })));
    let mut out = OutQueue::default();
    assert!(outbox.collect(&mut out, ALL, None).stop.is_none());
    assert_eq!(out.len(), fixed::WAITING_PINGS * 2 + 3);
}

/// Encodes the messages as frames, one after another.
fn wire(messages: &[Message]) -> BytesMut {
    let mut queue = OutQueue::default();
    for message in messages {
        queue.message(message.clone());
    }
    queue.flatten()
}

#[test]
fn a_slow_peer_is_sent_a_few_whole_messages_at_a_time_and_a_ping_goes_ahead_of_the_rest() {
    let sizes = [10, 30_000, 4096, 5, 40_000, 0, 126, 70_000, 3];
    let messages: Vec<Message> = (1..).zip(sizes).map(|(fill, size)| vec![fill; size].into()).collect();
    let outbox = outbox(100, 1 << 20);
    for message in &messages {
        outbox.push(message.clone()).unwrap();
    }
    let mut out = OutQueue::default();
    assert!(outbox.collect(&mut out, 50_000, None).messages.messages() > 0);
    assert_eq!(out.flatten(), wire(&messages[..5]), "the fifth is the first that exceeds it");
    assert_eq!(outbox.collect(&mut out, 50_000, None).messages.messages(), 0, "nothing has been written");
    outbox.ping(Bytes::new()).unwrap();
    let mut out = OutQueue::default();
    assert!(outbox.collect(&mut out, 50_000, None).messages.messages() > 0);
    assert!(out.flatten().starts_with(&[0x89, 0]), "the ping is first");
    assert_eq!(out.flatten()[2..], wire(&messages[5..8]));
    let mut out = OutQueue::default();
    outbox.collect(&mut out, 50_000, None);
    assert_eq!(out.flatten(), wire(&messages[8..]));
    assert!(outbox.push(vec![0; 2 << 20].into()).is_ok(), "it is empty");
}

/// Counts how often a task was woken.
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_whose_peer_does_not_read_is_woken_for_urgent_frames_only() {
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let outbox = outbox(100, 1000);
    assert!(outbox.register(&waker, false));
    outbox.push("a".into()).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 0);
    outbox.ping(Bytes::new()).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    outbox.collect(&mut OutQueue::default(), ALL, None);
    assert!(outbox.register(&waker, true));
    outbox.push("b".into()).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn send_waits_for_room_and_fails_when_the_connection_ends() {
    let outbox = outbox(1, 10);
    outbox.push("a".into()).unwrap();
    let mut second = Box::pin(outbox.send("b".into()));
    let waits = tokio::time::timeout(std::time::Duration::from_millis(1), &mut second).await;
    assert!(waits.is_err());
    outbox.collect(&mut OutQueue::default(), ALL, None);
    second.await.unwrap();

    let third = outbox.send("c".into());
    let (sent, ()) = tokio::join!(third, async { outbox.shut() });
    assert!(matches!(sent, Err(SendError::Closed { .. })));
}

#[test]
fn the_first_request_to_close_counts_and_a_cut_replaces_it() {
    let outbox = outbox(1, 10);
    let close = |code| Stop::Close {
        frame: CloseFrame::new(code, ""),
        reason: CloseReason::Local { code, reason: "".into() },
    };
    outbox.stop(close(1000)).unwrap();
    assert!(matches!(outbox.stop(close(1001)), Err(SendError::Closed { .. })));
    outbox.stop(Stop::Cut).unwrap();
    assert!(matches!(outbox.collect(&mut OutQueue::default(), ALL, None).stop, Some(Stop::Cut)));
}

#[test]
fn a_task_that_collects_everything_before_it_sleeps_is_woken_by_the_next_push() {
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let outbox = outbox(100, 1 << 20);
    outbox.push("a".into()).unwrap();
    assert!(outbox.collect(&mut OutQueue::default(), ALL, Some(&waker)).is_registered);
    outbox.push("b".into()).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);

    // Part of the messages stay, so the task has more to do.
    outbox.push(vec![0; 1000].into()).unwrap();
    assert!(!outbox.collect(&mut OutQueue::default(), 2, Some(&waker)).is_registered);
    outbox.push("c".into()).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);

    // The task acts on a request to close before it sleeps.
    outbox.shut_down();
    assert!(!outbox.collect(&mut OutQueue::default(), ALL, Some(&waker)).is_registered);
}

#[test]
fn a_member_gets_no_frame_after_it_has_left_a_group() {
    let outbox = outbox(100, 1000);
    let frame = SharedFrame::new(crate::socket::encode("a".into()));
    let departures = outbox.departures();
    assert!(matches!(outbox.push_frame_to_member(&frame, departures), Some(Ok(()))));
    outbox.departed();
    assert!(outbox.push_frame_to_member(&frame, departures).is_none());
    assert!(matches!(outbox.push_frame_to_member(&frame, outbox.departures()), Some(Ok(()))));
    let mut out = OutQueue::default();
    outbox.collect(&mut out, ALL, None);
    assert_eq!(out.len(), 2 * 3);
}
