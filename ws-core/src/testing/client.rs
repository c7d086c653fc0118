//! [`TestClient`]: a WebSocket client in memory; and [`Connect`], the builder of its handshake.

use std::{future::IntoFuture, pin::Pin, time::Duration};

use ::http::{HeaderMap, Method, StatusCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message as Ws, protocol::Role},
};

use super::{TestApp, TestError, TestResponse, fail, header, http};
use crate::{
    request::BEARER,
    wire::{Message, Text},
};

/// The time that a client waits for an expected message or response.
const PATIENCE: Duration = Duration::from_secs(5);

/// The handshake of a test client. Await it to connect, or call
/// [`expect_status`](Self::expect_status) to check a refusal.
///
/// ```
/// use ws_core::testing::{TestApp, TestError};
///
/// async fn check(app: &TestApp) -> Result<(), TestError> {
///     app.connect("/rooms/1").expect_status(401).await;
///     let client = app.connect("/rooms/1").bearer("t-1").subprotocols(&["chat.v1"]).await?;
///     assert_eq!(client.subprotocol(), Some("chat.v1"));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens until this is awaited"]
pub struct Connect<'a> {
    app: &'a TestApp,
    server: String,
    path: String,
    headers: HeaderMap,
    /// Whether the client fails if no subprotocol is chosen, as a browser does.
    needs_subprotocol: bool,
}

impl<'a> Connect<'a> {
    pub(super) fn new(app: &'a TestApp, server: &str, path: String) -> Self {
        let headers = HeaderMap::new();
        let this = Self { app, server: server.to_owned(), path, headers, needs_subprotocol: false };
        this.header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Adds a header. This client does not decompress messages, so do not offer permessage-deflate
    /// and then expect a compressed one.
    ///
    /// # Panics
    /// If the name or the value is not valid in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.append(name, value);
        self
    }

    /// Adds the header `Authorization: Bearer <token>`.
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        self.header("authorization", &format!("Bearer {}", token.as_ref()))
    }

    /// Offers the token as the subprotocol `bearer.<base64url of the token>`, as a page in a
    /// browser does, because it cannot set headers.
    ///
    /// A browser fails the connection unless the server chooses one of the offered subprotocols,
    /// and a token is never chosen. This client also fails, with [`TestError::NoSubprotocol`].
    /// Offer a second subprotocol with [`subprotocols`](Self::subprotocols) and list it in the
    /// controller.
    pub fn bearer_subprotocol(mut self, token: impl AsRef<str>) -> Self {
        self.needs_subprotocol = true;
        let token = URL_SAFE_NO_PAD.encode(token.as_ref());
        self.header("sec-websocket-protocol", &format!("{BEARER}{token}"))
    }

    /// Offers these subprotocols, most preferred first.
    pub fn subprotocols(self, subprotocols: &[&str]) -> Self {
        self.header("sec-websocket-protocol", &subprotocols.join(", "))
    }

    /// Sends the handshake, checks that it is refused with this status, and returns the response.
    ///
    /// # Panics
    /// If the status is another one, including 101, or if no response arrives within 5 s.
    pub async fn expect_status(self, status: u16) -> TestResponse {
        match self.await {
            Err(TestError::Refused(response)) if response.status == status => *response,
            Err(error) => fail(format_args!("expected status {status}: {error}")),
            Ok(_) => fail(format_args!("expected status {status}, but the connection was opened")),
        }
    }

    async fn run(self) -> Result<TestClient, TestError> {
        let stream = self.app.pipe(&self.server);
        let answer = http::request(stream, Method::GET, &self.path, self.headers, Bytes::new());
        let response = in_time(answer).await??;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(TestError::Refused(Box::new(http::read(response).await?)));
        }
        let headers = response.headers().clone();
        if self.needs_subprotocol && !headers.contains_key("sec-websocket-protocol") {
            return Err(TestError::NoSubprotocol);
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(http::transport)?;
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        Ok(TestClient { socket, headers })
    }
}

impl<'a> IntoFuture for Connect<'a> {
    type Output = Result<TestClient, TestError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A client in memory. Drop it to end the stream without a close frame.
///
/// The `next_..` methods wait up to 5 s (of tokio's time, which may be paused). They answer pings
/// while they wait.
///
/// ```
/// use ws_core::testing::{TestClient, TestError};
///
/// async fn check(mut client: TestClient) -> Result<(), TestError> {
///     client.send_event("say", "hi").await;
///     assert_eq!(client.next_event::<String>("said").await?, "hi");
///     client.close(1000, "done").await;
///     client.expect_close(1000).await;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TestClient {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    headers: HeaderMap,
}

impl TestClient {
    /// Returns a header of the 101.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the subprotocol that the server chose.
    pub fn subprotocol(&self) -> Option<&str> {
        self.response_header("sec-websocket-protocol")
    }

