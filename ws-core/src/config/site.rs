//! [`Site`]: the origin of a web page, that is scheme, host and port (RFC 6454 section 6), in a
//! normal form for comparison.

use std::net::Ipv6Addr;

/// An origin with a scheme and a host. The origin `null` is not a `Site`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(super) scheme: String,
    pub(super) host: String,
    /// The default port of the scheme if the origin has none; `None` for a scheme without a
    /// default.
    pub(super) port: Option<u16>,
}

impl Site {
    /// Parses `scheme://host[:port]` without anything before or after it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (host, port) = authority_parts(authority).filter(|_| is_scheme(scheme))?;
        let scheme = scheme.to_ascii_lowercase();
        let port = port.or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        });
        Some(Self { scheme, host, port })
    }
}

/// Whether a text is a URI scheme (RFC 3986 section 3.1).
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "+-.".contains(sign))
}

/// Returns the host of an authority (RFC 3986 section 3.2) in its normal form: lower case, without
/// a dot at the end, an IPv6 address in its shortest form.
pub(super) fn host(authority: &str) -> Option<String> {
    authority_parts(authority).map(|(host, _)| host)
}

/// Splits an authority into host and port. User information, percent signs and characters beyond
/// ASCII are refused: they are not valid in an origin or in `Host`.
fn authority_parts(text: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(literal) => {
            let (address, rest) = literal.split_once(']')?;
            (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (name(host)?, rest)
        }
    };
    let port = match rest {
        "" | ":" => None,
        rest => {
            let digits = rest.strip_prefix(':').filter(|it| it.bytes().all(|byte| byte.is_ascii_digit()))?;
            Some(digits.parse().ok()?)
        }
    };
    Some((host, port))
}

/// Returns a host name or an IPv4 address in its normal form.
fn name(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.split('.').all(is_label).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_a_port_in_one_form() {
        for (text, expected) in [
            ("example.com", Some(("example.com", None))),
            ("Example.COM.:8080", Some(("example.com", Some(8080)))),
            ("example.com:", Some(("example.com", None))),
            ("a_b.example", Some(("a_b.example", None))),
            ("127.0.0.1:0", Some(("127.0.0.1", Some(0)))),
            ("[::1]", Some(("[::1]", None))),
            ("[0:0:0:0:0:0:0:1]:9502", Some(("[::1]", Some(9502)))),
            ("[2001:DB8::A]", Some(("[2001:db8::a]", None))),
            ("", None),
            (".", None),
            (":80", None),
            ("example.com..", None),
            ("a..b", None),
            ("*.example.com", None),
            ("user@example.com", None),
            ("user:secret@example.com", None),
            ("example.com/", None),
            ("example.com ", None),
            ("example.com,evil.com", None),
            ("ex%61mple.com", None),
            ("münchen.de", None),
            ("example.com:80:80", None),
            ("example.com:+80", None),
            ("example.com:65536", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]80", None),
            ("[fe80::1%25eth0]", None),
            ("[example.com]", None),
        ] {
            let parts = authority_parts(text);
            assert_eq!(parts.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{text:?}");
        }
    }

    #[test]
    fn a_site_has_the_default_port_of_its_scheme() {
        let site = |text| Site::parse(text).map(|site| (site.scheme, site.host, site.port));
        let of = |scheme: &str, host: &str, port| Some((scheme.to_owned(), host.to_owned(), port));
        assert_eq!(site("https://a.b"), of("https", "a.b", Some(443)));
        assert_eq!(site("HTTP://A.b:8080"), of("http", "a.b", Some(8080)));
        assert_eq!(site("capacitor://localhost"), of("capacitor", "localhost", None));
        for none in
            ["null", "", "a.b", "//a.b", "://a.b", "1http://a.b", "http:a.b", "https://a.b/", "file://"]
        {
            assert_eq!(site(none), None, "{none:?}");
        }
    }
}
