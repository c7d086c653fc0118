//! A route as it was registered, by attribute or by hand, before it is checked.

use std::{any::TypeId, sync::Arc};

use crate::{
    config::TrailingSlash,
    fixed,
    handshake::{GuardRef, Middleware, Relimit},
    place::{Location, SubprotocolMismatch},
    registry::{ControllerEntry, MiddlewareRef},
    session::Erased,
    state::{StateKey, States},
};

/// Makes a route's one controller.
pub(super) type Build = Box<dyn FnOnce(&States) -> crate::error::Result<Erased>>;

/// A route, registered in either way, before it is checked.
pub(super) struct Draft {
    pub(super) server: String,
    pub(super) path: String,
    pub(super) name: &'static str,
    pub(super) controller: TypeId,
    pub(super) location: Location,
    pub(super) named: Vec<MiddlewareRef>,
    pub(super) own: Vec<Arc<Middleware>>,
    pub(super) guards: &'static [GuardRef],
    pub(super) interceptors: Vec<MiddlewareRef>,
    pub(super) subprotocols: &'static [&'static str],
    pub(super) mismatch: SubprotocolMismatch,
    pub(super) trailing_slash: Option<TrailingSlash>,
    pub(super) limits: Vec<Relimit>,
    pub(super) state: Vec<StateKey>,
    pub(super) build: Build,
}

impl Draft {
    pub(super) fn linked(entry: &'static ControllerEntry) -> Self {
        Self {
            server: entry.server.to_owned(),
            path: entry.path.to_owned(),
            name: entry.name,
            controller: (entry.controller)(),
            location: entry.location,
            named: entry.middleware.to_vec(),
            own: Vec::new(),
            guards: entry.guards,
            interceptors: entry.interceptors.to_vec(),
            subprotocols: entry.subprotocols,
            mismatch: entry.subprotocol_mismatch,
            trailing_slash: entry.trailing_slash,
            limits: vec![Box::new(entry.limits)],
            state: entry.state.iter().map(|key| key()).collect(),
            build: Box::new(entry.build),
        }
    }

    pub(super) fn by_hand(route: crate::handshake::Route) -> Self {
        let own: Vec<_> = route.middleware.into_iter().map(Arc::new).collect();
        Self {
            server: route.server,
            path: route.path,
            name: route.name,
            controller: route.controller.type_id,
            location: route.location,
            named: Vec::new(),
            state: own.iter().flat_map(|middleware| middleware.state.iter().copied()).collect(),
            own,
            guards: &[],
            interceptors: Vec::new(),
            subprotocols: route.subprotocols,
            mismatch: route.mismatch,
            trailing_slash: route.trailing_slash,
            limits: route.limits,
            build: Box::new(|_| Ok(route.controller)),
        }
    }
}

/// matchit also takes paths that no request has, and panics at the 26th parameter of one. Behind another one it may take a
/// brace of the path itself for a parameter's, so every brace counts.
pub(super) fn unreachable_path(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("it does not start with `/`");
    }
    if path.contains("//") {
        return Some("it has an empty segment");
    }
    (path.matches('{').count() > fixed::PATH_PARAMETERS).then_some("it has more than 25 parameters or braces")
}
