//! `GET /`: a page that logs in and chats with the browser's own WebSocket, for whoever has no other client at hand.
//!
//! A browser cannot set the `Authorization` header of a handshake, so for `/wss/demo` and `/wss/late` the page offers the
//! token as a subprotocol, beside the one that is spoken there.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};

/// The page; its script runs inline, and nothing is loaded from elsewhere.
const PAGE: &str = include_str!("page.html");

/// What the browser is told to allow.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The port of the WebSocket server, known once it listens.
pub(crate) type WsPort = Arc<OnceLock<u16>>;

/// The route of the page.
pub(crate) fn router(ws_port: WsPort) -> Router {
    Router::new().route("/", get(page)).with_state(ws_port)
}

/// The page, which knows the port.
async fn page(State(ws_port): State<WsPort>) -> Response {
    match ws_port.get() {
        Some(port) => {
            let page = PAGE.replace("{{ws_port}}", &port.to_string());
            ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "starting\n").into_response(),
    }
}
