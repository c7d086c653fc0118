//! Typed handlers over real sockets, with a client that this project did not write.

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_tungstenite::{connect_async, tungstenite::Message as Ws};
use ws_core::{Route, prelude::*};

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
}

#[tokio::test]
async fn events_are_answered_over_a_socket() {
    let mut config = Config::default();
    config.servers[0].port = 0;
    let running = App::without_registry()
        .config(config)
        .route(Route::new("/rooms/{room}", Room))
        .start()
        .await
        .unwrap();
    let url = format!("ws://{}/rooms/a%2Fb", running.local_addr("ws").unwrap());
    let (mut client, _) = connect_async(url).await.unwrap();
    let next = async |client: &mut tokio_tungstenite::WebSocketStream<_>| -> Value {
        let message = client.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    };
    assert_eq!(next(&mut client).await, json!({"event": "welcome", "data": "a/b"}));
    // Several in one piece: each is answered, in their order.
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
