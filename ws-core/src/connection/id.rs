//! [`ConnectionId`]: names a connection, for ever.

use std::{
    fmt,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    str::FromStr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Names one connection. It is never used again, and it is not a secret.
///
/// It has a part for the node, so that identifiers of several processes do not meet; that part is random at each start.
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
    pub(crate) fn next() -> Self {
        static SEQUENCE: AtomicU64 = AtomicU64::new(1);
        Self::of(SEQUENCE.fetch_add(1, Ordering::Relaxed))
    }

    /// The one of this process with this number.
    pub(crate) fn of(sequence: u64) -> Self {
        static NODE: LazyLock<u32> = LazyLock::new(|| RandomState::new().build_hasher().finish() as u32);
        Self { node: *NODE, sequence }
    }

    /// Its number, from 1 on; another node may use the same.
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

/// The text is no connection's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no connection id; one looks like `00c0ffee-2a`")]
pub struct ParseConnectionIdError;

impl FromStr for ConnectionId {
    type Err = ParseConnectionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node, sequence) = text.split_once('-').ok_or(ParseConnectionIdError)?;
        let id = Self {
            node: u32::from_str_radix(node, 16).map_err(|_| ParseConnectionIdError)?,
            sequence: u64::from_str_radix(sequence, 16).map_err(|_| ParseConnectionIdError)?,
        };
        // One way to write it only, so that texts can be compared.
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
    fn ids_differ_and_survive_text_and_json() {
        let (a, b) = (ConnectionId::next(), ConnectionId::next());
        assert_ne!(a, b);
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
