//! What a supervisor and a load balancer ask over HTTP: `GET /healthz` says that the process is there, `GET /readyz` whether
//! it should be sent new clients. `GET /metrics` is for Prometheus. An application that is reached
//! from the internet has these pages on a server of their own: `App::ops`.
//!
//! The difference shows when the demo stops under `drain.grace`: it is healthy, and not ready any more.
//! In a cluster it also shows at the start: the demo is not ready until it has reached the broker
//! once (`cluster.start`). A later outage of the broker changes `cluster` in the answer, and nothing
//! else.

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;
use ws_core::{
    Hub,
    app::{Prometheus, Readiness},
    hub::ClusterState,
};

pub(crate) fn router(readiness: Readiness, hub: Hub, metrics: Prometheus) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async move || readyz(&readiness, &hub)))
        .route("/metrics", get(async move || prometheus(&metrics)))
}

/// 200 or 503, with `{"ready": true}` or `{"ready": false}`; in a cluster also the state of the link
/// to the broker, and the number of nodes that are known.
fn readyz(readiness: &Readiness, hub: &Hub) -> impl IntoResponse + use<> {
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let cluster = hub.cluster();
    let state = match cluster.state() {
        ClusterState::Alone => None,
        ClusterState::Joining => Some("joining"),
        ClusterState::Up => Some("up"),
        _ => Some("down"),
    };
    let body = match state {
        None => json!({ "ready": ready }),
        Some(state) => json!({ "ready": ready, "cluster": state, "nodes": cluster.nodes().len() }),
    };
    (status, Json(body))
}

/// The metrics in the text format of Prometheus. The demo installs no other recorder.
fn prometheus(metrics: &Prometheus) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render().unwrap_or_default())
}
