//! The rules of access: only the console's own page, in a browser of this machine and with the
//! token, may use it.
//!
//! `Host` must name this machine and this port, so that a foreign name that resolves to 127.0.0.1
//! (DNS rebinding) is refused. `Origin` must be the console's own, so that no other page can ask.
//! The token keeps out other users of this machine.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};

use crate::request::{Body, Response};

/// The headers of every response.
///
/// The policy allows no script, style or connection but the page's own, and the sockets that the
/// page "Try" opens. `Cache-Control` keeps data out of the disk cache.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Adds the headers of every response.
pub(super) fn protect(response: &mut Response) {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Host,
    Origin,
    Token,
}

impl Refusal {
    pub(super) fn response(self) -> Response {
        let (status, text) = match self {
            Self::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "the console answers for localhost, 127.0.0.1 and [::1] with its own port only",
            ),
            Self::Origin => (StatusCode::FORBIDDEN, "pages of this origin may not use the console"),
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "the console needs its token; open the address that the program printed at its start",
            ),
        };
        Body::json(status, &serde_json::json!({ "error": text }))
    }
}

/// Checks that a request was sent to this console and, if a page sent it, by the console's own
/// page.
pub(super) fn check_site(uri: &Uri, headers: &HeaderMap, port: u16) -> Result<(), Refusal> {
    // Only a proxy sends a target with a host; the console is not behind one.
    let host = only(headers, &header::HOST).filter(|_| uri.authority().is_none()).ok_or(Refusal::Host)?;
    if !is_own_host(host, port) {
        return Err(Refusal::Host);
    }
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, &header::ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
    match origin {
        Some(origin) if origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(Refusal::Origin),
    }
}

fn is_own_host(host: &str, port: u16) -> bool {
    let Some((name, own)) = host.rsplit_once(':') else { return false };
    own == port.to_string()
        && ["localhost", "127.0.0.1", "[::1]"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

/// Returns the value of a header that is sent once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// The secret of one start: 256 random bits.
pub(super) struct Token(String);

impl Token {
    /// Draws a token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks `Authorization: Bearer <token>`.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = only(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        match given {
            Some(given) if is_equal(given.as_bytes(), self.0.as_bytes()) => Ok(()),
            _ => Err(Refusal::Token),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Compares in a time that does not depend on the place of the first difference. The length of the
/// token is not a secret.
fn is_equal(given: &[u8], expected: &[u8]) -> bool {
    if given.len() != expected.len() {
        return false;
    }
    let difference = given.iter().zip(expected).fold(0, |all, (a, b)| std::hint::black_box(all | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_this_machine_and_this_port_are_its_host() {
        let at = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| (header::HOST, *line)).collect();
            check_site(&Uri::from_static("/"), &headers(&lines), 9500)
        };
        for host in ["localhost:9500", "127.0.0.1:9500", "[::1]:9500", "LocalHost:9500"] {
            assert_eq!(at(&[host]), Ok(()), "{host}");
        }
        for host in [
            "localhost",
            "localhost:9501",
            "127.0.0.1",
            "127.0.0.2:9500",
            "evil.example:9500",
            "localhost.evil.example:9500",
            "localhost:9500.evil.example",
            "user@localhost:9500",
            "localhost:09500",
            "::1:9500",
            "",
        ] {
            assert_eq!(at(&[host]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(at(&[]), Err(Refusal::Host));
        assert_eq!(at(&["localhost:9500", "localhost:9500"]), Err(Refusal::Host));
        let absolute = Uri::from_static("http://evil.example/");
        let own = headers(&[(header::HOST, "localhost:9500")]);
        assert_eq!(check_site(&absolute, &own, 9500), Err(Refusal::Host));
    }

    #[test]
    fn an_origin_must_be_the_consoles_own() {
        let at = |origins: &[&str]| {
            let mut lines = vec![(header::HOST, "127.0.0.1:9500")];
            lines.extend(origins.iter().map(|origin| (header::ORIGIN, *origin)));
            check_site(&Uri::from_static("/"), &headers(&lines), 9500)
        };
        assert_eq!((at(&[]), at(&["http://127.0.0.1:9500"])), (Ok(()), Ok(())));
        for origin in [
            "http://localhost:9500",
            "http://127.0.0.1:9501",
            "http://127.0.0.1",
            "https://127.0.0.1:9500",
            "http://127.0.0.1:9500/",
            "http://evil.example",
            "null",
            "",
        ] {
            assert_eq!(at(&[origin]), Err(Refusal::Origin), "{origin}");
        }
        assert_eq!(at(&["http://127.0.0.1:9500", "http://evil.example"]), Err(Refusal::Origin));
    }

    #[test]
    fn a_token_is_long_random_and_compared_as_a_whole() {
        let (token, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert!(token.as_str().len() == 43 && token.as_str() != other.as_str());
        let with = |value: String| token.check(&headers(&[(header::AUTHORIZATION, &value)]));
        assert_eq!(with(format!("Bearer {}", token.as_str())), Ok(()));
        for value in [
            format!("Bearer {}", other.as_str()),
            format!("Bearer {}x", token.as_str()),
            format!("Bearer {}", &token.as_str()[..42]),
            format!("bearer{}", token.as_str()),
            token.as_str().to_owned(),
            "Bearer ".to_owned(),
        ] {
            assert_eq!(with(value.clone()), Err(Refusal::Token), "{value}");
        }
        assert_eq!(token.check(&HeaderMap::new()), Err(Refusal::Token));
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
