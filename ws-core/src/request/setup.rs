//! Before the 101: what handlers need is parsed from the handshake once, and kept with the connection.

use std::{any::Any, borrow::Cow};

use super::Handshake;
use crate::{
    envelope::DecodeError,
    error::{Error, HandshakeError, Result},
    state::{StateKey, States},
};

/// What [`Param::keep`](crate::handlers::Param::keep) may read: the handshake and the state.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    pub(crate) handshake: &'a Handshake,
    pub(crate) states: &'a States,
}

impl<'a> Setup<'a> {
    /// The handshake; the middleware has run, the subprotocol is chosen.
    pub fn handshake(&self) -> &'a Handshake {
        self.handshake
    }

    /// A clone of what `App::state` was given of this type.
    ///
    /// # Errors
    /// When nothing was given.
    pub fn state<T: Clone + 'static>(&self) -> Result<T, ParamError> {
        self.states.get().map_err(ParamError::Other)
    }
}

impl std::fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup").field("handshake", self.handshake).finish_non_exhaustive()
    }
}

/// Why there is no such parameter.
#[derive(Debug)]
#[non_exhaustive]
pub enum ParamError {
    /// There is nothing to make it of; `Option<..>` makes `None` of that.
    Missing {
        /// What is missing, for the client: `header x-tenant`.
        what: Cow<'static, str>,
    },
    /// The client sent something that does not fit.
    Invalid {
        /// What does not fit, for the client: `query parameter page`; empty where that goes without saying.
        what: Cow<'static, str>,
        /// The place inside it: `items[2].name`; empty for all of it.
        path: String,
        /// What is wrong, for the client.
        message: String,
        /// Faults by field, for the client; `null` where there is nothing to say.
        fields: serde_json::Value,
    },
    /// Anything else: not the client's fault, and nothing of it is shown unless it has a public face.
    Other(Error),
}

impl From<DecodeError> for ParamError {
    fn from(DecodeError { path, message }: DecodeError) -> Self {
        Self::Invalid { what: "".into(), path, message, fields: serde_json::Value::Null }
    }
}

impl ParamError {
    /// Something is missing.
    pub fn missing(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Missing { what: what.into() }
    }

    /// Something does not fit.
    pub fn invalid(what: impl Into<Cow<'static, str>>, message: impl ToString) -> Self {
        Self::Invalid {
            what: what.into(),
            path: String::new(),
            message: message.to_string(),
            fields: serde_json::Value::Null,
        }
    }

    /// What the client may read of it.
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

    /// As a refusal of the handshake.
    pub(crate) fn in_handshake(self) -> Error {
        match self {
            Self::Other(error) => error,
            fault => HandshakeError::Param { message: fault.public_text() }.into(),
        }
    }
}

/// What the handlers of a controller need, for the checks at start.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Needs {
    /// Values given to `App::state`.
    pub states: Vec<StateKey>,
    /// Parameters in the path.
    pub path: bool,
}

/// What generated code keeps with a connection.
#[doc(hidden)]
pub type Kept = Box<dyn Any + Send + Sync>;

/// What generated code tells of a controller's typed layer.
#[doc(hidden)]
#[derive(Debug)]
pub struct Typed {
    /// Whether the event `ping` is answered without a handler.
    pub answers_ping: bool,
    /// What the handlers need of the application and of the route.
    pub needs: fn() -> Needs,
    /// Parses what is kept with the connection; called once, before the 101.
    pub keep: fn(&Setup<'_>) -> Result<Option<Kept>>,
}
