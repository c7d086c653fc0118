//! Serves the streams of a listener, from accept until the session takes over.
//!
//! A stream passes these steps: [`accept`] and its place in [`PendingStreams`], the [`Gate`] (PROXY
//! header, TLS), the first request head, [`Admission`] (limits and the client's address), then
//! either the handshake over HTTP ([`WsServer`]) or an HTTP service ([`HttpServer`]).
//!
//! One task serves a connection from accept until its socket is dropped; [`Live`] counts these
//! tasks. `app` opens the listeners. A listener stops at a stage of the [`Lifecycle`]; `app::drain`
//! then closes the open connections. This module must not read WebSocket frames or run
//! callbacks.

mod accept;
mod addresses;
mod admission;
mod first_head;
mod forwarded;
mod gate;
mod http;
mod http_io;
mod lifecycle;
mod pending;
pub(crate) mod proxy_protocol;
mod served;
mod service;
mod tls;
mod websocket;

pub(crate) use self::{
    accept::accept,
    admission::{Admission, Permit},
    gate::{Arrival, Gate},
    http::{HttpHandler, HttpServer},
    lifecycle::{Lifecycle, Stage},
    pending::{Pending, PendingStreams},
    served::Serving,
    tls::Certificates,
    websocket::WsServer,
};
pub use self::{http::HttpService, lifecycle::Readiness, service::WsService, tls::TlsError};
