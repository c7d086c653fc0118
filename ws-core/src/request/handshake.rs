//! The request for a connection: what middleware reads and adds to, and what the connection keeps of it.

use std::{
    borrow::Cow,
    fmt,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
};

use http::{HeaderMap, Method, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;

use super::{Kept, Matched, context::ContextMap, head::Head, lists, tokens};
use crate::{
    caught::drop_caught,
    error::{HandshakeError, Result},
};

/// Who opened the socket, where that is not the peer itself; goes along in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransportAddr(pub(crate) SocketAddr);

/// A client's request for a WebSocket connection (RFC 6455 section 4.2.1).
///
/// Middleware gets it by value and passes it on; the connection keeps it, readable in every callback through
/// [`Connection::handshake`](crate::Connection::handshake).
pub struct Handshake {
    head: Head,
    peer_addr: Option<SocketAddr>,
    server: Arc<str>,
    is_upgrade: bool,
    origin_is_checked: bool,
    matched: Option<Arc<dyn Matched>>,
    path_params: Vec<(Box<str>, Box<str>)>,
    subprotocol: Option<&'static str>,
    context: ContextMap,
    pub(crate) kept: Option<Kept>,
}

impl Handshake {
    pub(crate) fn new(parts: Parts, server: Arc<str>, peer_addr: Option<SocketAddr>) -> Self {
        Self {
            is_upgrade: lists::asks_for_upgrade(&parts.method, &parts.headers),
            head: Head::new(parts.method, parts.uri, parts.headers),
            peer_addr,
            server,
            origin_is_checked: false,
            matched: None,
            path_params: Vec::new(),
            subprotocol: None,
            context: ContextMap::from(parts.extensions),
            kept: None,
        }
    }

    /// The method; a handshake's is GET, but middleware of a server sees every request.
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target.
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// The path as it was sent, percent signs and all.
    pub fn path(&self) -> &str {
        self.head.path()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.head.headers()
    }

    /// The first value of a header, if it is visible ASCII.
    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        let value = self.head.values(name.as_ref()).next()?;
        let is_visible = value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        std::str::from_utf8(value).ok().filter(|_| is_visible)
    }

    /// The query string as it was sent, without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.head.query()
    }

    /// The first query parameter of this name, decoded.
    pub fn query_param(&self, name: &str) -> Option<Cow<'_, str>> {
        form_urlencoded::parse(self.query()?.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The value of a cookie (RFC 6265 section 5.4), as it was sent.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All cookies in their order, as they were sent; what is no pair is passed over.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        // Pair by pair: a strange cookie of somebody else's must not take the session's along.
        let lines = self.head.values(header::COOKIE.as_str());
        lines.flat_map(|line| line.split(|byte| *byte == b';')).filter_map(|pair| {
            let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
            Some((name.trim(), value.trim())).filter(|(name, _)| !name.is_empty())
        })
    }

    /// A parameter of the route's path, decoded: `room` of `/rooms/{room}`.
    pub fn path_param(&self, name: &str) -> Option<&str> {
        self.path_params().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All parameters of the route's path in their order, decoded.
    pub fn path_params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.path_params.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The token of `Authorization: Bearer <token>` (RFC 6750 section 2.1); the scheme's case does not matter.
    ///
    /// Where the handshake is refused with 401 after this was called, the response names the
    /// scheme: `WWW-Authenticate: Bearer`, unless it has that header already.
    ///
    /// # Errors
    /// [`HandshakeError::TokenMissing`], a 401, without such a header.
    pub fn bearer_token(&self) -> std::result::Result<&str, HandshakeError> {
        self.bearer_is_asked_for();
        self.header(header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or(HandshakeError::TokenMissing)
    }

    /// The subprotocol that was chosen (RFC 6455 section 1.9); `None` before the core step, and without one.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol
    }

    /// The subprotocols that the client offers, most preferred first; without those that are
    /// [tokens](Self::subprotocol_token).
    pub fn offered_subprotocols(&self) -> impl Iterator<Item = &str> {
        lists::tokens(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
            .filter(|offered| !tokens::is_token(offered))
    }

    /// The peer's address, where the transport has one. Behind trusted proxies ([`config::Proxy`](crate::config::Proxy)) it is what
    /// they say; the port is 0 if they do not name it.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The address at the other end of the socket: the peer's own, or that of the proxy in front of this server.
    pub fn transport_addr(&self) -> Option<SocketAddr> {
        self.context.get().map(|TransportAddr(addr)| addr).or(self.peer_addr)
    }

    /// The name of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The route's path pattern; `None` for an unknown path.
    pub fn route(&self) -> Option<&str> {
        self.matched.as_ref().map(|matched| &**matched.pattern())
    }

    /// Whether the request asks for an upgrade to WebSocket at all (RFC 6455 section 4.2.1, points 1 to 4).
    pub fn is_upgrade(&self) -> bool {
        self.is_upgrade
    }

    /// Typed values for the connection to come. A refused handshake leaves nothing behind.
    pub fn context(&self) -> &ContextMap {
        &self.context
    }

    /// Typed values for the connection to come.
    pub fn context_mut(&mut self) -> &mut ContextMap {
        &mut self.context
    }

    /// Whether the server tells pages apart (`[servers.origin]`).
    pub(crate) fn origin_is_checked(&self) -> bool {
        self.origin_is_checked
    }

    pub(crate) fn set_origin_is_checked(&mut self, is_checked: bool) {
        self.origin_is_checked = is_checked;
    }

    /// Keeps the flag that is set when a bearer token is asked for.
    pub(crate) fn watch_bearer(&mut self, asked: Arc<AtomicBool>) {
        self.head.watch_bearer(asked);
    }

    pub(crate) fn bearer_is_asked_for(&self) {
        self.head.bearer_is_asked_for();
    }

    /// Whether a token is among the offered subprotocols.
    pub(crate) fn offers_token(&self) -> bool {
        lists::tokens(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL).any(tokens::is_token)
    }

    /// The route, if there is one.
    pub(crate) fn matched(&self) -> Option<&Arc<dyn Matched>> {
        self.matched.as_ref()
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<&'static str>) {
        self.subprotocol = subprotocol;
    }

    /// Keeps the route and its decoded parameters.
    pub(crate) fn set_route(
        &mut self,
        route: Arc<dyn Matched>,
        raw: Vec<(Box<str>, Box<str>)>,
    ) -> Result<()> {
        for (name, value) in raw {
            let value = percent_decode_str(&value).decode_utf8().map_err(|_| HandshakeError::PathEncoding)?;
            self.path_params.push((name, value.into()));
        }
        self.matched = Some(route);
        Ok(())
    }

    /// The same in as little memory as possible, for as long as the connection lives.
    pub(crate) fn compact(mut self) -> Self {
        self.head.compact();
        self
    }
}

/// As of its context: whoever drops it last is not to blame for what the kept values do.
impl Drop for Handshake {
    fn drop(&mut self) {
        drop_caught("what was kept of a handshake", self.kept.take());
    }
}

/// What a log may hold: neither headers nor the query.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("method", self.method())
            .field("path", &self.path())
            .field("route", &self.route())
            .field("peer_addr", &self.peer_addr())
            .finish_non_exhaustive()
    }
}
