//! What can go wrong: [`ConnectError`] before the 101, [`ClientError`] after it.

use std::{error::Error as StdError, io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::reconnect::{GaveUp, Reconnected};
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
