//! 鉴权中间件 / the auth middleware: who may connect is decided in the handshake, before there is a connection.
//!
//! Of the how-to's ways this is the one that it recommends: the token travels in the `Authorization` header, and a
//! client without one reads an HTTP answer instead of an open connection that closes. The middleware puts the claims
//! into the context, where every callback of the connection finds them.

use axum::http::{HeaderValue, header};
use ws_core::prelude::*;

use crate::{
    errors::{self, ErrorCode, Teapot},
    login::Tokens,
};

/// The routes that pass without a token; all others that name [`websocket_auth`] need one.
const OPEN_ROUTES: [&str; 1] = ["/wss/echo"];

/// What [`websocket_auth`] goes by.
#[derive(Clone)]
pub(crate) struct Auth {
    /// Checks the tokens.
    pub(crate) tokens: Tokens,
    /// Whether tokens are looked at at all: `JWT_OPEN`.
    pub(crate) is_open_check: bool,
}

impl Auth {
    /// As `JWT_OPEN` says; without it, tokens are looked at.
    ///
    /// # Errors
    /// When `JWT_OPEN` is neither `true` nor `false`.
    pub(crate) fn from_env(tokens: Tokens) -> std::result::Result<Self, String> {
        let is_open_check = match std::env::var_os("JWT_OPEN") {
            None => true,
            Some(value) if value == "true" => true,
            Some(value) if value == "false" => false,
            Some(value) => return Err(format!("JWT_OPEN is {value:?}; write `true` or `false`")),
        };
        Ok(Self { tokens, is_open_check })
    }
}

/// Lets through who brings a good token: `WebSocketAuthMiddleware`.
#[ws_middleware(scope = "route")]
pub(crate) async fn websocket_auth(
    mut handshake: Handshake,
    next: Next<'_>,
    State(auth): State<Auth>,
) -> Result<Response> {
    let is_open = handshake.route().is_some_and(|route| OPEN_ROUTES.contains(&route));
    if is_open || !auth.is_open_check {
        return next.run(handshake).await;
    }
    let token = handshake.header(header::AUTHORIZATION).map(without_scheme).unwrap_or_default();
    if token.is_empty() {
        return Ok(unauthorized(errors::JWT_EMPTY_ERR));
    }
    match auth.tokens.explain(token) {
        Ok(claims) => {
            handshake.context_mut().set(claims);
            next.run(handshake).await
        }
        Err(error) => {
            tracing::debug!(%error, "a token was refused");
            Ok(unauthorized(errors::DO_JWT_FAIL))
        }
    }
}

/// `/wss/errors?fail=..`: how a handshake ends when a middleware fails.
#[ws_middleware(scope = "route")]
pub(crate) async fn fail_on_request(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    match handshake.query_param("fail").as_deref() {
        // An error that carries its status and what the client may read.
        Some("teapot") => Err(Error::new(Teapot).status(418).public("I am a teapot")),
        // An error that nobody claims: a 500, and none of this text leaves the process.
        Some("unknown") => Err("the cellar is flooded".into()),
        _ => next.run(handshake).await,
    }
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

/// A 401, which names the scheme that is wanted (RFC 6750 section 3).
fn unauthorized(code: ErrorCode) -> Response {
    let mut response = Body::json(StatusCode::UNAUTHORIZED, &code);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
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
