//! [`App`]: collects the registered entries and the values given by hand, checks them, and starts
//! the servers.
//!
//! `check` turns an application and its configuration into a `plan`, or reports all problems
//! together ([`StartError`]). `running` binds the listeners of the plan and serves them; `drain`
//! stops the application. Nothing may be bound before the check has passed. This module does not
//! serve requests; that is the task of `server`.

mod check;
#[cfg(feature = "console")]
mod companion;
mod drain;
mod error_handlers;
mod layers;
#[cfg(feature = "prometheus")]
mod ops;
mod plan;
mod problem;
mod problems;
#[cfg(feature = "metrics")]
mod publisher;
mod reload;
mod routes;
mod running;
mod signals;
mod start;
mod stats;
mod table;

use std::{fmt, sync::Arc};

#[cfg(feature = "console")]
pub(crate) use self::companion::{Companion, Launched, LaunchedServer, Launching, Prepared};
#[cfg(feature = "prometheus")]
#[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
pub use self::ops::Prometheus;
#[cfg(any(feature = "console", feature = "testing"))]
pub(crate) use self::plan::PlannedKind;
pub use self::{
    drain::ShutdownReport,
    problem::{Problem, StartError},
    running::Running,
    start::{HookOutcome, Starting},
    stats::StatsHandle,
    table::{RouteInfo, RouteTable},
};
use self::{plan::Plan, signals::Signals, start::Hook, stats::Telemetry};
#[cfg(feature = "testing")]
use crate::hub::Connector;
#[cfg(feature = "asyncapi")]
use crate::request::Security;
use crate::{
    config::Config,
    controller::Controller,
    handlers::{Interceptor, InterceptorFn},
    handshake::{DynUpgrade, Middleware, MiddlewareFn, Route, Upgrade},
    hub::{Hub, Live},
    place::Scope,
    recovery::{ErrorHandler, ErrorHandlerFn},
    registry::Registry,
    server::{HttpHandler, Lifecycle},
    state::States,
};
pub use crate::{
    place::Location,
    server::{HttpService, Readiness, TlsError, WsService},
};

