//! [`MessageError`]: the faults of a peer on an open connection, each with its close code.

/// A fault of the peer on an open connection. Each fault closes the connection with its own code
/// (RFC 6455 section 7.4.1).
///
/// `on_close` receives it inside [`CloseReason::Fault`](crate::CloseReason::Fault).
///
/// ```
/// use ws_core::{CloseReason, error::MessageError};
///
/// fn report(reason: &CloseReason) {
///     if let CloseReason::Fault(MessageError::TooBig { size, limit }) = reason {
///         println!("a message of at least {size} bytes, and the limit is {limit}");
///     }
/// }
/// assert_eq!(MessageError::Utf8.close_code(), 1007);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Frames that violate RFC 6455: unmasked frames, reserved bits or opcodes, fragmented or
    /// oversized control frames, a continuation frame without a first frame, a close code that may
    /// not be sent. Close code 1002.
    #[error("protocol fault: {0}")]
    Protocol(String),
    /// A text message, or a close reason, that is not UTF-8 (section 8.1). Close code 1007.
    #[error("text is not valid UTF-8")]
    Utf8,
    /// A compressed message that cannot be decompressed (RFC 7692 section 7.2.2). Close code 1007.
    #[error("the compressed data of a message is not valid")]
    Compression,
    /// A message or a frame larger than the limit of its route. Close code 1009.
    #[error("message of at least {size} bytes; {limit} are accepted")]
    TooBig {
        /// The size that is known so far, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// More messages than `limits.messages_per_second`. Close code 1008.
    #[error("more messages per second than the limit allows")]
    RateLimited,
    /// A message in more frames than its route accepts. Close code 1009.
    #[error("message of more than {limit} fragments")]
    TooManyFragments {
        /// The limit, in frames.
        limit: usize,
    },
}

impl MessageError {
    /// Returns the close code that is sent for this fault.
    pub fn close_code(&self) -> u16 {
        match self {
            Self::Protocol(_) => 1002,
            Self::Utf8 | Self::Compression => 1007,
            Self::RateLimited => 1008,
            Self::TooBig { .. } | Self::TooManyFragments { .. } => 1009,
        }
    }

    /// Creates the fault for a close frame with a code that may not be sent.
    pub(crate) fn bad_close_code() -> Self {
        Self::Protocol("a close code that may not be sent".to_owned())
    }

    /// Returns the close reason that is sent: it names the rule, without details of this process.
    pub(crate) fn close_reason(&self) -> &'static str {
        match self {
            Self::Protocol(_) => "protocol error",
            Self::Utf8 => "invalid UTF-8",
            Self::Compression => "invalid compressed data",
            Self::RateLimited => "too many messages a second",
            Self::TooBig { .. } => "message too big",
            Self::TooManyFragments { .. } => "too many fragments",
        }
    }
}
