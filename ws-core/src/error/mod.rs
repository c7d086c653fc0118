//! Errors of user code, and the part of them that clients see.
//!
//! Each phase has its own enum ([`HandshakeError`], [`MessageError`], [`SendError`],
//! [`EventError`]). User code returns one type, [`Error`], which wraps any error. The wrapped text
//! goes to the log and the public text to the client; an error without a public text shows nothing
//! to the client. Error handlers (`#[ws_error_handler]`) may change the answer
//! ([`recovery`](crate::recovery)). This module must never show a wrapped text to a client.

mod codes;
mod handshake;
#[cfg(feature = "jwt")]
mod jwt;
mod source;

use std::{borrow::Cow, error::Error as StdError, fmt};

use http::StatusCode;

pub(crate) use self::codes::PublicParts;
#[cfg(feature = "jwt")]
pub use self::jwt::{Algorithm, JwtError, KeyError};
use self::source::Source;
pub use self::{
    codes::{ErrorCodes, FindPublicPart, FoundPublicPart, PublicPart},
    handshake::HandshakeError,
};
pub use crate::{
    envelope::{COMMON_CODES, EventError},
    wire::{MessageError, SendError, SpawnError},
};

use crate::{
    caught::caught_call,
    envelope::{ErrorData, ReplyTo},
    wire::Message,
};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// The result of every callback and middleware, by default with `()` and [`Error`].
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

/// The code and the text of a guard's refusal.
const FORBIDDEN: &str = "forbidden";

/// Any error of user code, with an optional public part.
///
/// `?` converts every error into it: errors of the standard library, of `thiserror` and of
/// `anyhow`, boxed errors, `&'static str` and `String`. This is possible because it does not
/// implement [`std::error::Error`] itself. [`into_boxed`](Self::into_boxed) converts it for code
/// that needs that trait.
///
/// Error handlers, the status of a [`HandshakeError`] and the quiet end of a closed connection
/// depend on the type of the wrapped error. `anyhow` hides that type; with the feature `anyhow` it
/// is still found.
///
/// A type with [`#[derive(WsError)]`](macro@crate::WsError) has a public part of its own. Before
/// the error handlers are called, the parts that were not set by hand are taken from it.
///
/// Without a public part, a client sees status 500 in the handshake and close code 1011 on an open
/// connection, and no text.
///
/// ```
/// use ws_core::Error;
///
/// fn lookup() -> Result<(), Error> {
///     "7x".parse::<u32>()?; // any std error
///     Ok(())
/// }
/// let error = lookup().unwrap_err();
/// assert_eq!(error.http_status(), 500);
///
/// let error = Error::new("token expired at 12:00").status(401).close_code(4401);
/// let error = error.public("log in first");
/// assert_eq!(error.http_status(), 401);
/// assert_eq!(error.public_text().as_deref(), Some("log in first"));
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    source: Source,
    public: Public,
    /// The call of a typed handler that failed with this error.
    reply_to: Option<ReplyTo>,
}

/// The public parts of an error. They are set by hand, or by the error's type ([`codes`]).
#[derive(Clone, Default)]
struct Public {
    status: Option<StatusCode>,
    close_code: Option<u16>,
    text: Option<Cow<'static, str>>,
    code: Option<Cow<'static, str>>,
    /// Whether a guard failed with it. The default code is then `forbidden`, and the default status
    /// 403.
    of_guard: bool,
}

/// The default public part of an error of this crate.
struct BuiltIn {
    status: Option<StatusCode>,
    close_code: Option<u16>,
    public: Cow<'static, str>,
    code: Option<&'static str>,
}

impl Inner {
    fn of(source: Source) -> Error {
        Error(Box::new(Self { source, public: Public::default(), reply_to: None }))
    }
}

impl Error {
    /// Wraps an error, or a text.
    pub fn new(source: impl Into<BoxError> + 'static) -> Self {
        source::wrap(source)
    }

