//! Counters of routes: handshakes, connections, messages, rooms.

use std::time::Duration;

use serde_json::{Value, json};
use ws_core::{
    Hub, Route,
    config::{OverRate, Overflow},
    prelude::*,
    testing::{TestApp, TestCluster},
};

use super::{eventually, route, stats};
use crate::support::{self, Echo, config, start};

/// The counters of messages in one direction: text messages and bytes, binary messages and bytes.
fn traffic(stats: &Value) -> [u64; 4] {
    ["text", "binary"]
        .map(|kind| ["messages", "bytes"].map(|what| stats[kind][what].as_u64().unwrap()))
        .concat()
        .try_into()
        .unwrap()
}

#[tokio::test]
async fn messages_and_their_bytes_are_counted_by_direction_and_kind() {
    let app = TestApp::start(App::without_registry().controller("/", Echo)).await;
    let mut client = app.connect("/").await.unwrap();
    for size in [0, 125, 126, 5000, 70_000] {
        client.send_text("x".repeat(size)).await;
        client.next().await.unwrap();
    }
    client.send_binary(vec![0; 3]).await;
    client.next().await.unwrap();
    let expected = [5, 75_251, 1, 3];
    assert_eq!(traffic(&route(&app)["received"]), expected);
    assert_eq!(traffic(&route(&app)["sent"]), expected);
}

#[tokio::test]
async fn messages_of_a_flood_are_all_counted_over_a_real_socket() {
    let server = start(App::without_registry().controller("/", Echo)).await;
    let mut raw = server.raw("/").await;
    raw.write(&support::frame(0x81, b"four").repeat(3000)).await;
    for _ in 0..3000 {
        assert_eq!(raw.read_frame().await.payload, b"four");
    }
    let all = || {
        let stats = server.running.stats();
        let route = &stats.servers[0].routes[0];
        [&route.received, &route.sent].map(|traffic| (traffic.messages(), traffic.bytes()))
    };
    support::until("all are counted", || all() == [(3000, 12_000); 2]).await;
}

#[tokio::test]
async fn a_message_to_a_room_is_counted_for_each_member() {
    struct Room;
    impl Controller for Room {
        async fn on_open(&self, conn: &Connection) -> Result {
            conn.join("all")?;
            Ok(())
        }
        async fn on_message(&self, conn: &Connection, message: Message) -> Result {
            conn.room("all").push(message);
            Ok(())
        }
    }
    let app = TestApp::start(App::without_registry().controller("/", Room)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(app.connect("/").await.unwrap());
    }
    // A frame with each size of the length is shared by the members.
    for size in [5, 300, 70_000] {
        clients[0].send_text("x".repeat(size)).await;
        for client in &mut clients {
            client.next().await.unwrap();
        }
    }
    assert_eq!(traffic(&route(&app)["received"]), [3, 70_305, 0, 0]);
    assert_eq!(traffic(&route(&app)["sent"]), [9, 210_915, 0, 0]);
}

#[tokio::test]
async fn handshakes_are_counted_by_route_and_status() {
    async fn refuse(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        match handshake.query_param("status") {
            Some(status) => Err(Error::new("refused").status(status.parse::<u16>()?)),
            None => next.run(handshake).await,
        }
    }
    let route = Route::new("/rooms/{room}", Echo).middleware(refuse);
    let app = TestApp::start(App::without_registry().route(route)).await;
    for path in ["/rooms/1", "/rooms/2"] {
        app.connect(path).await.unwrap();
    }
    for (path, status) in [
        ("/rooms/1?status=403", 403),
        ("/rooms/2?status=403", 403),
        ("/rooms/2?status=503", 503),
        ("/nowhere", 404),
        ("/nowhere/else", 404),
    ] {
        app.connect(path).expect_status(status).await;
    }
    let stats = stats(&app);
    let server = &stats["servers"][0];
    assert_eq!(server["name"], "ws");
    assert_eq!(server["unmatched"], json!([{"status": 404, "count": 2}]));
    let of_route =
        [(101, 2), (403, 2), (503, 1)].map(|(status, count)| json!({"status": status, "count": count}));
    assert_eq!(server["routes"][0]["path"], "/rooms/{room}");
    assert_eq!(server["routes"][0]["handshakes"], json!(of_route));
}

/// Ends its connection as the message requests.
struct Ends;

