//! Listeners and what is served on them: the accept loop, the gate (PROXY header, TLS), who is let in, the handshake over
//! HTTP, the HTTP services.
//!
//! One task a connection, from accept to the dropped socket, known to [`Live`]. A listener is opened by `app` and stops
//! with the token `stop`; what happens then to open connections is `app::running`'s business.

mod accept;
mod addresses;
mod admission;
mod forwarded;
mod gate;
mod http;
pub(crate) mod proxy_protocol;
mod service;
mod tls;
mod transport;
mod websocket;

pub(crate) use self::{
    accept::accept,
    admission::Admission,
    gate::{Arrival, Gate},
    http::{HttpHandler, HttpServer},
    tls::Certificates,
    transport::Transport,
    websocket::WsServer,
};
pub use self::{http::HttpService, service::WsService, tls::TlsError};
