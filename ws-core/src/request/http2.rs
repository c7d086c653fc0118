//! Handshakes over HTTP/2 (RFC 8441): an extended CONNECT for `websocket`, converted to the GET that
//! the pipeline handles.
//!
//! Without the feature `http2` no request is converted, and no request counts as converted.

use http::request::Parts;
#[cfg(feature = "http2")]
use http::{HeaderValue, Method, Uri, Version, header};

use super::lists;

/// Marks a converted request, in its extensions. [`Handshake::new`](super::Handshake::new) removes
/// it.
#[cfg(feature = "http2")]
#[derive(Clone, Copy)]
struct Converted;

/// Converts an extended CONNECT for `websocket` to a GET with a `Host`. Other requests stay as they
/// are.
#[cfg(feature = "http2")]
pub(crate) fn convert_extended_connect(parts: &mut Parts) {
    if parts.version != Version::HTTP_2 || parts.method != Method::CONNECT {
        return;
    }
    let protocol = parts.extensions.get::<hyper::ext::Protocol>();
    if !protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket")) {
        return;
    }
    // The connection keeps the extensions, so it would keep this value.
    parts.extensions.remove::<hyper::ext::Protocol>();
    parts.extensions.insert(Converted);
    parts.method = Method::GET;
    // RFC 9113 section 8.3.1: a `Host` that differs from `:authority` makes the request malformed.
    // Both lines are kept then, and the check of `Host` refuses two.
    if let Some(authority) = parts.uri.authority() {
        let named = parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
        if !named.is_some_and(|named| named.eq_ignore_ascii_case(authority.as_str().as_bytes()))
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.append(header::HOST, host);
        }
    }
    parts.uri = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
}

#[cfg(not(feature = "http2"))]
pub(crate) fn convert_extended_connect(_: &mut Parts) {}

/// Whether a request was an extended CONNECT for `websocket`.
#[cfg(feature = "http2")]
pub(crate) fn was_extended_connect(parts: &Parts) -> bool {
    parts.extensions.get::<Converted>().is_some()
}

#[cfg(not(feature = "http2"))]
pub(crate) fn was_extended_connect(_: &Parts) -> bool {
    false
}

/// Whether a request asks for a WebSocket: by an upgrade, or by an extended CONNECT. Over HTTP/2
/// there is no upgrade (RFC 9113 section 8.6).
pub(crate) fn asks_for_websocket(parts: &Parts) -> bool {
    #[cfg(feature = "http2")]
    if parts.version == Version::HTTP_2 {
        return was_extended_connect(parts);
    }
    lists::asks_for_upgrade(&parts.method, &parts.headers)
}

/// Removes the mark of a converted request.
pub(super) fn remove_mark(parts: &mut Parts) {
    #[cfg(feature = "http2")]
    parts.extensions.remove::<Converted>();
    #[cfg(not(feature = "http2"))]
    let _ = parts;
}
