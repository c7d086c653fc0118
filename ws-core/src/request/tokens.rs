//! [`TokenSources`]: the places of a handshake where a token may be, and the methods of
//! [`Handshake`] that read them.
//!
//! A browser's script cannot set `Authorization`, so there are three more places, each with its own
//! cost. This module only finds a token; it never verifies one.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};

use super::Handshake;
use crate::error::{Error, HandshakeError, Result};

/// The prefix of a subprotocol that is a token.
pub(crate) const BEARER: &str = "bearer.";

/// The places where a token is searched, in this order; the first place that has one is used.
///
/// | place | for | cost |
/// |---|---|---|
/// | `Authorization: Bearer <token>` | every client that can set headers | none; always searched |
/// | `Sec-WebSocket-Protocol: chat.v1, bearer.<base64url of the token>` | browsers | none; always searched. A browser fails the connection unless one of the offered subprotocols is chosen. A token is never chosen, so the page offers a second subprotocol that the controller lists |
/// | [a cookie](Self::cookie) | browsers that logged in on a page of the same site | needs the [Origin policy](crate::config::Origin): a browser sends cookies with the requests of every page |
/// | [the query](Self::query) | clients without another way | the token is part of the URL, so every proxy on the path may log it |
///
/// The script of a page, for the second place:
///
/// ```
/// use ws_core::handshake::TokenSources;
/// use ws_core::prelude::*;
///
/// const SOURCES: TokenSources = TokenSources::new().cookie("session");
///
/// #[ws_middleware(scope = "route")]
/// async fn require_token(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
///     let token = handshake.token(&SOURCES)?;
///     if token != "open sesame" {
///         return Err(Error::new("a wrong token").status(401));
///     }
///     next.run(handshake).await
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct TokenSources {
    cookie: Option<&'static str>,
    query: Option<&'static str>,
}

impl TokenSources {
    /// Searches the header and the subprotocol.
    pub const fn new() -> Self {
        Self { cookie: None, query: None }
    }

    /// Searches the cookie of this name, too.
    pub const fn cookie(mut self, name: &'static str) -> Self {
        self.cookie = Some(name);
        self
    }

    /// Searches the query parameter of this name, too.
    pub const fn query(mut self, name: &'static str) -> Self {
        self.query = Some(name);
        self
    }
}

/// A place from which a middleware accepts a token, for documents: `security(..)` of
/// `#[ws_middleware]`. Nothing verifies it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// A subprotocol `bearer.<base64url of the token>`.
    Subprotocol,
    /// The cookie of this name.
    Cookie(&'static str),
    /// The query parameter of this name.
    Query(&'static str),
}

impl Handshake {
    /// Returns the token from the first of these places that has one.
    ///
    /// # Errors
    /// [`HandshakeError::TokenMissing`], a 401, if none of them has a token, and the errors of
    /// [`subprotocol_token`](Self::subprotocol_token) and [`cookie_token`](Self::cookie_token).
    pub fn token(&self, sources: &TokenSources) -> Result<Cow<'_, str>> {
        if let Ok(token) = self.bearer_token() {
            return Ok(token.into());
        }
        if let Some(token) = found(self.subprotocol_token().map_err(Error::from))? {
            return Ok(token.into());
        }
        if let Some(name) = sources.cookie
            && let Some(token) = found(self.cookie_token(name))?
        {
            return Ok(token.into());
        }
        let query = sources.query.and_then(|name| self.query_param(name));
        query.filter(|token| !token.is_empty()).ok_or_else(|| HandshakeError::TokenMissing.into())
    }

    /// Returns the token of an offered subprotocol `bearer.<base64url of the token>`, without
    /// padding (RFC 4648 section 5).
    ///
    /// This is not treated as a subprotocol: [`offered_subprotocols`](Self::offered_subprotocols)
    /// omits it, and it is never chosen.
    ///
    /// # Errors
    /// [`HandshakeError::TokenMissing`] if there is none, [`HandshakeError::TokenEncoding`] if it
    /// is not the base64url of UTF-8. Both are a 401.
    pub fn subprotocol_token(&self) -> Result<String, HandshakeError> {
        self.note_bearer_request();
        let encoded = super::lists::tokens(self.headers(), &header::SEC_WEBSOCKET_PROTOCOL)
            .find_map(|offered| offered.strip_prefix(BEARER))
            .filter(|encoded| !encoded.is_empty())
            .ok_or(HandshakeError::TokenMissing)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| HandshakeError::TokenEncoding)?;
        String::from_utf8(bytes).map_err(|_| HandshakeError::TokenEncoding)
    }

    /// Returns the token in the cookie of this name.
    ///
    /// # Errors
    /// [`HandshakeError::TokenMissing`], a 401, if there is none. A 500 and a log line if the
    /// server's Origin policy is `any`: browsers send the cookie for every page, so any page could
    /// connect as its user.
    pub fn cookie_token(&self, name: &str) -> Result<&str> {
        if !self.origin_is_checked() {
            return Err(Error::new(
                "a token in a cookie needs an Origin policy other than `any`; write `same_host` or `listed` in `[servers.origin]`",
            ));
        }
        self.cookie(name).filter(|token| !token.is_empty()).ok_or_else(|| HandshakeError::TokenMissing.into())
    }
}

