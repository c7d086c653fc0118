//! Asks from the server to the client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};
use ws_core::{connection::AskError, prelude::*, testing::TestClient};

use super::{serve, serve_registered};

/// Sends an ask to its client from inside a handler.
struct Asks;

#[ws_handlers]
impl Asks {
    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Data<Value> {
        let answer =
            conn.ask_event::<u32>("number", &json!({"below": 10})).timeout(Duration::from_secs(3)).await;
        Data(match answer {
            Ok(number) => json!({"number": number}),
            Err(AskError::Refused { code, message }) => json!({"refused": [code, message]}),
            Err(AskError::TimedOut(after)) => json!({"timed out": after.as_secs()}),
            Err(AskError::Invalid(_)) => json!("invalid"),
            Err(error) => json!(error.to_string()),
        })
    }

    #[on_event("id")]
    async fn id(&self, id: ConnectionId) -> Data<ConnectionId> {
        Data(id)
    }

    #[on_event("echo")]
    async fn echo(&self, Data(data): Data<Value>) -> Data<Value> {
        Data(data)
    }
}

async fn next(client: &mut TestClient) -> Value {
    client.next_json().await.unwrap()
}

/// Sends the event `ask` and reads the ask that arrives.
async fn called(client: &mut TestClient) -> Value {
    client.send_text(r#"{"event":"ask","ref":"a"}"#).await;
    let call = next(client).await;
    assert_eq!((&call["event"], &call["data"]), (&json!("number"), &json!({"below": 10})));
    call["ref"].clone()
}

#[tokio::test]
async fn an_answer_reaches_the_caller_and_no_handler() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    let reference = called(&mut client).await;
    client.send_json(&json!({"event": "number", "data": 7, "ref": reference})).await;
    assert_eq!(next(&mut client).await, json!({"event": "ask", "data": {"number": 7}, "ref": "a"}));
}

/// Sends its client an ask whose name is also an event of the server.
struct Pings;

#[ws_handlers]
impl Pings {
    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Data<Option<u32>> {
        Data(conn.ask_event::<u32>("ping", &()).timeout(Duration::from_secs(3)).await.ok())
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_the_name_ping_is_an_answer() {
    let app = serve(Pings).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"ask","ref":"a"}"#).await;
    let reference = next(&mut client).await["ref"].clone();
    client.send_json(&json!({"event": "ping", "data": 7, "ref": reference})).await;
    assert_eq!(next(&mut client).await, json!({"event": "ask", "data": 7, "ref": "a"}));
}

#[tokio::test]
async fn messages_before_the_answer_are_kept_and_handled_in_order() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    let reference = called(&mut client).await;
    for number in 0..20 {
        client.send_event("echo", &number).await;
    }
    client.send_json(&json!({"event": "number", "data": 1, "ref": reference})).await;
    assert_eq!(next(&mut client).await["data"], json!({"number": 1}), "the waiting handler ends first");
    for number in 0..20 {
        assert_eq!(next(&mut client).await["data"], number);
    }
}

#[tokio::test]
async fn a_refusal_and_nonsense_are_typed_errors() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    for (answer, expected) in [
        (
            json!({"event": "error", "data": {"code": "no", "message": "never"}}),
            json!({"refused": ["no", "never"]}),
        ),
        (json!({"event": "error"}), json!({"refused": ["error", ""]})),
        (json!({"event": "number", "data": "seven"}), json!("invalid")),
        (json!({"event": "number"}), json!("invalid")),
        (json!({"event": 7, "data": 7}), json!("invalid")),
        (json!({"data": 7}), json!("invalid")),
    ] {
        let reference = called(&mut client).await;
        let mut answer = answer;
        answer["ref"] = reference;
        client.send_json(&answer).await;
        assert_eq!(next(&mut client).await["data"], expected);
    }
}

#[tokio::test]
async fn a_second_answer_is_dropped() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    let reference = called(&mut client).await;
    for number in [7, 8] {
        client.send_json(&json!({"event": "number", "data": number, "ref": reference})).await;
    }
    client.send_event("echo", &9).await;
    assert_eq!(next(&mut client).await["data"], json!({"number": 7}));
    assert_eq!(next(&mut client).await["data"], 9, "the second answer reached no handler");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_a_timeout_and_its_late_answer_is_dropped() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    let reference = called(&mut client).await;
    assert_eq!(next(&mut client).await["data"], json!({"timed out": 3}));
    client.send_json(&json!({"event": "echo", "data": 1, "ref": reference})).await;
    client.send_event("echo", &2).await;
    assert_eq!(next(&mut client).await["data"], 2, "the late answer reached no handler");
}

/// Reports the outcome of an ask.
struct Reports(tokio::sync::mpsc::UnboundedSender<String>);

