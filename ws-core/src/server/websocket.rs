//! A server of kind `websocket`: HTTP until the 101, then the connection, in one task.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{HttpHandler, Transport};
use crate::{
    config::{Heartbeat, Limits},
    connection::{Connection, Life, OutboxLimits},
    error::HandshakeError,
    handshake::{Handshake, Pipeline, Response, asks_for_upgrade, bare},
    hub::Live,
    socket::SizeLimits,
};

pub(crate) struct WsServer {
    pub(crate) pipeline: Pipeline,
    /// Has every request that does not ask for an upgrade to WebSocket.
    pub(crate) fallback: Option<HttpHandler>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) live: Arc<Live>,
    /// One for every socket that may be open.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

impl WsServer {
    /// Serves one accepted stream to its end.
    pub(crate) async fn serve(self: Arc<Self>, transport: Transport, peer: Option<SocketAddr>) {
        // accept: a full server says so, it does not fall silent.
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        let is_full = permit.is_none();
        // handshake, route, middleware, upgrade: boxed, so that all of it is gone before the connection idles.
        let upgraded = Box::pin(self.upgrade(transport, peer, is_full)).await;
        // open, messages, close.
        if let Some((transport, prefix, handshake)) = upgraded {
            self.open(transport, prefix, handshake).await;
        }
        drop(permit);
    }

    /// Answers requests until one of them becomes a connection, or the stream ends.
    async fn upgrade(
        &self,
        transport: Transport,
        peer: Option<SocketAddr>,
        is_full: bool,
    ) -> Option<(Transport, Bytes, Handshake)> {
        let upgraded = Mutex::new(None);
        let service = service_fn(|request| {
            Box::pin(async {
                let (response, handshake) = self.answer(request, peer, is_full).await;
                *upgraded.lock().unwrap_or_else(PoisonError::into_inner) = handshake;
                Ok::<_, Infallible>(response)
            })
        });
        let mut http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.handshake_timeout)
            .max_buf_size(self.limits.head)
            .max_headers(self.limits.headers)
            .keep_alive(!is_full)
            .serve_connection(TokioIo::new(transport), service);
        let mut done = tokio::select! {
            done = poll_fn(|cx| http.poll_without_shutdown(cx)) => Some(done),
            () = self.stop.cancelled() => None,
        };
        if done.is_none() {
            // A handshake that is under way is answered; an idle stream is closed.
            Pin::new(&mut http).graceful_shutdown();
            done = Some(poll_fn(|cx| http.poll_without_shutdown(cx)).await);
        }
        if let Some(Err(error)) = done {
            tracing::debug!(server = &*self.pipeline.server, ?peer, %error, "no handshake");
            return None;
        }
        let parts = http.into_parts();
        let handshake = upgraded.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((parts.io.into_inner(), parts.read_buf, handshake))
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Option<SocketAddr>,
        is_full: bool,
    ) -> (Response, Option<Handshake>) {
        if let Some(fallback) = self.fallback.as_ref().filter(|_| !is_full && !asks_for_upgrade(&request)) {
            return (without_upgrade(super::http::call(fallback, request, peer).await), None);
        }
        let refusal = if self.stop.is_cancelled() {
            Some(HandshakeError::Draining)
        } else {
            is_full.then_some(HandshakeError::Full)
        };
        let refused = refusal.is_some();
        let (parts, body) = request.into_parts();
        let (mut response, handshake) = self.pipeline.run(parts, !body.is_end_stream(), peer, refusal).await;
        if refused {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        (response, handshake)
    }

    pub(super) async fn open(&self, transport: Transport, prefix: Bytes, handshake: Handshake) {
        let Some(route) = handshake.found_route().cloned() else { return };
        let message = route.limits.message.unwrap_or(self.limits.message);
        let sizes =
            SizeLimits { message, frame: route.limits.frame.or(self.limits.frame).unwrap_or(message) };
        let outbox = OutboxLimits {
            messages: self.limits.outbox_messages,
            bytes: self.limits.outbox_bytes,
            overflow: route.limits.overflow.unwrap_or(self.limits.overflow),
        };
        let conn = Connection::new(handshake.compact(), &self.limits, outbox, Arc::clone(&self.live));
        let span = tracing::info_span!(
            "connection",
            id = %conn.id(),
            server = conn.server(),
            route = conn.route(),
            peer = conn.peer_addr().map(tracing::field::display),
        );
        let entry = self.live.enter(conn);
        if self.stop.is_cancelled() {
            entry.connection().outbox().shut_down();
        }
        let life = Life {
            entry,
            prefix,
            sizes,
            limits: Arc::clone(&self.limits),
            heartbeat: Arc::clone(&self.heartbeat),
            error_handlers: Arc::clone(&self.pipeline.error_handlers),
        };
        let controller = Arc::clone(&route.controller);
        drop(route);
        controller.serve(transport, life).instrument(span).await;
    }
}

/// The fallback shares the port, not the sockets: what it would upgrade by itself is refused.
fn without_upgrade(response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    tracing::error!(
        "the fallback service upgraded a connection by itself; serve it on a port of kind `http`"
    );
    bare(StatusCode::INTERNAL_SERVER_ERROR)
}
