//! The limits of an open connection: the rate of messages, the fragments, the idle time, and the
//! settings that a controller changes. Tests that wait use paused time.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, advance, timeout},
};
use ws_core::{
    App, Bytes, CloseReason, Config, Connection, Controller, Message, Result, Route,
    config::{OverRate, ServerConfig},
    error::MessageError,
    testing::{TestApp, TestClient},
    ws_controller,
};

use crate::support::{Probe, Reports, Seen, frame, registry_config};

/// Echoes, floods its client, or waits without end.
async fn play(conn: &Connection, message: Message) -> Result {
    match message.as_text() {
        Some("flood") => {
            for _ in 0..5 {
                // The tests check the policy of a full outbox.
                let _ = conn.push("x".repeat(30));
            }
            Ok(())
        }
        Some("hang") => std::future::pending().await,
        Some("spawn") => {
            let spawned = (0..2).take_while(|_| conn.spawn(std::future::pending::<()>()).is_ok());
            Ok(conn.push(spawned.count().to_string())?)
        }
        Some("join") => {
            let joined = ["a", "b"].iter().take_while(|room| conn.join(room).is_ok());
            Ok(conn.push(joined.count().to_string())?)
        }
        _ => Ok(conn.push(message)?),
    }
}

struct Plays;

impl Controller for Plays {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        play(conn, message).await
    }
}

/// The defaults with this change and without a heartbeat, so that only the test advances the time.
fn config(change: impl FnOnce(&mut ServerConfig)) -> Config {
    let mut config = Config::default();
    config.servers[0].heartbeat.interval = None;
    change(&mut config.servers[0]);
    config
}

async fn serve(controller: impl Controller, change: impl FnOnce(&mut ServerConfig)) -> TestApp {
    let app = App::without_registry().config(config(change)).route(Route::new("/", controller));
    TestApp::start(app).await
}

/// Checks that this number of messages is echoed.
async fn echoed(client: &mut TestClient, messages: usize) {
    for number in 0..messages {
        client.send_text(number.to_string()).await;
        assert_eq!(client.next_text().await.unwrap(), number.to_string());
    }
}

/// Checks that the next message is over the rate.
async fn is_over(client: &mut TestClient) {
    client.send_text("one too many").await;
    assert_eq!(client.expect_close(1008).await, "too many messages a second");
}

/// Returns the reason of the end, within a day of paused time.
async fn reason(reports: &mut Reports) -> CloseReason {
    let closed = async {
        loop {
            if let Seen::Close(reason) = reports.next_unhurried().await {
                return reason;
            }
        }
    };
    timeout(Duration::from_secs(24 * 3600), closed).await.expect("it stays open")
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_rate_closes_with_1008_and_those_before_it_are_handled() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.limits.messages_per_second = Some(3)).await;
    let mut client = app.connect("/").await.unwrap();
    reports.open().await;
    for number in 0..4 {
        client.send_text(number.to_string()).await;
    }
    for number in 0..3 {
        let Seen::Message(message) = reports.next_unhurried().await else { panic!("no message") };
        assert_eq!(message, Message::text(number.to_string()));
    }
    assert_eq!(client.expect_close(1008).await, "too many messages a second");
    let reason = reports.close().await;
    assert_eq!((reason.code(), reason), (1008, CloseReason::Fault(MessageError::RateLimited)));
    reports.assert_nothing_more();
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_allowed_and_comes_back_at_the_rate() {
    let app = serve(Plays, |server| {
        server.limits.messages_per_second = Some(10);
        server.limits.message_burst = Some(4);
    });
    let app = app.await;
    let mut client = app.connect("/").await.unwrap();
    echoed(&mut client, 4).await;
    advance(Duration::from_millis(100)).await;
    echoed(&mut client, 1).await;
    advance(Duration::from_secs(3600)).await;
    echoed(&mut client, 4).await;
    is_over(&mut client).await;
}

