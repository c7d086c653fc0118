//! Shared by the tests of the process: the process, its files, an HTTP exchange, a WebSocket
//! client. Every wait is bounded.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

/// The longest wait of a test; passwords are hashed slowly in a debug build.
const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits, at most for [`PATIENCE`].
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it took too long")
}

/// The demo on free ports and with its users in memory, with these settings added.
pub(crate) fn command(settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ws-demo"));
    for variable in ["JWT_OPEN", "JWT_SECRET", "RUST_LOG", "WS_DEMO_TOKEN_TTL"] {
        command.env_remove(variable);
    }
    command
        .env("WS__SERVERS__HTTP__PORT", "0")
        .env("WS__SERVERS__WS__PORT", "0")
        .env("WS_DEMO_DB", ":memory:")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A directory of one test, which is removed when it is dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ws-demo-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a users file in it, which does not exist yet.
    pub(crate) fn file(&self) -> String {
        self.0.join("users.sqlite3").to_str().unwrap().to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The running demo; it is killed when it is dropped.
pub(crate) struct Demo {
    pub(crate) process: Child,
    pub(crate) http: SocketAddr,
    pub(crate) ws: SocketAddr,
    /// The lines of its log.
    log: mpsc::UnboundedReceiver<String>,
    /// Kept open, so that the demo never writes into a closed pipe.
    _stdout: BufReader<ChildStdout>,
}

impl Demo {
    /// Starts it, and reads its addresses.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let mut process = command(settings).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines();
        let (sender, log) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                let _ = sender.send(line);
            }
        });
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let http = address(&mut stdout, "HTTP").await;
        let ws = address(&mut stdout, "WebSocket").await;
        Self { process, http, ws, log, _stdout: stdout }
    }

    /// Waits until a line with this text is logged.
    pub(crate) async fn logs(&mut self, text: &str) {
        while !within(self.log.recv()).await.expect("it ended").contains(text) {}
    }

    /// Returns all lines that are logged until it ends.
    pub(crate) async fn whole_log(&mut self) -> String {
        let mut log = String::new();
        while let Some(line) = within(self.log.recv()).await {
            log.extend([line.as_str(), "\n"]);
        }
        log
    }

    /// Starts the demo's own client for this demo and captures its output. Later arguments take
    /// precedence.
    pub(crate) fn client(&self, arguments: &[&str]) -> Child {
        let (ws, http) = (format!("ws://{}", self.ws), format!("http://{}", self.http));
        command(&[])
            .args(["client", "--url", &ws, "--http", &http])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Asks it to stop.
    #[cfg(unix)]
    pub(crate) async fn terminate(&self) {
        let id = self.process.id().unwrap().to_string();
        assert!(within(Command::new("kill").args(["-TERM", &id]).status()).await.unwrap().success());
    }

    /// Kills the process, so that it cannot close its connections.
    pub(crate) async fn kill(&mut self) {
        within(self.process.kill()).await.unwrap();
    }

    /// A GET over HTTP.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// A GET over HTTP with these header lines.
    pub(crate) async fn get_with(&self, path: &str, headers: &[&str]) -> Answer {
        exchange(self.http, &format!("GET {path} HTTP/1.1"), headers, "").await
    }

    /// A DELETE over HTTP.
    pub(crate) async fn delete(&self, path: &str, headers: &[&str]) -> Answer {
        exchange(self.http, &format!("DELETE {path} HTTP/1.1"), headers, "").await
    }

    /// A POST of JSON over HTTP.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        exchange(self.http, &format!("POST {path} HTTP/1.1"), &["Content-Type: application/json"], body).await
    }

    /// A POST of JSON with more headers.
    pub(crate) async fn post_with(&self, path: &str, headers: &[&str], body: &str) -> Answer {
        let headers = [&["Content-Type: application/json"], headers].concat();
        exchange(self.http, &format!("POST {path} HTTP/1.1"), &headers, body).await
    }

    /// The answer to a login.
    pub(crate) async fn login(&self, account: &str, password: &str) -> Answer {
        self.post("/login", &json!({ "account": account, "password": password }).to_string()).await
    }

    /// The token of one of the seeded accounts.
    pub(crate) async fn token(&self, account: &str) -> String {
        let answer = self.login(account, &format!("{account}-demo")).await;
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// Returns the answer to a handshake that is refused.
    pub(crate) async fn handshake(&self, path: &str, authorization: Option<&str>) -> Answer {
        let authorization = authorization.map(|value| format!("Authorization: {value}"));
        self.handshake_with(path, authorization.as_deref()).await
    }

    /// The same with a further header line.
    pub(crate) async fn handshake_with(&self, path: &str, line: Option<&str>) -> Answer {
        let mut headers = vec![
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        headers.extend(line);
        exchange(self.ws, &format!("GET {path} HTTP/1.1"), &headers, "").await
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self, path: &str, authorization: Option<&str>) -> Client {
        match authorization {
            Some(value) => self.connect_with(path, &[("authorization", value)]).await,
            None => self.connect_with(path, &[]).await,
        }
    }

    /// Opens a connection by a handshake with these headers.
    pub(crate) async fn connect_with(&self, path: &str, headers: &[(&'static str, &str)]) -> Client {
        let mut request = format!("ws://{}{path}", self.ws).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let stream = within(TcpStream::connect(self.ws)).await.unwrap();
        // The limit of the client is off, because the tests check the limit of the server.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, response) =
            within(client_async_with_config(request, stream, Some(config))).await.unwrap();
        let subprotocol = response.headers().get("sec-websocket-protocol");
        Client { socket, subprotocol: subprotocol.map(|value| value.to_str().unwrap().to_owned()) }
    }
}

/// Reads the address from the line that begins with the name of this server.
async fn address(stdout: &mut BufReader<ChildStdout>, server: &str) -> SocketAddr {
    loop {
        let mut line = String::new();
        assert_ne!(within(stdout.read_line(&mut line)).await.unwrap(), 0, "it ended before it listened");
        if let Some((name, address)) = line.split_once(' ')
            && name == server
        {
            let (_, address) = address.split_once("://").unwrap();
            return address.trim().parse().unwrap();
        }
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }
}

/// One request and its answer, on a connection of its own.
async fn exchange(to: SocketAddr, request: &str, headers: &[&str], body: &str) -> Answer {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = if body.is_empty() && headers.contains("Upgrade") {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let mut stream = BufReader::new(within(TcpStream::connect(to)).await.unwrap());
    let text = format!("{request}\r\nHost: {to}\r\n{headers}{length}\r\n{body}");
    within(stream.write_all(text.as_bytes())).await.unwrap();

    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(
            within(stream.read_line(&mut line)).await.unwrap(),
            0,
            "an answer without an end: {head:?}"
        );
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
    let headers: HashMap<String, String> = head[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    within(stream.read_exact(&mut body)).await.unwrap();
    Answer { status, headers, body }
}

/// A WebSocket client.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// The subprotocol that the server chose.
    pub(crate) subprotocol: Option<String>,
}

impl Client {
    /// Sends a text.
    pub(crate) async fn say(&mut self, text: &str) {
        self.send(Message::text(text)).await;
    }

    /// Sends a message.
    pub(crate) async fn send(&mut self, message: Message) {
        within(self.socket.send(message)).await.unwrap();
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Message {
        within(self.socket.next()).await.expect("the connection ended").unwrap()
    }

    /// The next message, which is a text.
    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("expected a text, saw {other:?}"),
        }
    }

    /// Returns the code and the reason of the close frame that must come next.
    pub(crate) async fn close(&mut self) -> (u16, String) {
        match self.message().await {
            Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
            other => panic!("expected a close frame, saw {other:?}"),
        }
    }
}
