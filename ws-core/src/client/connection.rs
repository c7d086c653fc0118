//! [`Client`]: an open connection. It sends, receives and closes, with a deadline for each wait.
//!
//! It must not connect, and it has no task: `wire` makes progress while one of its methods is
//! awaited.

use std::{
    fmt,
    future::{Future, poll_fn},
    time::Duration,
};

use http::HeaderMap;
use serde::Serialize;

use super::{error::ClientError, wire::Wire};
use crate::wire::{CloseFrame, CloseReason, Message, may_be_sent};

/// An open connection to a server.
///
/// Pings are answered while [`recv`](Self::recv) is awaited, and by each [`send`](Self::send). A
/// server closes the connection when no pong arrives in time (20 s with the defaults of ws-core),
/// so call one of the two more often. `recv` with a short deadline is enough.
///
/// Dropping the client closes the connection with code 1000. The close frame is written at once if
/// the socket has room. A task of the current runtime does the rest; it takes at most twice the
/// close deadline. Outside of a runtime nothing does this, and the server may see a reset.
/// Await [`close`](Self::close) to close reliably.
///
/// ```no_run
/// use std::time::Duration;
/// use ws_core::client::{Client, Received};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut client = Client::connect("ws://localhost:9502/echo").await?;
/// client.send("hello").await?;
/// if let Received::Message(message) = client.recv(Duration::from_secs(5)).await {
///     println!("{:?}", message.as_text());
/// }
/// client.close(1000, "done").await?;
/// # Ok(())
/// # }
/// ```
pub struct Client {
    pub(super) wire: Wire,
    pub(super) headers: HeaderMap,
    pub(super) subprotocol: Option<String>,
    pub(super) send_deadline: Duration,
    /// Of a typed client.
    pub(super) call_deadline: Duration,
}

/// The result of [`Client::recv`].
///
/// ```
/// use ws_core::client::{Client, Received};
///
/// async fn print_all(client: &mut Client) {
///     loop {
///         match client.recv(None).await {
///             Received::Message(message) => println!("{message:?}"),
///             Received::Closed(reason) => return println!("closed with {}", reason.code()),
///             Received::TimedOut => {} // not without a deadline
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// A message.
    Message(Message),
    /// The connection is closed. Every further call returns the same reason.
    ///
    /// [`CloseReason::Peer`] has the server's code and reason. [`CloseReason::Gone`] is an end
    /// without a close frame. [`CloseReason::Fault`] means that the server broke the protocol or a
    /// limit of this client.
    Closed(CloseReason),
    /// No message arrived within the deadline. The connection stays open.
    TimedOut,
}

impl Client {
    /// Returns the subprotocol that the server chose; `None` if it chose none.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the headers of the 101.
    pub fn response_headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns whether the connection is open, as far as known: only `send` and `recv` notice its
    /// end.
    pub fn is_open(&self) -> bool {
        self.wire.ended().is_none()
    }

    /// Sends a message. It returns when the socket has taken the whole message, which does not mean
    /// that the server has received it.
    ///
    /// It also reads what has arrived: it answers pings, and it keeps at most one message for the
    /// next [`recv`](Self::recv).
    ///
    /// If the future is dropped early, the message is either not sent, or the next call sends the
    /// rest of it.
    ///
    /// # Errors
    /// - [`ClientError::Closed`] when the connection is closed.
    /// - [`ClientError::Timeout`] when the server does not read within
    ///   [`send_deadline`](super::ClientBuilder::send_deadline). The message may still be sent
    ///   later.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), ClientError> {
        let mut message = Some(message.into());
        let after = self.send_deadline;
        let sent = poll_fn(|cx| self.wire.poll_send(cx, &mut message, true));
        match tokio::time::timeout(after, sent).await {
            Ok(sent) => sent.map_err(ClientError::Closed),
            Err(_) => Err(ClientError::Timeout { after }),
        }
    }

    /// Serialises the value as JSON and sends it as text.
    ///
    /// # Errors
    /// [`ClientError::Serialize`], or as [`send`](Self::send).
    pub async fn push_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ClientError> {
        let json = serde_json::to_string(value)?;
        self.send(json).await
    }

    /// Receives the next message, or the reason why the connection is closed, within the deadline.
    /// `None` waits without a deadline; a deadline of zero takes a message that is already there.
    ///
    /// Cancel-safe: if the future is dropped early, as in `tokio::select!`, no message is lost.
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Received {
        let next = poll_fn(|cx| self.wire.poll_next(cx));
        match in_time(within.into(), next).await {
            Some(Ok(message)) => Received::Message(message),
            Some(Err(reason)) => Received::Closed(reason),
            None => Received::TimedOut,
        }
    }

    /// Closes the connection with a code (RFC 6455 section 7.4) and a reason, which is cut to 123
    /// bytes. It waits for the server's close frame and throws away messages that arrive before it.
    ///
    /// Returns the server's code and reason, or why the connection was closed before.
    ///
    /// # Errors
    /// - [`ClientError::Timeout`] when the close frame is not answered within the
    ///   [close deadline](super::ClientBuilder::close_deadline).
    /// - [`ClientError::CloseCode`] for a code that may not be sent. The connection closes with
    ///   1000.
    pub async fn close(mut self, code: u16, reason: impl AsRef<str>) -> Result<CloseReason, ClientError> {
        if !may_be_sent(code) {
            return Err(ClientError::CloseCode(code));
        }
        if let Some(ended) = self.wire.ended() {
            return Ok(ended.clone());
        }
        let after = self.wire.close_deadline();
        let closed = self.wire.close(CloseFrame::new(code, reason.as_ref()));
        tokio::time::timeout(after, closed).await.map_err(|_| ClientError::Timeout { after })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("subprotocol", &self.subprotocol)
            .field("ended", &self.wire.ended())
            .finish_non_exhaustive()
    }
}

/// Awaits the future up to the deadline, if there is one; `None` when the deadline has passed.
pub(super) async fn in_time<F: Future>(within: Option<Duration>, future: F) -> Option<F::Output> {
    match within {
        Some(within) => tokio::time::timeout(within, future).await.ok(),
        None => Some(future.await),
    }
}