#[tokio::test(start_paused = true)]
async fn each_connection_has_its_own_rate_and_pings_do_not_count() {
    let app = serve(Plays, |server| server.limits.messages_per_second = Some(2)).await;
    let (mut one, mut other) = (app.connect("/").await.unwrap(), app.connect("/").await.unwrap());
    for _ in 0..50 {
        one.ping("p").await;
        assert_eq!(one.next_pong().await.unwrap(), "p");
    }
    echoed(&mut one, 2).await;
    is_over(&mut one).await;
    echoed(&mut other, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_controller_without_envelopes_closes_instead_of_refusing() {
    let app = serve(Plays, |server| {
        server.limits.messages_per_second = Some(1);
        server.limits.over_rate = OverRate::Refuse;
    });
    let app = app.await;
    let mut client = app.connect("/").await.unwrap();
    echoed(&mut client, 1).await;
    is_over(&mut client).await;
}

/// A message of this number of fragments, each with this payload, and a ping after the first.
fn fragmented(fragments: usize, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [frame(0x02, payload), frame(0x89, b"between")].concat();
    for number in 1..fragments {
        bytes.extend(frame(if number + 1 == fragments { 0x80 } else { 0x00 }, payload));
    }
    bytes
}

#[tokio::test]
async fn a_message_in_more_fragments_than_the_limit_closes_with_1009() {
    for (name, payload) in [("empty", &b""[..]), ("tiny", b"x")] {
        let (probe, mut reports) = Probe::new();
        let app = serve(probe, |server| server.limits.fragments = 100).await;
        let mut client = app.connect("/").await.unwrap();
        reports.open().await;
        for _ in 0..2 {
            client.send_bytes(&fragmented(100, payload)).await;
            assert!(matches!(reports.next().await, Seen::Ping(_)), "{name}");
            let Seen::Message(message) = reports.next().await else { panic!("{name}: no message") };
            assert_eq!(message.len(), 100 * payload.len(), "{name}: exactly the limit is accepted");
        }
        client.send_bytes(&fragmented(101, payload)).await;
        assert_eq!(client.expect_close(1009).await, "too many fragments", "{name}");
        assert!(matches!(reports.next().await, Seen::Ping(_)), "{name}");
        let fault = MessageError::TooManyFragments { limit: 100 };
        assert_eq!(reports.close().await, CloseReason::Fault(fault), "{name}");
        reports.assert_nothing_more();
    }
}

#[tokio::test]
async fn too_many_fragments_are_found_before_the_message_ends() {
    let app = serve(Plays, |_| {}).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_frame(0x01, b"").await;
    for _ in 0..16 {
        client.send_bytes(&frame(0x00, b"").repeat(1024)).await;
    }
    assert_eq!(client.expect_close(1009).await, "too many fragments");
}

const IDLE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn an_idle_connection_closes_with_1001() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.heartbeat.idle = Some(IDLE)).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    let closed = reason(&mut reports).await;
    assert_eq!((closed.code(), closed), (1001, CloseReason::Idle));
    assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
    assert_eq!(client.expect_close(1001).await, "idle");
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_with_1001_at_the_end_of_its_lifetime_whatever_it_does() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.limits.lifetime = Some(IDLE)).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    reports.open().await;
    for _ in 0..5 {
        advance(IDLE / 6).await;
        client.send_text("busy").await;
        assert!(matches!(reports.next_unhurried().await, Seen::Message(_)));
    }
    let closed = reports.close().await;
    assert_eq!((closed.code(), closed), (1001, CloseReason::Lifetime));
    assert!(began.elapsed() >= IDLE * 9 / 10 && began.elapsed() <= IDLE, "{:?}", began.elapsed());
    assert_eq!(client.expect_close(1001).await, "lifetime is over");
}

#[tokio::test(start_paused = true)]
async fn messages_of_either_side_keep_a_connection_open() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.heartbeat.idle = Some(IDLE)).await;
    let mut client = app.connect("/").await.unwrap();
    let conn = reports.open().await;
    for _ in 0..3 {
        advance(IDLE * 2 / 3).await;
        client.send_text("from there").await;
        assert!(matches!(reports.next_unhurried().await, Seen::Message(_)));
        advance(IDLE * 2 / 3).await;
        conn.push("from here").unwrap();
        assert_eq!(client.next_text().await.unwrap(), "from here");
    }
    let last = Instant::now();
    assert_eq!(reason(&mut reports).await, CloseReason::Idle);
    assert_eq!(last.elapsed().as_secs(), IDLE.as_secs(), "counted from the last message");
}

