//! The faults of received events: [`DecodeError`] of a part of an envelope, [`EventError`] of an event.

use crate::wire::Message;

/// A fault of one event on a connection with typed handlers; it is answered and the connection goes on.
///
/// The answer is `{"event": "error", "data": {"code", "message"}, "ref"}`, with [`code`](Self::code) as its machine code.
/// It is an error like any other: an error handler for `EventError` may answer in its own words.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// A text message that is no envelope. Code `bad_json`.
    #[error("no envelope: {message}")]
    BadJson {
        /// What serde says.
        message: String,
    },
    /// A binary message that is no envelope in MessagePack. Code `bad_msgpack`.
    #[error("no envelope: {message}")]
    BadMsgPack {
        /// What the decoder says.
        message: String,
    },
    /// No handler has this event. Code `unknown_event`.
    #[error("no event `{event}` here")]
    UnknownEvent {
        /// The event as it was asked for, cut to 64 characters.
        event: String,
    },
    /// The data is missing or does not fit. Code `invalid_data`, with `path` and `fields` beside it.
    #[error("{}", place(.path, .message))]
    InvalidData {
        /// The place inside `data`, such as `items[2].name`; empty for all of it.
        path: String,
        /// What is wrong there.
        message: String,
        /// Faults by field, `null` if there are none to tell.
        fields: serde_json::Value,
    },
    /// More messages than `limits.messages_per_second`, under `over_rate = "refuse"`; this one was not handled. Code
    /// `rate_limited`.
    #[error("too many messages a second")]
    RateLimited,
    /// No handler takes messages of this kind. Code `unsupported`.
    #[error("{kind} messages are not handled here")]
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

    /// The machine code of the answer; it does not change between versions.
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

/// A part of an envelope that does not decode as the type that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecodeError {
    /// The place inside the part, such as `items[2].name`; empty for all of it.
    pub(crate) path: String,
    /// What is wrong there, for the client.
    pub(crate) message: String,
}

impl DecodeError {
    /// A fault of the whole part.
    pub(crate) fn whole(message: impl ToString) -> Self {
        Self { path: String::new(), message: message.to_string() }
    }
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&place(&self.path, &self.message))
    }
}
