//! Tools to test your own controllers: [`TestApp`] runs an application in memory.
//!
//! A test uses the real pipeline, the real connection loop and the real codec; only the listener is
//! replaced. No port is opened and no file is read, so tests can run in parallel. With paused time
//! (`#[tokio::test(start_paused = true)]`), deadlines and heartbeats take no real time.
//!
//! # Three ways to test a controller
//!
//! - As a plain struct: methods that do not need a connection can be called directly.
//! - With a [`TestApp`]: this is the right choice for most tests.
//! - Over a socket: with any client.
//!
//! ```standalone_crate
//! use ws_core::prelude::*;
//! use ws_core::testing::TestApp;
//!
//! #[ws_controller(path = "/greet/{name}")]
//! struct Greet;
//!
//! impl Greet {
//!     fn greeting(name: &str) -> String {
//!         format!("hello {name}")
//!     }
//! }
//!
//! impl Controller for Greet {
//!     async fn on_open(&self, conn: &Connection) -> Result {
//!         let name = conn.handshake().path_param("name").unwrap_or("you");
//!         Ok(conn.push(Self::greeting(name))?)
//!     }
//!     async fn on_message(&self, conn: &Connection, _: Message) -> Result {
//!         Ok(conn.disconnect(1000, "bye")?)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! // As a plain struct.
//! assert_eq!(Greet::greeting("jerry"), "hello jerry");
//!
//! // With a `TestApp`.
//! let app = TestApp::start(App::new()).await;
//! let mut client = app.connect("/greet/jerry").await?;
//! assert_eq!(client.next_text().await?, "hello jerry");
//! client.send_text("anything").await;
//! client.expect_close(1000).await;
//! app.connect("/nowhere").expect_status(404).await;
//!
//! // Over a socket, with any client.
//! let mut config = Config::default();
//! config.servers[0].port = 0;
//! let running = App::new().config(config).start().await.unwrap();
//! let stream = tokio::net::TcpStream::connect(running.local_addr("ws").unwrap()).await.unwrap();
//! # drop(stream);
//! running.shutdown().await;
//! # Ok::<(), ws_core::testing::TestError>(())
//! # }).unwrap();
//! ```

mod client;
mod cluster;
mod connection;
mod http;

use std::{collections::HashMap, fmt, future::ready};

use ::http::{HeaderName, HeaderValue, StatusCode};

pub use self::{
    client::{Connect, TestClient},
    cluster::{Between, TestCluster},
    connection::TestConnection,
    http::{TestHttp, TestRequest},
};
pub use crate::hub::UndeclaredEvent;
use crate::{
    app::{App, PlannedKind, Running, ShutdownReport, StartError},
    server::Arrival,
    socket::{Pipe, Transport},
};

/// The number of bytes that the pipe between client and server can hold. It stands for the buffers
/// of a socket.
const PIPE_BYTES: usize = 64 << 10;

/// An application that runs in memory.
///
/// If [`App::config`] is not called, it uses the default settings, with a server for every name
/// that the application uses. `ws.toml` and the environment are never read.
///
/// ```
/// use ws_core::{App, Connection, Controller, Message, Result, testing::TestApp};
///
/// struct Echo;
///
/// impl Controller for Echo {
///     async fn on_message(&self, conn: &Connection, message: Message) -> Result {
///         Ok(conn.push(message)?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_core::testing::TestError> {
/// let app = TestApp::start(App::without_registry().controller("/echo", Echo)).await;
/// let mut client = app.connect("/echo").await?;
/// client.send_text("hello").await;
/// assert_eq!(client.next_text().await?, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestApp {
    running: Running,
    servers: HashMap<String, PlannedKind>,
    /// The number of the node in its [`TestCluster`].
    member: Option<usize>,
}

impl TestApp {
    /// Starts an application and runs its start hooks.
    ///
    /// # Panics
    /// If the application does not start. The panic has the text of the [`StartError`].
    pub async fn start(app: App) -> Self {
        match Self::try_start(app).await {
            Ok(app) => app,
            Err(error) => fail(format_args!("the application does not start: {error}")),
        }
    }

    /// Starts an application and runs its start hooks.
    ///
    /// # Errors
    /// All problems that keep the application from starting, at once.
    pub async fn try_start(app: App) -> Result<Self, StartError> {
        let (running, servers) = app.start_in_memory().await?;
        Ok(Self { running, servers, member: None })
    }

