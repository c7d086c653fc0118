//! Shared by the tests: a server on a free port, a client of raw bytes, a controller that reports.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, sync::Once, time::Duration};

use axum::{Router, routing::get};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite};
use ws_core::{
    App, Bytes, CloseReason, Config, Connection, Controller, Message, Result, Running, StatusCode,
    app::Readiness,
    config::{ServerConfig, ServerKind},
};

/// Longer than any step on a busy machine. A test waits for all of it only if it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Awaits, and fails at the timeout instead of hanging.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}

/// Polls for a condition that no message reports.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    within(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The default configuration on a free port.
pub(crate) fn config() -> Config {
    let mut config = Config::default();
    config.servers[0].port = 0;
    config
}

/// The servers that attributes in this binary name. A configuration for its registry must have all
/// of them.
const ANNOTATED_SERVERS: [&str; 8] =
    ["annotated", "compressed", "failing", "failing-elsewhere", "faults", "limited", "onion", "slash"];

/// A configuration for the registry of this binary: the default and all servers that attributes
/// name.
pub(crate) fn registry_config() -> Config {
    let mut config = config();
    config.servers.extend(ANNOTATED_SERVERS.map(|name| ServerConfig::new(name, ServerKind::WebSocket, 0)));
    config
}

/// A running application and the address of its server `ws`.
pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) addr: SocketAddr,
}

pub(crate) async fn start(app: App) -> Server {
    start_with(app, config()).await
}

pub(crate) async fn start_with(app: App, config: Config) -> Server {
    let running = app.config(config).start().await.unwrap();
    let addr = running.local_addr("ws").unwrap();
    Server { running, addr }
}

pub(crate) type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Server {
    /// Connects a client of another library.
    pub(crate) async fn connect(&self, path: &str) -> Client {
        let (client, _) =
            within("connect", tokio_tungstenite::connect_async(format!("ws://{}{path}", self.addr)))
                .await
                .unwrap();
        client
    }

    /// Opens a stream by a handshake and reads its 101.
    pub(crate) async fn raw(&self, path: &str) -> Raw {
        let mut raw = Raw::connect(self.addr).await;
        let response = raw.request(&handshake(path)).await;
        assert_eq!(response.status, 101, "{response:?}");
        raw
    }

    /// Returns the answer to these bytes of one request.
    pub(crate) async fn answer(&self, request: &str) -> Answer {
        Raw::connect(self.addr).await.request(request).await
    }
}

/// Returns a correct handshake for this path.
pub(crate) fn handshake(path: &str) -> String {
    handshake_with(path, "")
}

/// Returns a correct handshake with these header lines, each with CRLF at its end.
pub(crate) fn handshake_with(path: &str, lines: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
    )
}

/// A response, parsed by the test.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// A client of raw bytes and raw frames.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

/// A received frame: its first byte (FIN, opcode) and its payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RawFrame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

impl RawFrame {
    /// The code and the reason of a close frame.
    pub(crate) fn close(&self) -> (u16, String) {
        assert_eq!(self.first, 0x88, "not a close frame: {self:?}");
        let code = self.payload.get(..2).map_or(1005, |code| u16::from_be_bytes([code[0], code[1]]));
        (code, String::from_utf8(self.payload.get(2..).unwrap_or_default().to_vec()).unwrap())
    }
}

impl Raw {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self { stream: within("TCP connect", TcpStream::connect(addr)).await.unwrap() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        within("write", self.stream.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn request(&mut self, request: &str) -> Answer {
        self.write(request.as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("response head", self.stream.read_u8()).await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        within("response body", self.stream.read_exact(&mut body)).await.unwrap();
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }

    /// Sends one masked frame; `first` is FIN, reserved bits and opcode.
    pub(crate) async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&frame(first, payload)).await;
    }

    pub(crate) async fn read_frame(&mut self) -> RawFrame {
        let [first, second] = within("frame", async {
            [self.stream.read_u8().await.unwrap(), self.stream.read_u8().await.unwrap()]
        })
        .await;
        let length = match second {
            126 => usize::from(self.stream.read_u16().await.unwrap()),
            127 => self.stream.read_u64().await.unwrap() as usize,
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        within("frame payload", self.stream.read_exact(&mut payload)).await.unwrap();
        RawFrame { first, payload }
    }

    /// Reads up to the end of the stream. Fails on a reset.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        within("end of stream", self.stream.read_to_end(&mut rest)).await.unwrap();
        rest
    }

