//! [`Inbox`]: events that the driver has read and no callback has handled yet.
//!
//! In most cases there is one message or none: the inbox stores the first event inline, and an
//! empty inbox owns no heap memory. The inbox counts messages and their bytes, so that the driver
//! can stop reading at `limits.inbox_messages` and `limits.inbox_bytes`. Pings and pongs do not
//! count: beyond a fixed number of them the oldest is dropped.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::{
    fixed,
    wire::{Message, Text},
};

/// A waiting message of at least this size is not copied and keeps the input buffer alive. It is a
/// large part of that buffer.
const MAX_COPIED_BYTES: usize = 64 << 10;

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

    /// Copies a small payload, which would keep a whole input buffer alive.
    fn compact(self) -> Self {
        match self {
            Self::Message(message) => Self::Message(compact(message)),
            Self::Refused(message) => Self::Refused(compact(message)),
            Self::Ping(payload) => Self::Ping(Bytes::copy_from_slice(&payload)),
            Self::Pong(payload) => Self::Pong(Bytes::copy_from_slice(&payload)),
        }
    }
}

fn compact(message: Message) -> Message {
    match message {
        message if message.len() >= MAX_COPIED_BYTES => message,
        Message::Text(text) => Message::Text(Text::from(&*text)),
        Message::Binary(bytes) => Message::Binary(Bytes::copy_from_slice(&bytes)),
    }
}

/// Events in the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    first: Option<Event>,
    /// `None` while `first` is. Boxed, because there are rarely further events.
    rest: Option<Box<Rest>>,
}

/// The events behind the first.
#[derive(Debug, Default)]
struct Rest {
    events: VecDeque<Event>,
    /// The number of messages among the events.
    messages: usize,
    /// The number of bytes in the payloads of these messages.
    bytes: usize,
}

impl Rest {
    fn push(&mut self, event: Event) {
        if let Some(message) = event.as_message() {
            self.messages += 1;
            self.bytes += message.len();
        }
        self.events.push_back(event.compact());
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
}

impl Inbox {
    pub(super) fn push(&mut self, event: Event) {
        if event.as_message().is_none() && self.controls() == fixed::WAITING_EVENTS {
            self.drop_oldest_control();
        }
        match self.first {
            None => self.first = Some(event),
            Some(_) => self.rest.get_or_insert_default().push(event),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop();
            if rest.events.is_empty() {
                self.rest = None;
            }
        }
        Some(event)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    fn controls(&self) -> usize {
        let first = self.first.as_ref().is_some_and(|event| event.as_message().is_none());
        usize::from(first) + self.rest.as_ref().map_or(0, |rest| rest.controls())
    }

    fn drop_oldest_control(&mut self) {
        if self.first.as_ref().is_some_and(|event| event.as_message().is_none()) {
            self.pop();
        } else if let Some(rest) = &mut self.rest
            && let Some(oldest) = rest.events.iter().position(|event| event.as_message().is_none())
        {
            rest.events.remove(oldest);
        }
    }

    /// Whether the number of waiting messages and their bytes are below these limits.
    pub(super) fn has_room(&self, messages: usize, bytes: usize) -> bool {
        let first = self.first.as_ref().and_then(Event::as_message);
        let (mut waiting, mut size) = (usize::from(first.is_some()), first.map_or(0, Message::len));
        if let Some(rest) = &self.rest {
            waiting += rest.messages;
            size += rest.bytes;
        }
        waiting < messages && size < bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_in_their_order_and_leave_no_buffer_behind() {
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
        assert!(inbox.is_empty() && inbox.rest.is_none());
    }

    #[test]
    fn messages_fill_it_by_number_and_by_bytes_and_pings_and_pongs_do_not() {
        let mut inbox = Inbox::default();
        for _ in 0..100 {
            inbox.push(Event::Ping(Bytes::from_static(&[0; 125])));
            inbox.push(Event::Pong(Bytes::from_static(&[0; 125])));
        }
        assert!(inbox.has_room(1, 1));
        inbox.push(Event::Message("333".into()));
        inbox.push(Event::Refused("4444".into()));
        assert!(inbox.has_room(3, 8));
        assert!(!inbox.has_room(2, 8) && !inbox.has_room(3, 7));
        while inbox.pop().is_some_and(|event| event.as_message().is_none()) {}
        assert!(inbox.has_room(2, 5) && !inbox.has_room(2, 4), "the one that is left");
    }

    #[test]
    fn of_more_pings_and_pongs_than_may_wait_the_oldest_are_dropped() {
        for is_behind_a_message in [false, true] {
            let mut inbox = Inbox::default();
            if is_behind_a_message {
                inbox.push(Event::Message("first".into()));
            }
            for number in 0..100_u8 {
                inbox.push(Event::Pong(vec![number].into()));
            }
            inbox.push(Event::Message("last".into()));
            assert_eq!(matches!(inbox.first, Some(Event::Message(_))), is_behind_a_message);
            let waiting: Vec<Event> = std::iter::from_fn(|| inbox.pop()).collect();
            let pongs: Vec<u8> = waiting
                .iter()
                .filter_map(|event| if let Event::Pong(payload) = event { Some(payload[0]) } else { None })
                .collect();
            assert_eq!(pongs, (84..100).collect::<Vec<u8>>());
            assert_eq!(waiting.len(), 17 + usize::from(is_behind_a_message), "no message is dropped");
        }
    }

    #[test]
    fn a_waiting_message_keeps_no_more_than_its_own_bytes() {
        let buffer = Bytes::from(vec![b'x'; 16 << 10]);
        let mut inbox = Inbox::default();
        for at in 0..3 {
            inbox.push(Event::Message(Message::Binary(buffer.slice(at..at + 10))));
        }
        drop(inbox.pop());
        assert!(buffer.is_unique());
    }
}