    /// Connects a client to server `ws` when the returned value is awaited.
    pub fn connect(&self, path: impl Into<String>) -> Connect<'_> {
        self.connect_to("ws", path)
    }

    /// Connects a client to a server of this name when the returned value is awaited.
    pub fn connect_to(&self, server: &str, path: impl Into<String>) -> Connect<'_> {
        Connect::new(self, server, path.into())
    }

    /// Returns the HTTP side of a server: the service of kind `http`, or the fallback of a server
    /// of kind `websocket`.
    pub fn http(&self, server: &str) -> TestHttp<'_> {
        TestHttp::new(self, server)
    }

    /// Returns the running application.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Returns the emitted events that the connection's route does not declare, sorted by
    /// controller and event. A test that expects none: `assert_eq!(app.undeclared(), [])`.
    ///
    /// A route declares the events of `emits(..)` and those that its handlers return. Only an emit
    /// that reaches a connection is seen, so a test of `room.emit(..)` needs a member. Events that
    /// are sent by name (`Connection::event`, `Target::event`) are not checked.
    pub fn undeclared(&self) -> Vec<UndeclaredEvent> {
        self.running.undeclared()
    }

    /// Shuts the application down, as [`Running::shutdown`] does.
    pub async fn shutdown(self) -> ShutdownReport {
        self.running.shutdown().await
    }

    /// Waits until the node has joined its cluster.
    async fn joined(&self) {
        self.running.cluster_joined().await;
    }

    /// Opens a pipe to a server and returns the client's end.
    fn pipe(&self, server: &str) -> Pipe {
        self.pipe_from(server, Arrival::default())
    }

    /// Like [`pipe`](Self::pipe), for a stream with a given arrival.
    pub(crate) fn pipe_from(&self, server: &str, arrival: Arrival) -> Pipe {
        let Some(kind) = self.servers.get(server) else { fail(format_args!("unknown server `{server}`")) };
        let (near, far) = Pipe::pair(PIPE_BYTES);
        let arriving = ready(Some((Transport::Memory(far), arrival)));
        self.running.spawn(kind.clone().serve(arriving));
        near
    }
}

/// An HTTP response: to a refused handshake, or to a request of [`TestHttp`].
///
/// ```
/// use ws_core::testing::TestApp;
///
/// async fn check(app: &TestApp) {
///     let refusal = app.connect("/nowhere").expect_status(404).await;
///     assert_eq!(refusal.header("content-type"), Some("application/json"));
///     assert!(refusal.text().contains("no WebSocket route"));
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: ::http::HeaderMap,
    /// The body.
    pub body: bytes::Bytes,
}

impl TestResponse {
    /// Returns the body as text. Invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Decodes the body as JSON.
    ///
    /// # Errors
    /// [`TestError::Json`] if the body is not JSON or does not fit `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, TestError> {
        serde_json::from_slice(&self.body).map_err(|error| TestError::Json { text: self.text(), error })
    }

    /// Returns the first value of a header; `None` if it is missing or not visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// The error of a test client: the expected message or response was not received.
///
/// ```
/// use ws_core::testing::{TestClient, TestError};
///
/// async fn check(mut client: TestClient) {
///     let nothing = client.next().await;
///     assert!(matches!(nothing, Err(TestError::TimedOut { .. })));
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The handshake was refused.
    #[error("refused with {}: {}", .0.status, .0.text())]
    Refused(Box<TestResponse>),
    /// A token was offered as a subprotocol and no subprotocol was chosen. A browser fails such a
    /// connection.
    #[error(
        "the server chose none of the offered subprotocols, so that a browser fails the connection; offer a second one, \
         `.subprotocols(&[\"chat\"])`, and list it in `subprotocols(..)` of the controller"
    )]
    NoSubprotocol,
    /// Nothing was received in time.
    #[error("nothing was received within {seconds} s")]
    TimedOut {
        /// The time that the client waited, in seconds.
        seconds: u64,
    },
    /// The connection was closed.
    #[error("closed with {code}: {reason:?}")]
    Closed {
        /// The close code; 1005 for a close frame without a code, 1006 for an end without a close
        /// frame.
        code: u16,
        /// The reason of the close frame.
        reason: String,
    },
    /// A message of another kind was received.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// A description of the expected message.
        expected: String,
        /// A description of the received message.
        got: String,
    },
    /// A message or body is not JSON or does not fit the expected type.
    #[error("{error} in {text}")]
    Json {
        /// The received text.
        text: String,
        /// The error of the decoder.
        #[source]
        error: serde_json::Error,
    },
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(String),
}

/// Parses a header as written in a test. A malformed header is a mistake in the test, so it panics.
fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        (Ok(name), Ok(value)) => (name, value),
        _ => fail(format_args!("`{name}: {value}` is not a header")),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "a test fails by a panic")]
fn fail(what: fmt::Arguments<'_>) -> ! {
    panic!("{what}")
}
