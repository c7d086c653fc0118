//! Verification of JSON Web Tokens (RFC 7519), and connections that close when their token expires.
//! Feature `jwt`.
//!
//! A [`JwtVerifier`] verifies tokens with [`Keys`] and returns their [`Claims`], or a [`JwtError`].
//! A middleware calls it during the handshake, or a controller on an open connection.
//! [`TokenSources`](crate::handshake::TokenSources) defines where in the handshake a token may be.
//!
//! This module does not sign tokens and does not fetch keys: the application provides the keys, and
//! may replace them at any time. A token must never be logged.
//!
//! # The middleware
//!
//! ```
//! use serde::Deserialize;
//! use ws_core::jwt::{Claims, JwtVerifier, Key};
//! use ws_core::prelude::*;
//!
//! /// Our claims besides the registered ones.
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
//! let verifier = JwtVerifier::builder(Key::hs256("a secret of at least 32 bytes...")?)
//!     .issuer("https://login.example.com")
//!     .audience("chat")
//!     .claims::<Session>()
//!     .build();
//! let app = App::new().state(verifier);
//! # Ok(app) }
//! ```
//!
//! A missing or invalid token is answered with 401. The answer does not contain the reason, which
//! is logged at debug level. Browsers cannot set the header `Authorization`:
//! `handshake.token(&SOURCES)?` instead of `bearer_token()?` also checks the places that they can
//! set.
//!
//! # When a token expires
//!
//! If claims are in the context when the connection opens, the connection closes once `exp` and the
//! leeway have passed, with close code 4401 and
//! [`CloseReason::Expired`](crate::CloseReason::Expired). To keep the connection open, the client
//! sends a new token as a message, and the controller passes its claims to
//! [`Connection::refresh`](crate::Connection::refresh):
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
//! An invalid token fails the callback. Without an error handler for [`JwtError`], this closes the
//! connection with 4401. In a typed handler the event is answered with the error `forbidden`, and
//! the connection stays open until its present token expires.

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
