//! A server of kind `websocket`: serves HTTP until the 101, then makes the connection.
//!
//! [`WsServer`] takes a stream after the gate, and runs the [`Pipeline`] for its requests. With the
//! 101 it returns the connection, which the same task then serves. It must not read or write
//! WebSocket frames.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header, request::Parts};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    Admission, Arrival, HttpHandler, Lifecycle, Pending, Permit, Stage,
    addresses::AddressPermit,
    first_head::first_head,
    http_io::{HttpStream, Rest},
};
use crate::{
    config::{Heartbeat, Limits},
    connection::Connection,
    error::HandshakeError,
    fixed,
    handshake::{Caller, NamesWriter, Opening, Pipeline, asks_for_upgrade, bare, route_of},
    hub::Live,
    request::{Response, TransportAddr},
    session::{Life, Next, in_span},
    socket::Transport,
    sync::Mutex,
};

pub(crate) struct WsServer {
    pub(crate) pipeline: Pipeline,
    /// Serves every request that does not ask for an upgrade to WebSocket.
    pub(crate) fallback: Option<HttpHandler>,
    /// The limits before the 101. After it, the limits of the route apply.
    pub(crate) limits: Arc<Limits>,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) live: Arc<Live>,
    pub(crate) admission: Admission,
    pub(crate) lifecycle: Lifecycle,
}

impl WsServer {
    /// Serves one stream until the 101. Returns the connection, which is not opened yet, or `None`
    /// if the stream was closed.
    pub(crate) async fn receive(&self, mut transport: Transport, arrival: Arrival) -> Option<Next> {
        // A full server answers the request with 503 instead of closing the stream.
        let (permit, refusal) = match self.admission.admit(arrival.peer) {
            Ok(permit) => (Some(permit), None),
            Err(refusal) => (None, Some(refusal)),
        };
        let Some(head) = first_head(&mut transport, &arrival, &self.limits, &self.lifecycle).await else {
            let peer = arrival.peer;
            tracing::debug!(server = &*self.pipeline.server, ?peer, "no request in time");
            return None;
        };
        let http = HttpStream::new(transport, head);
        let stream = Stream {
            arrival,
            refusal,
            has_request: AtomicBool::new(false),
            accepted: Mutex::new(None),
            is_accepted: Arc::default(),
        };
        // Boxed, so that an incomplete head does not carry the size of this future.
        let Rest { stream: transport, prefix } = Box::pin(self.upgrade(http, &stream)).await?;
        let Some(accepted) = stream.accepted.lock().take() else {
            self.close_refused(transport, &stream.arrival.pending).await;
            return None;
        };
        self.open(transport, prefix, accepted.opening, permit?.with(accepted.address))
    }

    /// Answers requests until one of them is answered with 101, or the stream ends.
    async fn upgrade(&self, http: HttpStream<Transport>, stream: &Stream) -> Option<Rest<Transport>> {
        let peer = stream.arrival.peer;
        let timer = http.timer(&self.limits);
        let http = NamesWriter::of_switch(http, Arc::clone(&stream.is_accepted));
        let service =
            service_fn(|request| Box::pin(async { Ok::<_, Infallible>(self.answer(request, stream).await) }));
        let mut http = http1::Builder::new()
            .timer(timer)
            .header_read_timeout(self.limits.handshake_timeout)
            .max_buf_size(self.limits.head)
            .max_headers(self.limits.headers)
            .keep_alive(stream.refusal.is_none())
            .serve_connection(TokioIo::new(http), service);
        let mut done = tokio::select! {
            // Polled first, so that a head that has arrived is read before a stop closes the
            // stream.
            biased;
            done = poll_fn(|cx| http.poll_without_shutdown(cx)) => Some(done),
            () = stream.arrival.pending.overdue() => {
                if !stream.has_request.load(Ordering::Relaxed) {
                    tracing::debug!(server = &*self.pipeline.server, ?peer, "no request in time");
                    return None;
                }
                // The client has its response. Without a deadline the stream would only hold its
                // place.
                None
            }
            () = self.lifecycle.reached(Stage::Closing) => None,
        };
        if done.is_none() {
            // A handshake in progress is answered; an idle stream is closed. The middleware may run
            // until the deadline, and the error handlers get the same time again.
            Pin::new(&mut http).graceful_shutdown();
            let longest = self.limits.handshake_timeout * 2 + self.limits.close_timeout;
            done = tokio::select! {
                done = poll_fn(|cx| http.poll_without_shutdown(cx)) => Some(done),
                () = stream.arrival.pending.overdue_by(longest) => {
                    tracing::debug!(server = &*self.pipeline.server, ?peer, "the answer was not read in time");
                    return None;
                }
                () = self.lifecycle.reached(Stage::Cutting) => return None,
            };
        }
        if let Some(Err(error)) = done {
            tracing::debug!(server = &*self.pipeline.server, ?peer, %error, "no handshake");
            if !error.is_parse() {
                return None;
            }
        }
        let parts = http.into_parts();
        let mut http = parts.io.into_inner();
        if stream.is_accepted.load(Ordering::Relaxed) {
            // hyper finishes when it has written the 101. If the peer is slow, some of it may not
            // be sent yet.
            tokio::select! {
                flushed = timeout(self.limits.handshake_timeout, http.flush()) => flushed.ok()?.ok()?,
                () = self.lifecycle.reached(Stage::Cutting) => return None,
            }
        }
        Some(http.into_inner().into_rest(parts.read_buf))
    }

