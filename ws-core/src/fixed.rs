//! The limits that no setting changes, in one place. The table in the README is checked against them.

use std::time::Duration;

/// The longest close reason, in bytes: what fits into a control frame beside the code (RFC 6455 section 5.5).
pub(crate) const CLOSE_REASON_BYTES: usize = 123;
/// The largest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const CONTROL_PAYLOAD_BYTES: usize = 125;
/// Pings of `Connection::ping` that may wait.
pub(crate) const WAITING_PINGS: usize = 16;
/// Pings and pongs that wait for their callbacks while another callback runs; beyond this the
/// oldest is dropped.
pub(crate) const WAITING_EVENTS: usize = 16;
/// With more on its way to the socket, nothing is taken of the outbox, and the socket reads no more until its peer has read:
/// what it answers to pings would pile up otherwise.
pub(crate) const BACKLOG_BYTES: usize = 64 << 10;
/// The time between two checks whether the peer is still there, while reading is paused.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The slowest reader that keeps its connection, in bytes a second. A ping behind unread bytes has
/// the time to read them at this rate.
pub(crate) const SLOWEST_READER: u64 = 32 << 10;
/// Unread bytes beyond these add no time to a ping.
pub(crate) const MOST_UNREAD_BYTES: u64 = 4 << 20;
/// After this many frames or bytes in one poll the other connections get their turn. A frame counts when it is read, and
/// once more when the message that it ends is handed out.
pub(crate) const FRAMES_A_POLL: u32 = 1024;
pub(crate) const BYTES_A_POLL: usize = 1 << 20;
/// What is read and thrown away after a close frame, or after a refusal, so that the peer's unread input does not reset
/// the connection before either is read.
pub(crate) const DRAINED_BYTES: usize = 64 << 20;
/// Codecs with small buffers that a thread keeps. More than one is in use at a time only for connections that wait in the
/// middle of a message, or of a handler.
pub(crate) const SMALL_CODECS_KEPT: usize = 64;
/// What each of them takes of the transport at once, and what it clears before it reads that.
pub(crate) const INPUT_BYTES: usize = 16 << 10;
pub(crate) const SMALL_CODEC_BYTES: usize = 4 << 10;
/// Bytes in the buffers of the other codecs that a thread keeps. A buffer grows to its largest frame and never shrinks.
pub(crate) const LARGER_CODECS_KEPT_BYTES: usize = 4 << 20;
/// Asks that one connection may have outstanding.
pub(crate) const OUTSTANDING_ASKS: usize = 64;
/// The default time to wait for the answer to an ask.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest event `ping` that is answered as it is read, in bytes: as long as a WebSocket ping's
/// payload.
pub(crate) const PING_BYTES: usize = 125;
/// How deep the arrays and maps of a MessagePack envelope may stand inside each other.
#[cfg(any(feature = "msgpack", test))]
pub(crate) const MSGPACK_DEPTH: usize = 64;
/// The longest name of a room or a user, in bytes.
pub(crate) const NAME_BYTES: usize = 256;
/// Changes that a watcher may be behind before it is told that it missed some.
pub(crate) const WATCHED_CHANGES: usize = 256;
/// So many members are copied under a lock at once; after them `Target::broadcast` lets others run.
pub(crate) const MEMBERS_A_TURN: usize = 512;
/// The longest token that is looked at, in bytes: as long as a whole request head may be by default.
#[cfg(any(feature = "jwt", test))]
pub(crate) const TOKEN_BYTES: usize = 16 << 10;
/// One address may have this part of `pending_handshakes` as unfinished request heads.
pub(crate) const PENDING_SHARES: usize = 8;
/// The unfinished heads that one address may have in any case.
pub(crate) const PENDING_OF_AN_ADDRESS: usize = 16;
/// An unfinished head that is younger is not closed to make room for another stream.
pub(crate) const LEAST_HEAD_AGE: Duration = Duration::from_secs(1);
/// Parameters of one path; matchit panics at one more.
pub(crate) const PATH_PARAMETERS: usize = 25;
/// The largest header of the PROXY protocol, in bytes: version 2 has its extensions beside 52 of addresses.
pub(crate) const PROXY_HEADER_BYTES: usize = 4 << 10;
/// The least time between two warnings of one kind and one server that peers can cause.
pub(crate) const WARNING_PAUSE: Duration = Duration::from_secs(60);
/// The bytes of a value from the network that such a warning shows.
pub(crate) const SHOWN_BYTES: usize = 200;
/// How long accepting pauses after a failure such as "too many open files"; it doubles up to the second value.
pub(crate) const LEAST_ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const MOST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// What the `on_close` callbacks of all connections that a drain has cut have together.
pub(crate) const CUT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same after a second signal: somebody waits for the process to end.
pub(crate) const HURRIED_CUT_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between two batches of a drain is not shortened below this: timers are no finer than a millisecond. Batches
/// grow instead.
pub(crate) const LEAST_BATCH_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: usize) -> String {
        match bytes {
            0..0x400 => format!("{bytes} bytes"),
            0x400..0x10_0000 => format!("{} KiB", bytes >> 10),
            _ => format!("{} MiB", bytes >> 20),
        }
    }

    fn time(duration: Duration) -> String {
        match duration.subsec_millis() {
            0 => format!("{} s", duration.as_secs()),
            _ => format!("{} ms", duration.as_millis()),
        }
    }

    #[test]
    fn the_readme_lists_every_one() {
        let rows = [
            ("close reason", format!("{}, cut at a character", size(CLOSE_REASON_BYTES))),
            (
                "payload of a ping",
                format!("{}, else `SendError::ControlTooLong`", size(CONTROL_PAYLOAD_BYTES)),
            ),
            ("own pings waiting", format!("{WAITING_PINGS}, else `SendError::Full`")),
            (
                "pings and pongs that wait for their callbacks",
                format!("{WAITING_EVENTS}, then the oldest is dropped; all pings are answered"),
            ),
            (
                "bytes that wait for a peer that does not read",
                format!("{}, then the socket is not read", size(BACKLOG_BYTES)),
            ),
            (
                "checks whether the peer is still there while the socket is not read",
                format!("one every {}", time(LOOK_INTERVAL)),
            ),
            (
                "time added to `heartbeat.timeout` of a ping",
                format!(
                    "1 s for each {} that the client may not have read, up to {}",
                    size(SLOWEST_READER as usize),
                    size(MOST_UNREAD_BYTES as usize)
                ),
            ),
            (
                "messages on their way to the socket, not in the outbox any more",
                format!("{} and the one that exceeds it; a ping passes all others", size(BACKLOG_BYTES)),
            ),
            (
                "what one connection reads before the others get their turn",
                format!(
                    "{} messages, {FRAMES_A_POLL} fragments or {}",
                    FRAMES_A_POLL / 2,
                    size(BYTES_A_POLL)
                ),
            ),
            (
                "what is read and thrown away behind the own close frame, or behind a refusal",
                format!("{}, within `close_timeout`", size(DRAINED_BYTES)),
            ),
            (
                "asks of one client outstanding",
                format!(
                    "{OUTSTANDING_ASKS}, else `AskError::TooMany`; each waits {}, or its `timeout`",
                    time(ASK_TIMEOUT)
                ),
            ),
            ("arrays and maps inside each other in MessagePack", format!("{MSGPACK_DEPTH}")),
            ("name of a room or a user", size(NAME_BYTES)),
            (
                "changes that a watcher may be behind",
                format!("{WATCHED_CHANGES}, then it is told how many it missed"),
            ),
            ("members that a broadcast reaches before it lets others run", format!("{MEMBERS_A_TURN}")),
            (
                "codecs that a thread keeps for its connections",
                format!(
                    "{SMALL_CODECS_KEPT} of {}, and {} of larger ones",
                    size(INPUT_BYTES + SMALL_CODEC_BYTES),
                    size(LARGER_CODECS_KEPT_BYTES)
                ),
            ),
            ("a token", size(TOKEN_BYTES)),
            (
                "unfinished request heads of one address",
                format!(
                    "1/{PENDING_SHARES} of `pending_handshakes`, or `connections_per_ip` where set, but {PENDING_OF_AN_ADDRESS} at least; {PENDING_OF_AN_ADDRESS} while all room is taken"
                ),
            ),
            (
                "one more unfinished head than that",
                format!("the oldest is closed if it is {} old, else the new stream", time(LEAST_HEAD_AGE)),
            ),
            (
                "warnings about what peers send, of one kind and server",
                format!("one every {}; a value is cut at {}", time(WARNING_PAUSE), size(SHOWN_BYTES)),
            ),
            ("parameters of a path", format!("{PATH_PARAMETERS}")),
            ("`on_close`", "`close_timeout`, also without a `handler_timeout`".into()),
            (
                "`on_close` of connections that the drain deadline cut",
                format!(
                    "{} for all of them together; {} after a second signal",
                    time(CUT_TIMEOUT),
                    time(HURRIED_CUT_TIMEOUT)
                ),
            ),
            (
                "pause between two batches of a drain that is short of time",
                format!("{} at least, then the batches grow", time(LEAST_BATCH_PAUSE)),
            ),
            (
                "pause after a failed accept",
                format!("{}, doubling to {}", time(LEAST_ACCEPT_PAUSE), time(MOST_ACCEPT_PAUSE)),
            ),
            ("streams that wait to be accepted", "1024, or the system's `somaxconn` if less".into()),
            ("header of the PROXY protocol", size(PROXY_HEADER_BYTES)),
            ("Nagle's algorithm", "off (`TCP_NODELAY`)".into()),
        ];
        let rows: String = rows.iter().map(|(limit, value)| format!("| {limit} | {value} |\n")).collect();
        let table = format!("| limit | value |\n|---|---|\n{rows}\n");
        assert!(include_str!("../../README.md").contains(&table), "the README should have\n{table}");
    }
}
