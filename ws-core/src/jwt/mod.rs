//! JSON Web Tokens (RFC 7519): who may connect, as what, and until when. Feature `jwt`.
//!
//! [`Key`] and [`Keys`] say whom a [`JwtVerifier`] trusts, [`Claims`] are what a token said, [`JwtError`] is why one was
//! refused. Where in the handshake a token is looked for is [`TokenSources`](crate::handshake::TokenSources)' business. Nothing is
//! signed here and nothing is fetched: keys come from the application, which may replace them at any time.
//!
//! # The middleware
//!
//! ```
//! use serde::Deserialize;
//! use ws_core::jwt::{Claims, JwtVerifier, Key};
//! use ws_core::prelude::*;
//!
//! /// What our tokens say beside the registered claims.
//! #[derive(Deserialize)]
//! struct Session {
//!     role: String,
//! }
//!
//! #[ws_middleware(scope = "route")]
//! async fn require_jwt(
//!     mut handshake: Handshake,
//!     next: Next<'_>,
//!     State(verifier): State<JwtVerifier<Session>>,
//! ) -> Result<Response> {
//!     let claims = verifier.verify(handshake.bearer_token()?)?;
//!     handshake.context_mut().set(claims);
//!     next.run(handshake).await
//! }
//!
//! #[ws_controller(path = "/rooms", middleware(require_jwt))]
//! struct Rooms;
//!
//! impl Controller for Rooms {
//!     async fn on_open(&self, conn: &Connection) -> Result {
//!         let claims = conn.context().get::<Claims<Session>>().ok_or("no claims")?;
//!         Ok(conn.push(format!("{:?} as {}", claims.subject(), claims.role))?)
//!     }
//! }
//!
//! # fn app() -> Result<App, ws_core::jwt::KeyError> {
//! let verifier = JwtVerifier::builder(Key::hs256("a secret of no less than 32 bytes")?)
//!     .issuer("https://login.example.com")
//!     .audience("chat")
//!     .claims::<Session>()
//!     .build();
//! let app = App::new().state(verifier);
//! # Ok(app) }
//! ```
//!
//! A token that is missing or bad is answered with 401 and never with the reason, which is in the log at level debug.
//! `handshake.token(&SOURCES)?` in place of `bearer_token()?` looks where browsers can put one, too.
//!
//! # When a token expires
//!
//! Claims that are in the context when the connection opens end it: with close code 4401 once `exp` and the leeway have
//! passed, and [`CloseReason::Expired`](crate::CloseReason::Expired). A client that wants to stay sends a new token as
//! a message, and the controller hands its claims to [`Connection::refresh`](crate::Connection::refresh):
//!
//! ```
//! # use ws_core::{jwt::JwtVerifier, prelude::*};
//! # struct Rooms { verifier: JwtVerifier }
//! impl Controller for Rooms {
//!     async fn on_message(&self, conn: &Connection, message: Message) -> Result {
//!         if let Some(token) = message.as_text().and_then(|text| text.strip_prefix("token ")) {
//!             conn.refresh(self.verifier.verify(token)?)?;
//!         }
//!         Ok(())
//!     }
//! }
//! ```
//!
//! A bad token fails the callback. With no error handler for [`JwtError`] that closes the connection with 4401; in a typed
//! handler the event is answered with the error `forbidden`, and the connection lives on until its own token ends.

mod claims;
mod expiry;
mod key;
mod keys;
#[cfg(test)]
mod tests;
mod verifier;

pub use self::{
    claims::Claims,
    key::Key,
    keys::Keys,
    verifier::{JwtVerifier, JwtVerifierBuilder},
};
pub use crate::error::{Algorithm, JwtError, KeyError};