    /// Closes a stream that did not become a connection. Sends the `close_notify` of TLS. Then
    /// reads the remaining input, because closing a socket with unread input resets it, and the
    /// peer could lose the response. Stops early if another stream needs the place.
    async fn close_refused(&self, mut transport: Transport, pending: &Pending) {
        let finish = async {
            transport.shutdown().await?;
            tokio::io::copy(&mut transport.take(fixed::DRAINED_BYTES as u64), &mut tokio::io::sink()).await
        };
        tokio::select! {
            biased;
            _ = timeout(self.limits.close_timeout, finish) => {}
            () = pending.lost_place() => {}
            () = self.lifecycle.reached(Stage::Closing) => {}
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, stream: &Stream) -> Response {
        let Arrival { peer, transport, .. } = stream.arrival;
        stream.has_request.store(true, Ordering::Relaxed);
        stream.arrival.pending.head_is_complete();
        let caller = self.admission.client(peer, request.headers());
        if let (Some(fallback), None, Ok(caller)) = (&self.fallback, &stream.refusal, &caller)
            && !asks_for_upgrade(&request)
        {
            // A plain HTTP request frees its place among the pending handshakes.
            stream.arrival.pending.release();
            return without_upgrade(super::http::call(fallback, request, caller.addr).await);
        }
        // Not needed, because the stream is taken from hyper directly. Without the removal, the
        // connection would keep this value.
        request.extensions_mut().remove::<hyper::upgrade::OnUpgrade>();
        let (parts, body) = request.into_parts();
        let source = Source { peer, transport, caller };
        let (mut response, accepted) =
            self.answer_handshake(parts, !body.is_end_stream(), source, stream.refusal.clone()).await;
        if stream.refusal.is_some() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        match accepted {
            Some(_) => stream.is_accepted.store(true, Ordering::Relaxed),
            None => stream.arrival.pending.awaits_another_head(),
        }
        *stream.accepted.lock() = accepted;
        response
    }

    /// Answers a handshake request: admits the client and runs the pipeline. Used for the server's
    /// own listener and for a mounted service. A draining server refuses. `refusal` is set if the
    /// stream was refused before.
    pub(super) async fn answer_handshake(
        &self,
        mut parts: Parts,
        has_body: bool,
        source: Source,
        refusal: Option<HandshakeError>,
    ) -> (Response, Option<Accepted>) {
        let Source { peer, transport, caller } = source;
        let is_draining = self.lifecycle.has_reached(Stage::Draining);
        let mut refusal = if is_draining { Some(HandshakeError::Draining) } else { refusal };
        let caller = caller.unwrap_or_else(|fault| {
            refusal.get_or_insert(fault);
            Caller { addr: peer, host: None }
        });
        let mut address = None;
        if refusal.is_none() {
            match self.admission.admit_client(peer, caller.addr) {
                Ok(permit) => address = permit,
                Err(fault) => refusal = Some(fault),
            }
        }
        if caller.addr != transport
            && let Some(transport) = transport
        {
            parts.extensions.insert(TransportAddr(transport));
        }
        let journal = self.live.journal();
        let asked = journal.asked(&parts.uri, caller.addr);
        let (mut response, opening) = self.pipeline.run(parts, has_body, caller, refusal).await;
        if opening.is_none() {
            journal.refused(asked, response.status(), response.body().whole());
        }
        if is_draining {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        (response, opening.map(|opening| Accepted { opening, address }))
    }

    /// Makes the connection. Its session starts when the returned future is awaited.
    pub(super) fn open(
        &self,
        transport: Transport,
        prefix: Bytes,
        opening: Opening,
        permit: Permit,
    ) -> Option<Next> {
        let Opening { handshake, deflate } = opening;
        let route = route_of(&handshake)?;
        let limits = Arc::clone(&route.limits);
        let shared_format = deflate.as_ref().and_then(|deflate| deflate.shared_format());
        let conn = Connection::new(handshake.compact(), &limits, Arc::clone(&self.live), shared_format);
        let span = conn.span();
        let entry = self.live.enter(conn);
        // The drain closes connections in batches. It does not include a connection that is added
        // after it began, so such a connection is closed here.
        if self.lifecycle.has_reached(Stage::Closing) {
            entry.connection().outbox().shut_down();
        }
        let (heartbeat, permit) = (Arc::clone(&self.heartbeat), Box::new(permit));
        let life = Life { entry, prefix, heartbeat, deflate, permit };
        let session = Arc::clone(&route.controller).serve(transport, life);
        Some(Next(in_span(session, span)))
    }
}

/// A stream before its 101.
struct Stream {
    arrival: Arrival,
    /// The reason why all its requests are refused.
    refusal: Option<HandshakeError>,
    /// Whether a request was received.
    has_request: AtomicBool,
    accepted: Mutex<Option<Accepted>>,
    /// Set when a request is accepted: the 101 is the last response on the stream.
    is_accepted: Arc<AtomicBool>,
}

/// The sender of a request.
pub(super) struct Source {
    /// The peer of the stream, or the client that a PROXY header names.
    pub(super) peer: Option<SocketAddr>,
    /// The peer of the stream.
    pub(super) transport: Option<SocketAddr>,
    /// The client, as reported by trusted proxies.
    pub(super) caller: Result<Caller, HandshakeError>,
}

/// A handshake that was answered with 101.
pub(super) struct Accepted {
    pub(super) opening: Opening,
    /// The connection's permit under the limit of its client's address, if only the request names
    /// the client.
    pub(super) address: Option<AddressPermit>,
}

/// Replaces a 101 of the fallback service with 500. The fallback shares the port, but it must not
/// upgrade connections.
fn without_upgrade(response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    tracing::error!(
        "the fallback service upgraded a connection by itself; serve it on a port of kind `http`"
    );
    bare(StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr},
        time::Duration,
    };

    use axum::{Router, routing::get};
    use futures_util::FutureExt as _;
    use tokio::time::{Instant, advance, sleep};

    use super::*;
    use crate::{
        Config,
        app::App,
        config::{ServerConfig, ServerKind},
        controller::Controller,
        server::PendingStreams,
        socket::Pipe,
        testing::TestApp,
    };

    struct Silent;

    impl Controller for Silent {}

    const TIMEOUT: Duration = Duration::from_secs(10);
    const KEEP_ALIVE: Duration = Duration::from_secs(75);
    const ASKS_FOR_NOTHING: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    const ASKS_FOR_A_PAGE: &[u8] = b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n";

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A stream that holds the only place among the pending handshakes. Its first head must be
    /// complete within a given time.
    struct Client {
        stream: Pipe,
        pending: Arc<PendingStreams>,
        began: Instant,
        _app: TestApp,
    }

    impl Client {
        async fn of(app: App, server: &str, due: Duration) -> Self {
            let (app, began) = (TestApp::start(app).await, Instant::now());
            let mut config = ServerConfig::default();
            (config.limits.pending_handshakes, config.limits.handshake_timeout) = (1, due);
            let pending = PendingStreams::new(&config);
            let taken = pending.admit(PEER).await.unwrap();
            let arrival = Arrival { pending: taken, ..Arrival::default() };
            Self { stream: app.pipe_from(server, arrival), pending, began, _app: app }
        }

        /// Returns whether another stream gets the only place without waiting.
        fn leaves_room(&self) -> bool {
            self.pending.admit(PEER).now_or_never().is_some()
        }

        /// Sends a request and returns the status line of the response; empty at the end of the
        /// stream.
        async fn ask(&mut self, request: &[u8]) -> String {
            let _ = self.stream.write_all(request).await;
            let mut answer = vec![0; 4096];
            let read = self.stream.read(&mut answer).await.unwrap();
            let text = String::from_utf8_lossy(&answer[..read]).into_owned();
            text.lines().next().unwrap_or_default().to_owned()
        }

        /// Checks that the stream ends after this time without another response, and that its place
        /// is then free.
        async fn ends_after(mut self, time: Duration) {
            assert_eq!(self.ask(b"").await, "");
            assert_eq!(self.began.elapsed().as_secs(), time.as_secs());
            drop(self.stream);
            self.pending.admit(PEER).await.unwrap();
        }
    }

    fn app() -> App {
        App::without_registry().controller("/", Silent)
    }

    fn pages() -> Router {
        Router::new().route("/page", get(async || "page"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_a_request_is_closed_at_its_deadline() {
        for sent in [&b""[..], b"GET / HTTP/1.1\r\nHost:"] {
            let mut client = Client::of(app(), "ws", TIMEOUT / 2).await;
            client.stream.write_all(sent).await.unwrap();
            client.ends_after(TIMEOUT / 2).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_do_not_extend_the_deadline_of_a_pending_handshake() {
        let mut client = Client::of(app(), "ws", TIMEOUT).await;
        for _ in 0..9 {
            assert!(client.ask(ASKS_FOR_NOTHING).await.contains("426"), "it may try again");
            advance(Duration::from_secs(1)).await;
        }
        client.ends_after(TIMEOUT).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_its_answer_is_closed() {
        let mut client = Client::of(app(), "ws", TIMEOUT).await;
        let requests = ASKS_FOR_NOTHING.repeat(10_000);
        let written = timeout(TIMEOUT / 2, client.stream.write_all(&requests)).await;
        assert!(written.is_err(), "the pipe is full, both ways");
        sleep(TIMEOUT * 4).await;
        assert!(client.stream.peer_has_ended());
        assert!(client.leaves_room());
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_client_may_be_idle_for_keep_alive_and_uses_no_room() {
        let mut config = Config::default();
        config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
        for server in ["ws", "http"] {
            let app = app().config(config.clone()).fallback("ws", pages()).http("http", pages());
            let mut client = Client::of(app, server, TIMEOUT / 20).await;
            for _ in 0..3 {
                assert!(client.ask(ASKS_FOR_A_PAGE).await.contains("200"), "{server}");
                assert!(client.leaves_room(), "{server}");
                advance(KEEP_ALIVE * 9 / 10).await;
            }
            client.ends_after(KEEP_ALIVE * 28 / 10).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_head_has_its_own_time_from_its_first_byte() {
        let mut config = Config::default();
        config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
        for server in ["ws", "http"] {
            let app = app().config(config.clone()).fallback("ws", pages()).http("http", pages());
            let mut client = Client::of(app, server, TIMEOUT / 20).await;
            for _ in 0..2 {
                assert!(client.ask(ASKS_FOR_A_PAGE).await.contains("200"), "{server}");
                advance(KEEP_ALIVE - TIMEOUT / 2).await;
            }
            // A head that begins late in the idle time gets the full time for a head, but not more.
            for byte in ASKS_FOR_A_PAGE.iter().take(3) {
                client.stream.write_all(&[*byte]).await.unwrap();
                tokio::task::yield_now().await;
                advance(TIMEOUT / 4).await;
            }
            client.ends_after((KEEP_ALIVE - TIMEOUT / 2) * 2 + TIMEOUT).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_server_closes_a_stream_without_a_request_at_its_deadline() {
        let mut config = Config::default();
        config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
        let app = app().config(config).http("http", pages());
        Client::of(app, "http", TIMEOUT / 2).await.ends_after(TIMEOUT / 2).await;
    }
}
