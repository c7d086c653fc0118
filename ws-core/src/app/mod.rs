//! [`App`]: what is registered, what is provided, checked before anything is bound.

mod check;
mod problem;
mod running;
mod table;

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use tower_service::Service;

pub use self::{
    problem::{Problem, StartError},
    running::{Running, ShutdownReport},
    table::{RouteInfo, RouteTable},
};
use crate::{
    Controller, Upgrade,
    config::Config,
    error::BoxError,
    handshake::{DynUpgrade, Middleware, MiddlewareFn, Route},
    registry::{Location, Registry, Scope},
    server::{HttpHandler, handler},
    state::States,
};

/// An application: controllers, middleware and error handlers, with the servers they run on.
///
/// [`App::new`] takes what the attributes registered at link time. Everything that can be known is checked when it
/// starts, before any socket is bound, and reported at once.
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
    upgrades: Vec<Given<Box<dyn DynUpgrade>>>,
    config: Option<Config>,
}

/// Something given for a server.
struct Given<T> {
    server: String,
    location: Location,
    value: T,
}

impl App {
    /// Everything that the attributes registered in this binary.
    pub fn new() -> Self {
        Self { registry: Registry::linked(), uses_registry: true, ..Self::without_registry() }
    }

    /// Nothing but what is given by hand.
    pub fn without_registry() -> Self {
        Self {
            registry: Registry::default(),
            uses_registry: false,
            routes: Vec::new(),
            middleware: Vec::new(),
            states: States::default(),
            provided_twice: Vec::new(),
            http: Vec::new(),
            upgrades: Vec::new(),
            config: None,
        }
    }

    /// The configuration. Without one, starting reads `ws.toml` and the environment ([`Config::load`]).
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Provides a value, found again by its type: for `#[state]` fields and `State<T>` parameters.
    #[track_caller]
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if self.states.insert(value) {
            self.provided_twice.push((std::any::type_name::<T>(), Location::caller()));
        }
        self
    }

    /// A controller at a path of server `ws`, by hand. [`App::route`] takes more.
    #[track_caller]
    pub fn controller<C: Controller>(self, path: impl Into<String>, controller: C) -> Self {
        self.route(Route::new(path, controller))
    }

    /// A route by hand.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// A middleware for every route of a server, by hand; lowest `order` outermost.
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

    /// What a server of kind `http` serves: an axum router, or any other tower service.
    #[track_caller]
    pub fn http<S, B>(mut self, server: impl Into<String>, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.http.push(Given {
            server: server.into(),
            location: Location::caller(),
            value: handler(service),
        });
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

    /// The routes, checked or not, sorted by server and path; it prints as a table.
    pub fn routes(&self) -> RouteTable {
        RouteTable::of(self)
    }

    /// Checks, binds and starts; returns when connections are accepted.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub async fn start(self) -> Result<Running, StartError> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => Config::load().map_err(|error| StartError::one(Problem::Config(error)))?,
        };
        let plan = check::plan(self, &config)?;
        Running::start(plan, config.drain).await
    }

    /// Starts, runs until SIGINT or SIGTERM, then drains: no new connections, the open ones are closed with 1001, and
    /// what is still there after `drain.timeout` is cut.
    ///
    /// # Errors
    /// Everything that kept it from starting, at once.
    pub async fn run(self) -> Result<(), StartError> {
        self.start().await?.run_until_signal().await;
        Ok(())
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// What starting needs, once everything has been checked.
struct Plan {
    servers: Vec<PlannedServer>,
    live: Arc<crate::hub::Live>,
    stop: tokio_util::sync::CancellationToken,
}

struct PlannedServer {
    name: String,
    host: String,
    port: u16,
    kind: PlannedKind,
}

enum PlannedKind {
    WebSocket(Arc<crate::server::WsServer>),
    Http(Arc<crate::server::HttpServer>),
}
