//! [`Ledger`]: counts the messages that were sent and those that the server has confirmed.
//!
//! A ping with the count follows a sent message. The server reads frames in order, so the pong
//! confirms that its WebSocket layer has read all messages before the ping, not that a handler has
//! seen them. At most one ping is unanswered at any time. The ledger sends nothing itself.

use bytes::Bytes;

/// The prefix of the count in a payload. It distinguishes answers to the ledger's pings from
/// unsolicited pongs (RFC 6455 section 5.5.3).
const MARK: &[u8; 8] = b"ws-sent:";

/// The counts of one connection.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: u64,
    confirmed: u64,
    /// The count in the ping that has no pong yet.
    pinged: Option<u64>,
}

impl Ledger {
    /// Counts a message that was queued. Returns the payload of the ping to send after
    /// it, unless a ping is unanswered.
    pub(super) fn sent(&mut self) -> Option<Bytes> {
        self.sent += 1;
        self.next_ping()
    }

    /// Takes a pong. Returns the payload of the next ping if more messages were sent meanwhile.
    pub(super) fn confirm(&mut self, payload: &[u8]) -> Option<Bytes> {
        let confirmed = self.pinged.filter(|count| payload == marker(*count))?;
        self.pinged = None;
        self.confirmed = confirmed;
        self.next_ping()
    }

    /// Returns the number of messages that no pong has confirmed.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.sent - self.confirmed
    }

    fn next_ping(&mut self) -> Option<Bytes> {
        if self.pinged.is_some() || self.unconfirmed() == 0 {
            return None;
        }
        self.pinged = Some(self.sent);
        Some(marker(self.sent))
    }
}

fn marker(count: u64) -> Bytes {
    [*MARK, count.to_be_bytes()].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ping_at_a_time_confirms_all_messages_before_it() {
        let mut ledger = Ledger::default();
        let first = ledger.sent().unwrap();
        assert_eq!(ledger.sent(), None, "a ping is unanswered");
        assert_eq!(ledger.sent(), None);
        assert_eq!(ledger.unconfirmed(), 3);

        assert_eq!(ledger.confirm(b"heartbeat"), None, "not a ping of the ledger");
        assert_eq!(ledger.unconfirmed(), 3);

        let second = ledger.confirm(&first).unwrap();
        assert_eq!(ledger.unconfirmed(), 2);
        assert_eq!(ledger.confirm(&first), None, "a pong counts once");
        assert_eq!(ledger.confirm(&second), None, "all messages are confirmed");
        assert_eq!(ledger.unconfirmed(), 0);
    }
}
