//! Error handlers: [`Scene`] is the place of an error, [`Recovery`] is the handler's decision.
//!
//! The session and the handshake call `ErrorHandlers` for an error and apply the decision. This
//! module selects the handler; it never sends anything itself.

use std::{any::TypeId, borrow::Cow, net::SocketAddr, pin::Pin, sync::Arc};

use http::StatusCode;
use serde::Serialize;

use crate::{
    connection::Connection,
    error::{Error, Faces},
    wire::Text,
};

/// The phase of a connection in which an error happened.
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

/// One error handler, erased: `call` returns `None` for an error of another type.
pub(crate) struct Handler {
    pub(crate) name: &'static str,
    pub(crate) order: i32,
    /// `None` for the catch-all.
    pub(crate) error_type: Option<TypeId>,
    pub(crate) call: for<'a> fn(&'a Error, &'a Scene) -> Option<HandlerFuture<'a>>,
}

/// A server's error handlers: exact types first, then the catch-alls, each by order.
#[derive(Default)]
pub(crate) struct ErrorHandlers {
    handlers: Vec<Handler>,
    faces: Faces,
}

impl ErrorHandlers {
    pub(crate) fn new(mut handlers: Vec<Handler>, faces: Faces) -> Self {
        handlers.sort_by_key(|handler| (handler.error_type.is_none(), handler.order));
        Self { handlers, faces }
    }

    /// Adds the public face of the error's type, then calls the handlers in order. Returns
    /// [`Answer::Pass`] if none of them handles the error.
    pub(crate) async fn answer(&self, error: &mut Error, scene: &Scene) -> Answer {
        self.faces.complete(error);
        let error = &*error;
        for handler in &self.handlers {
            let Some(answer) = (handler.call)(error, scene) else { continue };
            match answer.await.0 {
                Answer::Pass => tracing::trace!(handler = handler.name, "error passed on"),
                answer => return answer,
            }
        }
        Answer::Pass
    }
}
