//! The pipeline before the 101: checks, route, middleware, guards, core step.
//!
//! `server` passes each request of a WebSocket server to `Pipeline`. The pipeline returns a
//! [`Response`] and, with a 101, the [`Handshake`] that the session opens the connection with. Its
//! steps are numbered in `Pipeline::respond`. This module must not read or write a WebSocket.

mod checks;
mod compression;
mod guard;
mod middleware;
mod names;
#[cfg(feature = "console")]
mod nearest;
mod origin;
mod route;
mod router;
mod upgrade;
mod warnings;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, StatusCode, Version, header, request::Parts};
use serde_json::json;
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field};

#[cfg(feature = "client")]
pub(crate) use self::checks::accept_value;
use self::upgrade::{Accepted, Answered};
pub(crate) use self::{
    guard::Guard,
    middleware::Middleware,
    names::NamesWriter,
    route::{ChangeCompression, ChangeLimits},
    router::{MatchedRoute, Router, route_of},
    upgrade::DynUpgrade,
    warnings::Warnings,
};
pub use self::{
    guard::{GuardFn, GuardFuture, GuardRef},
    middleware::{MiddlewareFn, MiddlewareFuture, Next},
    route::{Route, RouteSpec},
    upgrade::{DefaultUpgrade, Upgrade},
};
#[cfg(feature = "metrics")]
use crate::telemetry;
use crate::{
    caught::{caught, drop_caught},
    config::Origin,
    error::{Error, HandshakeError, Result},
    recovery::{Answer, ErrorHandlers, Phase, Scene},
    request,
    socket::Deflate,
    state::States,
    telemetry::{HandshakeCounters, RefusedHandshake},
};
pub use crate::{
    place::SubprotocolMismatch,
    request::{Body, Handshake, Response, TokenSources},
};

/// The client of a request, as reported by the transport and by trusted proxies.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) addr: Option<SocketAddr>,
    /// The host that the client requested from a trusted proxy; used only by the Origin check.
    pub(crate) host: Option<String>,
}

/// The connection to open behind a 101.
pub(crate) struct Opening {
    pub(crate) handshake: Handshake,
    /// The compression of messages, if it was negotiated.
    pub(crate) deflate: Option<Box<Deflate>>,
}

/// Handles the requests of one server.
pub(crate) struct Pipeline {
    pub(crate) server: Arc<str>,
    /// The counters of handshakes without a route.
    pub(crate) unmatched: Arc<HandshakeCounters>,
    pub(crate) router: Router,
    /// The policy that decides which pages may connect.
    pub(crate) origin: Origin,
    pub(crate) warnings: Warnings,
    /// The server-wide middleware, for paths without a route.
    pub(crate) server_wide: Vec<Arc<Middleware>>,
    pub(crate) core: Box<dyn DynUpgrade>,
    pub(crate) error_handlers: Arc<ErrorHandlers>,
    pub(crate) states: Arc<States>,
    /// The deadline of the middleware and the core step together; the error handlers get the same
    /// time again.
    pub(crate) timeout: Duration,
    /// The longest path and the longest query, in bytes.
    pub(crate) path_limit: usize,
    pub(crate) query_limit: usize,
    /// Whether a 404 names the route that is most similar to its path.
    #[cfg(feature = "console")]
    pub(crate) names_nearest: bool,
}

impl Pipeline {
    /// Returns the response to a request, and with a 101 the connection to open.
    pub(crate) async fn run(
        &self,
        parts: Parts,
        has_body: bool,
        caller: Caller,
        refusal: Option<HandshakeError>,
    ) -> (Response, Option<Opening>) {
        let (began, peer) = (Instant::now(), caller.addr);
        let mut route = None;
        let span = self.span(&parts, peer);
        let answering = self.answer(parts, has_body, caller, refusal, &mut route);
        let (response, opening) = answering.instrument(span.clone()).await;
        span.record("http.response.status_code", response.status().as_u16());
        self.record(route.as_deref(), &response, peer, began.elapsed(), opening.is_some());
        (response, opening)
    }

