//! The event `ping`: the keep-alive of clients that cannot send WebSocket pings.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{sync::Notify, time::advance};
use ws_core::handlers::EventName;
use ws_core::{
    Config, Route,
    config::OverRate,
    prelude::*,
    testing::{TestApp, TestClient},
};

use super::{ask, serve};

const PING: &str = r#"{"event":"ping","ref":1}"#;

fn pong() -> Value {
    json!({"event": "pong", "data": null, "ref": 1})
}

/// Handles every event without a handler of its own.
struct Greedy;

#[ws_handlers]
impl Greedy {
    #[on_event("say")]
    async fn say(&self, Data(text): Data<String>) -> Data<String> {
        Data(text)
    }

    #[on_unknown]
    async fn unknown(&self, name: EventName<'_>) -> Data<String> {
        Data(name.to_string())
    }
}

#[tokio::test]
async fn a_ping_is_answered_and_does_not_reach_on_unknown() {
    let app = serve(Greedy).await;
    let mut client = app.connect("/").await.unwrap();
    assert_eq!(ask(&mut client, PING).await, pong());
    let spellings = [
        r#"{"ref": 1, "event": "ping"}"#.to_owned(),
        r#"{"event":"\u0070ing","ref":1}"#.to_owned(),
        format!(r#"{{"event":"ping","data":"{}","ref":1}}"#, "x".repeat(1000)),
    ];
    for spelling in spellings {
        assert_eq!(ask(&mut client, spelling).await, pong());
    }
    assert_eq!(ask(&mut client, r#"{"event":"pings","ref":1}"#).await["data"], "pings");
}

/// Handles the pings itself.
struct Pinged;

#[ws_handlers]
impl Pinged {
    #[on_event("ping")]
    async fn ping(&self) -> Event<&'static str> {
        Event::new("mine", "pong")
    }
}

/// Handles them by a constant.
struct PingedByConstant;

impl PingedByConstant {
    const PING: &str = "ping";
}

#[ws_handlers]
impl PingedByConstant {
    #[on_event("pings", Self::PING)]
    async fn ping(&self) -> Event<&'static str> {
        Event::new("mine", "pong")
    }
}

#[tokio::test]
async fn a_handler_for_ping_replaces_the_answer() {
    for app in [serve(Pinged).await, serve(PingedByConstant).await] {
        let mut client = app.connect("/").await.unwrap();
        assert_eq!(ask(&mut client, PING).await, json!({"event": "mine", "data": "pong", "ref": 1}));
    }
}

/// Has no events, so that a text is not an envelope.
struct Raw;

#[ws_handlers]
impl Raw {
    #[on_text]
    async fn text(&self, text: Text) -> Text {
        text
    }
}

#[tokio::test]
async fn without_events_a_ping_is_a_text_like_any_other() {
    let app = serve(Raw).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(PING).await;
    assert_eq!(client.next_text().await.unwrap(), PING);
}

struct Slow(std::sync::Arc<Notify>);

#[ws_handlers]
impl Slow {
    #[on_event("wait")]
    async fn wait(&self) -> Data<bool> {
        self.0.notified().await;
        Data(true)
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_handler_works() {
    let done = std::sync::Arc::new(Notify::new());
    let app = serve(Slow(done.clone())).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_event("wait", &()).await;
    assert_eq!(ask(&mut client, PING).await, pong());
    done.notify_one();
    assert_eq!(client.next_json::<Value>().await.unwrap()["data"], true);
}

async fn limited(change: impl FnOnce(&mut ws_core::config::ServerConfig)) -> (TestApp, TestClient) {
    let mut config = Config::default();
    change(&mut config.servers[0]);
    let route = Route::new("/", Greedy);
    let app = TestApp::start(App::without_registry().config(config).route(route)).await;
    let client = app.connect("/").await.unwrap();
    (app, client)
}

#[tokio::test(start_paused = true)]
async fn a_ping_does_not_count_for_the_rate() {
    for over_rate in [OverRate::Refuse, OverRate::Close] {
        let (_app, mut client) = limited(|server| {
            (server.limits.messages_per_second, server.limits.over_rate) = (Some(1), over_rate);
        })
        .await;
        for _ in 0..10 {
            assert_eq!(ask(&mut client, PING).await, pong());
        }
        assert_eq!(ask(&mut client, r#"{"event":"say","data":"hi"}"#).await["data"], "hi");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_does_not_count_for_the_idle_time() {
    let (_app, mut client) = limited(|server| server.heartbeat.idle = Some(Duration::from_secs(10))).await;
    for _ in 0..3 {
        advance(Duration::from_secs(3)).await;
        assert_eq!(ask(&mut client, PING).await, pong());
    }
    advance(Duration::from_secs(2)).await;
    client.expect_close(1001).await;
}
