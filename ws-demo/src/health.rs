//! What a supervisor and a load balancer ask over HTTP: `GET /healthz` says that the process is there, `GET /readyz` whether
//! it should be sent new clients.
//!
//! The difference shows when the demo stops under `drain.grace`: it is healthy, and not ready any more.

use axum::{Json, Router, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;
use ws_core::app::Readiness;

pub(crate) fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async move || readyz(&readiness)))
}

/// 200 or 503, with `{"ready": true}` or `{"ready": false}`.
fn readyz(readiness: &Readiness) -> impl IntoResponse + use<> {
    let ready = readiness.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready })))
}