    /// Makes the span of a handshake. Its fields are those of OpenTelemetry's conventions for HTTP
    /// servers.
    fn span(&self, parts: &Parts, peer: Option<SocketAddr>) -> Span {
        tracing::info_span!(
            target: "ws_core::handshake",
            "handshake",
            otel.kind = "server",
            http.request.method = parts.method.as_str(),
            http.route = field::Empty,
            http.response.status_code = field::Empty,
            server = &*self.server,
            client.address = peer.map(|peer| field::display(peer.ip())),
        )
    }

    /// Counts an answered handshake, and logs it if it was refused.
    fn record(
        &self,
        route: Option<&MatchedRoute>,
        response: &Response,
        peer: Option<SocketAddr>,
        duration: Duration,
        is_accepted: bool,
    ) {
        let status = response.status();
        let counters = route.map_or(&*self.unmatched, |route| &route.counters.handshakes);
        counters.count(status);
        let (server, route) = (&*self.server, route.map(|route| &*route.path));
        #[cfg(feature = "metrics")]
        telemetry::record_handshake(server, route, status, duration);
        if !is_accepted {
            RefusedHandshake { peer, server, route, status, duration }.log();
        }
    }

    /// Answers a request. Sets `route` if one was found.
    async fn answer(
        &self,
        parts: Parts,
        has_body: bool,
        caller: Caller,
        refusal: Option<HandshakeError>,
        route: &mut Option<Arc<MatchedRoute>>,
    ) -> (Response, Option<Opening>) {
        let mut scene = Scene {
            phase: Phase::Handshake,
            server: Arc::clone(&self.server),
            route: None,
            path: parts.uri.path().into(),
            peer_addr: caller.addr,
            connection: None,
        };
        let bearer_asked = Arc::new(AtomicBool::new(false));
        let (version, is_connect) = (parts.version, request::was_extended_connect(&parts));
        let result = match refusal {
            Some(refusal) => Err(refusal.into()),
            None => self.respond(parts, has_body, caller, &mut scene, &bearer_asked, route).await,
        };
        let mut response = match result {
            Ok(response) => response,
            Err(mut error) => {
                let bearer_asked = bearer_asked.load(Ordering::Relaxed);
                let refusal = self.refuse(&mut error, &scene, version, bearer_asked).await;
                drop_caught("an error", error);
                refusal
            }
        };
        // Only a 101 that the core step made opens a connection.
        let accepted = response.extensions_mut().remove::<Accepted>();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            if let Some(Answered { handshake, compression }) = accepted.and_then(|accepted| accepted.take()) {
                self.warnings.token(&handshake, &response);
                let deflate = compression.and_then(|it| it.confirmed(response.headers()));
                return (response, Some(Opening { handshake, deflate }));
            }
            tracing::error!(
                path = &*scene.path,
                "a middleware made its own 101; only the core step may make one"
            );
            response = bare(StatusCode::INTERNAL_SERVER_ERROR);
        } else if is_connect && response.status().is_success() {
            // RFC 9113 section 8.5: the client would take it for an open WebSocket.
            tracing::error!(
                path = &*scene.path,
                status = response.status().as_u16(),
                "a middleware answered a handshake over HTTP/2 with success; only the core step may do so"
            );
            response = bare(StatusCode::INTERNAL_SERVER_ERROR);
        }
        finish_refusal(&mut response, bearer_asked.load(Ordering::Relaxed));
        log_refusal(&scene, &response);
        (response, None)
    }

    /// Runs the steps that lead to the 101.
    async fn respond(
        &self,
        mut parts: Parts,
        has_body: bool,
        caller: Caller,
        scene: &mut Scene,
        bearer_asked: &Arc<AtomicBool>,
        matched: &mut Option<Arc<MatchedRoute>>,
    ) -> Result<Response> {
        // 1. Checks, before the path is looked up: the target's length, RFC 6455 section 4.2.1, and
        // the Origin.
        checks::target(&parts.uri, self.path_limit, self.query_limit)?;
        self.check(&parts, has_body, &caller)?;
        request::hide_tokens(&mut parts.headers);
        let mut handshake = Handshake::new(parts, Arc::clone(&self.server), caller.addr);
        handshake.set_origin_is_checked(self.origin.is_on());
        handshake.watch_bearer(Arc::clone(bearer_asked));
        // 2. Route. The server-wide middleware also runs for a path without a route.
        let found = self.router.find(handshake.path());
        let chain = match found {
            Some((route, params)) => {
                scene.route = Some(Arc::clone(&route.path));
                Span::current().record("http.route", &*route.path);
                *matched = Some(Arc::clone(&route));
                handshake.set_route(route.clone(), params)?;
                route.chain.clone()
            }
            None => self.server_wide.clone(),
        };
        // 3. Middleware, outermost first. 4. The core step, inside the middleware.
        let next = Next { chain: &chain, core: &*self.core, states: &self.states };
        let answered = caught(async { next.run(handshake).await });
        match tokio::time::timeout(self.timeout, answered).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(Error::new("a middleware, a guard, a parameter or the core step panicked")),
            Err(_) => Err(Error::new("the middleware took longer than the handshake deadline").status(503)),
        }
    }

    /// Checks a request that asks for an upgrade, before its path is looked up.
    fn check(&self, parts: &Parts, has_body: bool, caller: &Caller) -> Result<(), HandshakeError> {
        #[cfg(feature = "http2")]
        checks::connect(parts)?;
        if !request::asks_for_websocket(parts) {
            return Ok(());
        }
        checks::check(parts, has_body).inspect_err(|fault| {
            if *fault == HandshakeError::Host {
                self.warnings.host(&self.server, caller.addr, parts);
            }
        })?;
        let host = caller.host.as_deref();
        origin::check(&self.origin, parts, host)
            .inspect_err(|_| self.warnings.origin(&self.server, caller.addr, &self.origin, parts, host))
    }

    /// Returns the response to a failed handshake. An error handler makes it; otherwise it has the
    /// error's public text.
    async fn refuse(
        &self,
        error: &mut Error,
        scene: &Scene,
        version: Version,
        bearer_asked: bool,
    ) -> Response {
        let answered = caught(async { self.error_handlers.answer(error, scene).await });
        let answer = match tokio::time::timeout(self.timeout, answered).await {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                tracing::error!(%error, "an error handler panicked");
                return bare(StatusCode::INTERNAL_SERVER_ERROR);
            }
            Err(_) => {
                tracing::error!(%error, "an error handler took longer than the handshake deadline");
                return bare(StatusCode::SERVICE_UNAVAILABLE);
            }
        };
        match answer {
            Answer::Respond { status, body } => {
                let mut response = Body::json_bytes(status, body);
                explain(error, version, &mut response);
                return response;
            }
            Answer::Event { message, .. } => {
                let status = checks::status_over(version, error.http_status());
                return Body::json(status, &json!({"code": status.as_u16(), "msg": message}));
            }
            Answer::Pass => {}
            answer => tracing::error!(?answer, "an error handler's answer does not fit the handshake"),
        }
        let status = checks::status_over(version, error.http_status());
        if status.is_server_error() && error.downcast_ref::<HandshakeError>().is_none() {
            tracing::error!(
                %error,
                server = &*scene.server,
                route = scene.route.as_deref().unwrap_or("-"),
                path = &*scene.path,
                peer = scene.peer_addr.map(tracing::field::display),
                "a handshake failed",
            );
        }
        let public = error.public_text();
        let reason = status.canonical_reason().unwrap_or("error");
        let msg = public.as_deref().unwrap_or(reason);
        let mut body = json!({"code": status.as_u16(), "msg": msg});
        self.name_nearest(error, &mut body);
        let mut response = Body::json(status, &body);
        explain(error, version, &mut response);
        if bearer_asked && status == StatusCode::UNAUTHORIZED && error.is_refused_token() {
            // RFC 6750 section 3.1: `error` is sent only for a refused token. For a missing token
            // the scheme is enough.
            let refused = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, refused);
        }
        response
    }
}

