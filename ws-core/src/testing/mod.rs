//! Tests of a user's own controllers: [`TestApp`] runs an application over memory.
//!
//! It is the real pipeline, the real connection loop and the real codec; only the listener is missing. No port is
//! opened and no file is read, so tests run side by side, and under paused time (`#[tokio::test(start_paused = true)]`)
//! deadlines and heartbeats pass in no time.
//!
//! # Three ways to test a controller
//!
//! As a plain struct: the methods that do not need a connection are just methods. What is worth testing in a
//! controller is often a function of its own anyway.
//!
//! Over a [`TestApp`], which is what most tests want:
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
//! // Over memory.
//! let app = TestApp::start(App::new()).await;
//! let mut client = app.connect("/greet/jerry").await?;
//! assert_eq!(client.next_text().await?, "hello jerry");
//! client.send_text("anything").await;
//! client.expect_close(1000).await;
//! app.connect("/nowhere").expect_status(404).await;
//!
//! // Over a socket, with whatever client you like.
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
mod connection;
mod http;

use std::{collections::HashMap, fmt, future::ready};

use ::http::{HeaderName, HeaderValue, StatusCode};

pub use self::{
    client::{Connect, TestClient},
    connection::TestConnection,
    http::{TestHttp, TestRequest},
};
use crate::{
    app::{App, PlannedKind, Running, ShutdownReport, StartError},
    server::Arrival,
    socket::{Pipe, Transport},
};

/// Bytes that a pipe between client and server holds, as a socket's buffers would.
const PIPE_BYTES: usize = 64 << 10;

/// An application that runs over memory.
///
/// Without [`App::config`] it has the defaults and a server for every name that the application uses; `ws.toml` and
/// the environment are not read.
#[derive(Debug)]
pub struct TestApp {
    running: Running,
    servers: HashMap<String, PlannedKind>,
}

impl TestApp {
    /// Starts an application; its start hooks run.
    ///
    /// # Panics
    /// With the text of the [`StartError`] when it does not start.
    pub async fn start(app: App) -> Self {
        match Self::try_start(app).await {
            Ok(app) => app,
            Err(error) => fail(format_args!("the application does not start: {error}")),
        }
    }

    /// Starts an application.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub async fn try_start(app: App) -> Result<Self, StartError> {
        let (running, servers) = app.start_in_memory().await?;
        Ok(Self { running, servers })
    }

    /// A client of server `ws`, to be awaited.
    pub fn connect(&self, path: impl Into<String>) -> Connect<'_> {
        self.connect_to("ws", path)
    }

    /// A client of another server, to be awaited.
    pub fn connect_to(&self, server: &str, path: impl Into<String>) -> Connect<'_> {
        Connect::new(self, server, path.into())
    }

    /// The HTTP side: a server of kind `http`, or the fallback of one of kind `websocket`.
    pub fn http(&self, server: &str) -> TestHttp<'_> {
        TestHttp::new(self, server)
    }

    /// The application as it runs.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Shuts it down, as [`Running::shutdown`] does.
    pub async fn shutdown(self) -> ShutdownReport {
        self.running.shutdown().await
    }

    /// The client's end of a new pipe to a server.
    fn pipe(&self, server: &str) -> Pipe {
        self.pipe_from(server, Arrival::default())
    }

    /// The same for a stream of which more is known.
    pub(crate) fn pipe_from(&self, server: &str, arrival: Arrival) -> Pipe {
        let Some(kind) = self.servers.get(server) else {
            fail(format_args!("there is no server `{server}`"))
        };
        let (near, far) = Pipe::pair(PIPE_BYTES);
        let arriving = ready(Some((Transport::Memory(far), arrival)));
        self.running.spawn(kind.clone().serve(arriving));
        near
    }
}

/// An answer that is not a connection: of a refused handshake, or over HTTP.
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
    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`TestError::Json`] when it is none, or of another shape.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, TestError> {
        serde_json::from_slice(&self.body).map_err(|error| TestError::Json { text: self.text(), error })
    }

    /// The first value of a header, if it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why a test did not get what it asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestError {
    /// The handshake was refused.
    #[error("refused with {}: {}", .0.status, .0.text())]
    Refused(Box<TestResponse>),
    /// A token was offered as a subprotocol and none was chosen: a browser fails such a connection.
    #[error(
        "the server chose none of the offered subprotocols, so that a browser fails the connection; offer a second one, \
         `.subprotocols(&[\"chat\"])`, and list it in `subprotocols(..)` of the controller"
    )]
    NoSubprotocol,
    /// Nothing came in time.
    #[error("nothing came within {seconds} s")]
    TimedOut {
        /// How long it waited, in seconds.
        seconds: u64,
    },
    /// The connection was closed instead.
    #[error("closed with {code}: {reason:?}")]
    Closed {
        /// The code; 1005 for a close frame without one, 1006 for none at all.
        code: u16,
        /// The reason.
        reason: String,
    },
    /// Something else came.
    #[error("expected {expected}, got {got}")]
    Unexpected {
        /// What was asked for.
        expected: String,
        /// What came.
        got: String,
    },
    /// JSON of another shape.
    #[error("{error} in {text}")]
    Json {
        /// What came.
        text: String,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// The transport failed.
    #[error("the transport failed: {0}")]
    Transport(String),
}

/// Header lines as tests write them; a malformed one is a mistake in the test.
fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        (Ok(name), Ok(value)) => (name, value),
        _ => fail(format_args!("`{name}: {value}` is no header")),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this is how a test says that it failed")]
fn fail(what: fmt::Arguments<'_>) -> ! {
    panic!("{what}")
}
