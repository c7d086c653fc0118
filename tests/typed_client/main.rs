//! The typed client: with a real server of this project, and with a server that a test scripts.

mod asks;
mod calls;
mod events;
mod life;
mod streams;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, accept_async, tungstenite::Message as Ws};
use ws_core::{
    App, Config, Route, Running,
    client::{Client, ClientBuilder, ReconnectPolicy, TypedClient},
    connection::AskError,
    error::Error,
    prelude::{Stream as Many, *},
};

/// Longer than any step on a busy machine. A test waits for all of it only if it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits, and fails at the timeout instead of hanging.
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}

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

#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("find", reply = Said)]
struct Find;

#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("history", stream = Said)]
struct History {
    lines: u32,
}

/// Makes the server push [`Said`] to the room.
#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("shout")]
struct Shout {
    text: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, WsEvent)]
#[ws_event("welcome")]
struct Welcome {
    room: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, WsEvent)]
#[ws_event("confirm", answer = bool)]
struct Confirm {
    amount: u32,
}

/// Makes the server ask [`Confirm`]; the reply has the outcome.
#[derive(Debug, Serialize, Deserialize, WsEvent)]
#[ws_event("pay", reply = String)]
struct Pay {
    amount: u32,
}

struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, conn: &Connection) -> Result<Welcome> {
        conn.join("all")?;
        Ok(Welcome { room: "all".to_owned() })
    }

    #[on_event("say")]
    async fn say(&self, Data(say): Data<Say>) -> Result<Said> {
        if say.text.is_empty() {
            return Err(Error::new("nothing").code("empty").public("write something"));
        }
        Ok(Said { text: say.text })
    }

    #[on_event("find")]
    async fn find(&self, _: Data<Option<Find>>) -> Option<Said> {
        None
    }

    #[on_event("history")]
    async fn history(
        &self,
        Data(history): Data<History>,
    ) -> Result<Many<impl futures_util::Stream<Item = Result<Said>> + use<>>> {
        if history.lines == 0 {
            return Err(Error::new("nothing").code("empty"));
        }
        let line = |number: u32| Ok(Said { text: number.to_string() });
        Ok(Many::new(futures_util::stream::iter((0..history.lines).map(line))))
    }

    #[on_event("shout")]
    async fn shout(&self, conn: &Connection, Data(shout): Data<Shout>) -> Result {
        if shout.text.is_empty() {
            return Err(Error::new("nothing").code("empty"));
        }
        conn.room("all").emit(&Said { text: shout.text });
        Ok(())
    }

    #[on_event("pay")]
    async fn pay(&self, conn: &Connection, Data(pay): Data<Pay>) -> Data<String> {
        Data(match conn.ask(&Confirm { amount: pay.amount }).await {
            Ok(answer) => answer.to_string(),
            Err(AskError::Refused { code, .. }) => code,
            Err(error) => error.to_string(),
        })
    }
}

/// A running server with a room, and the builder of a client for it.
async fn room() -> (Running, ClientBuilder) {
    let mut config = Config::default();
    config.servers[0].port = 0;
    let route = Route::new("/", Room).subprotocols(&["msgpack"]);
    let running = App::without_registry().route(route).config(config).start().await.unwrap();
    let builder = Client::builder(format!("ws://{}/", running.local_addr("ws").unwrap()));
    (running, builder)
}

/// The server's side of a connection, scripted by a test, over memory or TCP.
struct Script<S = DuplexStream>(WebSocketStream<S>);

/// A stream of bytes.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A listener for scripted servers, and the builder of a client for it.
async fn listen() -> (TcpListener, ClientBuilder) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Client::builder(format!("ws://{}/", listener.local_addr().unwrap()));
    (listener, builder)
}

async fn accept(listener: &TcpListener) -> Script<TcpStream> {
    let (stream, _) = within("a connection", listener.accept()).await.unwrap();
    Script(accept_async(stream).await.unwrap())
}

/// A policy without a noticeable wait before the next connection.
fn quick_policy() -> ReconnectPolicy {
    ReconnectPolicy::new().backoff(Duration::from_millis(1), Duration::from_millis(20))
}

/// A typed client and its scripted server. Only the clock is outside of the test's control.
async fn scripted() -> (TypedClient, Script) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let connecting = Client::builder("ws://localhost/").connect_over(near);
    let (client, socket) = tokio::join!(connecting, accept_async(far));
    (client.unwrap().typed(), Script(socket.unwrap()))
}

impl<S: Stream> Script<S> {
    /// Returns the next envelope of the client.
    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.expect("a message").unwrap() {
                Ws::Text(text) => return serde_json::from_str(&text).unwrap(),
                Ws::Ping(_) | Ws::Pong(_) => {}
                other => panic!("not an envelope: {other:?}"),
            }
        }
    }

    async fn send(&mut self, envelope: Value) {
        self.0.send(Ws::text(envelope.to_string())).await.unwrap();
    }

    /// Sends a reply to an envelope of the client.
    async fn reply(&mut self, to: &Value, event: &str, data: Value) {
        self.send(json!({"event": event, "data": data, "ref": to["ref"]})).await;
    }

    async fn said(&mut self, text: &str) {
        self.send(json!({"event": "said", "data": {"text": text}})).await;
    }
}

fn say(text: &str) -> Say {
    Say { text: text.to_owned() }
}

fn said(text: &str) -> Said {
    Said { text: text.to_owned() }
}
