//! The handshake of a client (RFC 6455 section 4.1): makes the request from the settings, and
//! checks the response.
//!
//! This file is pure: it must not do any I/O.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::Empty;

use super::{compression, error::ConnectError, settings::Settings};
use crate::{handshake::accept_value, request::list_tokens};

/// Headers that only the handshake may set, or that it must not have.
const RESERVED_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::EXPECT,
];

/// A request that is ready to be sent, and its destination.
#[derive(Debug)]
pub(super) struct Prepared {
    /// A name or an IP address; an IPv6 address has no brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: bool,
    pub(super) request: Request<Empty<Bytes>>,
}

/// Checks the settings and makes the request.
pub(super) fn prepare(settings: &Settings) -> Result<Prepared, ConnectError> {
    let invalid = |why: &str| ConnectError::InvalidUri {
        uri: settings.uri.split('?').next().unwrap_or_default().to_owned(),
        why: why.to_owned(),
    };
    // `Uri` drops a fragment silently; RFC 6455 section 3 forbids it.
    if settings.uri.contains('#') {
        return Err(invalid("a fragment is not allowed"));
    }
    let uri: Uri =
        settings.uri.parse().map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
    let tls = match uri.scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        _ => return Err(invalid("the scheme must be `ws://` or `wss://`")),
    };
    let authority = uri.authority().ok_or_else(|| invalid("the host is missing"))?;
    if authority.as_str().contains('@') {
        return Err(invalid("a user and a password are not allowed; set the header `authorization`"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    if host.is_empty() {
        return Err(invalid("the host is missing"));
    }
    let host_header =
        HeaderValue::from_str(authority.as_str()).map_err(|_| invalid("the host is not valid"))?;
    let target = target(&uri, &settings.query).map_err(|error| invalid(&error.to_string()))?;

    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.into();
    *request.headers_mut() = headers(settings, host_header)?;
    Ok(Prepared { host, port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls, request })
}

/// Returns the path and the query of the URI, with the added parameters percent-encoded at the end.
fn target(uri: &Uri, query: &[(String, String)]) -> Result<PathAndQuery, http::uri::InvalidUri> {
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let mut target = path.to_owned();
    if uri.query().is_some() || !query.is_empty() {
        target.push('?');
        let start = target.len();
        target.push_str(uri.query().unwrap_or_default());
        let mut parameters = form_urlencoded::Serializer::for_suffix(target, start);
        target = parameters.extend_pairs(query).finish();
    }
    target.try_into()
}

fn headers(settings: &Settings, host: HeaderValue) -> Result<HeaderMap, ConnectError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, host);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, key());
    if let Some(offer) = offer(&settings.subprotocols)? {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, offer);
    }
    if let Some(offer) = compression::offer(settings)? {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    for (name, value) in &settings.headers {
        let invalid = |why| ConnectError::InvalidHeader { name: name.clone(), why };
        let name = HeaderName::try_from(name.as_str()).map_err(|_| invalid("its name is not a token"))?;
        if RESERVED_HEADERS.contains(&name) {
            return Err(invalid("only the handshake may set it; offer subprotocols by `subprotocols`"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| invalid("its value has characters other than visible ASCII and space"))?;
        value.set_sensitive(name == header::AUTHORIZATION || name == header::COOKIE);
        if name == header::HOST {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// Returns 16 random bytes in Base64 (RFC 6455 section 4.1, point 7). The key is not a secret: it
/// only shows that the response belongs to this request.
fn key() -> HeaderValue {
    let nonce = fastrand::u128(..).to_be_bytes();
    // Base64 is visible ASCII, so the fallback is never taken.
    HeaderValue::try_from(STANDARD.encode(nonce)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Returns the subprotocols in order of preference; `None` if there are none.
fn offer(subprotocols: &[String]) -> Result<Option<HeaderValue>, ConnectError> {
    for (index, name) in subprotocols.iter().enumerate() {
        // The name of a header is a token, too.
        let is_token = HeaderName::try_from(name.as_str()).is_ok();
        if !is_token || subprotocols.iter().take(index).any(|earlier| earlier == name) {
            return Err(ConnectError::InvalidSubprotocol(name.clone()));
        }
    }
    if subprotocols.is_empty() {
        return Ok(None);
    }
    let offer = subprotocols.join(", ");
    HeaderValue::from_str(&offer).map(Some).map_err(|_| ConnectError::InvalidSubprotocol(offer))
}

/// Checks a 101 (RFC 6455 section 4.1), except for its extensions, and returns the chosen
/// subprotocol.
///
/// The server may choose none although some were offered: it supports none of them.
pub(super) fn verify(
    sent: &HeaderMap,
    status: StatusCode,
    received: &HeaderMap,
) -> Result<Option<String>, ConnectError> {
    debug_assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
    let fault = |rule: &str| Err(ConnectError::Protocol(rule.to_owned()));
    if !has_token(received, &header::UPGRADE, "websocket") {
        return fault("the 101 has no `upgrade: websocket`");
    }
    if !has_token(received, &header::CONNECTION, "upgrade") {
        return fault("the 101 has no `connection: upgrade`");
    }
    let expected = sent.get(header::SEC_WEBSOCKET_KEY).map(accept_value);
    if received.get(header::SEC_WEBSOCKET_ACCEPT) != expected.as_ref() {
        return fault("the 101 has no `sec-websocket-accept` that matches the key");
    }
    let mut chosen = received.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    match (chosen.next().map(HeaderValue::to_str), chosen.next()) {
        (None, _) => Ok(None),
        (Some(Ok(name)), None) if has_token_exactly(sent, &header::SEC_WEBSOCKET_PROTOCOL, name) => {
            Ok(Some(name.to_owned()))
        }
        _ => fault("the 101 chooses a subprotocol that was not offered"),
    }
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    list_tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn has_token_exactly(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    list_tokens(headers, name).any(|found| found == token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(uri: &str) -> Settings {
        Settings::new(uri.to_owned())
    }

    #[test]
    fn uris_become_hosts_ports_and_targets() {
        let check = |uri: &str, expected: (&str, u16, bool, &str, &str)| {
            let prepared = prepare(&settings(uri)).unwrap();
            let headers = prepared.request.headers();
            let seen = (
                prepared.host.as_str(),
                prepared.port,
                prepared.tls,
                headers["host"].to_str().unwrap(),
                prepared.request.uri().path_and_query().unwrap().as_str(),
            );
            assert_eq!(seen, expected, "{uri}");
        };
        check("ws://example.com", ("example.com", 80, false, "example.com", "/"));
        check("wss://example.com/chat?a=1", ("example.com", 443, true, "example.com", "/chat?a=1"));
        check("ws://[::1]:9502/x", ("::1", 9502, false, "[::1]:9502", "/x"));
        check("ws://example.com?a=1", ("example.com", 80, false, "example.com", "/?a=1"));
    }

    #[test]
    fn invalid_uris_are_named_without_their_query() {
        let uris = [
            "http://a/",
            "a:80",
            "/chat",
            "ws://",
            "ws://u:p@a/",
            "ws://a/#top",
            "ws://a b/",
            "ws:///x?token=s",
        ];
        for uri in uris {
            let error = prepare(&settings(uri)).unwrap_err();
            assert!(matches!(error, ConnectError::InvalidUri { .. }), "{uri}: {error:?}");
            assert!(!error.to_string().contains("token"), "{error}");
        }
    }

    #[test]
    fn query_parameters_are_encoded_and_appended() {
        let target = |uri: &str, query: &[(&str, &str)]| {
            let mut settings = settings(uri);
            settings.query = query.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            prepare(&settings).unwrap().request.uri().to_string()
        };
        assert_eq!(
            target("ws://a/x", &[("token", "a b&c=d"), ("名", "é#")]),
            "/x?token=a+b%26c%3Dd&%E5%90%8D=%C3%A9%23"
        );
        assert_eq!(target("ws://a/x?y=1", &[("z", "2")]), "/x?y=1&z=2");
        assert_eq!(target("ws://a/x?", &[("z", "")]), "/x?z=");
    }

    #[test]
    fn headers_that_break_the_handshake_are_refused() {
        for (name, value) in
            [("bad name", "x"), ("x", "a\r\nb: c"), ("Upgrade", "x"), ("sec-websocket-protocol", "x")]
        {
            let mut settings = settings("ws://a");
            settings.headers.push((name.into(), value.into()));
            let error = prepare(&settings).unwrap_err();
            assert!(matches!(error, ConnectError::InvalidHeader { .. }), "{name}: {error:?}");
        }
    }

    #[test]
    fn subprotocols_are_distinct_tokens() {
        for offered in [["a", "a"], ["a b", "c"], ["", "c"], ["a,b", "c"]] {
            let mut settings = settings("ws://a");
            settings.subprotocols = offered.map(str::to_owned).to_vec();
            let error = prepare(&settings).unwrap_err();
            assert!(matches!(error, ConnectError::InvalidSubprotocol(_)), "{offered:?}: {error:?}");
        }
    }

    #[test]
    fn a_101_that_breaks_a_rule_is_refused() {
        let map = |lines: &[(&'static str, &'static str)]| -> HeaderMap {
            let line = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            lines.iter().map(line).collect()
        };
        let sent =
            map(&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("sec-websocket-protocol", "v2, v1")]);
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ];
        let judge = |lines: &[(&'static str, &'static str)]| {
            verify(&sent, StatusCode::SWITCHING_PROTOCOLS, &map(lines)).map_err(|_| "fault")
        };
        assert_eq!(judge(&good), Ok(None), "choosing none is allowed");
        let with = |more| judge(&[good.as_slice(), &[more]].concat());
        assert_eq!(with(("sec-websocket-protocol", "v1")), Ok(Some("v1".to_owned())));
        assert_eq!(with(("sec-websocket-protocol", "V1")), Err("fault"), "case matters");
        assert_eq!(with(("sec-websocket-protocol", "v3")), Err("fault"));
        for missing in 0..3 {
            let mut lines = good.to_vec();
            lines.remove(missing);
            assert_eq!(judge(&lines), Err("fault"), "without {}", good[missing].0);
        }
    }
}
