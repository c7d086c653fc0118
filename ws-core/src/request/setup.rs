//! [`Setup`] and [`ParamError`]: handler parameters that are parsed from the handshake once, before
//! the 101, and kept with the connection.

use std::{any::Any, borrow::Cow};

use super::Handshake;
use crate::{
    envelope::DecodeError,
    error::{Error, HandshakeError, Result},
    state::States,
};

/// The input of [`Param::keep`](crate::handlers::Param::keep): the handshake and the state.
///
/// ```
/// use ws_core::handlers::{Input, Param, ParamError, Setup};
///
/// /// The name of the server, kept with the connection.
/// struct ServerName<'a>(&'a str);
///
/// impl<'a> Param<'a> for ServerName<'a> {
///     type Kept = String;
///
///     fn keep(setup: &Setup<'_>) -> Result<String, ParamError> {
///         Ok(setup.handshake().server().to_owned())
///     }
///
///     fn get(kept: &'a String, _: &mut Input<'a>) -> Result<Self, ParamError> {
///         Ok(Self(kept))
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub(crate) handshake: &'a Handshake,
    pub(crate) states: &'a States,
    /// The values that are kept for parameters by reference.
    pub(crate) kept: &'a [&'a dyn Any],
}

impl<'a> Setup<'a> {
    /// The handshake, after the middleware has run and the subprotocol is chosen.
    pub fn handshake(&self) -> &'a Handshake {
        self.handshake
    }

    /// Returns a clone of the value of this type that was given to `App::state`.
    ///
    /// # Errors
    /// If no value of this type was given.
    pub fn state<T: Clone + 'static>(&self) -> Result<T, ParamError> {
        self.states.get().map_err(ParamError::Other)
    }

    /// Returns the value that is kept for parameters of the type `&T`, if a handler has one.
    pub(crate) fn kept<T: 'static>(&self) -> Option<&'a T> {
        self.kept.iter().find_map(|kept| kept.downcast_ref())
    }
}

impl std::fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("handshake", self.handshake).finish_non_exhaustive()
    }
}

/// Why a parameter cannot be made.
///
/// ```
/// use ws_core::{Handshake, handlers::ParamError};
///
/// fn page(handshake: &Handshake) -> Result<u32, ParamError> {
///     let page = handshake.query_param("page").ok_or_else(|| ParamError::missing("query parameter page"))?;
///     page.parse().map_err(|error| ParamError::invalid("query parameter page", error))
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ParamError {
    /// The client did not send the value; `Option<..>` converts this into `None`.
    Missing {
        /// The name of the missing value, for the client: `header x-tenant`.
        what: Cow<'static, str>,
    },
    /// The client sent a value that does not fit.
    Invalid {
        /// The name of the value, for the client: `query parameter page`; empty if the context
        /// makes it clear.
        what: Cow<'static, str>,
        /// The place inside the value: `items[2].name`; empty for the whole value.
        path: String,
        /// The description of the fault, for the client.
        message: String,
        /// Faults by field, for the client; `null` if there are none.
        fields: serde_json::Value,
    },
    /// Any other error. The client sees nothing of it, unless the error has a public face.
    Other(Error),
}

impl From<DecodeError> for ParamError {
    fn from(DecodeError { path, message }: DecodeError) -> Self {
        Self::Invalid { what: "".into(), path, message, fields: serde_json::Value::Null }
    }
}

impl ParamError {
    /// Creates the error for a missing value.
    pub fn missing(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Missing { what: what.into() }
    }

    /// Creates the error for a value that does not fit.
    pub fn invalid(what: impl Into<Cow<'static, str>>, message: impl ToString) -> Self {
        Self::Invalid {
            what: what.into(),
            path: String::new(),
            message: message.to_string(),
            fields: serde_json::Value::Null,
        }
    }

    /// Returns the text that the client may see.
    pub(crate) fn public_text(&self) -> String {
        match self {
            Self::Missing { what } => format!("{what} is missing"),
            Self::Invalid { what, path, message, .. } => {
                let place: Vec<&str> = [&**what, &**path].into_iter().filter(|it| !it.is_empty()).collect();
                if place.is_empty() { message.clone() } else { format!("{}: {message}", place.join(" ")) }
            }
            Self::Other(error) => error.public_text().unwrap_or_default().into_owned(),
        }
    }

    /// Converts it into an error that refuses the handshake.
    pub(crate) fn in_handshake(self) -> Error {
        match self {
            Self::Other(error) => error,
            fault => HandshakeError::Param { message: fault.public_text() }.into(),
        }
    }
}

/// The value that generated code keeps with a connection.
#[doc(hidden)]
pub type Kept = Box<dyn Any + Send + Sync>;
