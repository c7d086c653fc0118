//! The bodies of messages about the members of watched groups.
//!
//! ```text
//! watch:   id u64 | wanted u8 | channel: the rest
//! roster:  question u64 | version u64 | number u32 | is last u8 | channel: length u16 and bytes
//!          entries: the rest
//! changes: from u64 | to u64 | channel: length u16 and bytes
//!          joined: count u32, then the entries; left: the rest, connection u64 of each
//! entry:   connection u64 | user: length u16 and bytes, or 65535 without a user
//! ```

use std::sync::Arc;

use bytes::{BufMut as _, Bytes};

use super::{Reader, put_short};
use crate::fixed;

/// The length of a user that stands for no user.
const NO_USER: u16 = u16::MAX;
/// The size of an entry without a user.
const ENTRY_BYTES: usize = 10;

/// A question about the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) id: u64,
    pub(crate) wanted: Wanted,
    /// The name of the group's channel.
    pub(crate) channel: Bytes,
}

/// The subject of a [`Watch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The members, and their changes from now on.
    Roster,
    /// The version of the members, and their changes for a further time.
    Version,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The number of the connection on its node.
    pub(crate) connection: u64,
    /// The user of the connection. It is not sent for the group of a user.
    pub(crate) user: Option<Arc<str>>,
}

/// A part of the members of a group on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RosterPart {
    /// The id of the question.
    pub(crate) question: u64,
    pub(crate) version: u64,
    /// The number of the part, from zero on.
    pub(crate) number: u32,
    pub(crate) is_last: bool,
    /// The name of the group's channel.
    pub(crate) channel: Bytes,
    pub(crate) members: Vec<Entry>,
}

/// The changes of the members of a group on one node from one version to the next. With two equal
/// versions, the announcement of the present version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The name of the group's channel.
    pub(crate) channel: Bytes,
    /// The connections that joined, or have another user.
    pub(crate) joined: Vec<Entry>,
    pub(crate) left: Vec<u64>,
}

impl Entry {
    pub(crate) fn size(&self) -> usize {
        ENTRY_BYTES + self.user.as_ref().map_or(0, |user| user.len())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.connection);
        match &self.user {
            Some(user) => put_short(out, user.as_bytes()),
            None => out.put_u16(NO_USER),
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let connection = from.u64()?;
        let user = match from.u16()? {
            NO_USER => None,
            length if usize::from(length) <= fixed::NAME_BYTES => {
                let user = std::str::from_utf8(from.take(usize::from(length))?).ok()?;
                Some(user.into())
            }
            _ => return None,
        };
        Some(Self { connection, user })
    }
}

impl Watch {
    pub(super) fn size(&self) -> usize {
        9 + self.channel.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.id);
        out.put_u8(match self.wanted {
            Wanted::Roster => 1,
            Wanted::Version => 2,
        });
        out.put_slice(&self.channel);
    }

    pub(super) fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let id = from.u64()?;
        let wanted = match from.u8()? {
            1 => Wanted::Roster,
            2 => Wanted::Version,
            _ => return None,
        };
        let channel = from.slice(message, from.left())?;
        Some(Self { id, wanted, channel })
    }
}

impl RosterPart {
    pub(super) fn size(&self) -> usize {
        23 + self.channel.len() + self.members.iter().map(Entry::size).sum::<usize>()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.question);
        out.put_u64(self.version);
        out.put_u32(self.number);
        out.put_u8(u8::from(self.is_last));
        put_short(out, &self.channel);
        self.members.iter().for_each(|entry| entry.encode(out));
    }

    pub(super) fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let (question, version, number, is_last) = (from.u64()?, from.u64()?, from.u32()?, from.u8()? == 1);
        let length = usize::from(from.u16()?);
        let channel = from.slice(message, length)?;
        let mut members = Vec::new();
        while from.left() > 0 {
            members.push(Entry::read(from)?);
        }
        Some(Self { question, version, number, is_last, channel, members })
    }
}

impl Changes {
    pub(super) fn size(&self) -> usize {
        let joined: usize = self.joined.iter().map(Entry::size).sum();
        22 + self.channel.len() + joined + 8 * self.left.len()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.from);
        out.put_u64(self.to);
        put_short(out, &self.channel);
        out.put_u32(self.joined.len() as u32);
        self.joined.iter().for_each(|entry| entry.encode(out));
        self.left.iter().for_each(|connection| out.put_u64(*connection));
    }

    pub(super) fn read(from: &mut Reader<'_>, message: &Bytes) -> Option<Self> {
        let (version, to) = (from.u64()?, from.u64()?);
        let length = usize::from(from.u16()?);
        let channel = from.slice(message, length)?;
        let count = usize::try_from(from.u32()?).ok()?;
        if version > to || count > from.left() / ENTRY_BYTES {
            return None;
        }
        let mut joined = Vec::with_capacity(count);
        for _ in 0..count {
            joined.push(Entry::read(from)?);
        }
        if !from.left().is_multiple_of(8) {
            return None;
        }
        let mut left = Vec::with_capacity(from.left() / 8);
        while from.left() > 0 {
            left.push(from.u64()?);
        }
        Some(Self { from: version, to, channel, joined, left })
    }
}
