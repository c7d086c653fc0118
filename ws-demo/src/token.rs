//! 鉴权方式 / ways to bring a token: three places to put it, two moments to check it.
//!
//! | | in the header `Authorization` | as the subprotocol `bearer.<base64url>` | in the query, `?token=` |
//! |---|---|---|---|
//! | **in the handshake** (`/wss/demo`) | the one to choose | for browsers, which cannot set headers | where neither can be had |
//! | **in `on_open`** (`/wss/late`) | when a client must read why, and can read close codes only | the same, for browsers | the same |
//!
//! A header is what HTTP has for this, and logs leave it out. So they do with a subprotocol, which is a header too; the
//! server never chooses this one, so a page offers a real one beside it. A query is part of the address: it ends up in
//! the access logs of every proxy on the way and of whoever else writes addresses down. This program writes none; it
//! cannot speak for the others. What the second moment costs is said at `controllers/late`.

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use ws_core::{error::HandshakeError, handshake::TokenSources, prelude::*};

use crate::errors::{self, ErrorCode};

/// The header and the subprotocol, which are always looked at, and the query.
const SOURCES: TokenSources = TokenSources::new().query("token");

/// The token of a handshake, from the first place that has one.
///
/// The one place that knows where tokens are: the middleware and `on_open` both ask here.
///
/// # Errors
/// What to answer when there is none.
pub(crate) fn find_token(handshake: &Handshake) -> Result<Cow<'_, str>, ErrorCode> {
    if let Some(token) = handshake.header(header::AUTHORIZATION).and_then(without_scheme) {
        return Ok(token.into());
    }
    handshake.token(&SOURCES).map_err(|error| match error.downcast_ref() {
        Some(HandshakeError::TokenEncoding) => errors::DO_JWT_FAIL,
        _ => errors::JWT_EMPTY_ERR,
    })
}

/// The token of a request over HTTP: the header is its one place, written as in a handshake.
///
/// # Errors
/// What to answer when there is none.
pub(crate) fn of_request(headers: &HeaderMap) -> Result<&str, ErrorCode> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let with_scheme = || value.trim().get("Bearer".len()..);
    let token = without_scheme(value).or_else(with_scheme).map(str::trim).unwrap_or_default();
    if token.is_empty() { Err(errors::JWT_EMPTY_OVER_HTTP) } else { Ok(token) }
}

/// The token of an `Authorization` header that names no scheme `Bearer`: the how-to takes it as it is.
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
    fn over_http_the_header_is_read_as_in_a_handshake() {
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
            "no good one, which is not said here"
        );
    }
}
