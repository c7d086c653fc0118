//! The HTTP side: `POST /login` returns a token, `GET /whoami` the account of a token.
//!
//! In the how-to an existing HTTP server does the login. Here it is an axum router on the server
//! `http`, in the same process as the WebSocket server. [`Tokens`] makes the JSON Web Tokens.
//! ws-core checks them ([`Verifier`]), called by `middleware` in the handshake.

use std::{error::Error, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde::{Deserialize, Serialize};
use ws_core::jwt::{self, JwtVerifier, Key, KeyError};

use crate::{
    errors::{self, ErrorCode},
    token,
    users::{Uid, Users},
};

/// The default lifetime of a token, in seconds. `WS_DEMO_TOKEN_TTL` overrides it.
const LIFETIME_SECONDS: u64 = 2 * 60 * 60;
/// The longest lifetime of a token, in seconds: 30 days.
const LONGEST_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;

/// The least length of a secret, in bytes: HS256 needs one as long as its hash (RFC 7518 section
/// 3.2).
const SECRET_BYTES: usize = 32;

/// The largest body of a login, in bytes.
const LOGIN_BYTES: usize = 4 << 10;

/// The claims of a token.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The claims of the application.
    pub(crate) data: Subject,
    /// The time of issue, in seconds since 1970.
    pub(crate) iat: u64,
    /// The time of expiry, in seconds since 1970.
    pub(crate) exp: u64,
}

/// The user who logged in.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The id in the users table.
    pub(crate) uid: Uid,
}

/// Checks tokens, in the handshake and in `on_open`.
pub(crate) type Verifier = JwtVerifier<Session>;

/// The claims of a checked token.
pub(crate) type Claims = jwt::Claims<Session>;

/// Makes tokens; a handle that is cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens {
    key: Arc<EncodingKey>,
    /// The lifetime of a token, in seconds.
    lifetime: u64,
}

/// Returns the maker and the verifier of tokens that are signed with `JWT_SECRET`. Without it, each
/// start draws a secret, so the tokens of one start are invalid in the next.
///
/// # Errors
///
/// If the secret is too short, the lifetime is invalid, or the system cannot provide random
/// numbers.
pub(crate) fn tokens_from_env() -> Result<(Tokens, Verifier), Box<dyn Error>> {
    let lifetime = match std::env::var_os("WS_DEMO_TOKEN_TTL") {
        Some(value) => lifetime(&value.to_string_lossy())?,
        None => LIFETIME_SECONDS,
    };
    match secret() {
        Some(secret) => {
            tokens(secret.as_bytes(), lifetime).map_err(|error| format!("JWT_SECRET: {error}").into())
        }
        None => {
            let mut secret = [0; SECRET_BYTES];
            getrandom::fill(&mut secret)?;
            Ok(tokens(&secret, lifetime)?)
        }
    }
}

/// Parses `WS_DEMO_TOKEN_TTL`, in seconds.
fn lifetime(value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(seconds @ 1..=LONGEST_LIFETIME_SECONDS) => Ok(seconds),
        _ => Err(format!(
            "WS_DEMO_TOKEN_TTL is {value:?}; write a number of seconds, 1 to {LONGEST_LIFETIME_SECONDS}"
        )),
    }
}

/// Whether the secret is configured, so that other processes can have the same one.
pub(crate) fn has_secret() -> bool {
    secret().is_some()
}

fn secret() -> Option<String> {
    std::env::var("JWT_SECRET").ok().filter(|secret| !secret.is_empty())
}

/// Returns the maker and the verifier for this secret. The verifier requires `exp` in the future.
fn tokens(secret: &[u8], lifetime: u64) -> Result<(Tokens, Verifier), KeyError> {
    let verifier = JwtVerifier::builder(Key::hs256(secret)?).claims().build();
    Ok((Tokens { key: Arc::new(EncodingKey::from_secret(secret)), lifetime }, verifier))
}

impl Tokens {
    /// Makes a token for a user.
    ///
    /// # Errors
    ///
    /// If the token cannot be signed.
    pub(crate) fn issue(&self, uid: Uid) -> jsonwebtoken::errors::Result<String> {
        let iat = get_current_timestamp();
        let session = Session { data: Subject { uid }, iat, exp: iat + self.lifetime };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &session, &self.key)
    }
}

/// The state of the HTTP handlers.
#[derive(Clone)]
struct Login {
    callers: Callers,
    tokens: Tokens,
}

