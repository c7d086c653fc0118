//! [`TestConnection`]: a connection without a server, for unit tests of a controller's methods.

use std::{
    io::Cursor,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use tokio::io::AsyncWrite as _;
use tokio_tungstenite::tungstenite::{Message as Ws, WebSocket, protocol::Role};

use crate::{
    connection::{Connection, Stop},
    handlers::Reply,
    hub::{Entry, Live},
    request::Handshake,
    socket::OutQueue,
    wire::{Message, Text},
};

/// A [`Connection`] without a server. Pushed messages stay in its outbox until the test reads them.
///
/// Its handshake is `GET /` without headers or route. Its hub has only this connection. Call
/// handlers directly, as methods.
///
/// ```
/// use ws_core::{prelude::*, testing::TestConnection};
///
/// struct Greeter;
///
/// #[ws_handlers]
/// impl Greeter {
///     #[on_open]
///     async fn greet(&self, conn: &Connection) -> Result {
///         Ok(conn.push("hello")?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result {
/// let mut test = TestConnection::new();
/// Greeter.greet(test.connection()).await?;
/// assert_eq!(test.pushed(), [Message::text("hello")]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestConnection {
    entry: Entry,
    pushed: Vec<Message>,
    closed: Option<(u16, String)>,
}

impl TestConnection {
    /// Makes a connection with the default limits.
    pub fn new() -> Self {
        let (parts, ()) = http::Request::new(()).into_parts();
        let handshake = Handshake::new(parts, "ws".into(), None);
        let live = Arc::new(Live::default());
        let entry = live.enter(Connection::new(handshake, &Arc::default(), Arc::clone(&live), None));
        Self { entry, pushed: Vec::new(), closed: None }
    }

    /// Returns the connection, to pass it to a callback.
    pub fn connection(&self) -> &Connection {
        self.entry.connection()
    }

    /// Makes the reply of a call of this event with the `ref` 1, to pass it to a handler.
    ///
    /// Its messages are among the [`pushed`](Self::pushed) ones.
    pub fn reply(&self, event: &str) -> Reply {
        Reply::of_test(self.connection(), event)
    }

    /// Returns the messages that were pushed since the last call, in order.
    pub fn pushed(&mut self) -> Vec<Message> {
        self.collect();
        std::mem::take(&mut self.pushed)
    }

    /// Returns the code and the reason of the disconnect; `None` if the connection was not
    /// disconnected.
    pub fn closed(&mut self) -> Option<(u16, String)> {
        self.collect();
        self.closed.clone()
    }

    fn collect(&mut self) {
        let mut queue = OutQueue::default();
        match self.connection().outbox().collect(&mut queue, usize::MAX, None).stop {
            Some(Stop::Close { frame, .. } | Stop::CloseNow { frame, .. }) => {
                self.closed = Some((frame.code, frame.reason.to_string()));
            }
            Some(Stop::Cut) | None => {}
        }
        self.pushed.extend(decode(&written(queue)));
    }
}

impl Default for TestConnection {
    fn default() -> Self {
        Self::new()
    }
}

fn written(mut queue: OutQueue) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    // A write to a vector does not wait and cannot fail.
    while !queue.is_empty() && queue.poll_write(&mut bytes, &mut cx).is_ready() {}
    let _ = Pin::new(&mut bytes).poll_flush(&mut cx);
    bytes
}

fn decode(frames: &[u8]) -> Vec<Message> {
    let mut socket = WebSocket::from_raw_socket(Cursor::new(frames.to_vec()), Role::Client, None);
    std::iter::from_fn(|| socket.read().ok())
        .filter_map(|message| match message {
            Ws::Text(text) => Some(Message::Text(Text::from_utf8_bytes(text))),
            Ws::Binary(bytes) => Some(Message::Binary(bytes)),
            _ => None,
        })
        .collect()
}
