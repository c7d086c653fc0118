//! [`Problem`] and [`StartError`]: everything that can be wrong when an application starts.
//!
//! Each text names the fault and its place, and then says what to write instead.

use std::{fmt, io};

use crate::{
    config::{ConfigError, ServerKind},
    place::Location,
    server::TlsError,
};

/// The error of a failed start. It has all problems that were found, not only the first.
///
/// `Debug` prints the same text as `Display`, so that the error of
/// `main() -> Result<(), StartError>` is readable.
///
/// ```
/// use ws_core::{App, Config, Controller, app::Problem};
///
/// # struct Chat;
/// # impl Controller for Chat {}
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = App::without_registry().config(Config::default()).controller("chat", Chat);
/// let error = app.start().await.unwrap_err();
/// assert!(matches!(error.problems(), [Problem::Path { .. }])); // it begins with `/`
/// println!("{error}"); // each problem, with the place and what to write
/// # }
/// ```
pub struct StartError(Vec<Problem>);

impl StartError {
    pub(super) fn one(problem: Problem) -> Self {
        Self(vec![problem])
    }

    pub(super) fn all(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    /// Returns the problems, in the order in which they are printed.
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

/// One problem that keeps an application from starting.
///
/// ```
/// use std::io::ErrorKind;
/// use ws_core::{StartError, app::Problem};
///
/// /// Whether another process listens on one of the ports.
/// fn is_port_taken(error: &StartError) -> bool {
///     error.problems().iter().any(|problem| {
///         matches!(problem, Problem::Bind { error, .. } if error.kind() == ErrorKind::AddrInUse)
///     })
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The configuration cannot be read or is not valid.
    #[error("{0}")]
    Config(#[source] ConfigError),
    /// No controller is registered.
    #[error(
        "no controller is registered; annotate one with `#[ws_controller(path = \"..\")]`, give one to \
         `App::controller`, and name the crate it is in with `ws_core::link!(that_crate)`"
    )]
    EmptyRegistry,
    /// Two routes of a server have the same path, or paths that match the same requests.
    #[error(
        "`{path}` of {name} at {location} conflicts with `{other_path}` of {other_name} at {other_location} on server \
         `{server}`{}; change one of the paths, or the server",
        if *by_slash { ", because of `trailing_slash = \"either\"`" } else { "" }
    )]
    Conflict {
        /// The name of the server.
        server: String,
        /// The path of the second route.
        path: String,
        /// The controller of the second route.
        name: &'static str,
        /// The place that registers the second route.
        location: Location,
        /// The path of the first route.
        other_path: String,
        /// The controller of the first route.
        other_name: &'static str,
        /// The place that registers the first route.
        other_location: Location,
        /// Whether the paths differ only by the `/` at the end, and one route accepts both.
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
        /// The place of the second controller.
        location: Location,
        /// The place of the first controller.
        other_location: Location,
    },
    /// One controller has two names.
    #[error(
        "one controller is named `{name}` at {location} and `{other_name}` at {other_location}; give all its routes the \
         same name"
    )]
    TwoNames {
        /// The name on the second route.
        name: &'static str,
        /// The place of the second route.
        location: Location,
        /// The name on the first route.
        other_name: &'static str,
        /// The place of the first route.
        other_location: Location,
    },
    /// A path is not a valid path pattern.
    #[error("`{path}` of {name} at {location} is not a path: {message}; write it like `/rooms/{{room}}`")]
    Path {
        /// The path.
        path: String,
        /// The controller.
        name: &'static str,
        /// The place that registers the route.
        location: Location,
        /// A description of the fault.
        message: String,
    },
    /// The compression of a route is not valid.
    #[error("the compression of {name} at {location} does not work: {message}")]
    Compression {
        /// The controller's name.
        name: &'static str,
        /// The place of the attribute.
        location: Location,
        /// A description of the fault.
        message: String,
    },
    /// The limits of a route are not valid.
    #[error("the limits of {name} at {location} are invalid: {message}")]
    Limits {
        /// The controller.
        name: &'static str,
        /// The place that registers the route.
        location: Location,
        /// The limit that is wrong, and the accepted values.
        message: String,
    },
    /// A controller takes `Path<T>`, but the path of its route has no parameters.
    #[error(
        "`{name}` at {location} takes `Path<T>`, and its path `{path}` has no parameters; write one like `{{room}}`"
    )]
    NoParameters {
        /// The path.
        path: String,
        /// The controller.
        name: &'static str,
        /// The place that registers the route.
        location: Location,
    },
    /// A controller with typed handlers lists the subprotocol `msgpack`, but the feature `msgpack`
    /// is off.
    #[error(
        "`{name}` at {location} lists the subprotocol `msgpack`, which needs the feature `msgpack` of ws-core; write \
         `features = [\"msgpack\"]`"
    )]
    NoMsgPack {
        /// The controller.
        name: &'static str,
        /// The place that registers the route.
        location: Location,
    },
    /// A middleware accepts a token as a subprotocol, but a route with it supports no subprotocol.
    #[error(
        "`{layer}` at {other_location} accepts a token as a subprotocol, but `{name}` at {location} supports no \
         subprotocol, so browsers cannot connect; write `subprotocols(\"..\")` there"
    )]
    NoSubprotocols {
        /// The middleware.
        layer: &'static str,
        /// The controller.
        name: &'static str,
        /// The place that registers the route.
        location: Location,
        /// The place of the middleware.
        other_location: Location,
    },
    /// A name is not the name of a configured server.
    #[error("{what} at {location} names server `{server}`, which is not configured; there are {known}")]
    UnknownServer {
        /// The item that names the server.
        what: String,
        /// The place of the item.
        location: Location,
        /// The name.
        server: String,
        /// The names of the configured servers, as text.
        known: String,
    },
    /// The server for `App::ops` (feature `prometheus`) is not configured.
    #[error(
        "`App::ops` at {location} needs server `{server}`, which is not configured; write `[[servers]]` with `name = \"{server}\"`, `kind = \"http\"`, and a `host` and a `port` that only operators reach"
    )]
    NoOpsServer {
        /// The name.
        server: String,
        /// The place of the call.
        location: Location,
    },
    /// An item for one kind of server is given for a server of the other kind.
    #[error("{what} at {location} is for servers of another kind; server `{server}` has kind = \"{kind}\"")]
    WrongKind {
        /// The item that is given.
        what: String,
        /// The place of the item.
        location: Location,
        /// The name of the server.
        server: String,
        /// The kind of the server.
        kind: ServerKind,
    },
    /// A server of kind `http` has no service.
    #[error("server `{server}` has kind = \"http\" and nothing to serve; add `.http(\"{server}\", router)`")]
    NoService {
        /// The name of the server.
        server: String,
    },
    /// Two values are given for a server that can have only one.
    #[error("{what} of server `{server}` is given at {location} and at {other_location}; keep one")]
    GivenTwice {
        /// The kind of the value.
        what: &'static str,
        /// The name of the server.
        server: String,
        /// The place of the second call.
        location: Location,
        /// The place of the first call.
        other_location: Location,
    },
    /// A state is needed, but no value of its type was provided.
    #[error(
        "`{name}` at {location} needs a state of type `{type_name}`; {}",
        match similar {
            None => "add `.state(..)` with a value of that type".to_owned(),
            Some(similar) => format!("there is a state of type `{similar}`; use that type, or provide `{type_name}`"),
        }
    )]
    MissingState {
        /// The item that needs the state.
        name: &'static str,
        /// The place of the item.
        location: Location,
        /// The type of the state.
        type_name: &'static str,
        /// The provided type that was probably meant: the missing type with or without a pointer
        /// around it, or a type of the same name in another module.
        similar: Option<&'static str>,
    },
    /// Two states of the same type were provided.
    #[error(
        "a second state of type `{type_name}` is provided at {location}; wrap one of them in its own type"
    )]
    StateTwice {
        /// The type.
        type_name: &'static str,
        /// The place that provides the second value.
        location: Location,
    },
    /// A controller names a function as middleware or interceptor, but the function is not
    /// registered as one.
    #[error(
        "`{layer}`, named by {name} at {location}, is not a registered {what}; put `#[{attribute}(scope = \"route\")]` on \
         the function"
    )]
    NotALayer {
        /// `middleware` or `interceptor`.
        what: &'static str,
        /// The attribute that is missing.
        attribute: &'static str,
        /// The function, as written in the attribute.
        layer: &'static str,
        /// The controller.
        name: &'static str,
        /// The place of the controller.
        location: Location,
    },
    /// A middleware or an interceptor would run twice on a route.
    #[error(
        "`{layer}`, named by {name} at {location}, runs on every route of its server already ({other_location}); \
         remove it here, or write `scope = \"route\"` there"
    )]
    LayerTwice {
        /// The function, as written in the attribute.
        layer: &'static str,
        /// The controller.
        name: &'static str,
        /// The place of the controller.
        location: Location,
        /// The place of the function.
        other_location: Location,
    },
    /// Two error handlers handle the same error type at the same order.
    #[error(
        "error handlers `{name}` at {location} and `{other_name}` at {other_location} both handle `{error}` at order \
         {order}; give one of them another `order`"
    )]
    ErrorHandlerTwice {
        /// The error's type, as written.
        error: &'static str,
        /// The order.
        order: i32,
        /// The second error handler.
        name: &'static str,
        /// The place of the second error handler.
        location: Location,
        /// The first error handler.
        other_name: &'static str,
        /// The place of the first error handler.
        other_location: Location,
    },
    /// The binary is built with `panic = "abort"`: a panic in a callback would end the process
    /// instead of its connection.
    #[error(
        "this binary is built with panic = \"abort\"; write `panic = \"unwind\"` in the profile of Cargo.toml"
    )]
    PanicAborts,
    /// A start hook failed.
    #[error("the start hook given at {location} failed: {message}")]
    OnStart {
        /// The place of the call that added the hook.
        location: Location,
        /// The error's text.
        message: String,
    },
    /// The certificate or the key of a server cannot be used.
    #[error("{0}")]
    Tls(#[source] TlsError),
    /// A server cannot listen on its address.
    #[error("server `{server}` cannot listen on {address}: {error}")]
    Bind {
        /// The name of the server.
        server: String,
        /// The host and the port.
        address: String,
        /// The error of the operating system.
        #[source]
        error: io::Error,
    },
}
