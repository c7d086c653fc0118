//! Counters of typed events and of asks.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};
use ws_core::{Route, handlers::Reply, prelude::*, testing::TestApp};

use super::{eventually, route};
use crate::support::config;

#[derive(Debug, WsError, thiserror::Error)]
enum Refused {
    #[error("too long")]
    #[ws_error(code = "too_long")]
    TooLong,
    #[error("secret")]
    Secret,
}

#[derive(Serialize, WsEvent)]
#[ws_event("sure?", answer = bool)]
struct Sure;

struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, Data(text): Data<String>) -> Result<Data<usize>, Refused> {
        match text.len() {
            0..5 => Ok(Data(text.len())),
            5 => Err(Refused::Secret),
            _ => Err(Refused::TooLong),
        }
    }

    #[on_event("do")]
    async fn act(&self, conn: &Connection, Data(what): Data<String>) -> Result {
        match &*what {
            "panic" => panic!("asked to"),
            "hang" => std::future::pending().await,
            "leave" => {
                conn.disconnect(1000, "")?;
                Ok(conn.push("too late")?)
            }
            code => Err(Error::new("failed").code(code.to_owned()).public("failed")),
        }
    }

    #[on_event("later")]
    async fn later(&self, conn: &Connection, reply: Reply, Data(is_ok): Data<bool>) -> Result {
        conn.spawn(async move {
            let answer = if is_ok { Ok(Data(1)) } else { Err(Refused::TooLong) };
            let _ = reply.send(answer).await;
        })?;
        Ok(())
    }

    #[on_event("ask")]
    async fn ask(&self, conn: &Connection, Data(name): Data<String>) -> Data<bool> {
        let timeout = Duration::from_secs(1);
        let asked = match &*name {
            "sure?" => conn.ask(&Sure).timeout(timeout).await,
            name => conn.ask_event(name, &()).timeout(timeout).await,
        };
        Data(asked.is_ok())
    }
}

async fn mapped(error: &Error, _: &Scene) -> Recovery {
    if error.event_code() == "mapped" { Recovery::error("forbidden", "no") } else { Recovery::pass() }
}

async fn app() -> TestApp {
    let mut config = config();
    config.servers[0].limits.handler_timeout = Some(Duration::from_secs(5));
    let route = Route::new("/", Chat).emits::<Sure>();
    let app = App::without_registry().config(config).error_handler(None, 0, mapped).route(route);
    TestApp::start(app).await
}

/// The counters of an event, without those that are zero.
fn event(app: &TestApp, name: &str) -> Value {
    let route = route(app);
    let mut event = route["events"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
    let fields = event.as_object_mut().unwrap();
    fields.remove("name");
    fields.retain(|_, value| *value != 0 && *value != json!([]));
    event
}

fn errors(codes: &[(&str, u64)]) -> Value {
    codes.iter().map(|(code, count)| json!({"code": code, "count": count})).collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_counted_by_outcome_and_errors_by_code() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    for (event, data) in [
        ("say", "four"),
        ("say", "fives"),
        ("say", "longer"),
        ("say", "longer"),
        ("do", "internal"),
        ("do", "not declared"),
        ("do", "mapped"),
        ("not declared", ""),
        ("say", "one"),
    ] {
        client.send_json(&json!({"event": event, "data": data, "ref": 1})).await;
        client.next().await.unwrap();
    }
    for text in ["no envelope", r#"{"event": "say", "data": 7, "ref": 2}"#] {
        client.send_text(text).await;
        client.next().await.unwrap();
    }
    let codes = errors(&[("internal", 1), ("invalid_data", 1), ("too_long", 2)]);
    assert_eq!(event(&app, "say"), json!({"ok": 2, "error": 4, "errors": codes}));
    let codes = errors(&[("forbidden", 1), ("internal", 1), ("other", 1)]);
    assert_eq!(event(&app, "do"), json!({"error": 3, "errors": codes}));
    let codes = errors(&[("bad_json", 1), ("unknown_event", 1)]);
    assert_eq!(event(&app, "unknown"), json!({"error": 2, "errors": codes}));
}

#[tokio::test(start_paused = true)]
async fn a_panic_a_timeout_and_an_ended_connection_are_outcomes() {
    for (what, outcome) in [("panic", "panic"), ("hang", "timeout"), ("leave", "ok")] {
        let app = app().await;
        let mut client = app.connect("/").await.unwrap();
        client.send_event("do", what).await;
        eventually("it is counted", || event(&app, "do") == json!({outcome: 1})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_later_reply_is_counted_by_its_code() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    for is_ok in [true, false] {
        client.send_json(&json!({"event": "later", "data": is_ok, "ref": 1})).await;
        client.next().await.unwrap();
    }
    // `later` does not declare the code.
    assert_eq!(event(&app, "later"), json!({"ok": 2, "errors": errors(&[("other", 1)])}));
}

#[tokio::test(start_paused = true)]
async fn asks_are_counted_by_outcome() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    for (name, answer) in [
        ("sure?", Some(json!({"event": "yes", "data": true}))),
        ("sure?", Some(json!({"event": "error", "data": {"code": "no", "message": ""}}))),
        ("sure?", Some(json!({"event": "yes", "data": "what?"}))),
        ("sure?", None),
        ("not declared", Some(json!({"event": "yes", "data": true}))),
    ] {
        client.send_event("ask", name).await;
        let ask: Value = client.next_json().await.unwrap();
        if let Some(mut answer) = answer {
            answer["ref"] = ask["ref"].clone();
            client.send_json(&answer).await;
        }
        client.next().await.unwrap();
    }
    let expected = json!([
        {"name": "sure?", "ok": 1, "refused": 1, "timeout": 1, "error": 1},
        {"name": "unknown", "ok": 1, "refused": 0, "timeout": 0, "error": 0},
    ]);
    assert_eq!(route(&app)["asks"], expected);
}
