//! The hub with connections: which of them a target includes, and the effects of slow members.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use ws_core::{
    App, Bytes, CloseReason, Config, Connection, ConnectionId, Controller, Message, Result, Route,
    config::Overflow,
    error::SendError,
    hub::{Delivery, JoinError, MemberEvent, PresenceEvent, Reach, Remote},
    testing::{TestApp, TestClient},
};

use crate::support::{Logs, within};

/// Executes a command: `join x`, `leave x`, `am x`, `panic`.
async fn obey(conn: &Connection, message: &Message) -> Result {
    let text = message.as_text().unwrap_or_default();
    match text.split_once(' ').unwrap_or((text, "")) {
        ("join", room) => drop(conn.join(room)?),
        ("leave", room) => drop(conn.leave(room)),
        ("am", user) => conn.identify(user)?,
        ("panic", _) => panic!("on purpose"),
        _ => {}
    }
    Ok(conn.push(format!("ok {}", conn.id()))?)
}

struct Chat;

impl Controller for Chat {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        obey(conn, &message).await
    }
}

/// The same under another type. In `on_close` it reports its rooms, the members of room `1`, and
/// whether a push fails because the connection is closed.
struct Game(mpsc::UnboundedSender<(Vec<Arc<str>>, usize, bool)>);

impl Controller for Game {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        obey(conn, &message).await
    }

    async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
        let pushed = conn.push("too late");
        Ok(self.0.send((
            conn.rooms(),
            conn.room("1").count_local(),
            matches!(pushed, Err(SendError::Closed { .. })),
        ))?)
    }
}

async fn app() -> (TestApp, mpsc::UnboundedReceiver<(Vec<Arc<str>>, usize, bool)>) {
    let (sender, closed) = mpsc::unbounded_channel();
    let app =
        App::without_registry().route(Route::new("/chat", Chat)).route(Route::new("/game", Game(sender)));
    (TestApp::start(app).await, closed)
}

/// Sends this command and waits until it was executed. Returns the id of the connection.
async fn tell(client: &mut TestClient, text: &str) -> ConnectionId {
    client.send_text(text).await;
    let answer = client.next_text().await.unwrap();
    answer.strip_prefix("ok ").unwrap().parse().unwrap()
}

fn counts(delivery: Delivery) -> (usize, usize, usize) {
    (delivery.sent, delivery.full, delivery.gone)
}

#[tokio::test]
async fn p26_everyone_is_found_by_name_controller_room_and_user() {
    let (app, _closed) = app().await;
    let hub = app.running().hub();
    let mut chat = [app.connect("/chat").await.unwrap(), app.connect("/chat").await.unwrap()];
    let mut game = app.connect("/game").await.unwrap();
    let ids = [tell(&mut chat[0], "join 1").await, tell(&mut chat[1], "am 42").await];
    let in_game = tell(&mut game, "join 1").await;
    let mut all = hub.all().ids_local();
    all.sort();
    assert_eq!(all, [ids[0], ids[1], in_game]);
    assert_eq!(hub.controller::<Chat>().count_local(), 2);
    assert_eq!(hub.room::<Chat>("1").ids_local(), [ids[0]]);
    assert_eq!(hub.room::<Game>("1").ids_local(), [in_game], "rooms of two controllers are two rooms");
    assert_eq!(hub.user("42").ids_local(), [ids[1]]);
    assert_eq!(hub.connection(ids[0]).count_local(), 1);

    assert_eq!(counts(hub.room::<Chat>("1").push("to the room")), (1, 0, 0));
    assert_eq!(counts(hub.user("42").push_json(&json!({"a": 1}))), (1, 0, 0));
    assert_eq!(counts(hub.controller::<Game>().event("said", &json!([1]))), (1, 0, 0));
    assert_eq!(chat[0].next_text().await.unwrap(), "to the room");
    assert_eq!(chat[1].next_json::<Value>().await.unwrap(), json!({"a": 1}));
    assert_eq!(game.next_json::<Value>().await.unwrap(), json!({"event": "said", "data": [1]}));
    assert_eq!(counts(hub.room::<Chat>("the room is empty").push("x")), (0, 0, 0));
}

