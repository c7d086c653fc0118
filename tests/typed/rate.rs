//! Too many messages a second, if they are refused: each is answered, none is handled, and the
//! connection stays open.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{advance, timeout};
use ws_core::{
    Config, Route,
    config::OverRate,
    error::EventError,
    prelude::*,
    testing::{TestApp, TestClient},
};

use super::{ask, serve_registered};

struct Echo;

#[ws_handlers]
impl Echo {
    #[on_event("echo")]
    async fn echo(&self, Data(number): Data<u32>) -> Data<u32> {
        Data(number)
    }

    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Data<String> {
        let answer = conn.ask_event::<u32>("number", &()).timeout(Duration::from_secs(3)).await;
        Data(answer.map_or_else(|error| error.to_string(), |number| number.to_string()))
    }

    #[on_text]
    async fn text(&self, text: Text) -> Text {
        text
    }
}

fn config() -> Config {
    let mut config = Config::default();
    let limits = &mut config.servers[0].limits;
    (limits.messages_per_second, limits.over_rate) = (Some(2), OverRate::Refuse);
    config
}

async fn app() -> TestApp {
    TestApp::start(App::without_registry().config(config()).route(Route::new("/", Echo))).await
}

fn refusal(reference: Value) -> Value {
    let data = json!({"code": "rate_limited", "message": "too many messages a second"});
    json!({"event": "error", "data": data, "ref": reference})
}

async fn call(client: &mut TestClient, reference: Value) -> Value {
    ask(client, json!({"event": "echo", "data": 1, "ref": reference}).to_string()).await
}

fn echo(reference: Value) -> Value {
    json!({"event": "echo", "data": 1, "ref": reference})
}

#[tokio::test(start_paused = true)]
async fn a_refused_event_is_answered_with_its_ref_and_the_connection_stays_open() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    for reference in [json!(1), json!("b")] {
        assert_eq!(call(&mut client, reference.clone()).await, echo(reference));
    }
    for reference in [json!(3), json!("d"), json!(5)] {
        assert_eq!(call(&mut client, reference.clone()).await, refusal(reference));
    }
    advance(Duration::from_millis(500)).await;
    assert_eq!(call(&mut client, json!(6)).await, echo(json!(6)), "refusals took no token");
    assert_eq!(call(&mut client, json!(7)).await, refusal(json!(7)));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_not_an_event_is_refused_without_a_ref() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    for _ in 0..2 {
        client.send_text("plain").await;
        assert_eq!(client.next_text().await.unwrap(), "plain");
    }
    let mut expected = refusal(Value::Null);
    expected.as_object_mut().unwrap().remove("ref");
    assert_eq!(ask(&mut client, "plain").await, expected);
    client.send_binary(&b"binary"[..]).await;
    assert_eq!(client.next_json::<Value>().await.unwrap(), expected);
    assert_eq!(ask(&mut client, r#"{"ref":7}"#).await, refusal(json!(7)), "unless the message has one");
}

#[tokio::test(start_paused = true)]
async fn answers_to_calls_of_the_server_count() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    let asked = ask(&mut client, r#"{"event":"ask"}"#).await;
    client.send_json(&json!({"event": "number", "data": 7, "ref": asked["ref"]})).await;
    assert_eq!(client.next_event::<String>("ask").await.unwrap(), "7");
    assert_eq!(call(&mut client, json!(3)).await, refusal(json!(3)));

    let mut client = app.connect("/").await.unwrap();
    assert_eq!(call(&mut client, json!(1)).await, echo(json!(1)));
    let asked = ask(&mut client, r#"{"event":"ask"}"#).await;
    client.send_json(&json!({"event": "number", "data": 7, "ref": asked["ref"]})).await;
    assert_eq!(client.next_event::<String>("ask").await.unwrap(), "no answer within 3s");
    assert_eq!(client.next_json::<Value>().await.unwrap(), refusal(asked["ref"].clone()));
}

/// Changes the answer to refusals.
#[ws_error_handler(server = "limited")]
async fn refused(error: &EventError, _: &Scene) -> Recovery {
    match error {
        EventError::RateLimited => Recovery::reply(json!({"event": "slower"})),
        _ => Recovery::pass(),
    }
}

#[ws_controller(
    path = "/limited",
    server = "limited",
    limits(messages_per_second = 1, message_burst = 2, over_rate = "refuse")
)]
struct Limited;

#[ws_handlers]
impl Limited {
    #[on_event("echo")]
    async fn echo(&self, Data(number): Data<u32>) -> Data<u32> {
        Data(number)
    }
}

#[tokio::test(start_paused = true)]
async fn error_handlers_see_refusals_also_under_a_limit_of_a_controller() {
    let app = serve_registered().await;
    let mut client = app.connect_to("limited", "/limited").await.unwrap();
    for reference in [json!(1), json!(2)] {
        assert_eq!(call(&mut client, reference.clone()).await, echo(reference));
    }
    assert_eq!(call(&mut client, json!(3)).await, json!({"event": "slower"}));
    client.send_text(r#"{"event":"unknown"}"#).await;
    assert_eq!(client.next_json::<Value>().await.unwrap(), json!({"event": "slower"}));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_its_refusals_is_not_read_from() {
    let app = app().await;
    let mut client = app.connect("/").await.unwrap();
    // Each refusal is longer than its message: the refusals soon fill the pipe, and then the
    // messages fill the one to the server.
    let mut written = 0;
    while timeout(Duration::from_secs(1), client.send_text("x")).await.is_ok() {
        written += 1;
        assert!(written < 100_000, "the server reads without a limit");
    }
    assert!(written > 0);
}
