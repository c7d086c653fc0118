//! Listeners and what is served on them: the accept loop and the room for pending streams, the gate
//! (PROXY header, TLS), the first head, who is let in, the handshake over HTTP, the HTTP services.
//!
//! One task a connection, from accept to the dropped socket, known to [`Live`]. A listener is opened by `app` and stops
//! at a stage of the [`Lifecycle`]; what happens then to open connections is `app::drain`'s business.

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
    served::{Opened, served},
    tls::Certificates,
    websocket::WsServer,
};
pub use self::{http::HttpService, lifecycle::Readiness, service::WsService, tls::TlsError};
