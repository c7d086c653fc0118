//! HTTP in memory: requests to an HTTP service, and the handshakes of test clients.

use ::http::{HeaderMap, Method, Request, Uri, header::HOST};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Serialize;

use super::{TestApp, TestError, TestResponse, header};
use crate::socket::Pipe;

/// The HTTP side of a [`TestApp`].
///
/// ```
/// use ws_core::testing::{TestApp, TestError};
///
/// async fn check(app: &TestApp) -> Result<(), TestError> {
///     let response = app.http("http").get("/healthz").send().await?;
///     assert_eq!((response.status.as_u16(), response.text()), (200, "ok".to_owned()));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct TestHttp<'a> {
    app: &'a TestApp,
    server: String,
}

impl<'a> TestHttp<'a> {
    pub(super) fn new(app: &'a TestApp, server: &str) -> Self {
        Self { app, server: server.to_owned() }
    }

    /// Makes a GET request.
    pub fn get(&self, path: &str) -> TestRequest<'a> {
        self.request(Method::GET, path)
    }

    /// Makes a POST request.
    pub fn post(&self, path: &str) -> TestRequest<'a> {
        self.request(Method::POST, path)
    }

    /// Makes a request with this method.
    pub fn request(&self, method: Method, path: &str) -> TestRequest<'a> {
        TestRequest {
            app: self.app,
            server: self.server.clone(),
            method,
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

/// A request of a [`TestHttp`]; [`send`](Self::send) sends it.
///
/// ```
/// use serde_json::json;
/// use ws_core::testing::{TestApp, TestError};
///
/// async fn log_in(app: &TestApp) -> Result<String, TestError> {
///     let request = app.http("http").post("/login").json(&json!({ "account": "jerry" }));
///     Ok(request.header("accept", "text/plain").send().await?.text())
/// }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct TestRequest<'a> {
    app: &'a TestApp,
    server: String,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl TestRequest<'_> {
    /// Adds a header.
    ///
    /// # Panics
    /// If the name or the value is not valid in a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let (name, value) = header(name, value);
        self.headers.append(name, value);
        self
    }

    /// Sets a JSON body and its `content-type`.
    ///
    /// # Panics
    /// If the value cannot be serialised.
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(json) => self.body = json.into(),
            Err(error) => super::fail(format_args!("the value cannot be serialised as JSON: {error}")),
        }
        self.header("content-type", "application/json")
    }

    /// Sends the request and reads the whole response.
    ///
    /// # Errors
    /// [`TestError::Transport`] if the path is not a valid URI or no response arrives.
    pub async fn send(self) -> Result<TestResponse, TestError> {
        let stream = self.app.pipe(&self.server);
        let response = request(stream, self.method, &self.path, self.headers, self.body).await?;
        read(response).await
    }
}

/// Sends one request over a new stream.
pub(super) async fn request(
    stream: Pipe,
    method: Method,
    path: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<::http::Response<Incoming>, TestError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(transport)?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse::<Uri>().map_err(|error| TestError::Transport(error.to_string()))?;
    *request.headers_mut() = headers;
    if !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, ::http::HeaderValue::from_static("test"));
    }
    sender.send_request(request).await.map_err(transport)
}

pub(super) async fn read(response: ::http::Response<Incoming>) -> Result<TestResponse, TestError> {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(transport)?.to_bytes();
    Ok(TestResponse { status: parts.status, headers: parts.headers, body })
}

pub(super) fn transport(error: hyper::Error) -> TestError {
    TestError::Transport(error.to_string())
}
