//! [`Cookie`]: the cookies of the handshake.

use super::FromHandshake;
use crate::request::{Handshake, ParamError};

/// The cookies of the handshake (RFC 6265 section 4.2), read once, before the 101.
///
/// A handshake without cookies gives an empty `Cookie`, not an error. Parts that are not a pair of
/// a name and a value are skipped; RFC 6265 section 5.4 leaves this to the server. Values are not
/// decoded.
///
/// ```
/// use ws_core::{handlers::Cookie, prelude::*};
///
/// #[ws_controller(path = "/shop")]
/// struct Shop;
///
/// #[ws_handlers]
/// impl Shop {
///     #[on_open]
///     async fn open(&self, cookies: &Cookie) -> String {
///         format!("cart {}", cookies.get("cart").unwrap_or("empty"))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// Stored as `a=1;b=2;`, so that all cookies take one allocation. Names and values contain no `;`.
pub struct Cookie(Box<str>);

impl Cookie {
    /// Returns the value of the first cookie with this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Returns all cookies as pairs of a name and a value, in the order of the headers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.split(';').filter_map(|pair| pair.split_once('='))
    }
}

impl FromHandshake for Cookie {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        let mut pairs = String::new();
        for (name, value) in handshake.cookies() {
            pairs.extend([name, "=", value, ";"]);
        }
        Ok(Self(pairs.into()))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn cookies_of_all_lines_are_found_and_invalid_ones_are_skipped() {
        let request = http::Request::builder()
            .header("cookie", "a=1; nonsense; b=x=y")
            .header("cookie", "c=\"q\"; a=2; =x")
            .header("cookie", HeaderValue::from_bytes(b"bad=\xff; utf8=\xc3\xa9;last= ").unwrap())
            .body(())
            .unwrap();
        let cookie =
            Cookie::from_handshake(&Handshake::new(request.into_parts().0, "ws".into(), None)).unwrap();
        let all: Vec<_> = cookie.iter().collect();
        assert_eq!(all, [("a", "1"), ("b", "x=y"), ("c", "\"q\""), ("a", "2"), ("utf8", "é"), ("last", "")]);
        assert_eq!((cookie.get("a"), cookie.get("d")), (Some("1"), None));
    }
}
