//! [`CloseReason`]: why a connection ended. Also the close frame, and the rule for the close codes
//! that may be sent.

use std::io;

use crate::{
    fixed,
    wire::{MessageError, Text},
};

/// Why a connection ended; the argument of `on_close`.
///
/// ```
/// use ws_core::CloseReason;
///
/// fn describe(reason: &CloseReason) -> String {
///     match reason {
///         CloseReason::Peer { code: Some(1000 | 1001), .. } => "left".to_owned(),
///         CloseReason::Gone(_) | CloseReason::Heartbeat => "lost".to_owned(),
///         other => format!("closed with {}", other.code()),
///     }
/// }
/// assert_eq!(describe(&CloseReason::Shutdown), "closed with 1001");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a close frame.
    Peer {
        /// The received code; `None` if the frame had none.
        code: Option<u16>,
        /// The received reason; empty if the frame had none.
        reason: Text,
    },
    /// This side closed the connection: by
    /// [`Connection::disconnect`](crate::Connection::disconnect), or by an error handler.
    Local {
        /// The code that was sent.
        code: u16,
        /// The reason that was sent.
        reason: Text,
    },
    /// The peer broke the protocol or a limit.
    Fault(MessageError),
    /// A callback failed and no error handler claimed the error.
    Error {
        /// The code that was sent.
        code: u16,
    },
    /// A callback or a task of the connection panicked; 1011 was sent.
    Panic,
    /// A callback took longer than `limits.handler_timeout`; 1011 was sent.
    HandlerTimeout,
    /// The outbox was full under `overflow = "disconnect"`; 1013 was sent.
    Overflow,
    /// The stream ended, or an I/O error occurred, before any close frame.
    Gone(io::ErrorKind),
    /// There was no sign of life within `heartbeat.timeout` after a ping; no close frame was sent.
    Heartbeat,
    /// No text or binary message went either way for `heartbeat.idle`; 1001 was sent.
    Idle,
    /// The connection was open for `limits.lifetime`; 1001 was sent.
    Lifetime,
    /// The token that opened or refreshed the connection has expired; 4401 was sent. With feature
    /// `jwt`.
    Expired,
    /// The server is stopping; 1001 was sent.
    Shutdown,
    /// The connection's task was cancelled: by the drain deadline, or because it was aborted.
    Aborted,
}

impl CloseReason {
    /// Returns the close code of this reason (RFC 6455 section 7.1.5): 1005 if the close frame had
    /// no code, 1006 if there was no close frame.
    pub fn code(&self) -> u16 {
        match self {
            Self::Peer { code, .. } => code.unwrap_or(1005),
            Self::Local { code, .. } | Self::Error { code } => *code,
            Self::Fault(fault) => fault.close_code(),
            Self::Panic | Self::HandlerTimeout => 1011,
            Self::Overflow => 1013,
            Self::Shutdown | Self::Idle | Self::Lifetime => 1001,
            Self::Expired => 4401,
            Self::Gone(_) | Self::Heartbeat | Self::Aborted => 1006,
        }
    }
}

/// How completely a connection was closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All queued messages and a close frame were sent, and the peer's close frame was received
    /// (RFC 6455 section 7.1.4).
    Clean,
    /// Any other ending.
    #[default]
    Lost,
    /// The connection's task was cancelled.
    Cut,
}

/// A code and a reason that fit into a close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CloseFrame {
    pub(crate) code: u16,
    pub(crate) reason: Text,
}

impl CloseFrame {
    /// Creates a close frame; the reason is cut to 123 bytes at a char boundary.
    pub(crate) fn new(code: u16, reason: &str) -> Self {
        let mut end = reason.len().min(fixed::CLOSE_REASON_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        Self { code, reason: reason.get(..end).unwrap_or_default().into() }
    }

    /// Creates a close frame with 1011 and without detail.
    pub(crate) fn internal() -> Self {
        Self::new(1011, "internal error")
    }
}

/// Whether an endpoint may send this code in a close frame (RFC 6455 section 7.4 and the IANA
/// registry). Reserved codes that only describe an ending (1005, 1006, 1015) and undefined codes
/// may not be sent.
pub(crate) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_at_a_char_boundary() {
        assert_eq!(CloseFrame::new(1000, "short").reason, "short");
        assert_eq!(CloseFrame::new(1000, &"x".repeat(200)).reason.len(), 123);
        // Three bytes per character: 41 characters are 123 bytes.
        assert_eq!(CloseFrame::new(1000, &"断".repeat(60)).reason.len(), 123);
        assert_eq!(CloseFrame::new(1000, &format!("a{}", "断".repeat(60))).reason.len(), 121);
    }

    #[test]
    fn only_codes_that_may_be_sent_are_sent() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999] {
            assert!(may_be_sent(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert!(!may_be_sent(code), "{code}");
        }
    }
}
