//! Everything that can be known before a socket is bound: turns an [`App`] and its configuration into a plan, or says
//! all that is wrong. Pure; nothing is opened here.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    sync::{Arc, Once},
};

use super::{
    App, Given, Problem, StartError,
    draft::{Draft, unreachable_path},
    layers::{Layers, server_wide, warn_of_unnamed},
    plan::{Plan, PlannedKind, PlannedServer},
};
use crate::{
    config::{Config, Limits, ServerConfig, ServerKind, TrailingSlash},
    controller::ErasedController,
    error::{ErrorHandlers, Handler},
    handlers::Interceptor,
    handshake::{DefaultUpgrade, Middleware, Pipeline, Warnings},
    registry::{Erased, ErrorHandlerEntry, Location, erase},
    router::{Route, Router, other_spelling, parameters},
    server::{Admission, HttpHandler, HttpServer, Lifecycle, WsServer},
    state::{StateKey, States},
};

pub(super) fn plan(app: App, config: &Config) -> Result<Plan, StartError> {
    let mut check = Check { config, problems: Vec::new() };
    check.this_build();
    if let Err(message) = config.check() {
        check.problems.push(Problem::Config(crate::ConfigError::Invalid(message)));
    }
    if app.uses_registry && app.registry.controllers.is_empty() && app.routes.is_empty() {
        check.problems.push(Problem::EmptyRegistry);
    }
    for (type_name, location) in &app.provided_twice {
        check.problems.push(Problem::StateTwice { type_name, location: *location });
    }
    warn_of_unrouted(&app);
    let App {
        registry, routes, middleware, states, http, fallbacks, hooks, upgrades, live, lifecycle, ..
    } = app;
    let states = Arc::new(states);

    let layers = Layers::new(&registry.middleware, middleware, &registry.interceptors);
    check.layers(&layers.middleware, &states);
    check.layers(&layers.interceptors, &states);
    let mut drafts: Vec<Draft> = registry.controllers.iter().map(|entry| Draft::linked(entry)).collect();
    drafts.extend(routes.into_iter().map(Draft::by_hand));
    drafts.sort_by(|a, b| (&a.server, &a.path, a.location).cmp(&(&b.server, &b.path, b.location)));
    let mut tables = check.routes(drafts, &layers, &states);
    let mut upgrades = check.given("the core step", upgrades, ServerKind::WebSocket);
    let mut fallbacks = check.given("the fallback service", fallbacks, ServerKind::WebSocket);
    let mut services = check.given("the HTTP service", http, ServerKind::Http);
    check.error_handlers(&registry.error_handlers);

    layers.log_order(config);
    let mut servers = Vec::new();
    for server in &config.servers {
        let kind = match server.kind {
            ServerKind::WebSocket => PlannedKind::WebSocket(Arc::new(WsServer {
                pipeline: Pipeline {
                    server: server.name.as_str().into(),
                    router: tables.remove(&*server.name).unwrap_or_default(),
                    origin: server.origin.clone(),
                    warnings: Warnings::default(),
                    server_wide: server_wide(&layers.middleware, &server.name),
                    core: upgrades.remove(&*server.name).unwrap_or_else(|| Box::new(DefaultUpgrade)),
                    error_handlers: Arc::new(handlers_of(&registry.error_handlers, &server.name)),
                    states: Arc::clone(&states),
                    timeout: server.limits.handshake_timeout,
                    path_limit: server.limits.path,
                    query_limit: server.limits.query,
                },
                fallback: fallbacks.remove(&*server.name),
                limits: Arc::new(server.limits.clone()),
                heartbeat: Arc::new(server.heartbeat.clone()),
                live: Arc::clone(&live),
                admission: Admission::new(server),
                lifecycle: lifecycle.clone(),
            })),
            ServerKind::Http => match services.remove(&*server.name) {
                Some(handler) => PlannedKind::Http(Arc::new(http_server(server, handler, &lifecycle))),
                None => {
                    check.problems.push(Problem::NoService { server: server.name.clone() });
                    continue;
                }
            },
        };
        servers.push(PlannedServer { config: server.clone(), kind });
    }
    if check.problems.is_empty() {
        Ok(Plan { servers, hooks, states, live, lifecycle, drain: config.drain.clone() })
    } else {
        Err(StartError::all(check.problems))
    }
}

fn http_server(server: &ServerConfig, handler: HttpHandler, lifecycle: &Lifecycle) -> HttpServer {
    HttpServer {
        name: server.name.as_str().into(),
        handler,
        limits: server.limits.clone(),
        admission: Admission::new(server),
        lifecycle: lifecycle.clone(),
    }
}