#[tokio::test]
async fn without_a_cluster_its_counts_are_those_of_this_process() {
    let (app, _closed) = app().await;
    let hub = app.running().hub();
    let mut client = app.connect("/chat").await.unwrap();
    let id = tell(&mut client, "join 1").await;
    let room = hub.room::<Chat>("1");
    assert_eq!((hub.count().await, room.count().await, room.ids().await), (Ok(1), Ok(1), Ok(vec![id])));
    assert_eq!(room.push("hi").remote, Remote::None);
    let conn = hub.get_local(id).unwrap();
    assert_eq!(conn.join_confirmed("2").await, Ok(Reach::Cluster));
    assert_eq!(hub.room::<Chat>("2").ids_local(), [id]);
    assert_eq!(conn.join_confirmed("x".repeat(257)).await, Err(JoinError::NameTooLong { size: 257 }));
}

/// Fails to serialise.
struct Broken;

impl serde::Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken on purpose"))
    }
}

#[tokio::test]
async fn a_value_that_is_not_serialised_is_counted_and_logged_with_its_type_and_place() {
    let (app, _closed) = app().await;
    let hub = app.running().hub();
    let mut clients = [app.connect("/chat").await.unwrap(), app.connect("/chat").await.unwrap()];
    for client in &mut clients {
        tell(client, "join r").await;
    }
    let room = hub.room::<Chat>("r");
    let first = line!() + 4;
    for delivery in [0, 1, 2, 3] {
        let logs = Logs::start();
        let delivered = match delivery {
            0 => room.push_json(&Broken),
            1 => room.event("said", &Broken),
            2 => room.in_turns().push_json(&Broken).await,
            _ => room.in_turns().event("said", &Broken).await,
        };
        assert_eq!((counts(delivered), delivered.failed), ((0, 0, 0), 2));
        let logged = logs.text();
        for part in ["ERROR", "broken on purpose", "hub::Broken", &format!("hub.rs:{}", first + delivery)] {
            assert!(logged.contains(part), "{part}: {logged}");
        }
        assert_eq!(logged.matches("ERROR").count(), 1, "once: {logged}");
    }
    room.push("still there");
    for client in &mut clients {
        assert_eq!(client.next_text().await.unwrap(), "still there");
    }
}

#[tokio::test]
async fn rooms_are_kept_by_the_name_of_their_controller() {
    let app = App::without_registry();
    let hub = app.hub();
    let before = hub.room::<Chat>("1");
    let mut watch = {
        let app = app.route(Route::new("/chat", Chat).name("talk"));
        assert_eq!(app.routes()[0].controller, "talk");
        let watch = before.members();
        let app = TestApp::start(app).await;
        let mut client = app.connect("/chat").await.unwrap();
        let id = tell(&mut client, "join 1").await;
        assert_eq!(before.ids_local(), [id], "a room that was made before the route has its members, too");
        assert_eq!(hub.room::<Game>("1").count_local(), 0, "a controller without a route has no members");
        assert_eq!((hub.controller::<Chat>().count_local(), hub.controller::<Game>().count_local()), (1, 0));
        watch
    };
    assert!(matches!(watch.next().await, Some(MemberEvent::Joined(_))));
}

#[tokio::test]
async fn two_apps_of_one_process_are_two_nodes() {
    let apps = [app().await.0, app().await.0];
    let mut ids = Vec::new();
    for app in &apps {
        ids.push(tell(&mut app.connect("/chat").await.unwrap(), "").await.to_string());
    }
    let node = |id: &String| id.split_once('-').map(|(node, _)| node.to_owned());
    assert_ne!(node(&ids[0]), node(&ids[1]), "{ids:?}");
}

#[tokio::test]
async fn p24_an_unknown_connection_is_gone_and_not_a_success() {
    let (app, _closed) = app().await;
    let hub = app.running().hub();
    let nobody: ConnectionId = "00c0ffee-2a".parse().unwrap();
    assert_eq!(counts(hub.connection(nobody).push("x")), (0, 0, 1));
    let mut client = app.connect("/chat").await.unwrap();
    let id = tell(&mut client, "").await;
    assert_eq!(counts(hub.connection(id).push("x")), (1, 0, 0));
    hub.get_local(id).unwrap().disconnect(1000, "").unwrap();
    assert_eq!(counts(hub.connection(id).push("x")), (0, 0, 1));
}

