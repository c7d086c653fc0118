//! [`StatsHandle`]: reads the counters of an application.

use std::sync::{Arc, OnceLock};

use crate::{
    hub::{ClusterState, Hub, Live},
    server::Readiness,
    telemetry::{ClusterStatus, Counters, Stats},
};

/// The counters of an application, once its check at start has passed.
#[derive(Clone, Debug, Default)]
pub(super) struct Telemetry(Arc<OnceLock<Counters>>);

impl Telemetry {
    pub(super) fn set(&self, counters: Counters) {
        // An application is checked once.
        let _ = self.0.set(counters);
    }
}

/// Reads the counters of an application. Get it from [`App::stats`](crate::App::stats) and pass it
/// to HTTP handlers. It is cheap to clone and can be used on any task.
///
/// ```
/// use axum::{Json, Router, routing::get};
/// use ws_core::App;
///
/// let app = App::without_registry();
/// let stats = app.stats();
/// let pages = Router::new().route("/stats", get(async move || Json(stats.read())));
/// let app = app.http("http", pages);
/// ```
#[derive(Clone, Debug)]
pub struct StatsHandle {
    telemetry: Telemetry,
    live: Arc<Live>,
    readiness: Readiness,
}

impl StatsHandle {
    pub(super) fn new(telemetry: &Telemetry, live: &Arc<Live>, readiness: Readiness) -> Self {
        Self { telemetry: telemetry.clone(), live: Arc::clone(live), readiness }
    }

    /// Returns the counters now. Before the start, it has no servers.
    pub fn read(&self) -> Stats {
        let counters = self.telemetry.0.get();
        Stats {
            is_ready: self.readiness.is_ready(),
            is_draining: self.readiness.is_stopping(),
            servers: counters.map(Counters::servers).unwrap_or_default(),
            controllers: counters.map(Counters::controllers).unwrap_or_default(),
            cluster: self.cluster(),
        }
    }

    fn cluster(&self) -> Option<ClusterStatus> {
        let cluster = Hub::new(&self.live).cluster();
        let state = cluster.state();
        let is_up = state == ClusterState::Up;
        (state != ClusterState::Alone)
            .then(|| ClusterStatus::new(is_up, cluster.nodes().len(), cluster.stats()))
    }
}
