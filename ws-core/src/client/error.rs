//! The errors of the client: [`ConnectError`] before the 101, [`ClientError`] after it, and what a
//! reconnecting client reports of a loss.
//!
//! It must not name another file of the client.

use std::{error::Error as StdError, fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::wire::CloseReason;

/// An error of connecting. No connection was made.
///
/// ```
/// use ws_core::client::ConnectError;
///
/// /// Whether the same request may succeed later.
/// fn may_try_again(error: &ConnectError) -> bool {
///     match error {
///         ConnectError::Refused { status, .. } => status.is_server_error(),
///         ConnectError::Timeout { .. } | ConnectError::Io(_) => true,
///         _ => false,
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URI is not a valid WebSocket URI. Its query is left out, because it may hold a token.
    #[error("invalid URI `{uri}`: {why}")]
    InvalidUri {
        /// The URI up to its query.
        uri: String,
        /// The rule that the URI breaks.
        why: String,
    },
    /// A header that is not valid, or that only the handshake may set.
    #[error("header `{name}` cannot be sent: {why}")]
    InvalidHeader {
        /// The header's name.
        name: String,
        /// The rule that the header breaks. The header's value is left out.
        why: &'static str,
    },
    /// A subprotocol that is not a token (RFC 6455 section 4.1, point 10), or that is offered
    /// twice.
    #[error(
        "invalid subprotocol `{0}`; each name is a token (no spaces, commas or quotes) and is offered once"
    )]
    InvalidSubprotocol(String),
    /// The settings of `ClientBuilder::compression` (feature `deflate`) are not valid.
    #[error("{0}")]
    InvalidCompression(String),
    /// A `wss://` URI in a program that is built without the feature `client-tls`.
    #[error("`wss://` needs the feature `client-tls` of ws-core")]
    TlsNotEnabled,
    /// The connect deadline passed before the response to the handshake arrived.
    #[error("no response to the handshake within {after:?}")]
    Timeout {
        /// The deadline, from the start of the name lookup.
        after: Duration,
    },
    /// An I/O error: the name was not found, the connection was refused, or the server closed it
    /// before its response was complete.
    #[error("cannot connect: {0}")]
    Io(#[from] io::Error),
    /// The TLS handshake failed: the certificate is not trusted or is for another host, or there is
    /// no common version. Also an invalid certificate in
    /// [`root_certificates_pem`](super::ClientBuilder::root_certificates_pem).
    #[error("TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    /// The response is not HTTP, or it is a 101 that breaks RFC 6455 section 4.1.
    #[error("invalid response to the handshake: {0}")]
    Protocol(String),
    /// The function of [`before_attempt`](super::ClientBuilder::before_attempt) failed, or took
    /// longer than the connect deadline. Nothing was sent.
    #[error("no attempt was made: {0}")]
    NotPrepared(#[source] Box<dyn StdError + Send + Sync>),
    /// The server refused the handshake: the status of its response is not 101.
    #[error("refused with status {status}")]
    Refused {
        /// The status, for example 401.
        status: StatusCode,
        /// The headers of the response.
        headers: Box<HeaderMap>,
        /// The first 64 KiB of the response's body, or less if the connect deadline passed before
        /// they arrived.
        body: Bytes,
    },
}

impl ConnectError {
    /// Returns the status of a refusal; `None` for any other error.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Translates an error of the exchange of request and response.
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

/// An error of sending or closing.
///
/// ```
/// use ws_core::client::{Client, ClientError};
///
/// async fn send(client: &mut Client, text: &str) {
///     match client.send(text).await {
///         Ok(()) => {}
///         Err(ClientError::Timeout { after }) => println!("the server did not read for {after:?}"),
///         Err(ClientError::Closed(reason)) => println!("closed with {}", reason.code()),
///         Err(error) => println!("{error}"),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The connection is closed; nothing more can be sent.
    #[error("the connection is closed (code {})", .0.code())]
    Closed(CloseReason),
    /// The deadline passed: the server does not read (sending), or it does not answer the close
    /// frame (closing).
    #[error("timed out after {after:?}")]
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// A close code that may not be sent (RFC 6455 section 7.4). Use 1000 to 1003, 1007 to 1014, or
    /// 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
    /// The value cannot be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
    /// The message was not sent, because the connection is new and this had not been reported yet.
    /// The next `send` uses the new connection. Returned by
    /// [`ReconnectingClient`](super::ReconnectingClient) only.
    #[error("not sent: {0}")]
    Reconnected(Reconnected),
    /// The connection was lost for this reason, and the client connects again. The message
    /// was not sent. If the connection was lost during the `send`, the server may have received it.
    /// Returned by the [`ClientSender`](super::ClientSender) of a
    /// [`ReconnectingClient`](super::ReconnectingClient) only.
    #[error("not connected at present (lost with code {})", .0.code())]
    Reconnecting(CloseReason),
    /// The client is not connected and does not try again. Returned by
    /// [`ReconnectingClient`](super::ReconnectingClient) only.
    #[error(transparent)]
    GaveUp(#[from] GaveUp),
}

/// A loss of the connection that ended with a new connection.
///
/// ```
/// use ws_core::client::Reconnected;
///
/// fn report(reconnected: &Reconnected) {
///     let Reconnected { attempts, down_for, unconfirmed, .. } = reconnected;
///     println!("connected again after {attempts} attempts in {down_for:?}");
///     println!("{unconfirmed} messages may be lost");
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnected {
    /// Why the connection ended.
    pub lost: CloseReason,
    /// The number of messages that were sent on the lost connection and that no pong confirmed.
    ///
    /// The server may have received all, some or none of them. A message whose `send` failed may be
    /// among them. A confirmed message was read by the server, but not necessarily handled.
    /// Messages of the server that were lost are not counted.
    pub unconfirmed: u64,
    /// The number of attempts to connect, at least 1.
    pub attempts: u32,
    /// The time from the loss to the new connection.
    pub down_for: Duration,
}

impl fmt::Display for Reconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, unconfirmed, attempts, down_for } = self;
        let code = lost.code();
        write!(
            f,
            "the connection is new, after {attempts} attempts in {down_for:?}; the last one closed with "
        )?;
        write!(f, "code {code} and {unconfirmed} unconfirmed messages")
    }
}

