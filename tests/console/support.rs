//! An application with a console, and plain HTTP requests to it.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use ws_core::{App, Config, Route, Running, prelude::*};

/// Joins the room that the path names, and answers each message.
pub(crate) struct Rooms;

impl Controller for Rooms {
    async fn on_open(&self, conn: &Connection) -> Result {
        let room = conn.handshake().path_param("room").unwrap_or_default();
        conn.join(room)?;
        conn.identify("jerry")?;
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(format!("you said {}", message.as_text().unwrap_or("bytes")))?)
    }
}

async fn outer(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

/// A configuration whose ports are chosen by the system.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.servers[0].port = 0;
    config.console.port = 0;
    config
}

pub(crate) fn app() -> App {
    App::without_registry()
        .middleware("ws", 0, outer)
        .route(Route::new("/rooms/{room}", Rooms).message_limit(1000))
        .config(config())
        .console()
}

/// A running application.
pub(crate) struct Program {
    pub(crate) running: Running,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Program {
    pub(crate) async fn start() -> Self {
        let running = app().start().await.unwrap();
        let url = running.console_url().unwrap();
        let (address, token) = url.strip_prefix("http://").unwrap().split_once("/#token=").unwrap();
        Self { address: address.parse().unwrap(), token: token.to_owned(), running }
    }

    /// Sends a request with the token.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[("Authorization", &format!("Bearer {}", self.token))], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let token = format!("Bearer {}", self.token);
        self.send("POST", path, &[("Authorization", &token)], &body.to_string()).await
    }

    /// Sends a request with these headers. Without a `Host` header, that of the console is added.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut stream = self.ask(method, path, headers, body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        stream
    }

    /// Opens a feed.
    pub(crate) async fn feed(&self, query: &str) -> Feed {
        let token = format!("Bearer {}", self.token);
        let path = format!("/api/feed?{query}");
        Feed { stream: self.ask("GET", &path, &[("Authorization", &token)], "").await, rest: String::new() }
    }

    /// Opens a connection to the application.
    pub(crate) async fn connect(&self, path: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        let address = self.running.local_addr("ws").unwrap();
        connect_async(format!("ws://{address}{path}")).await.unwrap().0
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) struct Feed {
    stream: TcpStream,
    rest: String,
}

impl Feed {
    /// Waits for a value with this property.
    pub(crate) async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let value = self.next().await.expect("the feed has ended");
            if fits(&value) {
                return value;
            }
        }
    }

    /// Waits for the next value; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            // The lines between are sizes of chunks and headers.
            while let Some((line, rest)) = self.rest.split_once('\n') {
                let value = serde_json::from_str(line).ok().filter(Value::is_object);
                self.rest = rest.to_owned();
                if value.is_some() {
                    return value;
                }
            }
            let mut bytes = vec![0; 64 << 10];
            let count = self.stream.read(&mut bytes).await.ok()?;
            if count == 0 {
                return None;
            }
            self.rest += &String::from_utf8_lossy(&bytes[..count]);
        }
    }
}
