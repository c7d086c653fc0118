//! [`Client`]: an open connection, to send, receive and close.

use std::{
    fmt,
    future::{Future, poll_fn},
    time::Duration,
};

use http::HeaderMap;
use serde::Serialize;

use super::{error::ClientError, wire::ByteStream};
use crate::wire::{CloseFrame, CloseReason, Message, may_be_sent};

/// An open connection to a server.
///
/// Pings are answered while [`recv`](Self::recv) is awaited, and at each [`send`](Self::send). A program that does
/// neither for longer than its server waits for a pong (20 s with ws-core's defaults) is taken for dead: call `recv`
/// with a short deadline now and then.
///
/// Dropping it closes with code 1000: the close frame is written at once if the socket has room, and a task of the
/// current runtime sees to the rest for at most the close deadline, twice. Outside of a runtime there is no such task,
/// and the server may see a reset. [`close`](Self::close) is the way to be sure.
pub struct Client {
    pub(super) wire: ByteStream,
    pub(super) headers: HeaderMap,
    pub(super) subprotocol: Option<String>,
    pub(super) send_deadline: Duration,
}

/// What [`Client::recv`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// A message.
    Message(Message),
    /// The connection has ended, and this is why: [`CloseReason::Peer`] has the server's code and reason,
    /// [`CloseReason::Gone`] is an end without a close frame, [`CloseReason::Fault`] a server that broke the protocol
    /// or a limit of this client. The same answer comes again from then on.
    Closed(CloseReason),
    /// Nothing came within the deadline; the connection is as it was.
    TimedOut,
}

impl Client {
    /// The subprotocol that the server chose among those offered; `None` if it chose none.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The headers of the 101.
    pub fn response_headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether the end of the connection has not been seen so far. It is seen by sending and receiving.
    pub fn is_open(&self) -> bool {
        self.wire.ended().is_none()
    }

    /// Sends a message; done when the socket has all of it, which does not mean that the server has.
    ///
    /// It also looks at what has come: pings are answered, and one message at most is kept for the next
    /// [`recv`](Self::recv). Dropped before it is done, the message is either not sent at all or sent as a whole by
    /// what is called next.
    ///
    /// # Errors
    /// [`ClientError::Closed`] when the connection has ended, [`ClientError::Timeout`] when the server does not read
    /// within [`send_deadline`](super::ClientBuilder::send_deadline); the message may be sent all the same.
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

    /// The next message, the end of the connection, or nothing within the deadline; `None` waits as long as it takes.
    ///
    /// Cancel-safe: dropped before it is done, as in `tokio::select!`, it has taken nothing. A deadline of zero takes
    /// what is there.
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Received {
        let next = poll_fn(|cx| self.wire.poll_next(cx));
        match in_time(within.into(), next).await {
            Some(Ok(message)) => Received::Message(message),
            Some(Err(reason)) => Received::Closed(reason),
            None => Received::TimedOut,
        }
    }

    /// Closes with a code (RFC 6455 section 7.4) and a reason, which is cut to 123 bytes, and waits for the server's
    /// close frame. Messages that come before it are thrown away. Gives the server's answer, or why the connection
    /// had ended before.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] when there is no answer within the [close deadline](super::ClientBuilder::close_deadline),
    /// [`ClientError::CloseCode`] for a code that may not be sent; the connection then closes with 1000.
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

/// `None` when the time is up; without a deadline it never is.
pub(super) async fn in_time<F: Future>(within: Option<Duration>, future: F) -> Option<F::Output> {
    match within {
        Some(within) => tokio::time::timeout(within, future).await.ok(),
        None => Some(future.await),
    }
}
