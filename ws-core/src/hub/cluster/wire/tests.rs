use super::*;
use crate::wire::Message as WsMessage;

fn frame(text: &str) -> Bytes {
    socket::encode(WsMessage::text(text))
}

fn message(body: Body) -> Message {
    Message::new(body)
}

fn examples() -> Vec<Message> {
    let except = vec![ConnectionId::new(1, 2), ConnectionId::new(u32::MAX, u64::MAX)];
    let push = Body::Push(Frames::One(frame("hi")));
    let question = Question { id: 7, about: About::Ids, channel: Bytes::from_static(b"r:Room:x") };
    let ids = Found::Ids(vec![1, u64::MAX]);
    let channel = Bytes::from_static(b"r:Room:x");
    let members = vec![
        Entry { connection: 1, user: Some("断".into()) },
        Entry { connection: 2, user: Some("".into()) },
        Entry { connection: u64::MAX, user: None },
    ];
    vec![
        message(push.clone()),
        Message { at: Some(Bytes::from_static("章".as_bytes())), ..message(push.clone()) },
        Message { except, connection: Some(9), key: Some(Bytes::from_static(b"k")), at: None, body: push },
        message(Body::Push(Frames::ByFormat(vec![(Format::Json, frame(&"x".repeat(70_000)))]))),
        #[cfg(feature = "msgpack")]
        message(Body::Push(Frames::ByFormat(vec![
            (Format::Json, frame("{}")),
            (Format::MsgPack, socket::encode(WsMessage::binary(vec![0x80]))),
        ]))),
        message(Body::Close(CloseFrame::new(4403, "断 banned"))),
        message(Body::Question(question)),
        message(Body::Result(ResultPart { id: 7, number: 0, is_last: false, found: Found::Count(3) })),
        message(Body::Result(ResultPart { id: 7, number: 9, is_last: true, found: ids })),
        message(Body::Claim(Claiming { counter: 3, is_new: true, frame: CloseFrame::new(4001, "x") })),
        message(Body::Watch(Watch { id: 1, wanted: Wanted::Roster, channel: channel.clone() })),
        message(Body::Watch(Watch { id: 2, wanted: Wanted::Version, channel: channel.clone() })),
        message(Body::Roster(RosterPart {
            question: 1,
            version: 2,
            number: 3,
            is_last: true,
            channel: channel.clone(),
            members: members.clone(),
        })),
        message(Body::Changes(Changes {
            from: 1,
            to: 2,
            channel: channel.clone(),
            joined: members,
            left: vec![3, 4],
        })),
        message(Body::Changes(Changes { from: 5, to: 5, channel, joined: vec![], left: vec![] })),
    ]
    .into_iter()
    .chain(asks::examples().into_iter().map(message))
    .collect()
}

fn decoded(bytes: &Bytes) -> Result<Message, Unreadable> {
    match start(bytes)? {
        Start::Message(head) => Message::decode(head, bytes),
        Start::Beat(_) => Err(Unreadable::Unknown),
    }
}

#[test]
fn a_message_is_read_as_it_was_written() {
    for example in examples() {
        let mut bytes = example.encode(0xc0_ffee, 42);
        assert!(bytes.len() <= example.size(), "{example:?}");
        set_link(&mut bytes, 5);
        let bytes = Bytes::from(bytes);
        let Start::Message(head) = start(&bytes).unwrap() else { panic!("{example:?}") };
        assert_eq!((head.link, head.node, head.sequence), (5, 0xc0_ffee, 42));
        assert_eq!(Message::decode(head, &bytes), Ok(example));
    }
}

#[test]
fn a_heartbeat_is_read_as_it_was_written_and_fields_of_later_versions_are_ignored() {
    for phase in [Phase::Hello, Phase::Alive, Phase::Goodbye] {
        let name = "pod-1".to_owned();
        let (oldest, newest) = (1, 3);
        let beat =
            Beat { phase, link: 1, node: 2, sequence: 3, instance: 4, oldest, newest, connections: 5, name };
        let mut bytes = beat.encode();
        assert_eq!(start(&bytes), Ok(Start::Beat(beat.clone())));
        bytes.extend_from_slice(b"more");
        assert_eq!(start(&bytes), Ok(Start::Beat(beat)));
    }
}

