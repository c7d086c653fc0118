//! [`Handshake`]: the request for a connection. Middleware reads and extends it; afterwards the
//! connection keeps it.

use std::{
    borrow::Cow,
    fmt,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
};

use http::{HeaderMap, Method, Uri, Version, header, request::Parts};
use percent_encoding::percent_decode_str;

use super::{Kept, Matched, context::ContextMap, head::Head, http2, lists, tokens};
use crate::{
    caught::drop_caught,
    error::{HandshakeError, Result},
};

/// The address of the proxy that opened the socket, if it differs from the peer's address. It is
/// stored in the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransportAddr(pub(crate) SocketAddr);

/// A client's request for a WebSocket connection (RFC 6455 section 4.2.1).
///
/// Middleware receives it by value and passes it on. The connection keeps it; every callback can
/// read it through [`Connection::handshake`](crate::Connection::handshake).
///
/// ```
/// use ws_core::{Handshake, Next, Response, Result};
///
/// #[derive(Clone)]
/// struct Language(String);
///
/// async fn language(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
///     let language = handshake.query_param("lang").unwrap_or("en".into()).into_owned();
///     handshake.context_mut().set(Language(language));
///     next.run(handshake).await
/// }
/// ```
pub struct Handshake {
    head: Head,
    peer_addr: Option<SocketAddr>,
    server: Arc<str>,
    version: Version,
    is_upgrade: bool,
    origin_is_checked: bool,
    matched: Option<Arc<dyn Matched>>,
    path_params: Vec<(Box<str>, Box<str>)>,
    subprotocol: Option<&'static str>,
    context: ContextMap,
    pub(crate) kept: Option<Kept>,
}

impl Handshake {
    pub(crate) fn new(mut parts: Parts, server: Arc<str>, peer_addr: Option<SocketAddr>) -> Self {
        let is_upgrade = http2::asks_for_websocket(&parts);
        http2::remove_mark(&mut parts);
        Self {
            version: parts.version,
            is_upgrade,
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

    /// The method. A handshake uses GET, and the extended CONNECT of a handshake over HTTP/2 is
    /// converted to it; middleware of a server sees requests with other methods, too.
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The version of HTTP that the request came with: [`Version::HTTP_2`] for a handshake by an
    /// extended CONNECT (RFC 8441), which needs the feature `http2`.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The request target. The target of a handshake over HTTP/2 is its `:path`.
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// The path as it was sent, not percent-decoded.
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

    /// All cookies in order, as they were sent. Parts that are not a `name=value` pair are skipped.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        // Each pair is parsed on its own, so that a malformed cookie does not hide the others.
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

    /// All parameters of the route's path in order, decoded.
    pub fn path_params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.path_params.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The token of `Authorization: Bearer <token>` (RFC 6750 section 2.1); the scheme is
    /// case-insensitive.
    ///
    /// If the handshake is refused with 401 after this method was called, the response has the
    /// header `WWW-Authenticate: Bearer`, unless it has a header of that name already.
    ///
    /// # Errors
    /// [`HandshakeError::TokenMissing`], a 401, if the request has no such header.
    pub fn bearer_token(&self) -> std::result::Result<&str, HandshakeError> {
        self.note_bearer_request();
        self.header(header::AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .filter(|token| !token.is_empty())
            .ok_or(HandshakeError::TokenMissing)
    }

    /// The subprotocol that was chosen (RFC 6455 section 1.9). `None` before the core step, and if
    /// none was chosen.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol
    }

    /// The subprotocols that the client offers, most preferred first, without the offered
    /// [tokens](Self::subprotocol_token).
    pub fn offered_subprotocols(&self) -> impl Iterator<Item = &str> {
        lists::tokens(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
            .filter(|offered| !tokens::is_token(offered))
    }

    /// The peer's address, if the transport has one. Behind trusted proxies
    /// ([`config::Proxy`](crate::config::Proxy)) it is the address that they name; the port is 0 if
    /// they name none.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The address at the other end of the socket: the peer's own, or that of the proxy in front of
    /// this server.
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

    /// Whether the request asks for an upgrade to WebSocket (RFC 6455 section 4.2.1, points 1 to
    /// 4), or over HTTP/2 for a WebSocket by an extended CONNECT (RFC 8441 section 5).
    pub fn is_upgrade(&self) -> bool {
        self.is_upgrade
    }

    /// Typed values for the future connection. They are dropped if the handshake is refused.
    pub fn context(&self) -> &ContextMap {
        &self.context
    }

    /// Typed values for the future connection, as a mutable reference.
    pub fn context_mut(&mut self) -> &mut ContextMap {
        &mut self.context
    }

    /// Whether the request was an extended CONNECT. It has no `Sec-WebSocket-Key`, and its response
    /// has no `Sec-WebSocket-Accept` (RFC 8441 section 5).
    pub(crate) fn is_extended_connect(&self) -> bool {
        cfg!(feature = "http2") && self.is_upgrade && self.version == Version::HTTP_2
    }

    /// Whether the server checks the `Origin` header (`[servers.origin]`).
    pub(crate) fn origin_is_checked(&self) -> bool {
        self.origin_is_checked
    }

    pub(crate) fn set_origin_is_checked(&mut self, is_checked: bool) {
        self.origin_is_checked = is_checked;
    }

    /// Stores the flag that is set when a bearer token is requested.
    pub(crate) fn watch_bearer(&mut self, asked: Arc<AtomicBool>) {
        self.head.watch_bearer(asked);
    }

    pub(crate) fn note_bearer_request(&self) {
        self.head.note_bearer_request();
    }

    /// Whether a token is among the offered subprotocols.
    pub(crate) fn offers_token(&self) -> bool {
        lists::tokens(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL).any(tokens::is_token)
    }

    /// The route; `None` for an unknown path.
    pub(crate) fn matched(&self) -> Option<&Arc<dyn Matched>> {
        self.matched.as_ref()
    }

    pub(crate) fn set_subprotocol(&mut self, subprotocol: Option<&'static str>) {
        self.subprotocol = subprotocol;
    }

    /// Stores the route and decodes its parameters.
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

    /// Returns the same handshake in as little memory as possible, for the lifetime of the
    /// connection.
    pub(crate) fn compact(mut self) -> Self {
        self.head.compact();
        self
    }
}

/// Dropping the kept values may panic; the panic is caught and logged here, as in `ContextMap`.
impl Drop for Handshake {
    fn drop(&mut self) {
        drop_caught("the kept values of a handshake", self.kept.take());
    }
}

/// Prints no headers and no query, because they may contain secrets.
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
