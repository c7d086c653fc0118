//! What was read and is not handled yet.
//!
//! Mostly that is one message, or none: the first one stands in the inbox itself, so that an idle connection keeps no
//! buffer for those that seldom come behind it. How much may wait is the driver's business.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::message::Message;

/// What a callback is due for.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    /// One too many for the limit of a second: to be answered, not to be handled.
    Refused(Message),
    Ping(Bytes),
    Pong(Bytes),
}

/// Events in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    first: Option<Event>,
    /// None without a first, and boxed, because there seldom are any.
    #[expect(
        clippy::box_collection,
        reason = "a pointer takes a third of the room in every connection that idles"
    )]
    rest: Option<Box<VecDeque<Event>>>,
}

impl Inbox {
    pub(super) fn push(&mut self, event: Event) {
        match self.first {
            None => self.first = Some(event),
            Some(_) => self.rest.get_or_insert_default().push_back(event),
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let event = self.first.take()?;
        if let Some(rest) = &mut self.rest {
            self.first = rest.pop_front();
            if rest.is_empty() {
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

    pub(super) fn len(&self) -> usize {
        self.events().count()
    }

    /// Whether a message waits, and not only pings and pongs.
    pub(super) fn has_message(&self) -> bool {
        self.events().any(|event| matches!(event, Event::Message(_) | Event::Refused(_)))
    }

    /// The size of all payloads.
    pub(super) fn bytes(&self) -> usize {
        let len = |event: &Event| match event {
            Event::Message(message) | Event::Refused(message) => message.len(),
            Event::Ping(payload) | Event::Pong(payload) => payload.len(),
        };
        self.events().map(len).sum()
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.first.iter().chain(self.rest.iter().flat_map(|rest| rest.iter()))
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
        assert_eq!((inbox.len(), inbox.bytes(), inbox.has_message()), (2, 3, false));
        inbox.push(Event::Message("333".into()));
        assert_eq!((inbox.len(), inbox.bytes(), inbox.has_message()), (3, 6, true));
        assert!(matches!(inbox.pop(), Some(Event::Ping(_))));
        inbox.push(Event::Refused("4444".into()));
        assert!(matches!(inbox.pop(), Some(Event::Pong(_))));
        assert!(matches!(inbox.pop(), Some(Event::Message(_))));
        assert!(matches!(inbox.pop(), Some(Event::Refused(_))));
        assert!(inbox.pop().is_none());
        assert!(inbox.is_empty() && inbox.rest.is_none());
    }
}
