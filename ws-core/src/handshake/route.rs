//! [`Route`]: a route by hand.

use std::fmt;

use crate::{
    config::{Limits, Overflow, TrailingSlash},
    controller::Controller,
    handshake::{Middleware, MiddlewareFn},
    place::{Location, Scope, SubprotocolMismatch, short_name, type_id_of},
    session::{Erased, erase},
};

/// Changes a route's limits, which begin as its server's.
pub(crate) type Relimit = Box<dyn FnOnce(&mut Limits) + Send>;

/// A controller at a path, registered by hand: what `#[ws_controller]` says, as methods.
///
/// ```
/// use ws_core::{App, Connection, Controller, Message, Result, Route};
///
/// struct Echo;
///
/// impl Controller for Echo {
///     async fn on_message(&self, conn: &Connection, message: Message) -> Result {
///         Ok(conn.push(message)?)
///     }
/// }
///
/// let app = App::without_registry().route(Route::new("/echo", Echo).subprotocols(&["echo.v1"]).message_limit(64 * 1024));
/// assert_eq!(app.routes()[0].path, "/echo");
/// ```
#[must_use]
pub struct Route {
    pub(crate) path: String,
    pub(crate) server: String,
    pub(crate) name: &'static str,
    pub(crate) location: Location,
    pub(crate) controller: Erased,
    pub(crate) middleware: Vec<Middleware>,
    pub(crate) subprotocols: &'static [&'static str],
    pub(crate) mismatch: SubprotocolMismatch,
    pub(crate) trailing_slash: Option<TrailingSlash>,
    pub(crate) limits: Vec<Relimit>,
}

impl Route {
    /// This controller at this path of server `ws`.
    #[track_caller]
    pub fn new<C: Controller>(path: impl Into<String>, controller: C) -> Self {
        Self {
            path: path.into(),
            server: "ws".into(),
            name: short_name::<C>(),
            location: Location::caller(),
            controller: erase(controller),
            middleware: Vec::new(),
            subprotocols: &[],
            mismatch: SubprotocolMismatch::default(),
            trailing_slash: None,
            limits: Vec::new(),
        }
    }

    /// Another server than `ws`.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.server = name.into();
        self
    }

    /// Sets the name of the controller. Its rooms belong to this name, so keep it the same between
    /// builds. Default: the name of its type. Two controllers with the same name are a start error.
    pub fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// One more middleware of this route, inside the ones before.
    #[track_caller]
    pub fn middleware<P, M: MiddlewareFn<P>>(mut self, middleware: M) -> Self {
        self.middleware.push(Middleware::by_hand(middleware, Scope::Route));
        self
    }

    /// The subprotocols it speaks, most preferred first.
    pub fn subprotocols(mut self, subprotocols: &'static [&'static str]) -> Self {
        self.subprotocols = subprotocols;
        self
    }

    /// What happens when none of the offered subprotocols is spoken.
    pub fn subprotocol_mismatch(mut self, mismatch: SubprotocolMismatch) -> Self {
        self.mismatch = mismatch;
        self
    }

    /// Whether its path is also found with, or without, a `/` at the end. Default: the server's
    /// setting.
    pub fn trailing_slash(mut self, rule: TrailingSlash) -> Self {
        self.trailing_slash = Some(rule);
        self
    }

    /// The largest accepted message, in bytes.
    pub fn message_limit(self, bytes: usize) -> Self {
        self.limits(move |limits| limits.message = bytes)
    }

    /// What a full outbox does to a connection of this route.
    pub fn overflow(self, overflow: Overflow) -> Self {
        self.limits(move |limits| limits.overflow = overflow)
    }

    /// Changes limits of this route, which begin as its server's. Those of an open connection count; what comes before its 101
    /// (`connections`, `head`, `handshake_timeout` and the like) is the server's alone.
    ///
    /// ```
    /// # use ws_core::{Controller, Route};
    /// # struct Feed;
    /// # impl Controller for Feed {}
    /// let route = Route::new("/feed", Feed).limits(|limits| limits.outbox_messages = 16);
    /// ```
    pub fn limits(mut self, change: impl FnOnce(&mut Limits) + Send + 'static) -> Self {
        self.limits.push(Box::new(change));
        self
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("server", &self.server)
            .field("path", &self.path)
            .field("controller", &self.name)
            .finish_non_exhaustive()
    }
}

impl Middleware {
    #[track_caller]
    pub(crate) fn by_hand<P, M: MiddlewareFn<P>>(middleware: M, scope: Scope) -> Self {
        Self {
            name: short_name::<M>(),
            location: Location::caller(),
            id: type_id_of(&middleware),
            scope,
            state: M::state(),
            call: Box::new(move |handshake, next, states| middleware.call(handshake, next, states)),
        }
    }
}
