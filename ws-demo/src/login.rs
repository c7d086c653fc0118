//! The HTTP side: `POST /login` gives a token, `GET /whoami` says whose it is.
//!
//! The how-to leaves the login to the HTTP server that it already has, and so does the demo: an axum router on the
//! server `http`, beside the WebSocket server and of the same process. [`Tokens`] makes the JSON Web Tokens, which is the
//! login's business; checking them is ws-core's ([`Verifier`]), asked by `middleware` in the handshake.

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

/// How long a token is good for if `WS_DEMO_TOKEN_TTL` does not say otherwise, in seconds.
const LIFETIME_SECONDS: u64 = 2 * 60 * 60;
/// The longest lifetime of a token, in seconds: 30 days.
const LONGEST_LIFETIME_SECONDS: u64 = 30 * 24 * 60 * 60;

/// HS256 wants a secret as long as its hash (RFC 7518 section 3.2), in bytes.
const SECRET_BYTES: usize = 32;

/// The largest body that a login may have, in bytes.
const LOGIN_BYTES: usize = 4 << 10;

/// What a token says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The application's part.
    pub(crate) data: Subject,
    /// When it was made, in seconds since 1970.
    pub(crate) iat: u64,
    /// When it expires, in seconds since 1970.
    pub(crate) exp: u64,
}

/// Who logged in.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The id in the users table.
    pub(crate) uid: Uid,
}

/// What tokens are checked by, in the handshake and in `on_open`.
pub(crate) type Verifier = JwtVerifier<Session>;

/// What a checked token said.
pub(crate) type Claims = jwt::Claims<Session>;

/// Makes tokens; a handle that is cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens {
    key: Arc<EncodingKey>,
    /// In seconds.
    lifetime: u64,
}

/// Tokens signed with `JWT_SECRET`, and what checks them; without one, with a secret that this start draws, so that the
/// tokens of one start mean nothing to the next.
///
/// # Errors
/// When the secret is too short, the lifetime is not one, or the system has no random numbers to give.
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

/// The lifetime of tokens in seconds, as `WS_DEMO_TOKEN_TTL` has it.
fn lifetime(value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(seconds @ 1..=LONGEST_LIFETIME_SECONDS) => Ok(seconds),
        _ => Err(format!(
            "WS_DEMO_TOKEN_TTL is {value:?}; write a number of seconds, 1 to {LONGEST_LIFETIME_SECONDS}"
        )),
    }
}

/// Whether the tokens are signed with a secret that other processes can have, too.
pub(crate) fn has_secret() -> bool {
    secret().is_some()
}

fn secret() -> Option<String> {
    std::env::var("JWT_SECRET").ok().filter(|secret| !secret.is_empty())
}

/// Tokens signed with this secret, and what checks them: `exp` has to be there, and to come.
fn tokens(secret: &[u8], lifetime: u64) -> Result<(Tokens, Verifier), KeyError> {
    let verifier = JwtVerifier::builder(Key::hs256(secret)?).claims().build();
    Ok((Tokens { key: Arc::new(EncodingKey::from_secret(secret)), lifetime }, verifier))
}

impl Tokens {
    /// A token for a user.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn issue(&self, uid: Uid) -> jsonwebtoken::errors::Result<String> {
        let iat = get_current_timestamp();
        let session = Session { data: Subject { uid }, iat, exp: iat + self.lifetime };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &session, &self.key)
    }
}

/// What the HTTP handlers share.
#[derive(Clone)]
struct Login {
    callers: Callers,
    tokens: Tokens,
}

/// The login on the server `http`.
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

/// `{"account": "jerry", "password": "jerry-demo"}` for `{"token": ".."}`.
async fn login(State(state): State<Login>, body: Result<Json<Credentials>, JsonRejection>) -> Response {
    let Json(Credentials { account, password }) = match body {
        Ok(body) => body,
        // JSON of another shape (422) is as malformed as no JSON at all.
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

/// `{"account": "jerry"}` for a good token in the header.
///
/// A browser hides the status of a refused handshake. This is where a page learns that its token was
/// the reason.
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
    /// The response to a request without a token, with a bad one, or of an account that was removed.
    pub(crate) async fn account(&self, headers: &HeaderMap) -> Result<String, Response> {
        let token = token::of_request(headers).map_err(unauthorized)?;
        let claims = self.verifier.verify(token).map_err(|_| unauthorized(errors::DO_JWT_FAIL))?;
        let account = self.users.account(claims.data.uid).await.map_err(|error| fail(&error))?;
        account.ok_or_else(|| refuse(StatusCode::FORBIDDEN, errors::ACCOUNT_GONE))
    }
}

/// A 401, which names the scheme that is wanted (RFC 6750 section 3).
fn unauthorized(code: ErrorCode) -> Response {
    ([(header::WWW_AUTHENTICATE, "Bearer")], refuse(StatusCode::UNAUTHORIZED, code)).into_response()
}

/// An answer in the shape of every refusal.
pub(crate) fn refuse(status: StatusCode, code: ErrorCode) -> Response {
    (status, Json(code)).into_response()
}

/// The inner text goes to the log, the outer one to the client.
pub(crate) fn fail(error: &impl std::error::Error) -> Response {
    tracing::error!(%error, "an HTTP request failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, errors::SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of no less than 32 bytes";

    #[test]
    fn a_token_says_who_and_until_when() {
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
    fn tokens_of_another_secret_mean_nothing() {
        let (_, verifier) = tokens(SECRET, 60).unwrap();
        let (others, _) = tokens(b"another secret of at least 32 bytes", 60).unwrap();
        assert!(verifier.verify(others.issue(7).unwrap()).is_err());
    }
}
