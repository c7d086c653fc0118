//! Typed handlers, MessagePack and asks over compressed connections.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ws_core::{Route, client::Client, connection::AskError, prelude::*};

use super::{OFFER, Peer, TEXT, serve, text, window};
use crate::support::within;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, WsEvent)]
#[ws_event("said")]
struct Said {
    text: String,
}

#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    text: String,
}

struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("say")]
    async fn say(&self, conn: &Connection, Data(say): Data<Say>) -> Result<Said> {
        conn.join("all")?;
        conn.room("all").except(conn.id()).emit(&Said { text: say.text.clone() });
        Ok(Said { text: say.text })
    }

    #[on_event("ask")]
    async fn ask(&self, conn: &Connection, Data(question): Data<String>) -> Data<Value> {
        Data(match conn.ask_event::<String>("question", &question).await {
            Ok(answer) => json!({"answer": answer}),
            Err(AskError::Invalid(_)) => json!("invalid"),
            Err(error) => json!(error.to_string()),
        })
    }
}

async fn chat() -> crate::support::Server {
    serve(App::without_registry().route(Route::new("/", Chat).subprotocols(&["msgpack"])), window()).await
}

async fn send(peer: &mut Peer, envelope: &Value) {
    peer.send(TEXT, envelope.to_string()).await;
}

async fn next(peer: &mut Peer) -> Value {
    serde_json::from_slice(&peer.next().await).unwrap()
}

#[tokio::test]
async fn events_replies_errors_and_asks_are_compressed_as_all_messages() {
    let server = chat().await;
    let mut peer = Peer::connect(&server).await;
    for number in 0..3 {
        let said = text(number, 3000);
        send(&mut peer, &json!({"event": "say", "data": {"text": said}, "ref": number})).await;
        assert_eq!(next(&mut peer).await, json!({"event": "said", "data": {"text": said}, "ref": number}));
    }
    let question = text(7, 2000);
    send(&mut peer, &json!({"event": "ask", "data": question, "ref": "a"})).await;
    let asked = next(&mut peer).await;
    assert_eq!((&asked["event"], &asked["data"]), (&json!("question"), &json!(question)));
    let answer = text(8, 2000);
    send(&mut peer, &json!({"event": "question", "data": answer, "ref": asked["ref"]})).await;
    assert_eq!(next(&mut peer).await["data"], json!({"answer": answer}));
    // The event `ping` is answered without a handler, and an error is an event.
    send(&mut peer, &json!({"event": "ping", "data": text(9, 1000), "ref": 1})).await;
    let pong: Value = serde_json::from_slice(&peer.receive().await.bytes).unwrap();
    assert_eq!((&pong["event"], &pong["ref"]), (&json!("pong"), &json!(1)));
    send(&mut peer, &json!({"event": "nothing", "data": text(9, 1000), "ref": 2})).await;
    let error: Value = serde_json::from_slice(&peer.receive().await.bytes).unwrap();
    assert_eq!((&error["event"], &error["ref"]), (&json!("error"), &json!(2)));
    // Compressed data that is not an envelope does not close the connection either.
    peer.send(TEXT, "{").await;
    let error: Value = serde_json::from_slice(&peer.receive().await.bytes).unwrap();
    assert_eq!(error["event"], json!("error"));
}

#[tokio::test]
async fn messagepack_and_json_meet_in_one_room() {
    let server = chat().await;
    let lines = format!("Sec-WebSocket-Protocol: msgpack\r\nSec-WebSocket-Extensions: {OFFER}\r\n");
    let mut raw = crate::support::Raw::connect(server.addr).await;
    let answer = raw.request(&crate::support::handshake_with("/", &lines)).await;
    let mut packed = Peer::new(raw, answer.header("sec-websocket-extensions").unwrap());
    let mut plain = Peer::connect(&server).await;
    let envelope = |event: &str, text: &str| json!({"event": event, "data": {"text": text}});
    send(&mut plain, &envelope("say", "here")).await;
    assert_eq!(plain.receive().await.first, 0x81);
    for number in 0..3 {
        let said = text(number, 3000);
        let bytes = rmp_serde::to_vec_named(&envelope("say", &said)).unwrap();
        packed.send(super::BINARY, bytes).await;
        let reply = packed.receive().await;
        assert_eq!((reply.first, reply.is_compressed), (0x82, true));
        assert_eq!(rmp_serde::from_slice::<Value>(&reply.bytes).unwrap(), envelope("said", &said));
        assert_eq!(next(&mut plain).await, envelope("said", &said));
    }
}

#[tokio::test]
async fn a_typed_client_calls_and_receives_events_over_a_compressed_connection() {
    let server = chat().await;
    for subprotocols in [&[][..], &["msgpack"]] {
        let connect = || async {
            let uri = format!("ws://{}/", server.addr);
            let builder = Client::builder(uri).subprotocols(subprotocols.iter().copied());
            builder.compression(window()).connect().await.unwrap()
        };
        let first = connect().await;
        assert!(first.response_headers().contains_key("sec-websocket-extensions"));
        let (first, second) = (first.typed(), connect().await.typed());
        let mut events = second.events::<Said>();
        second.call(&Say { text: "here".into() }).await.unwrap();
        for number in 0..3 {
            let said = Said { text: text(number, 20_000) };
            assert!(first.call(&Say { text: said.text.clone() }).await.unwrap() == said);
            let event = within("an event", events.next()).await.unwrap().unwrap();
            assert!(event == said, "{number}");
        }
    }
    let stats = server.running.stats();
    let route = &stats.servers[0].routes[0];
    assert!(route.sent_compression.before > 100_000 && route.received_compression.before > 100_000);
}
