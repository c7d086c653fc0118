//! 鉴权方式 / the token of a handshake: three places for it, two moments to check it.
//!
//! | | in the header `Authorization` | as the subprotocol `bearer.<base64url>` | in the query, `?token=` |
//! |---|---|---|---|
//! | **in the handshake** (`/wss/demo`) | recommended | for browsers, which cannot set headers | if neither is possible |
//! | **in `on_open`** (`/wss/late`) | for clients that need the reason and can read only close codes | the same, for browsers | the same |
//!
//! HTTP clients send a token in this header, and logs leave it out. They also leave out the
//! subprotocol, which is a header, too. The server never chooses this subprotocol, so a page must
//! offer another one beside it. A query is part of the address, so it may appear in the access log
//! of every proxy on the way. This program logs no query. `controllers/late` describes the cost of
//! the second moment.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use ws_core::{error::HandshakeError, handshake::TokenSources, prelude::*};

use crate::errors::{self, ErrorCode};

/// The header and the subprotocol, which are always read, and the query.
const SOURCES: TokenSources = TokenSources::new().query("token");

/// Finds the token of a handshake: the first place that has one.
///
/// The middleware and `on_open` both call this, so the places are defined once.
///
/// # Errors
///
/// The answer without a token.
pub(crate) fn find_token(handshake: &Handshake) -> Result<Cow<'_, str>, ErrorCode> {
    if let Some(token) = handshake.header(header::AUTHORIZATION).and_then(without_scheme) {
        return Ok(token.into());
    }
    handshake.token(&SOURCES).map_err(|error| match error.downcast_ref() {
        Some(HandshakeError::TokenEncoding) => errors::DO_JWT_FAIL,
        _ => errors::JWT_EMPTY_ERR,
    })
}

/// Finds the token of an HTTP request. Only the header is read, with the rules of a handshake.
///
/// # Errors
///
/// The answer without a token.
pub(crate) fn of_request(headers: &HeaderMap) -> Result<&str, ErrorCode> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let with_scheme = || value.trim().get("Bearer".len()..);
    let token = without_scheme(value).or_else(with_scheme).map(str::trim).unwrap_or_default();
    if token.is_empty() { Err(errors::JWT_EMPTY_OVER_HTTP) } else { Ok(token) }
}

/// Returns the token of an `Authorization` header without the scheme `Bearer`, which the how-to
/// accepts.
fn without_scheme(authorization: &str) -> Option<&str> {
    let token = authorization.trim();
    let scheme = token.split(' ').next().unwrap_or_default();
    Some(token).filter(|_| !scheme.is_empty() && !scheme.eq_ignore_ascii_case("bearer"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn an_http_header_is_read_like_that_of_a_handshake() {
        for (authorization, token) in [
            ("Bearer a.b.c", Ok("a.b.c")),
            ("bearer   a.b.c ", Ok("a.b.c")),
            ("a.b.c", Ok("a.b.c")),
            ("BEARER", Err(errors::JWT_EMPTY_OVER_HTTP)),
            ("Bearer ", Err(errors::JWT_EMPTY_OVER_HTTP)),
            ("", Err(errors::JWT_EMPTY_OVER_HTTP)),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(authorization));
            assert_eq!(of_request(&headers), token, "{authorization:?}");
        }
        assert_eq!(of_request(&HeaderMap::new()), Err(errors::JWT_EMPTY_OVER_HTTP));
    }

    #[test]
    fn a_header_without_a_scheme_is_a_token() {
        for authorization in ["a.b.c", "  a.b.c  ", "Bearera.b.c"] {
            assert_eq!(without_scheme(authorization), Some(authorization.trim()), "{authorization:?}");
        }
        for authorization in ["", "  ", "Bearer", "bearer ", "Bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(without_scheme(authorization), None, "{authorization:?}");
        }
        assert_eq!(
            without_scheme("Basic amVycnk6"),
            Some("Basic amVycnk6"),
            "not valid, but this is not checked here"
        );
    }
}
