//! Whose page asks for the connection: the Origin policy (RFC 6455 sections 4.2.2 and 10.2) applied to a request.
//!
//! What the policy says is `config::Origin`'s; here it meets the headers.

use http::{header, request::Parts};

use crate::{config::Origin, error::HandshakeError};

/// Refuses a page that may not connect. Without `Origin` it is no browser that asks.
pub(super) fn check(policy: &Origin, parts: &Parts) -> Result<(), HandshakeError> {
    let origin = match only(parts, &header::ORIGIN) {
        Header::Missing => return Ok(()),
        Header::One(origin) => Some(origin),
        // More than one, or one that cannot be read: nobody's.
        Header::Unclear => None,
    };
    // An absolute request target goes before the header (RFC 9112 section 3.2.2).
    let authority = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| {
        match only(parts, &header::HOST) {
            Header::One(host) => Some(host),
            Header::Missing | Header::Unclear => None,
        }
    });
    if !policy.is_on() || origin.is_some_and(|origin| policy.permits(origin, authority)) {
        return Ok(());
    }
    tracing::debug!(?origin, host = ?authority, "a page of this origin may not connect");
    Err(HandshakeError::Origin)
}

/// A header that is there once at the most.
enum Header<'h> {
    Missing,
    One(&'h str),
    Unclear,
}

fn only<'h>(parts: &'h Parts, name: &header::HeaderName) -> Header<'h> {
    let mut lines = parts.headers.get_all(name).iter();
    match (lines.next().map(|line| line.to_str()), lines.next()) {
        (None, _) => Header::Missing,
        (Some(Ok(line)), None) => Header::One(line),
        _ => Header::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(target: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut request = http::Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&Origin::default(), &parts).is_ok()
    }

    #[test]
    fn the_page_is_of_the_host_that_is_asked() {
        let page = ("origin", "https://here.com");
        let (here, there) = (("host", "here.com:9502"), ("host", "there.com"));
        for (name, target, headers, expected) in [
            ("no browser", "/", &[here][..], true),
            ("same host", "/", &[here, page], true),
            ("another host", "/", &[there, page], false),
            ("no host", "/", &[page], false),
            ("two hosts", "/", &[here, there, page], false),
            ("two origins", "/", &[here, page, page], false),
            ("null", "/", &[here, ("origin", "null")], false),
            ("beyond ASCII", "/", &[here, ("origin", "https://hére.com")], false),
            ("the target goes first", "http://here.com/", &[there, page], true),
            ("against the header as well", "http://there.com/", &[here, page], false),
        ] {
            assert_eq!(permits(target, headers), expected, "{name}");
        }
    }
}