#[tokio::test]
async fn excepted_connections_get_nothing() {
    let (app, _closed) = app().await;
    let mut clients = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..4 {
        let mut client = app.connect("/chat").await.unwrap();
        ids.push(tell(&mut client, "join r").await);
        clients.push(client);
    }
    let room = app.running().hub().room::<Chat>("r").except(ids[0]).except(ids[2]);
    assert_eq!((room.count_local(), counts(room.push("hi"))), (2, (2, 0, 0)));
    for (number, client) in clients.iter_mut().enumerate() {
        if number % 2 == 1 {
            assert_eq!(client.next_text().await.unwrap(), "hi");
        } else {
            tell(client, "the next message is this answer").await;
        }
    }
}

#[tokio::test]
async fn a_room_can_be_closed() {
    let (app, _closed) = app().await;
    let (mut inside, mut outside) =
        (app.connect("/chat").await.unwrap(), app.connect("/chat").await.unwrap());
    tell(&mut inside, "join r").await;
    let hub = app.running().hub();
    assert!(matches!(hub.room::<Chat>("r").disconnect(1005, ""), Err(SendError::CloseCode(1005))));
    assert_eq!(counts(hub.room::<Chat>("r").disconnect(4000, "closing time").unwrap()), (1, 0, 0));
    assert_eq!(inside.expect_close(4000).await, "closing time");
    tell(&mut outside, "still here").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_leaves_its_rooms_after_on_close_however_it_ends() {
    for end in ["close", "vanish", "panic"] {
        let (app, mut closed) = app().await;
        let hub = app.running().hub();
        let mut client = app.connect("/game").await.unwrap();
        tell(&mut client, "join 1").await;
        tell(&mut client, "join 2").await;
        let mut members = hub.room::<Game>("1").members();
        let id = members.now()[0];
        match end {
            "close" => client.close(1000, "").await,
            "panic" => {
                client.send_text("panic").await;
                client.expect_close(1011).await;
            }
            _ => drop(client),
        }
        let (rooms, in_room, is_closed) = within(end, closed.recv()).await.unwrap();
        assert_eq!(
            (rooms, in_room, is_closed),
            (vec!["1".into(), "2".into()], 1, true),
            "{end}: in on_close"
        );
        assert_eq!(members.next().await, Some(MemberEvent::Left(id)), "{end}");
        assert_eq!(
            (hub.room::<Game>("1").count_local(), hub.room::<Game>("2").count_local()),
            (0, 0),
            "{end}"
        );
    }
}

#[tokio::test]
async fn the_members_of_a_room_can_be_watched() {
    let (app, _closed) = app().await;
    let hub = app.running().hub();
    let mut client = app.connect("/chat").await.unwrap();
    let id = tell(&mut client, "join r").await;
    let mut members = hub.room::<Chat>("r").members();
    assert_eq!(members.now(), [id]);
    tell(&mut client, "leave r").await;
    let mut other = app.connect("/chat").await.unwrap();
    let second = tell(&mut other, "join r").await;
    tell(&mut other, "join r").await;
    drop(other);
    for event in [MemberEvent::Left(id), MemberEvent::Joined(second), MemberEvent::Left(second)] {
        assert_eq!(within("a change", members.next()).await, Some(event));
    }
}

#[tokio::test]
async fn a_users_first_connection_and_last_one_can_be_watched() {
    let (app, _closed) = app().await;
    let mut presence = app.running().hub().user("42").presence();
    assert!(!presence.is_online());
    let (mut first, mut second) = (app.connect("/chat").await.unwrap(), app.connect("/chat").await.unwrap());
    tell(&mut first, "am 42").await;
    tell(&mut second, "am 42").await;
    tell(&mut first, "am 43").await;
    drop(second);
    assert_eq!(within("online", presence.next()).await, Some(PresenceEvent::Online));
    assert_eq!(within("offline", presence.next()).await, Some(PresenceEvent::Offline));
}

/// An outbox of two messages.
fn narrow(overflow: Overflow) -> Config {
    let mut config = Config::default();
    config.servers[0].limits.outbox_messages = 2;
    config.servers[0].limits.overflow = overflow;
    config
}

/// Pushes to a room with a member that does not read, until the outbox of that member is full. The
/// other members get everything.
async fn with_a_slow_member(overflow: Overflow) -> (TestApp, TestClient, Connection) {
    let app = App::without_registry().config(narrow(overflow)).route(Route::new("/chat", Chat));
    let app = TestApp::start(app).await;
    let hub = app.running().hub();
    let (mut slow, mut fast) = (app.connect("/chat").await.unwrap(), app.connect("/chat").await.unwrap());
    let conn = hub.get_local(tell(&mut slow, "join r").await).unwrap();
    tell(&mut fast, "join r").await;
    let large = Bytes::from(vec![7; 100_000]);
    for number in 0.. {
        let delivery = hub.room::<Chat>("r").push(large.clone());
        assert_eq!(fast.next().await.unwrap().len(), 100_000, "the other member gets each message");
        if delivery.full > 0 || conn.dropped() > 0 {
            break;
        }
        assert!(number < 1000, "the outbox never fills");
    }
    (app, slow, conn)
}

#[tokio::test]
async fn overflow_disconnect_ends_the_slow_member_only() {
    let (_app, mut slow, conn) = with_a_slow_member(Overflow::Disconnect).await;
    assert!(!conn.is_open());
    slow.expect_close(1013).await;
}

#[tokio::test]
async fn overflow_drop_newest_keeps_the_queue_and_the_connection() {
    let (_app, mut slow, conn) = with_a_slow_member(Overflow::DropNewest).await;
    assert!(conn.is_open());
    assert_eq!(conn.dropped(), 1);
    assert!(matches!(conn.push("refused"), Err(SendError::Full { .. })));
    conn.ping("precedes the queue").unwrap();
    while slow.next().await.unwrap().len() == 100_000 && conn.push("last").is_err() {}
    while slow.next().await.unwrap() != Message::text("last") {}
}

#[tokio::test]
async fn overflow_drop_oldest_keeps_the_latest_and_the_connection() {
    let (_app, mut slow, conn) = with_a_slow_member(Overflow::DropOldest).await;
    for number in 0..10 {
        conn.push(format!("{number}")).unwrap();
    }
    assert!(conn.is_open() && conn.dropped() >= 9, "{}", conn.dropped());
    loop {
        match slow.next().await.unwrap() {
            Message::Binary(bytes) => assert_eq!(bytes.len(), 100_000, "no frame was cut"),
            Message::Text(text) => {
                assert_eq!(text, "8");
                break;
            }
        }
    }
    assert_eq!(slow.next_text().await.unwrap(), "9");
}

#[tokio::test]
async fn the_overflow_of_a_controller_takes_precedence_over_the_servers() {
    let app = App::without_registry()
        .config(narrow(Overflow::Disconnect))
        .route(Route::new("/chat", Chat).overflow(Overflow::DropNewest));
    let app = TestApp::start(app).await;
    let mut client = app.connect("/chat").await.unwrap();
    let conn = app.running().hub().get_local(tell(&mut client, "").await).unwrap();
    while conn.push(vec![0; 100_000]).is_ok() {}
    assert!(conn.is_open());
}

#[tokio::test]
async fn the_hub_exists_before_the_start() {
    let app = App::without_registry().route(Route::new("/chat", Chat));
    let hub = app.hub();
    assert_eq!(hub.count_local(), 0);
    let app = TestApp::start(app).await;
    let mut client = app.connect("/chat").await.unwrap();
    tell(&mut client, "").await;
    assert_eq!(hub.count_local(), 1);
    assert_eq!(hub.all().in_turns().push("hello").await.sent, 1);
    assert_eq!(client.next_text().await.unwrap(), "hello");
    assert_eq!(hub.all().in_turns().event("said", &[1]).await.sent, 1);
    assert_eq!(client.next_event::<[u8; 1]>("said").await.unwrap(), [1]);
}
