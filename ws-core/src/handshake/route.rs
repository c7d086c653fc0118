//! [`RouteSpec`]: a route as registered, before it is checked; and its builder [`Route`].
//!
//! An entry of the registry holds a `RouteSpec` and becomes a `Route` when the application is
//! created. A route registered by hand is a `Route` from the start. After the checks at start, the
//! route becomes a [`MatchedRoute`](super::MatchedRoute), which serves requests.

use std::{any::TypeId, borrow::Cow, fmt, sync::Arc};

use crate::{
    config::{Compression, Limits, Overflow, TrailingSlash},
    controller::Controller,
    envelope::{EventInfo, WsEvent},
    error::Result,
    handlers::{Interceptor, InterceptorFn},
    handshake::{Guard, GuardFn, GuardRef, Middleware, MiddlewareFn},
    layer::{Layer, LayerRef},
    place::{Location, Scope, SubprotocolMismatch, short_name},
    session::{Erased, erase},
    state::{StateKey, States},
};

/// Changes the limits of a route. The initial values are the limits of its server.
pub(crate) type ChangeLimits = Box<dyn FnOnce(&mut Limits) + Send>;

/// Changes the compression of a route. The initial values are those of its server.
pub(crate) type ChangeCompression = Box<dyn FnOnce(&mut Compression) + Send>;

/// Makes the controller of a route. Called once, at start.
type Build = Box<dyn FnOnce(&States) -> Result<Erased> + Send>;

/// A path, its controller, and their settings.
///
/// `#[ws_controller]` generates it as a constant, so it cannot contain closures; [`Route`] adds
/// them.
#[derive(Clone)]
pub struct RouteSpec {
    /// The path pattern.
    pub path: Cow<'static, str>,
    /// The server's name.
    pub server: Cow<'static, str>,
    /// The controller's name.
    pub name: &'static str,
    /// The place of the attribute, or of the call that registers the route.
    pub location: Location,
    /// The doc comment of the controller, for documents.
    pub docs: &'static str,
    /// Returns the controller's type.
    pub controller: fn() -> TypeId,
    /// The registered middleware that the route names, outermost first.
    pub middleware: &'static [LayerRef],
    /// The registered interceptors that the route names, outermost first.
    pub interceptors: &'static [LayerRef],
    /// The guards, in the order in which they run.
    pub guards: &'static [GuardRef],
    /// The supported subprotocols, most preferred first.
    pub subprotocols: &'static [&'static str],
    /// The action if none of the offered subprotocols is supported.
    pub subprotocol_mismatch: SubprotocolMismatch,
    /// Whether a `/` at the end of the path matters; `None` uses the server's setting.
    pub trailing_slash: Option<TrailingSlash>,
    /// The declared events that the controller sends on its own.
    pub emits: Cow<'static, [EventInfo]>,
    /// The types of the controller's `#[state]` fields.
    pub state: &'static [fn() -> StateKey],
}

impl RouteSpec {
    /// Returns the key by which routes are sorted.
    pub(crate) fn sort_key(&self) -> (&str, &str, Location) {
        (&self.server, &self.path, self.location)
    }
}

/// A controller at a path, registered by hand. Its methods correspond to the arguments of
/// `#[ws_controller]`.
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
/// let echo = Route::new("/echo", Echo).subprotocols(&["echo.v1"]).message_limit(64 * 1024);
/// let app = App::without_registry().route(echo);
/// assert_eq!(app.routes()[0].path, "/echo");
/// ```
#[must_use]
pub struct Route {
    pub(crate) spec: RouteSpec,
    /// The middleware added by hand. It runs inside the middleware that `spec` names.
    pub(crate) middleware: Vec<Arc<Middleware>>,
    /// The interceptors added by hand. They run inside the interceptors that `spec` names.
    pub(crate) interceptors: Vec<Arc<Interceptor>>,
    /// The guards added by hand. They run after the guards that `spec` names.
    pub(crate) guards: Vec<Guard>,
    pub(crate) limits: Vec<ChangeLimits>,
    pub(crate) compression: Vec<ChangeCompression>,
    pub(crate) build: Build,
}

impl Route {
    /// Makes a route for this controller at this path of server `ws`.
    ///
    /// If the type also has `#[ws_controller(..)]`, its arguments and its `#[guard(..)]` belong to
    /// the route of the attribute, not to this one: add middleware and guards here.
    #[track_caller]
    pub fn new<C: Controller>(path: impl Into<String>, controller: C) -> Self {
        Self {
            spec: RouteSpec {
                path: Cow::Owned(path.into()),
                server: Cow::Borrowed("ws"),
                name: short_name::<C>(),
                location: Location::caller(),
                docs: "",
                controller: TypeId::of::<C>,
                middleware: &[],
                interceptors: &[],
                guards: &[],
                subprotocols: &[],
                subprotocol_mismatch: SubprotocolMismatch::default(),
                trailing_slash: None,
                emits: Cow::Borrowed(&[]),
                state: &[],
            },
            middleware: Vec::new(),
            interceptors: Vec::new(),
            guards: Vec::new(),
            limits: Vec::new(),
            compression: Vec::new(),
            build: Box::new(move |_| Ok(erase(controller))),
        }
    }

