//! The envelope in MessagePack, for clients that request the subprotocol `msgpack`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ws_core::{
    Route,
    prelude::*,
    testing::{TestApp, TestClient},
};

#[derive(Deserialize)]
struct Say<'a> {
    text: &'a str,
}

#[derive(Serialize)]
struct Said {
    len: usize,
}

#[derive(Serialize, WsEvent)]
#[ws_event("own")]
struct Own<'a> {
    text: &'a str,
}

#[derive(Debug, thiserror::Error, WsError)]
#[error("no more")]
#[ws_error(code = "full")]
struct Full;

struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say<'_>>) -> Data<Said> {
        Data(Said { len: say.text.len() })
    }

    #[on_event("ask")]
    async fn ask(&self, conn: &Connection) -> Result<Data<u32>> {
        Ok(Data(conn.ask_event::<u32>("number", &json!({"below": 10})).await?))
    }

    #[on_event("own")]
    async fn own(&self, conn: &Connection) -> Result<Own<'static>> {
        conn.emit(&Own { text: "pushed" })?;
        Ok(Own { text: "replied" })
    }

    #[on_event("full")]
    async fn full(&self) -> Result<(), Full> {
        Err(Full)
    }

    #[on_event("mute")]
    async fn mute(&self) {}

    #[on_event("late")]
    async fn late(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async { reply.send(Data(1)).await })?;
        Ok(())
    }

    #[on_event("too late")]
    async fn too_late(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async { reply.send(Err::<(), _>(Error::new("x").code("late").public("late"))).await })?;
        Ok(())
    }

    #[on_event("never")]
    async fn never(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async { drop(reply) })?;
        Ok(())
    }

    #[on_event("push")]
    async fn push(&self, conn: &Connection) -> Result {
        Ok(conn.event("pushed", &[1, 2])?)
    }
}

async fn connect(app: &TestApp, subprotocols: &[&str]) -> TestClient {
    app.connect("/").subprotocols(subprotocols).await.unwrap()
}

async fn app() -> TestApp {
    TestApp::start(App::without_registry().route(Route::new("/", Chat).subprotocols(&["msgpack", "json"])))
        .await
}

async fn send(client: &mut TestClient, value: Value) {
    client.send_binary(rmp_serde::to_vec_named(&value).unwrap()).await;
}

async fn next(client: &mut TestClient) -> Value {
    let Message::Binary(bytes) = client.next().await.unwrap() else { panic!("text") };
    rmp_serde::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn event_types_and_error_types_are_sent_as_messagepack() {
    let app = app().await;
    let mut client = connect(&app, &["msgpack"]).await;
    send(&mut client, json!({"event": "own", "ref": 1})).await;
    assert_eq!(next(&mut client).await, json!({"event": "own", "data": {"text": "pushed"}}));
    assert_eq!(next(&mut client).await, json!({"event": "own", "data": {"text": "replied"}, "ref": 1}));
    send(&mut client, json!({"event": "full", "ref": 2})).await;
    let error = json!({"event": "error", "data": {"code": "full", "message": "no more"}, "ref": 2});
    assert_eq!(next(&mut client).await, error);
}

#[tokio::test]
async fn events_replies_and_errors_are_sent_as_messagepack() {
    let app = app().await;
    let mut client = connect(&app, &["msgpack"]).await;
    for (sent, got) in [
        (
            json!({"event": "say", "data": {"text": "hi"}, "ref": 7}),
            json!({"event": "say", "data": {"len": 2}, "ref": 7}),
        ),
        (json!({"event": "push"}), json!({"event": "pushed", "data": [1, 2]})),
        (json!({"event": "ping", "ref": "p"}), json!({"event": "pong", "data": null, "ref": "p"})),
        (
            json!({"event": "mute", "ref": "m"}),
            json!({"event": "end", "data": {"event": "mute"}, "ref": "m"}),
        ),
        (json!({"event": "late", "ref": 0}), json!({"event": "late", "data": 1, "ref": 0})),
        (
            json!({"event": "too late", "ref": "t"}),
            json!({"event": "error", "data": {"code": "late", "message": "late"}, "ref": "t"}),
        ),
        (
            json!({"event": "never", "ref": "n"}),
            json!({"event": "end", "data": {"event": "never"}, "ref": "n"}),
        ),
        (
            json!({"event": "nobody", "ref": "x"}),
            json!({"event": "error", "data": {"code": "unknown_event", "message": "no event `nobody` here"}, "ref": "x"}),
        ),
    ] {
        send(&mut client, sent).await;
        assert_eq!(next(&mut client).await, got);
    }
    send(&mut client, json!({"event": "say", "data": {"text": 1}})).await;
    let got = next(&mut client).await;
    assert_eq!((&got["data"]["code"], &got["data"]["path"]), (&json!("invalid_data"), &json!("text")));
    client.send_binary(vec![0xc1, 0xff]).await;
    assert_eq!(next(&mut client).await["data"]["code"], "bad_msgpack");
    client.send_text(r#"{"event":"say"}"#).await;
    assert_eq!(next(&mut client).await["data"]["code"], "unsupported", "a text is not an envelope here");
}

#[tokio::test]
async fn asks_are_sent_as_messagepack() {
    let app = app().await;
    let mut client = connect(&app, &["msgpack"]).await;
    send(&mut client, json!({"event": "ask", "ref": 1})).await;
    let call = next(&mut client).await;
    assert_eq!(call["data"], json!({"below": 10}));
    send(&mut client, json!({"event": "number", "data": 4, "ref": call["ref"]})).await;
    assert_eq!(next(&mut client).await, json!({"event": "ask", "data": 4, "ref": 1}));
}

#[tokio::test]
async fn other_connections_of_the_route_use_json() {
    let app = app().await;
    for subprotocols in [&["json"][..], &[]] {
        let mut client = match subprotocols {
            [] => app.connect("/").await.unwrap(),
            some => connect(&app, some).await,
        };
        let got = super::ask(&mut client, r#"{"event":"say","data":{"text":"abc"}}"#).await;
        assert_eq!(got["data"]["len"], 3);
        client.send_binary(vec![0x80]).await;
        assert_eq!(client.next_json::<Value>().await.unwrap()["data"]["code"], "unsupported");
    }
}

#[tokio::test]
async fn an_event_for_many_reaches_each_in_its_format() {
    let app = app().await;
    let mut packed = connect(&app, &["msgpack"]).await;
    let mut text = connect(&app, &["json"]).await;
    // A connection that has answered is in the hub.
    send(&mut packed, json!({"event": "push"})).await;
    text.send_text(r#"{"event":"push"}"#).await;
    assert_eq!(next(&mut packed).await, text.next_json::<Value>().await.unwrap());
    let said = json!({"event": "said", "data": {"len": 2}});
    let hub = app.running().hub();
    assert_eq!(hub.all().event("said", &Said { len: 2 }).sent, 2);
    assert_eq!(hub.all().in_turns().event("said", &Said { len: 2 }).await.sent, 2);
    for _ in 0..2 {
        assert_eq!(next(&mut packed).await, said);
        assert_eq!(text.next_json::<Value>().await.unwrap(), said);
    }
}