#[cfg(not(feature = "console"))]
impl Pipeline {
    fn name_nearest(&self, _: &Error, _: &mut serde_json::Value) {}
}

#[cfg(feature = "console")]
impl Pipeline {
    /// Adds the route that is most similar to the path of a 404, for the developer.
    fn name_nearest(&self, error: &Error, body: &mut serde_json::Value) {
        let Some(HandshakeError::NoRoute { path }) = error.downcast_ref() else { return };
        if !self.names_nearest {
            return;
        }
        let (Some(nearest), Some(fields)) = (self.router.nearest(path), body.as_object_mut()) else { return };
        fields.insert("nearest".to_owned(), nearest.into());
    }
}

/// Adds the headers that tell the client what the server accepts. They do not depend on the body.
fn explain(error: &Error, version: Version, response: &mut Response) {
    let fault = error.downcast_ref::<HandshakeError>();
    let is_own = |fault: &HandshakeError| checks::status_over(version, fault.status()) == response.status();
    let Some(fault) = fault.filter(|fault| is_own(fault)) else { return };
    let headers = response.headers_mut();
    match fault {
        // RFC 9110 sections 15.5.22 and 7.8: a 426 names the protocol in `Upgrade`, and lists
        // `Upgrade` in `Connection` because it is valid for one hop only. Over HTTP/2 both are
        // removed.
        HandshakeError::Version | HandshakeError::NotAnUpgrade => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            if *fault == HandshakeError::Version {
                // RFC 6455 section 4.4.
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
        }
        // RFC 9110 section 15.5.6.
        HandshakeError::Method => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        #[cfg(feature = "http2")]
        HandshakeError::NotConnect => {
            headers.insert(header::ALLOW, HeaderValue::from_static("CONNECT"));
        }
        _ => {}
    }
}

