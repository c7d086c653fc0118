//! Error handlers: [`Scene`] is the place of an error, [`Recovery`] is the handler's decision.
//!
//! The handshake calls `ErrorHandlers` for an error and applies the decision. On an open
//! connection, `Verdict` is the consequence of the decision. This module selects the handler; it
//! never sends anything itself.

mod verdict;

use std::{
    any::{TypeId, type_name},
    borrow::Cow,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
};

use http::StatusCode;
use serde::Serialize;

pub(crate) use self::verdict::Verdict;
use crate::{
    connection::Connection,
    error::{Error, Faces},
    function::{Function, StateParams, for_each_number_of_states},
    place::{Location, short_name},
    state::{FromState, StateKey, States},
    wire::Text,
};

/// The phase of a connection in which an error happened.
///
/// ```
/// use ws_core::{Error, Recovery, Scene, StatusCode, recovery::Phase};
///
/// async fn busy(_: &Error, scene: &Scene) -> Recovery {
///     match scene.phase() {
///         Phase::Handshake => Recovery::respond(StatusCode::SERVICE_UNAVAILABLE, "try again"),
///         Phase::Open | Phase::Message => Recovery::disconnect(1013, "try again"),
///         Phase::Close => Recovery::pass(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Before the 101: in the checks, a middleware or the core step.
    Handshake,
    /// In `on_open`.
    Open,
    /// In `on_message`, `on_ping` or `on_pong`.
    Message,
    /// In `on_close`.
    Close,
}

/// Where an error happened: the phase, the place, and the connection if there is one yet.
///
/// ```
/// use ws_core::{Error, Recovery, Scene};
///
/// async fn logged(error: &Error, scene: &Scene) -> Recovery {
///     println!("{} at {} of {:?}: {error}", scene.server(), scene.path(), scene.peer_addr());
///     Recovery::pass()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Scene {
    pub(crate) phase: Phase,
    pub(crate) server: Arc<str>,
    pub(crate) route: Option<Arc<str>>,
    pub(crate) path: Arc<str>,
    pub(crate) peer_addr: Option<SocketAddr>,
    pub(crate) connection: Option<Connection>,
}

impl Scene {
    /// The phase in which the error happened.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The name of the server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The route's path pattern, such as `/rooms/{room}`; `None` before routing and for unknown
    /// paths.
    pub fn route(&self) -> Option<&str> {
        self.route.as_deref()
    }

    /// The requested path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The peer's address, if the transport has one.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// The connection; `None` during the handshake.
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }
}

/// The decision of an error handler.
///
/// Each decision is valid in some phases: [`respond`](Self::respond) in the handshake,
/// [`reply`](Self::reply) and [`disconnect`](Self::disconnect) in open and message,
/// [`error`](Self::error) in all three. A decision that is not valid in its phase is logged, and
/// the default applies as if there were no handler. After `on_close` nothing can be sent; in that
/// phase, any decision except [`pass`](Self::pass) marks the error as handled.
///
/// ```
/// use ws_core::{Recovery, Scene, ws_error_handler};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the room is full")]
/// struct Full;
///
/// #[ws_error_handler]
/// async fn full(error: &Full, _: &Scene) -> Recovery {
///     Recovery::error("full", error.to_string())
/// }
/// # fn main() {}
/// ```
#[derive(Debug)]
#[must_use]
pub struct Recovery(pub(crate) Answer);

#[derive(Debug)]
pub(crate) enum Answer {
    Respond { status: StatusCode, body: serde_json::Result<Vec<u8>> },
    Reply(serde_json::Result<Text>),
    Event { code: Cow<'static, str>, message: Cow<'static, str> },
    Disconnect { code: u16, reason: String },
    Pass,
}

impl Answer {
    /// Returns the code of the error event, if the answer is one.
    pub(crate) fn event_code(&self) -> Option<&str> {
        match self {
            Self::Event { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl Recovery {
    /// Refuses the handshake with this status and this JSON body.
    ///
    /// A status below 400 becomes 500: a failed handshake never looks like a success.
    pub fn respond(status: StatusCode, body: impl Serialize) -> Self {
        let status = if status.as_u16() < 400 { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        Self(Answer::Respond { status, body: serde_json::to_vec(&body) })
    }

    /// Sends this value as a JSON text message; the connection stays open.
    pub fn reply(message: impl Serialize) -> Self {
        Self(Answer::Reply(serde_json::to_string(&message).map(Text::from)))
    }

    /// Sends `{"event": "error", "data": {"code": code, "message": message}}` with the `ref` of the
    /// event that failed; the connection stays open. In the handshake, the response has the error's
    /// status and the message.
    pub fn error(code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Answer::Event { code: code.into(), message: message.into() })
    }

    /// Closes the connection with this code (RFC 6455 section 7.4) and reason.
    ///
    /// The reason is cut to 123 bytes at a char boundary. A code that may not be sent becomes 1011.
    pub fn disconnect(code: u16, reason: impl Into<String>) -> Self {
        Self(Answer::Disconnect { code, reason: reason.into() })
    }

    /// Passes the error to the next handler, or to the default.
    pub fn pass() -> Self {
        Self(Answer::Pass)
    }
}

/// The future of one call of an error handler.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Recovery> + Send + 'a>>;

type Call = dyn for<'a> Fn(&'a Error, &'a Scene, &'a States) -> Option<HandlerFuture<'a>> + Send + Sync;

/// One error handler, from the registry or added by hand.
pub(crate) struct ErrorHandler {
    pub(crate) name: &'static str,
    pub(crate) location: Location,
    /// `None` for all servers.
    pub(crate) server: Option<&'static str>,
    pub(crate) order: i32,
    /// `None` for the catch-all.
    pub(crate) error_type: Option<TypeId>,
    pub(crate) error_name: &'static str,
    pub(crate) state: &'static [fn() -> StateKey],
    /// Returns `None` for an error of another type.
    pub(crate) call: Box<Call>,
}

impl ErrorHandler {
    #[track_caller]
    pub(crate) fn by_hand<P, H: ErrorHandlerFn<P>>(
        server: Option<&'static str>,
        order: i32,
        handler: H,
    ) -> Self {
        Self {
            name: short_name::<H>(),
            location: Location::caller(),
            server,
            order,
            error_type: H::Error::error_type(),
            error_name: type_name::<H::Error>(),
            state: H::STATE,
            call: Box::new(move |error, scene, states| handler.call(H::Error::of(error)?, scene, states)),
        }
    }
}

/// A type that an error handler can handle: any [`std::error::Error`], or [`Error`] itself for all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that an error handler can handle",
    note = "take a reference to a type that implements `std::error::Error`, or `&ws_core::Error` to catch all"
)]
pub trait Handled: Sized + 'static {
    /// Returns the handled type; `None` for the catch-all.
    fn error_type() -> Option<TypeId>;
    /// Returns the error as this type, if it is one.
    fn of(error: &Error) -> Option<&Self>;
}

