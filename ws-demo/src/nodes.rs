//! The other processes of a cluster, for the HTTP side: `DELETE /users/{account}`, and the outcome
//! of a message for them.
//!
//! The code is the same with and without a cluster. A call of the hub acts on all processes, and
//! [`Delivery::remote`](ws_core::hub::Delivery::remote) has the outcome for the others.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::delete,
};
use serde::Serialize;
use ws_core::{
    Hub,
    hub::{NotSent, Remote},
};

use crate::{
    errors,
    login::{Callers, fail, refuse},
    users::ADMIN,
};

/// The close code for a user whom the admin disconnected. The last three digits are a 403, as in
/// HTTP.
const DISCONNECTED: u16 = 4403;

/// The state of the HTTP handler.
#[derive(Clone)]
struct Disconnecter {
    hub: Hub,
    callers: Callers,
}

/// The answer to `DELETE /users/{account}`.
#[derive(Serialize)]
struct Disconnected {
    /// The connections on this process.
    closed_here: usize,
    /// The outcome for the other processes of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_nodes: Option<&'static str>,
}

/// The route of the server `http`.
pub(crate) fn router(hub: Hub, callers: Callers) -> Router {
    Router::new().route("/users/{account}", delete(disconnect)).with_state(Disconnecter { hub, callers })
}

/// With a token of `admin`: closes the connections of a user on all processes with 4403. The
/// account stays, and its tokens stay valid. If the request did not reach the other processes, the
/// status is 503, and the request may be repeated.
async fn disconnect(
    State(state): State<Disconnecter>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Response {
    match state.callers.account(&headers).await {
        Ok(caller) if caller == ADMIN => {}
        Ok(_) => return refuse(StatusCode::FORBIDDEN, errors::ADMIN_ONLY),
        Err(refusal) => return refusal,
    }
    match state.callers.users.has(account.clone()).await {
        Ok(true) => {}
        Ok(false) => return refuse(StatusCode::NOT_FOUND, errors::UNKNOWN_ACCOUNT),
        Err(error) => return fail(&error),
    }
    let delivery = match state.hub.user(&account).disconnect(DISCONNECTED, "disconnected by the admin") {
        Ok(delivery) => delivery,
        Err(error) => return fail(&error),
    };
    tracing::info!(account, closed_here = delivery.sent, remote = ?delivery.remote, "a user was disconnected");
    let body = Disconnected { closed_here: delivery.sent, other_nodes: outcome(delivery.remote) };
    let status = match delivery.remote {
        Remote::NotSent(_) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    (status, Json(body)).into_response()
}

/// The outcome of a message for the other processes, in one word; `None` without a cluster.
pub(crate) fn outcome(remote: Remote) -> Option<&'static str> {
    Some(match remote {
        Remote::None => return None,
        Remote::Queued => "queued",
        Remote::Accepted => "accepted",
        Remote::NotSent(NotSent::Unreachable) => "unreachable",
        Remote::NotSent(_) => "not_sent",
        _ => "unknown",
    })
}
