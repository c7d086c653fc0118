//! Finds the client of a request in the headers of trusted proxies: `X-Forwarded-For` and
//! `Forwarded` (RFC 7239).
//!
//! Each proxy appends the address of its own client. Therefore the list is read from its end, and
//! only while each address is that of a trusted proxy. The first other address is the client;
//! everything before it is ignored. If a value that is needed cannot be read, the request is
//! refused: a guess would let a client choose its own address.
//!
//! The host that the client requested is only used by the Origin check. A script in a browser
//! cannot set these headers, and any other client can send any `Origin`. Therefore a client that
//! forges the host gains nothing.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use http::{HeaderMap, HeaderName, header};

use crate::config::{ForwardedHeader, Proxy};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A header of a trusted proxy that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The client of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) addr: SocketAddr,
    /// The host that the client requested from the outermost trusted proxy, if that proxy names it.
    pub(crate) host: Option<String>,
    /// Whether an address that was read has a part without a meaning here: a zone, or `unix:`.
    pub(crate) has_unusable_part: bool,
}

/// One entry of the header: the data of one proxy about the connection from its client.
#[derive(Debug, Default)]
struct Hop {
    node: Node,
    host: Option<String>,
    has_unusable_part: bool,
}

/// The client of a proxy.
#[derive(Debug, Default, PartialEq, Eq)]
enum Node {
    /// An address; the port is 0 if the proxy does not name it.
    Address(SocketAddr),
    /// The proxy does not name its client, or the client used a Unix socket, which has no address.
    #[default]
    Hidden,
    /// Anything else. It is an error only if the entry is needed, because clients can send anything
    /// in the first entries.
    Malformed,
}

/// Returns the header in which proxies name their clients.
pub(crate) fn header_name(header: ForwardedHeader) -> Option<HeaderName> {
    match header {
        ForwardedHeader::Off => None,
        ForwardedHeader::XForwardedFor => Some(X_FORWARDED_FOR),
        ForwardedHeader::Forwarded => Some(header::FORWARDED),
    }
}

/// Finds the client of a request from `peer`. If a proxy hides its client or adds no entry, the
/// proxy is the client.
pub(crate) fn client(proxy: &Proxy, peer: SocketAddr, headers: &HeaderMap) -> Result<Found, Malformed> {
    let mut found = Found { addr: peer, host: None, has_unusable_part: false };
    let Some(name) = header_name(proxy.header) else { return Ok(found) };
    if proxy.header == ForwardedHeader::XForwardedFor && proxy.trusts(peer.ip()) {
        found.host = first_host(headers);
    }
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    for line in lines.into_iter().rev() {
        if !proxy.trusts(found.addr.ip()) {
            break;
        }
        let line = line.to_str().map_err(|_| Malformed)?;
        let hops = match proxy.header {
            ForwardedHeader::Forwarded => forwarded(line)?,
            _ => x_forwarded_for(line),
        };
        for hop in hops.into_iter().rev() {
            if !proxy.trusts(found.addr.ip()) {
                break;
            }
            found.host = hop.host.or(found.host);
            found.has_unusable_part |= hop.has_unusable_part;
            match hop.node {
                Node::Address(address) => found.addr = address,
                Node::Hidden => return Ok(found),
                Node::Malformed => return Err(Malformed),
            }
        }
    }
    Ok(found)
}

/// Returns the first value of `X-Forwarded-Host`. A proxy that does not replace the header appends
/// its value.
fn first_host(headers: &HeaderMap) -> Option<String> {
    let line = headers.get(X_FORWARDED_HOST)?.to_str().ok()?;
    line.split(',').map(|item| item.trim_matches(WHITESPACE)).find(|item| !item.is_empty()).map(str::to_owned)
}

