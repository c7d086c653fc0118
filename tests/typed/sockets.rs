//! Typed handlers over real sockets, with a client of another library.

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message as Ws};
use ws_core::{Route, Running, prelude::*};

#[derive(Serialize, WsEvent)]
#[ws_event("welcome")]
struct Welcome(String);

#[derive(Deserialize, WsEvent)]
#[ws_event("shout", reply = Shouted)]
struct Shout(String);

#[derive(Serialize, WsEvent)]
#[ws_event("shouted")]
struct Shouted {
    text: String,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, conn: &Connection, Path(room): &Path<String>) -> Result<Welcome> {
        conn.join("all")?;
        Ok(Welcome(room.clone()))
    }

    #[on_event("shout")]
    async fn shout(&self, conn: &Connection, Data(shout): Data<Shout>) -> Shouted {
        let shouted = Shouted { text: shout.0.to_uppercase() };
        conn.room("all").emit(&shouted);
        shouted
    }

    #[on_event("say")]
    async fn say(&self, Path(room): &Path<String>, Data(text): Data<String>) -> Data<String> {
        Data(format!("{room}: {text}"))
    }

    /// Replies after the end of the client was detected.
    #[on_event("late")]
    async fn late(&self, conn: Connection, reply: Reply) -> Result {
        let own = conn.clone();
        conn.spawn(async move {
            own.closed().await;
            reply.send(Data("late")).await
        })?;
        Ok(())
    }
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn start() -> (Running, Client) {
    let mut config = Config::default();
    config.servers[0].port = 0;
    let app = App::without_registry().config(config).route(Route::new("/rooms/{room}", Room));
    let running = app.start().await.unwrap();
    let url = format!("ws://{}/rooms/a%2Fb", running.local_addr("ws").unwrap());
    let (client, _) = connect_async(url).await.unwrap();
    (running, client)
}

async fn next(client: &mut Client) -> Value {
    let message = client.next().await.unwrap().unwrap();
    serde_json::from_str(message.to_text().unwrap()).unwrap()
}

#[tokio::test]
async fn events_are_answered_over_a_socket() {
    let (running, mut client) = start().await;
    assert_eq!(next(&mut client).await, json!({"event": "welcome", "data": "a/b"}));
    // Several messages in one write: each is answered, in order.
    for number in 0..50 {
        let say = json!({"event": "say", "data": number.to_string(), "ref": number});
        client.feed(Ws::text(say.to_string())).await.unwrap();
    }
    client.flush().await.unwrap();
    for number in 0..50 {
        let said = json!({"event": "say", "data": format!("a/b: {number}"), "ref": number});
        assert_eq!(next(&mut client).await, said);
    }
    let shout = json!({"event": "shout", "data": "hi", "ref": "s"});
    client.send(Ws::text(shout.to_string())).await.unwrap();
    let shouted = json!({"event": "shouted", "data": {"text": "HI"}});
    assert_eq!(next(&mut client).await, shouted, "the broadcast comes first");
    let reply = json!({"event": "shouted", "data": {"text": "HI"}, "ref": "s"});
    assert_eq!(next(&mut client).await, reply);
    // The server waits for the close frame of its peer, which an idle client never sends.
    tokio::join!(running.shutdown(), async { while let Some(Ok(_)) = client.next().await {} });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_is_sent_after_the_end_of_its_client_arrives_before_the_close_frame() {
    for sends_close in [true, false] {
        let (running, mut client) = start().await;
        next(&mut client).await;
        client.send(Ws::text(r#"{"event":"late","ref":1}"#)).await.unwrap();
        if sends_close {
            client.send(Ws::Close(None)).await.unwrap();
        } else {
            client.get_mut().shutdown().await.unwrap();
        }
        assert_eq!(next(&mut client).await, json!({"event": "late", "data": "late", "ref": 1}));
        assert_eq!(client.next().await.is_some_and(|end| end.is_ok()), sends_close, "a close frame");
        running.shutdown().await;
    }
}