    /// Sends a text message. Does nothing if the connection is closed.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send(Ws::text(text.into())).await;
    }

    /// Sends a binary message.
    pub async fn send_binary(&mut self, bytes: impl Into<Bytes>) {
        self.send(Ws::Binary(bytes.into())).await;
    }

    /// Sends a value as a JSON text message.
    ///
    /// # Panics
    /// If the value cannot be serialised.
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) {
        match serde_json::to_string(value) {
            Ok(json) => self.send_text(json).await,
            Err(error) => fail(format_args!("the value cannot be serialised as JSON: {error}")),
        }
    }

    /// Sends `{"event": name, "data": data}`.
    pub async fn send_event<T: Serialize + ?Sized>(&mut self, event: &str, data: &T) {
        self.send_json(&serde_json::json!({"event": event, "data": data})).await;
    }

    /// Sends a ping.
    pub async fn ping(&mut self, payload: impl Into<Bytes>) {
        self.send(Ws::Ping(payload.into())).await;
    }

    /// Sends one masked frame without checks, to test faults. `first` has FIN, the reserved bits
    /// and the opcode (RFC 6455 section 5.2).
    pub async fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = BytesMut::new();
        frame.put_u8(first);
        match payload.len() {
            short @ 0..126 => frame.put_u8(0x80 | short as u8),
            medium @ 126..65_536 => {
                frame.put_u8(0x80 | 126);
                frame.put_u16(medium as u16);
            }
            long => {
                frame.put_u8(0x80 | 127);
                frame.put_u64(long as u64);
            }
        }
        frame.put_slice(&mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.send_bytes(&frame).await;
    }

    /// Sends bytes without checks, to test faults.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        // An error means that the server has closed the stream. The next read returns its close
        // frame.
        let _ = self.socket.get_mut().write_all(bytes).await;
    }

    /// Sends a close frame. Use [`expect_close`](Self::expect_close) to wait for the answer.
    pub async fn close(&mut self, code: u16, reason: &str) {
        let frame = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
        self.send_frame(0x88, &frame).await;
    }

    /// Returns the next text or binary message.
    ///
    /// # Errors
    /// [`TestError::TimedOut`] after 5 s, or [`TestError::Closed`] if the connection ends.
    pub async fn next(&mut self) -> Result<Message, TestError> {
        loop {
            match self.next_frame().await? {
                Ws::Text(text) => return Ok(Message::Text(Text::from_utf8_bytes(text))),
                Ws::Binary(bytes) => return Ok(Message::Binary(bytes)),
                Ws::Close(frame) => {
                    let (code, reason) =
                        frame.map_or((1005, String::new()), |it| (it.code.into(), it.reason.to_string()));
                    return Err(TestError::Closed { code, reason });
                }
                Ws::Ping(_) | Ws::Pong(_) | Ws::Frame(_) => {}
            }
        }
    }

    /// Returns the next message, which must be text.
    ///
    /// # Errors
    /// The errors of [`next`](Self::next), and [`TestError::Unexpected`] for a binary message.
    pub async fn next_text(&mut self) -> Result<String, TestError> {
        match self.next().await? {
            Message::Text(text) => Ok(text.into()),
            Message::Binary(bytes) => Err(TestError::Unexpected {
                expected: "text".into(),
                got: format!("{} binary bytes", bytes.len()),
            }),
        }
    }

    /// Decodes the next message, which must be JSON text.
    ///
    /// # Errors
    /// The errors of [`next_text`](Self::next_text), and [`TestError::Json`].
    pub async fn next_json<T: DeserializeOwned>(&mut self) -> Result<T, TestError> {
        let text = self.next_text().await?;
        serde_json::from_str(&text).map_err(|error| TestError::Json { text, error })
    }

    /// Decodes the `data` of the next message, which must be an event of this name.
    ///
    /// # Errors
    /// The errors of [`next_json`](Self::next_json), and [`TestError::Unexpected`] for another
    /// event.
    pub async fn next_event<T: DeserializeOwned>(&mut self, event: &str) -> Result<T, TestError> {
        let mut envelope: serde_json::Value = self.next_json().await?;
        if envelope.get("event").and_then(serde_json::Value::as_str) != Some(event) {
            let got = envelope.to_string();
            return Err(TestError::Unexpected { expected: format!("event `{event}`"), got });
        }
        let data = envelope.get_mut("data").map(serde_json::Value::take).unwrap_or_default();
        let text = data.to_string();
        serde_json::from_value(data).map_err(|error| TestError::Json { text, error })
    }

    /// Returns the payload of the next pong. Pings before it are skipped.
    ///
    /// # Errors
    /// [`TestError::TimedOut`] after 5 s, [`TestError::Unexpected`] if another frame comes first,
    /// or [`TestError::Closed`] with 1006 if the stream ends.
    pub async fn next_pong(&mut self) -> Result<Bytes, TestError> {
        loop {
            match self.next_frame().await? {
                Ws::Pong(payload) => return Ok(payload),
                Ws::Ping(_) => {}
                other => {
                    return Err(TestError::Unexpected {
                        expected: "a pong".into(),
                        got: format!("{other:?}"),
                    });
                }
            }
        }
    }

    /// Waits for the close frame, skips messages before it, and returns its reason. An end without
    /// a close frame has the code 1006.
    ///
    /// # Panics
    /// If the code is another one, or if nothing is received within 5 s.
    pub async fn expect_close(&mut self, code: u16) -> String {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(TestError::Closed { code: got, reason }) if got == code => return reason,
                Err(error) => fail(format_args!("expected close code {code}: {error}")),
            }
        }
    }

    async fn send(&mut self, message: Ws) {
        // An error means that the server has closed the stream. The next read returns its close
        // frame.
        let _ = self.socket.send(message).await;
    }

    async fn next_frame(&mut self) -> Result<Ws, TestError> {
        let gone = TestError::Closed { code: 1006, reason: String::new() };
        let frame = in_time(self.socket.next()).await?.and_then(Result::ok).ok_or(gone)?;
        if matches!(frame, Ws::Close(_)) {
            // The answer to the close frame is queued. It must be sent here, because the test may
            // not read again. An error means that the server is gone.
            let _ = self.socket.flush().await;
        }
        Ok(frame)
    }
}

async fn in_time<F: Future>(future: F) -> Result<F::Output, TestError> {
    let timed_out = TestError::TimedOut { seconds: PATIENCE.as_secs() };
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| timed_out)
}
