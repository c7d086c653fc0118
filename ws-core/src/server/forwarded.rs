//! Whom a request is from, by the headers of trusted proxies: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Each proxy adds at the end the address that it was called from, so the list is read from its end, and only as far as
//! those who wrote it are trusted: the first address that is no trusted proxy's is the client, whatever stands before it. What
//! is needed and cannot be read is an error; a guess would let a client choose its own address.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

use crate::config::{ForwardedHeader, Proxy};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A header of a trusted proxy that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a proxy says about whom it was called by.
#[derive(Debug, PartialEq, Eq)]
enum Node {
    /// An address; the port is 0 if the proxy does not name it.
    Address(SocketAddr),
    /// The proxy does not say.
    Hidden,
    /// Neither. It may stand before what is needed: clients can send anything.
    Malformed,
}

/// The client of a request that came from `peer`. Where a proxy hides its client, or says nothing, it is the proxy.
pub(crate) fn client(proxy: &Proxy, peer: SocketAddr, headers: &HeaderMap) -> Result<SocketAddr, Malformed> {
    let name = match proxy.header {
        ForwardedHeader::Off => return Ok(peer),
        ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => header::FORWARDED,
    };
    let mut client = peer;
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    for line in lines.into_iter().rev() {
        if !proxy.trusts(client.ip()) {
            break;
        }
        let line = line.to_str().map_err(|_| Malformed)?;
        let nodes = match proxy.header {
            ForwardedHeader::Forwarded => forwarded(line)?,
            _ => x_forwarded_for(line),
        };
        for node in nodes.into_iter().rev() {
            if !proxy.trusts(client.ip()) {
                break;
            }
            match node {
                Node::Address(address) => client = address,
                Node::Hidden => return Ok(client),
                Node::Malformed => return Err(Malformed),
            }
        }
    }
    Ok(client)
}

/// `203.0.113.7, 10.0.0.1`: addresses, with a port or without. An empty item is none (RFC 9110 section 5.6.1).
fn x_forwarded_for(line: &str) -> Vec<Node> {
    let items = line.split(',').map(|item| item.trim_matches(WHITESPACE)).filter(|item| !item.is_empty());
    let node = |item: &str| match address(item) {
        Some(address) => Node::Address(address),
        None if item.eq_ignore_ascii_case("unknown") => Node::Hidden,
        None => Node::Malformed,
    };
    items.map(node).collect()
}

/// `192.0.2.43`, `192.0.2.43:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = || match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(text) => text.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    };
    text.parse().ok().or_else(|| bare().map(|ip| SocketAddr::new(ip, 0)))
}

/// `for=192.0.2.43;proto=https, for="[2001:db8::1]:80"` (RFC 7239 section 4): elements separated by commas, each of
/// pairs separated by semicolons.
fn forwarded(line: &str) -> Result<Vec<Node>, Malformed> {
    let mut rest = Cursor(line);
    let mut nodes = Vec::new();
    loop {
        let (mut node, mut is_empty) = (None, true);
        loop {
            rest.skip_whitespace();
            if let Some(name) = rest.token() {
                is_empty = false;
                let value = rest.value()?;
                // Section 4: a parameter occurs once.
                if name.eq_ignore_ascii_case("for") && node.replace(self::node(&value)).is_some() {
                    return Err(Malformed);
                }
                rest.skip_whitespace();
            }
            if !rest.eat(';') {
                break;
            }
        }
        if !is_empty {
            nodes.push(node.unwrap_or(Node::Hidden));
        }
        if !rest.eat(',') {
            break;
        }
    }
    if rest.0.is_empty() { Ok(nodes) } else { Err(Malformed) }
}

/// The value of `for` (section 6): an address, IPv6 in brackets, or a word in its place. A port may be a word, too.
fn node(value: &str) -> Node {
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

/// `_` and at least one letter, digit, `.`, `_` or `-` (section 6.3).
fn is_obfuscated(name: &str) -> bool {
    let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || matches!(sign, b'.' | b'_' | b'-');
    name.strip_prefix('_').is_some_and(|name| !name.is_empty() && name.bytes().all(is_sign))
}

const WHITESPACE: [char; 2] = [' ', '\t'];

/// What is left of a line.
struct Cursor<'l>(&'l str);

impl<'l> Cursor<'l> {
    fn eat(&mut self, sign: char) -> bool {
        self.0.strip_prefix(sign).inspect(|rest| self.0 = rest).is_some()
    }

    fn skip_whitespace(&mut self) {
        self.0 = self.0.trim_start_matches(WHITESPACE);
    }

    /// RFC 9110 section 5.6.2.
    fn token(&mut self) -> Option<&'l str> {
        let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(sign);
        let end = self.0.find(|sign| !is_sign(sign)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end).filter(|(token, _)| !token.is_empty())?;
        self.0 = rest;
        Some(token)
    }

    /// `=` and a token or a quoted string (RFC 9110 section 5.6.4).
    fn value(&mut self) -> Result<String, Malformed> {
        if !self.eat('=') {
            return Err(Malformed);
        }
        if !self.eat('"') {
            return self.token().map(str::to_owned).ok_or(Malformed);
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

    /// Whom a request with these header lines is from, if 10.0.0.0/8 and fd00::/8 are trusted.
    fn check(header: ForwardedHeader, peer: &str, lines: &[&str], expected: Result<&str, Malformed>) {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap()).to_vec();
        let proxy = Proxy { trusted, header, ..Proxy::default() };
        let mut headers = HeaderMap::new();
        for line in lines {
            // In both, so that the one that is not asked for is seen to be ignored.
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).unwrap());
            headers.append(header::FORWARDED, HeaderValue::from_str(line).unwrap());
        }
        let client = client(&proxy, peer.parse().unwrap(), &headers);
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(client, expected, "{header:?} from {peer}: {lines:?}");
    }

    const PROXY: &str = "10.0.0.1:5000";

    #[test]
    fn the_first_address_from_the_end_that_is_no_proxys_is_the_client() {
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
    fn headers_of_anyone_else_are_ignored() {
        for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded, ForwardedHeader::Off] {
            for lines in [["203.0.113.7"], ["for=203.0.113.7"], ["\""]] {
                check(header, "192.0.2.1:80", &lines, Ok("192.0.2.1:80"));
            }
        }
        check(ForwardedHeader::Off, PROXY, &["203.0.113.7"], Ok(PROXY));
    }

    #[test]
    fn what_is_needed_and_is_no_address_is_an_error() {
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
            "for=203.0.113.7 proto=https",
            "for=nobody",
            "for=_",
            "for=\"_a b\"",
            "for=\"203.0.113.7:http\"",
            // A client that opens a string for the proxy to close.
            "for=6.6.6.6;x=\", for=\"[2001:db8::7]\"",
        ] {
            check(ForwardedHeader::Forwarded, PROXY, &[line], Err(Malformed));
        }
    }
}
