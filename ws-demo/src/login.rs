//! The HTTP side: `POST /login` gives a token.
//!
//! The how-to leaves the login to the HTTP server that it already has, and so does the demo: an axum router on the
//! server `http`, beside the WebSocket server and of the same process. [`Tokens`] makes the JSON Web Tokens, which is the
//! login's business; checking them is ws-core's ([`Verifier`]), asked by `middleware` in the handshake.

use std::{error::Error, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp};
use serde::{Deserialize, Serialize};
use ws_core::jwt::{self, JwtVerifier, Key, KeyError};

use crate::{
    errors::{self, ErrorCode},
    users::{Uid, Users},
};

/// How long a token is good for, in seconds.
const LIFETIME_SECONDS: u64 = 2 * 60 * 60;

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
pub(crate) struct Tokens(Arc<EncodingKey>);

/// Tokens signed with `JWT_SECRET`, and what checks them; without one, with a secret that this start draws, so that the
/// tokens of one start mean nothing to the next.
///
/// # Errors
/// When the secret is too short, or the system has no random numbers to give.
pub(crate) fn tokens_from_env() -> Result<(Tokens, Verifier), Box<dyn Error>> {
    match std::env::var("JWT_SECRET") {
        Ok(secret) if !secret.is_empty() => {
            tokens(secret.as_bytes()).map_err(|error| format!("JWT_SECRET: {error}").into())
        }
        _ => {
            let mut secret = [0; SECRET_BYTES];
            getrandom::fill(&mut secret)?;
            Ok(tokens(&secret)?)
        }
    }
}

/// Tokens signed with this secret, and what checks them: `exp` has to be there, and to come.
fn tokens(secret: &[u8]) -> Result<(Tokens, Verifier), KeyError> {
    let verifier = JwtVerifier::builder(Key::hs256(secret)?).claims().build();
    Ok((Tokens(Arc::new(EncodingKey::from_secret(secret))), verifier))
}

impl Tokens {
    /// A token for a user.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn issue(&self, uid: Uid) -> jsonwebtoken::errors::Result<String> {
        let iat = get_current_timestamp();
        let session = Session { data: Subject { uid }, iat, exp: iat + LIFETIME_SECONDS };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &session, &self.0)
    }
}

/// What the HTTP handlers share.
#[derive(Clone)]
struct Login {
    users: Users,
    tokens: Tokens,
}

/// The login on the server `http`.
pub(crate) fn router(users: Users, tokens: Tokens) -> Router {
    Router::new()
        .route("/login", post(login).layer(DefaultBodyLimit::max(LOGIN_BYTES)))
        .with_state(Login { users, tokens })
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
    let uid = match state.users.login(account, password).await {
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
        let (tokens, verifier) = tokens(SECRET).unwrap();
        let claims = verifier.verify(tokens.issue(7).unwrap()).unwrap();
        assert_eq!(claims.data, Subject { uid: 7 });
        assert_eq!(claims.exp - claims.iat, LIFETIME_SECONDS);
        let json = serde_json::to_string(&*claims).unwrap();
        assert_eq!(json, format!(r#"{{"data":{{"uid":7}},"iat":{},"exp":{}}}"#, claims.iat, claims.exp));
    }

    #[test]
    fn tokens_of_another_secret_mean_nothing() {
        let (_, verifier) = tokens(SECRET).unwrap();
        let (others, _) = tokens(b"another secret of at least 32 bytes").unwrap();
        assert!(verifier.verify(others.issue(7).unwrap()).is_err());
    }
}
