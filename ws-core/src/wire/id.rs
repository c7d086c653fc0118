//! [`ConnectionId`]: the unique name of a connection, and its text form for logs, JSON and stores.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The unique name of one connection. It is never reused, and it is not a secret.
///
/// The first part names the node and is random for each [`App`](crate::App), so that the ids of
/// several processes differ.
///
/// ```
/// use ws_core::ConnectionId;
///
/// let id: ConnectionId = "00c0ffee-2a".parse()?;
/// assert_eq!(id.to_string(), "00c0ffee-2a");
/// assert!("2a".parse::<ConnectionId>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    node: u32,
    sequence: u64,
}

impl ConnectionId {
    pub(crate) fn new(node: u32, sequence: u64) -> Self {
        Self { node, sequence }
    }

    /// Returns the id of the connection's node.
    pub(crate) fn node(self) -> u32 {
        self.node
    }

    /// Returns the connection's number on its node, counted from 1; another node may use the same
    /// number.
    pub(crate) fn sequence(self) -> u64 {
        self.sequence
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:x}", self.node, self.sequence)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a connection id.
///
/// ```
/// use ws_core::{ConnectionId, connection::ParseConnectionIdError};
///
/// assert_eq!("2a".parse::<ConnectionId>(), Err(ParseConnectionIdError));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a connection id; one looks like `00c0ffee-2a`")]
pub struct ParseConnectionIdError;

impl FromStr for ConnectionId {
    type Err = ParseConnectionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node, sequence) = text.split_once('-').ok_or(ParseConnectionIdError)?;
        let id = Self {
            node: u32::from_str_radix(node, 16).map_err(|_| ParseConnectionIdError)?,
            sequence: u64::from_str_radix(sequence, 16).map_err(|_| ParseConnectionIdError)?,
        };
        // Only one spelling is accepted, so that ids can be compared as text.
        if id.to_string() == text { Ok(id) } else { Err(ParseConnectionIdError) }
    }
}

impl Serialize for ConnectionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ConnectionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_equal_after_text_and_json() {
        let (a, b) = (ConnectionId::new(0x00c0_ffee, 42), ConnectionId::new(0x00c0_ffef, 42));
        assert_ne!(a, b);
        assert_eq!(a.to_string(), "00c0ffee-2a");
        assert_eq!(a.to_string().parse(), Ok(a));
        let json = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<ConnectionId>(&json).unwrap(), a);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "-",
            "1",
            "0000002a-",
            "-1",
            "0000002a-01",
            "2a-1",
            "0000002A-1",
            "+000002a-1",
            "0000002a-1 ",
        ] {
            assert_eq!(text.parse::<ConnectionId>(), Err(ParseConnectionIdError), "{text:?}");
        }
    }
}
