//! Parses the request and the answer a second time, and checks whether the answer may follow the
//! request.

use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, PAD, STANDARD},
};
use sha1::{Digest as _, Sha1};

use super::app::SUBPROTOCOLS;

/// The beginning of an HTTP/2 connection (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub(super) struct Asked<'a> {
    pub(super) server: &'a str,
    pub(super) stream: &'a [u8],
}

/// Checks the first answer, to the first request.
pub(super) fn check(asked: &Asked<'_>, answer: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 200];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(asked.stream);
    let is_request = parsed.is_ok_and(|status| status.is_complete());

    if answer.is_empty() {
        // If HTTP/2 follows a request that hyper refuses, hyper closes without an answer.
        let is_followed_by_http2 = matches!(parsed, Ok(httparse::Status::Complete(end)) if asked.stream[end..].starts_with(HTTP2_PREFACE));
        return assert!(!is_request || is_followed_by_http2, "a request has no answer");
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let end = response.parse(answer).expect("an answer is HTTP");
    assert!(end.is_complete(), "an answer is whole");
    match response.code.expect("an answer has a status") {
        101 => {
            assert!(is_request, "a 101 to an invalid request");
            let request = Request { head: &request };
            request.is_handshake();
            request.has_route(asked.server);
            request.is_allowed_page(asked.server);
            request.is_answered_by(&response);
        }
        // hyper answers another version of HTTP with 505.
        status => assert!((400..=499).contains(&status) || status == 505, "{status}"),
    }
}

struct Request<'h> {
    head: &'h httparse::Request<'h, 'h>,
}

