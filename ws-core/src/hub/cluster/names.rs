//! [`Channel`]: the channels of the broker, and their names.
//!
//! A name is `<prefix>:1:` and then `nodes`, `node:<hex>`, `all`, `c:<controller>`,
//! `r:<controller>:<room>` or `u:<user>`. The name of a group after `w:` is the channel for the
//! changes of its members. Each part is percent-encoded except for `A-Za-z0-9_-`, so a name of a
//! room cannot contain a separator or a pattern. The number is the version of this scheme.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use crate::hub::GroupKey;

/// The bytes of a part that are percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The version of this scheme, between the prefix and the name.
pub(super) const VERSION: &str = ":1:";

/// A channel of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::hub) enum Channel {
    /// Heartbeats and questions, received by all nodes.
    Nodes,
    /// Messages for one node: results, and messages to one of its connections.
    Node(u32),
    /// Messages to all connections.
    All,
    /// Messages to all connections of a controller.
    Controller(&'static str),
    /// Messages to a room or a user, received by the nodes with members.
    Group(GroupKey),
    /// Changes of the members of a group, received by the nodes that watch it.
    Watch(GroupKey),
}

impl Channel {
    /// Returns the name without the prefix.
    pub(super) fn name(&self) -> String {
        let mut name = String::with_capacity(self.size());
        self.write(&mut name);
        name
    }

    /// Returns the name in the broker.
    pub(super) fn full_name(&self, prefix: &str) -> String {
        let mut name = String::with_capacity(prefix.len() + VERSION.len() + self.size());
        name.push_str(prefix);
        name.push_str(VERSION);
        self.write(&mut name);
        name
    }

    /// The size of the name without the prefix, if nothing in it is encoded.
    fn size(&self) -> usize {
        let parts = match self {
            Self::Nodes | Self::Node(_) | Self::All => "node:00000000".len(),
            Self::Controller(controller) => controller.len(),
            Self::Group(key) | Self::Watch(key) => match key {
                GroupKey::Room(controller, room) => controller.len() + room.len(),
                GroupKey::User(user) => user.len(),
            },
        };
        "w:r::".len() + parts
    }

    /// Appends the name. It is called for each published message, so it does not format.
    fn write(&self, to: &mut String) {
        match self {
            Self::Nodes => to.push_str("nodes"),
            Self::Node(node) => to.push_str(&node_name(*node)),
            Self::All => to.push_str("all"),
            Self::Controller(controller) => {
                to.push_str("c:");
                part(controller, to);
            }
            Self::Group(key) => write_group(key, to),
            Self::Watch(key) => {
                to.push_str("w:");
                write_group(key, to);
            }
        }
    }

    /// Reads a name without the prefix. `controller` returns the controller of a name on this node.
    /// Returns `None` for a name that no channel has. Only one spelling of a name is accepted.
    pub(super) fn parse(name: &[u8], controller: impl Fn(&str) -> Option<&'static str>) -> Option<Self> {
        let name = std::str::from_utf8(name).ok()?;
        let Some((kind, rest)) = name.split_once(':') else {
            return match name {
                "nodes" => Some(Self::Nodes),
                "all" => Some(Self::All),
                _ => None,
            };
        };
        Some(match kind {
            "node" => {
                let node = u32::from_str_radix(rest, 16).ok()?;
                return (node_name(node) == name).then_some(Self::Node(node));
            }
            "c" => Self::Controller(controller(&decoded(rest)?)?),
            "w" => {
                let (kind, rest) = rest.split_once(':')?;
                Self::Watch(read_group(kind, rest, controller)?)
            }
            _ => Self::Group(read_group(kind, rest, controller)?),
        })
    }
}

fn part(text: &str, to: &mut String) {
    utf8_percent_encode(text, ENCODED).for_each(|it| to.push_str(it));
}

fn write_group(key: &GroupKey, to: &mut String) {
    match key {
        GroupKey::Room(controller, room) => {
            to.push_str("r:");
            part(controller, to);
            to.push(':');
            part(room, to);
        }
        GroupKey::User(user) => {
            to.push_str("u:");
            part(user, to);
        }
    }
}

fn read_group(kind: &str, rest: &str, controller: impl Fn(&str) -> Option<&'static str>) -> Option<GroupKey> {
    match kind {
        "r" => {
            let (of, room) = rest.split_once(':')?;
            Some(GroupKey::Room(controller(&decoded(of)?)?, decoded(room)?.into()))
        }
        "u" => Some(GroupKey::User(decoded(rest)?.into())),
        _ => None,
    }
}

fn node_name(node: u32) -> String {
    format!("node:{node:08x}")
}

/// Decodes a part of a name. Returns `None` unless the part is encoded as [`Channel::write`] does.
fn decoded(part: &str) -> Option<Cow<'_, str>> {
    if part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Some(Cow::Borrowed(part));
    }
    let text = percent_decode(part.as_bytes()).decode_utf8().ok()?;
    (utf8_percent_encode(&text, ENCODED).to_string() == part).then_some(text)
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
            assert_eq!(Channel::parse(name.as_bytes(), controller), Some(channel));
        }
    }

    #[test]
    fn any_other_name_is_not_a_channel() {
        for name in [
            &b""[..],
            b"node",
            b"node:",
            b"node:C0ffee",
            b"node:+0c0ffee",
            b"all:",
            b"nodes:1",
            b"c:Unknown",
            b"r:Room",
            b"r:Room:%2",
            b"u:%ff",
            b"u:%61",
            b"u:%3a",
            b"u:a%",
            b"u:a.b",
            b"w:",
            b"w:u",
            b"w:all",
            b"w:nodes",
            b"w:w:u:x",
            b"w:u:%61",
            b"u:\xff",
            b"r:Room:a:b",
        ] {
            assert_eq!(Channel::parse(name, controller), None, "{}", name.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_name_of_a_group_is_read_back(room in ".{0,80}", of_room in any::<bool>()) {
            let name = room.as_str().into();
            let key = if of_room { GroupKey::Room("章", name) } else { GroupKey::User(name) };
            for channel in [Channel::Group(key.clone()), Channel::Watch(key)] {
                prop_assert_eq!(Channel::parse(channel.name().as_bytes(), controller), Some(channel));
            }
        }
    }
}
