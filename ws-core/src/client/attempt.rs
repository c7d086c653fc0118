//! [`Attempt`]: the facts that `ClientBuilder::before_attempt` gets before each attempt to connect.
//!
//! It must not name another file of the client but `error`.

use std::sync::Arc;

use http::StatusCode;

use super::error::ConnectError;
use crate::wire::CloseReason;

/// The close code of a server that does not accept the token any more.
pub(super) const UNAUTHORIZED: u16 = 4401;

/// An attempt to connect that is about to start; the argument of
/// [`ClientBuilder::before_attempt`](super::ClientBuilder::before_attempt).
///
/// ```
/// use ws_core::client::{Attempt, ClientBuilder, ConnectError};
///
/// /// For `ClientBuilder::before_attempt`.
/// async fn log(builder: ClientBuilder, attempt: Attempt) -> Result<ClientBuilder, ConnectError> {
///     println!("attempt {}, after {:?}", attempt.number, attempt.lost);
///     Ok(builder)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The number of the attempt, from 1: of the first connection, then of each outage.
    pub number: u32,
    /// Why the last connection ended; `None` before the first one.
    pub lost: Option<CloseReason>,
    /// Why the attempt before this one failed; `None` for the first of an outage.
    pub error: Option<Arc<ConnectError>>,
}

impl Attempt {
    /// The attempt of the first connection.
    pub(super) fn first() -> Self {
        Self { number: 1, lost: None, error: None }
    }

    /// Returns whether the server did not accept the last token: it refused the attempt before this
    /// one with 401, or it closed the last connection with 4401. A token from a cache is of no use
    /// then.
    pub fn is_unauthorized(&self) -> bool {
        match (&self.error, &self.lost) {
            (Some(error), _) => error.status() == Some(StatusCode::UNAUTHORIZED),
            (None, Some(lost)) => lost.code() == UNAUTHORIZED,
            (None, None) => false,
        }
    }
}
