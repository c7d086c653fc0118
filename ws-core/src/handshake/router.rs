//! [`Router`]: finds the route of a path; and [`MatchedRoute`], the part of a route that is used
//! while serving.
//!
//! A router is filled once, at start, and never changes. An unknown path is not an error here: the
//! pipeline runs the server-wide middleware for it.

use std::{
    any::Any,
    sync::{Arc, Once},
};

#[cfg(feature = "deflate")]
use crate::extension::Terms;
use crate::{
    config::Limits,
    handlers::Around,
    handshake::{Guard, Middleware},
    place::SubprotocolMismatch,
    recovery::ErrorHandlers,
    request::{Declared, Handshake, Matched},
    session::ErasedController,
    telemetry::RouteCounters,
};

/// A checked route: the parts that handshakes and connections use.
pub(crate) struct MatchedRoute {
    pub(crate) path: Arc<str>,
    pub(crate) controller_name: &'static str,
    pub(crate) controller: Arc<dyn ErasedController>,
    /// Server-wide middleware in its order, then the middleware of the route.
    pub(crate) chain: Vec<Arc<Middleware>>,
    /// The guards. They run in the handshake, after the middleware.
    pub(crate) guards: Vec<Guard>,
    pub(crate) declared: Declared,
    pub(crate) counters: Arc<RouteCounters>,
    pub(crate) around: Around,
    /// The error handlers of the server.
    pub(crate) error_handlers: Arc<ErrorHandlers>,
    pub(crate) subprotocols: &'static [&'static str],
    pub(crate) subprotocol_mismatch: SubprotocolMismatch,
    /// The limits of the server, with the route's changes.
    pub(crate) limits: Arc<Limits>,
    /// The compression of messages.
    #[cfg(feature = "deflate")]
    pub(crate) compression: Terms,
    /// Ensures that the warning about a token without a chosen subprotocol is logged once per
    /// route.
    pub(crate) token_warning: Once,
}

impl std::fmt::Debug for MatchedRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MatchedRoute")
            .field("path", &self.path)
            .field("controller", &self.controller_name)
            .finish()
    }
}

impl Matched for MatchedRoute {
    fn pattern(&self) -> &Arc<str> {
        &self.path
    }

    fn controller(&self) -> &'static str {
        self.controller_name
    }

    fn declared(&self) -> Option<&Declared> {
        Some(&self.declared)
    }

    fn counters(&self) -> Option<&Arc<RouteCounters>> {
        Some(&self.counters)
    }

    fn around(&self) -> Option<&(dyn Any + Send + Sync)> {
        if self.around.interceptors.is_empty() { None } else { Some(&self.around) }
    }

    fn error_handlers(&self) -> &(dyn Any + Send + Sync) {
        &*self.error_handlers
    }
}

/// Returns the route of a handshake.
pub(crate) fn route_of(handshake: &Handshake) -> Option<Arc<MatchedRoute>> {
    let matched: Arc<dyn Any + Send + Sync> = handshake.matched()?.clone();
    matched.downcast().ok()
}

/// The routes of one server.
#[derive(Default)]
pub(crate) struct Router {
    tree: matchit::Router<Arc<MatchedRoute>>,
    /// The routes, for the console.
    #[cfg(feature = "console")]
    routes: Vec<Arc<MatchedRoute>>,
}

/// A route and the raw values of its path parameters.
pub(crate) type Found = (Arc<MatchedRoute>, Vec<(Box<str>, Box<str>)>);

impl Router {
    /// Adds a route at its path, or at the same path with or without the `/` at its end.
    pub(crate) fn insert(
        &mut self,
        path: &str,
        route: Arc<MatchedRoute>,
    ) -> Result<(), matchit::InsertError> {
        #[cfg(feature = "console")]
        if !self.routes.iter().any(|known| Arc::ptr_eq(known, &route)) {
            self.routes.push(Arc::clone(&route));
        }
        self.tree.insert(path, route)
    }

    /// Returns the routes, in the order of their registration.
    #[cfg(feature = "console")]
    pub(crate) fn routes(&self) -> &[Arc<MatchedRoute>] {
        &self.routes
    }

    /// Returns the pattern that is most similar to a path without a route; `None` if none is.
    #[cfg(feature = "console")]
    pub(crate) fn nearest(&self, path: &str) -> Option<&str> {
        super::nearest::nearest(path, self.routes.iter().map(|route| &*route.path))
    }

    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let found = self.tree.at(path).ok()?;
        let params = found.params.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Some((Arc::clone(found.value), params))
    }
}