impl<E: std::error::Error + Send + Sync + 'static> Handled for E {
    fn error_type() -> Option<TypeId> {
        Some(TypeId::of::<E>())
    }

    fn of(error: &Error) -> Option<&Self> {
        error.downcast_ref()
    }
}

impl Handled for Error {
    fn error_type() -> Option<TypeId> {
        None
    }

    fn of(error: &Error) -> Option<&Self> {
        Some(error)
    }
}

/// An async function that [`App::error_handler`](crate::App::error_handler) accepts:
/// `async fn(&E, &Scene) -> Recovery`, with up to four `State<T>` after the two parameters. `E` is
/// an error type, or [`Error`] to catch all.
///
/// ```
/// use std::io;
/// use ws_core::{App, Recovery, Scene};
///
/// async fn disk(error: &io::Error, _: &Scene) -> Recovery {
///     println!("{error}");
///     Recovery::error("unavailable", "try again later")
/// }
/// let app = App::without_registry().error_handler("ws", 0, disk);
/// ```
#[diagnostic::on_unimplemented(
    message = "this function is not an error handler",
    label = "not an error handler",
    note = "an error handler is `async fn(&E, &Scene) -> Recovery`, with up to four `State<T>` after these two",
    note = "`E` is a type that implements `std::error::Error`, or `ws_core::Error` to catch all"
)]
pub trait ErrorHandlerFn<Params>: Send + Sync + 'static {
    #[doc(hidden)]
    type Error: Handled;
    #[doc(hidden)]
    const STATE: &'static [fn() -> StateKey];
    #[doc(hidden)]
    fn call<'a>(
        &self,
        error: &'a Self::Error,
        scene: &'a Scene,
        states: &'a States,
    ) -> Option<HandlerFuture<'a>>;
}

macro_rules! error_handler_fn {
    ($($state:ident),*) => {
        impl<F, Handles: Handled, $($state: FromState),*> ErrorHandlerFn<(Handles, $($state,)*)> for F
        where
            F: for<'a> Function<'a, (&'a Handles, &'a Scene, $($state),*), Output = Recovery> + 'static,
        {
            type Error = Handles;

            const STATE: &'static [fn() -> StateKey] = <($($state,)*)>::KEYS;

            #[allow(non_snake_case, reason = "a parameter has the name of its type")]
            fn call<'a>(
                &self,
                error: &'a Handles,
                scene: &'a Scene,
                states: &'a States,
            ) -> Option<HandlerFuture<'a>> {
                // The check at start makes a missing state unreachable.
                let ($($state,)*) = StateParams::from_states(states).ok()?;
                Some(Box::pin(self.start((error, scene, $($state),*))))
            }
        }
    };
}

for_each_number_of_states!(error_handler_fn);

/// A server's error handlers: exact types first, then the catch-alls, each by order.
#[derive(Default)]
pub(crate) struct ErrorHandlers {
    handlers: Vec<Arc<ErrorHandler>>,
    states: Arc<States>,
    faces: Faces,
}

impl ErrorHandlers {
    pub(crate) fn new(mut handlers: Vec<Arc<ErrorHandler>>, states: Arc<States>, faces: Faces) -> Self {
        handlers.sort_by_key(|handler| (handler.error_type.is_none(), handler.order));
        Self { handlers, states, faces }
    }

    /// Adds the public face of the error's type.
    pub(crate) fn complete(&self, error: &mut Error) {
        self.faces.complete(error);
    }

    /// Adds the public face of the error's type, then calls the handlers in order. Returns
    /// [`Answer::Pass`] if none of them handles the error.
    pub(crate) async fn answer(&self, error: &mut Error, scene: &Scene) -> Answer {
        self.faces.complete(error);
        let error = &*error;
        for handler in &self.handlers {
            let Some(answer) = (handler.call)(error, scene, &self.states) else { continue };
            match answer.await.0 {
                Answer::Pass => tracing::trace!(handler = handler.name, "error passed on"),
                answer => return answer,
            }
        }
        Answer::Pass
    }
}
