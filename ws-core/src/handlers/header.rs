//! [`Header<T>`]: a typed header of the handshake.

use std::ops::Deref;

use super::FromHandshake;
use crate::request::{Handshake, ParamError};

/// A header of the handshake, by its type in [`headers`](crate::headers). It is parsed once, before
/// the 101.
///
/// If the header is missing or malformed, the handshake is refused with 400 and the header's name.
/// `Option<&Header<T>>` is `None` if the header is missing.
///
/// ```
/// use ws_core::{handlers::Header, headers::UserAgent, prelude::*};
///
/// #[ws_controller(path = "/hello")]
/// struct Hello;
///
/// #[ws_handlers]
/// impl Hello {
///     #[on_open]
///     async fn greet(&self, agent: Option<&Header<UserAgent>>) -> String {
///         agent.map_or("hello".into(), |Header(agent)| format!("hello, {agent}"))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header<T>(pub T);

impl<T> Deref for Header<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: headers::Header + Send + Sync + 'static> FromHandshake for Header<T> {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        let name = T::name();
        let mut values = handshake.headers().get_all(name).iter();
        if values.size_hint().0 == 0 {
            return Err(ParamError::missing(format!("header {name}")));
        }
        match T::decode(&mut values) {
            Ok(header) => Ok(Self(header)),
            Err(error) => Err(ParamError::invalid(format!("header {name}"), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use headers::{ContentLength, UserAgent};

    use super::*;

    fn handshake(name: &'static str, value: &'static str) -> Handshake {
        let request = http::Request::builder().header(name, value).body(()).unwrap();
        Handshake::new(request.into_parts().0, "ws".into(), None)
    }

    #[test]
    fn a_header_is_present_missing_or_malformed() {
        let there = Header::<UserAgent>::from_handshake(&handshake("user-agent", "x/1")).unwrap();
        assert_eq!(there.as_str(), "x/1");
        let missing = Header::<UserAgent>::from_handshake(&handshake("host", "x")).unwrap_err();
        assert!(
            matches!(&missing, ParamError::Missing { what } if what == "header user-agent"),
            "{missing:?}"
        );
        let malformed =
            Header::<ContentLength>::from_handshake(&handshake("content-length", "x")).unwrap_err();
        assert!(malformed.public_text().starts_with("header content-length"), "{malformed:?}");
    }
}