/// The routes of the login, on the server `http`.
pub(crate) fn router(callers: Callers, tokens: Tokens) -> Router {
    Router::new()
        .route("/login", post(login).layer(DefaultBodyLimit::max(LOGIN_BYTES)))
        .route("/whoami", get(whoami))
        .with_state(Login { callers, tokens })
}

/// The body of `POST /login`.
#[derive(Deserialize)]
struct Credentials {
    account: String,
    password: String,
}

/// Returns `{"token": ".."}` for `{"account": "jerry", "password": "jerry-demo"}`.
async fn login(State(state): State<Login>, body: Result<Json<Credentials>, JsonRejection>) -> Response {
    let Json(Credentials { account, password }) = match body {
        Ok(body) => body,
        // JSON of another shape (422) is answered like a body that is not JSON.
        Err(rejection) if rejection.status() == StatusCode::UNPROCESSABLE_ENTITY => {
            return refuse(StatusCode::BAD_REQUEST, errors::LOGIN_MALFORMED);
        }
        Err(rejection) => return refuse(rejection.status(), errors::LOGIN_MALFORMED),
    };
    let uid = match state.callers.users.login(account, password).await {
        Ok(Some(uid)) => uid,
        Ok(None) => return refuse(StatusCode::UNAUTHORIZED, errors::LOGIN_FAIL),
        Err(error) => return fail(&error),
    };
    match state.tokens.issue(uid) {
        Ok(token) => ([(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "token": token })))
            .into_response(),
        Err(error) => fail(&error),
    }
}

/// Returns `{"account": "jerry"}` for a valid token in the header.
///
/// A browser hides the status of a refused handshake from scripts. With this request a page learns
/// whether its token was the reason.
async fn whoami(State(state): State<Login>, headers: HeaderMap) -> Response {
    match state.callers.account(&headers).await {
        Ok(account) => {
            ([(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "account": account })))
                .into_response()
        }
        Err(refusal) => refusal,
    }
}

/// Finds the account that makes an HTTP request, by the token of the request.
#[derive(Clone)]
pub(crate) struct Callers {
    /// The users.
    pub(crate) users: Users,
    /// Checks the tokens.
    pub(crate) verifier: Verifier,
}

impl Callers {
    /// Returns the account.
    ///
    /// # Errors
    ///
    /// The response to a request whose token is missing or invalid, or whose account was removed.
    pub(crate) async fn account(&self, headers: &HeaderMap) -> Result<String, Response> {
        let token = token::of_request(headers).map_err(unauthorized)?;
        let claims = self.verifier.verify(token).map_err(|_| unauthorized(errors::DO_JWT_FAIL))?;
        let account = self.users.account(claims.data.uid).await.map_err(|error| fail(&error))?;
        account.ok_or_else(|| refuse(StatusCode::FORBIDDEN, errors::ACCOUNT_GONE))
    }
}

/// Answers 401 with the required scheme (RFC 6750 section 3).
fn unauthorized(code: ErrorCode) -> Response {
    ([(header::WWW_AUTHENTICATE, "Bearer")], refuse(StatusCode::UNAUTHORIZED, code)).into_response()
}

/// Answers with the body of a refusal.
pub(crate) fn refuse(status: StatusCode, code: ErrorCode) -> Response {
    (status, Json(code)).into_response()
}

/// Logs the inner text and answers with the public one.
pub(crate) fn fail(error: &impl std::error::Error) -> Response {
    tracing::error!(%error, "an HTTP request failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, errors::SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of no less than 32 bytes";

    #[test]
    fn a_token_has_the_user_and_the_expiry() {
        let (tokens, verifier) = tokens(SECRET, 60).unwrap();
        let claims = verifier.verify(tokens.issue(7).unwrap()).unwrap();
        assert_eq!(claims.data, Subject { uid: 7 });
        assert_eq!(claims.exp - claims.iat, 60);
        let json = serde_json::to_string(&*claims).unwrap();
        assert_eq!(json, format!(r#"{{"data":{{"uid":7}},"iat":{},"exp":{}}}"#, claims.iat, claims.exp));
    }

    #[test]
    fn a_lifetime_is_a_number_of_seconds() {
        assert_eq!(lifetime("5"), Ok(5));
        for value in ["", "0", "-1", "2h", "2592001"] {
            assert!(lifetime(value).unwrap_err().contains("WS_DEMO_TOKEN_TTL"), "{value:?}");
        }
    }

    #[test]
    fn a_token_of_another_secret_is_refused() {
        let (_, verifier) = tokens(SECRET, 60).unwrap();
        let (others, _) = tokens(b"another secret of at least 32 bytes", 60).unwrap();
        assert!(verifier.verify(others.issue(7).unwrap()).is_err());
    }
}
