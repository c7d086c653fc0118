//! 自定义协议升级中间件 / the core step, replaced.
//!
//! The core step is the innermost part of the pipeline: it answers 101 or a refusal. A replacement
//! overrides the methods that differ. Here this is only `not_found`, with the how-to's answer to an
//! unknown route instead of the default JSON body.

use axum::http::{HeaderName, HeaderValue, header};
use ws_core::handshake::Upgrade;
use ws_core::prelude::*;

/// `WebSocketCoreMiddleware` of the how-to.
pub(crate) struct CoreStep;

impl Upgrade for CoreStep {
    async fn not_found(&self, _: Handshake) -> Result<Response> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(HeaderName::from_static("description"), HeaderValue::from_static("Route Error"));
        Ok(response)
    }
}
