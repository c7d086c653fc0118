//! The checks of RFC 6455 section 4.2.1 on a request. Each fault has its own [`HandshakeError`].
//!
//! A request that does not ask for an upgrade is not checked here, unless it is a CONNECT over
//! HTTP/2; on a WebSocket route the core step answers it with 426 or 405.
//!
//! A handshake over HTTP/2 has no key (RFC 8441 section 5); all else is checked alike.

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, PAD, STANDARD},
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header, request::Parts, uri::Authority};
use sha1::{Digest as _, Sha1};

use crate::{
    error::HandshakeError,
    request::{self, Handshake},
};

/// Appended to the key before hashing (RFC 6455 section 1.3).
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Decodes a key. The last character before the padding carries four bits that belong to no byte.
/// They may have any value, because they are not zero in the example key of RFC 6455 section 4.1,
/// `AQIDBAUGBwgJCgsMDQ4PEC==`.
const KEY: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// Checks a request that asks for an upgrade. It runs before the route is looked up, so that a bad
/// key on an unknown path gets 400.
pub(super) fn check(parts: &Parts, has_body: bool) -> Result<(), HandshakeError> {
    if parts.version < Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !request::was_extended_connect(parts) {
        key(&parts.headers)?;
    }
    version(&parts.headers)?;
    host(&parts.headers)?;
    if has_body {
        return Err(HandshakeError::Body);
    }
    Ok(())
}

/// Refuses a CONNECT over HTTP/2 for anything but a WebSocket: the feature `http2` has converted all
/// others (RFC 9220 section 3; RFC 9110 section 9.3.6).
#[cfg(feature = "http2")]
pub(super) fn connect(parts: &Parts) -> Result<(), HandshakeError> {
    if parts.version == Version::HTTP_2 && parts.method == http::Method::CONNECT {
        return Err(HandshakeError::Protocol);
    }
    Ok(())
}

/// Returns the fault of a request that is not a handshake: the given one, or over HTTP/2 the one
/// that names CONNECT.
pub(super) fn fault_over(version: Version, fault: HandshakeError) -> HandshakeError {
    #[cfg(feature = "http2")]
    if version == Version::HTTP_2 {
        return HandshakeError::NotConnect;
    }
    let _ = version;
    fault
}

/// Returns the status for a request with this version of HTTP. HTTP/2 has no upgrade (RFC 9113
/// section 8.6), so a 426, which must name one, is a 400 there.
pub(super) fn status_over(version: Version, status: StatusCode) -> StatusCode {
    if cfg!(feature = "http2") && version == Version::HTTP_2 && status == StatusCode::UPGRADE_REQUIRED {
        return StatusCode::BAD_REQUEST;
    }
    status
}

/// Checks the lengths of the path and the query, before they are matched, decoded or logged (RFC
/// 9110 section 15.5.15).
pub(super) fn target(uri: &Uri, path_limit: usize, query_limit: usize) -> Result<(), HandshakeError> {
    if uri.path().len() > path_limit {
        return Err(HandshakeError::PathTooLong { limit: path_limit });
    }
    if uri.query().is_some_and(|query| query.len() > query_limit) {
        return Err(HandshakeError::QueryTooLong { limit: query_limit });
    }
    Ok(())
}

/// Checks that there is exactly one valid `Host` (point 2), even if the target is absolute (RFC
/// 9112 section 3.2). With several values, a proxy could act on one host and this server on
/// another.
fn host(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next().map(|host| Authority::try_from(host.as_bytes())), hosts.next()) {
        (Some(Ok(host)), None) if !host.as_str().contains('@') => Ok(()),
        _ => Err(HandshakeError::Host),
    }
}

/// Returns the `Sec-WebSocket-Accept` of a response; `None` over HTTP/2.
pub(super) fn accept(handshake: &Handshake) -> Result<Option<HeaderValue>, HandshakeError> {
    if handshake.is_extended_connect() {
        return Ok(None);
    }
    key(handshake.headers()).map(|key| Some(accept_value(key)))
}

/// Returns the `Sec-WebSocket-Key`. There must be exactly one: the base64 of 16 bytes, 24
/// characters (point 5).
pub(super) fn key(headers: &HeaderMap) -> Result<&HeaderValue, HandshakeError> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().ok_or(HandshakeError::KeyMissing)?;
    if keys.next().is_some() {
        return Err(HandshakeError::KeyRepeated);
    }
    match KEY.decode(key) {
        Ok(bytes) if bytes.len() == 16 => Ok(key),
        _ => Err(HandshakeError::KeyInvalid),
    }
}

/// Checks that there is exactly one `Sec-WebSocket-Version` and that it is 13 (point 6).
fn version(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    match (versions.next(), versions.next()) {
        (Some(version), None) if version == "13" => Ok(()),
        _ => Err(HandshakeError::Version),
    }
}

/// Returns the value of `Sec-WebSocket-Accept` for a key (section 4.2.2, point 5.4).
pub(crate) fn accept_value(key: &HeaderValue) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize();
    // Base64 is visible ASCII, so the fallback is never taken.
    HeaderValue::try_from(STANDARD.encode(digest)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_value_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_value(&key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_handshake_names_one_host() {
        let check = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::HOST, HeaderValue::from_static(line));
            }
            host(&headers)
        };
        for good in
            ["localhost", "localhost:9502", "127.0.0.1:1", "[::1]:9502", "a_b.example", "xn--h-bga.com"]
        {
            assert_eq!(check(&[good]), Ok(()), "{good}");
        }
        let bad: [&[&str]; 7] = [&[], &[""], &["a", "a"], &["a b"], &["a/b"], &["u:p@a"], &["a, b"]];
        for bad in bad {
            assert_eq!(check(bad), Err(HandshakeError::Host), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_24_characters_of_base64_for_16_bytes() {
        let check = |lines: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::SEC_WEBSOCKET_KEY, HeaderValue::from_static(line));
            }
            key(&headers).map(|_| ())
        };
        for good in ["dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==", "AQIDBAUGBwgJCgsMDQ4PEP=="] {
            assert_eq!(check(&[good]), Ok(()), "{good:?}");
        }
        assert_eq!(check(&[]), Err(HandshakeError::KeyMissing));
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZ*==",
            "AQIDBAUGBwgJCgsMDQ4PEC=",
            "!",
        ] {
            assert_eq!(check(&[bad]), Err(HandshakeError::KeyInvalid), "{bad:?}");
        }
        let twice = ["dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=="];
        assert_eq!(check(&twice), Err(HandshakeError::KeyRepeated));
    }
}
