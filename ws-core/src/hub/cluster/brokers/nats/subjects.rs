//! Names of channels as subjects of NATS, and back.
//!
//! The parts of a name become the tokens of a subject: `ws:1:node:00c0ffee` is
//! `ws.1.node.00c0ffee`, so that `ws.1.>` is everything of an application. The percent-encoded
//! parts have no character that NATS reserves; an empty part, which NATS forbids, becomes `%`.
//!
//! The channels of groups are divided into [`BUCKETS`], and their subjects name the bucket:
//! `ws.1.g.<bucket>.r.Room.lobby`. A node subscribes whole buckets.

/// The number of buckets. A node with `n` groups receives at most `n / BUCKETS` of the messages to
/// all groups of the application, and each bucket takes 5 KiB. All nodes must agree on the number.
pub(super) const BUCKETS: u64 = 4096;

/// The kinds of channels that all nodes subscribe, or few: they have subjects of their own.
const UNDIVIDED: [&str; 4] = ["nodes", "node", "all", "c"];

/// Returns the subject that messages to a channel are published to.
pub(super) fn subject(channel: &str) -> String {
    let (prefix, name) = split(channel);
    let tokens = tokens(name);
    match bucket(name) {
        None => format!("{prefix}.{tokens}"),
        Some(bucket) => format!("{prefix}.g.{bucket}.{tokens}"),
    }
}

/// Returns the subject to subscribe for a channel: its own, or its whole bucket.
pub(super) fn subscription(channel: &str) -> String {
    let (prefix, name) = split(channel);
    match bucket(name) {
        None => format!("{prefix}.{}", tokens(name)),
        Some(bucket) => format!("{prefix}.g.{bucket}.>"),
    }
}

/// Returns the channel of a subject that [`subject`] has returned.
pub(super) fn channel(subject: &str) -> String {
    let mut channel = String::with_capacity(subject.len());
    let mut tokens = subject.split('.').enumerate().peekable();
    while let Some((at, token)) = tokens.next() {
        // The tokens of the bucket follow the prefix and the version.
        if at == 2 && token == "g" {
            tokens.next();
            continue;
        }
        if at > 0 {
            channel.push(':');
        }
        if token != "%" {
            channel.push_str(token);
        }
    }
    channel
}

/// Splits a channel into the prefix with the version, as a subject, and the name.
fn split(channel: &str) -> (String, &str) {
    let mut parts = channel.splitn(3, ':');
    let (prefix, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (format!("{prefix}.{version}"), parts.next().unwrap_or_default())
}

fn tokens(name: &str) -> String {
    let tokens: Vec<&str> = name.split(':').map(|part| if part.is_empty() { "%" } else { part }).collect();
    tokens.join(".")
}

/// Returns the bucket of a group's channel.
fn bucket(name: &str) -> Option<u64> {
    let kind = name.split(':').next().unwrap_or_default();
    (!UNDIVIDED.contains(&kind)).then(|| hash(name.as_bytes()) % BUCKETS)
}

/// FNV-1a with 64 bits: the same in all builds, on all machines.
fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::hub::{GroupKey, cluster::names::Channel};

    #[test]
    fn a_name_becomes_tokens_and_the_channels_of_groups_name_their_bucket() {
        for (channel, of, subscribed) in [
            ("ws:1:nodes", "ws.1.nodes", "ws.1.nodes"),
            ("ws:1:node:00c0ffee", "ws.1.node.00c0ffee", "ws.1.node.00c0ffee"),
            ("ws:1:all", "ws.1.all", "ws.1.all"),
            ("a_-:1:c:Chat%3Aroom", "a_-.1.c.Chat%3Aroom", "a_-.1.c.Chat%3Aroom"),
            ("ws:1:r:Room:lobby", "ws.1.g.2464.r.Room.lobby", "ws.1.g.2464.>"),
            ("ws:1:u:", "ws.1.g.1854.u.%", "ws.1.g.1854.>"),
        ] {
            assert_eq!(subject(channel), of);
            assert_eq!(subscription(channel), subscribed);
            assert_eq!(super::channel(of), channel);
        }
    }

    #[test]
    fn the_hash_is_fnv_1a_because_all_builds_must_agree_on_the_bucket() {
        for (bytes, expected) in [
            (&b""[..], 0xcbf2_9ce4_8422_2325),
            (b"a", 0xaf63_dc4c_8601_ec8c),
            (b"foobar", 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(hash(bytes), expected);
        }
    }

    #[test]
    fn the_names_of_groups_are_spread_over_all_buckets() {
        let subjects: HashSet<String> =
            (0..100_000).map(|it| subscription(&format!("ws:1:u:{it}"))).collect();
        assert_eq!(subjects.len() as u64, BUCKETS);
    }

    proptest! {
        #[test]
        fn every_channel_is_read_back_from_its_subject_which_nats_accepts(
            text in ".{0,80}",
            kind in 0..3,
        ) {
            let channel = match kind {
                0 => Channel::Group(GroupKey::Room("章:.>", text.as_str().into())),
                1 => Channel::Group(GroupKey::User(text.as_str().into())),
                _ => Channel::Controller(Box::leak(format!("{text}x").into_boxed_str())),
            };
            let name = channel.full_name("ws-1_");
            let of = subject(&name);
            prop_assert_eq!(super::channel(&of), name);
            for token in of.split('.') {
                prop_assert!(!token.is_empty(), "{}", of);
                prop_assert!(token.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-%".contains(&it)), "{}", of);
            }
        }
    }
}
