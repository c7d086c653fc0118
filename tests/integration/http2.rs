//! WebSocket over HTTP/2 (RFC 8441): `App::into_service` inside servers of hyper and axum.
//!
//! The client is that of the crate h2, which resets streams and reads when a test says so.

mod ends;
mod flow;
mod handshake;
mod many;
mod outer;
mod refusals;

use std::{future::poll_fn, net::SocketAddr};

use bytes::{Buf as _, BytesMut};
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{Method, Request, Version, request, response};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use ws_core::{App, Bytes, Config, Connection, Controller, Message, Result, Running, app::WsService};

use crate::support::{Answer, RawFrame, config, frame, within};

/// The service of an application, inside a server of hyper that speaks HTTP/1.1 and HTTP/2.
struct Outer {
    addr: SocketAddr,
    running: Running,
}

impl Outer {
    async fn start(app: App) -> Self {
        Self::start_with(app, config()).await
    }

    async fn start_with(app: App, config: Config) -> Self {
        Self::start_as(app, config, |_| {}).await
    }

    /// Starts it with settings of the outer server.
    async fn start_as(app: App, config: Config, set: impl FnOnce(&mut auto::Builder<TokioExecutor>)) -> Self {
        let (service, running) = app.config(config).into_service("ws").await.unwrap();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http2().enable_connect_protocol();
        set(&mut builder);
        Self { addr: serve(builder, service).await, running }
    }
}

/// The same inside the process, without sockets: for paused time.
struct InMemory {
    running: Running,
    service: WsService,
}

impl InMemory {
    async fn start(app: App, config: Config) -> Self {
        let (service, running) = app.config(config).into_service("ws").await.unwrap();
        Self { running, service }
    }

    async fn connect_as(&self, builder: &h2::client::Builder) -> Client {
        let (near, far) = tokio::io::duplex(64 << 10);
        let service = TowerToHyperService::new(self.service.clone());
        tokio::spawn(async move {
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http2().enable_connect_protocol();
            let _ = builder.serve_connection_with_upgrades(TokioIo::new(far), service).await;
        });
        Client::over(near, builder).await
    }
}

