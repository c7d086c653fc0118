//! [`Tap`]: counts the messages of one connection, and records them while the console shows them.
//!
//! Without the feature `console` it is empty and its methods do nothing. With it, the cost of a
//! message is one counter and one relaxed load, unless the console records its messages. The driver
//! calls it where it reads messages, and the outbox where it queues them.

#[cfg(feature = "console")]
pub(crate) use self::recording::{RecordedKind, RecordedMessage, Recording};

/// The direction of a message, as seen by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "console", derive(serde::Serialize))]
#[cfg_attr(feature = "console", serde(rename_all = "lowercase"))]
pub(crate) enum Direction {
    In,
    Out,
}

/// The tap of a connection.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    #[cfg(feature = "console")]
    shown: recording::Tapped,
}

#[cfg(not(feature = "console"))]
mod absent {
    use bytes::Bytes;

    use super::{Direction, Tap};
    use crate::wire::Message;

    impl Tap {
        #[inline]
        pub(crate) fn message(&self, _: Direction, _: &Message) {}

        #[inline]
        pub(crate) fn frame(&self, _: &Bytes) {}

        #[inline]
        pub(crate) fn ping(&self, _: &[u8]) {}

        #[inline]
        pub(crate) fn pong(&self, _: &[u8]) {}

        #[inline]
        pub(crate) fn close(&self, _: Direction, _: Option<u16>, _: &str) {}
    }
}

#[cfg(feature = "console")]
mod recording {
    use std::{
        collections::VecDeque,
        sync::{
            OnceLock,
            atomic::{AtomicU32, AtomicU64, Ordering},
        },
        time::SystemTime,
    };

    use bytes::Bytes;

    use super::{Direction, Tap};
    use crate::{fixed, socket::data_frame, sync::Mutex, telemetry::MessageKind, wire::Message};

    #[derive(Debug, Default)]
    pub(super) struct Tapped {
        received: AtomicU64,
        sent: AtomicU64,
        /// The number of existing [`Recording`]s.
        recordings: AtomicU32,
        recent: OnceLock<Box<Mutex<Recent>>>,
    }

    /// The last messages, oldest first.
    #[derive(Debug, Default)]
    struct Recent {
        messages: VecDeque<RecordedMessage>,
        next: u64,
    }

    /// A recorded message or control frame.
    #[derive(Clone, Debug)]
    pub(crate) struct RecordedMessage {
        /// Its number, counted from 0 for each connection.
        pub(crate) number: u64,
        pub(crate) at: SystemTime,
        pub(crate) direction: Direction,
        pub(crate) kind: RecordedKind,
        /// The size of the payload, in bytes.
        pub(crate) size: usize,
        /// The first bytes of the payload.
        pub(crate) start: Bytes,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum RecordedKind {
        Text,
        Binary,
        Ping,
        Pong,
        Close(Option<u16>),
    }

    impl From<MessageKind> for RecordedKind {
        fn from(kind: MessageKind) -> Self {
            match kind {
                MessageKind::Text => Self::Text,
                MessageKind::Binary => Self::Binary,
            }
        }
    }

    /// Records the messages of a connection while it exists.
    #[derive(Debug)]
    pub(crate) struct Recording(crate::connection::Connection);

    impl Recording {
        pub(crate) fn new(connection: &crate::connection::Connection) -> Self {
            connection.tap().shown.recordings.fetch_add(1, Ordering::Relaxed);
            Self(connection.clone())
        }

        pub(crate) fn connection(&self) -> &crate::connection::Connection {
            &self.0
        }

        /// Returns the kept messages from this number on.
        pub(crate) fn since(&self, number: u64) -> Vec<RecordedMessage> {
            let Some(recent) = self.0.tap().shown.recent.get() else { return Vec::new() };
            recent.lock().messages.iter().filter(|it| it.number >= number).cloned().collect()
        }
    }

    impl Drop for Recording {
        fn drop(&mut self) {
            let tapped = &self.0.tap().shown;
            if tapped.recordings.fetch_sub(1, Ordering::Relaxed) == 1
                && let Some(recent) = tapped.recent.get()
            {
                recent.lock().messages = VecDeque::new();
            }
        }
    }

    impl Tap {
        /// The numbers of received and of sent messages.
        pub(crate) fn counts(&self) -> (u64, u64) {
            let Tapped { received, sent, .. } = &self.shown;
            (received.load(Ordering::Relaxed), sent.load(Ordering::Relaxed))
        }

        #[inline]
        pub(crate) fn message(&self, direction: Direction, message: &Message) {
            self.count(direction);
            if self.is_on() {
                self.keep(direction, MessageKind::from(message).into(), message.as_bytes());
            }
        }