#[ws_handlers]
impl Reports {
    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Result {
        let answer = conn.ask_event::<u32>("number", &()).await;
        self.0.send(answer.unwrap_err().to_string())?;
        Ok(())
    }

    #[on_close]
    async fn close(&self, conn: &Connection) -> Result {
        self.ask(conn).await
    }
}

#[tokio::test]
async fn a_client_that_disconnects_is_a_typed_error() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let app = serve(Reports(sender)).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"ask"}"#).await;
    client.next().await.unwrap();
    let id = app.running().hub().all().ids_local()[0];
    drop(client);
    let expected = AskError::Closed { connection: id }.to_string();
    assert_eq!(seen.recv().await.unwrap(), expected);
    assert_eq!(seen.recv().await.unwrap(), expected, "also in on_close");
}

/// Sends an ask before anything else.
struct AsksFirst;

#[ws_handlers]
impl AsksFirst {
    #[on_open]
    async fn open(&self, conn: &Connection) -> Result<Event<u32>> {
        Ok(Event::new("opened", conn.ask_event::<u32>("number", &()).await?))
    }

    #[on_event("echo")]
    async fn echo(&self, Data(data): Data<Value>) -> Data<Value> {
        Data(data)
    }
}

#[tokio::test]
async fn a_client_is_called_in_on_open_and_what_it_sent_before_waits() {
    let app = serve(AsksFirst).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_event("echo", &1).await;
    let call = next(&mut client).await;
    client.send_json(&json!({"event": "number", "data": 7, "ref": call["ref"]})).await;
    assert_eq!(next(&mut client).await, json!({"event": "opened", "data": 7}));
    assert_eq!(next(&mut client).await["data"], 1);
}

#[tokio::test]
async fn any_task_may_call_and_at_most_64_calls_are_outstanding() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_event("id", &()).await;
    let id: ConnectionId = client.next_event("id").await.unwrap();
    let conn = app.running().hub().get_local(id).unwrap();
    let calls: Vec<_> = (0..64)
        .map(|number| {
            let conn = conn.clone();
            tokio::spawn(async move { conn.ask_event::<u32>("number", &number).await })
        })
        .collect();
    let mut asked = Vec::new();
    for _ in 0..64 {
        asked.push(next(&mut client).await);
    }
    assert!(matches!(conn.ask_event::<u32>("number", &0).await, Err(AskError::TooMany)));
    for call in asked.iter().rev() {
        client.send_json(&json!({"event": "number", "data": call["data"], "ref": call["ref"]})).await;
    }
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().unwrap() as usize, number, "each answer reaches its own caller");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_fills_the_inbox_delays_only_itself() {
    let app = serve(Asks).await;
    let mut client = app.connect("/").await.unwrap();
    let reference = called(&mut client).await;
    // More than `limits.inbox_messages`: the answer after them is not read in time.
    for number in 0..100 {
        client.send_event("echo", &number).await;
    }
    client.send_json(&json!({"event": "number", "data": 1, "ref": reference})).await;
    assert_eq!(next(&mut client).await["data"], json!({"timed out": 3}));
    for number in 0..100 {
        assert_eq!(next(&mut client).await["data"], number, "nothing is lost");
    }
}

/// Whether the error handler was called for a failed ask. It is in the connection's context, which
/// is emptied at the end of the connection, so a test takes a clone before.
#[derive(Clone, Default)]
struct Told(Arc<AtomicBool>);

#[ws_error_handler(server = "guarded")]
async fn call_failed(_: &AskError, scene: &Scene) -> Recovery {
    if let Some(conn) = scene.connection() {
        conn.context().get_or_insert_with(Told::default).0.store(true, Relaxed);
    }
    Recovery::error("call", "the call failed")
}

#[ws_controller(path = "/calls", server = "guarded")]
struct Passes;

#[ws_handlers]
impl Passes {
    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Result<Data<u32>> {
        Ok(Data(conn.ask_event("number", &()).await?))
    }
}

#[tokio::test]
async fn an_ask_that_ends_with_its_connection_is_not_an_error() {
    for (answer, is_told) in [(Some(json!({"event": "number", "data": "x"})), true), (None, false)] {
        let app = serve_registered().await;
        let mut client = app.connect_to("guarded", "/calls").await.unwrap();
        client.send_text(r#"{"event":"ask"}"#).await;
        let call = next(&mut client).await;
        let hub = app.running().hub();
        let conn = hub.get_local(hub.all().ids_local()[0]).unwrap();
        let Told(told) = conn.context().get_or_insert_with(Told::default);
        if let Some(mut answer) = answer {
            answer["ref"] = call["ref"].clone();
            client.send_json(&answer).await;
            assert_eq!(next(&mut client).await["data"]["code"], "call");
        }
        drop(client);
        app.shutdown().await;
        assert_eq!(told.load(Relaxed), is_told);
    }
}
