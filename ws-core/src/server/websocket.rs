//! A server of kind `websocket`: HTTP until the 101, then the connection, in one task.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{
    Admission, Arrival, HttpHandler, Lifecycle, Permit, Stage, Transport, addresses::AddressPermit,
    admission::Client,
};
use crate::{
    config::{Heartbeat, Limits},
    connection::{Connection, Life, Served},
    error::HandshakeError,
    handshake::{Handshake, Pipeline, Response, TransportAddr, asks_for_upgrade, bare},
    hub::Live,
};

pub(crate) struct WsServer {
    pub(crate) pipeline: Pipeline,
    /// Has every request that does not ask for an upgrade to WebSocket.
    pub(crate) fallback: Option<HttpHandler>,
    /// What comes before the 101; each route has its own for what comes after.
    pub(crate) limits: Arc<Limits>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) live: Arc<Live>,
    pub(crate) admission: Admission,
    pub(crate) lifecycle: Lifecycle,
}

impl WsServer {
    /// Takes one stream as far as to the 101. What comes back is the rest: open, messages, close.
    pub(crate) async fn receive(&self, transport: Transport, arrival: Arrival) -> Option<Served> {
        // accept: a full server says so, it does not fall silent.
        let (permit, refusal) = match self.admission.admit(arrival.peer) {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        // handshake, route, middleware, upgrade.
        let (transport, prefix, accepted) = self.upgrade(transport, arrival, refusal).await?;
        self.open(transport, prefix, accepted.handshake, permit?.with(accepted.address))
    }

    /// Answers requests until one of them becomes a connection, or the stream ends.
    async fn upgrade(
        &self,
        transport: Transport,
        arrival: Arrival,
        refusal: Option<HandshakeError>,
    ) -> Option<(Transport, Bytes, Accepted)> {
        let head_timeout = arrival.head_timeout(self.limits.handshake_timeout);
        let (is_refused, peer) = (refusal.is_some(), arrival.peer);
        let stream = Stream { arrival: Mutex::new(arrival), refusal, accepted: Mutex::new(None) };
        let service = service_fn(|request| {
            Box::pin(async { Ok::<_, Infallible>(self.answer(request, &stream).await) })
        });
        let mut http = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(self.limits.head)
            .max_headers(self.limits.headers)
            .keep_alive(!is_refused)
            .serve_connection(TokioIo::new(transport), service);
        let mut done = tokio::select! {
            done = poll_fn(|cx| http.poll_without_shutdown(cx)) => Some(done),
            () = self.lifecycle.reached(Stage::Closing) => None,
        };
        if done.is_none() {
            // A handshake that is under way is answered; an idle stream is closed.
            Pin::new(&mut http).graceful_shutdown();
            done = tokio::select! {
                done = poll_fn(|cx| http.poll_without_shutdown(cx)) => Some(done),
                () = self.lifecycle.reached(Stage::Cutting) => return None,
            };
        }
        if let Some(Err(error)) = done {
            tracing::debug!(server = &*self.pipeline.server, ?peer, %error, "no handshake");
            return None;
        }
        let parts = http.into_parts();
        let accepted = lock(&stream.accepted).take()?;
        Some((parts.io.into_inner(), parts.read_buf, accepted))
    }

    async fn answer(&self, mut request: Request<Incoming>, stream: &Stream) -> Response {
        let (peer, transport) = stream.ends();
        let client = self.admission.client(peer, request.headers());
        if let (Some(fallback), None, Ok(client)) = (&self.fallback, &stream.refusal, &client)
            && !asks_for_upgrade(&request)
        {
            // Pages are no handshake: they do not hold up those that are.
            lock(&stream.arrival).pending = None;
            return without_upgrade(super::http::call(fallback, request, *client).await);
        }
        let client = client.and_then(|addr| self.admission.admit_client(peer, addr));
        let refusal = if self.lifecycle.has_reached(Stage::Draining) {
            Some(HandshakeError::Draining)
        } else {
            stream.refusal.clone()
        };
        let refused = refusal.is_some();
        let (client, refusal) = match (client, refusal) {
            (Ok(client), refusal) => (client, refusal),
            (Err(fault), refusal) => (Client { addr: peer, permit: None }, refusal.or(Some(fault))),
        };
        if client.addr != transport
            && let Some(transport) = transport
        {
            request.extensions_mut().insert(TransportAddr(transport));
        }
        // The stream is taken back from hyper itself, and what is left of this would stay with the connection.
        request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
        let (parts, body) = request.into_parts();
        let (mut response, handshake) =
            self.pipeline.run(parts, !body.is_end_stream(), client.addr, refusal).await;
        if refused {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        *lock(&stream.accepted) = handshake.map(|handshake| Accepted { handshake, address: client.permit });
        response
    }

    /// Makes the connection. Nothing of it runs before it is awaited.
    pub(super) fn open(
        &self,
        transport: Transport,
        prefix: Bytes,
        handshake: Handshake,
        permit: Permit,
    ) -> Option<Served> {
        let route = Arc::clone(handshake.found_route()?);
        let limits = Arc::clone(&route.limits);
        let conn = Connection::new(handshake.compact(), &limits, Arc::clone(&self.live));
        let span = tracing::info_span!(
            "connection",
            id = %conn.id(),
            server = conn.server(),
            route = conn.route(),
            peer = conn.peer_addr().map(tracing::field::display),
        );
        let entry = self.live.enter(conn);
        // From then on only who was there before waits for a batch.
        if self.lifecycle.has_reached(Stage::Closing) {
            entry.connection().outbox().shut_down();
        }
        let life = Life {
            span,
            entry,
            permit: Some(permit),
            prefix,
            limits,
            heartbeat: Arc::clone(&self.heartbeat),
            error_handlers: Arc::clone(&self.pipeline.error_handlers),
        };
        Some(Arc::clone(&route.controller).serve(transport, life))
    }
}

/// A stream before its 101.
struct Stream {
    arrival: Mutex<Arrival>,
    /// Why none of its requests is served.
    refusal: Option<HandshakeError>,
    accepted: Mutex<Option<Accepted>>,
}

/// A handshake that was answered with 101.
struct Accepted {
    handshake: Handshake,
    /// The connection's place among those of its client, if that is known by request only.
    address: Option<AddressPermit>,
}

impl Stream {
    /// The peer, and who connected.
    fn ends(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let arrival = lock(&self.arrival);
        (arrival.peer, arrival.transport)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What they hold is whole between two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