    /// Reads up to the end of the stream. A stream that is closed with unread input ends with a
    /// reset.
    pub(crate) async fn read_until_cut(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = within("end of stream", self.stream.read_to_end(&mut rest)).await;
        rest
    }
}

/// One masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        medium @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(crate) async fn send(client: &mut Client, text: &str) {
    within("send", client.send(tungstenite::Message::text(text))).await.unwrap();
}

/// Returns the next data message as text.
pub(crate) async fn next_text(client: &mut Client) -> String {
    match within("next message", client.next()).await {
        Some(Ok(tungstenite::Message::Text(text))) => text.to_string(),
        other => panic!("not a text: {other:?}"),
    }
}

/// Returns the close frame that must come next, before the end of the stream.
pub(crate) async fn expect_close(client: &mut Client) -> (u16, String) {
    let close = match within("close frame", client.next()).await {
        Some(Ok(tungstenite::Message::Close(Some(frame)))) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("not a close frame: {other:?}"),
    };
    assert!(within("end of stream", client.next()).await.is_none());
    close
}

/// The readiness page for load balancers, `/readyz`.
pub(crate) fn probes(readiness: Readiness) -> Router {
    let readyz = async move || match readiness.is_ready() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    Router::new().route("/readyz", get(readyz))
}

thread_local! {
    static LOGGED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Collects the log of this thread from now on. The runtime of a test has no other thread.
///
/// One subscriber serves all tests. With one for each, the thread of another test would decide
/// which callsites are enabled.
pub(crate) struct Logs;

impl Logs {
    pub(crate) fn start() -> Self {
        struct Writer;
        impl std::io::Write for Writer {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                LOGGED.with_borrow_mut(|logged| logged.iter_mut().for_each(|logged| logged.extend(bytes)));
                Ok(bytes.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let level = tracing::Level::DEBUG;
            tracing_subscriber::fmt().with_ansi(false).with_max_level(level).with_writer(|| Writer).init();
        });
        LOGGED.set(Some(Vec::new()));
        Self
    }

    /// Everything.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(LOGGED.with_borrow(|it| it.clone().unwrap_or_default())).unwrap()
    }

    /// Returns the only line with this text.
    pub(crate) fn line(&self, with: &str) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(with)).collect();
        assert_eq!(lines.len(), 1, "{with:?} in one line of:\n{text}");
        lines[0].to_owned()
    }
}

/// A controller that echoes.
pub(crate) struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

/// An observation of a [`Probe`].
#[derive(Debug)]
pub(crate) enum Seen {
    Open(Connection),
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(CloseReason),
}

/// A controller that reports its callbacks.
pub(crate) struct Probe {
    seen: mpsc::UnboundedSender<Seen>,
}

/// The reports of a [`Probe`].
pub(crate) struct Reports(mpsc::UnboundedReceiver<Seen>);

impl Probe {
    pub(crate) fn new() -> (Self, Reports) {
        let (seen, reports) = mpsc::unbounded_channel();
        (Self { seen }, Reports(reports))
    }
}

impl Reports {
    pub(crate) async fn next(&mut self) -> Seen {
        within("a callback", self.0.recv()).await.expect("the controller is gone")
    }

    /// Returns the next report without a timeout, for paused time, in which every timeout passes at
    /// once.
    pub(crate) async fn next_unhurried(&mut self) -> Seen {
        self.0.recv().await.expect("the controller is gone")
    }

    pub(crate) async fn open(&mut self) -> Connection {
        match self.next().await {
            Seen::Open(conn) => conn,
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) async fn close(&mut self) -> CloseReason {
        match self.next().await {
            Seen::Close(reason) => reason,
            other => panic!("not closed: {other:?}"),
        }
    }

    /// Checks that no further report is waiting.
    pub(crate) fn assert_nothing_more(&mut self) {
        if let Ok(seen) = self.0.try_recv() {
            panic!("unexpected: {seen:?}");
        }
    }
}

impl Probe {
    fn report(&self, seen: Seen) -> Result {
        let _ = self.seen.send(seen);
        Ok(())
    }
}

impl Controller for Probe {
    async fn on_open(&self, conn: &Connection) -> Result {
        self.report(Seen::Open(conn.clone()))
    }

    async fn on_message(&self, _: &Connection, message: Message) -> Result {
        self.report(Seen::Message(message))
    }

    async fn on_ping(&self, _: &Connection, payload: Bytes) -> Result {
        self.report(Seen::Ping(payload))
    }

    async fn on_pong(&self, _: &Connection, payload: Bytes) -> Result {
        self.report(Seen::Pong(payload))
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        self.report(Seen::Close(reason))
    }
}
