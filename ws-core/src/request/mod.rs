//! The request for a connection: the handshake that middleware reads and extends, the response, and
//! the values that are parsed from the request once and kept with the connection.
//!
//! This module must not depend on routes, controllers or sockets: the route of a request is opaque
//! ([`Matched`]).

mod context;
mod declared;
mod handshake;
mod head;
mod http2;
mod lists;
mod matched;
mod response;
mod setup;
mod tokens;
mod typed;

#[cfg(feature = "client")]
pub(crate) use self::lists::tokens as list_tokens;
#[cfg(feature = "testing")]
pub(crate) use self::tokens::BEARER;
pub use self::{
    context::ContextMap,
    handshake::Handshake,
    response::{Body, Response},
    setup::{Kept, ParamError, Setup},
    tokens::{Security, TokenSources},
    typed::{
        DescribeHandler, HandlerCallback, HandlerFacts, HandlerInfo, HandlerTypes, Needs, ParamFacts,
        ParamSource, ParamTypes, ReplyShape, Takes, Typed,
    },
};
pub(crate) use self::{
    declared::Declared,
    handshake::TransportAddr,
    http2::{asks_for_websocket, convert_extended_connect, was_extended_connect},
    lists::asks_for_upgrade,
    matched::Matched,
    tokens::hide as hide_tokens,
};
