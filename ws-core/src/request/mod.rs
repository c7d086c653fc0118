//! The request for a connection: the handshake that middleware reads and adds to, the response to it,
//! and what is parsed from it once and kept.
//!
//! A request knows neither routes nor controllers: its route is opaque ([`Matched`]). It sees no
//! socket.

mod context;
mod handshake;
mod head;
mod lists;
mod matched;
mod response;
mod setup;
mod tokens;

#[cfg(feature = "client")]
pub(crate) use self::lists::tokens as list_tokens;
#[cfg(feature = "testing")]
pub(crate) use self::tokens::BEARER;
pub use self::{
    context::ContextMap,
    handshake::Handshake,
    response::{Body, Response},
    setup::{Kept, Needs, ParamError, Setup, Typed},
    tokens::TokenSources,
};
pub(crate) use self::{
    handshake::TransportAddr, lists::asks_for_upgrade, matched::Matched, tokens::hide as hide_tokens,
};
