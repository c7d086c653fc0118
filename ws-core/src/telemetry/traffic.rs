//! [`Traffic`]: the messages of one connection, counted by its own task.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{MessageStats, RouteCounters, TrafficStats};
use crate::wire::Message;

/// The kind of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Text,
    Binary,
}

impl From<&Message> for MessageKind {
    #[inline]
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(_) => Self::Text,
            Message::Binary(_) => Self::Binary,
        }
    }
}

/// A number of messages and the bytes of their payloads, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    // Not a struct for each kind, because its padding would cost memory in each idle connection.
    text_messages: u32,
    binary_messages: u32,
    text_bytes: u64,
    binary_bytes: u64,
}

impl Tally {
    /// Counts one message.
    pub(crate) fn of(message: &Message) -> Self {
        let mut tally = Self::default();
        tally.add(message.into(), message.len());
        tally
    }

    #[inline]
    pub(crate) fn add(&mut self, kind: MessageKind, bytes: usize) {
        let (messages, total) = self.of_kind(kind);
        *messages = messages.wrapping_add(1);
        *total = total.wrapping_add(bytes as u64);
    }

    /// Removes a message that was added before.
    pub(crate) fn remove(&mut self, kind: MessageKind, bytes: usize) {
        let (messages, total) = self.of_kind(kind);
        *messages = messages.saturating_sub(1);
        *total = total.saturating_sub(bytes as u64);
    }

    #[inline]
    fn of_kind(&mut self, kind: MessageKind) -> (&mut u32, &mut u64) {
        match kind {
            MessageKind::Text => (&mut self.text_messages, &mut self.text_bytes),
            MessageKind::Binary => (&mut self.binary_messages, &mut self.binary_bytes),
        }
    }

    /// The number of messages of both kinds.
    #[inline]
    pub(crate) fn messages(&self) -> usize {
        self.text_messages as usize + self.binary_messages as usize
    }
}

/// The messages of one connection in one direction, and the bytes of their payloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Total {
    fn add(&mut self, tally: &Tally) {
        self.messages += tally.messages() as u64;
        self.bytes += tally.text_bytes + tally.binary_bytes;
    }
}

/// The messages of one connection. They are added to the counters of its route in batches.
// In this order, because a delivery touches all fields but the first.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Traffic {
    received: Total,
    /// Received messages that the route does not count yet.
    pending: Tally,
    sent: Total,
}

impl Traffic {
    /// The received messages that are settled.
    pub(super) fn received(&self) -> Total {
        self.received
    }

    pub(super) fn sent(&self) -> Total {
        self.sent
    }

    /// Counts a received message.
    #[inline]
    pub(crate) fn receive(&mut self, message: &Message) {
        self.pending.add(message.into(), message.len());
    }

    /// Counts sent messages, also for the route.
    #[inline]
    pub(crate) fn send(&mut self, sent: &Tally, route: &RouteCounters) {
        self.sent.add(sent);
        route.sent.add(sent);
    }

    /// Counts the received messages for the route.
    #[inline]
    pub(crate) fn settle(&mut self, route: &RouteCounters) {
        if self.pending.messages() > 0 {
            let pending = std::mem::take(&mut self.pending);
            self.received.add(&pending);
            route.received.add(&pending);
        }
    }
}

/// The messages of a route in one direction. The alignment keeps the two directions in cache lines
/// of their own; 128 bytes, because x86 fetches lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct TrafficCounters {
    text_messages: AtomicU64,
    text_bytes: AtomicU64,
    binary_messages: AtomicU64,
    binary_bytes: AtomicU64,
}

impl TrafficCounters {
    #[inline]
    fn add(&self, tally: &Tally) {
        if tally.text_messages > 0 {
            self.text_messages.fetch_add(tally.text_messages.into(), Ordering::Relaxed);
            self.text_bytes.fetch_add(tally.text_bytes, Ordering::Relaxed);
        }
        if tally.binary_messages > 0 {
            self.binary_messages.fetch_add(tally.binary_messages.into(), Ordering::Relaxed);
            self.binary_bytes.fetch_add(tally.binary_bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn stats(&self) -> TrafficStats {
        let of = |messages: &AtomicU64, bytes: &AtomicU64| MessageStats {
            messages: messages.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
        };
        TrafficStats {
            text: of(&self.text_messages, &self.text_bytes),
            binary: of(&self.binary_messages, &self.binary_bytes),
        }
    }
}
