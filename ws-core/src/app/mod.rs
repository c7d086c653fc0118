//! [`App`]: collects what is registered and provided, checks it, and starts it.
//!
//! `check` turns an application and its configuration into a `plan`, or reports all problems at
//! once. `running` binds and serves the plan, `drain` ends it. Nothing is bound before the check
//! passed. All problems are reported together ([`StartError`]).

mod check;
mod drain;
mod layers;
mod plan;
mod problem;
mod problems;
mod reload;
mod routes;
mod running;
mod signals;
mod start;
mod table;

use std::{fmt, sync::Arc};

#[cfg(feature = "testing")]
pub(crate) use self::plan::PlannedKind;
pub use self::{
    drain::ShutdownReport,
    problem::{Problem, StartError},
    running::Running,
    start::{HookOutcome, Starting},
    table::{RouteInfo, RouteTable},
};
use self::{plan::Plan, signals::Signals, start::Hook};
use crate::{
    config::Config,
    controller::Controller,
    handshake::{DynUpgrade, Middleware, MiddlewareFn, Route, Upgrade},
    hub::{Hub, Live},
    place::Scope,
    registry::Registry,
    server::{HttpHandler, Lifecycle},
    state::States,
};
pub use crate::{
    place::Location,
    server::{HttpService, Readiness, TlsError, WsService},
};

/// An application: controllers, middleware and error handlers, with the servers they run on.
///
/// [`App::new`] takes the entries that the attributes registered at link time. The start checks
/// everything that can be known before it binds a socket, and reports all problems at once.
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
    states: States,
    provided_twice: Vec<(&'static str, Location)>,
    http: Vec<Given<HttpHandler>>,
    fallbacks: Vec<Given<HttpHandler>>,
    hooks: Vec<Hook>,
    upgrades: Vec<Given<Box<dyn DynUpgrade>>>,
    config: Option<Config>,
    live: Arc<Live>,
    lifecycle: Lifecycle,
}

/// A value given for a server, and the place of the call.
struct Given<T> {
    server: String,
    location: Location,
    value: T,
}

impl App {
    /// Creates an application of everything that the attributes registered in this binary.
    pub fn new() -> Self {
        let registry = Registry::linked();
        let linked: Vec<Route> = registry.controllers.iter().map(|entry| entry.route()).collect();
        let this = Self { registry, uses_registry: true, ..Self::without_registry() };
        linked.into_iter().fold(this, Self::route)
    }

    /// Creates an application without the registered entries: it has only what is given by hand.
    pub fn without_registry() -> Self {
        Self {
            registry: Registry::default(),
            uses_registry: false,
            routes: Vec::new(),
            middleware: Vec::new(),
            states: States::default(),
            provided_twice: Vec::new(),
            http: Vec::new(),
            fallbacks: Vec::new(),
            hooks: Vec::new(),
            upgrades: Vec::new(),
            config: None,
            live: Arc::default(),
            lifecycle: Lifecycle::default(),
        }
    }

    /// Returns the hub of all connections, to pass to HTTP handlers and timers before the start.
    pub fn hub(&self) -> Hub {
        Hub::new(&self.live)
    }

    /// Returns a handle that says whether the application should get new clients, to pass to HTTP
    /// handlers before the start.
    pub fn readiness(&self) -> Readiness {
        self.lifecycle.readiness()
    }

