//! The crate of a company: its applications use `ws-core` through it, without a dependency on it.

pub use ws_core as ws;

/// Items that the applications share.
pub mod common {
    use ws_core::prelude::*;

    /// Refuses requests without a user.
    #[ws_middleware(scope = "route")]
    pub async fn require_user(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        handshake.header("x-user").or_status(401, "the user is missing")?;
        next.run(handshake).await
    }
}
