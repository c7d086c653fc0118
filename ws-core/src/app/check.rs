//! Everything that can be known before a socket is bound: turns an [`App`] and its configuration into a plan, or says
//! all that is wrong. Pure; nothing is opened here.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    App, Given, Problem, StartError,
    draft::Draft,
    layers::{Layers, server_wide},
    plan::{Plan, PlannedKind, PlannedServer},
};
use crate::{
    config::{Config, ServerConfig, ServerKind},
    handshake::{DefaultUpgrade, Pipeline, Warnings},
    place::Location,
    recovery::{ErrorHandlers, Handler},
    registry::ErrorHandlerEntry,
    server::{Admission, HttpHandler, HttpServer, Lifecycle, WsServer},
    state::{StateKey, States},
};

pub(super) fn plan(app: App, config: &Config) -> Result<Plan, StartError> {
    let mut check = Check { config, problems: Vec::new() };
    check.this_build();
    if let Err(message) = config.check() {
        check.problems.push(Problem::Config(crate::config::ConfigError::Invalid(message)));
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
    check.names(&drafts);
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

pub(super) struct Check<'a> {
    pub(super) config: &'a Config,
    pub(super) problems: Vec<Problem>,
}

impl Check<'_> {
    fn this_build(&mut self) {
        if cfg!(panic = "abort") {
            self.problems.push(Problem::PanicAborts);
        }
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
