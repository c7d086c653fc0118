//! The HTTP side: `POST /login` gives a token, `GET /healthz` says that the process is there.
//!
//! The how-to leaves the login to the HTTP server that it already has, and so does the demo: an axum router on the
//! server `http`, beside the WebSocket server and of the same process. [`Tokens`] makes the JSON Web Tokens here, and
//! `middleware` reads them in the handshake.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, get_current_timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    errors::{self, ErrorCode},
    users::{Uid, Users},
};

/// How long a token is good for, in seconds.
const LIFETIME_SECONDS: u64 = 2 * 60 * 60;

/// How far the clocks of two machines may differ, in seconds.
const LEEWAY_SECONDS: u64 = 5;

/// HS256 wants a secret as long as its hash (RFC 7518 section 3.2), in bytes.
const SECRET_BYTES: usize = 32;

/// The largest body that a login may have, in bytes.
const LOGIN_BYTES: usize = 4 << 10;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The application's part.
    pub(crate) data: Subject,
    /// When it was made, in seconds since 1970.
    pub(crate) iat: u64,
    /// When it expires, in seconds since 1970.
    pub(crate) exp: u64,
}

/// Who logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subject {
    /// The id in the users table.
    pub(crate) uid: Uid,
}

/// Makes and checks tokens; a handle that is cheap to clone.
#[derive(Clone)]
pub(crate) struct Tokens(Arc<Keys>);

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Tokens signed with `JWT_SECRET`; without one, with a secret that this start draws, so that the tokens of one
    /// start mean nothing to the next.
    ///
    /// # Errors
    /// When the system has no random numbers to give.
    pub(crate) fn from_env() -> Result<Self, getrandom::Error> {
        match std::env::var("JWT_SECRET") {
            Ok(secret) if !secret.is_empty() => {
                if secret.len() < SECRET_BYTES {
                    tracing::warn!("JWT_SECRET is shorter than the {SECRET_BYTES} bytes that HS256 wants");
                }
                Ok(Self::new(secret.as_bytes()))
            }
            _ => {
                let mut secret = [0; SECRET_BYTES];
                getrandom::fill(&mut secret)?;
                Ok(Self::new(&secret))
            }
        }
    }

    /// Tokens signed with this secret.
    pub(crate) fn new(secret: &[u8]) -> Self {
        // What counts is said here and not left to defaults: this algorithm and no other, `exp` there and in the
        // future, `nbf` in the past where there is one.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.algorithms = vec![Algorithm::HS256];
        validation.set_required_spec_claims(&["exp"]);
        validation.validate_exp = true;
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        Self(Arc::new(Keys {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
        }))
    }

    /// A token for a user.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn issue(&self, uid: Uid) -> jsonwebtoken::errors::Result<String> {
        let iat = get_current_timestamp();
        let claims = Claims { data: Subject { uid }, iat, exp: iat + LIFETIME_SECONDS };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.0.encoding)
    }

    /// What a token says: `Jwt::explainJwt`.
    ///
    /// # Errors
    /// When it is none, was signed by somebody else, or has expired.
    pub(crate) fn explain(&self, token: &str) -> jsonwebtoken::errors::Result<Claims> {
        jsonwebtoken::decode(token, &self.0.decoding, &self.0.validation).map(|token| token.claims)
    }
}

/// What the HTTP handlers share.
#[derive(Clone)]
struct Login {
    users: Users,
    tokens: Tokens,
}

/// The routes of the server `http`, less the page.
pub(crate) fn router(users: Users, tokens: Tokens) -> Router {
    Router::new()
        .route("/login", post(login).layer(DefaultBodyLimit::max(LOGIN_BYTES)))
        .route("/healthz", get(async || "ok\n"))
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
fn refuse(status: StatusCode, code: ErrorCode) -> Response {
    (status, Json(code)).into_response()
}

/// The inner text goes to the log, the outer one to the client.
fn fail(error: &impl std::error::Error) -> Response {
    tracing::error!(%error, "a login failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, errors::SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::errors::ErrorKind;

    use super::*;

    const SECRET: &[u8] = b"a secret of no less than 32 bytes";

    fn signed(algorithm: Algorithm, secret: &[u8], claims: &serde_json::Value) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret)).unwrap()
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let tokens = Tokens::new(SECRET);
        let claims = tokens.explain(&tokens.issue(7).unwrap()).unwrap();
        assert_eq!(claims.data, Subject { uid: 7 });
        assert_eq!(claims.exp - claims.iat, LIFETIME_SECONDS);
        let json = serde_json::to_string(&claims).unwrap();
        assert_eq!(json, format!(r#"{{"data":{{"uid":7}},"iat":{},"exp":{}}}"#, claims.iat, claims.exp));
    }

    #[test]
    fn what_is_no_good_token_is_refused() {
        let now = get_current_timestamp();
        let claims = |iat: u64, exp: u64| serde_json::json!({"data": {"uid": 1}, "iat": iat, "exp": exp});
        let check = |token: &str, expected: ErrorKind| {
            let error = Tokens::new(SECRET).explain(token).unwrap_err();
            assert_eq!(error.kind(), &expected, "{token}");
        };
        check("no token at all", ErrorKind::InvalidToken);
        check(&Tokens::new(b"another").issue(1).unwrap(), ErrorKind::InvalidSignature);
        check(&signed(Algorithm::HS512, SECRET, &claims(now, now + 60)), ErrorKind::InvalidAlgorithm);
        check(&signed(Algorithm::HS256, SECRET, &claims(now - 120, now - 60)), ErrorKind::ExpiredSignature);
        let mut not_yet = claims(now, now + 120);
        not_yet["nbf"] = (now + 60).into();
        check(&signed(Algorithm::HS256, SECRET, &not_yet), ErrorKind::ImmatureSignature);
    }

    #[test]
    fn a_token_without_an_end_is_refused() {
        let claims = serde_json::json!({"data": {"uid": 1}, "iat": get_current_timestamp()});
        assert!(Tokens::new(SECRET).explain(&signed(Algorithm::HS256, SECRET, &claims)).is_err());
    }

    #[test]
    fn clocks_may_differ_a_little() {
        let now = get_current_timestamp();
        let claims = serde_json::json!({"data": {"uid": 1}, "iat": now - 60, "exp": now - 1});
        assert!(Tokens::new(SECRET).explain(&signed(Algorithm::HS256, SECRET, &claims)).is_ok());
    }
}
