//! 鉴权中间件 / the auth middleware: who may connect is decided in the handshake, before there is a connection.
//!
//! Of the how-to's two moments this is the one that it recommends: a client without a good token reads an HTTP answer
//! instead of an open connection that closes. Where the token is looked for says `token`. The middleware puts the claims
//! into the context, where every callback of the connection finds them, and when they expire the connection is closed
//! with 4401.

use axum::http::{HeaderValue, header};
use ws_core::prelude::*;

use crate::{
    errors::{self, ErrorCode, Teapot},
    login::{Claims, Verifier},
    token::find_token,
};

/// The routes that pass without a token; all others that name [`websocket_auth`] need one.
const OPEN_ROUTES: [&str; 1] = ["/wss/echo"];

/// What tokens are checked by: in the handshake by [`websocket_auth`], at `/wss/late` in `on_open`.
#[derive(Clone)]
pub(crate) struct Auth {
    /// Checks the tokens.
    pub(crate) verifier: Verifier,
    /// Whether [`websocket_auth`] looks at tokens at all: `JWT_OPEN`.
    pub(crate) is_open_check: bool,
}

impl Auth {
    /// As `JWT_OPEN` says; without it, tokens are looked at.
    ///
    /// # Errors
    /// When `JWT_OPEN` is neither `true` nor `false`.
    pub(crate) fn from_env(verifier: Verifier) -> std::result::Result<Self, String> {
        let is_open_check = match std::env::var_os("JWT_OPEN") {
            None => true,
            Some(value) if value == "true" => true,
            Some(value) if value == "false" => false,
            Some(value) => return Err(format!("JWT_OPEN is {value:?}; write `true` or `false`")),
        };
        Ok(Self { verifier, is_open_check })
    }

    /// Who asks for a connection, by the token that the handshake brings.
    ///
    /// # Errors
    /// What to answer when it brings none, or a bad one. The log says why it is bad, and never the token.
    pub(crate) fn check(&self, handshake: &Handshake) -> std::result::Result<Claims, ErrorCode> {
        self.verifier.verify(find_token(handshake)?).map_err(|_| errors::DO_JWT_FAIL)
    }
}

/// Lets those through who bring a good token: `WebSocketAuthMiddleware`.
#[ws_middleware(scope = "route", security("bearer", "subprotocol", "query:token"))]
pub(crate) async fn websocket_auth(
    mut handshake: Handshake,
    next: Next<'_>,
    State(auth): State<Auth>,
) -> Result<Response> {
    let is_open = handshake.route().is_some_and(|route| OPEN_ROUTES.contains(&route));
    if is_open || !auth.is_open_check {
        return next.run(handshake).await;
    }
    match auth.check(&handshake) {
        Ok(claims) => {
            handshake.context_mut().set(claims);
            next.run(handshake).await
        }
        Err(code) => Ok(unauthorized(code)),
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

/// A 401, which names the scheme that is wanted (RFC 6750 section 3).
fn unauthorized(code: ErrorCode) -> Response {
    let mut response = Body::json(StatusCode::UNAUTHORIZED, &code);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
