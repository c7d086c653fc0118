//! Middleware and interceptors: what is registered once and stands around many routes.
//!
//! Both are found in the same way: server-wide ones by order, ties by name; the others where a controller names them.

use std::{any::TypeId, sync::Arc};

use super::{Problem, check::Check, draft::Draft};
use crate::{
    config::{Config, ServerKind},
    handlers::Interceptor,
    handshake::Middleware,
    place::{Location, Scope},
    registry::{InterceptorEntry, MiddlewareEntry, MiddlewareRef},
    state::{StateKey, States},
};

/// What stands around a route, as far as its place is concerned.
pub(super) trait Layer {
    /// What it is called in messages, and its attribute.
    const WHAT: (&'static str, &'static str);
    fn name(&self) -> &'static str;
    fn location(&self) -> Location;
    fn id(&self) -> TypeId;
    fn scope(&self) -> Scope;
    fn state(&self) -> &[StateKey];
}

macro_rules! layer {
    ($ty:ty, $what:literal, $attribute:literal) => {
        impl Layer for $ty {
            const WHAT: (&'static str, &'static str) = ($what, $attribute);

            fn name(&self) -> &'static str {
                self.name
            }

            fn location(&self) -> Location {
                self.location
            }

            fn id(&self) -> TypeId {
                self.id
            }

            fn scope(&self) -> Scope {
                self.scope
            }

            fn state(&self) -> &[StateKey] {
                &self.state
            }
        }
    };
}

layer!(Middleware, "middleware", "ws_middleware");
layer!(Interceptor, "interceptor", "ws_interceptor");

/// All layers of the program.
pub(super) struct Layers {
    pub(super) middleware: Vec<Arc<Middleware>>,
    pub(super) interceptors: Vec<Arc<Interceptor>>,
}

impl Layers {
    pub(super) fn new(
        middleware: &[&'static MiddlewareEntry],
        by_hand: Vec<Middleware>,
        interceptors: &[&'static InterceptorEntry],
    ) -> Self {
        let linked = middleware.iter().map(|entry| Middleware {
            name: entry.name,
            location: entry.location,
            id: (entry.id)(),
            scope: entry.scope,
            state: entry.state.iter().map(|key| key()).collect(),
            call: Box::new(entry.call),
        });
        let interceptors = interceptors.iter().map(|entry| Interceptor {
            name: entry.name,
            location: entry.location,
            id: (entry.id)(),
            scope: entry.scope,
            state: entry.state.iter().map(|key| key()).collect(),
            call: entry.call,
        });
        Self {
            middleware: linked.chain(by_hand).map(Arc::new).collect(),
            interceptors: interceptors.map(Arc::new).collect(),
        }
    }

    /// Each server's middleware, for the log.
    pub(super) fn log_order(&self, config: &Config) {
        for server in &config.servers {
            let names: Vec<&str> =
                server_wide(&self.middleware, &server.name).iter().map(|it| it.name).collect();
            if !names.is_empty() {
                tracing::info!(
                    server = server.name,
                    order = names.join(" > "),
                    "server-wide middleware, outermost first"
                );
            }
        }
    }
}

/// Those of a server by order, ties by name.
pub(super) fn server_wide<L: Layer>(layers: &[Arc<L>], name: &str) -> Vec<Arc<L>> {
    let mut chain: Vec<(i32, &Arc<L>)> = layers
        .iter()
        .filter_map(|layer| match layer.scope() {
            Scope::Server { server, order } if server == name => Some((order, layer)),
            _ => None,
        })
        .collect();
    chain.sort_by_key(|(order, layer)| (*order, layer.name(), layer.location()));
    chain.into_iter().map(|(_, layer)| Arc::clone(layer)).collect()
}

impl Check<'_> {
    /// Each has a server and its state.
    pub(super) fn layers<L: Layer>(&mut self, layers: &[Arc<L>], states: &States) {
        for layer in layers {
            self.state(layer.name(), layer.location(), layer.state(), states);
            if let Scope::Server { server, .. } = layer.scope() {
                let what = format!("{} `{}`", L::WHAT.0, layer.name());
                self.server(&what, layer.location(), server, ServerKind::WebSocket);
            }
        }
    }

    /// What is around a route: that of its server, then what it names.
    pub(super) fn chain<L: Layer>(
        &mut self,
        draft: &Draft,
        named: &[MiddlewareRef],
        layers: &[Arc<L>],
    ) -> Vec<Arc<L>> {
        let (name, location) = (draft.name, draft.location);
        let (what, attribute) = L::WHAT;
        let mut chain = server_wide(layers, &draft.server);
        for reference in named {
            let id = (reference.id)();
            let layer = reference.name;
            match layers.iter().find(|it| it.id() == id) {
                None => self.problems.push(Problem::NotALayer { what, attribute, layer, name, location }),
                Some(found) if chain.iter().any(|it| it.id() == id) => {
                    let other_location = found.location();
                    self.problems.push(Problem::LayerTwice { layer, name, location, other_location });
                }
                Some(found) => chain.push(Arc::clone(found)),
            }
        }
        chain
    }
}

/// Those that say they run where they are named, and are named nowhere.
pub(super) fn warn_of_unnamed<'a, L: Layer>(
    layers: &[Arc<L>],
    named: impl Iterator<Item = &'a MiddlewareRef>,
) {
    let named: std::collections::HashSet<TypeId> = named.map(|it| (it.id)()).collect();
    for layer in layers.iter().filter(|it| it.scope() == Scope::Route && !named.contains(&it.id())) {
        tracing::warn!(
            location = %layer.location(),
            "{} `{}` has scope = \"route\" and no controller names it: it never runs",
            L::WHAT.0,
            layer.name()
        );
    }
}
