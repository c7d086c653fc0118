//! [`App::ops`]: the pages for operators, `/metrics`, `/healthz` and `/readyz`.
//!
//! The recorder for Prometheus is global to the process, because that of the facade `metrics` is.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::OnceLock,
    task::{Context, Poll},
};

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tower_service::Service;

use super::{App, Location, StatsHandle};
use crate::{
    handshake::{Body, Response, bare},
    telemetry::{CONNECTION_SECONDS, EVENT_SECONDS, HANDSHAKE_SECONDS, describe, publish},
};

/// The upper bounds of the histograms, in seconds.
const HANDSHAKE_BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10.];
const CONNECTION_BOUNDS: &[f64] = &[1., 10., 60., 300., 900., 3600., 14_400., 43_200., 86_400.];
const EVENT_BOUNDS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1., 2.5, 5., 10.];

/// The answer of `/metrics` if it has nothing to render.
const FOREIGN: &str = "another recorder of the crate `metrics` is installed: scrape that one\n";

impl App {
    /// Serves the pages for operators on a server of kind `http`: `/metrics` in the text format of
    /// Prometheus, `/healthz` (200 while the process answers) and `/readyz` (200 if the application
    /// is [ready](super::Readiness), else 503).
    ///
    /// The server must be configured, at an address that only operators reach:
    ///
    /// ```toml
    /// [[servers]]
    /// name = "ops"
    /// kind = "http"
    /// host = "127.0.0.1"
    /// port = 9000
    /// ```
    ///
    /// At start it installs the recorder of the facade `metrics`, with buckets, and does its upkeep
    /// every 5 s; metrics that the program records itself are served as well. If the program has
    /// installed another recorder before, that one gets the metrics, and `/metrics` answers 501.
    ///
    /// ```
    /// use ws_core::App;
    ///
    /// let app = App::without_registry().ops("ops");
    /// ```
    #[track_caller]
    #[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
    pub fn ops(mut self, server: impl Into<String>) -> Self {
        let (server, pages) = (server.into(), Pages { metrics: Prometheus { stats: self.stats() } });
        self.ops = Some((server.clone(), Location::caller()));
        self.http(server, pages)
    }

    /// Returns the metrics for a page of your own, such as a route of an axum router, in place of
    /// [`ops`](Self::ops). It installs the recorder at once, as `ops` does at start.
    ///
    /// ```
    /// use ws_core::App;
    ///
    /// let app = App::without_registry();
    /// let metrics = app.prometheus();
    /// // axum: `.route("/metrics", get(async move || metrics.render()))`
    /// assert!(metrics.render().is_some());
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "prometheus")))]
    pub fn prometheus(&self) -> Prometheus {
        recorder();
        Prometheus { stats: self.stats() }
    }
}

/// The metrics of an application in the text format of Prometheus; from [`App::prometheus`].
///
/// ```
/// use ws_core::app::Prometheus;
///
/// /// The content type and the body of a page `/metrics` of your own.
/// fn page(metrics: &Prometheus) -> (&'static str, String) {
///     ("text/plain; version=0.0.4", metrics.render().unwrap_or_default())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Prometheus {
    stats: StatsHandle,
}

impl Prometheus {
    /// Returns all metrics as of now, for the content type `text/plain; version=0.0.4`. `None` if
    /// the program has installed another recorder of the facade `metrics`: that one has them.
    pub fn render(&self) -> Option<String> {
        let recorder = recorder()?;
        publish(&self.stats.read());
        Some(recorder.render())
    }
}

/// The recorder that this module has installed; `None` inside if another one was installed.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Installs the recorder once. Returns `None` if the program has installed another one.
pub(super) fn recorder() -> Option<&'static PrometheusHandle> {
    let recorder = RECORDER.get_or_init(|| {
        let recorder = builder().ok()?.build_recorder();
        let handle = recorder.handle();
        match metrics::set_global_recorder(recorder) {
            Ok(()) => Some(handle),
            Err(_) => {
                tracing::warn!("another recorder of `metrics` is installed: `/metrics` is not served");
                None
            }
        }
    });
    describe();
    recorder.as_ref()
}

/// Moves recorded durations into the buckets. Without it they would be kept until the next scrape.
pub(super) fn upkeep() {
    if let Some(Some(recorder)) = RECORDER.get() {
        recorder.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let full = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(full(HANDSHAKE_SECONDS), HANDSHAKE_BOUNDS)?
        .set_buckets_for_metric(full(CONNECTION_SECONDS), CONNECTION_BOUNDS)?
        .set_buckets_for_metric(full(EVENT_SECONDS), EVENT_BOUNDS)
}

/// The pages.
#[derive(Clone, Debug)]
struct Pages {
    metrics: Prometheus,
}

impl Pages {
    fn answer(&self, method: &Method, path: &str) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut response = bare(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/metrics" => self.metrics(),
            "/healthz" => text(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" if self.metrics.stats.read().is_ready => text(StatusCode::OK, "ready\n".to_owned()),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
            _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        }
    }

    fn metrics(&self) -> Response {
        let Some(metrics) = self.metrics.render() else {
            return text(StatusCode::NOT_IMPLEMENTED, FOREIGN.to_owned());
        };
        let mut response = text(StatusCode::OK, metrics);
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, format);
        response
    }
}

fn text(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let format = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    response
}

impl Service<Request<Incoming>> for Pages {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri().path())))
    }
}