/// Parses `203.0.113.7, 10.0.0.1`: addresses with or without a port. Empty items are skipped (RFC
/// 9110 section 5.6.1).
fn x_forwarded_for(line: &str) -> Vec<Hop> {
    let items = line.split(',').map(|item| item.trim_matches(WHITESPACE)).filter(|item| !item.is_empty());
    let hop = |item: &str| {
        let zoneless = without_zone(item);
        let node = match address(&zoneless) {
            Some(address) => Node::Address(address),
            None if item.eq_ignore_ascii_case("unknown") || is_unix(item) => Node::Hidden,
            None => Node::Malformed,
        };
        Hop { node, host: None, has_unusable_part: zoneless != item || is_unix(item) }
    };
    items.map(hop).collect()
}

/// Parses `192.0.2.43`, `192.0.2.43:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(text) => text.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    text.parse().ok().or_else(|| bare().map(|ip| SocketAddr::new(ip, 0)))
}

/// Removes the zone of an IPv6 address (RFC 4007 section 11), which names an interface of the
/// proxy: `fe80::1%eth0`, `[fe80::1%25eth0]:80`.
fn without_zone(text: &str) -> Cow<'_, str> {
    let Some((address, rest)) = text.split_once('%') else { return text.into() };
    let (bare, zone, after) = match address.strip_prefix('[') {
        Some(bare) => match rest.split_once(']') {
            Some((zone, port)) => (bare, zone, format!("]{port}")),
            None => return text.into(),
        },
        None => (address, rest, String::new()),
    };
    if zone.is_empty() || bare.parse::<Ipv6Addr>().is_err() {
        text.into()
    } else {
        (address.to_owned() + &after).into()
    }
}

/// Returns whether this stands for a Unix socket: `unix:` in nginx, also followed by a path.
fn is_unix(text: &str) -> bool {
    text.eq_ignore_ascii_case("unix")
        || text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("unix:"))
}

/// Parses `for=192.0.2.43;proto=https, for="[2001:db8::1]:80"` (RFC 7239 section 4): elements
/// separated by commas. Each element has pairs separated by semicolons.
fn forwarded(line: &str) -> Result<Vec<Hop>, Malformed> {
    let mut rest = Cursor(line);
    let mut hops = Vec::new();
    loop {
        hops.extend(element(&mut rest)?);
        if !rest.eat(',') {
            break;
        }
    }
    if rest.0.is_empty() { Ok(hops) } else { Err(Malformed) }
}

/// Parses one element. Returns `None` if it is empty.
fn element(rest: &mut Cursor<'_>) -> Result<Option<Hop>, Malformed> {
    let (mut node, mut host, mut is_empty, mut has_unusable_part) = (None, None, true, false);
    loop {
        rest.skip_whitespace();
        if let Some(name) = rest.token() {
            is_empty = false;
            let value = rest.value()?;
            // Section 4: a parameter must not occur more than once.
            let is_repeated = if name.eq_ignore_ascii_case("for") {
                let zoneless = without_zone(&value);
                has_unusable_part = zoneless != value || is_unix(&value);
                node.replace(self::node(&zoneless)).is_some()
            } else if name.eq_ignore_ascii_case("host") {
                host.replace(value).is_some()
            } else {
                false
            };
            if is_repeated {
                return Err(Malformed);
            }
            rest.skip_whitespace();
        }
        if !rest.eat(';') {
            break;
        }
    }
    Ok((!is_empty).then(|| Hop { node: node.unwrap_or_default(), host, has_unusable_part }))
}

/// Parses the value of `for` (section 6): an address (IPv6 in brackets), `unknown`, or an
/// obfuscated identifier. The port may also be an obfuscated identifier.
fn node(value: &str) -> Node {
    if is_unix(value) {
        return Node::Hidden;
    }
    let name = match value.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            if !is_obfuscated(port) {
                return match value.parse() {
                    Ok(address) => Node::Address(address),
                    Err(_) if is_hidden(name) && port.parse::<u16>().is_ok() => Node::Hidden,
                    Err(_) => Node::Malformed,
                };
            }
            name
        }
        _ => value,
    };
    match address(name) {
        Some(address) if address.is_ipv4() || name.starts_with('[') => Node::Address(address),
        None if is_hidden(name) => Node::Hidden,
        _ => Node::Malformed,
    }
}

