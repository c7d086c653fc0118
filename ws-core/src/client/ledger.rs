//! What is known of messages that were sent: a ping behind them, and the pong that says that it was read.
//!
//! Frames are read in order, so a pong confirms that the server's WebSocket layer has read everything that went before
//! its ping. It says nothing of the handler. At most one ping is on its way at any time.

use bytes::Bytes;

/// In front of the count, so that a pong that nobody asked for (RFC 6455 section 5.5.3) is not taken for one of ours.
const MARK: &[u8; 8] = b"ws-sent:";

/// Counts messages.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: u64,
    confirmed: u64,
    /// The count in the ping that is on its way.
    asked: Option<u64>,
}

impl Ledger {
    /// A message was handed to the socket. Gives the ping that is to follow it, unless one is on its way.
    pub(super) fn sent(&mut self) -> Option<Bytes> {
        self.sent += 1;
        self.ask()
    }

    /// A pong came. Gives the next ping, if more was sent meanwhile.
    pub(super) fn confirm(&mut self, payload: &[u8]) -> Option<Bytes> {
        let asked = self.asked.filter(|count| payload == marker(*count))?;
        self.asked = None;
        self.confirmed = asked;
        self.ask()
    }

    /// Messages of which nothing is known.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.sent - self.confirmed
    }

    fn ask(&mut self) -> Option<Bytes> {
        if self.asked.is_some() || self.unconfirmed() == 0 {
            return None;
        }
        self.asked = Some(self.sent);
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
    fn one_ping_at_a_time_confirms_all_that_went_before_it() {
        let mut ledger = Ledger::default();
        let first = ledger.sent().unwrap();
        assert_eq!(ledger.sent(), None, "one is on its way");
        assert_eq!(ledger.sent(), None);
        assert_eq!(ledger.unconfirmed(), 3);

        assert_eq!(ledger.confirm(b"heartbeat"), None, "not ours");
        assert_eq!(ledger.unconfirmed(), 3);

        let second = ledger.confirm(&first).unwrap();
        assert_eq!(ledger.unconfirmed(), 2);
        assert_eq!(ledger.confirm(&first), None, "a pong counts once");
        assert_eq!(ledger.confirm(&second), None, "nothing is left to ask for");
        assert_eq!(ledger.unconfirmed(), 0);
    }
}
