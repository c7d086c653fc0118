//! A client that asks, hears the answer and closes; its server is in the same program.
//!
//! Run: cargo run -p ws-core --example client --features client

#![allow(clippy::print_stdout)] // an example speaks to whoever runs it

use std::time::Duration;

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

    server.shutdown().await;
    Ok(())
}
