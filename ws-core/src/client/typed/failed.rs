//! [`CallFailed`] and [`EventFailed`]: why a reply or an event did not come.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::router::{Arrived, Outcome};
use crate::{
    client::error::ClientError,
    wire::{CloseReason, SendError},
};

/// Why a call has no reply.
///
/// ```
/// use ws_core::client::CallFailed;
///
/// fn text_for_the_user(failed: &CallFailed) -> String {
///     match failed {
///         CallFailed::Refused { message, .. } => message.clone(),
///         CallFailed::TimedOut { .. } | CallFailed::Lost(_) => "please try again".to_owned(),
///         other => other.to_string(),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallFailed {
    /// The server answered with an error event. It may have sent replies to a stream before.
    #[error("refused with `{code}`: {message}")]
    Refused {
        /// The machine code, such as `invalid_data` or a code of the application.
        code: String,
        /// The text for people.
        message: String,
        /// The place of the fault inside the data of the call; empty if there is none.
        path: String,
        /// Faults by field; `null` if there are none.
        fields: Value,
    },
    /// The connection was lost before the reply arrived. The server may have handled the call, so
    /// it is not sent again.
    #[error("the connection was lost before the reply (code {})", .0.code())]
    Lost(CloseReason),
    /// There was no connection when the call was made. Nothing was sent.
    #[error("not connected")]
    NotConnected,
    /// No reply arrived within the deadline. The server may still handle the call. A late reply is
    /// dropped.
    #[error("no reply within {after:?}")]
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// The server completed the call without a reply: its handler returned `None` or `()`.
    #[error("the call was completed without a reply")]
    NoReply,
    /// The reply does not decode as the expected type.
    #[error("the reply does not fit: {0}")]
    Invalid(String),
    /// The reader of a stream was so slow that its buffer was full. The stream ends; the call is
    /// not cancelled at the server.
    #[error("the stream was read too slowly, and its buffer is full")]
    Lagged,
    /// 1024 calls of this client are without a reply already. Nothing was sent.
    #[error("too many calls are without a reply")]
    TooMany,
    /// The call cannot be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
}

impl CallFailed {
    /// Returns the machine code of a refusal; `None` for any other failure.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Translates an error of sending. The deadline of the call is usually shorter than the one of
    /// sending.
    pub(super) fn not_sent(error: ClientError) -> Self {
        match error {
            ClientError::Closed(reason) | ClientError::Reconnecting(reason) => Self::Lost(reason),
            ClientError::GaveUp(gave_up) => Self::Lost(gave_up.lost),
            ClientError::Timeout { after } => Self::TimedOut { after },
            ClientError::Serialize(error) => Self::Serialize(error),
            // A handle does not return these for a message.
            ClientError::CloseCode(_) | ClientError::Reconnected(_) => Self::NotConnected,
        }
    }

    /// Decodes the error event of a refusal.
    fn refused(arrived: &Arrived) -> Self {
        #[derive(Deserialize)]
        #[serde(default)]
        struct Refusal {
            code: String,
            message: String,
            path: String,
            fields: Value,
        }

        impl Default for Refusal {
            fn default() -> Self {
                let (message, path) = (String::new(), String::new());
                Self { code: "error".to_owned(), message, path, fields: Value::Null }
            }
        }

        let Refusal { code, message, path, fields } = arrived.decode().unwrap_or_default();
        Self::Refused { code, message, path, fields }
    }
}

impl Outcome {
    /// Returns the message of a reply; `None` at the end of the call.
    pub(super) fn into_reply(self) -> Result<Option<Arrived>, CallFailed> {
        match self {
            Self::Reply(arrived) => Ok(Some(arrived)),
            Self::End => Ok(None),
            Self::Refused(arrived) => Err(CallFailed::refused(&arrived)),
            Self::Lost(reason) => Err(CallFailed::Lost(reason)),
            Self::Lagged => Err(CallFailed::Lagged),
        }
    }
}

/// Translates an error of encoding; there is only one.
pub(super) fn not_encoded(error: SendError) -> serde_json::Error {
    match error {
        SendError::Serialize(error) => error,
        other => serde::ser::Error::custom(other),
    }
}

/// Why a stream of events has no event. The stream goes on.
///
/// ```
/// use ws_core::client::EventFailed;
///
/// fn report(failed: &EventFailed) {
///     match failed {
///         EventFailed::Lagged(missed) => println!("{missed} events were missed"),
///         other => println!("{other}"),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventFailed {
    /// The reader was so slow that this many of the oldest events were dropped.
    #[error("{0} events were dropped, because the reader is slow")]
    Lagged(u64),
    /// An event of this name arrived whose data does not decode as the expected type.
    #[error("the event does not fit: {0}")]
    Invalid(String),
}
