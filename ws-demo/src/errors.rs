//! 自定义异常 / custom exceptions: the errors of the demo, and how each is answered.
//!
//! There are three ways. A refusal that belongs to the normal flow is answered where it is found,
//! with one of the [`ErrorCode`]s. An error with a public text has `#[derive(WsError)]` and is
//! returned with `?`. All other errors are answered by type in a `#[ws_error_handler]`: the
//! `ExceptionHandler` of the how-to, registered by its attribute.

use serde::Serialize;
use ws_core::prelude::*;

/// The body of a refusal: `{"code": .., "msg": ".."}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorCode {
    /// The status and two further digits.
    pub(crate) code: u32,
    /// A text for users.
    pub(crate) msg: &'static str,
}

/// The body is not a login.
pub(crate) const LOGIN_MALFORMED: ErrorCode =
    ErrorCode { code: 40001, msg: r#"expected application/json: {"account": "..", "password": ".."}"# };
/// A token is required, and there is none.
pub(crate) const JWT_EMPTY_ERR: ErrorCode = ErrorCode {
    code: 40101,
    msg: "no token: send `Authorization: Bearer <token>`, subprotocol `bearer.<base64url>` or `?token=<token>`",
};
/// The same over HTTP, where the token must be in the header.
pub(crate) const JWT_EMPTY_OVER_HTTP: ErrorCode =
    ErrorCode { code: 40101, msg: "no token: send `Authorization: Bearer <token>`" };
/// A token that has expired or has another signature. The text fits into a close reason.
pub(crate) const DO_JWT_FAIL: ErrorCode = ErrorCode {
    code: 40102,
    msg: "the token is invalid, has expired, or was signed by a process with another JWT_SECRET",
};
/// An unknown account or a wrong password. The answer does not say which.
pub(crate) const LOGIN_FAIL: ErrorCode = ErrorCode { code: 40103, msg: "unknown account or wrong password" };
/// A valid token of an account that was removed.
pub(crate) const ACCOUNT_GONE: ErrorCode = ErrorCode { code: 40301, msg: "this account was removed" };
/// A request that only the account `admin` may make.
pub(crate) const ADMIN_ONLY: ErrorCode = ErrorCode { code: 40302, msg: "only `admin` may do this" };
/// The user to disconnect is not in the users table.
pub(crate) const UNKNOWN_ACCOUNT: ErrorCode = ErrorCode { code: 40401, msg: "unknown account" };
/// An internal fault. The log has the details.
pub(crate) const SERVER_ERROR: ErrorCode = ErrorCode { code: 50001, msg: "internal error" };

/// A body without a text, or a room without a valid name.
pub(crate) const SAY_MALFORMED: ErrorCode = ErrorCode {
    code: 40002,
    msg: r#"expected application/json: {"text": ".."}, and a room of 1 to 32 characters"#,
};

/// A fault of a text. On a connection, the client gets an error event with its code.
#[derive(Debug, PartialEq, Eq, thiserror::Error, WsError)]
pub(crate) enum ChatError {
    /// The text is empty or only white space.
    #[error("write something")]
    #[ws_error(code = "empty")]
    Empty,
    /// The text is too long.
    #[error("{chars} characters are too many; {limit} may be said at once")]
    #[ws_error(code = "too_long")]
    TooLong {
        /// The number of characters.
        chars: usize,
        /// The largest number of characters.
        limit: usize,
    },
}

/// `?fail=teapot`: an error that has its own status.
#[derive(Debug, thiserror::Error)]
#[error("the client asked for status 418")]
pub(crate) struct Teapot;

/// The text `boom`: a fault of one message, which its handler answers.
#[derive(Debug, thiserror::Error)]
#[error("this message failed; the connection stays open")]
pub(crate) struct Boom;

/// Answers [`Boom`] on an open connection, which stays open. In other phases the default applies.
#[ws_error_handler]
async fn boom_handler(error: &Boom, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Message => Recovery::reply(serde_json::json!({
            "event": "error",
            "data": { "code": "boom", "message": error.to_string() },
        })),
        Phase::Handshake | Phase::Open | Phase::Close => Recovery::pass(),
    }
}