        /// A message that is sent as a frame made by [`encode`](crate::socket::encode).
        #[inline]
        pub(crate) fn frame(&self, frame: &Bytes) {
            self.count(Direction::Out);
            if self.is_on() {
                let (kind, bytes) = data_frame(frame);
                let payload = frame.get(frame.len().saturating_sub(bytes)..).unwrap_or_default();
                self.keep(Direction::Out, kind.into(), payload);
            }
        }

        /// A ping of the client.
        #[inline]
        pub(crate) fn ping(&self, payload: &[u8]) {
            if self.is_on() {
                self.keep(Direction::In, RecordedKind::Ping, payload);
                // The socket answers it.
                self.keep(Direction::Out, RecordedKind::Pong, payload);
            }
        }

        /// A pong of the client.
        #[inline]
        pub(crate) fn pong(&self, payload: &[u8]) {
            if self.is_on() {
                self.keep(Direction::In, RecordedKind::Pong, payload);
            }
        }

        #[inline]
        pub(crate) fn close(&self, direction: Direction, code: Option<u16>, reason: &str) {
            if self.is_on() {
                self.keep(direction, RecordedKind::Close(code), reason.as_bytes());
            }
        }

        #[inline]
        fn count(&self, direction: Direction) {
            let counter = match direction {
                Direction::In => &self.shown.received,
                Direction::Out => &self.shown.sent,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }

        #[inline]
        fn is_on(&self) -> bool {
            self.shown.recordings.load(Ordering::Relaxed) > 0
        }

        #[cold]
        fn keep(&self, direction: Direction, kind: RecordedKind, payload: &[u8]) {
            let start = payload.get(..fixed::TRAFFIC_BYTES).unwrap_or(payload);
            let start = Bytes::copy_from_slice(start);
            let mut recent = self.shown.recent.get_or_init(Box::default).lock();
            if recent.messages.len() >= fixed::TRAFFIC_MESSAGES {
                recent.messages.pop_front();
            }
            let (number, at, size) = (recent.next, SystemTime::now(), payload.len());
            recent.next += 1;
            recent.messages.push_back(RecordedMessage { number, at, direction, kind, size, start });
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::Arc;

        use super::*;
        use crate::{config::Limits, connection::Connection, hub::Live, request::Handshake, socket};

        fn connection() -> Connection {
            let (parts, ()) = http::Request::new(()).into_parts();
            let handshake = Handshake::new(parts, "ws".into(), None);
            Connection::new(handshake, &Arc::new(Limits::default()), Arc::new(Live::default()), None)
        }

        #[test]
        fn messages_are_always_counted_and_kept_only_while_they_are_recorded() {
            let conn = connection();
            conn.push("before").unwrap();
            assert!(conn.tap().shown.recent.get().is_none(), "nothing is kept");
            let recording = Recording::new(&conn);
            conn.push("meanwhile").unwrap();
            conn.tap().message(Direction::In, &"received".into());
            let kept: Vec<_> = recording
                .since(0)
                .into_iter()
                .map(|it| (it.number, it.direction, it.kind, it.start))
                .collect();
            let expected = [
                (0, Direction::Out, RecordedKind::Text, Bytes::from("meanwhile")),
                (1, Direction::In, RecordedKind::Text, Bytes::from("received")),
            ];
            assert_eq!(kept, expected);
            drop(recording);
            conn.push("after").unwrap();
            assert_eq!(conn.tap().shown.recent.get().unwrap().lock().messages.len(), 0);
            assert_eq!(conn.tap().counts(), (1, 3));
        }

        #[test]
        fn the_number_and_the_size_of_kept_messages_are_bounded() {
            let conn = connection();
            let recording = Recording::new(&conn);
            for number in 0..fixed::TRAFFIC_MESSAGES + 5 {
                conn.tap().message(Direction::In, &vec![b'x'; number * 10].into());
            }
            let kept = recording.since(0);
            assert_eq!((kept.len(), kept[0].number), (fixed::TRAFFIC_MESSAGES, 5));
            assert_eq!(recording.since(200).len(), 5);
            let last = kept.last().unwrap();
            assert_eq!(
                (last.size, last.start.len()),
                ((fixed::TRAFFIC_MESSAGES + 4) * 10, fixed::TRAFFIC_BYTES)
            );
        }

        #[test]
        fn a_shared_frame_is_shown_without_its_header() {
            for size in [5, 125, 126, 1000, 70_000] {
                let conn = connection();
                let recording = Recording::new(&conn);
                let frame = socket::encode(Message::text("y".repeat(size)));
                conn.outbox().push_frame(&socket::SharedFrame::new(frame)).unwrap();
                let kept = recording.since(0);
                assert_eq!((kept[0].kind, kept[0].size), (RecordedKind::Text, size));
                assert!(kept[0].start.iter().all(|byte| *byte == b'y'), "{size}");
            }
        }
    }
}