/// Serves the service on a free port.
async fn serve(builder: auto::Builder<TokioExecutor>, service: WsService) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await.unwrap();
            let (builder, service) = (builder.clone(), service.clone().peer_addr_from(move |_| Some(peer)));
            tokio::spawn(async move {
                let service = TowerToHyperService::new(service);
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    addr
}

/// A connection of HTTP/2. It is closed when it is dropped.
struct Client {
    send: SendRequest<Bytes>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    async fn connect(addr: SocketAddr) -> Self {
        Self::connect_as(addr, &h2::client::Builder::new()).await
    }

    async fn connect_as(addr: SocketAddr, builder: &h2::client::Builder) -> Self {
        let stream = within("TCP connect", TcpStream::connect(addr)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, builder).await
    }

    /// Speaks HTTP/2 over this stream.
    async fn over<S>(stream: S, builder: &h2::client::Builder) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (send, connection) = within("HTTP/2", builder.handshake(stream)).await.unwrap();
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        // Only the server's settings allow an extended CONNECT.
        within("settings", async {
            while !send.is_extended_connect_protocol_enabled() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self { send, driver }
    }

    /// Sends a request without a body, and returns the head of the response with both directions.
    async fn ask(
        &self,
        request: request::Builder,
    ) -> std::result::Result<(response::Parts, SendStream<Bytes>, RecvStream), h2::Error> {
        let request = request.body(()).unwrap();
        let ends = request.method() != Method::CONNECT;
        let mut ready = within("a free stream", self.send.clone().ready()).await?;
        let (response, send) = ready.send_request(request, ends)?;
        let (head, receive) = within("a response", response).await?.into_parts();
        Ok((head, send, receive))
    }

    /// Returns the whole response to a request without a body.
    async fn answer(&self, request: request::Builder) -> Answer {
        let (head, _send, mut receive) = self.ask(request).await.unwrap();
        let mut body = Vec::new();
        while let Some(data) = within("a body", receive.data()).await {
            body.extend(data.unwrap());
        }
        let headers = head.headers.iter();
        Answer {
            status: head.status.as_u16(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: String::from_utf8(body).unwrap(),
        }
    }

    async fn open(&self, path: &str) -> Stream {
        self.open_by(connect(path)).await
    }

    async fn open_by(&self, request: request::Builder) -> Stream {
        let (head, send, receive) = self.ask(request).await.unwrap();
        assert_eq!(head.status, 200, "{head:?}");
        Stream { head, send, receive, unread: BytesMut::new() }
    }
}

/// A correct handshake for this path.
fn connect(path: &str) -> request::Builder {
    connect_to("websocket", path)
}

/// An extended CONNECT for this protocol.
fn connect_to(protocol: &str, path: &str) -> request::Builder {
    Request::builder()
        .method(Method::CONNECT)
        .version(Version::HTTP_2)
        .uri(format!("http://localhost{path}"))
        .header("sec-websocket-version", "13")
        .extension(h2::ext::Protocol::from(protocol))
}

/// A WebSocket of raw frames on a stream of HTTP/2.
struct Stream {
    head: response::Parts,
    send: SendStream<Bytes>,
    receive: RecvStream,
    unread: BytesMut,
}

impl Stream {
    /// Sends one masked frame. What the window does not allow is sent later.
    fn frame(&mut self, first: u8, payload: &[u8]) {
        self.send.send_data(frame(first, payload).into(), false).unwrap();
    }

    fn text(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// Sends END_STREAM.
    fn end(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// Reads one frame, and returns its bytes to the window.
    async fn read_frame(&mut self) -> RawFrame {
        self.fill(2).await;
        let first = self.unread.get_u8();
        let length = match self.unread.get_u8() {
            126 => {
                self.fill(2).await;
                usize::from(self.unread.get_u16())
            }
            127 => {
                self.fill(8).await;
                self.unread.get_u64() as usize
            }
            short => usize::from(short),
        };
        self.fill(length).await;
        RawFrame { first, payload: self.unread.split_to(length).to_vec() }
    }

    async fn read_text(&mut self) -> String {
        let frame = self.read_frame().await;
        assert_eq!(frame.first, 0x81, "no text: {frame:?}");
        String::from_utf8(frame.payload).unwrap()
    }

    async fn fill(&mut self, length: usize) {
        while self.unread.len() < length {
            let data = within("data", self.receive.data()).await.expect("the stream has ended").unwrap();
            self.receive.flow_control().release_capacity(data.len()).unwrap();
            self.unread.extend_from_slice(&data);
        }
    }

    /// The server has sent END_STREAM, and nothing before it.
    async fn expect_end(&mut self) {
        assert!(self.unread.is_empty());
        while let Some(data) = within("the end", self.receive.data()).await {
            assert_eq!(data.unwrap(), "");
        }
    }

    /// Closes the WebSocket as a client does, and waits until the server has ended the stream.
    async fn close(mut self) {
        self.frame(0x88, &1000_u16.to_be_bytes());
        assert_eq!(self.read_frame().await.close().0, 1000);
        self.expect_end().await;
    }

    /// Waits until the server resets the stream.
    async fn expect_reset(&mut self) -> h2::Reason {
        within("a reset", poll_fn(|cx| self.send.poll_reset(cx))).await.unwrap()
    }
}

/// A controller that repeats what it hears, and reports the version of HTTP when asked for it.
struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text() {
            Some("version") => Ok(conn.push(format!("{:?}", conn.handshake().version()))?),
            _ => Ok(conn.push(message)?),
        }
    }
}

fn echo() -> App {
    App::without_registry().controller("/echo", Echo)
}

fn header<'r>(head: &'r response::Parts, name: &str) -> Option<&'r str> {
    head.headers.get(name).map(|value| value.to_str().unwrap())
}