/// The end of reconnecting: the close code or the last refusal is final, or the attempts are used
/// up.
///
/// ```
/// use ws_core::client::GaveUp;
///
/// fn report(gave_up: &GaveUp) {
///     println!("closed with {}, {} attempts", gave_up.lost.code(), gave_up.attempts);
///     if let Some(status) = gave_up.error.as_ref().and_then(|error| error.status()) {
///         println!("refused with {status}");
///     }
/// }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error("gave up after {attempts} attempts: {}", why(.lost, .error.as_deref()))]
#[non_exhaustive]
pub struct GaveUp {
    /// Why the last connection ended.
    pub lost: CloseReason,
    /// See [`Reconnected::unconfirmed`].
    pub unconfirmed: u64,
    /// The number of attempts that were made.
    pub attempts: u32,
    /// Why the last attempt failed; `None` if the policy allowed none, or if the close code of the
    /// server is final.
    pub error: Option<Arc<ConnectError>>,
}

fn why(lost: &CloseReason, error: Option<&ConnectError>) -> String {
    match error {
        Some(error) => error.to_string(),
        None if is_final(lost) => format!("the server closed with code {}, which is final", lost.code()),
        None => "no attempt is allowed".to_owned(),
    }
}

/// Whether the server closed with a code that says not to come back: it is done (1000), or it does
/// not let this client in (4403).
pub(super) fn is_final(lost: &CloseReason) -> bool {
    matches!(lost, CloseReason::Peer { code: Some(1000 | 4403), .. })
}