impl Request<'_> {
    fn lines(&self, name: &str) -> Vec<&[u8]> {
        let lines = self.head.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
        lines.map(|line| line.value.trim_ascii()).collect()
    }

    /// Returns the tokens of a list. A line with other characters than visible ASCII has none.
    fn tokens(&self, name: &str) -> Vec<String> {
        let lines = self.lines(name).into_iter().filter_map(|line| std::str::from_utf8(line).ok());
        let lines = lines.filter(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
        lines.flat_map(|line| line.split(',')).map(|token| token.trim().to_owned()).collect()
    }

    fn names(&self, name: &str, token: &str) -> bool {
        self.tokens(name).iter().any(|it| it.eq_ignore_ascii_case(token))
    }

    /// Checks RFC 6455 section 4.2.1, by its numbers.
    fn is_handshake(&self) {
        assert_eq!((self.head.method, self.head.version), (Some("GET"), Some(1)), "1: a GET of HTTP/1.1");
        assert_eq!(self.lines("host").len(), 1, "2: a Host");
        assert!(self.names("upgrade", "websocket"), "3: Upgrade");
        assert!(self.names("connection", "upgrade"), "4: Connection");
        let [key] = self.lines("sec-websocket-key")[..] else { panic!("5: one key") };
        let engine = GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));
        assert!(
            key.len() == 24 && engine.decode(key).is_ok_and(|bytes| bytes.len() == 16),
            "5: a key of 16 bytes"
        );
        assert_eq!(self.lines("sec-websocket-version"), [b"13"], "6: version 13");
        assert!(self.lines("transfer-encoding").is_empty(), "a handshake has no body");
        assert!(
            self.lines("content-length").iter().all(|it| it.iter().all(|it| *it == b'0')),
            "nor a length"
        );
    }

    /// Returns the authority of the target, if it has one, its path and its query.
    fn target(&self) -> (Option<&str>, &str, &str) {
        let target = self.head.path.expect("a whole request has a target");
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (target, query) = target.split_once('?').unwrap_or((target, ""));
        match target.split_once("://") {
            Some((_, rest)) if !target.starts_with('/') => match rest.find('/') {
                Some(at) => (Some(&rest[..at]), &rest[at..], query),
                None => (Some(rest), "/", query),
            },
            _ => (None, target, query),
        }
    }

    fn has_route(&self, server: &str) {
        let (_, path, query) = self.target();
        if server == "any" {
            assert!(path.len() <= 100 && query.len() <= 100, "the target is too long");
        }
        match path.split('/').collect::<Vec<_>>()[..] {
            ["", ""] => {}
            ["", "token"] => self.has_token(server, query),
            ["", "rooms", room, seat] if !room.is_empty() && !seat.is_empty() => {}
            ["", "files", ..] if path.len() > "/files/".len() => {
                let offered = self.tokens("sec-websocket-protocol");
                let offered: Vec<_> =
                    offered.iter().filter(|it| !it.is_empty() && !it.starts_with("bearer.")).collect();
                let is_ours = |it: &&String| SUBPROTOCOLS.contains(&it.as_str());
                assert!(offered.is_empty() || offered.iter().any(is_ours), "no supported subprotocol");
            }
            _ => panic!("no route at {path:?}"),
        }
    }

    fn has_token(&self, server: &str, query: &str) {
        let holds = |name: &str, what: &[u8]| {
            self.lines(name)
                .iter()
                .any(|line| line.to_ascii_lowercase().windows(what.len()).any(|window| window == what))
        };
        let has_cookie = server != "any" && holds("cookie", b"session");
        assert!(
            holds("authorization", b"bearer ")
                || holds("sec-websocket-protocol", b"bearer.")
                || has_cookie
                || query.contains('='),
            "no token"
        );
    }

    /// Checks the Origin policy of the server.
    fn is_allowed_page(&self, server: &str) {
        let origins = self.lines("origin");
        if server == "any" || origins.is_empty() {
            return;
        }
        let [origin] = origins[..] else { panic!("two origins") };
        let origin = std::str::from_utf8(origin).expect("an origin is ASCII").to_ascii_lowercase();
        let (scheme, authority) = origin.split_once("://").expect("an origin has a scheme");
        let (host, port) = split(authority);
        if server == "listed" {
            let is_below = host.strip_suffix(".example.org").is_some_and(|below| !below.is_empty());
            assert!(host == "app.example.com" || is_below, "a foreign page: {origin:?}");
            assert!(scheme == "https" && matches!(port, "" | "443"), "a foreign page: {origin:?}");
        } else {
            let own = match self.target().0 {
                Some(authority) => authority.to_owned(),
                None => String::from_utf8_lossy(self.lines("host")[0]).into_owned(),
            }
            .to_ascii_lowercase();
            // This check does not know whether the proxy is trusted. A browser does not send its
            // header.
            let forwarded = self.tokens("x-forwarded-host").into_iter().find(|host| !host.is_empty());
            let forwarded = forwarded.unwrap_or_default().to_ascii_lowercase();
            let is_own = [&own, &forwarded].iter().any(|own| host == split(own).0);
            // Two spellings of one IPv6 address are the same host.
            assert!(is_own || host.starts_with('['), "a foreign page: {origin:?} at {own:?}");
        }
    }

    /// Checks section 4.2.2.
    fn is_answered_by(&self, response: &httparse::Response<'_, '_>) {
        let line = |name: &str| {
            let mut lines = response.headers.iter().filter(|line| line.name.eq_ignore_ascii_case(name));
            let line = lines.next().map(|line| std::str::from_utf8(line.value).expect("it is ASCII"));
            assert!(lines.next().is_none(), "{name} occurs twice");
            line
        };
        assert!(line("upgrade").is_some_and(|it| it.eq_ignore_ascii_case("websocket")));
        assert!(line("connection").is_some_and(|it| it.eq_ignore_ascii_case("upgrade")));
        let digest =
            Sha1::new().chain_update(self.lines("sec-websocket-key")[0]).chain_update(GUID).finalize();
        assert_eq!(line("sec-websocket-accept"), Some(&*STANDARD.encode(digest)));
        if let Some(chosen) = line("sec-websocket-protocol") {
            assert!(SUBPROTOCOLS.contains(&chosen), "{chosen} is not supported");
            assert!(
                self.tokens("sec-websocket-protocol").iter().any(|it| it == chosen),
                "{chosen} was not offered"
            );
        }
        assert_eq!(line("sec-websocket-extensions"), None, "no extension is supported");
    }
}

/// Splits an authority into host and port, without the dot of the root.
fn split(authority: &str) -> (&str, &str) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
        _ => (authority, ""),
    };
    (host.strip_suffix('.').unwrap_or(host), port)
}