/// Adds the headers that every refusal with this status must have, independent of the code that
/// made the response.
fn finish_refusal(response: &mut Response, bearer_asked: bool) {
    let status = response.status();
    let headers = response.headers_mut();
    // RFC 9110 section 15.5.2: a 401 names the scheme. A middleware that requires other credentials
    // sets its own header.
    if bearer_asked && status == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE && !headers.contains_key(header::RETRY_AFTER) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
}

fn log_refusal(scene: &Scene, response: &Response) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let body: Option<serde_json::Value> =
        response.body().whole().and_then(|bytes| serde_json::from_slice(bytes).ok());
    let msg = body.as_ref().and_then(|body| body.get("msg")).and_then(serde_json::Value::as_str);
    tracing::debug!(
        server = &*scene.server,
        route = scene.route.as_deref().unwrap_or("-"),
        path = &*scene.path,
        status = response.status().as_u16(),
        msg = msg.unwrap_or("-"),
        "handshake refused",
    );
}

/// Makes the response of a server of kind `http` that refuses a request before its service runs. It
/// has the form of a refused handshake.
pub(crate) fn refused(fault: &HandshakeError) -> Response {
    let status = fault.status();
    let mut response = Body::json(status, &json!({"code": status.as_u16(), "msg": fault.to_string()}));
    finish_refusal(&mut response, false);
    response
}

/// Makes a response with a status and an empty body.
pub(crate) fn bare(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Returns whether a request asks for an upgrade to WebSocket.
pub(crate) fn asks_for_upgrade<B>(request: &Request<B>) -> bool {
    request::asks_for_upgrade(request.method(), request.headers())
}