fn handlers_of(entries: &[&'static ErrorHandlerEntry], server: &str) -> ErrorHandlers {
    let of_server = entries.iter().filter(|entry| entry.server.is_none_or(|name| name == server));
    ErrorHandlers::new(
        of_server
            .map(|entry| Handler {
                name: entry.name,
                order: entry.order,
                error_type: (entry.error_type)(),
                call: entry.call,
            })
            .collect(),
    )
}

/// Typed handlers that no route leads to.
fn warn_of_unrouted(app: &App) {
    let linked = app.registry.controllers.iter().map(|entry| (entry.controller)());
    let by_hand = app.routes.iter().map(|route| route.controller.type_id);
    let routed: HashSet<TypeId> = linked.chain(by_hand).collect();
    for entry in app.registry.handlers.iter().filter(|entry| !routed.contains(&(entry.controller)())) {
        tracing::warn!(
            location = %entry.location,
            "`{}` has `#[ws_handlers]` and no route: it never runs; write `#[ws_controller(path = \"..\")]`",
            entry.name
        );
    }
}

/// Who has a path of a server, by both.
type Places = HashMap<(String, String), Place>;

/// The route that has a path.
#[derive(Clone)]
struct Place {
    name: &'static str,
    location: Location,
    /// As it was written; the path that it has may be the other spelling.
    path: String,
}

/// The middleware and the interceptors of a route.
type Around = (Vec<Arc<Middleware>>, Vec<Arc<Interceptor>>);

/// Stands in for a controller whose state is missing: nothing is started then.
struct Unmade;

impl crate::Controller for Unmade {}

pub(super) struct Check<'a> {
    config: &'a Config,
    pub(super) problems: Vec<Problem>,
}

