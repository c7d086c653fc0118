//! [`Cookie`]: the cookies of the handshake.

use super::{FromHandshake, ParamError};
use crate::handshake::Handshake;

/// The cookies of the handshake (RFC 6265 section 4.2), read once, before the 101.
///
/// There may be none of them. What is no pair of a name and a value is passed over, as section 5.4 leaves to the server. Values are as
/// they were sent.
///
/// ```
/// use ws_core::prelude::*;
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
pub struct Cookie(Box<[(Box<str>, Box<str>)]>);

impl Cookie {
    /// The value of the first cookie of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// All cookies in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl FromHandshake for Cookie {
    fn from_handshake(handshake: &Handshake) -> Result<Self, ParamError> {
        Ok(Self(handshake.cookies().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_of_all_lines_are_found_and_nonsense_is_passed_over() {
        let request = http::Request::builder()
            .header("cookie", "a=1; nonsense; b=x=y")
            .header("cookie", "c=\"q\"; a=2")
            .body(())
            .unwrap();
        let cookie =
            Cookie::from_handshake(&Handshake::new(request.into_parts().0, "ws".into(), None)).unwrap();
        let all: Vec<_> = cookie.iter().collect();
        assert_eq!(all, [("a", "1"), ("b", "x=y"), ("c", "\"q\""), ("a", "2")]);
        assert_eq!((cookie.get("a"), cookie.get("d")), (Some("1"), None));
    }
}
