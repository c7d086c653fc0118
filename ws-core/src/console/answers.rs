//! Finds the answer to a request: the files of the page, the data, the feeds, the actions.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    Known,
    access::{self, Token},
    actions, cluster,
    feed::{Feed, Feeds},
    live, log, traffic,
};
use crate::{
    hub::Hub,
    request::{Body, Response},
};

const PAGE: &str = include_str!("page/index.html");
const SCRIPT: &str = include_str!("page/page.js");
const STYLE: &str = include_str!("page/style.css");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const TYPESCRIPT: &str = "application/typescript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";

/// The largest body of an action, in bytes.
const BODY_BYTES: usize = 1 << 20;
/// The time for the body of an action.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The console of one application.
pub(super) struct Console {
    pub(super) token: Token,
    pub(super) port: u16,
    pub(super) known: Known,
    /// The data that does not change, as JSON.
    pub(super) model: Bytes,
    pub(super) hub: Hub,
    pub(super) changes: cluster::Changes,
    pub(super) feeds: Feeds,
}

impl Console {
    pub(super) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Answers a request. Every response has the protecting headers.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response {
        let mut response = match access::check_site(request.uri(), request.headers(), self.port) {
            Ok(()) => self.find(request).await,
            Err(refusal) => refusal.response(),
        };
        access::protect(&mut response);
        response
    }

    async fn find(self: Arc<Self>, request: Request<Incoming>) -> Response {
        let path = request.uri().path().to_owned();
        // The files of the page have no data. The token is in the fragment of the address, which a
        // browser does not send.
        let file = match &*path {
            "/" => Some((HTML, PAGE)),
            "/page.js" => Some((JAVASCRIPT, SCRIPT)),
            "/style.css" => Some((CSS, STYLE)),
            _ => None,
        };
        match file {
            Some((kind, text)) if request.method() == Method::GET => return with_kind(kind, text),
            Some(_) => return failed(StatusCode::METHOD_NOT_ALLOWED, "this is a GET"),
            None => {}
        }
        if let Err(refusal) = self.token.check(request.headers()) {
            return refusal.response();
        }
        match (request.method(), &*path) {
            (&Method::GET, "/api/model") => with_kind(JSON, self.model.clone()),
            (&Method::GET, "/api/feed") => self.feed(request.uri().query().unwrap_or_default()),
            (&Method::GET, "/asyncapi.json") => with_kind(JSON, self.known.contract.asyncapi()),
            (&Method::GET, "/client.js") => with_kind(JAVASCRIPT, self.known.contract.javascript()),
            (&Method::GET, "/client.d.ts") => with_kind(TYPESCRIPT, self.known.contract.typescript()),
            (&Method::POST, "/api/disconnect") => self.act(request, actions::disconnect).await,
            (&Method::POST, "/api/push") => self.act(request, actions::push).await,
            _ => failed(StatusCode::NOT_FOUND, "the console has no such address"),
        }
    }

    /// Returns a stream of the data of one page.
    fn feed(self: Arc<Self>, query: &str) -> Response {
        let value = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let Some(place) = self.feeds.enter() else {
            return failed(StatusCode::SERVICE_UNAVAILABLE, "too many pages are open");
        };
        let (hub, changes) = (self.hub.clone(), self.changes.clone());
        let second = Duration::from_secs(1);
        let feed = match value("topic").as_deref() {
            Some("count") => Feed::new(place, second, move || Some(json!({ "count": hub.count_local() }))),
            Some("live") => Feed::new(place, second, move || Some(live::snapshot(&hub))),
            Some("metrics") => {
                let stats = self.known.stats.clone();
                Feed::new(place, second, move || {
                    Some(json!({ "count": hub.count_local(), "stats": stats.read() }))
                })
            }
            Some("cluster") => Feed::new(place, second, move || Some(cluster::snapshot(&hub, &changes))),
            Some("log") => {
                let mut lines = log::Reader::default();
                Feed::new(place, second / 4, move || lines.next(&hub))
            }
            Some("traffic") => {
                let id = value("id").and_then(|id| id.parse().ok());
                let Some(connection) = id.and_then(|id| self.hub.get_local(id)) else {
                    return failed(StatusCode::NOT_FOUND, "the connection has ended");
                };
                let mut reader = traffic::Reader::new(&connection);
                Feed::new(place, second / 4, move || reader.next(&hub))
            }
            _ => return failed(StatusCode::NOT_FOUND, "unknown topic"),
        };
        let mut response = Response::new(Body::new(feed));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        response
    }

    /// Runs an action with the body of a request.
    async fn act(
        &self,
        request: Request<Incoming>,
        action: fn(&Hub, &Value) -> Result<Value, String>,
    ) -> Response {
        let body = Limited::new(request.into_body(), BODY_BYTES).collect();
        let body = match tokio::time::timeout(BODY_TIME, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return failed(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or broken"),
            Err(_) => return failed(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        };
        let asked = serde_json::from_slice(&body).map_err(|error| format!("the body is not JSON: {error}"));
        match asked.and_then(|asked| action(&self.hub, &asked)) {
            Ok(done) => Body::json(StatusCode::OK, &done),
            Err(fault) => failed(StatusCode::BAD_REQUEST, &fault),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").field("port", &self.port).finish_non_exhaustive()
    }
}

fn with_kind(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn failed(status: StatusCode, text: &str) -> Response {
    Body::json(status, &json!({ "error": text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_has_no_way_to_run_text_as_code() {
        assert!(PAGE.len() + SCRIPT.len() + STYLE.len() < 60_000, "60 KB are the limit");
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            ".srcdoc",
        ] {
            assert!(!SCRIPT.contains(word), "page.js has `{word}`; text is set by `textContent`");
        }
        for word in ["<style", "style=", "onclick", "<script>", "http://", "https://", "//cdn"] {
            assert!(!PAGE.contains(word), "index.html has `{word}`, which the policy forbids");
        }
    }
}
