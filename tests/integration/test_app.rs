//! The test kit: the whole server over connections in memory, also under paused time.

use std::time::Duration;

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use tokio::time::Instant;
use ws_core::{
    App, CloseReason, Connection, Controller, Message, Next, Response, Result, Route,
    testing::{TestApp, TestError},
};

use crate::support::{Probe, Seen, config};

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        if message.as_text() == Some("bye") {
            return Ok(conn.disconnect(4000, "closed on request")?);
        }
        Ok(conn.push(message)?)
    }
}

async fn needs_token(handshake: ws_core::Handshake, next: Next<'_>) -> Result<Response> {
    handshake.bearer_token()?;
    next.run(handshake).await
}

async fn app() -> TestApp {
    let routes = Route::new("/echo", Echo).subprotocols(&["v2", "v1"]);
    TestApp::start(
        App::without_registry()
            .route(routes)
            .route(Route::new("/secret", Echo).middleware(needs_token))
            .route(Route::new("/admin", Echo).server("admin"))
            .http(
                "http",
                Router::new().route("/sum", post(async |Json(body): Json<Value>| Json(json!({"got": body})))),
            ),
    )
    .await
}

#[tokio::test]
async fn clients_send_and_receive_texts_json_events_and_binary() {
    let app = app().await;
    let mut client = app.connect("/echo").subprotocols(&["v1", "v2"]).await.unwrap();
    assert_eq!(client.subprotocol(), Some("v2"), "in the controller's order");
    client.send_text("hi").await;
    assert_eq!(client.next_text().await.unwrap(), "hi");
    client.send_json(&json!({"a": 1})).await;
    assert_eq!(client.next_json::<Value>().await.unwrap(), json!({"a": 1}));
    client.send_event("say", "hello").await;
    assert_eq!(client.next_event::<String>("say").await.unwrap(), "hello");
    client.send_binary(vec![1, 2, 3]).await;
    assert_eq!(client.next().await.unwrap(), Message::binary(vec![1, 2, 3]));
    client.ping("p").await;
    assert_eq!(client.next_pong().await.unwrap(), "p");
    client.send_text("bye").await;
    assert_eq!(client.expect_close(4000).await, "closed on request");
}

#[tokio::test]
async fn refusals_have_status_headers_and_body() {
    let app = app().await;
    let refusal = app.connect("/secret").expect_status(401).await;
    assert_eq!(refusal.header("www-authenticate"), Some("Bearer"));
    assert_eq!(refusal.json::<Value>().unwrap(), json!({"code": 401, "msg": "no bearer token"}));
    assert!(
        matches!(app.connect("/nowhere").await, Err(TestError::Refused(refusal)) if refusal.status == 404)
    );
    app.connect("/secret").bearer("t").await.unwrap();
}

#[tokio::test]
async fn every_server_can_be_reached() {
    let app = app().await;
    app.connect("/admin").expect_status(404).await;
    app.connect_to("admin", "/admin").await.unwrap();
    let answer = app.http("http").post("/sum").json(&[1, 2]).send().await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json::<Value>().unwrap()), (200, json!({"got": [1, 2]})));
    assert_eq!(app.http("http").get("/nowhere").send().await.unwrap().status, 404);
}

#[tokio::test]
async fn an_unexpected_message_is_in_the_error() {
    let app = app().await;
    let mut client = app.connect("/echo").await.unwrap();
    client.send_binary(vec![1]).await;
    assert!(matches!(client.next_text().await, Err(TestError::Unexpected { .. })));
    client.send_text("no json").await;
    assert!(matches!(client.next_json::<Value>().await, Err(TestError::Json { .. })));
    client.send_event("a", &1).await;
    let error = client.next_event::<u8>("b").await.unwrap_err();
    assert!(error.to_string().starts_with("expected event `b`, got"), "{error}");
    client.close(1000, "bye").await;
    assert!(matches!(client.next().await, Err(TestError::Closed { code: 1000, .. })));
}

#[tokio::test]
async fn raw_frames_can_cause_faults() {
    let app = app().await;
    let mut client = app.connect("/echo").await.unwrap();
    client.send_frame(0xc1, b"reserved bit").await;
    client.expect_close(1002).await;
    let mut client = app.connect("/echo").await.unwrap();
    client.send_bytes(&[0x81, 1, b'x']).await;
    client.expect_close(1002).await;
}

#[tokio::test(start_paused = true)]
async fn heartbeats_take_no_real_time_under_paused_time() {
    let (probe, mut reports) = Probe::new();
    let app = TestApp::start(App::without_registry().controller("/", probe)).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    reports.open().await;
    // The client answers pings only while it waits for a message.
    assert!(matches!(client.next().await, Err(TestError::TimedOut { .. })));
    let reason = loop {
        match reports.next_unhurried().await {
            Seen::Close(reason) => break reason,
            Seen::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason, CloseReason::Heartbeat);
    assert_eq!(began.elapsed().as_secs(), 45, "a ping after 25 s, dead 20 s after it");
    client.expect_close(1006).await;
}

#[tokio::test(start_paused = true)]
async fn pings_come_every_interval_though_their_timeout_is_longer() {
    let (probe, mut reports) = Probe::new();
    let mut config = config();
    config.servers[0].heartbeat.interval = Some(Duration::from_secs(5));
    config.servers[0].heartbeat.timeout = Duration::from_secs(18);
    let app = TestApp::start(App::without_registry().controller("/", probe).config(config)).await;
    let began = Instant::now();
    let mut client = app.connect("/").await.unwrap();
    reports.open().await;
    for answered in 1..=12 {
        assert!(matches!(client.next().await, Err(TestError::TimedOut { .. })), "it answers pings meanwhile");
        if answered > 1 {
            assert!(matches!(reports.next_unhurried().await, Seen::Pong(_)));
            assert_eq!(began.elapsed().as_secs(), 5 * answered);
        }
    }
    // From now on it does not answer, so the ping after 60 s is the last.
    let reason = loop {
        match reports.next_unhurried().await {
            Seen::Close(reason) => break reason,
            Seen::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((reason, began.elapsed().as_secs()), (CloseReason::Heartbeat, 60 + 18));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_in_the_handshake_and_in_the_closing_is_bounded() {
    let (probe, mut reports) = Probe::new();
    let app = TestApp::start(App::without_registry().controller("/", probe)).await;
    let client = app.connect("/").await.unwrap();
    let conn = reports.open().await;
    let began = Instant::now();
    conn.disconnect(1000, "").unwrap();
    // It neither answers nor closes, so the close deadline ends it.
    reports.close().await;
    let report = app.shutdown().await;
    assert_eq!((report.closed, report.lost, report.cut), (0, 1, 0));
    assert!(
        began.elapsed() >= Duration::from_secs(5) && began.elapsed() < Duration::from_secs(7),
        "{:?}",
        began.elapsed()
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn the_handshake_deadline_applies_only_to_the_handshake() {
    let app = app().await;
    let mut client = app.connect("/echo").await.unwrap();
    // Longer than the deadline, shorter than the first ping.
    tokio::time::advance(Duration::from_secs(20)).await;
    client.send_text("still here").await;
    assert_eq!(client.next_text().await.unwrap(), "still here");
}