impl Controller for Ends {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text().unwrap_or_default() {
            "local" => Ok(conn.disconnect(4001, "")?),
            "registered" => Ok(conn.disconnect(3003, "")?),
            "error" => Err(Error::new("failed").close_code(4500)),
            "panic" => panic!("asked to"),
            "handler_timeout" => std::future::pending().await,
            "overflow" => {
                while conn.push("more").is_ok() {}
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn closed(cause: &str, code: &str) -> Value {
    json!([{"cause": cause, "code": code, "count": 1}])
}

#[tokio::test(start_paused = true)]
async fn an_ended_connection_is_counted_by_its_cause_and_code() {
    for (message, cause, code) in [
        ("local", "local", "4xxx"),
        ("registered", "local", "3xxx"),
        ("error", "error", "4xxx"),
        ("panic", "panic", "1011"),
        ("handler_timeout", "handler_timeout", "1011"),
        ("overflow", "overflow", "1013"),
        ("peer", "peer", "1000"),
        ("fault", "fault", "1002"),
        ("gone", "gone", "1006"),
        ("heartbeat", "heartbeat", "1006"),
        ("idle", "idle", "1001"),
        ("shutdown", "shutdown", "1001"),
    ] {
        let mut config = config();
        config.servers[0].limits.handler_timeout = Some(Duration::from_secs(5));
        if message == "idle" {
            config.servers[0].heartbeat.idle = Some(Duration::from_secs(3));
        }
        let app = App::without_registry().config(config).controller("/", Ends);
        let handle = app.stats();
        let route = || serde_json::to_value(handle.read()).unwrap()["servers"][0]["routes"][0].clone();
        let app = TestApp::start(app).await;
        let mut client = app.connect("/").await.unwrap();
        assert_eq!((route()["connections"].as_u64(), &route()["closed"]), (Some(1), &json!([])));
        match message {
            "peer" => client.close(1000, "").await,
            "fault" => client.send_frame(0x83, b"").await,
            "gone" => drop(client),
            // It does not read, so it does not answer pings.
            "heartbeat" => tokio::time::sleep(Duration::from_secs(600)).await,
            "idle" => drop(client.expect_close(1001).await),
            "shutdown" => drop(app.shutdown().await),
            message => client.send_text(message).await,
        }
        eventually(message, || route()["connections"] == 0).await;
        assert_eq!(route()["closed"], closed(cause, code), "{message}");
        assert_eq!(route()["heartbeat_lost"], u64::from(message == "heartbeat"));
        assert_eq!(route()["outbox_full"], u64::from(message == "overflow"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_outbox_is_counted_under_each_policy() {
    struct Floods;
    impl Controller for Floods {
        async fn on_message(&self, conn: &Connection, _: Message) -> Result {
            for _ in 0..10 {
                let _ = conn.push("more");
            }
            Ok(())
        }
    }
    for (overflow, label, full) in [
        (Overflow::DropOldest, "drop_oldest", 6),
        (Overflow::DropNewest, "drop_newest", 6),
        (Overflow::Disconnect, "disconnect", 1),
    ] {
        let flood = Route::new("/", Floods).overflow(overflow).limits(|limits| limits.outbox_messages = 4);
        let app = TestApp::start(App::without_registry().route(flood)).await;
        let mut client = app.connect("/").await.unwrap();
        client.send_text("go").await;
        let _ = client.next().await;
        assert_eq!((&route(&app)["overflow"], &route(&app)["outbox_full"]), (&json!(label), &json!(full)));
        let sent = if full == 6 { [4, 16, 0, 0] } else { [0; 4] };
        assert_eq!(traffic(&route(&app)["sent"]), sent, "dropped messages are not sent: {label}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_over_the_rate_are_counted() {
    struct Typed;
    #[ws_handlers]
    impl Typed {
        #[on_event("echo")]
        async fn echo(&self, data: Data<u32>) -> Data<u32> {
            data
        }
    }
    for (over_rate, counted) in [(OverRate::Close, 1), (OverRate::Refuse, 3)] {
        let mut config = config();
        let limits = &mut config.servers[0].limits;
        (limits.messages_per_second, limits.over_rate) = (Some(2), over_rate);
        let app = TestApp::start(App::without_registry().config(config).controller("/", Typed)).await;
        let mut client = app.connect("/").await.unwrap();
        for _ in 0..5 {
            client.send_event("echo", &1).await;
        }
        eventually("it is counted", || route(&app)["rate_limited"] == counted).await;
        let refused = &route(&app)["events"][1]["errors"];
        let expected = json!([{"code": "rate_limited", "count": 3}]);
        assert_eq!(*refused, if over_rate == OverRate::Refuse { expected } else { json!([]) });
    }
}

#[tokio::test]
async fn rooms_and_joins_are_counted_by_controller() {
    struct Joins;
    impl Controller for Joins {
        async fn on_message(&self, conn: &Connection, message: Message) -> Result {
            match message.as_text().and_then(|text| text.strip_prefix('-')) {
                Some(room) => drop(conn.leave(room)),
                None => drop(conn.join(message.as_text().unwrap_or_default())?),
            }
            conn.identify("users are not rooms")?;
            Ok(conn.push("done")?)
        }
    }
    let app =
        App::without_registry().controller("/a", Joins).controller("/b/{id}", Joins).controller("/e", Echo);
    let app = TestApp::start(app).await;
    let of = |name: &str| {
        let stats = stats(&app);
        let all = stats["controllers"].as_array().unwrap();
        let one = all.iter().find(|it| it["name"] == name).unwrap();
        (one["rooms"].as_u64().unwrap(), one["room_joins"].as_u64().unwrap())
    };
    let mut clients = [app.connect("/a").await.unwrap(), app.connect("/b/1").await.unwrap()];
    for (client, text, expected) in [
        (0, "x", (1, 1)),
        (1, "x", (1, 2)),
        (0, "x", (1, 2)),
        (1, "y", (2, 3)),
        (0, "-x", (2, 3)),
        (0, "-x", (2, 3)),
    ] {
        clients[client].send_text(text).await;
        clients[client].next().await.unwrap();
        assert_eq!(of("Joins"), expected, "{text}");
    }
    clients[1].close(1000, "").await;
    support::until("the rooms are empty", || of("Joins") == (0, 3)).await;
    assert_eq!(of("Echo"), (0, 0));
}

/// The number of all values below this one.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 1,
    }
}

#[tokio::test]
async fn ten_thousand_paths_rooms_and_events_leave_the_number_of_series_unchanged() {
    struct Rooms;
    #[ws_handlers]
    impl Rooms {
        #[on_event("join")]
        async fn join(&self, conn: &Connection, Data(room): Data<String>) -> Result {
            conn.join(&room)?;
            conn.leave(&room);
            Ok(())
        }
        #[on_event("fail")]
        async fn fail(&self, Data(code): Data<String>) -> Result {
            Err(Error::new("failed").code(code).public("failed"))
        }
    }
    let app = TestApp::start(App::without_registry().controller("/rooms/{id}", Rooms)).await;
    let mut sizes = Vec::new();
    for count in [1, 10_000] {
        let mut client = app.connect("/rooms/0").await.unwrap();
        for number in 0..count {
            app.connect(format!("/nowhere/{number}?id={number}")).expect_status(404).await;
            for event in [
                json!({"event": "join", "data": number.to_string(), "ref": 1}),
                json!({"event": "fail", "data": format!("code {number}"), "ref": 1}),
                json!({"event": format!("event {number}"), "ref": 1}),
            ] {
                client.send_json(&event).await;
                client.next().await.unwrap();
            }
        }
        client.close(1000, "").await;
        support::until("it has ended", || route(&app)["connections"] == 0).await;
        sizes.push(size(&stats(&app)));
    }
    assert_eq!(sizes[0], sizes[1], "{}", stats(&app));
    let events = &route(&app)["events"];
    assert_eq!(events[2]["name"], "unknown");
    assert_eq!(events[2]["error"], 10_001);
    assert_eq!(events[0]["errors"], json!([{"code": "other", "count": 10_001}]));
}

#[tokio::test]
async fn a_handle_from_before_the_start_follows_the_application() {
    let app = App::without_registry().controller("/", Echo);
    let handle = app.stats();
    assert!(handle.read().servers.is_empty() && !handle.read().is_ready);
    let app = TestApp::start(app).await;
    assert!(handle.read().is_ready && !handle.read().is_draining);
    assert_eq!(handle.read(), app.running().stats());
    assert!(handle.read().cluster.is_none());
    app.shutdown().await;
    assert!(!handle.read().is_ready && handle.read().is_draining);
}

#[tokio::test(start_paused = true)]
async fn the_link_to_the_broker_is_among_the_counters() {
    let cluster = TestCluster::new();
    let app = || App::without_registry().controller("/", Echo);
    let (one, _two) = (cluster.start(app()).await, cluster.start(app()).await);
    let status = || one.running().stats().cluster.unwrap();
    eventually("both are known", || status().nodes == 2).await;
    assert!(status().is_up);
    let hub: Hub = one.running().hub();
    let before = status().link.published;
    hub.all().push("hello");
    assert_eq!(status().link.published, before + 1);
    assert_eq!(status().link, hub.cluster().stats());
    cluster.stop_broker();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!status().is_up);
    cluster.start_broker();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(status().is_up && status().link.gaps >= Duration::from_secs(30));
}
