//! [`Plan`]: a checked application, ready to be started.
//!
//! `check` makes it; `running` binds its servers. It opens nothing itself.

use std::{any::TypeId, collections::HashSet, fmt, sync::Arc};

use super::{Problem, StartError, start::Hook, stats::Telemetry};
use crate::{
    config::{self, Drain, ServerConfig, ServerKind},
    hub::{Connector, Live},
    place::Location,
    server::{Arrival, HttpServer, Lifecycle, Serving, WsServer},
    socket::Transport,
    state::States,
};

/// An application that passed all checks.
pub(super) struct Plan {
    pub(super) servers: Vec<PlannedServer>,
    pub(super) hooks: Vec<Hook>,
    pub(super) states: Arc<States>,
    /// The types of state that are used.
    pub(super) taken: HashSet<TypeId>,
    pub(super) live: Arc<Live>,
    pub(super) lifecycle: Lifecycle,
    pub(super) telemetry: Telemetry,
    pub(super) drain: Drain,
    pub(super) cluster: Option<PlannedCluster>,
    #[cfg(feature = "console")]
    pub(super) companion: Option<super::companion::Planned>,
}

/// The cluster that will be joined.
pub(super) struct PlannedCluster {
    pub(super) config: config::Cluster,
    pub(super) connector: Connector,
}

/// One server that will be bound.
pub(super) struct PlannedServer {
    pub(super) config: ServerConfig,
    pub(super) kind: PlannedKind,
}

/// The kind of a server, with the value that serves its streams.
#[derive(Clone)]
pub(crate) enum PlannedKind {
    WebSocket(Arc<WsServer>),
    Http(Arc<HttpServer>),
}

impl PlannedKind {
    /// Waits for a stream to pass the gate, then serves it until it closes.
    pub(crate) fn serve(
        self,
        arriving: impl Future<Output = Option<(Transport, Arrival)>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        Serving::new(async move {
            let (transport, arrival) = arriving.await?;
            match self {
                Self::WebSocket(server) => server.receive(transport, arrival).await,
                Self::Http(server) => {
                    server.serve(transport, arrival).await;
                    None
                }
            }
        })
    }
}

impl fmt::Debug for PlannedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket(_) => "WebSocket",
            Self::Http(_) => "Http",
        })
    }
}

impl Plan {
    /// Removes a server from the plan, so that it is not bound, and returns it.
    pub(super) fn take_websocket(
        &mut self,
        name: &str,
        location: Location,
    ) -> Result<Arc<WsServer>, StartError> {
        let (what, server) = ("the service".to_owned(), name.to_owned());
        let position = self.servers.iter().position(|server| server.config.name == name);
        match position.map(|position| self.servers.remove(position).kind) {
            Some(PlannedKind::WebSocket(server)) => Ok(server),
            Some(PlannedKind::Http(_)) => {
                Err(StartError::one(Problem::WrongKind { what, location, server, kind: ServerKind::Http }))
            }
            None => {
                let names: Vec<String> =
                    self.servers.iter().map(|server| format!("`{}`", server.config.name)).collect();
                let known = names.join(", ");
                Err(StartError::one(Problem::UnknownServer { what, location, server, known }))
            }
        }
    }
}