fn is_hidden(name: &str) -> bool {
    name.eq_ignore_ascii_case("unknown") || is_obfuscated(name)
}

/// Returns whether this is an obfuscated identifier: `_` and at least one letter, digit, `.`, `_`
/// or `-` (section 6.3).
fn is_obfuscated(name: &str) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || matches!(sign, b'.' | b'_' | b'-');
    name.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(is_sign))
}

const WHITESPACE: [char; 2] = [' ', '\t'];

/// The unread part of a line.
struct Cursor<'l>(&'l str);

impl<'l> Cursor<'l> {
    fn eat(&mut self, sign: char) -> bool {
        self.0.strip_prefix(sign).inspect(|rest| self.0 = rest).is_some()
    }

    fn skip_whitespace(&mut self) {
        self.0 = self.0.trim_start_matches(WHITESPACE);
    }

    /// Reads a token (RFC 9110 section 5.6.2).
    fn token(&mut self) -> Option<&'l str> {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign);
        let end = self.0.find(|sign| !is_sign(sign)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end).filter(|(token, _)| !token.is_empty())?;
        self.0 = rest;
        Some(token)
    }

    /// Reads `=` and a token or a quoted string (RFC 9110 section 5.6.4).
    fn value(&mut self) -> Result<String, Malformed> {
        if !self.eat('=') {
            return Err(Malformed);
        }
        if !self.eat('"') {
            let token = self.token().ok_or(Malformed)?;
            // nginx writes `unix:` without quotes, although the colon requires them.
            if token.eq_ignore_ascii_case("unix") {
                self.eat(':');
            }
            return Ok(token.to_owned());
        }
        let mut value = String::new();
        let mut signs = self.0.chars();
        loop {
            match signs.next().ok_or(Malformed)? {
                '"' => break,
                '\\' => value.push(signs.next().ok_or(Malformed)?),
                sign => value.push(sign),
            }
        }
        self.0 = signs.as_str();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// Returns the client of a request with these header lines, if 10.0.0.0/8 and fd00::/8 are
    /// trusted.
    fn check(header: ForwardedHeader, peer: &str, lines: &[&str], expected: Result<&str, Malformed>) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let proxy = Proxy { trusted, header, ..Proxy::default() };
        let mut headers = HeaderMap::new();
        for line in lines {
            // Added under both names, so that the test shows that the other header is ignored.
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
            headers.append(header::FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        let client = client(&proxy, peer.parse().unwrap(), &headers).map(|found| found.addr);
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(client, expected, "{header:?} from {peer}: {lines:?}");
    }

    const PROXY: &str = "10.0.0.1:5000";

    #[test]
    fn the_last_address_that_is_not_a_proxy_is_the_client() {
        let cases: [(&str, &[&str], &str); 14] = [
            (PROXY, &["203.0.113.7"], "203.0.113.7:0"),
            (PROXY, &["198.51.100.1, 203.0.113.7"], "203.0.113.7:0"),
            (PROXY, &["203.0.113.7, 10.0.0.2"], "203.0.113.7:0"),
            (PROXY, &["6.6.6.6, 203.0.113.7", "10.0.0.3", "10.0.0.2"], "203.0.113.7:0"),
            (PROXY, &["10.0.0.3, 10.0.0.2"], "10.0.0.3:0"),
            (PROXY, &["203.0.113.7:4711"], "203.0.113.7:4711"),
            (PROXY, &["2001:db8::7"], "[2001:db8::7]:0"),
            (PROXY, &["[2001:db8::7]"], "[2001:db8::7]:0"),
            (PROXY, &["[2001:db8::7]:4711, fd00::1"], "[2001:db8::7]:4711"),
            ("[::ffff:10.0.0.1]:5000", &["203.0.113.7"], "203.0.113.7:0"),
            (PROXY, &[], PROXY),
            (PROXY, &["", " , "], PROXY),
            (PROXY, &["203.0.113.7, unknown"], PROXY),
            (PROXY, &["what a client wrote, 203.0.113.7"], "203.0.113.7:0"),
        ];
        for (peer, lines, expected) in cases {
            check(ForwardedHeader::XForwardedFor, peer, lines, Ok(expected));
        }
    }

    #[test]
    fn headers_of_untrusted_peers_are_ignored() {
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded, ForwardedHeader::Off] {
            for lines in [["203.0.113.7"], ["for=203.0.113.7"], ["\""]] {
                check(header, "192.0.2.1:80", &lines, Ok("192.0.2.1:80"));
            }
        }
        check(ForwardedHeader::Off, PROXY, &["203.0.113.7"], Ok(PROXY));
    }

    #[test]
    fn a_required_entry_that_is_not_an_address_is_an_error() {
        for line in [
            "localhost",
            "203.0.113",
            "203.0.113.7:",
            "203.0.113.7:65536",
            "203.0.113.07",
            "[203.0.113.7]",
            "203.0.113.7;x",
            "_hidden",
            "203.0.113.7, nobody, 10.0.0.2",
        ] {
            check(ForwardedHeader::XForwardedFor, PROXY, &[line], Err(Malformed));
        }
    }

    #[test]
    fn a_zone_is_dropped_and_unix_stands_for_no_address() {
        use ForwardedHeader::{Forwarded, XForwardedFor};
        for (header, line, expected) in [
            (XForwardedFor, "fe80::1%eth0", Some("[fe80::1]:0")),
            (XForwardedFor, "[fe80::1%eth0]", Some("[fe80::1]:0")),
            (XForwardedFor, "[fe80::1%25eth0]:4711", Some("[fe80::1]:4711")),
            (XForwardedFor, "[fe80::1%3]:4711", Some("[fe80::1]:4711")),
            (XForwardedFor, "203.0.113.7, fd00::1%eth0", Some("203.0.113.7:0")),
            (XForwardedFor, "unix:", Some(PROXY)),
            (XForwardedFor, "6.6.6.6, UNIX:/run/nginx.sock", Some(PROXY)),
            (Forwarded, "for=\"[fe80::1%eth0]\"", Some("[fe80::1]:0")),
            (Forwarded, "for=\"[fe80::1%eth0]:4711\";proto=https", Some("[fe80::1]:4711")),
            (Forwarded, "for=unix:;proto=https", Some(PROXY)),
            (Forwarded, "for=6.6.6.6, for=\"unix:/run/nginx.sock\"", Some(PROXY)),
            (XForwardedFor, "fe80::1%", None),
            (XForwardedFor, "[fe80::1%]", None),
            (XForwardedFor, "[fe80::1%eth0", None),
            (XForwardedFor, "203.0.113.7%eth0", None),
            (XForwardedFor, "unixx", None),
            (Forwarded, "for=\"fe80::1%eth0\"", None),
        ] {
            check(header, PROXY, &[line], expected.ok_or(Malformed));
        }
    }

    #[test]
    fn the_host_is_that_of_the_outermost_trusted_proxy() {
        use ForwardedHeader::{Forwarded, Off, XForwardedFor};
        let proxied = |header, peer: &str, name: HeaderName, lines: &[&str]| {
            let trusted = vec!["10.0.0.0/8".parse().unwrap()];
            let proxy = Proxy { trusted, header, ..Proxy::default() };
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(&name, HeaderValue::from_str(line).unwrap());
            }
            client(&proxy, peer.parse().unwrap(), &headers).unwrap().host
        };
        let (host, forwarded) = (X_FORWARDED_HOST, header::FORWARDED);
        let inner = "for=203.0.113.7;host=outer.com, for=10.0.0.2;host=inner.com";
        let forged = "for=6.6.6.6;host=forged.com, for=203.0.113.7;host=outer.com";
        for (header, peer, name, lines, expected) in [
            (XForwardedFor, PROXY, &host, &["a.com:8080"][..], Some("a.com:8080")),
            (XForwardedFor, PROXY, &host, &[" , a.com, b.com"], Some("a.com")),
            (XForwardedFor, "192.0.2.1:80", &host, &["a.com"], None),
            (XForwardedFor, PROXY, &forwarded, &["host=a.com"], None),
            (Forwarded, PROXY, &host, &["a.com"], None),
            (Forwarded, PROXY, &forwarded, &["for=203.0.113.7;Host=\"a.com:80\""], Some("a.com:80")),
            (Forwarded, PROXY, &forwarded, &[inner], Some("outer.com")),
            (Forwarded, PROXY, &forwarded, &[forged], Some("outer.com")),
            (Forwarded, PROXY, &forwarded, &["for=203.0.113.7, for=10.0.0.2;host=in.com"], Some("in.com")),
            (Forwarded, PROXY, &forwarded, &["for=unknown;host=a.com"], Some("a.com")),
            (Forwarded, "192.0.2.1:80", &forwarded, &["for=203.0.113.7;host=a.com"], None),
            (Off, PROXY, &host, &["a.com"], None),
        ] {
            let found = proxied(header, peer, name.clone(), lines);
            assert_eq!(found.as_deref(), expected, "{header:?} from {peer}: {lines:?}");
        }
    }

    #[test]
    fn forwarded_is_read_by_its_grammar() {
        let cases: [(&[&str], &str); 13] = [
            (&["for=203.0.113.7"], "203.0.113.7:0"),
            (&["For=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7:0"),
            (&["proto=https; FOR=\"203.0.113.7:4711\""], "203.0.113.7:4711"),
            (&["for=\"[2001:db8::7]\""], "[2001:db8::7]:0"),
            (&["for=\"[2001:db8::7]:4711\""], "[2001:db8::7]:4711"),
            (&["for=\"203.0.113.7:_port\""], "203.0.113.7:0"),
            (&["for=6.6.6.6, for=203.0.113.7 , for=10.0.0.2"], "203.0.113.7:0"),
            (&["for=6.6.6.6", "for=203.0.113.7"], "203.0.113.7:0"),
            (&["for=203.0.113.7;host=\"a, for=6.6.6.6\\\";b\""], "203.0.113.7:0"),
            (&["for=203.0.113.7, for=unknown"], PROXY),
            (&["for=203.0.113.7, for=_SEVKISEK"], PROXY),
            (&["for=203.0.113.7, proto=https"], PROXY),
            (&["\"garbage of another line", "for=203.0.113.7;,"], "203.0.113.7:0"),
        ];
        for (lines, expected) in cases {
            check(ForwardedHeader::Forwarded, PROXY, lines, Ok(expected));
        }
    }

    #[test]
    fn a_forwarded_line_that_breaks_the_grammar_is_an_error() {
        for line in [
            "203.0.113.7",
            "for",
            "for=",
            "for =203.0.113.7",
            "for=203.0.113.7:80",
            "for=[2001:db8::7]",
            "for=\"2001:db8::7\"",
            "for=\"203.0.113.7",
            "for=\"203.0.113.7\\",
            "for=\"203.0.113.7\"x",
            "for=203.0.113.7;for=6.6.6.6",
            "for=203.0.113.7;host=a;host=b",
            "for=203.0.113.7 proto=https",
            "for=nobody",
            "for=_",
            "for=\"_a b\"",
            "for=\"203.0.113.7:http\"",
            // The client opens a quoted string so that the proxy's entry becomes part of it.
            "for=6.6.6.6;x=\", for=\"[2001:db8::7]\"",
        ] {
            check(ForwardedHeader::Forwarded, PROXY, &[line], Err(Malformed));
        }
    }
}
