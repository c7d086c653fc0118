//! [`WsService`]: a server of kind `websocket` as a tower service, inside another HTTP server.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, header};
use http_body::Body as HttpBody;

use super::{Permit, Stage, Transport, WsServer};
use crate::{
    connection::{Served, served},
    error::HandshakeError,
    handshake::{Handshake, Response, TransportAddr},
};

/// The WebSocket routes of one server as a tower service, made by [`App::into_service`](crate::App::into_service).
///
/// It answers every request: 101 to handshakes on its routes, and what the server would answer to all others. The
/// outer server must speak HTTP/1.1 and allow upgrades (axum and `hyper::server::conn::http1` with `with_upgrades` do).
/// The peer's address is taken from a request extension of type [`SocketAddr`], if there is one.
#[derive(Clone)]
pub struct WsService(Arc<WsServer>);

impl WsService {
    pub(crate) fn new(server: Arc<WsServer>) -> Self {
        Self(server)
    }

    async fn respond<B: HttpBody>(self, mut request: Request<B>) -> Response {
        let server = self.0;
        let on_upgrade = hyper::upgrade::on(&mut request);
        let peer = request.extensions().get::<SocketAddr>().copied();
        let client = server.admission.client(peer, request.headers());
        let admitted = server.admission.admit(peer).and_then(|permit| {
            let client = server.admission.admit_client(peer, client.clone()?)?;
            Ok(permit.with(client.permit))
        });
        let is_draining = server.lifecycle.has_reached(Stage::Draining);
        let refusal =
            if is_draining { Some(HandshakeError::Draining) } else { admitted.as_ref().err().cloned() };
        let client = client.unwrap_or(peer);
        if client != peer
            && let Some(peer) = peer
        {
            request.extensions_mut().insert(TransportAddr(peer));
        }
        let (parts, body) = request.into_parts();
        let (mut response, handshake) =
            server.pipeline.run(parts, !body.is_end_stream(), client, refusal).await;
        if let (Some(handshake), Ok(permit)) = (handshake, admitted) {
            let live = Arc::clone(&server.live);
            let opened = Box::pin(open(server, on_upgrade, handshake, permit));
            live.spawn(served(opened));
        } else if is_draining {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Waits for the outer server to hand the stream over; what comes back is the connection.
async fn open(
    server: Arc<WsServer>,
    on_upgrade: hyper::upgrade::OnUpgrade,
    handshake: Handshake,
    permit: Permit,
) -> Option<Served> {
    match tokio::time::timeout(server.limits.handshake_timeout, on_upgrade).await {
        Ok(Ok(upgraded)) => {
            let (transport, prefix) = Transport::upgraded(upgraded);
            return server.open(transport, prefix, handshake, permit);
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
        f.debug_tuple("WsService").field(&self.0.pipeline.server).finish()
    }
}
