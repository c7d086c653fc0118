//! Listeners and what is served on them: the accept loop, the handshake over HTTP, the HTTP services.
//!
//! One task a connection, from accept to the dropped socket, known to [`Live`]. A listener is opened by `app` and stops
//! with the token `stop`; what happens then to open connections is `app::running`'s business.

mod accept;
mod http;
mod service;
mod transport;
mod websocket;

pub(crate) use self::{
    accept::accept,
    http::{HttpHandler, HttpServer},
    transport::Transport,
    websocket::WsServer,
};
pub use self::{http::HttpService, service::WsService};
