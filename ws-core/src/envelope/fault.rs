//! The faults of received events: [`EventError`] of a whole event, [`DecodeError`] of one part of
//! an envelope.

use crate::wire::Message;

/// The error codes that every typed channel may send, each with its meaning.
pub const COMMON_CODES: &[(&str, &str)] = &[
    ("bad_json", "A text message is not an envelope."),
    ("bad_msgpack", "A binary message is not an envelope (subprotocol `msgpack`)."),
    ("forbidden", "A guard refused the event."),
    ("internal", "The server failed; its log has the reason."),
    ("invalid_data", "The data cannot be read; `path` or `fields` names the fault."),
    ("rate_limited", "The client sends too many messages."),
    ("unknown_event", "The server has no handler for the event."),
    ("unsupported", "The server has no handler for messages of this kind (text or binary)."),
];

/// A fault of one event on a connection with typed handlers. The client gets an answer and the
/// connection stays open.
///
/// The answer is `{"event": "error", "data": {"code", "message"}, "ref"}`, with
/// [`code`](Self::code) as its machine code. An error handler for `EventError` may send a different
/// answer.
///
/// ```
/// use ws_core::{Recovery, Scene, error::EventError, ws_error_handler};
///
/// /// Hides the names of unknown events; all other faults keep their answer.
/// #[ws_error_handler]
/// async fn unknown(error: &EventError, _: &Scene) -> Recovery {
///     match error {
///         EventError::UnknownEvent { .. } => Recovery::error(error.code(), "not here"),
///         _ => Recovery::pass(),
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A text message that is not an envelope. Code `bad_json`.
    #[error("not an envelope: {message}")]
    BadJson {
        /// The error text of serde.
        message: String,
    },
    /// A binary message that is not an envelope in MessagePack. Code `bad_msgpack`.
    #[error("not an envelope: {message}")]
    BadMsgPack {
        /// The error text of the decoder.
        message: String,
    },
    /// The event has no handler. Code `unknown_event`.
    #[error("no event `{event}` here")]
    UnknownEvent {
        /// The received event name, cut to 64 characters.
        event: String,
    },
    /// The data is missing or does not fit. Code `invalid_data`; the answer also has `path` and
    /// `fields`.
    #[error("{}", place(.path, .message))]
    InvalidData {
        /// The place inside `data`, such as `items[2].name`; empty for the whole value.
        path: String,
        /// The description of the fault.
        message: String,
        /// Faults by field; `null` if there are none.
        fields: serde_json::Value,
    },
    /// The client sent more messages than `limits.messages_per_second` with `over_rate = "refuse"`.
    /// This message was not handled. Code `rate_limited`.
    #[error("too many messages a second")]
    RateLimited,
    /// Messages of this kind have no handler. Code `unsupported`.
    #[error("{kind} messages are not supported on this route")]
    Unsupported {
        /// `text` or `binary`.
        kind: &'static str,
    },
}

impl EventError {
    pub(crate) fn unsupported(message: &Message) -> Self {
        let kind = if matches!(message, Message::Text(_)) { "text" } else { "binary" };
        Self::Unsupported { kind }
    }

    /// Returns the machine code of the answer; it does not change between versions.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadJson { .. } => "bad_json",
            Self::BadMsgPack { .. } => "bad_msgpack",
            Self::UnknownEvent { .. } => "unknown_event",
            Self::InvalidData { .. } => "invalid_data",
            Self::RateLimited => "rate_limited",
            Self::Unsupported { .. } => "unsupported",
        }
    }
}

fn place(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}

/// Why a part of an envelope does not decode as the requested type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// The place inside the part, such as `items[2].name`; empty for the whole part.
    pub(crate) path: String,
    /// The description of the fault, for the client.
    pub(crate) message: String,
}

impl DecodeError {
    /// Creates a fault of the whole part.
    #[cfg(feature = "msgpack")]
    pub(crate) fn whole(message: impl ToString) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&place(&self.path, &self.message))
    }
}
