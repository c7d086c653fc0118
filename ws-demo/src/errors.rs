//! 自定义异常 / custom exceptions: what goes wrong here, and who answers it.
//!
//! Three ways. A refusal that belongs to the flow is answered where it is found, with one of the
//! [`ErrorCode`]s. An error that says by itself what a client may see carries `#[derive(WsError)]`
//! and is passed on with `?`. Everything else is answered by its type in a `#[ws_error_handler]`:
//! the `ExceptionHandler` of the how-to, registered where it is written.

use serde::Serialize;
use ws_core::prelude::*;

/// The body of a refusal: `{"code": .., "msg": ".."}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorCode {
    /// The status and two digits of our own.
    pub(crate) code: u32,
    /// For people.
    pub(crate) msg: &'static str,
}

/// A body that is no login.
pub(crate) const LOGIN_MALFORMED: ErrorCode =
    ErrorCode { code: 40001, msg: r#"expected application/json: {"account": "..", "password": ".."}"# };
/// No token where one is needed.
pub(crate) const JWT_EMPTY_ERR: ErrorCode = ErrorCode {
    code: 40101,
    msg: "no token: send `Authorization: Bearer <token>`, subprotocol `bearer.<base64url>` or `?token=<token>`",
};
/// The same over HTTP, where the header is the one way.
pub(crate) const JWT_EMPTY_OVER_HTTP: ErrorCode =
    ErrorCode { code: 40101, msg: "no token: send `Authorization: Bearer <token>`" };
/// A token that was signed with another secret, or has expired. The text fits into a close reason.
pub(crate) const DO_JWT_FAIL: ErrorCode = ErrorCode {
    code: 40102,
    msg: "the token is invalid, has expired, or was signed by a process with another JWT_SECRET",
};
/// An unknown account, or a wrong password; which of the two is not said.
pub(crate) const LOGIN_FAIL: ErrorCode = ErrorCode { code: 40103, msg: "unknown account or wrong password" };
/// A good token of an account that was removed since.
pub(crate) const ACCOUNT_GONE: ErrorCode = ErrorCode { code: 40301, msg: "this account is no more" };
/// A request that only the account `admin` may make.
pub(crate) const ADMIN_ONLY: ErrorCode = ErrorCode { code: 40302, msg: "only `admin` may do this" };
/// A user that is to be disconnected and is not in the users table.
pub(crate) const UNKNOWN_ACCOUNT: ErrorCode = ErrorCode { code: 40401, msg: "there is no such account" };
/// Ours to repair; the log knows more.
pub(crate) const SERVER_ERROR: ErrorCode = ErrorCode { code: 50001, msg: "something went wrong here" };

/// A body that says nothing, or a room without a name.
pub(crate) const SAY_MALFORMED: ErrorCode = ErrorCode {
    code: 40002,
    msg: r#"expected application/json: {"text": ".."}, and a room of 1 to 32 characters"#,
};

/// A fault of a text. On a connection, the client gets an error event with its code.
#[derive(Debug, PartialEq, Eq, thiserror::Error, WsError)]
pub(crate) enum ChatError {
    /// Nothing but white space.
    #[error("write something")]
    #[ws_error(code = "empty")]
    Empty,
    /// Too much.
    #[error("{chars} characters are too many; {limit} may be said at once")]
    #[ws_error(code = "too_long")]
    TooLong {
        /// How many there are.
        chars: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// `?fail=teapot`: it says itself what status it wants.
#[derive(Debug, thiserror::Error)]
#[error("coffee was asked of a teapot")]
pub(crate) struct Teapot;

/// The text `boom`: a fault of one message, which its handler answers.
#[derive(Debug, thiserror::Error)]
#[error("this message went wrong; the connection did not")]
pub(crate) struct Boom;

/// Answers [`Boom`] on an open connection, which goes on; anywhere else it is left to the default.
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