    /// Sets the server. Default: `ws`.
    pub fn server(mut self, name: impl Into<String>) -> Self {
        self.spec.server = Cow::Owned(name.into());
        self
    }

    /// Sets the name of the controller. Its rooms belong to this name, so keep it the same between
    /// builds. Default: the name of its type. Two controllers with the same name are a start error.
    pub fn name(mut self, name: &'static str) -> Self {
        self.spec.name = name;
        self
    }

    /// Adds a middleware. It runs inside the middleware that was added before.
    #[track_caller]
    pub fn middleware<P, M: MiddlewareFn<P>>(mut self, middleware: M) -> Self {
        self.middleware.push(Arc::new(Middleware::by_hand(middleware, Scope::Route)));
        self
    }

    /// Adds an interceptor. It runs inside the interceptor that was added before.
    #[track_caller]
    pub fn interceptor<P, I: InterceptorFn<P>>(mut self, interceptor: I) -> Self {
        self.interceptors.push(Arc::new(Interceptor::by_hand(interceptor, Scope::Route)));
        self
    }

    /// Adds a guard. It runs in the handshake, after the guard that was added before. An error
    /// refuses the connection with 403, or with the error's own status.
    ///
    /// ```
    /// use ws_core::{Controller, Error, Handshake, Result, Route, State};
    ///
    /// # #[derive(Clone)]
    /// # struct Banned(Vec<&'static str>);
    /// # struct Feed;
    /// # impl Controller for Feed {}
    /// async fn not_banned(handshake: &Handshake, State(banned): State<Banned>) -> Result {
    ///     let name = handshake.query_param("name");
    ///     let is_banned = banned.0.iter().any(|banned| name.as_deref() == Some(banned));
    ///     if is_banned { Err(Error::new("banned").public("go away")) } else { Ok(()) }
    /// }
    ///
    /// let route = Route::new("/feed", Feed).guard(not_banned);
    /// ```
    #[track_caller]
    pub fn guard<P, G: GuardFn<P>>(mut self, guard: G) -> Self {
        self.guards.push(Guard::by_hand(guard));
        self
    }

    /// Sets the supported subprotocols, most preferred first.
    pub fn subprotocols(mut self, subprotocols: &'static [&'static str]) -> Self {
        self.spec.subprotocols = subprotocols;
        self
    }

    /// Sets the action if none of the offered subprotocols is supported.
    pub fn subprotocol_mismatch(mut self, mismatch: SubprotocolMismatch) -> Self {
        self.spec.subprotocol_mismatch = mismatch;
        self
    }

    /// Sets whether the path also matches with, or without, a `/` at its end. Default: the server's
    /// setting.
    pub fn trailing_slash(mut self, rule: TrailingSlash) -> Self {
        self.spec.trailing_slash = Some(rule);
        self
    }

    /// Declares an event that the controller sends on its own, with
    /// [`Connection::emit`](crate::Connection::emit), [`Connection::ask`](crate::Connection::ask)
    /// or [`Target::emit`](crate::hub::Target::emit). Events that its handlers return need no
    /// declaration.
    ///
    /// In builds with `debug_assertions`, the first emit of an undeclared event is logged as a
    /// warning.
    ///
    /// ```
    /// use ws_core::{Controller, Route, WsEvent};
    ///
    /// #[derive(WsEvent)]
    /// #[ws_event("tick")]
    /// struct Tick;
    ///
    /// # struct Clock;
    /// # impl Controller for Clock {}
    /// let route = Route::new("/clock", Clock).emits::<Tick>();
    /// ```
    pub fn emits<E: WsEvent>(mut self) -> Self {
        self.spec.emits.to_mut().push(EventInfo::of::<E>());
        self
    }

    /// Sets the largest accepted message, in bytes.
    pub fn message_limit(self, bytes: usize) -> Self {
        self.limits(move |limits| limits.message = bytes)
    }

    /// Sets the action for a connection of this route when its outbox is full.
    pub fn overflow(self, overflow: Overflow) -> Self {
        self.limits(move |limits| limits.overflow = overflow)
    }

    /// Changes the limits of this route. The initial values are the limits of its server. Only the
    /// limits of open connections have an effect here; the limits that apply before the 101
    /// (`connections`, `head`, `handshake_timeout` and others) are always those of the server.
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

    /// Changes the compression of this route (feature `deflate`). The initial values are those of
    /// its server: off by default.
    ///
    /// ```
    /// # #[cfg(feature = "deflate")] {
    /// # use ws_core::{Controller, Route};
    /// # struct Feed;
    /// # impl Controller for Feed {}
    /// use ws_core::config::Compression;
    ///
    /// let route = Route::new("/feed", Feed).compression(|it| *it = Compression::per_message());
    /// # }
    /// ```
    pub fn compression(mut self, change: impl FnOnce(&mut Compression) + Send + 'static) -> Self {
        self.compression.push(Box::new(change));
        self
    }

    /// Returns the functions added by hand, which run around the handshake and the callbacks.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let middleware = self.middleware.iter().map(|it| &it.layer);
        middleware.chain(self.interceptors.iter().map(|it| &it.layer))
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("server", &self.spec.server)
            .field("path", &self.spec.path)
            .field("controller", &self.spec.name)
            .finish_non_exhaustive()
    }
}
