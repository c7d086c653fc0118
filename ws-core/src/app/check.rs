//! Checks everything that can be known before a socket is bound: turns an [`App`] and its
//! configuration into a [`Plan`], or reports all problems at once.
//!
//! The problems are reported in the order of the checks. This module must not open files or
//! sockets.

use std::{
    any::TypeId,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    App, Given, Problem, StartError, error_handlers,
    layers::Layers,
    plan::{Plan, PlannedCluster, PlannedKind, PlannedServer},
    problems::Problems,
    routes::{Filled, Tables, check_names},
};
use crate::{
    config::{self, Config, ConfigError, ServerConfig, ServerKind},
    fixed,
    handshake::{DefaultUpgrade, Pipeline, Route, Warnings},
    hub::Connector,
    place::Location,
    recovery::ErrorHandlers,
    registry::HandlersEntry,
    server::{Admission, HttpHandler, HttpServer, Lifecycle, WsServer},
    telemetry::{Counters, HandshakeCounters, ServerCounters},
};

pub(super) fn plan(app: App, config: &Config) -> Result<Plan, StartError> {
    let App {
        registry,
        uses_registry,
        mut routes,
        middleware,
        interceptors,
        error_handlers: by_hand,
        states,
        provided_twice,
        http,
        fallbacks,
        hooks,
        upgrades,
        config: _,
        #[cfg(feature = "console")]
        companion,
        #[cfg(feature = "testing")]
        connector,
        live,
        lifecycle,
        telemetry,
        #[cfg(feature = "prometheus")]
        ops,
        #[cfg(feature = "asyncapi")]
            description: _,
    } = app;
    let states = Arc::new(states);
    let mut problems = Problems::new(config, &states);
    if cfg!(panic = "abort") {
        problems.push(Problem::PanicAborts);
    }
    if let Err(message) = config.check() {
        problems.push(Problem::Config(ConfigError::Invalid(message)));
    }
    if uses_registry && routes.is_empty() {
        problems.push(Problem::EmptyRegistry);
    }
    for (type_name, location) in provided_twice {
        problems.push(Problem::StateTwice { type_name, location });
    }
    warn_of_unrouted(&registry.handlers, &routes);

    let middleware = Layers::middleware(&registry.middleware, middleware);
    let interceptors = Layers::interceptors(&registry.interceptors, interceptors);
    middleware.check(&mut problems);
    interceptors.check(&mut problems);
    routes.sort_by(|a, b| a.spec.sort_key().cmp(&b.spec.sort_key()));
    check_names(&routes, &mut problems);
    let all_error_handlers = error_handlers::all(&registry.error_handlers, by_hand);
    let error_handlers: HashMap<String, Arc<ErrorHandlers>> = config
        .servers
        .iter()
        .map(|server| {
            let of_server = error_handlers::of_server(&all_error_handlers, &server.name, &states);
            (server.name.clone(), Arc::new(of_server))
        })
        .collect();
    let Filled { mut routers, mut counters, controllers } =
        Tables::new(&middleware, &interceptors, &states, &error_handlers, &mut problems).fill(routes);
    let mut server_counters = Vec::new();
    let mut upgrades = given("the core step", upgrades, ServerKind::WebSocket, &mut problems);
    let mut fallbacks = given("the fallback service", fallbacks, ServerKind::WebSocket, &mut problems);
    #[cfg(feature = "prometheus")]
    let http = without_unknown_ops(ops.as_ref(), http, &mut problems, config);
    let mut services = given("the HTTP service", http, ServerKind::Http, &mut problems);
    error_handlers::check(&all_error_handlers, &mut problems);

    middleware.log_order(config);
    let mut servers = Vec::new();
    for server in &config.servers {
        let unmatched = Arc::<HandshakeCounters>::default();
        if server.kind == ServerKind::WebSocket {
            server_counters.push(ServerCounters {
                name: server.name.clone(),
                unmatched: Arc::clone(&unmatched),
                routes: counters.remove(&server.name).unwrap_or_default(),
            });
        }
        let kind = match server.kind {
            ServerKind::WebSocket => PlannedKind::WebSocket(Arc::new(WsServer {
                pipeline: Pipeline {
                    server: server.name.as_str().into(),
                    unmatched,
                    router: routers.remove(&*server.name).unwrap_or_default(),
                    origin: server.origin.clone(),
                    warnings: Warnings::default(),
                    server_wide: middleware.server_wide(&server.name),
                    core: upgrades.remove(&*server.name).unwrap_or_else(|| Box::new(DefaultUpgrade)),
                    error_handlers: error_handlers.get(&server.name).cloned().unwrap_or_default(),
                    states: Arc::clone(&states),
                    timeout: server.limits.handshake_timeout,
                    path_limit: server.limits.path,
                    query_limit: server.limits.query,
                    #[cfg(feature = "console")]
                    names_nearest: companion.is_some() && cfg!(debug_assertions),
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
                    problems.push(Problem::NoService { server: server.name.clone() });
                    continue;
                }
            },
        };
        servers.push(PlannedServer { config: server.clone(), kind });
    }
    #[cfg(not(feature = "testing"))]
    let connector = None;
    let cluster = cluster(config, connector, &mut problems);
    let taken = problems.into_result()?;
    #[cfg(feature = "prometheus")]
    if ops.is_some() {
        super::ops::recorder();
    }
    telemetry.set(Counters { servers: server_counters, controllers });
    let drain = config.drain.clone();
    Ok(Plan {
        servers,
        hooks,
        states,
        taken,
        live,
        lifecycle,
        telemetry,
        drain,
        cluster,
        #[cfg(feature = "console")]
        companion: None,
    })
}

/// Reports a server for operators that is not configured, and leaves its service out.
#[cfg(feature = "prometheus")]
fn without_unknown_ops(
    ops: Option<&(String, Location)>,
    mut http: Vec<Given<HttpHandler>>,
    problems: &mut Problems<'_>,
    config: &Config,
) -> Vec<Given<HttpHandler>> {
    if let Some((server, location)) = ops
        && config.servers.iter().all(|known| known.name != *server)
    {
        problems.push(Problem::NoOpsServer { server: server.clone(), location: *location });
        http.retain(|given| given.server != *server);
    }
    http
}

/// Checks the settings of the broker, unless a test has given a connector.
fn cluster(
    config: &Config,
    connector: Option<Connector>,
    problems: &mut Problems<'_>,
) -> Option<PlannedCluster> {
    let config = with_name(config.cluster.clone()?);
    match connector.map_or_else(|| Connector::new(&config), Ok) {
        Ok(connector) => Some(PlannedCluster { config, connector }),
        Err(message) => {
            problems.push(Problem::Config(ConfigError::Invalid(message)));
            None
        }
    }
}

/// Names the node after its host if it has no name.
fn with_name(config: config::Cluster) -> config::Cluster {
    let host = || std::env::var("HOSTNAME").ok().filter(|host| (1..=fixed::NAME_BYTES).contains(&host.len()));
    config::Cluster { name: config.name.clone().or_else(host), ..config }
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

/// Warns about typed handlers whose controller has no route.
fn warn_of_unrouted(handlers: &[&'static HandlersEntry], routes: &[Route]) {
    let routed: HashSet<TypeId> = routes.iter().map(|route| (route.spec.controller)()).collect();
    for entry in handlers.iter().filter(|entry| !routed.contains(&(entry.controller)())) {
        tracing::warn!(
            location = %entry.location,
            "`{}` has `#[ws_handlers]` and no route: it never runs; write `#[ws_controller(path = \"..\")]`",
            entry.name
        );
    }
}

/// Checks the values that were given for servers by name: at most one for each server, and only for
/// servers of this kind. Returns them by server.
fn given<T>(
    what: &'static str,
    given: Vec<Given<T>>,
    kind: ServerKind,
    problems: &mut Problems<'_>,
) -> HashMap<String, T> {
    let mut by_server: HashMap<String, (Location, T)> = HashMap::new();
    for Given { server, location, value } in given {
        problems.check_server(what, location, &server, kind);
        if let Some((other_location, _)) = by_server.get(&server) {
            let other_location = *other_location;
            problems.push(Problem::GivenTwice { what, server, location, other_location });
        } else {
            by_server.insert(server, (location, value));
        }
    }
    by_server.into_iter().map(|(server, (_, value))| (server, value)).collect()
}

#[cfg(all(test, not(all(feature = "nats", feature = "redis"))))]
mod tests {
    use crate::{
        app::App,
        config::{BrokerKind, Cluster, Config},
    };

    #[tokio::test]
    async fn a_missing_feature_of_a_broker_is_a_start_error_with_its_name() {
        for (kind, is_missing) in [
            (BrokerKind::Nats, cfg!(not(feature = "nats"))),
            (BrokerKind::Redis, cfg!(not(feature = "redis"))),
        ] {
            if is_missing {
                let mut config = Config::default();
                config.cluster = Some(Cluster::new(kind, "any"));
                let error = App::without_registry().config(config).start().await.unwrap_err().to_string();
                assert!(error.contains(&format!("`cluster.kind = \"{kind}\"`")), "{error}");
                assert!(error.contains(&format!("the feature `{kind}` of ws-core")), "{error}");
            }
        }
    }
}
