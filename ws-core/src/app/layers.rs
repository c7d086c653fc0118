//! [`Layers`]: checks the middleware or the interceptors of the program and assigns them to routes.
//!
//! Both kinds follow the same rules. A layer of a server runs on all its routes, sorted by order
//! and then by name. A layer with `scope = "route"` runs on the routes of the controllers that name
//! it.

use std::{any::TypeId, collections::HashSet, sync::Arc};

use super::{Problem, problems::Problems};
use crate::{
    config::{Config, ServerKind},
    handlers::Interceptor,
    handshake::{Middleware, RouteSpec},
    layer::{Layer, LayerRef},
    place::Scope,
    registry::{InterceptorEntry, MiddlewareEntry},
};

/// All middleware, or all interceptors, of the program.
pub(super) struct Layers<T> {
    /// The word for one layer in messages.
    what: &'static str,
    /// The attribute that registers a layer.
    attribute: &'static str,
    all: Vec<(Layer, Arc<T>)>,
}

impl Layers<Middleware> {
    pub(super) fn middleware(linked: &[&'static MiddlewareEntry], by_hand: Vec<Middleware>) -> Self {
        let linked = linked.iter().map(|entry| Middleware {
            layer: entry.layer,
            security: entry.security,
            call: Box::new(entry.call),
        });
        let all = linked.chain(by_hand).map(|it| (it.layer, Arc::new(it))).collect();
        Self { what: "middleware", attribute: "ws_middleware", all }
    }

    /// Logs the order of each server's middleware.
    pub(super) fn log_order(&self, config: &Config) {
        for server in &config.servers {
            let names: Vec<&str> = self.of_server(&server.name).iter().map(|(layer, _)| layer.name).collect();
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

impl Layers<Interceptor> {
    pub(super) fn interceptors(linked: &[&'static InterceptorEntry], by_hand: Vec<Interceptor>) -> Self {
        let linked =
            linked.iter().map(|entry| Interceptor { layer: entry.layer, call: Box::new(entry.call) });
        let all = linked.chain(by_hand).map(|it| (it.layer, Arc::new(it))).collect();
        Self { what: "interceptor", attribute: "ws_interceptor", all }
    }
}

impl<T> Layers<T> {
    /// Checks that the state and the server of each layer exist.
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        for (layer, _) in &self.all {
            problems.check_state(layer.name, layer.location, layer.state.iter().map(|key| key()));
            if let Scope::Server { server, .. } = layer.scope {
                let what = format!("{} `{}`", self.what, layer.name);
                problems.check_server(&what, layer.location, server, ServerKind::WebSocket);
            }
        }
    }

    /// Returns the layers that run on every route of a server, outermost first.
    pub(super) fn server_wide(&self, server: &str) -> Vec<Arc<T>> {
        self.of_server(server).into_iter().map(|(_, layer)| Arc::clone(layer)).collect()
    }

    /// Returns the layers around a route: those of its server, then the named ones.
    pub(super) fn around(
        &self,
        route: &RouteSpec,
        named: &[LayerRef],
        problems: &mut Problems<'_>,
    ) -> Vec<Arc<T>> {
        let Self { what, attribute, .. } = *self;
        let (name, location) = (route.name, route.location);
        let mut chain = self.of_server(&route.server);
        for reference in named {
            let id = (reference.id)();
            let layer = reference.name;
            match self.all.iter().find(|(it, _)| (it.id)() == id) {
                None => problems.push(Problem::NotALayer { what, attribute, layer, name, location }),
                Some((found, _)) if chain.iter().any(|(it, _)| (it.id)() == id) => {
                    let other_location = found.location;
                    problems.push(Problem::LayerTwice { layer, name, location, other_location });
                }
                Some(found) => chain.push(found),
            }
        }
        chain.into_iter().map(|(_, layer)| Arc::clone(layer)).collect()
    }

    /// Warns about each layer with `scope = "route"` that no controller names.
    pub(super) fn warn_of_unnamed<'a>(&self, named: impl Iterator<Item = &'a LayerRef>) {
        let named: HashSet<TypeId> = named.map(|it| (it.id)()).collect();
        for (layer, _) in &self.all {
            if layer.scope == Scope::Route && !named.contains(&(layer.id)()) {
                tracing::warn!(
                    location = %layer.location,
                    "{} `{}` has scope = \"route\" and no controller names it: it never runs",
                    self.what,
                    layer.name
                );
            }
        }
    }

    fn of_server(&self, name: &str) -> Vec<&(Layer, Arc<T>)> {
        let mut chain: Vec<_> = self
            .all
            .iter()
            .filter_map(|found| match found.0.scope {
                Scope::Server { server, order } if server == name => Some((order, found)),
                _ => None,
            })
            .collect();
        chain.sort_by_key(|(order, (layer, _))| (*order, layer.name, layer.location));
        chain.into_iter().map(|(_, found)| found).collect()
    }
}
