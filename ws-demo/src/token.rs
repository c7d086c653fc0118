//! 鉴权方式 / four ways to bring a token: two places to put it, two moments to check it.
//!
//! | | in the header `Authorization` | in the query, `?token=` |
//! |---|---|---|
//! | **in the handshake** (`/wss/demo`) | the one to choose | for browsers, which cannot set headers |
//! | **in `on_open`** (`/wss/late`) | when a client must read why, and can read close codes only | the same, for browsers |
//!
//! A header is what HTTP has for this, and logs leave it out. A query is part of the address: it ends up in the access
//! logs of every proxy on the way and of whoever else writes addresses down. This program writes none; it cannot speak
//! for the others. What the second moment costs is said at `controllers/late`.

use std::borrow::Cow;

use axum::http::header;
use ws_core::prelude::*;

/// The token of a handshake: of the `Authorization` header if it has one, else of the query.
///
/// The one place that knows where tokens are: the middleware and `on_open` both ask here.
pub(crate) fn find_token(handshake: &Handshake) -> Option<Cow<'_, str>> {
    handshake
        .header(header::AUTHORIZATION)
        .map(without_scheme)
        .filter(|token| !token.is_empty())
        .map(Cow::Borrowed)
        .or_else(|| handshake.query_param("token").filter(|token| !token.is_empty()))
}

/// The token of an `Authorization` header, with the scheme `Bearer` (in any case) or without.
fn without_scheme(authorization: &str) -> &str {
    let authorization = authorization.trim();
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        None if authorization.eq_ignore_ascii_case("bearer") => "",
        _ => authorization,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_come_with_or_without_its_scheme() {
        for authorization in ["a.b.c", "Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", "  Bearer a.b.c  "] {
            assert_eq!(without_scheme(authorization), "a.b.c", "{authorization:?}");
        }
        for authorization in ["", "  ", "Bearer", "bearer "] {
            assert_eq!(without_scheme(authorization), "", "{authorization:?}");
        }
        assert_eq!(without_scheme("Bearera.b.c"), "Bearera.b.c");
        assert_eq!(without_scheme("Basic amVycnk6"), "Basic amVycnk6", "another scheme is no token of ours");
    }
}
