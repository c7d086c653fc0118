//! 鉴权中间件 / the auth middleware, which decides in the handshake whether a client may connect.
//!
//! The how-to recommends this moment over `on_open`: a client without a valid token gets an HTTP
//! answer instead of an open connection that closes. `token` has the places of a token. The
//! middleware puts the claims into the context, which every callback of the connection can read.
//! When they expire, the connection is closed with 4401.

use axum::http::{HeaderValue, header};
use ws_core::prelude::*;

use crate::{
    errors::{self, ErrorCode, Teapot},
    login::{Claims, Verifier},
    token::find_token,
};

/// The routes that need no token. All others that name [`websocket_auth`] need one.
const OPEN_ROUTES: [&str; 1] = ["/wss/echo"];

/// The check of tokens: in the handshake by [`websocket_auth`], at `/wss/late` in `on_open`.
#[derive(Clone)]
pub(crate) struct Auth {
    /// Checks the tokens.
    pub(crate) verifier: Verifier,
    /// Whether [`websocket_auth`] checks tokens at all: `JWT_OPEN`.
    pub(crate) is_open_check: bool,
}

impl Auth {
    /// Reads `JWT_OPEN`. Without it, tokens are checked.
    ///
    /// # Errors
    ///
    /// If `JWT_OPEN` is neither `true` nor `false`.
    pub(crate) fn from_env(verifier: Verifier) -> std::result::Result<Self, String> {
        let is_open_check = match std::env::var_os("JWT_OPEN") {
            None => true,
            Some(value) if value == "true" => true,
            Some(value) if value == "false" => false,
            Some(value) => return Err(format!("JWT_OPEN is {value:?}; write `true` or `false`")),
        };
        Ok(Self { verifier, is_open_check })
    }

    /// Returns the claims of the handshake's token.
    ///
    /// # Errors
    ///
    /// The answer to a handshake whose token is missing or invalid. The log has the fault, and
    /// never the token.
    pub(crate) fn check(&self, handshake: &Handshake) -> std::result::Result<Claims, ErrorCode> {
        self.verifier.verify(find_token(handshake)?).map_err(|_| errors::DO_JWT_FAIL)
    }
}

/// Accepts handshakes with a valid token: `WebSocketAuthMiddleware`.
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

/// `/wss/errors?fail=..`: shows the answer to a handshake after an error of a middleware.
#[ws_middleware(scope = "route")]
pub(crate) async fn fail_on_request(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    match handshake.query_param("fail").as_deref() {
        // An error with its status and its public text.
        Some("teapot") => Err(Error::new(Teapot).status(418).public("I am a teapot")),
        // An error without a handler: a 500, and this text is only in the log.
        Some("unknown") => Err("the database is unreachable".into()),
        _ => next.run(handshake).await,
    }
}

/// Answers 401 with the required scheme (RFC 6750 section 3).
fn unauthorized(code: ErrorCode) -> Response {
    let mut response = Body::json(StatusCode::UNAUTHORIZED, &code);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
