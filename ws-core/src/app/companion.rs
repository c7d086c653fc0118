//! [`Companion`]: a part above this module that starts and ends with the application. It is the
//! development console.
//!
//! A module imports only modules below it, so the console gives its functions to the application,
//! and the application passes to them what the console shows.

use std::{net::SocketAddr, pin::Pin, sync::Arc};

use super::{App, Plan, PlannedKind};
use crate::{
    config::{Config, ServerConfig},
    handshake::MatchedRoute,
    hub::Live,
    server::Lifecycle,
};

/// The first step: reads the application before the check takes it apart. `None` if the console
/// does not start in this build.
pub(crate) struct Companion(pub(crate) fn(&App, &Config) -> Option<Prepared>);

/// The second step. It starts the console, after all listeners are bound, and returns its address.
pub(crate) struct Prepared(pub(crate) Box<dyn FnOnce(Launched) -> Launching + Send>);

/// The future of the second step.
pub(crate) struct Launching(pub(crate) Pin<Box<dyn Future<Output = Option<String>> + Send>>);

/// The application at its start.
pub(crate) struct Launched {
    pub(crate) servers: Vec<LaunchedServer>,
    pub(crate) live: Arc<Live>,
    pub(crate) lifecycle: Lifecycle,
}

/// A server, with the routes of a server of kind `websocket`.
pub(crate) struct LaunchedServer {
    pub(crate) config: ServerConfig,
    pub(crate) routes: Vec<Arc<MatchedRoute>>,
    /// The address that it listens on; `None` if another program serves it.
    pub(crate) address: Option<SocketAddr>,
}

/// The part of the second step that is known after the check.
pub(super) struct Planned {
    prepared: Prepared,
    launched: Launched,
}

impl Planned {
    pub(super) fn new(prepared: Prepared, plan: &Plan) -> Self {
        let servers = plan.servers.iter().map(|server| LaunchedServer {
            config: server.config.clone(),
            routes: match &server.kind {
                PlannedKind::WebSocket(server) => server.pipeline.router.routes().to_vec(),
                PlannedKind::Http(_) => Vec::new(),
            },
            address: None,
        });
        let (live, lifecycle) = (Arc::clone(&plan.live), plan.lifecycle.clone());
        Self { prepared, launched: Launched { servers: servers.collect(), live, lifecycle } }
    }

    /// Starts the console and returns its address; `None` if it cannot start.
    pub(super) async fn launch(self, address: impl Fn(&str) -> Option<SocketAddr>) -> Option<String> {
        let Self { prepared: Prepared(start), mut launched } = self;
        for server in &mut launched.servers {
            server.address = address(&server.config.name);
        }
        start(launched).0.await
    }
}
