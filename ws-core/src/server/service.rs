//! [`WsService`]: a server of kind `websocket` as a tower service, inside another HTTP server.
//!
//! The outer server owns the listener and HTTP. For each request this module applies the same
//! admission and pipeline as [`WsServer`]; after a 101 it takes the upgraded stream and serves the
//! connection on its own task.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, StatusCode, Version, header};
use http_body::Body as HttpBody;

use super::{
    Permit, WsServer,
    websocket::{Accepted, Source},
};
use crate::{
    handshake::Opening,
    request::{self, Response},
    server::Serving,
    session::Next,
    socket::Transport,
};

/// The WebSocket routes of one server as a tower service, made by
/// [`App::into_service`](crate::App::into_service).
///
/// It answers every request as the server itself would: with 101 to handshakes on its routes, and
/// with a refusal to all others. The outer server must speak HTTP/1.1 and allow upgrades (axum and
/// `hyper::server::conn::http1` with `with_upgrades` do).
///
/// With the feature `http2` it also accepts handshakes over HTTP/2 (RFC 8441), and answers them
/// with the status 200. The outer server must be of hyper 1.12 or later, and offer them to its
/// clients: `axum::serve` with axum's feature `http2` does, and hyper's HTTP/2 servers with
/// `enable_connect_protocol()` do. Each WebSocket counts for every limit, even if it shares an
/// HTTP/2 connection with others.
///
/// The peer's address is taken from the request's extensions: by
/// [`peer_addr_from`](Self::peer_addr_from), or else one of type [`SocketAddr`]. Without it,
/// `peer_addr()` is `None`, and neither `limits.connections_per_ip` nor a trusted proxy has any
/// effect.
///
/// The outer server chooses the case of the header names in its 101; hyper and axum write them in
/// lower case, which some devices do not accept.
///
/// ```
/// use ws_core::{App, StartError};
///
/// async fn mount(app: App) -> Result<axum::Router, StartError> {
///     let (ws, running) = app.into_service("ws").await?;
///     tokio::spawn(running.run_until_signal());
///     Ok(axum::Router::new().route_service("/ws/{*path}", ws))
/// }
/// ```
#[derive(Clone)]
pub struct WsService {
    server: Arc<WsServer>,
    /// The user's function that finds the peer's address.
    peer_addr: Option<Arc<FindAddr>>,
}

type FindAddr = dyn Fn(&Extensions) -> Option<SocketAddr> + Send + Sync;

impl WsService {
    pub(crate) fn new(server: Arc<WsServer>) -> Self {
        Self { server, peer_addr: None }
    }

    /// Sets how the peer's address is found in the request's extensions. `find` is called for each
    /// request; if it returns `None`, an extension of type [`SocketAddr`] is used.
    ///
    /// In an axum program the address is in `ConnectInfo`. ws-core does not depend on axum, so the
    /// program names that type:
    ///
    /// ```
    /// # use std::net::SocketAddr;
    /// # use axum::extract::ConnectInfo;
    /// # use ws_core::{App, StartError};
    /// # async fn mount() -> Result<(), StartError> {
    /// let (ws, running) = App::new().into_service("ws").await?;
    /// let ws = ws.peer_addr_from(|extensions| extensions.get().map(|ConnectInfo(addr)| *addr));
    /// let router = axum::Router::new().route_service("/ws/{*path}", ws);
    /// let service = router.into_make_service_with_connect_info::<SocketAddr>();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn peer_addr_from(
        mut self,
        find: impl Fn(&Extensions) -> Option<SocketAddr> + Send + Sync + 'static,
    ) -> Self {
        self.peer_addr = Some(Arc::new(find));
        self
    }

    async fn respond<B: HttpBody>(self, mut request: Request<B>) -> Response {
        let Self { server, peer_addr } = self;
        let on_upgrade = hyper::upgrade::on(&mut request);
        let found = peer_addr.and_then(|find| find(request.extensions()));
        let peer = found.or_else(|| request.extensions().get().copied());
        let caller = server.admission.client(peer, request.headers());
        let permit = server.admission.admit(peer);
        let refusal = permit.as_ref().err().cloned();
        let (mut parts, body) = request.into_parts();
        request::convert_extended_connect(&mut parts);
        let (version, source) = (parts.version, Source { peer, transport: peer, caller });
        let (mut response, accepted) =
            server.answer_handshake(parts, !body.is_end_stream(), source, refusal).await;
        if cfg!(feature = "http2") && version == Version::HTTP_2 {
            fit_http2(&mut response, accepted.is_some());
        }
        if let (Some(Accepted { opening, address }), Ok(permit)) = (accepted, permit) {
            let live = Arc::clone(&server.live);
            live.spawn(Serving::new(open(server, on_upgrade, opening, permit.with(address))));
        }
        response
    }
}

/// Makes a response one of HTTP/2. It has no 101 (RFC 9113 section 8.6): a CONNECT is accepted with
/// 200 (RFC 8441 section 5). Headers of one hop are forbidden (RFC 9113 section 8.2.2).
fn fit_http2(response: &mut Response, is_accepted: bool) {
    if is_accepted {
        *response.status_mut() = StatusCode::OK;
    }
    for name in [header::CONNECTION, header::UPGRADE] {
        response.headers_mut().remove(name);
    }
}

/// Waits until the outer server upgrades the stream, and makes the connection.
async fn open(
    server: Arc<WsServer>,
    on_upgrade: hyper::upgrade::OnUpgrade,
    opening: Opening,
    permit: Permit,
) -> Option<Next> {
    match tokio::time::timeout(server.limits.handshake_timeout, on_upgrade).await {
        Ok(Ok(upgraded)) => {
            let (transport, prefix) = Transport::upgraded(upgraded, opening.handshake.version());
            return server.open(transport, prefix, opening, permit);
        }
        // The client has reset the stream: every server of HTTP/2 allows the CONNECT that it
        // accepts.
        Ok(Err(error)) if opening.handshake.is_extended_connect() => {
            tracing::debug!(%error, "a handshake over HTTP/2 was abandoned");
        }
        Ok(Err(error)) => tracing::warn!(%error, "the outer server did not upgrade the connection"),
        Err(_) => tracing::warn!("the outer server did not upgrade the connection in time"),
    }
    None
}

impl<B> tower_service::Service<Request<B>> for WsService
where
    B: HttpBody + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

impl fmt::Debug for WsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WsService").field(&self.server.pipeline.server).finish()
    }
}