#[tokio::test(start_paused = true)]
async fn pings_and_pongs_of_either_side_do_not_keep_a_connection_open() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| {
        server.heartbeat.interval = Some(Duration::from_secs(25));
        server.heartbeat.idle = Some(IDLE);
    });
    let app = app.await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    for _ in 0..2 {
        advance(Duration::from_secs(26)).await;
        // While the client waits for the pong, it answers the heartbeat.
        client.ping("p").await;
        assert_eq!(client.next_pong().await.unwrap(), "p");
    }
    assert_eq!(reason(&mut reports).await, CloseReason::Idle);
    assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
    client.expect_close(1001).await;
}

#[tokio::test(start_paused = true)]
async fn unread_pongs_do_not_keep_a_connection_open() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.heartbeat.idle = Some(IDLE)).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    let mut written = 0;
    while timeout(Duration::from_secs(1), client.send_frame(0x89, &[7; 125])).await.is_ok() {
        written += 1;
        assert!(written < 10_000, "the server reads without a limit");
    }
    assert!(written > 0);
    assert_eq!(reason(&mut reports).await, CloseReason::Idle);
    assert_eq!(began.elapsed().as_secs(), IDLE.as_secs());
}

/// Answers when it is released.
struct Works(Arc<Notify>);

impl Controller for Works {
    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        self.0.notified().await;
        Ok(conn.push("done")?)
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_idle_while_a_callback_runs() {
    let release = Arc::new(Notify::new());
    let app = serve(Works(Arc::clone(&release)), |server| server.heartbeat.idle = Some(IDLE)).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("work").await;
    for _ in 0..3 {
        advance(IDLE).await;
        client.ping("p").await;
        assert_eq!(client.next_pong().await.unwrap(), "p");
    }
    release.notify_one();
    assert_eq!(client.next_text().await.unwrap(), "done");
    advance(IDLE).await;
    client.expect_close(1001).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_idle_while_a_message_is_being_sent() {
    let (probe, mut reports) = Probe::new();
    let app = serve(probe, |server| server.heartbeat.idle = Some(IDLE)).await;
    let mut client = app.connect("/").await.unwrap();
    let conn = reports.open().await;
    conn.push(Bytes::from(vec![7; 1 << 20])).unwrap();
    for _ in 0..3 {
        advance(IDLE).await;
        tokio::task::yield_now().await;
    }
    assert!(conn.is_open());
    assert_eq!(client.next().await.unwrap().len(), 1 << 20);
    assert_eq!(reason(&mut reports).await, CloseReason::Idle);
}

/// Defines a controller with its own limits.
macro_rules! limited {
    ($name:ident, $path:literal, $($limits:tt)*) => {
        #[ws_controller(path = $path, server = "limited", limits($($limits)*))]
        struct $name;

        impl Controller for $name {
            async fn on_message(&self, conn: &Connection, message: Message) -> Result {
                play(conn, message).await
            }
        }
    };
}

limited!(Unchanged, "/unchanged", message = "1KiB");
limited!(Rate, "/rate", messages_per_second = 2);
limited!(Burst, "/burst", message_burst = 7);
limited!(NoRate, "/no-rate", messages_per_second = "off");
limited!(Fragments, "/fragments", fragments = 2);
limited!(OutboxMessages, "/outbox-messages", outbox_messages = 2);
limited!(OutboxBytes, "/outbox-bytes", outbox_bytes = "100B");
limited!(Rooms, "/rooms", rooms = 1);
limited!(NoRooms, "/no-rooms", rooms = 0);
limited!(Tasks, "/tasks", tasks = 1);
limited!(InboxMessages, "/inbox-messages", inbox_messages = 1);
limited!(InboxBytes, "/inbox-bytes", inbox_bytes = "1B");
limited!(Overflows, "/overflow", outbox_messages = 2, overflow = "drop_newest");
limited!(Deadline, "/deadline", handler_timeout = "50ms");
limited!(NoDeadline, "/no-deadline", handler_timeout = "off");

/// The controllers with attributes, on a server with these limits and without a heartbeat.
async fn annotated() -> TestApp {
    let mut config = registry_config();
    let server = config.servers.iter_mut().find(|server| server.name == "limited").unwrap();
    server.heartbeat.interval = None;
    server.limits.messages_per_second = Some(5);
    server.limits.handler_timeout = Some(Duration::from_secs(1));
    TestApp::start(crate::registry::app().config(config)).await
}

async fn connect(app: &TestApp, path: &str) -> TestClient {
    app.connect_to("limited", path).await.unwrap()
}

/// Returns how many of five pushes arrive, and whether the connection stays open.
async fn flooded(client: &mut TestClient) -> (usize, bool) {
    client.send_text("flood").await;
    client.send_text("still here").await;
    for arrived in 0.. {
        match client.next_text().await {
            Ok(text) if text == "still here" => return (arrived, true),
            Ok(text) => assert_eq!(text.len(), 30),
            Err(_) => return (arrived, false),
        }
    }
    unreachable!("at most five arrive")
}

#[tokio::test(start_paused = true)]
async fn the_rate_of_a_controller_takes_precedence_over_the_servers() {
    let app = annotated().await;
    for (path, messages) in [("/unchanged", 5), ("/rate", 2), ("/burst", 7)] {
        let mut client = connect(&app, path).await;
        echoed(&mut client, messages).await;
        is_over(&mut client).await;
    }
    echoed(&mut connect(&app, "/no-rate").await, 100).await;
}

#[tokio::test(start_paused = true)]
async fn each_limit_of_a_controller_takes_effect() {
    let app = annotated().await;
    let mut client = connect(&app, "/fragments").await;
    client.send_bytes(&fragmented(2, b"x")).await;
    assert_eq!(client.next().await.unwrap().len(), 2);
    client.send_bytes(&fragmented(3, b"x")).await;
    client.expect_close(1009).await;

    for (path, expected) in [
        ("/unchanged", (5, true)),
        ("/outbox-messages", (0, false)),
        ("/outbox-bytes", (0, false)),
        ("/overflow", (2, true)),
    ] {
        assert_eq!(flooded(&mut connect(&app, path).await).await, expected, "{path}");
    }

    for (path, command, count) in [
        ("/unchanged", "join", "2"),
        ("/rooms", "join", "1"),
        ("/no-rooms", "join", "0"),
        ("/unchanged", "spawn", "2"),
        ("/tasks", "spawn", "1"),
    ] {
        let mut client = connect(&app, path).await;
        client.send_text(command).await;
        assert_eq!(client.next_text().await.unwrap(), count, "{path}: {command}");
    }

    for (path, reads_on) in [("/unchanged", true), ("/inbox-messages", false), ("/inbox-bytes", false)] {
        let mut client = connect(&app, path).await;
        client.send_text("hang").await;
        client.send_text("a").await;
        client.ping("p").await;
        assert_eq!(client.next_pong().await.is_ok(), reads_on, "{path}");
    }

    for (path, millis) in [("/deadline", 50), ("/unchanged", 1000)] {
        let mut client = connect(&app, path).await;
        let began = Instant::now();
        client.send_text("hang").await;
        client.expect_close(1011).await;
        let elapsed = began.elapsed();
        assert!(elapsed.as_millis().abs_diff(millis) < 10, "{path}: {elapsed:?}");
    }
    let mut client = connect(&app, "/no-deadline").await;
    client.send_text("hang").await;
    advance(Duration::from_secs(3600)).await;
    client.ping("p").await;
    assert_eq!(client.next_pong().await.unwrap(), "p");
}

#[tokio::test(start_paused = true)]
async fn a_route_by_hand_changes_limits_too() {
    let route =
        Route::new("/own", Plays).limits(|limits| limits.messages_per_second = Some(1)).message_limit(9);
    let app = App::without_registry().config(config(|_| {})).route(route).route(Route::new("/", Plays));
    let app = TestApp::start(app).await;
    let mut client = app.connect("/own").await.unwrap();
    echoed(&mut client, 1).await;
    client.send_text("one").await;
    client.expect_close(1008).await;
    let mut client = app.connect("/own").await.unwrap();
    client.send_text("ten bytes!").await;
    client.expect_close(1009).await;
    echoed(&mut app.connect("/").await.unwrap(), 100).await;
}
