//! [`Journal`]: the connections that were recently opened, closed and refused, for the console.
//!
//! Without the feature `console` it is empty and its methods do nothing. With it, it is a bounded
//! list, and it keeps no handle of a connection.

#[cfg(feature = "console")]
pub(crate) use self::kept::{JournalEntry, JournalKind};

/// The last changes.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    #[cfg(feature = "console")]
    kept: crate::sync::Mutex<kept::Kept>,
}

/// The request of a handshake that may be refused.
#[derive(Debug)]
pub(crate) struct Asked {
    #[cfg(feature = "console")]
    path: String,
    #[cfg(feature = "console")]
    peer: Option<std::net::SocketAddr>,
}

#[cfg(not(feature = "console"))]
mod absent {
    use std::net::SocketAddr;

    use bytes::Bytes;
    use http::{StatusCode, Uri};

    use super::{Asked, Journal};
    use crate::{connection::Connection, wire::CloseReason};

    impl Journal {
        pub(crate) fn opened(&self, _: &Connection) {}

        pub(crate) fn closed(&self, _: &Connection, _: &CloseReason) {}

        pub(crate) fn asked(&self, _: &Uri, _: Option<SocketAddr>) -> Asked {
            Asked {}
        }

        pub(crate) fn refused(&self, _: Asked, _: StatusCode, _: Option<&Bytes>) {}
    }
}

#[cfg(feature = "console")]
mod kept {
    use std::{collections::VecDeque, net::SocketAddr, time::SystemTime};

    use bytes::Bytes;
    use http::{StatusCode, Uri};

    use super::{Asked, Journal};
    use crate::{
        connection::Connection,
        fixed,
        wire::{CloseReason, ConnectionId},
    };

    /// The longest kept text of a response, and the longest kept path, in bytes.
    const TEXT_BYTES: usize = 256;

    #[derive(Debug, Default)]
    pub(super) struct Kept {
        entries: VecDeque<JournalEntry>,
        next: u64,
    }

    /// One change.
    #[derive(Clone, Debug)]
    pub(crate) struct JournalEntry {
        pub(crate) number: u64,
        pub(crate) at: SystemTime,
        pub(crate) peer: Option<SocketAddr>,
        /// The path without its query, which may have a token.
        pub(crate) path: String,
        pub(crate) kind: JournalKind,
    }

    #[derive(Clone, Debug)]
    pub(crate) enum JournalKind {
        Opened { id: ConnectionId },
        Closed { id: ConnectionId, code: u16, reason: String, seconds: f64 },
        Refused { status: u16, text: String },
    }

    impl Journal {
        pub(crate) fn opened(&self, conn: &Connection) {
            self.add(conn.handshake().path(), conn.peer_addr(), JournalKind::Opened { id: conn.id() });
        }

        pub(crate) fn closed(&self, conn: &Connection, reason: &CloseReason) {
            let (id, code) = (conn.id(), reason.code());
            let seconds = conn.expiry().age().as_secs_f64();
            let reason = short(&explain(reason));
            let kind = JournalKind::Closed { id, code, reason, seconds };
            self.add(conn.handshake().path(), conn.peer_addr(), kind);
        }

        /// Keeps the parts of a request that are shown if it is refused.
        pub(crate) fn asked(&self, uri: &Uri, peer: Option<SocketAddr>) -> Asked {
            Asked { path: short(uri.path()), peer }
        }

        pub(crate) fn refused(&self, asked: Asked, status: StatusCode, body: Option<&Bytes>) {
            let body = body.and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
            let text = body.as_ref().and_then(|body| body.get("msg")?.as_str()).unwrap_or_default();
            let kind = JournalKind::Refused { status: status.as_u16(), text: short(text) };
            self.add(&asked.path, asked.peer, kind);
        }

        /// Returns the last changes, newest first.
        pub(crate) fn entries(&self) -> Vec<JournalEntry> {
            self.kept.lock().entries.iter().rev().cloned().collect()
        }

        fn add(&self, path: &str, peer: Option<SocketAddr>, kind: JournalKind) {
            let path = short(path);
            let mut kept = self.kept.lock();
            if kept.entries.len() >= fixed::JOURNAL_ENTRIES {
                kept.entries.pop_front();
            }
            let number = kept.next;
            kept.next += 1;
            kept.entries.push_back(JournalEntry { number, at: SystemTime::now(), peer, path, kind });
        }
    }

    /// Returns why a connection ended, in words.
    fn explain(reason: &CloseReason) -> String {
        let with = |what: &str, text: &str| {
            if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
        };
        match reason {
            CloseReason::Peer { reason, .. } => with("closed by the client", reason),
            CloseReason::Local { reason, .. } => with("closed by this side", reason),
            CloseReason::Fault(fault) => with("the client broke a rule", &fault.to_string()),
            CloseReason::Error { .. } => "a callback failed".to_owned(),
            CloseReason::Panic => "a callback panicked".to_owned(),
            CloseReason::HandlerTimeout => "a callback took longer than `limits.handler_timeout`".to_owned(),
            CloseReason::Overflow => "the client reads too slowly: its outbox was full".to_owned(),
            CloseReason::Gone(kind) => with("the stream ended without a close frame", &kind.to_string()),
            CloseReason::Heartbeat => "no answer to a ping".to_owned(),
            CloseReason::Idle => "no message for `heartbeat.idle`".to_owned(),
            CloseReason::Lifetime => "`limits.lifetime` is over".to_owned(),
            CloseReason::Expired => "its token has expired".to_owned(),
            CloseReason::Shutdown => "the server is stopping".to_owned(),
            CloseReason::Aborted => "cut: it did not close in time".to_owned(),
        }
    }

    fn short(text: &str) -> String {
        let end = text.floor_char_boundary(TEXT_BYTES);
        text.get(..end).unwrap_or_default().to_owned()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn entries_are_bounded_and_have_no_query() {
            let journal = Journal::default();
            let long: Uri = format!("/{}?token=secret", "é".repeat(500)).parse().unwrap_or_default();
            for _ in 0..fixed::JOURNAL_ENTRIES + 3 {
                let asked = journal.asked(&long, None);
                journal.refused(asked, StatusCode::NOT_FOUND, Some(&Bytes::from_static(b"{\"msg\":\"no\"}")));
            }
            let entries = journal.entries();
            assert_eq!((entries.len(), entries[0].number), (fixed::JOURNAL_ENTRIES, 102));
            assert!(entries[0].path.len() <= TEXT_BYTES && !entries[0].path.contains("secret"));
            assert!(matches!(&entries[0].kind, JournalKind::Refused { status: 404, text } if text == "no"));
        }
    }
}
