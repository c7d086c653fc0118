//! The texts of labels whose values are fixed.

#[cfg(feature = "metrics")]
use crate::config::Overflow;
use crate::wire::CloseReason;

/// Returns the label of the reason why a connection ended.
pub(crate) fn cause(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Peer { .. } => "peer",
        CloseReason::Local { .. } => "local",
        CloseReason::Fault(_) => "fault",
        CloseReason::Error { .. } => "error",
        CloseReason::Panic => "panic",
        CloseReason::HandlerTimeout => "handler_timeout",
        CloseReason::Overflow => "overflow",
        CloseReason::Gone(_) => "gone",
        CloseReason::Heartbeat => HEARTBEAT,
        CloseReason::Idle => "idle",
        CloseReason::Lifetime => "lifetime",
        CloseReason::Expired => "expired",
        CloseReason::Shutdown => "shutdown",
        CloseReason::Aborted => "aborted",
    }
}

/// The cause of a connection whose peer did not answer a ping in time.
pub(super) const HEARTBEAT: &str = "heartbeat";

/// Returns the label of a close code: the code itself if it is in RFC 6455 or the registry of IANA,
/// otherwise its range, because a peer may send any of 2000 codes.
pub(super) fn close_code(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        1002 => "1002",
        1003 => "1003",
        1004 => "1004",
        1005 => "1005",
        1006 => "1006",
        1007 => "1007",
        1008 => "1008",
        1009 => "1009",
        1010 => "1010",
        1011 => "1011",
        1012 => "1012",
        1013 => "1013",
        1014 => "1014",
        1015 => "1015",
        3000..=3999 => "3xxx",
        4000..=4999 => "4xxx",
        _ => "other",
    }
}

/// Returns the label of the reaction to a full outbox.
#[cfg(feature = "metrics")]
pub(super) fn policy(overflow: Overflow) -> &'static str {
    match overflow {
        Overflow::Disconnect => "disconnect",
        Overflow::DropOldest => "drop_oldest",
        Overflow::DropNewest => "drop_newest",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_itself_or_its_range() {
        for code in 1000..=1015 {
            assert_eq!(close_code(code), code.to_string());
        }
        for (code, label) in [(3000, "3xxx"), (3999, "3xxx"), (4000, "4xxx"), (4999, "4xxx"), (2000, "other")]
        {
            assert_eq!(close_code(code), label);
        }
        let all: BTreeSet<_> = (0..=u16::MAX).map(close_code).collect();
        assert_eq!(all.len(), 19);
    }
}
