//! A client of messages, and a typed client; their server is in the same program.
//!
//! Run:  cargo run -p ws-core --example client     (connects, prints what it receives, and ends)
//! Test: cargo test -p ws-core --example client

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use ws_core::{
    client::{Client, Received},
    config::{ServerConfig, ServerKind},
    prelude::*,
};

/// Answers every message with itself.
#[ws_controller(path = "/echo")]
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(message)?;
        Ok(())
    }
}

/// Says something. The server and the client share this type.
#[derive(Serialize, Deserialize, WsEvent)]
#[ws_event("say", reply = Said)]
struct Say {
    text: String,
}

/// The reply to [`Say`], and the event that the others in the room get.
#[derive(Clone, Serialize, Deserialize, WsEvent)]
#[ws_event("said")]
struct Said {
    text: String,
}

#[ws_controller(path = "/room", emits(Said))]
struct Room;

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(&self, conn: &Connection) -> Result {
        conn.join("all")?;
        Ok(())
    }

    #[on_event("say")]
    async fn say(&self, conn: &Connection, Data(say): Data<Say>) -> Said {
        let said = Said { text: say.text };
        conn.room("all").except(conn.id()).emit(&said);
        said
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.servers = vec![ServerConfig::new("ws", ServerKind::WebSocket, 0)];
    let server = App::new().config(config).start().await?;
    let addr = server.local_addr("ws").ok_or("the server `ws` does not listen")?;

    let mut client = Client::builder(format!("ws://{addr}/echo"))
        .bearer("a-token")
        .connect_deadline(Duration::from_secs(3))
        .connect()
        .await?;
    client.send("hello").await?;
    match client.recv(Duration::from_secs(5)).await {
        Received::Message(message) => println!("the server says {:?}", message.as_text()),
        Received::Closed(reason) => return Err(format!("closed with code {}", reason.code()).into()),
        Received::TimedOut => return Err("no answer within five seconds".into()),
    }
    let reason = client.close(1000, "done").await?;
    println!("closed with code {}", reason.code());

    let uri = format!("ws://{addr}/room");
    let (ann, ben) = (Client::builder(&uri).typed().await?, Client::builder(&uri).typed().await?);
    let mut heard = ben.events::<Said>();
    ben.call(&Say { text: "I am here".to_owned() }).await?;
    let said = ann.call(&Say { text: "hello, ben".to_owned() }).await?;
    println!("ann said {:?}", said.text);
    if let Some(said) = heard.next().await {
        println!("ben heard {:?}", said?.text);
    }
    ann.close(1000, "done").await?;

    server.shutdown().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_ends_without_an_error() {
        super::main().unwrap();
    }
}
