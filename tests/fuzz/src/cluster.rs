//! `cluster`: messages between nodes are read without a panic, are equal after they are written and
//! read again, and contain only whole WebSocket frames. A node that receives any of them continues,
//! its connections receive only these frames, and a watch of its room reports each member once.
//!
//! The first byte chooses the input: one message, or a list of channels and messages that a node
//! receives.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use tokio::runtime::Builder;
use ws_core::{
    App, Connection, ConnectionId, Controller, Message, Result,
    fuzzing::{NodeMessage, receive_from_broker},
    hub::{MemberEvent, Members},
    testing::{TestApp, TestClient, TestCluster, TestError},
};

/// The most messages that a node receives in one run.
const MOST_MESSAGES: usize = 16;

/// A choice, and one message or a list of them.
pub fn check(bytes: &[u8]) {
    match bytes.split_first() {
        None => {}
        Some((choice, message)) if choice & 1 == 0 => read(&Bytes::copy_from_slice(message)),
        Some((_, list)) => {
            let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
            runtime.expect("a runtime").block_on(receive(list));
        }
    }
}

/// Reads a message, and writes and reads it again.
fn read(bytes: &Bytes) {
    let Some(message) = NodeMessage::read(bytes) else { return };
    let again = message.encode();
    assert!(again.len() <= message.size(), "{} bytes are more than {}", again.len(), message.size());
    assert_eq!(NodeMessage::read(&again).as_ref(), Some(&message), "written and read again");
    for frame in message.frames() {
        assert!(is_whole_message(&frame), "{frame:?} of {message:?}");
    }
}

/// RFC 6455 section 5.2, in another way than the decoder: one frame with FIN, a text or a binary
/// message, without a mask and without bytes after it.
fn is_whole_message(frame: &[u8]) -> bool {
    let (payload, is_text) = match *frame {
        [first @ (0x81 | 0x82), 127, a, b, c, d, e, f, g, h, ref payload @ ..] => {
            let length = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            if length <= 0xffff || length != payload.len() as u64 {
                return false;
            }
            (payload, first == 0x81)
        }
        [first @ (0x81 | 0x82), 126, a, b, ref payload @ ..] => {
            let length = u16::from_be_bytes([a, b]);
            if length < 126 || usize::from(length) != payload.len() {
                return false;
            }
            (payload, first == 0x81)
        }
        [first @ (0x81 | 0x82), length @ 0..126, ref payload @ ..]
            if usize::from(length) == payload.len() =>
        {
            (payload, first == 0x81)
        }
        _ => return false,
    };
    !is_text || std::str::from_utf8(payload).is_ok()
}

/// Joins the room `lobby`, and is the user `tom`.
struct Room;

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.join("lobby")?;
        conn.identify("tom")?;
        Ok(conn.push("open")?)
    }
}

/// A list of channels and messages: a byte for the channel, the length of the message in two bytes,
/// and the message.
async fn receive(mut list: &[u8]) {
    let cluster = TestCluster::new();
    let app = cluster.start(App::without_registry().controller("/", Room)).await;
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = app.connect("/").await.expect("it connects");
        assert_eq!(client.next_text().await.expect("the connection is open"), "open");
        clients.push(client);
    }
    let mut members = app.running().hub().room::<Room>("lobby").members();
    // The question to the other nodes is sent. It has no answer, because this node is alone.
    members.settled().await;
    let (mut pushed, mut may_close, mut given) = (Vec::new(), false, 0);
    for _ in 0..MOST_MESSAGES {
        let [choice, high, low, rest @ ..] = list else { break };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (message, behind) = rest.split_at(length);
        list = behind;
        let message = Bytes::copy_from_slice(message);
        if let Some(message) = NodeMessage::read(&message) {
            may_close |= message.is_close();
            pushed.extend(message.frames());
        }
        receive_from_broker(&app, channel(*choice, &app, behind), message);
        given += 1;
    }
    // The paused clock advances once everything is delivered.
    tokio::time::sleep(Duration::from_millis(1)).await;
    each_once(&mut members).await;
    let stats = app.running().hub().cluster().stats();
    let counted = stats.received + stats.duplicates + stats.late + stats.lost;
    assert!(counted <= given, "each is counted at most once: {stats:?}, {given} messages");
    app.running().hub().all().push("the end");
    for client in &mut clients {
        expect_only(client, &pushed, may_close).await;
    }
}

/// A member joins only if it is absent, and leaves only if it is present.
async fn each_once(members: &mut Members) {
    let mut there: HashSet<ConnectionId> = members.now().iter().copied().collect();
    while let Ok(Some(event)) = tokio::time::timeout(Duration::ZERO, members.next()).await {
        match event {
            MemberEvent::Joined(id) => assert!(there.insert(id), "{id} has joined twice"),
            MemberEvent::Left(id) => assert!(there.remove(&id), "{id} left without a join"),
            // There are more members than a watch remembers.
            _ => return,
        }
    }
    let current: HashSet<ConnectionId> = members.current().iter().map(|member| member.id).collect();
    assert_eq!(there, current);
}

/// Checks that a client receives only these frames until the end, or until it is closed.
async fn expect_only(client: &mut TestClient, pushed: &[Bytes], may_close: bool) {
    loop {
        match client.next().await {
            Ok(Message::Text(text)) if text == "the end" => return,
            Ok(message) => {
                let (first, payload) = match &message {
                    Message::Text(text) => (0x81, text.as_bytes()),
                    Message::Binary(bytes) => (0x82, &bytes[..]),
                };
                let is_of = |frame: &Bytes| frame.first() == Some(&first) && frame.ends_with(payload);
                assert!(pushed.iter().any(is_of), "{message:?} was not sent");
            }
            Err(TestError::Closed { .. }) if may_close => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A channel of the node, or any bytes.
fn channel(choice: u8, app: &TestApp, any: &[u8]) -> Bytes {
    let own = app.running().hub().cluster().nodes().first().map(|node| node.id.to_string());
    let name = match choice % 8 {
        0 => "nodes".to_owned(),
        1 => "all".to_owned(),
        2 => "c:Room".to_owned(),
        3 => "r:Room:lobby".to_owned(),
        4 => "u:tom".to_owned(),
        5 => format!("node:{}", own.unwrap_or_default()),
        6 => "r:Room:other".to_owned(),
        _ => return Bytes::copy_from_slice(any.get(..usize::from(choice) / 8).unwrap_or(any)),
    };
    Bytes::from(format!("ws:1:{name}"))
}