impl Check<'_> {
    fn this_build(&mut self) {
        if cfg!(panic = "abort") {
            self.problems.push(Problem::PanicAborts);
        }
    }

    /// The route table of each server.
    fn routes(
        &mut self,
        drafts: Vec<Draft>,
        layers: &Layers,
        states: &Arc<States>,
    ) -> HashMap<String, Router> {
        warn_of_unnamed(&layers.middleware, drafts.iter().flat_map(|draft| &draft.named));
        warn_of_unnamed(&layers.interceptors, drafts.iter().flat_map(|draft| &draft.interceptors));
        let mut tables: HashMap<String, Router> = HashMap::new();
        let mut places = Places::default();
        for draft in drafts {
            self.server(
                &format!("controller `{}`", draft.name),
                draft.location,
                &draft.server,
                ServerKind::WebSocket,
            );
            self.state(draft.name, draft.location, &draft.state, states);
            let mut chain = self.chain(&draft, &draft.named, &layers.middleware);
            chain.extend(draft.own.iter().cloned());
            let around = (chain, self.chain(&draft, &draft.interceptors, &layers.interceptors));
            if let Some(message) = unreachable_path(&draft.path) {
                self.bad_path(&draft, message.to_owned());
            } else {
                let table = tables.entry(draft.server.clone()).or_default();
                self.insert(draft, around, states, table, &mut places);
            }
        }
        tables
    }

    /// Makes the controller and puts its route into the table.
    fn insert(
        &mut self,
        mut draft: Draft,
        (chain, interceptors): Around,
        states: &Arc<States>,
        table: &mut Router,
        places: &mut Places,
    ) {
        let build = std::mem::replace(&mut draft.build, Box::new(|_| Err("built already".into())));
        // Only a missing state can keep it from being made, which is a problem already; its path may be another.
        let controller = build(states).unwrap_or_else(|_| erase(Unmade));
        let Erased { controller, type_id } = controller;
        self.needs(&draft, &*controller, states);
        let limits = self.limits(&mut draft);
        let route = Arc::new(Route {
            path: draft.path.as_str().into(),
            controller_name: draft.name,
            controller,
            controller_type: type_id,
            chain,
            guards: draft.guards,
            interceptors,
            states: Arc::clone(states),
            subprotocols: draft.subprotocols,
            subprotocol_mismatch: draft.mismatch,
            limits: Arc::new(limits),
            token_warning: Once::new(),
        });
        let place = Place { name: draft.name, location: draft.location, path: draft.path.clone() };
        for path in self.spellings(&draft) {
            match table.insert(&path, Arc::clone(&route)) {
                Ok(()) => {
                    places.insert((draft.server.clone(), path), place.clone());
                }
                Err(matchit::InsertError::Conflict { with }) => {
                    let other = places.get(&(draft.server.clone(), with.clone())).unwrap_or(&place);
                    let by_slash = path != draft.path || with != other.path;
                    return self.conflict(draft.server, place.clone(), other.clone(), by_slash);
                }
                Err(error) => return self.bad_path(&draft, error.to_string().to_lowercase()),
            }
        }
    }

    /// The paths that a route has.
    fn spellings(&self, draft: &Draft) -> Vec<String> {
        let of_server = || self.server_config(&draft.server).map(|server| server.trailing_slash);
        let rule = draft.trailing_slash.or_else(of_server).unwrap_or_default();
        let mut paths = vec![draft.path.clone()];
        if rule == TrailingSlash::Either {
            paths.extend(other_spelling(&draft.path));
        }
        paths
    }

    fn conflict(&mut self, server: String, place: Place, other: Place, by_slash: bool) {
        self.problems.push(Problem::Conflict {
            server,
            path: place.path,
            name: place.name,
            location: place.location,
            other_path: other.path,
            other_name: other.name,
            other_location: other.location,
            by_slash,
        });
    }

    /// `None` for a server that is not configured, which is a problem by itself.
    fn server_config(&self, name: &str) -> Option<&ServerConfig> {
        self.config.servers.iter().find(|server| server.name == name)
    }

    /// The limits of a route: its server's, with what it changes of them.
    fn limits(&mut self, draft: &mut Draft) -> Limits {
        let mut limits =
            self.server_config(&draft.server).map(|server| server.limits.clone()).unwrap_or_default();
        let of_server = limits.clone();
        for change in std::mem::take(&mut draft.limits) {
            change(&mut limits);
        }
        if limits != of_server
            && let Err(message) = limits.check()
        {
            let (name, location) = (draft.name, draft.location);
            self.problems.push(Problem::Limits { name, location, message });
        }
        limits
    }

    /// What typed handlers need of the application and of their route.
    fn needs(&mut self, draft: &Draft, controller: &dyn ErasedController, states: &States) {
        let (name, location) = (draft.name, draft.location);
        let mut needs = controller.needs();
        needs.states.retain(|key| draft.state.iter().all(|field| field.id != key.id));
        self.state(name, location, &needs.states, states);
        if needs.path && parameters(&draft.path) == 0 {
            self.problems.push(Problem::NoParameters { path: draft.path.clone(), name, location });
        }
        if controller.is_typed() && draft.subprotocols.contains(&"msgpack") && !cfg!(feature = "msgpack") {
            self.problems.push(Problem::NoMsgPack { name, location });
        }
    }

    fn bad_path(&mut self, draft: &Draft, message: String) {
        let (name, location) = (draft.name, draft.location);
        self.problems.push(Problem::Path { path: draft.path.clone(), name, location, message });
    }

    /// What was given for servers by name: once for each, and of their kind.
    fn given<T>(&mut self, what: &'static str, given: Vec<Given<T>>, kind: ServerKind) -> HashMap<String, T> {
        let mut by_server: HashMap<String, (Location, T)> = HashMap::new();
        for Given { server, location, value } in given {
            self.server(what, location, &server, kind);
            if let Some((other_location, _)) = by_server.get(&server) {
                let other_location = *other_location;
                self.problems.push(Problem::GivenTwice { what, server, location, other_location });
            } else {
                by_server.insert(server, (location, value));
            }
        }
        by_server.into_iter().map(|(server, (_, value))| (server, value)).collect()
    }

    fn error_handlers(&mut self, entries: &[&'static ErrorHandlerEntry]) {
        for (number, entry) in entries.iter().enumerate() {
            if let Some(server) = entry.server {
                self.server(
                    &format!("error handler `{}`", entry.name),
                    entry.location,
                    server,
                    ServerKind::WebSocket,
                );
            }
            let same = |other: &&&'static ErrorHandlerEntry| {
                (other.error_type)() == (entry.error_type)()
                    && other.order == entry.order
                    && (other.server.is_none() || entry.server.is_none() || other.server == entry.server)
            };
            if let Some(other) = entries.iter().take(number).find(same) {
                self.problems.push(Problem::ErrorHandlerTwice {
                    error: entry.error_name,
                    order: entry.order,
                    name: entry.name,
                    location: entry.location,
                    other_name: other.name,
                    other_location: other.location,
                });
            }
        }
    }

    pub(super) fn state(
        &mut self,
        name: &'static str,
        location: Location,
        keys: &[StateKey],
        states: &States,
    ) {
        for key in keys.iter().filter(|key| !states.contains(**key)) {
            self.problems.push(Problem::MissingState { name, location, type_name: key.name });
        }
    }

    /// The server is configured, and of this kind.
    pub(super) fn server(&mut self, what: &str, location: Location, name: &str, kind: ServerKind) {
        let (what, server) = (what.to_owned(), name.to_owned());
        match self.server_config(name) {
            None => {
                let known: Vec<String> =
                    self.config.servers.iter().map(|server| format!("`{}`", server.name)).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                self.problems.push(Problem::UnknownServer { what, location, server, known });
            }
            Some(configured) if configured.kind != kind => {
                self.problems.push(Problem::WrongKind { what, location, server, kind: configured.kind });
            }
            Some(_) => {}
        }
    }
}

#[cfg(all(test, not(feature = "msgpack")))]
mod tests {
    use super::*;

    struct Typed;

    impl crate::Controller for Typed {
        const __TYPED: bool = true;
    }

    #[tokio::test]
    async fn a_subprotocol_that_this_build_does_not_speak_is_a_start_error() {
        let route = crate::Route::new("/", Typed).subprotocols(&["msgpack"]);
        let error = App::without_registry().route(route).start().await.unwrap_err();
        assert!(
            matches!(error.problems(), [Problem::NoMsgPack { name, .. }] if name.contains("Typed")),
            "{error}"
        );
    }
}
