//! [`ErrorCodes`] and [`Faces`]: the public faces of error types, which `#[derive(WsError)]`
//! declares.
//!
//! A face is a property of the type and is registered at link time. Before the error handlers are
//! called, it is added to each [`Error`] that contains a value of the type. A face that was set by
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

    /// Returns the public face of this value; `None` if the value is not public.
    #[doc(hidden)]
    fn face(&self) -> Option<PublicFace> {
        None
    }

    /// Returns the code of this value, for an answer outside of a connection, such as an HTTP
    /// response. `None` if the value is not public.
    fn code(&self) -> Option<&'static str> {
        self.face().map(|face| face.code)
    }
}

/// The public part of one variant of an error type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct PublicFace {
    /// The machine code.
    pub code: &'static str,
    /// The status of a refused handshake, from 400.
    pub status: Option<u16>,
    /// The close code of an open connection.
    pub close: Option<u16>,
}

/// The public face of an error, and its text for the client.
#[doc(hidden)]
pub type FoundFace<'a> = Option<(PublicFace, &'a dyn fmt::Display)>;

/// Returns the public face of an error of one type; `None` for other types and for variants
/// without a code.
#[doc(hidden)]
pub type FindFace = for<'a> fn(&'a Error) -> FoundFace<'a>;

impl PublicFace {
    /// Finds the face of an error of type `E`.
    pub fn find<E: ErrorCodes + StdError + Send + Sync + 'static>(error: &Error) -> FoundFace<'_> {
        let error = error.downcast_ref::<E>()?;
        Some((error.face()?, error))
    }
}

/// The public faces of all error types of the program.
#[derive(Default)]
pub(crate) struct Faces(Vec<FindFace>);

impl Faces {
    pub(crate) fn new(faces: Vec<FindFace>) -> Self {
        Self(faces)
    }

    /// Adds the public face of the error's type, except for the parts that were set by hand.
    pub(crate) fn complete(&self, error: &mut Error) {
        let Some((face, text)) = self.0.iter().find_map(|find| find(error)) else { return };
        let PublicFace { code, status, close } = face;
        // The `Display` of a user's error may panic; the panic is caught here.
        let text = if error.0.face.public.is_none() { caught_call(|| text.to_string()) } else { None };
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let face = &mut error.0.face;
        face.status = face.status.or(status);
        face.close_code = face.close_code.or(close);
        face.code.get_or_insert(Cow::Borrowed(code));
        face.public = face.public.take().or(text.map(Cow::Owned));
    }
}
