//! [`Problems`]: collects all problems that keep an application from starting, in the order found.
//!
//! It also has the two checks that every kind of registration needs: whether its server is
//! configured, and whether its state is provided. A check must not stop at the first problem.

use std::{any::TypeId, collections::HashSet};

use super::{Problem, StartError};
use crate::{
    config::{Config, ServerConfig, ServerKind},
    place::Location,
    state::{StateKey, States},
};

/// The problems of one start.
pub(super) struct Problems<'a> {
    config: &'a Config,
    states: &'a States,
    /// The types of state that are used.
    taken: HashSet<TypeId>,
    found: Vec<Problem>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(config: &'a Config, states: &'a States) -> Self {
        Self { config, states, taken: HashSet::new(), found: Vec::new() }
    }

    #[cfg(feature = "deflate")]
    pub(super) fn config(&self) -> &'a Config {
        self.config
    }

    /// Adds a problem, unless the same one was found before: a function may lack one state twice.
    pub(super) fn push(&mut self, problem: Problem) {
        let text = problem.to_string();
        if self.found.iter().all(|found| found.to_string() != text) {
            self.found.push(problem);
        }
    }

    /// Checks that a value of each of these types was passed to `App::state`.
    pub(super) fn check_state(
        &mut self,
        name: &'static str,
        location: Location,
        keys: impl IntoIterator<Item = StateKey>,
    ) {
        for key in keys {
            self.taken.insert(key.id);
            if !key.is_optional && !self.states.contains(key) {
                let similar = self.states.similar(key);
                self.push(Problem::MissingState { name, location, type_name: key.name, similar });
            }
        }
    }

    /// Checks that the server is configured and has this kind.
    pub(super) fn check_server(&mut self, what: &str, location: Location, name: &str, kind: ServerKind) {
        let (what, server) = (what.to_owned(), name.to_owned());
        match self.server_config(name) {
            None => {
                let known: Vec<String> =
                    self.config.servers.iter().map(|server| format!("`{}`", server.name)).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                self.push(Problem::UnknownServer { what, location, server, known });
            }
            Some(configured) if configured.kind != kind => {
                self.push(Problem::WrongKind { what, location, server, kind: configured.kind });
            }
            Some(_) => {}
        }
    }

    /// Returns the settings of a server; `None` if it is not configured, which
    /// [`Self::check_server`] reports.
    pub(super) fn server_config(&self, name: &str) -> Option<&'a ServerConfig> {
        self.config.servers.iter().find(|server| server.name == name)
    }

    /// Returns the collected problems as an error, if there are any; otherwise the types of state
    /// that are used.
    pub(super) fn into_result(self) -> Result<HashSet<TypeId>, StartError> {
        if self.found.is_empty() { Ok(self.taken) } else { Err(StartError::all(self.found)) }
    }
}
