//! The peer under test of `.ci/compression`: an echo server with compression, and a client for echo
//! servers of other implementations.
//!
//! - `serve`: prints the URI of the server, and runs until standard input ends.
//! - `talk URI COMPRESSION`: sends messages of all kinds to an echo server and compares the echoes.
//! - `cases URI COMPRESSION`: runs all cases of a server of the Autobahn TestSuite.
//!
//! `COMPRESSION` is the path of a route of the server, without the slash: the mode, the bits of the
//! window, the threshold in bytes.

#![allow(clippy::print_stdout)] // it reports to the program that started it

mod messages;

use std::{error::Error, time::Duration};

use tokio::io::AsyncReadExt as _;
use ws_core::{
    App, Config, Connection, Controller, Message, Result, Route,
    client::{Client, Received},
    config::{Compression, ServerConfig, ServerKind},
};

type Failure = Box<dyn Error + Send + Sync>;

/// The largest message. Cases 9.* of the Autobahn TestSuite have up to 16 MiB.
const LARGEST: usize = 32 << 20;
/// The longest wait for one message.
const DEADLINE: Duration = Duration::from_secs(60);
/// The name of this peer in reports.
const AGENT: &str = "ws-core";

/// The routes of the server.
const ROUTES: [&str; 8] = [
    "off",
    "per_message",
    "per_message/15/1000",
    "window",
    "window/9",
    "window/12",
    "window/15",
    "window/12/1000",
];

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.send(message).await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => serve().await,
        ["talk", uri, compression] => talk(uri, compression).await,
        ["cases", uri, compression] => cases(uri, compression).await,
        _ => Err("usage: serve | talk URI COMPRESSION | cases URI COMPRESSION".into()),
    }
}

/// Reads `mode/bits/threshold`. Without a threshold, all messages are compressed.
fn compression(text: &str) -> Result<Compression, Failure> {
    let mut parts = text.split('/');
    let mut compression = match parts.next() {
        Some("off") => Compression::default(),
        Some("per_message") => Compression::per_message(),
        Some("window") => Compression::window(),
        _ => return Err(format!("not a compression: {text}").into()),
    };
    if let Some(bits) = parts.next() {
        compression.window = 1 << bits.parse::<u32>()?;
    }
    compression.threshold = Some(parts.next().map_or(Ok(1), str::parse)?);
    Ok(compression)
}

async fn serve() -> Result<(), Failure> {
    let mut server = ServerConfig::new("ws", ServerKind::WebSocket, 0);
    server.limits.message = LARGEST;
    // A message in frames of 256 bytes has many of them.
    server.limits.fragments = 1 << 20;
    // A case of the Autobahn TestSuite that expects no ping ends with the first one, and some take
    // longer than the default interval.
    server.heartbeat.interval = None;
    let mut config = Config::default();
    config.servers = vec![server];
    let mut app = App::without_registry().config(config);
    for name in ROUTES {
        let compression = compression(name)?;
        let route = Route::new(format!("/{name}"), Echo);
        app = app.route(route.compression(move |it| *it = compression));
    }
    let running = app.start().await?;
    let addr = running.local_addr("ws").ok_or("the server does not listen")?;
    println!("ws://{addr}");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    running.shutdown().await;
    Ok(())
}

async fn connect(uri: String, settings: &str) -> Result<Client, Failure> {
    let client = Client::builder(uri).compression(compression(settings)?).message_limit(LARGEST);
    Ok(client.connect().await?)
}

/// Sends messages, compares the echoes, and prints the parameters of the compression.
async fn talk(uri: &str, settings: &str) -> Result<(), Failure> {
    let mut client = connect(uri.to_owned(), settings).await?;
    let extensions = client.response_headers().get("sec-websocket-extensions");
    let extensions = extensions.map_or(Ok(""), |it| it.to_str())?.to_owned();
    let mut count = 0;
    for message in messages::all() {
        client.send(message.clone()).await?;
        match client.recv(DEADLINE).await {
            Received::Message(echo) if echo == message => count += 1,
            other => {
                let other: String = format!("{other:?}").chars().take(200).collect();
                return Err(format!("message {count} of {} bytes: {other}", message.len()).into());
            }
        }
    }
    client.close(1000, "done").await?;
    println!("{count} messages; {extensions}");
    Ok(())
}

/// Runs the cases of a server of the Autobahn TestSuite, one after another, and lets it write its
/// report.
async fn cases(uri: &str, settings: &str) -> Result<(), Failure> {
    let mut counting = Client::connect(format!("{uri}/getCaseCount")).await?;
    let count: usize = match counting.recv(DEADLINE).await {
        Received::Message(count) => count.as_text().ok_or("the count is not text")?.parse()?,
        other => return Err(format!("no count: {other:?}").into()),
    };
    for case in 1..=count {
        let mut client = connect(format!("{uri}/runCase?case={case}&agent={AGENT}"), settings).await?;
        while let Received::Message(message) = client.recv(None).await {
            if client.send(message).await.is_err() {
                break;
            }
        }
    }
    let mut report = Client::connect(format!("{uri}/updateReports?agent={AGENT}")).await?;
    // The server closes when the report is written.
    let _ = report.recv(DEADLINE).await;
    println!("{count} cases");
    Ok(())
}
