//! Checks the routes of all servers and builds a router for each server.
//!
//! It reports to [`Problems`]: path conflicts, invalid paths, missing state, invalid limits, and
//! names used twice. It must not stop at a problem, so that the problems of all routes are
//! reported.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Once},
};

use super::{Problem, layers::Layers, problems::Problems};
#[cfg(feature = "deflate")]
use crate::extension::{Terms, WindowMemory};
use crate::{
    config::{Compression, Limits, ServerKind, TrailingSlash},
    fixed,
    handlers::{Around, Interceptor, ReplyName},
    handshake::{ChangeCompression, ChangeLimits, Guard, MatchedRoute, Middleware, Route, RouteSpec, Router},
    place::{Location, other_spelling, parameters},
    recovery::ErrorHandlers,
    request::{Declared, HandlerInfo, Security},
    session::{Erased, ErasedController, erase},
    state::{StateKey, States},
    telemetry::{AskTable, ControllerCounters, EventTable, RouteCounters, RouteLabels},
};

/// The route at a path, as named in problems.
#[derive(Clone)]
struct Place {
    name: &'static str,
    location: Location,
    /// The path as written in the program; the key in [`Tables::places`] may be the other spelling.
    path: String,
}

/// A placeholder for a controller whose state is missing. The application does not start in this
/// case.
struct Placeholder;

impl crate::controller::Controller for Placeholder {}

/// Checks that each name belongs to one controller and that each controller has one name, because
/// rooms are stored by the name of their controller.
pub(super) fn check_names(routes: &[Route], problems: &mut Problems<'_>) {
    for (number, Route { spec, .. }) in routes.iter().enumerate() {
        let controller = (spec.controller)();
        let (name, location) = (spec.name, spec.location);
        let others = || routes.iter().take(number).map(|route| &route.spec);
        let is_rival = |other: &&RouteSpec| other.name == name && (other.controller)() != controller;
        if let Some(other) = others().find(is_rival) {
            problems.push(Problem::NameTwice { name, location, other_location: other.location });
        }
        let is_renamed = |other: &&RouteSpec| (other.controller)() == controller && other.name != name;
        if let Some(other) = others().find(is_renamed) {
            let (other_name, other_location) = (other.name, other.location);
            problems.push(Problem::TwoNames { name, location, other_name, other_location });
        }
    }
}

/// The routers of all servers, and the counters of their routes.
#[derive(Default)]
pub(super) struct Filled {
    /// By server.
    pub(super) routers: HashMap<String, Router>,
    /// By server.
    pub(super) counters: HashMap<String, Vec<Arc<RouteCounters>>>,
    /// Sorted by name.
    pub(super) controllers: Vec<Arc<ControllerCounters>>,
}

impl Filled {
    /// Returns the counters of the controller of this name. Several routes may share them.
    fn controller(&mut self, name: &'static str) -> Arc<ControllerCounters> {
        let at = self.controllers.binary_search_by(|counters| counters.name().cmp(name));
        let at = at.unwrap_or_else(|at| {
            self.controllers.insert(at, Arc::new(ControllerCounters::new(name)));
            at
        });
        self.controllers.get(at).cloned().unwrap_or_default()
    }
}

/// The routers of all servers while they are filled.
pub(super) struct Tables<'a, 'p> {
    middleware: &'a Layers<Middleware>,
    interceptors: &'a Layers<Interceptor>,
    states: &'a Arc<States>,
    /// The error handlers by server.
    error_handlers: &'a HashMap<String, Arc<ErrorHandlers>>,
    problems: &'a mut Problems<'p>,
    /// The memory for the compression of all connections.
    #[cfg(feature = "deflate")]
    window_memory: WindowMemory,
    filled: Filled,
    /// The routes by server and path.
    places: HashMap<(String, String), Place>,
}

impl<'a, 'p> Tables<'a, 'p> {
    pub(super) fn new(
        middleware: &'a Layers<Middleware>,
        interceptors: &'a Layers<Interceptor>,
        states: &'a Arc<States>,
        error_handlers: &'a HashMap<String, Arc<ErrorHandlers>>,
        problems: &'a mut Problems<'p>,
    ) -> Self {
        Self {
            middleware,
            interceptors,
            states,
            error_handlers,
            #[cfg(feature = "deflate")]
            window_memory: WindowMemory::new(problems.config().compression.memory),
            problems,
            filled: Filled::default(),
            places: HashMap::new(),
        }
    }

    pub(super) fn fill(mut self, routes: Vec<Route>) -> Filled {
        self.middleware.warn_of_unnamed(routes.iter().flat_map(|route| route.spec.middleware));
        self.interceptors.warn_of_unnamed(routes.iter().flat_map(|route| route.spec.interceptors));
        for route in routes {
            self.add(route);
        }
        self.filled
    }

