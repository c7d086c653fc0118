//! [`Channel`]: the channels of the broker, and their names.
//!
//! A name is `<prefix>:1:` and then `nodes`, `node:<hex>`, `all`, `c:<controller>`,
//! `r:<controller>:<room>` or `u:<user>`. The name of a group after `w:` is the channel for the
//! changes of its members. Each part is percent-encoded except for `A-Za-z0-9_-`, so a name of a
//! room cannot contain a separator or a pattern. The number is the version of this scheme.

use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use crate::hub::GroupKey;

/// The bytes of a part that are percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// A channel of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::hub) enum Channel {
    /// Heartbeats and questions, heard by all nodes.
    Nodes,
    /// Messages for one node: results, and messages to one of its connections.
    Node(u32),
    /// Messages to all connections.
    All,
    /// Messages to all connections of a controller.
    Controller(&'static str),
    /// Messages to a room or a user, heard by the nodes with members.
    Group(GroupKey),
    /// Changes of the members of a group, heard by the nodes that watch it.
    Watch(GroupKey),
}

impl Channel {
    /// Returns the name without the prefix.
    pub(super) fn name(&self) -> String {
        let part = |text| utf8_percent_encode(text, ENCODED);
        match self {
            Self::Nodes => "nodes".to_owned(),
            Self::Node(node) => format!("node:{node:08x}"),
            Self::All => "all".to_owned(),
            Self::Controller(controller) => format!("c:{}", part(controller)),
            Self::Group(GroupKey::Room(controller, room)) => format!("r:{}:{}", part(controller), part(room)),
            Self::Group(GroupKey::User(user)) => format!("u:{}", part(user)),
            Self::Watch(key) => format!("w:{}", Self::Group(key.clone()).name()),
        }
    }

    /// Returns the name in the broker.
    pub(super) fn full_name(&self, prefix: &str) -> String {
        format!("{prefix}:1:{}", self.name())
    }

    /// Reads a name without the prefix. `controller` returns the controller of a name on this node.
    /// Returns `None` for a name that no channel has.
    pub(super) fn parse(name: &[u8], controller: &dyn Fn(&str) -> Option<&'static str>) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
        let channel = match kind {
            "nodes" => Self::Nodes,
            "all" => Self::All,
            "node" => Self::Node(u32::from_str_radix(rest, 16).ok()?),
            "c" => Self::Controller(controller(&decoded(rest)?)?),
            "r" => {
                let (of, room) = rest.split_once(':')?;
                Self::Group(GroupKey::Room(controller(&decoded(of)?)?, decoded(room)?))
            }
            "u" => Self::Group(GroupKey::User(decoded(rest)?)),
            "w" if !rest.starts_with("w:") => match Self::parse(rest.as_bytes(), controller)? {
                Self::Group(key) => Self::Watch(key),
                _ => return None,
            },
            _ => return None,
        };
        // Only one spelling is accepted.
        (channel.name() == name).then_some(channel)
    }
}

fn decoded(part: &str) -> Option<Arc<str>> {
    percent_decode(part.as_bytes()).decode_utf8().ok().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn controller(name: &str) -> Option<&'static str> {
        ["Room", "Chat:room", "章"].into_iter().find(|it| *it == name)
    }

    #[test]
    fn names_are_readable_and_their_parts_are_encoded() {
        for (channel, name) in [
            (Channel::Nodes, "nodes"),
            (Channel::Node(0xc0_ffee), "node:00c0ffee"),
            (Channel::All, "all"),
            (Channel::Controller("Chat:room"), "c:Chat%3Aroom"),
            (Channel::Group(GroupKey::Room("Room", "a:*".into())), "r:Room:a%3A%2A"),
            (Channel::Group(GroupKey::User("jerry_1-x".into())), "u:jerry_1-x"),
            (Channel::Group(GroupKey::User("".into())), "u:"),
            (Channel::Watch(GroupKey::Room("Room", "a:*".into())), "w:r:Room:a%3A%2A"),
            (Channel::Watch(GroupKey::User("w".into())), "w:u:w"),
        ] {
            assert_eq!(channel.full_name("ws"), format!("ws:1:{name}"));
            assert_eq!(Channel::parse(name.as_bytes(), &controller), Some(channel));
        }
    }

    #[test]
    fn any_other_name_is_not_a_channel() {
        for name in [
            &b""[..],
            b"node",
            b"node:",
            b"node:C0ffee",
            b"all:",
            b"nodes:1",
            b"c:Unknown",
            b"r:Room",
            b"r:Room:%2",
            b"u:%ff",
            b"u:%61",
            b"w:",
            b"w:all",
            b"w:nodes",
            b"w:w:u:x",
            b"w:u:%61",
            b"u:\xff",
            b"r:Room:a:b",
        ] {
            assert_eq!(Channel::parse(name, &controller), None, "{}", name.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_name_of_a_group_is_read_back(room in ".{0,80}", of_room in any::<bool>()) {
            let name = room.as_str().into();
            let key = if of_room { GroupKey::Room("章", name) } else { GroupKey::User(name) };
            for channel in [Channel::Group(key.clone()), Channel::Watch(key)] {
                prop_assert_eq!(Channel::parse(channel.name().as_bytes(), &controller), Some(channel));
            }
        }
    }
}
