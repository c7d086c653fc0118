//! What can be wrong when an application starts, in words that say what to write instead.

use std::{fmt, io};

use crate::{
    config::{ConfigError, ServerKind},
    place::Location,
    server::TlsError,
};

/// Why an application did not start: every problem that was found, not only the first.
///
/// `Debug` prints the same text as `Display`, so that `main() -> Result<(), StartError>` is readable.
pub struct StartError(Vec<Problem>);

impl StartError {
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    pub(super) fn all(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// The problems, in the order in which they are printed.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if let [_] = &*self.0 { "problem keeps" } else { "problems keep" };
        write!(f, "{} {what} the application from starting", self.0.len())?;
        for (number, problem) in self.0.iter().enumerate() {
            write!(f, "\n  {}. {}", number + 1, problem.to_string().replace('\n', "\n     "))?;
        }
        Ok(())
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartError {}

/// One thing that keeps an application from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The configuration.
    #[error("{0}")]
    Config(#[source] ConfigError),
    /// Nothing is registered.
    #[error(
        "no controller is registered; annotate one with `#[ws_controller(path = \"..\")]`, give one to \
         `App::controller`, and name the crate it is in with `ws_core::link!(that_crate)`"
    )]
    EmptyRegistry,
    /// Two routes of a server have the same path, or paths that cannot be told apart.
    #[error(
        "`{path}` of {name} at {location} conflicts with `{other_path}` of {other_name} at {other_location} on server \
         `{server}`{}; change one of the paths, or the server",
        if *by_slash { ", because of `trailing_slash = \"either\"`" } else { "" }
    )]
    Conflict {
        /// The server.
        server: String,
        /// The path that came second.
        path: String,
        /// Its controller.
        name: &'static str,
        /// Where it is registered.
        location: Location,
        /// The path that came first.
        other_path: String,
        /// Its controller.
        other_name: &'static str,
        /// Where it is registered.
        other_location: Location,
        /// Whether they differ only by the `/` at the end, and one of them has both spellings.
        by_slash: bool,
    },
    /// Two controllers have the same name.
    #[error(
        "two controllers are named `{name}`, at {location} and at {other_location}; give one another name, by \
         `name = \"..\"` of `#[ws_controller]` or by `Route::name`"
    )]
    NameTwice {
        /// The name.
        name: &'static str,
        /// The place of the controller that came second.
        location: Location,
        /// The place of the controller that came first.
        other_location: Location,
    },
    /// One controller has two names.
    #[error(
        "one controller is named `{name}` at {location} and `{other_name}` at {other_location}; give all its routes the \
         same name"
    )]
    TwoNames {
        /// The name that came second.
        name: &'static str,
        /// The place of its route.
        location: Location,
        /// The name that came first.
        other_name: &'static str,
        /// The place of its route.
        other_location: Location,
    },
    /// A path that is no path pattern.
    #[error("`{path}` of {name} at {location} is no path: {message}; write it like `/rooms/{{room}}`")]
    Path {
        /// The path.
        path: String,
        /// Its controller.
        name: &'static str,
        /// Where it is registered.
        location: Location,
        /// What is wrong with it.
        message: String,
    },
    /// Limits of one route that cannot work.
    #[error("the limits of {name} at {location} do not work: {message}")]
    Limits {
        /// The controller.
        name: &'static str,
        /// Where it is registered.
        location: Location,
        /// Which one, and what is accepted.
        message: String,
    },
    /// A controller that takes `Path<T>` on a route without parameters.
    #[error(
        "`{name}` at {location} takes `Path<T>`, and its path `{path}` has no parameters; write one like `{{room}}`"
    )]
    NoParameters {
        /// The path.
        path: String,
        /// The controller.
        name: &'static str,
        /// Where it is registered.
        location: Location,
    },
    /// A controller of typed handlers that lists the subprotocol `msgpack`, built without the feature that speaks it.
    #[error(
        "`{name}` at {location} lists the subprotocol `msgpack`, which needs the feature `msgpack` of ws-core; write \
         `features = [\"msgpack\"]`"
    )]
    NoMsgPack {
        /// The controller.
        name: &'static str,
        /// Where it is registered.
        location: Location,
    },
    /// A name of no server of the configuration.
    #[error("{what} at {location} names server `{server}`, which is not configured; there are {known}")]
    UnknownServer {
        /// What names it.
        what: String,
        /// Where.
        location: Location,
        /// The name.
        server: String,
        /// The configured servers.
        known: String,
    },
    /// Something for one kind of server, given for the other.
    #[error("{what} at {location} is for servers of another kind; server `{server}` has kind = \"{kind}\"")]
    WrongKind {
        /// What is given.
        what: String,
        /// Where.
        location: Location,
        /// The server.
        server: String,
        /// Its kind.
        kind: ServerKind,
    },
    /// A server of kind `http` without a service.
    #[error("server `{server}` has kind = \"http\" and nothing to serve; add `.http(\"{server}\", router)`")]
    NoService {
        /// The server.
        server: String,
    },
    /// Two things for one place where only one can be.
    #[error("{what} of server `{server}` is given at {location} and at {other_location}; keep one")]
    GivenTwice {
        /// What is given.
        what: &'static str,
        /// The server.
        server: String,
        /// The second place.
        location: Location,
        /// The first place.
        other_location: Location,
    },
    /// A type that is asked for and was not provided.
    #[error(
        "`{name}` at {location} needs a state of type `{type_name}`; add `.state(..)` with a value of that type"
    )]
    MissingState {
        /// What needs it.
        name: &'static str,
        /// Where.
        location: Location,
        /// The type.
        type_name: &'static str,
    },
    /// Two values of one type.
    #[error(
        "a second state of type `{type_name}` is provided at {location}; wrap one of them in a type of its own"
    )]
    StateTwice {
        /// The type.
        type_name: &'static str,
        /// Where the second one is provided.
        location: Location,
    },
    /// A function that a controller names as middleware or interceptor without being one.
    #[error(
        "`{layer}`, named by {name} at {location}, is no registered {what}; put `#[{attribute}(scope = \"route\")]` on \
         the function"
    )]
    NotALayer {
        /// `middleware` or `interceptor`.
        what: &'static str,
        /// The attribute that is missing.
        attribute: &'static str,
        /// The function as it was named.
        layer: &'static str,
        /// The controller.
        name: &'static str,
        /// Where the controller is.
        location: Location,
    },
    /// A middleware or an interceptor that would run twice on a route.
    #[error(
        "`{layer}`, named by {name} at {location}, runs on every route of its server already ({other_location}); \
         remove it here, or write `scope = \"route\"` there"
    )]
    LayerTwice {
        /// The function as it was named.
        layer: &'static str,
        /// The controller.
        name: &'static str,
        /// Where the controller is.
        location: Location,
        /// Where the function is.
        other_location: Location,
    },
    /// Two error handlers that claim one type at one order.
    #[error(
        "error handlers `{name}` at {location} and `{other_name}` at {other_location} both handle `{error}` at order \
         {order}; give one of them another `order`"
    )]
    ErrorHandlerTwice {
        /// The error's type as written.
        error: &'static str,
        /// The order.
        order: i32,
        /// The second one.
        name: &'static str,
        /// Where it is.
        location: Location,
        /// The first one.
        other_name: &'static str,
        /// Where it is.
        other_location: Location,
    },
    /// `panic = "abort"`: a panic in a callback would end the process instead of its connection.
    #[error(
        "this binary is built with panic = \"abort\"; write `panic = \"unwind\"` in the profile of Cargo.toml"
    )]
    PanicAborts,
    /// A start hook that failed.
    #[error("the start hook given at {location} failed: {message}")]
    OnStart {
        /// Where it was given.
        location: Location,
        /// Why.
        message: String,
    },
    /// The certificate or the key of a server.
    #[error("{0}")]
    Tls(#[source] TlsError),
    /// An address that cannot be listened on.
    #[error("server `{server}` cannot listen on {address}: {error}")]
    Bind {
        /// The server.
        server: String,
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        error: io::Error,
    },
}