    /// Checks a route, makes its controller and puts both into the router of its server.
    fn add(&mut self, route: Route) {
        for layer in route.layers() {
            self.problems.check_state(layer.name, layer.location, layer.state.iter().map(|key| key()));
        }
        let Route { spec, middleware, interceptors, guards, limits, compression, build } = route;
        let what = format!("controller `{}`", spec.name);
        self.problems.check_server(&what, spec.location, &spec.server, ServerKind::WebSocket);
        let state: Vec<StateKey> = spec.state.iter().map(|key| key()).collect();
        self.problems.check_state(spec.name, spec.location, state.iter().copied());
        let named = spec.guards.iter().map(|guard| Guard::named(*guard, spec.location));
        let guards: Vec<Guard> = named.chain(guards).collect();
        for guard in &guards {
            self.problems.check_state(guard.name, guard.location, guard.state.iter().copied());
        }
        let mut chain = self.middleware.around(&spec, spec.middleware, self.problems);
        chain.extend(middleware);
        self.check_security(&spec, &chain);
        let mut around = self.interceptors.around(&spec, spec.interceptors, self.problems);
        around.extend(interceptors);
        if let Some(message) = unreachable_path(&spec.path) {
            return self.bad_path(&spec, message.to_owned());
        }
        // This fails only if a state is missing, which was already reported. The route is still
        // inserted, so that faults of its path are reported too.
        let Erased { controller } = build(self.states).unwrap_or_else(|_| erase(Placeholder));
        self.check_needs(&spec, &state, &*controller);
        let limits = self.limits(&spec, limits);
        #[cfg_attr(not(feature = "deflate"), expect(unused_variables, reason = "it is only checked"))]
        let compression = self.compression(&spec, compression);
        // A server without an entry is unknown, which was already reported.
        let error_handlers = self.error_handlers.get(&*spec.server).cloned().unwrap_or_default();
        let declared = declared(&spec, controller.handlers());
        let path: Arc<str> = (*spec.path).into();
        let counters = Arc::new(RouteCounters::new(RouteLabels {
            path: Arc::clone(&path),
            overflow: limits.overflow,
            controller: self.filled.controller(spec.name),
            events: event_table(controller.handlers()),
            is_typed: controller.is_typed(),
            asks: AskTable::new(spec.emits.iter().filter(|it| it.is_ask).map(|it| it.name).collect()),
        }));
        self.filled.counters.entry(spec.server.to_string()).or_default().push(Arc::clone(&counters));
        self.insert(
            &spec,
            MatchedRoute {
                path,
                controller_name: spec.name,
                controller,
                chain,
                guards,
                declared,
                counters,
                around: Around { interceptors: around, states: Arc::clone(self.states) },
                error_handlers,
                subprotocols: spec.subprotocols,
                subprotocol_mismatch: spec.subprotocol_mismatch,
                limits: Arc::new(limits),
                #[cfg(feature = "deflate")]
                compression: Terms::new(compression, self.window_memory.clone()),
                token_warning: Once::new(),
            },
        );
    }

    /// Inserts a route into the router of its server, at each of its paths.
    fn insert(&mut self, spec: &RouteSpec, route: MatchedRoute) {
        let route = Arc::new(route);
        let place = Place { name: spec.name, location: spec.location, path: spec.path.to_string() };
        for path in self.spellings(spec) {
            let router = self.filled.routers.entry(spec.server.to_string()).or_default();
            match router.insert(&path, Arc::clone(&route)) {
                Ok(()) => {
                    self.places.insert((spec.server.to_string(), path), place.clone());
                }
                Err(matchit::InsertError::Conflict { with }) => {
                    let other = self.places.get(&(spec.server.to_string(), with.clone())).unwrap_or(&place);
                    let by_slash = path != spec.path || with != other.path;
                    let other = other.clone();
                    return self.problems.push(Problem::Conflict {
                        server: spec.server.to_string(),
                        path: place.path,
                        name: place.name,
                        location: place.location,
                        other_path: other.path,
                        other_name: other.name,
                        other_location: other.location,
                        by_slash,
                    });
                }
                Err(error) => return self.bad_path(spec, error.to_string().to_lowercase()),
            }
        }
    }

    /// Returns the paths that a route matches: its path and, if the rule allows it, the same path
    /// with or without the `/` at its end.
    fn spellings(&self, spec: &RouteSpec) -> Vec<String> {
        let of_server = || self.problems.server_config(&spec.server).map(|server| server.trailing_slash);
        let rule = spec.trailing_slash.or_else(of_server).unwrap_or_default();
        let mut paths = vec![spec.path.to_string()];
        if rule == TrailingSlash::Either {
            paths.extend(other_spelling(&spec.path));
        }
        paths
    }

    /// Returns the limits of a route: the limits of its server, with the route's changes.
    fn limits(&mut self, spec: &RouteSpec, changes: Vec<ChangeLimits>) -> Limits {
        let of_server = self.problems.server_config(&spec.server).map(|server| server.limits.clone());
        let (limits, checked) = with_changes(of_server, changes, Limits::check);
        if let Err(message) = checked {
            let (name, location) = (spec.name, spec.location);
            self.problems.push(Problem::Limits { name, location, message });
        }
        limits
    }

