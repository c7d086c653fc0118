//! HTTP services in the same process: servers of kind `http` and fallback services.
//!
//! A server of kind `http` uses the same accept loop, gate and admission as a WebSocket server, and
//! then passes each request to its tower service.

use std::{
    convert::Infallible,
    future::{poll_fn, ready},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as HttpBody;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::{Admission, Arrival, Lifecycle, Permit, Stage, first_head::first_head, http_io::HttpStream};
use crate::{
    caught::{Witness, caught, drop_caught},
    config::Limits,
    error::{BoxError, Error, HandshakeError},
    handshake::{bare, refused},
    request::{Body, Response},
    socket::Transport,
};

type HttpFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Any tower service, erased.
pub(crate) type HttpHandler = Arc<dyn Fn(Request<Incoming>) -> HttpFuture + Send + Sync>;

/// An HTTP service for [`App::http`](crate::App::http) and [`App::fallback`](crate::App::fallback):
/// an axum router, or any other tower service of [`http::Request`] to [`http::Response`] that is
/// `Clone + Send + Sync`.
///
/// ```
/// use axum::{Router, routing::get};
/// use ws_core::App;
///
/// let pages = Router::new().route("/healthz", get(async || "ok"));
/// let app = App::without_registry().http("http", pages);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP service",
    note = "give an axum `Router`, or a tower service of `http::Request<hyper::body::Incoming>` that is `Clone + Send + Sync`"
)]
pub trait HttpService {
    #[doc(hidden)]
    fn erase(self) -> HttpHandler;
}

impl<S, B> HttpService for S
where
    S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn erase(self) -> HttpHandler {
        let service = Arc::new(self);
        Arc::new(move |request| {
            let service = Arc::clone(&service);
            Box::pin(async move {
                let answer = async {
                    let mut service = S::clone(&service);
                    poll_fn(|cx| service.poll_ready(cx)).await?;
                    service.call(request).await
                };
                match caught(answer).await {
                    Some(Ok(response)) => response.map(Body::new),
                    Some(Err(error)) => {
                        let error = Error::new(error);
                        tracing::error!(%error, "an HTTP service failed");
                        drop_caught("an error", error);
                        bare(StatusCode::INTERNAL_SERVER_ERROR)
                    }
                    None => {
                        tracing::error!("an HTTP service panicked");
                        bare(StatusCode::INTERNAL_SERVER_ERROR)
                    }
                }
            })
        })
    }
}

/// Calls an erased service. The request gets the peer's address as an extension of type
/// [`SocketAddr`].
pub(crate) fn call(
    handler: &HttpHandler,
    mut request: Request<Incoming>,
    peer: Option<SocketAddr>,
) -> HttpFuture {
    if let Some(peer) = peer {
        request.extensions_mut().insert(peer);
    }
    handler(request)
}

/// A server of kind `http`.
pub(crate) struct HttpServer {
    pub(crate) name: Arc<str>,
    pub(crate) handler: HttpHandler,
    pub(crate) limits: Limits,
    pub(crate) admission: Admission,
    pub(crate) lifecycle: Lifecycle,
}

impl HttpServer {
    /// Serves one stream until it closes. When the application stops, a request in progress may
    /// finish within the drain deadline.
    pub(crate) async fn serve(self: Arc<Self>, mut stream: Transport, arrival: Arrival) {
        let _witness = Witness("an HTTP connection");
        let admitted = self.admission.admit(arrival.peer);
        match first_head(&mut stream, &arrival, &self.limits, &self.lifecycle).await {
            // Boxed, so that an incomplete head does not carry the size of this future.
            Some(head) => Box::pin(self.requests(HttpStream::new(stream, head), arrival, admitted)).await,
            None => tracing::debug!(server = &*self.name, peer = ?arrival.peer, "no request in time"),
        }
    }

    async fn requests(
        &self,
        stream: HttpStream<Transport>,
        arrival: Arrival,
        admitted: Result<Permit, HandshakeError>,
    ) {
        let Arrival { peer, pending, .. } = arrival;
        let service = service_fn(|request| {
            pending.release();
            let answer = self.answer(request, peer, admitted.as_ref().err());
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let connection = http1::Builder::new()
            .timer(stream.timer(&self.limits))
            .header_read_timeout(self.limits.handshake_timeout)
            .max_buf_size(self.limits.head)
            .max_headers(self.limits.headers)
            .keep_alive(admitted.is_ok())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let result = tokio::select! {
            // Polled first, so that a head that has arrived is read before a stop closes the
            // stream.
            biased;
            result = connection.as_mut() => result,
            () = pending.overdue() => {
                tracing::debug!(server = &*self.name, ?peer, "no request in time");
                return;
            }
            () = self.lifecycle.reached(Stage::Closing) => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    result = connection => result,
                    () = self.lifecycle.reached(Stage::Cutting) => {
                        tracing::warn!(server = &*self.name, ?peer, "an HTTP request was cut");
                        return;
                    }
                }
            }
        };
        if let Err(error) = result {
            tracing::debug!(server = &*self.name, ?peer, %error, "HTTP connection ended");
        }
    }

    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Option<SocketAddr>,
        refusal: Option<&HandshakeError>,
    ) -> HttpFuture {
        let caller = match refusal {
            Some(refusal) => Err(refusal.clone()),
            None => self.admission.client(peer, request.headers()),
        };
        match caller {
            Ok(caller) => call(&self.handler, request, caller.addr),
            Err(refusal) => Box::pin(ready(refused(&refusal))),
        }
    }
}
