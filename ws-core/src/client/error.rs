//! What can go wrong: [`ConnectError`] before the 101, [`ClientError`] after it.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::wire::CloseReason;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URI cannot be connected to. Its query is left out, because tokens travel there.
    #[error("invalid URI `{uri}`: {why}")]
    InvalidUri {
        /// The URI up to its query.
        uri: String,
        /// The rule that it breaks.
        why: String,
    },
    /// A header that cannot be sent, or that the handshake sets by itself.
    #[error("header `{name}` cannot be sent: {why}")]
    InvalidHeader {
        /// The header's name.
        name: String,
        /// The rule that it breaks; its value is left out.
        why: &'static str,
    },
    /// A subprotocol that is no token (RFC 6455 section 4.1, point 10), or one that is offered twice.
    #[error(
        "subprotocol `{0}` cannot be offered: each is a token of its own, without spaces, commas or quotes"
    )]
    InvalidSubprotocol(String),
    /// A `wss://` URI in a program that was built without TLS.
    #[error("`wss://` needs the feature `client-tls` of ws-core")]
    TlsNotEnabled,
    /// The connect deadline passed before the server had answered the handshake.
    #[error("no answer to the handshake within {after:?}")]
    Timeout {
        /// The deadline, from the start of the name lookup.
        after: Duration,
    },
    /// The name was not found, nobody listens there, or the server hung up before it had answered.
    #[error("not connected: {0}")]
    Io(#[from] io::Error),
    /// The TLS handshake failed: a certificate that is not trusted or is of another host, no common version.
    #[error("TLS: {0}")]
    Tls(#[source] io::Error),
    /// The answer is no HTTP, or a 101 that breaks RFC 6455 section 4.1.
    #[error("no WebSocket handshake: {0}")]
    Protocol(String),
    /// The server answered with another status than 101.
    #[error("refused with status {status}")]
    Refused {
        /// The status, for example 401.
        status: StatusCode,
        /// The answer's headers.
        headers: Box<HeaderMap>,
        /// The answer's body: at most 64 KiB of it, and as much as came before the connect deadline.
        body: Bytes,
    },
}

impl ConnectError {
    /// The status of a refusal; `None` for anything else.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// A fault of the exchange of request and response.
    pub(super) fn from_hyper(error: hyper::Error) -> Self {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(inner) = inner.downcast_ref::<io::Error>() {
                return Self::Io(io::Error::new(inner.kind(), error));
            }
            source = inner.source();
        }
        if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
            return Self::Io(io::Error::new(io::ErrorKind::UnexpectedEof, error));
        }
        Self::Protocol(error.to_string())
    }
}

/// Why something was not done on a connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection has ended; nothing more can be sent.
    #[error("the connection is closed (code {})", .0.code())]
    Closed(CloseReason),
    /// The server takes nothing (sending), or does not answer the close frame (closing).
    #[error("not done within {after:?}")]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// This close code may not be sent (RFC 6455 section 7.4): use 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
    /// The value could not be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
    /// The message was not sent, because the connection is a new one and nobody was told so far; sending again uses
    /// it. Only [`ReconnectingClient`](super::ReconnectingClient) answers this.
    #[error("not sent: {0}")]
    Reconnected(Reconnected),
    /// No connection, and none will be tried for. Only [`ReconnectingClient`](super::ReconnectingClient) answers this.
    #[error(transparent)]
    GaveUp(#[from] GaveUp),
}

/// What is known of a loss that was overcome.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnected {
    /// Why the connection ended.
    pub lost: CloseReason,
    /// Messages that were handed to the lost connection and that no pong confirmed: the server may have got all, some
    /// or none of them. A confirmed one was read by it; whether it was acted on, only an answer can say. A message
    /// whose `send` failed may be among them. What the server sent meanwhile is not known here.
    pub unconfirmed: u64,
    /// The attempts that it took, at least 1.
    pub attempts: u32,
    /// From the loss to the new connection.
    pub down_for: Duration,
}

impl fmt::Display for Reconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, unconfirmed, attempts, down_for } = self;
        let code = lost.code();
        write!(
            f,
            "the connection is a new one after {attempts} attempts in {down_for:?}; the last one ended with "
        )?;
        write!(f, "code {code} and {unconfirmed} messages unconfirmed")
    }
}

/// There is no connection and none will be tried for: the last refusal is final, or the attempts are used up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("given up after {attempts} attempts: {}", .error.as_deref().map_or_else(|| "none is allowed".to_owned(), ToString::to_string))]
#[non_exhaustive]
pub struct GaveUp {
    /// Why the last connection ended.
    pub lost: CloseReason,
    /// As [`Reconnected::unconfirmed`].
    pub unconfirmed: u64,
    /// The attempts that were made.
    pub attempts: u32,
    /// Why the last attempt failed; `None` if the policy allowed none.
    pub error: Option<Arc<ConnectError>>,
}
