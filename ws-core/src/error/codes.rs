//! [`ErrorCodes`] and [`PublicParts`]: the public parts of error types, which `#[derive(WsError)]`
//! declares.
//!
//! A public part belongs to the type and is registered at link time. Before the error handlers are
//! called, it is added to each [`Error`] that contains a value of the type. A part that was set by
//! hand takes precedence. The text of a variant without a code must never become public.

use std::{borrow::Cow, error::Error as StdError, fmt};

use http::StatusCode;

use super::Error;
use crate::caught::caught_call;

/// The public error codes of a type, for documents.
///
/// `#[derive(WsError)]` implements it; see [`WsError`](macro@crate::WsError).
///
/// ```
/// use ws_core::{WsError, error::ErrorCodes};
///
/// #[derive(Debug, thiserror::Error, WsError)]
/// enum ChatError {
///     #[error("write something")]
///     #[ws_error(code = "empty")]
///     Empty,
///     #[error("the archive failed")]
///     Archive,
/// }
///
/// assert_eq!(ChatError::Empty.code(), Some("empty"));
/// assert_eq!(ChatError::Archive.code(), None); // not public
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list its error codes",
    label = "its error codes are not known",
    note = "write `#[derive(WsError)]` on the type and `#[ws_error(code = \"..\")]` on its variants"
)]
pub trait ErrorCodes {
    /// The codes, each with its description.
    const CODES: &'static [(&'static str, &'static str)];

    /// Returns the public part of this value; `None` if the value is not public.
    #[doc(hidden)]
    fn public_part(&self) -> Option<PublicPart> {
        None
    }

    /// Returns the code of this value, for an answer outside of a connection, such as an HTTP
    /// response. `None` if the value is not public.
    fn code(&self) -> Option<&'static str> {
        self.public_part().map(|part| part.code)
    }
}

/// The public part of one variant of an error type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct PublicPart {
    /// The machine code.
    pub code: &'static str,
    /// The status of a refused handshake, from 400.
    pub status: Option<u16>,
    /// The close code of an open connection.
    pub close: Option<u16>,
}

/// The public part of an error, and its text for the client.
#[doc(hidden)]
pub type FoundPublicPart<'a> = Option<(PublicPart, &'a dyn fmt::Display)>;

/// Returns the public part of an error of one type; `None` for other types and for variants
/// without a code.
#[doc(hidden)]
pub type FindPublicPart = for<'a> fn(&'a Error) -> FoundPublicPart<'a>;

impl PublicPart {
    /// Finds the public part of an error of type `E`.
    pub fn find<E: ErrorCodes + StdError + Send + Sync + 'static>(error: &Error) -> FoundPublicPart<'_> {
        let error = error.downcast_ref::<E>()?;
        Some((error.public_part()?, error))
    }
}

/// The public parts of all error types of the program.
#[derive(Default)]
pub(crate) struct PublicParts(Vec<FindPublicPart>);

impl PublicParts {
    pub(crate) fn new(parts: Vec<FindPublicPart>) -> Self {
        Self(parts)
    }

    /// Adds the public part of the error's type, except for the parts that were set by hand.
    pub(crate) fn complete(&self, error: &mut Error) {
        let Some((part, text)) = self.0.iter().find_map(|find| find(error)) else { return };
        let PublicPart { code, status, close } = part;
        // The `Display` of a user's error may panic; the panic is caught here.
        let text = if error.0.public.text.is_none() { caught_call(|| text.to_string()) } else { None };
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let public = &mut error.0.public;
        public.status = public.status.or(status);
        public.close_code = public.close_code.or(close);
        public.code.get_or_insert(Cow::Borrowed(code));
        public.text = public.text.take().or(text.map(Cow::Owned));
    }
}
