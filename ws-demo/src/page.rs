//! `GET /`: a page that logs in and chats, and the files that it loads.
//!
//! The page is plain JavaScript over the generated client, `web/client.js`. Its files are embedded
//! in the program, so it needs neither a build step nor a network.
//!
//! A browser cannot set the header `Authorization` of a handshake, so the token travels as a
//! subprotocol. A browser also hides the status of a refused handshake from its scripts. The page
//! therefore asks `GET /whoami` for the state of its token before each handshake.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// A file of the page.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

/// The document. It has a placeholder for the port of the WebSocket server.
const DOCUMENT: &str = include_str!("../web/index.html");
const PORT_PLACEHOLDER: &str = "{{ws_port}}";

const CSS: &str = "text/css; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// The files that the document loads.
const FILES: [File; 9] = [
    File { path: "/page.css", content_type: CSS, text: include_str!("../web/page.css") },
    File { path: "/page.js", content_type: JAVASCRIPT, text: include_str!("../web/page.js") },
    File { path: "/chat.js", content_type: JAVASCRIPT, text: include_str!("../web/chat.js") },
    File { path: "/lines.js", content_type: JAVASCRIPT, text: include_str!("../web/lines.js") },
    File { path: "/frames.js", content_type: JAVASCRIPT, text: include_str!("../web/frames.js") },
    File { path: "/plain.js", content_type: JAVASCRIPT, text: include_str!("../web/plain.js") },
    File { path: "/demo.js", content_type: JAVASCRIPT, text: include_str!("../web/demo.js") },
    File { path: "/view.js", content_type: JAVASCRIPT, text: include_str!("../web/view.js") },
    File { path: "/client.js", content_type: JAVASCRIPT, text: include_str!("../web/client.js") },
];

/// The content security policy of the page: files of this server, requests to it, and WebSockets.
/// Those go to another port, which a proxy may change, so their hosts are not listed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The headers of all files. The files change with the program, so a browser must not keep old
/// ones.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

/// The port of the WebSocket server, known once it listens.
pub(crate) type WsPort = Arc<OnceLock<u16>>;

/// The routes of the page.
pub(crate) fn router(ws_port: WsPort) -> Router {
    let document = Router::new().route("/", get(document)).with_state(ws_port);
    FILES.into_iter().fold(document, |router, file| {
        let File { path, content_type, text } = file;
        router.route(path, get(async move || answer(content_type, text)))
    })
}

/// Returns the document with the port in it.
async fn document(State(ws_port): State<WsPort>) -> Response {
    match ws_port.get() {
        Some(port) => answer(HTML, DOCUMENT.replace(PORT_PLACEHOLDER, &port.to_string())),
        None => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "starting\n").into_response(),
    }
}

fn answer(content_type: &'static str, text: impl IntoResponse) -> Response {
    (HEADERS, [(header::CONTENT_TYPE, content_type)], text).into_response()
}