#[test]
fn a_truncated_message_is_malformed_or_differs_from_the_original() {
    for example in examples() {
        let bytes = Bytes::from(example.encode(1, 1));
        for end in 0..bytes.len() {
            assert_ne!(decoded(&bytes.slice(..end)).as_ref(), Ok(&example), "{end}");
        }
    }
}

#[test]
fn frames_that_a_connection_may_not_get_are_malformed() {
    let fragment = [0x01, 1, b'x'];
    let reserved = [0xc1, 1, b'x'];
    let close = [0x88, 0];
    let masked = [0x81, 0x81, 0, 0, 0, 0, b'x'];
    let short = [0x81, 2, b'x'];
    let long = [0x81, 1, b'x', b'y'];
    let not_text = [0x81, 1, 0xff];
    let cases: [&[u8]; 8] = [&fragment, &reserved, &close, &masked, &short, &long, &not_text, &[]];
    for frame in cases {
        let push = message(Body::Push(Frames::One(Bytes::copy_from_slice(frame))));
        let bytes = Bytes::from(push.encode(1, 1));
        assert_eq!(decoded(&bytes), Err(Unreadable::Malformed), "{frame:?}");
    }
}

#[test]
fn a_close_code_that_may_not_be_sent_is_malformed() {
    for (code, is_read) in [(1000, true), (1005, false), (1006, false), (4403, true), (999, false)] {
        let frame = CloseFrame::new(code, "");
        let claim = Body::Claim(Claiming { counter: 1, is_new: true, frame: frame.clone() });
        for body in [Body::Close(frame), claim] {
            let bytes = Bytes::from(message(body).encode(1, 1));
            assert_eq!(decoded(&bytes).is_ok(), is_read, "{code}");
        }
    }
}

#[test]
fn lengths_beyond_the_end_are_malformed_without_an_allocation() {
    let mut excepted = message(Body::Push(Frames::One(frame("x")))).encode(1, 1);
    excepted[HEAD_BYTES] = 0xff;
    assert_eq!(decoded(&excepted.into()), Err(Unreadable::Malformed));
    let mut frames = message(Body::Push(Frames::One(frame("x")))).encode(1, 1);
    frames[HEAD_BYTES + 2] = 0xff;
    assert_eq!(decoded(&frames.clone().into()), Err(Unreadable::Malformed));
    frames[HEAD_BYTES + 2] = 1;
    frames[HEAD_BYTES + 4] = 0xff;
    assert_eq!(decoded(&frames.into()), Err(Unreadable::Malformed));
}

#[test]
fn changes_and_entries_that_no_node_sends_are_malformed() {
    let entry = |user: &str| Entry { connection: 1, user: Some(user.into()) };
    let changes = |from, to, user: &str| {
        let (channel, joined) = (Bytes::from_static(b"u:x"), vec![entry(user)]);
        message(Body::Changes(Changes { from, to, channel, joined, left: Vec::new() })).encode(1, 1)
    };
    let most = "x".repeat(crate::fixed::NAME_BYTES);
    assert!(decoded(&changes(1, 2, &most).into()).is_ok());
    // The versions go back, a user is too long, and a user is not UTF-8.
    let mut not_text = changes(1, 2, "x");
    *not_text.last_mut().unwrap() = 0xff;
    // More entries are announced than there are.
    let mut count = changes(1, 2, "x");
    let place = count.len() - 15;
    count[place] = 0xff;
    for bytes in [changes(2, 1, "x"), changes(1, 2, &format!("{most}x")), not_text, count] {
        assert_eq!(decoded(&bytes.into()), Err(Unreadable::Malformed));
    }
}

#[test]
fn other_versions_kinds_and_flags_are_unknown() {
    let bytes = message(Body::Push(Frames::One(frame("x")))).encode(1, 1);
    let versions_and_kinds = [(0, 0), (0, 2), (0, 255), (1, 0), (1, 6), (1, 11), (1, 255)];
    for (at, value) in versions_and_kinds.into_iter().chain([(2, 8), (2, 128), (2, 255)]) {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        assert_eq!(decoded(&bytes.into()), Err(Unreadable::Unknown), "{at} {value}");
    }
}
