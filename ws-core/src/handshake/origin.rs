//! Applies the Origin policy to a request (RFC 6455 sections 4.2.2 and 10.2).
//!
//! The policy decides which web pages may connect. It is defined in `config::Origin`; this module
//! reads the headers and applies it.

use http::{header, request::Parts};

use crate::{config::Origin, error::HandshakeError};

/// Refuses a request from a page that may not connect. A request without `Origin` does not come
/// from a page. `forwarded` is the host that the client requested from a trusted proxy.
pub(super) fn check(policy: &Origin, parts: &Parts, forwarded: Option<&str>) -> Result<(), HandshakeError> {
    let origin = match only(parts, &header::ORIGIN) {
        Header::Missing => return Ok(()),
        Header::One(origin) => Some(origin),
        // Several values, or an unreadable value, do not name an origin.
        Header::Unclear => None,
    };
    // The host of an absolute request target takes precedence over the header (RFC 9112 section
    // 3.2.2).
    let authority = parts.uri.authority().map(http::uri::Authority::as_str).or_else(|| {
        match only(parts, &header::HOST) {
            Header::One(host) => Some(host),
            Header::Missing | Header::Unclear => None,
        }
    });
    let authorities: Vec<&str> = authority.into_iter().chain(forwarded).collect();
    if !policy.is_on() || origin.is_some_and(|origin| policy.permits(origin, &authorities)) {
        return Ok(());
    }
    Err(HandshakeError::Origin)
}

/// A header that may occur at most once.
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

    fn permits(target: &str, headers: &[(&'static str, &str)], forwarded: Option<&str>) -> bool {
        let mut request = http::Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&Origin::default(), &parts, forwarded).is_ok()
    }

    #[test]
    fn a_page_of_the_requested_host_is_accepted() {
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
            ("the target takes precedence", "http://here.com/", &[there, page], true),
            ("against the header as well", "http://there.com/", &[here, page], false),
        ] {
            assert_eq!(permits(target, headers, None), expected, "{name}");
        }
    }

    #[test]
    fn the_host_that_a_trusted_proxy_reports_is_accepted_as_well() {
        let page = ("origin", "https://here.com");
        let inner = ("host", "10.0.0.7:9502");
        for (forwarded, expected) in
            [(None, false), (Some("here.com:443"), true), (Some("there.com"), false), (Some("a b"), false)]
        {
            assert_eq!(permits("/", &[inner, page], forwarded), expected, "{forwarded:?}");
        }
        assert!(permits("/", &[("host", "here.com"), page], Some("there.com")), "besides the header itself");
    }
}