    /// Returns the compression of a route: that of its server, with the route's changes.
    fn compression(&mut self, spec: &RouteSpec, changes: Vec<ChangeCompression>) -> Compression {
        let of_server = self.problems.server_config(&spec.server).map(|server| server.compression.clone());
        let (compression, checked) = with_changes(of_server, changes, Compression::check);
        if let Err(message) = checked {
            let (name, location) = (spec.name, spec.location);
            self.problems.push(Problem::Compression { name, location, message });
        }
        compression
    }

    /// Checks that the application and the route have everything that typed handlers need.
    fn check_needs(&mut self, spec: &RouteSpec, state: &[StateKey], controller: &dyn ErasedController) {
        let (name, location) = (spec.name, spec.location);
        let mut needs = controller.needs();
        needs.states.retain(|key| state.iter().all(|checked| checked.id != key.id));
        self.problems.check_state(name, location, needs.states);
        if needs.path && parameters(&spec.path) == 0 {
            self.problems.push(Problem::NoParameters { path: spec.path.to_string(), name, location });
        }
        if controller.is_typed() && spec.subprotocols.contains(&"msgpack") && !cfg!(feature = "msgpack") {
            self.problems.push(Problem::NoMsgPack { name, location });
        }
    }

    /// Checks that a browser can offer a token as a subprotocol. A browser fails the connection if
    /// the server chooses none of the offered subprotocols, and the server never chooses a token.
    fn check_security(&mut self, spec: &RouteSpec, chain: &[Arc<Middleware>]) {
        if !spec.subprotocols.is_empty() {
            return;
        }
        for middleware in chain.iter().filter(|it| it.security.contains(&Security::Subprotocol)) {
            let (name, location) = (spec.name, spec.location);
            let (layer, other_location) = (middleware.layer.name, middleware.layer.location);
            self.problems.push(Problem::NoSubprotocols { layer, name, location, other_location });
        }
    }

    fn bad_path(&mut self, spec: &RouteSpec, message: String) {
        let (name, location) = (spec.name, spec.location);
        self.problems.push(Problem::Path { path: spec.path.to_string(), name, location, message });
    }
}

/// Applies a route's changes to the settings of its server, and checks the result if it differs.
/// The settings of servers are checked with the configuration.
fn with_changes<T: Clone + Default + PartialEq>(
    of_server: Option<T>,
    changes: impl IntoIterator<Item: FnOnce(&mut T)>,
    check: impl Fn(&T) -> Result<(), String>,
) -> (T, Result<(), String>) {
    let of_server = of_server.unwrap_or_default();
    let mut settings = of_server.clone();
    for change in changes {
        change(&mut settings);
    }
    let checked = if settings == of_server { Ok(()) } else { check(&settings) };
    (settings, checked)
}

/// Returns the events that a route may send: the events that it lists, and those that its handlers
/// return.
fn declared(spec: &RouteSpec, handlers: &[HandlerInfo]) -> Declared {
    let returned = handlers.iter().filter_map(|handler| match handler.facts.reply.name {
        ReplyName::Own(event) => Some(event),
        _ => None,
    });
    let events = spec.emits.iter().map(|event| event.name).chain(returned).collect();
    Declared { location: spec.location, events }
}

/// Returns the counters of the events that these handlers declare, with the codes that each of them
/// declares.
fn event_table(handlers: &[HandlerInfo]) -> EventTable {
    let mut events: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for handler in handlers {
        let of_reply = if handler.facts.events().is_empty() { &[] } else { (handler.reply_errors)() };
        for event in handler.facts.events() {
            let codes = handler.errors.iter().copied().chain([of_reply]).flatten();
            events.entry(event).or_default().extend(codes.map(|(code, _)| *code));
        }
    }
    EventTable::new(events)
}

/// Returns the fault of a path that no request can have or that makes matchit panic.
///
/// matchit accepts paths that no request can have, and it panics at the 26th parameter. After a
/// parameter it may read a literal brace as the start of a parameter, so every brace counts.
fn unreachable_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("it does not start with `/`");
    }
    if path.contains("//") {
        return Some("it has an empty segment");
    }
    (path.matches('{').count() > fixed::PATH_PARAMETERS).then_some("it has more than 25 parameters or braces")
}

#[cfg(all(test, not(feature = "msgpack")))]
mod tests {
    use super::*;
    use crate::app::App;

    struct Typed;

    impl crate::controller::Controller for Typed {
        fn __typed() -> Option<&'static crate::request::Typed> {
            const TYPED: crate::request::Typed = crate::request::Typed {
                answers_ping: false,
                needs: crate::request::Needs::default,
                keep: |_| Ok(None),
                handlers: &[],
            };
            Some(&TYPED)
        }
    }

    #[tokio::test]
    async fn a_subprotocol_that_this_build_does_not_support_is_a_start_error() {
        let route = crate::handshake::Route::new("/", Typed).subprotocols(&["msgpack"]);
        let error = App::without_registry().route(route).start().await.unwrap_err();
        assert!(
            matches!(error.problems(), [Problem::NoMsgPack { name, .. }] if name.contains("Typed")),
            "{error}"
        );
    }
}
