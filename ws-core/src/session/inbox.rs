//! [`Inbox`]: events that the driver has read and no callback has handled yet.
//!
//! An event that can be handled at once does not pass the inbox, and an empty inbox owns no heap
//! memory. The inbox counts messages and their bytes, so that the driver can stop reading at
//! `limits.inbox_messages` and `limits.inbox_bytes`. Pings and pongs do not count: beyond a fixed
//! number of them the oldest is dropped.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{config::Limits, fixed, wire::Message};

/// An event that waits for its callback.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    /// A message over the rate limit. It gets an error reply and is not handled.
    Refused(Message),
    Ping(Bytes),
    Pong(Bytes),
}

impl Event {
    fn as_message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) | Self::Refused(message) => Some(message),
            Self::Ping(_) | Self::Pong(_) => None,
        }
    }
}

/// Events in the order in which they were read. Boxed, because in most cases there is none: an
/// event that can be handled at once does not pass the inbox.
#[derive(Debug, Default)]
pub(super) struct Inbox(Option<Box<Waiting>>);

/// At least one event.
#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// The number of messages among the events.
    messages: usize,
    /// The number of bytes in the payloads of these messages.
    bytes: usize,
}

impl Waiting {
    fn push(&mut self, event: Event) {
        match event.as_message() {
            Some(message) => {
                self.messages += 1;
                self.bytes += message.len();
            }
            None if self.controls() == fixed::WAITING_EVENTS => self.drop_oldest_control(),
            None => {}
        }
        self.events.push_back(event);
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Some(message) = event.as_message() {
            self.messages -= 1;
            self.bytes -= message.len();
        }
        Some(event)
    }

    /// The number of pings and pongs among the events.
    fn controls(&self) -> usize {
        self.events.len() - self.messages
    }

    fn drop_oldest_control(&mut self) {
        if let Some(oldest) = self.events.iter().position(|event| event.as_message().is_none()) {
            self.events.remove(oldest);
        }
    }
}

impl Inbox {
    pub(super) fn push(&mut self, event: Event) {
        self.0.get_or_insert_default().push(event);
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Event> {
        if self.0.is_some() { self.pop_waiting() } else { None }
    }

    #[cold]
    fn pop_waiting(&mut self) -> Option<Event> {
        let waiting = self.0.as_mut()?;
        let event = waiting.pop();
        if waiting.events.is_empty() {
            self.0 = None;
        }
        event
    }

    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the number of waiting messages and their bytes are below the limits.
    pub(super) fn has_room(&self, limits: &Limits) -> bool {
        let Some(waiting) = &self.0 else { return true };
        waiting.messages < limits.inbox_messages && waiting.bytes < limits.inbox_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_their_order_and_an_emptied_inbox_owns_no_buffer() {
        let mut inbox = Inbox::default();
        assert!(inbox.pop().is_none());
        inbox.push(Event::Ping(Bytes::from_static(b"1")));
        inbox.push(Event::Pong(Bytes::from_static(b"22")));
        inbox.push(Event::Message("333".into()));
        assert!(matches!(inbox.pop(), Some(Event::Ping(_))));
        inbox.push(Event::Refused("4444".into()));
        assert!(matches!(inbox.pop(), Some(Event::Pong(_))));
        assert!(matches!(inbox.pop(), Some(Event::Message(_))));
        assert!(matches!(inbox.pop(), Some(Event::Refused(_))));
        assert!(inbox.pop().is_none());
        assert!(inbox.is_empty());
    }

    #[test]
    fn messages_fill_it_by_number_and_by_bytes_and_pings_and_pongs_do_not() {
        let mut inbox = Inbox::default();
        for _ in 0..100 {
            inbox.push(Event::Ping(Bytes::from_static(&[0; 125])));
            inbox.push(Event::Pong(Bytes::from_static(&[0; 125])));
        }
        let has_room = |inbox: &Inbox, inbox_messages, inbox_bytes| {
            inbox.has_room(&Limits { inbox_messages, inbox_bytes, ..Limits::default() })
        };
        assert!(has_room(&inbox, 1, 1));
        inbox.push(Event::Message("333".into()));
        inbox.push(Event::Refused("4444".into()));
        assert!(has_room(&inbox, 3, 8));
        assert!(!has_room(&inbox, 2, 8) && !has_room(&inbox, 3, 7));
        while inbox.pop().is_some_and(|event| event.as_message().is_none()) {}
        assert!(has_room(&inbox, 2, 5) && !has_room(&inbox, 2, 4), "the one that is left");
    }

    #[test]
    fn beyond_the_limit_the_oldest_pings_and_pongs_are_dropped() {
        for is_behind_a_message in [false, true] {
            let mut inbox = Inbox::default();
            if is_behind_a_message {
                inbox.push(Event::Message("first".into()));
            }
            for number in 0..100_u8 {
                inbox.push(Event::Pong(vec![number].into()));
            }
            inbox.push(Event::Message("last".into()));
            let waiting: Vec<Event> = std::iter::from_fn(|| inbox.pop()).collect();
            let pongs: Vec<u8> = waiting
                .iter()
                .filter_map(|event| if let Event::Pong(payload) = event { Some(payload[0]) } else { None })
                .collect();
            assert_eq!(pongs, (84..100).collect::<Vec<u8>>());
            assert_eq!(matches!(waiting[0], Event::Message(_)), is_behind_a_message);
            assert_eq!(waiting.len(), 17 + usize::from(is_behind_a_message), "no message is dropped");
        }
    }
}