/// Converts `TokenMissing` into `None`, because the next place may have a token.
fn found<T>(token: Result<T>) -> Result<Option<T>> {
    match token {
        Ok(token) => Ok(Some(token)),
        Err(error) if error.downcast_ref() == Some(&HandshakeError::TokenMissing) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an offered subprotocol is a token.
pub(crate) fn is_token(offered: &str) -> bool {
    offered.starts_with(BEARER)
}

/// Marks the headers that may contain a token as sensitive, so that they are not printed.
pub(crate) fn hide(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, header::SEC_WEBSOCKET_PROTOCOL] {
        if let header::Entry::Occupied(mut lines) = headers.entry(name) {
            lines.iter_mut().for_each(|line| line.set_sensitive(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(query: &str, headers: &[(&'static str, &str)], origin_is_checked: bool) -> Handshake {
        let mut request = http::Request::get(format!("/x{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        hide(&mut parts.headers);
        let mut handshake = Handshake::new(parts, "ws".into(), None);
        handshake.set_origin_is_checked(origin_is_checked);
        handshake
    }

    const ALL: TokenSources = TokenSources::new().cookie("session").query("token");

    #[test]
    fn the_first_place_that_has_a_token_counts() {
        let (bearer, protocol) = (("authorization", "Bearer a"), ("sec-websocket-protocol", "v1, bearer.Yg"));
        let (cookie, query) = (("cookie", "x=1; session=c"), "?token=d%2B");
        for (name, sources, query, headers, expected) in [
            ("all", ALL, query, &[bearer, protocol, cookie][..], Ok("a")),
            ("no header", ALL, query, &[protocol, cookie], Ok("b")),
            ("no subprotocol", ALL, query, &[cookie], Ok("c")),
            ("no cookie", ALL, query, &[], Ok("d+")),
            ("nothing", ALL, "", &[], Err(401)),
            ("empty ones", ALL, "?token=", &[("authorization", "Bearer "), ("cookie", "session=")], Err(401)),
            ("an empty subprotocol", ALL, query, &[("sec-websocket-protocol", "bearer.")], Ok("d+")),
            ("another scheme", ALL, query, &[("authorization", "Basic eDp5")], Ok("d+")),
            ("no cookie unless asked", TokenSources::new(), "", &[cookie], Err(401)),
            ("no query unless asked", TokenSources::new().cookie("session"), query, &[], Err(401)),
            ("over two lines", ALL, "", &[("sec-websocket-protocol", "v1"), protocol], Ok("b")),
            ("no base64url", ALL, query, &[("sec-websocket-protocol", "bearer.a.b.c")], Err(401)),
            ("padded", ALL, query, &[("sec-websocket-protocol", "bearer.Yg==")], Err(401)),
            ("no UTF-8", ALL, query, &[("sec-websocket-protocol", "bearer._w")], Err(401)),
        ] {
            let handshake = handshake(query, headers, true);
            let token = handshake.token(&sources);
            let token = token.as_deref().map_err(|error| error.http_status().as_u16());
            assert_eq!(token, expected, "{name}");
        }
    }

    #[test]
    fn a_cookie_token_needs_an_origin_policy() {
        let cookie = [("cookie", "session=c")];
        assert_eq!(handshake("", &cookie, true).cookie_token("session").unwrap(), "c");
        let unchecked = handshake("", &cookie, false);
        let error = unchecked.cookie_token("session").unwrap_err();
        assert_eq!((error.http_status().as_u16(), error.public_text()), (500, None));
        assert!(error.to_string().contains("Origin policy"), "{error}");
        assert_eq!(unchecked.token(&ALL).unwrap_err().http_status(), 500);
        assert_eq!(unchecked.token(&TokenSources::new()).unwrap_err().http_status(), 401);
    }

    #[test]
    fn a_token_is_not_a_subprotocol_and_is_never_printed() {
        let headers = [
            ("authorization", "Bearer c2VjcmV0"),
            ("sec-websocket-protocol", "v1, bearer.c2VjcmV0, v2"),
            ("cookie", "session=c2VjcmV0"),
        ];
        let handshake = handshake("?token=c2VjcmV0", &headers, true);
        assert_eq!(handshake.offered_subprotocols().collect::<Vec<_>>(), ["v1", "v2"]);
        assert_eq!(handshake.subprotocol_token().unwrap(), "secret");
        let printed = format!("{handshake:?} {:?}", handshake.headers());
        assert!(printed.contains("/x") && !printed.contains("c2VjcmV0"), "{printed}");
    }
}
