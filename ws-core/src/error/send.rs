//! Why something was not sent.

/// Why a message, a ping or a close frame was not taken for sending.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is closing or closed; nothing more can be sent.
    #[error("the connection is closed")]
    Closed,
    /// The outbox has no room; what happens to the connection is its overflow policy.
    #[error("the outbox is full")]
    Full,
    /// A control frame carries at most 125 bytes (RFC 6455 section 5.5).
    #[error("a control frame carries at most 125 bytes, not {size}")]
    ControlTooLong {
        /// The payload's size in bytes.
        size: usize,
    },
    /// This close code may not be sent (RFC 6455 section 7.4): use 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    #[error("close code {0} may not be sent; use 1000 to 1003, 1007 to 1014, or 3000 to 4999")]
    CloseCode(u16),
    /// The value could not be serialised.
    #[error("not serialised: {0}")]
    Serialize(#[from] serde_json::Error),
}