    /// Sets the status of the response if this error refuses a handshake.
    ///
    /// A status below 400 or an invalid one becomes 500.
    #[must_use]
    pub fn status(mut self, status: impl TryInto<StatusCode>) -> Self {
        let status = status.try_into().ok().filter(|status| status.as_u16() >= 400);
        self.0.public.status = Some(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
        self
    }

    /// Sets the close code (RFC 6455 section 7.4) of an open connection; 1011 if the code may not
    /// be sent.
    #[must_use]
    pub fn close_code(mut self, code: u16) -> Self {
        self.0.public.close_code = Some(if crate::wire::may_be_sent(code) { code } else { 1011 });
        self
    }

    /// Sets the text that the client may see: `msg` of the JSON body, or the close reason.
    #[must_use]
    pub fn public(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.public.text = Some(text.into());
        self
    }

    /// Sets the machine code of the answer to an event, beside the public text:
    /// `{"code": code, "message": text}`.
    ///
    /// The default is the code that the type declares ([`WsError`](macro@crate::WsError)), or that
    /// of an [`EventError`]. For status 401 and 403, a refused token and a guard, it is
    /// `forbidden`; otherwise `internal`.
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.public.code = Some(code.into());
        self
    }

    /// Returns the status of the response if this error refuses a handshake.
    pub fn http_status(&self) -> StatusCode {
        let built_in = || self.built_in().and_then(|it| it.status);
        let default =
            if self.0.public.of_guard { StatusCode::FORBIDDEN } else { StatusCode::INTERNAL_SERVER_ERROR };
        self.0.public.status.or_else(built_in).unwrap_or(default)
    }

    /// Returns the close code of an open connection that ends because of this error.
    pub fn ws_close_code(&self) -> u16 {
        let built_in = || self.built_in().and_then(|it| it.close_code);
        self.0.public.close_code.or_else(built_in).unwrap_or(1011)
    }

    /// Returns the text that the client may see.
    pub fn public_text(&self) -> Option<Cow<'_, str>> {
        match &self.0.public.text {
            Some(text) => Some(Cow::Borrowed(text)),
            None => {
                let of_guard = || self.0.public.of_guard.then_some(Cow::Borrowed(FORBIDDEN));
                self.built_in().map(|it| it.public).or_else(of_guard)
            }
        }
    }

    /// Returns the machine code of the answer to an event that failed with this error.
    pub fn event_code(&self) -> &str {
        if let Some(code) = &self.0.public.code {
            return code;
        }
        if self.0.public.of_guard {
            return FORBIDDEN;
        }
        let forbidden = || {
            let status = self.0.public.status?;
            matches!(status.as_u16(), 401 | 403).then_some(FORBIDDEN)
        };
        let built_in = self.built_in().and_then(|it| it.code);
        built_in.or_else(forbidden).unwrap_or("internal")
    }

    /// Returns the default public part, if the wrapped error belongs to this crate.
    fn built_in(&self) -> Option<BuiltIn> {
        if let Some(error) = self.downcast_ref::<HandshakeError>() {
            let public = Cow::Owned(error.to_string());
            return Some(BuiltIn { status: Some(error.status()), close_code: None, public, code: None });
        }
        if let Some(error) = self.downcast_ref::<EventError>() {
            let public = Cow::Owned(error.to_string());
            return Some(BuiltIn { status: None, close_code: None, public, code: Some(error.code()) });
        }
        if let Some(SpawnError::TooMany { .. }) = self.downcast_ref() {
            let public = Cow::Borrowed("too many calls at once");
            return Some(BuiltIn { status: None, close_code: None, public, code: Some("rate_limited") });
        }
        // All refused tokens have the same public part, so that a client cannot learn the reason.
        self.is_refused_token().then_some(BuiltIn {
            status: Some(StatusCode::UNAUTHORIZED),
            close_code: Some(4401),
            public: Cow::Borrowed("the token is not accepted"),
            code: Some(FORBIDDEN),
        })
    }

    pub(crate) fn is_refused_token(&self) -> bool {
        #[cfg(feature = "jwt")]
        return self.downcast_ref::<JwtError>().is_some();
        #[cfg(not(feature = "jwt"))]
        false
    }

    /// Marks the error of a guard. Its default code becomes `forbidden`, and its default status
    /// 403.
    pub(crate) fn or_forbidden(mut self) -> Self {
        self.0.public.of_guard = true;
        self
    }

    pub(crate) fn in_reply_to(mut self, call: ReplyTo) -> Self {
        self.0.reply_to = Some(call);
        self
    }

    /// Returns the call that gets this error as its answer; `None` if the error sets a close code.
    pub(crate) fn reply_to(&self) -> Option<&ReplyTo> {
        self.0.reply_to.as_ref().filter(|_| !self.has_close_code())
    }

    /// Whether a close code was set.
    pub(crate) fn has_close_code(&self) -> bool {
        self.0.public.close_code.is_some()
    }

    /// Returns the call that gets this error as its answer, even if the error closes the connection
    /// by default.
    pub(crate) fn any_reply_to(&self) -> Option<&ReplyTo> {
        self.0.reply_to.as_ref()
    }

    /// Creates the answer `{"event": "error", ..}` to a call.
    pub(crate) fn as_event(&self, call: &ReplyTo) -> Result<Message, SendError> {
        let (path, fields) = match self.downcast_ref() {
            Some(EventError::InvalidData { path, fields, .. }) => (path.as_str(), fields),
            _ => ("", &serde_json::Value::Null),
        };
        let message = self.public_text();
        let message = message.as_deref().unwrap_or("internal error");
        call.error(&ErrorData { code: self.event_code(), message, path, fields })
    }

    /// Returns the wrapped error if it is exactly of this type. An `anyhow::Error` (with the
    /// feature `anyhow`) is searched by its own `downcast_ref`: the error and its contexts.
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        self.0.source.downcast_ref()
    }

    /// Returns the wrapped error.
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self.0.source.get_ref()
    }
}

