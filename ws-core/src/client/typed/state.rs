//! [`ClientState`]: whether a typed client has a connection.

use crate::{
    client::{driver::Ended, error::GaveUp},
    wire::CloseReason,
};

/// The state of a [`TypedClient`](super::TypedClient).
///
/// ```
/// use ws_core::client::{ClientState, TypedClient};
///
/// async fn show(client: &TypedClient) {
///     let mut states = client.watch();
///     while states.changed().await.is_ok() {
///         match &*states.borrow() {
///             ClientState::Open => println!("connected"),
///             ClientState::Reconnecting(lost) => println!("lost with code {}", lost.code()),
///             other => println!("{other:?}"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientState {
    /// There is a connection.
    Open,
    /// The connection was lost for this reason, and the client connects again.
    Reconnecting(CloseReason),
    /// The connection is closed for good, for this reason.
    Closed(CloseReason),
    /// The connection is closed for good: the policy allows no further attempt to connect.
    GaveUp(GaveUp),
}

impl From<Ended> for ClientState {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Closed(reason) => Self::Closed(reason),
            Ended::GaveUp(gave_up) => Self::GaveUp(gave_up),
        }
    }
}
