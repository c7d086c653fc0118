//! The pages for supervisors and load balancers: `GET /healthz` shows that the process runs, `GET
//! /readyz` whether it accepts new clients. `GET /metrics` is for Prometheus. An application on the
//! internet has these pages on a server of their own: `App::ops`.
//!
//! The two differ while the demo drains (`drain.grace`): it is healthy but not ready. In a cluster
//! they also differ at the start: the demo is not ready until it has reached the broker once
//! (`cluster.start`). A later outage of the broker changes only `cluster` in the answer.

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

/// Answers 200 or 503, with `{"ready": true}` or `{"ready": false}`; in a cluster also with the
/// state of the link to the broker, and the number of known nodes.
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

/// Answers with the metrics in the text format of Prometheus. The demo installs no other recorder.
fn prometheus(metrics: &Prometheus) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render().unwrap_or_default())
}