impl<E: Into<BoxError> + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        source::wrap(source)
    }
}

/// Writes the wrapped error's text and its causes, for the log.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The text of a user's error may panic; the panic is caught here.
        caught_call(|| {
            let error = self.get_ref();
            write!(f, "{error}")?;
            let mut cause = error.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
            Ok(())
        })
        .unwrap_or_else(|| f.write_str("(its `Display` panicked)"))
    }
}

/// Writes the same text as `Display`, so that a `main` that returns the error prints a readable
/// text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Adds a public part to an error where it is passed on.
///
/// ```
/// use ws_core::{Result, error::OrStatus as _};
///
/// fn uid(token: &str) -> Result<u64> {
///     token.parse::<u64>().or_status(401, "log in first")
/// }
/// assert_eq!(uid("nobody").unwrap_err().http_status(), 401);
/// ```
pub trait OrStatus<T> {
    /// Turns a failure into an [`Error`] with this status and this public text.
    ///
    /// # Errors
    /// The failure, with its public part.
    fn or_status(self, status: u16, public: impl Into<Cow<'static, str>>) -> Result<T>;
}

impl<T, E: Into<Error>> OrStatus<T> for std::result::Result<T, E> {
    fn or_status(self, status: u16, public: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|error| error.into().status(status).public(public))
    }
}

impl<T> OrStatus<T> for Option<T> {
    fn or_status(self, status: u16, public: impl Into<Cow<'static, str>>) -> Result<T> {
        self.ok_or_else(|| {
            let public = public.into();
            Error::new(public.clone().into_owned()).status(status).public(public)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn question_mark_converts_std_errors_and_texts() {
        fn texts(owned: bool) -> Result {
            if owned { Err(String::from("owned"))? } else { Err("borrowed")? }
        }
        fn std_error() -> Result<u8> {
            Ok("x".parse::<u8>()?)
        }
        assert_eq!(texts(true).unwrap_err().to_string(), "owned");
        assert_eq!(texts(false).unwrap_err().to_string(), "borrowed");
        assert!(std_error().unwrap_err().downcast_ref::<std::num::ParseIntError>().is_some());
    }

    #[test]
    fn the_log_text_names_the_causes() {
        let error = Error::new(Outer(std::io::Error::other("inner")));
        assert_eq!(error.to_string(), "outer: inner");
    }

    #[test]
    fn a_status_below_400_is_500_and_never_a_success() {
        for status in [100_u16, 101, 200, 204, 302, 399, 0, 1000] {
            assert_eq!(Error::new("x").status(status).http_status(), 500, "{status}");
        }
        assert_eq!(Error::new("x").status(418).http_status(), 418);
        assert_eq!(Error::new("x").http_status(), 500);
    }

    #[test]
    fn a_close_code_that_may_not_be_sent_is_1011() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(Error::new("x").close_code(code).ws_close_code(), 1011, "{code}");
        }
        assert_eq!(Error::new("x").close_code(4401).ws_close_code(), 4401);
    }

    #[test]
    fn built_in_errors_have_their_own_face() {
        let error = Error::from(HandshakeError::TokenMissing);
        assert_eq!(error.http_status(), 401);
        assert!(error.public_text().is_some());
        assert_eq!(Error::new("secret").public_text(), None);
    }

    #[test]
    fn or_status_on_none_has_the_public_text() {
        let error = None::<u8>.or_status(404, "no such room").unwrap_err();
        assert_eq!(
            (error.http_status().as_u16(), error.public_text().as_deref()),
            (404, Some("no such room"))
        );
    }
}