    /// Sets the configuration. Without one, the start reads `ws.toml` and the environment
    /// ([`Config::load`]).
    ///
    /// With one, neither is read; `Config::default().with_env()?` reads the environment. At start,
    /// a warning names variables that are set and were not read, and a `ws.toml` beside a
    /// configuration that was made in code.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Provides a value for `#[state]` fields and `State<T>` parameters of its type.
    #[track_caller]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if self.states.insert(value) {
            self.provided_twice.push((std::any::type_name::<T>(), Location::caller()));
        }
        self
    }

    /// Adds a controller at a path of server `ws`. [`App::route`] takes more settings.
    #[track_caller]
    pub fn controller<C: Controller>(self, path: impl Into<String>, controller: C) -> Self {
        self.route(Route::new(path, controller))
    }

    /// Adds a route.
    pub fn route(mut self, route: Route) -> Self {
        self.live.names().add((route.spec.controller)(), route.spec.name);
        self.routes.push(route);
        self
    }

    /// Adds a middleware for every route of a server. The lowest `order` is outermost.
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

    /// Sets the service of a server of kind `http`: an axum router, or any other tower service.
    #[track_caller]
    pub fn http(mut self, server: impl Into<String>, service: impl HttpService) -> Self {
        self.http.push(Given { server: server.into(), location: Location::caller(), value: service.erase() });
        self
    }

    /// Sets the service for requests to a server of kind `websocket` that do not ask for an
    /// upgrade: WebSocket and HTTP on one port.
    ///
    /// Middleware and routes of the server apply to handshakes only. The service gets all other
    /// requests, whatever their path. A service that upgrades connections itself is not supported
    /// here (logged, 500); give it a server of kind `http`.
    #[track_caller]
    pub fn fallback(mut self, server: impl Into<String>, service: impl HttpService) -> Self {
        self.fallbacks.push(Given {
            server: server.into(),
            location: Location::caller(),
            value: service.erase(),
        });
        self
    }

    /// Adds a hook that runs after the listeners are bound and before the first handshake.
    ///
    /// Hooks run one after another, in the order in which they were given; handshakes wait until
    /// all have finished. A hook that fails or panics is a start error.
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

    /// Replaces the core step of a server of kind `websocket`.
    #[track_caller]
    pub fn upgrade(mut self, server: impl Into<String>, upgrade: impl Upgrade) -> Self {
        self.upgrades.push(Given {
            server: server.into(),
            location: Location::caller(),
            value: Box::new(upgrade),
        });
        self
    }

    /// Returns the routes, not yet checked, sorted by server and path. The list prints as a table.
    pub fn routes(&self) -> RouteTable {
        RouteTable::of(self)
    }

    /// Checks, binds and starts; returns when connections are accepted.
    ///
    /// # Errors
    /// All problems, at once.
    pub async fn start(self) -> Result<Running, StartError> {
        let plan = self.plan()?;
        Running::start(plan).await
    }

    /// Starts, and returns the WebSocket server of this name as a tower service, to mount in an
    /// existing axum or hyper program.
    ///
    /// This server is not bound; all others are. Shut down the [`Running`] to close its
    /// connections.
    ///
    /// The outer server writes the 101 and chooses the case of its header names; hyper and axum
    /// write them in lower case.
    ///
    /// # Errors
    /// All problems, at once; also a name that is not that of a server of kind `websocket`.
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

    /// Starts without a listener, and returns the servers that would be bound.
    #[cfg(feature = "testing")]
    pub(crate) async fn start_in_memory(
        self,
    ) -> Result<(Running, std::collections::HashMap<String, PlannedKind>), StartError> {
        let config = self.config.clone().unwrap_or_else(|| self.config_by_use());
        let mut plan = check::plan(self, &config)?;
        let servers = plan.servers.drain(..).map(|server| (server.config.name, server.kind)).collect();
        Ok((Running::start(plan).await?, servers))
    }

    /// Returns the default configuration, with a server for every name that is used.
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

    fn plan(self) -> Result<Plan, StartError> {
        let config = match &self.config {
            Some(config) => {
                config.warn_of_unread();
                config.clone()
            }
            None => Config::load().map_err(|error| StartError::one(Problem::Config(error)))?,
        };
        check::plan(self, &config)
    }

    /// Starts, runs until SIGINT or SIGTERM, then drains as [`Running::shutdown`] does. A second
    /// signal ends it at once, as in [`Running::run_until_signal`].
    ///
    /// A signal during the start ends the start: there is no connection yet, so nothing is drained.
    /// A start hook that is running is dropped at the await where it is suspended.
    ///
    /// # Errors
    /// All problems that kept it from starting, at once.
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