/// An application: controllers, middleware and error handlers, and the servers that they run on.
///
/// [`App::new`] takes the entries that the attributes registered at link time. Before a socket is
/// bound, [`start`](App::start) checks everything that can be known, and reports all problems at
/// once.
///
/// ```no_run
/// use ws_core::prelude::*;
///
/// #[ws_controller(path = "/echo")]
/// struct Echo;
///
/// impl Controller for Echo {
///     async fn on_message(&self, conn: &Connection, message: Message) -> Result {
///         Ok(conn.push(message)?)
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), StartError> {
///     App::new().run().await
/// }
/// ```
#[must_use = "an application does nothing until it is started"]
pub struct App {
    registry: Registry,
    uses_registry: bool,
    routes: Vec<Route>,
    middleware: Vec<Middleware>,
    interceptors: Vec<Interceptor>,
    error_handlers: Vec<ErrorHandler>,
    states: States,
    provided_twice: Vec<(&'static str, Location)>,
    http: Vec<Given<HttpHandler>>,
    fallbacks: Vec<Given<HttpHandler>>,
    hooks: Vec<Hook>,
    upgrades: Vec<Given<Box<dyn DynUpgrade>>>,
    config: Option<Config>,
    /// The title and the version in documents.
    #[cfg(feature = "asyncapi")]
    description: Option<(String, String)>,
    /// The console, if it shall start with the application.
    #[cfg(feature = "console")]
    companion: Option<Companion>,
    /// The way to the broker, if a test has given one.
    #[cfg(feature = "testing")]
    connector: Option<Connector>,
    live: Arc<Live>,
    lifecycle: Lifecycle,
    telemetry: Telemetry,
    /// The server for the pages of operators, and the place of the call.
    #[cfg(feature = "prometheus")]
    ops: Option<(String, Location)>,
}

/// A value that was given for a server, and the place of the call.
struct Given<T> {
    server: String,
    location: Location,
    value: T,
}

impl App {
    /// Creates an application with all entries that the attributes registered in this binary.
    pub fn new() -> Self {
        let registry = Registry::linked();
        let linked: Vec<Route> = registry.controllers.iter().map(|entry| entry.route()).collect();
        let this = Self { registry, uses_registry: true, ..Self::without_registry() };
        linked.into_iter().fold(this, Self::route)
    }

    /// Creates an application without the registered entries. Add everything by hand.
    pub fn without_registry() -> Self {
        Self {
            registry: Registry::default(),
            uses_registry: false,
            routes: Vec::new(),
            middleware: Vec::new(),
            interceptors: Vec::new(),
            error_handlers: Vec::new(),
            states: States::default(),
            provided_twice: Vec::new(),
            http: Vec::new(),
            fallbacks: Vec::new(),
            hooks: Vec::new(),
            upgrades: Vec::new(),
            config: None,
            #[cfg(feature = "asyncapi")]
            description: None,
            #[cfg(feature = "console")]
            companion: None,
            #[cfg(feature = "testing")]
            connector: None,
            live: Arc::default(),
            lifecycle: Lifecycle::default(),
            telemetry: Telemetry::default(),
            #[cfg(feature = "prometheus")]
            ops: None,
        }
    }

    /// Returns the hub of all connections. Use it to pass the hub to HTTP handlers and timers
    /// before the start.
    pub fn hub(&self) -> Hub {
        Hub::new(&self.live)
    }

    /// Returns a handle that reports whether the application is ready for new clients. Use it to
    /// pass the handle to HTTP handlers before the start.
    pub fn readiness(&self) -> Readiness {
        self.lifecycle.readiness()
    }

    /// Returns a handle that reads the [counters](crate::telemetry::Stats) of the application. Use
    /// it to pass the handle to HTTP handlers before the start.
    pub fn stats(&self) -> StatsHandle {
        StatsHandle::new(&self.telemetry, &self.live, self.readiness())
    }

    /// Sets the configuration. If it is not set, the start reads `ws.toml` and the environment
    /// ([`Config::load`]).
    ///
    /// If it is set, neither is read; use `Config::default().with_env()?` to read the environment.
    /// At start, a warning is logged for environment variables that are set but were not read, and
    /// for a `ws.toml` that was not read because the configuration was made in code.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Sets the title and the version of the application in its [contract](crate::contract).
    /// Default: the name of the crate of the first controller, and `0.0.0`.
    #[cfg(feature = "asyncapi")]
    #[cfg_attr(docsrs, doc(cfg(feature = "asyncapi")))]
    pub fn described_as(mut self, title: impl Into<String>, version: impl Into<String>) -> Self {
        self.description = Some((title.into(), version.into()));
        self
    }

    /// Provides a value for `#[state]` fields and `State<T>` parameters of its type. A second value
    /// of the same type is a start error. At start, a warning names each value that is not used.
    #[track_caller]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        let location = Location::caller();
        if self.states.insert(value, location) {
            self.provided_twice.push((std::any::type_name::<T>(), location));
        }
        self
    }

    /// Adds a controller at a path of server `ws`. Use [`App::route`] for more settings.
    #[track_caller]
    pub fn controller<C: Controller>(self, path: impl Into<String>, controller: C) -> Self {
        self.route(Route::new(path, controller))
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.live.names().add((route.spec.controller)(), route.spec.name);
        if route.spec.subprotocols.contains(&"msgpack") {
            self.live.names().add_msgpack();
        }
        self.routes.push(route);
        self
    }

    /// Adds a middleware for all routes of a server. The middleware with the lowest `order` is
    /// outermost.
    #[track_caller]
    pub fn middleware<P, M: MiddlewareFn<P>>(
        mut self,
        server: &'static str,
        order: i32,
        middleware: M,
    ) -> Self {
        self.middleware.push(Middleware::by_hand(middleware, Scope::Server { server, order }));
        self
    }

    /// Adds an interceptor for the callbacks of all routes of a server. The interceptor with the
    /// lowest `order` is outermost.
    ///
    /// ```
    /// use ws_core::{App, Result, handlers::{Callback, NextHandler}};
    ///
    /// async fn logged(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
    ///     println!("{:?}", callback.kind());
    ///     next.run(callback).await
    /// }
    ///
    /// let app = App::without_registry().interceptor("ws", 0, logged);
    /// ```
    #[track_caller]
    pub fn interceptor<P, I: InterceptorFn<P>>(
        mut self,
        server: &'static str,
        order: i32,
        interceptor: I,
    ) -> Self {
        self.interceptors.push(Interceptor::by_hand(interceptor, Scope::Server { server, order }));
        self
    }

    /// Adds an error handler for one server, or with `None` for all servers. Among the handlers of
    /// one error type, the one with the lowest `order` is called first.
    ///
    /// ```
    /// use ws_core::{App, Error, Recovery, Scene};
    ///
    /// async fn logged(error: &Error, scene: &Scene) -> Recovery {
    ///     eprintln!("{:?}: {error}", scene.phase());
    ///     Recovery::pass()
    /// }
    ///
    /// let app = App::without_registry().error_handler(None, 0, logged);
    /// ```
    #[track_caller]
    pub fn error_handler<P, H: ErrorHandlerFn<P>>(
        mut self,
        server: impl Into<Option<&'static str>>,
        order: i32,
        handler: H,
    ) -> Self {
        self.error_handlers.push(ErrorHandler::by_hand(server.into(), order, handler));
        self
    }

    /// Sets the service of a server of kind `http`: an axum router, or any other tower service.
    #[track_caller]
    pub fn http(mut self, server: impl Into<String>, service: impl HttpService) -> Self {
        self.http.push(Given { server: server.into(), location: Location::caller(), value: service.erase() });
        self
    }

    /// Sets the service for requests to a server of kind `websocket` that do not ask for an
    /// upgrade. It allows WebSocket and HTTP on one port.
    ///
    /// The middleware and the routes of the server apply to handshakes only. The service gets all
    /// other requests, independent of their path. The service must not upgrade connections itself:
    /// its 101 is replaced by 500 and an error is logged. Use a server of kind `http` for such a
    /// service.
    #[track_caller]
    pub fn fallback(mut self, server: impl Into<String>, service: impl HttpService) -> Self {
        self.fallbacks.push(Given {
            server: server.into(),
            location: Location::caller(),
            value: service.erase(),
        });
        self
    }

    /// Adds a hook that runs once, after the listeners are bound and before the first handshake.
    ///
    /// Hooks run one after another, in the order of these calls. Handshakes wait until all hooks
    /// have finished. A hook that fails or panics is a start error.
    ///
    /// ```
    /// use ws_core::{App, Result};
    ///
    /// async fn warm_up() -> Result {
    ///     Ok(())
    /// }
    /// let app = App::without_registry().on_start(async |app| {
    ///     println!("ws on {:?}", app.local_addr("ws"));
    ///     warm_up().await
    /// });
    /// ```
    #[track_caller]
    pub fn on_start<F, Fut>(mut self, hook: F) -> Self
    where
        F: FnOnce(Starting) -> Fut + Send + 'static,
        Fut: Future<Output: HookOutcome> + Send + 'static,
    {
        self.hooks.push(Hook::new(Location::caller(), hook));
        self
    }

    /// Replaces the core step of a server of kind `websocket`; see [`Upgrade`].
    #[track_caller]
    pub fn upgrade(mut self, server: impl Into<String>, upgrade: impl Upgrade) -> Self {
        self.upgrades.push(Given {
            server: server.into(),
            location: Location::caller(),
            value: Box::new(upgrade),
        });
        self
    }

    /// Returns the routes, sorted by server and path. They are not checked yet. `Display` prints
    /// them as a table.
    pub fn routes(&self) -> RouteTable {
        RouteTable::of(self)
    }

    /// Checks the application, binds the listeners, and runs the start hooks. Returns when
    /// connections are accepted.
    ///
    /// # Errors
    /// All problems of the check. If there are none: all certificates and addresses that cannot be
    /// used. If there are none: the first start hook that failed.
    pub async fn start(self) -> Result<Running, StartError> {
        let plan = self.plan()?;
        Running::start(plan).await
    }

    /// Starts the application, and returns the WebSocket server of this name as a tower service.
    /// Mount the service in an axum or hyper program.
    ///
    /// This server is not bound; all others are. Shut down the [`Running`] to close the connections
    /// of the service.
    ///
    /// The outer server writes the 101 and chooses the case of its header names; hyper and axum
    /// write them in lower case.
    ///
    /// With the feature `http2` the service also accepts handshakes over HTTP/2; [`WsService`] says
    /// what the outer server needs for it.
    ///
    /// # Errors
    /// The errors of [`start`](Self::start). It is also an error if the name is not that of a
    /// server of kind `websocket`.
    #[track_caller]
    pub fn into_service(
        self,
        server: impl Into<String>,
    ) -> impl Future<Output = Result<(WsService, Running), StartError>> + Send {
        let (location, server) = (Location::caller(), server.into());
        async move {
            let mut plan = self.plan()?;
            let service = plan.take_websocket(&server, location)?;
            let running = Running::start(plan).await?;
            Ok((WsService::new(service), running))
        }
    }

    /// Joins the cluster of a broker in memory, with these settings.
    #[cfg(feature = "testing")]
    pub(crate) fn in_cluster(mut self, settings: crate::config::Cluster, connector: Connector) -> Self {
        let mut config = self.config.take().unwrap_or_else(|| self.config_by_use());
        config.cluster.get_or_insert(settings);
        Self { config: Some(config), connector: Some(connector), ..self }
    }

    /// Starts the application without listeners, and returns the servers that would be bound.
    #[cfg(feature = "testing")]
    pub(crate) async fn start_in_memory(
        self,
    ) -> Result<(Running, std::collections::HashMap<String, PlannedKind>), StartError> {
        let config = self.config.clone().unwrap_or_else(|| self.config_by_use());
        #[cfg(feature = "console")]
        let this = Self { companion: None, ..self };
        #[cfg(not(feature = "console"))]
        let this = self;
        let mut plan = check::plan(this, &config)?;
        let servers = plan.servers.drain(..).map(|server| (server.config.name, server.kind)).collect();
        Ok((Running::start(plan).await?, servers))
    }

    /// Returns the default configuration, with a server for every name that the application uses.
    #[cfg(feature = "testing")]
    fn config_by_use(&self) -> Config {
        use crate::config::{ServerConfig, ServerKind};

        let mut config = Config::default();
        let websocket =
            self.routes().iter().map(|route| (route.server.clone(), ServerKind::WebSocket)).collect();
        let http = self.http.iter().map(|given| (given.server.clone(), ServerKind::Http)).collect();
        let used: [Vec<_>; 2] = [websocket, http];
        for (name, kind) in used.into_iter().flatten() {
            if config.servers.iter().all(|server| server.name != name) {
                config.servers.push(ServerConfig::new(name, kind, 0));
            }
        }
        config
    }

    /// Returns the routes, in the order of their registration.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn registered_routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the places from which the middleware of a route accepts a token: the middleware of
    /// its server, and that which the route names.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn security_of(&self, route: &Route) -> Vec<Security> {
        let spec = &route.spec;
        let runs = |layer: &crate::layer::Layer| match layer.scope {
            Scope::Server { server, .. } => server == spec.server,
            Scope::Route => spec.middleware.iter().any(|named| (named.id)() == (layer.id)()),
        };
        let entries = self.registry.middleware.iter().filter(|entry| runs(&entry.layer));
        entries.flat_map(|entry| entry.security).copied().collect()
    }

    /// Starts a console with the application.
    #[cfg(feature = "console")]
    pub(crate) fn with_companion(self, companion: Companion) -> Self {
        Self { companion: Some(companion), ..self }
    }

    /// Returns the title and the version that were set.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn description(&self) -> Option<&(String, String)> {
        self.description.as_ref()
    }

    /// Returns the configuration that was set.
    #[cfg(feature = "asyncapi")]
    pub(crate) fn given_config(&self) -> Option<&Config> {
        self.config.as_ref()
    }

    fn plan(self) -> Result<Plan, StartError> {
        let config = match &self.config {
            Some(config) => {
                config.warn_of_unread();
                config.clone()
            }
            None => Config::load().map_err(|error| StartError::one(Problem::Config(error)))?,
        };
        #[cfg(feature = "console")]
        {
            let prepared = self.companion.as_ref().and_then(|companion| companion.0(&self, &config));
            let mut plan = check::plan(self, &config)?;
            plan.companion = prepared.map(|prepared| companion::Planned::new(prepared, &plan));
            Ok(plan)
        }
        #[cfg(not(feature = "console"))]
        check::plan(self, &config)
    }

    /// Starts the application, runs until SIGINT or SIGTERM, then shuts down like
    /// [`Running::shutdown`]. A second signal cuts the shutdown short, as in
    /// [`Running::run_until_signal`].
    ///
    /// A signal during the start ends the start. Nothing is drained, because no connection is open
    /// yet. A start hook that is running is dropped at the await where it is suspended.
    ///
    /// # Errors
    /// The errors of [`start`](Self::start).
    pub async fn run(self) -> Result<(), StartError> {
        let mut signals = Signals::catch();
        let running = match &mut signals {
            Ok(signals) => tokio::select! {
                started = self.start() => started?,
                signal = signals.recv() => {
                    tracing::info!(signal, "stopped before it had started");
                    return Ok(());
                }
            },
            Err(_) => self.start().await?,
        };
        running.run_until(signals).await;
        Ok(())
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("routes", &self.routes()).finish_non_exhaustive()
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}
