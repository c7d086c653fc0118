//! Checks the routes of each server: clashes of paths, names of controllers, missing state. A part
//! of [`Check`].

use std::{
    collections::HashMap,
    sync::{Arc, Once},
};

use super::{
    Problem,
    check::Check,
    draft::{Draft, unreachable_path},
    layers::{Layers, warn_of_unnamed},
};
use crate::{
    config::{Limits, ServerConfig, ServerKind, TrailingSlash},
    handlers::Around,
    handshake::{MatchedRoute, Middleware, Router},
    place::{Location, other_spelling, parameters},
    session::{Erased, ErasedController, erase},
    state::States,
};

/// The routes by server and path.
type Places = HashMap<(String, String), Place>;

/// The route that has a path.
#[derive(Clone)]
struct Place {
    name: &'static str,
    location: Location,
    /// The path as written in the program; the key in [`Places`] may be the other spelling.
    path: String,
}

/// Stands in for a controller whose state is missing: nothing is started then.
struct Unmade;

impl crate::controller::Controller for Unmade {}

impl Check<'_> {
    /// Rooms are kept by the name of their controller, so a name stands for one controller and a
    /// controller has one name.
    pub(super) fn names(&mut self, drafts: &[Draft]) {
        for (number, draft) in drafts.iter().enumerate() {
            let others = || drafts.iter().take(number);
            let is_rival = |other: &&Draft| other.name == draft.name && other.controller != draft.controller;
            if let Some(other) = others().find(is_rival) {
                self.problems.push(Problem::NameTwice {
                    name: draft.name,
                    location: draft.location,
                    other_location: other.location,
                });
            }
            let is_renamed =
                |other: &&Draft| other.controller == draft.controller && other.name != draft.name;
            if let Some(other) = others().find(is_renamed) {
                self.problems.push(Problem::TwoNames {
                    name: draft.name,
                    location: draft.location,
                    other_name: other.name,
                    other_location: other.location,
                });
            }
        }
    }

    /// The route table of each server.
    pub(super) fn routes(
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
            let interceptors = self.chain(&draft, &draft.interceptors, &layers.interceptors);
            let around = Around { interceptors, states: Arc::clone(states) };
            if let Some(message) = unreachable_path(&draft.path) {
                self.bad_path(&draft, message.to_owned());
            } else {
                let table = tables.entry(draft.server.clone()).or_default();
                self.insert(draft, chain, around, states, table, &mut places);
            }
        }
        tables
    }

    /// Makes the controller and puts its route into the table.
    fn insert(
        &mut self,
        mut draft: Draft,
        chain: Vec<Arc<Middleware>>,
        around: Around,
        states: &Arc<States>,
        table: &mut Router,
        places: &mut Places,
    ) {
        let build = std::mem::replace(&mut draft.build, Box::new(|_| Err("built already".into())));
        // Only a missing state keeps it from being made, which is reported already; its path may be
        // another.
        let controller = build(states).unwrap_or_else(|_| erase(Unmade));
        let Erased { controller, .. } = controller;
        self.needs(&draft, &*controller, states);
        let limits = self.limits(&mut draft);
        let route = Arc::new(MatchedRoute {
            path: draft.path.as_str().into(),
            controller_name: draft.name,
            controller,
            chain,
            guards: draft.guards,
            around,
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
    pub(super) fn server_config(&self, name: &str) -> Option<&ServerConfig> {
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

    /// Checks that the application and the route have everything that typed handlers need.
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
            };
            Some(&TYPED)
        }
    }

    #[tokio::test]
    async fn a_subprotocol_that_this_build_does_not_speak_is_a_start_error() {
        let route = crate::handshake::Route::new("/", Typed).subprotocols(&["msgpack"]);
        let error = App::without_registry().route(route).start().await.unwrap_err();
        assert!(
            matches!(error.problems(), [Problem::NoMsgPack { name, .. }] if name.contains("Typed")),
            "{error}"
        );
    }
}
