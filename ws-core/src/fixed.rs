//! The limits that are not configurable. A test compares the table in `docs/reference.md` with them.

use std::time::Duration;

/// The longest close reason, in bytes: the space beside the code in a control frame (RFC 6455
/// section 5.5).
pub(crate) const CLOSE_REASON_BYTES: usize = 123;
/// The largest payload of a control frame (RFC 6455 section 5.5).
pub(crate) const CONTROL_PAYLOAD_BYTES: usize = 125;
/// The number of pings of `Connection::ping` that may wait to be sent.
pub(crate) const WAITING_PINGS: usize = 16;
/// The number of pings and pongs that may wait for their callbacks while another callback runs;
/// beyond it the oldest is dropped.
pub(crate) const WAITING_EVENTS: usize = 16;
/// The most bytes of one write to a stream of HTTP/2, the default size of its largest frame.
#[cfg(feature = "http2")]
pub(crate) const TUNNEL_WRITE_BYTES: usize = 16 << 10;
/// The limit of bytes between the outbox and the socket. Beyond it, nothing is taken from the
/// outbox and the socket is not read until the peer has read: otherwise the answers to pings would
/// accumulate.
pub(crate) const BACKLOG_BYTES: usize = 64 << 10;
/// The time between two checks whether the peer is still connected, while reading is paused.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The slowest reader that keeps its connection, in bytes per second. A ping behind unread bytes
/// gets the time to read them at this rate.
pub(crate) const SLOWEST_READER: u64 = 32 << 10;
/// Unread bytes beyond this number add no time to a ping.
pub(crate) const MOST_UNREAD_BYTES: u64 = 4 << 20;
/// After this many frames or bytes in one poll the task yields to the other connections. A frame
/// that arrives in several reads counts for each of them.
pub(crate) const FRAMES_A_POLL: u32 = 512;
pub(crate) const BYTES_A_POLL: usize = 1 << 20;
/// After this many decompressed bytes the poll ends.
#[cfg(feature = "deflate")]
pub(crate) const INFLATED_A_POLL: usize = 256 << 10;
/// After this many bytes of a compressed message were decompressed, the poll ends, because blocks
/// without output take time, too.
#[cfg(feature = "deflate")]
pub(crate) const INFLATED_INPUT_A_POLL: usize = 64 << 10;
/// After this many bytes were compressed the poll ends. The window of each message counts as well.
pub(crate) const COMPRESSED_A_POLL: usize = 64 << 10;
/// The compressors, and also the decompressors, that a thread keeps.
#[cfg(feature = "deflate")]
pub(crate) const POOLED_STATES: usize = 4;
/// The compressors of the process that may wait for the next poll of their connection, inside a
/// message of more than [`COMPRESSED_A_POLL`]. Beyond this number, such a message is compressed in
/// one poll.
#[cfg(feature = "deflate")]
pub(crate) const PAUSED_COMPRESSORS: usize = 32;
/// The largest output buffer that a compressor or a decompressor keeps, in bytes.
#[cfg(feature = "deflate")]
pub(crate) const POOLED_OUTPUT_BYTES: usize = 64 << 10;
/// The bytes that are read and discarded after a close frame or a refusal was sent. Unread input
/// would make the system reset the connection before the peer has read either of them.
pub(crate) const DRAINED_BYTES: usize = 64 << 20;
/// The number of messages of a connection that the console shows.
#[cfg(feature = "console")]
pub(crate) const TRAFFIC_MESSAGES: usize = 200;
/// The bytes of a message that the console shows.
#[cfg(feature = "console")]
pub(crate) const TRAFFIC_BYTES: usize = 1 << 10;
/// The number of opened, closed and refused connections that the console shows.
#[cfg(feature = "console")]
pub(crate) const JOURNAL_ENTRIES: usize = 100;
/// The size of a read buffer, in bytes: the most that one read takes from the transport.
pub(crate) const INPUT_BYTES: usize = 16 << 10;
/// The size of the read buffer of a connection whose last read returned as much as fits into
/// [`INPUT_BYTES`].
pub(crate) const LARGE_INPUT_BYTES: usize = 64 << 10;
/// The number of read buffers that a thread keeps. More than one is in use at a time only for
/// connections that have read ahead.
pub(crate) const INPUTS_KEPT: usize = 64;
pub(crate) const LARGE_INPUTS_KEPT: usize = 16;
/// The most that is allocated for a message beyond twice the bytes of it that have arrived.
pub(crate) const PAYLOAD_STEP: usize = 64 << 10;
/// The number of outstanding asks of one connection.
pub(crate) const OUTSTANDING_ASKS: usize = 64;
/// The default time to wait for the answer to an ask.
pub(crate) const ASK_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest event `ping` that is answered while it is read, in bytes: the same as the payload of
/// a WebSocket ping.
pub(crate) const PING_BYTES: usize = 125;
/// The nesting depth of arrays and maps in a MessagePack envelope.
#[cfg(any(feature = "msgpack", test))]
pub(crate) const MSGPACK_DEPTH: usize = 64;
/// The longest name of a room or a user, in bytes.
pub(crate) const NAME_BYTES: usize = 256;
/// The number of changes that may wait for a watcher; beyond it the watcher receives the number of
/// missed changes.
pub(crate) const WATCHED_CHANGES: usize = 256;
/// The number of members that a delivery copies under one lock; `in_turns` then yields to other
/// tasks.
pub(crate) const MEMBERS_A_TURN: usize = 512;
/// The longest accepted token, in bytes: the default of `limits.head`.
#[cfg(any(feature = "jwt", test))]
pub(crate) const TOKEN_BYTES: usize = 16 << 10;
/// The share of one address in `pending_handshakes`, as a divisor: the limit of its unfinished
/// request heads.
pub(crate) const PENDING_SHARES: usize = 8;
/// The number of unfinished heads that one address may always have.
pub(crate) const PENDING_OF_AN_ADDRESS: usize = 16;
/// The least age of an unfinished head that is closed to make room for another stream.
pub(crate) const LEAST_HEAD_AGE: Duration = Duration::from_secs(1);
/// The most parameters of one path; matchit panics at one more.
pub(crate) const PATH_PARAMETERS: usize = 25;
/// The largest header of the PROXY protocol, in bytes. Version 2 has 52 bytes of header and
/// addresses, and extensions.
pub(crate) const PROXY_HEADER_BYTES: usize = 4 << 10;
/// The least time between two warnings of one kind and one server that peers can cause.
pub(crate) const WARNING_PAUSE: Duration = Duration::from_secs(60);
/// The most bytes of a network value that such a warning shows.
pub(crate) const SHOWN_BYTES: usize = 200;
/// The pause after a failed accept, such as "too many open files". It doubles up to the second
/// value.
pub(crate) const LEAST_ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const MOST_ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// The time for the `on_close` callbacks of all connections that the drain deadline cancelled,
/// together.
pub(crate) const CUT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same time after a second signal, which asks for a quick end of the process.
pub(crate) const HURRIED_CUT_TIMEOUT: Duration = Duration::from_secs(2);
/// The shortest pause between two batches of a drain, because timers have a resolution of one
/// millisecond. If shorter pauses would be needed, the batches grow.
pub(crate) const LEAST_BATCH_PAUSE: Duration = Duration::from_millis(10);
/// The number of nodes whose messages are accepted.
pub(crate) const CLUSTER_NODES: usize = 1024;
/// The messages that may wait for the broker, and the received ones that may wait for each worker.
pub(crate) const CLUSTER_QUEUE: usize = 8192;
/// The most workers that deliver received messages.
pub(crate) const CLUSTER_WORKERS: usize = 4;
/// The received messages that a worker takes from its queue at once.
pub(crate) const RECEIVED_A_BATCH: usize = 64;
/// The size that a message between nodes may have beyond `cluster.message`, for its head.
pub(crate) const CLUSTER_HEAD_BYTES: usize = 4 << 10;
/// The time that unsent messages are kept while the link to the broker is down.
pub(crate) const UNSENT_KEPT: Duration = Duration::from_secs(1);
/// The size of one batch of published messages, and the number of batches in flight.
pub(crate) const PUBLISHES_A_BATCH: usize = 256;
pub(crate) const PUBLISHED_BYTES_A_BATCH: usize = 256 << 10;
pub(crate) const BATCHES_IN_FLIGHT: usize = 8;
/// The number of channels in one subscription, and the number of subscriptions in flight.
pub(crate) const CHANNELS_A_BATCH: usize = 512;
pub(crate) const SUBSCRIBES_IN_FLIGHT: usize = 4;
/// The time that a channel stays subscribed after the last member of its group has left.
pub(crate) const INTEREST_LINGERS: Duration = Duration::from_secs(2);
/// The longest time that `join_confirmed` waits.
pub(crate) const CONFIRM_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest time that a question to the other nodes waits, and the number of open questions.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const OPEN_QUESTIONS: usize = 1024;
/// The number of times that an ask of a user looks for a connection, if the found one has ended.
pub(crate) const ASK_SEARCHES: usize = 3;
/// The most ids that a node answers with, and the number of them in one message.
pub(crate) const CLUSTER_IDS: usize = 1_000_000;
pub(crate) const IDS_A_PART: usize = 8192;
/// The time between two messages that renew the watch of a group. A lost change is noticed within
/// it and [`QUESTION_TIMEOUT`].
pub(crate) const WATCH_RENEWED: Duration = Duration::from_secs(8);
/// The time that a node publishes the changes of a group after the last question or renewal.
pub(crate) const WATCH_REMEMBERED: Duration = Duration::from_secs(30);
/// The number of groups whose changes a node publishes. Watches of further groups are updated by
/// the renewals only.
pub(crate) const WATCHED_GROUPS: usize = 65_536;
/// The time for which changes of a group are gathered before they are published.
pub(crate) const CHANGES_GATHERED: Duration = Duration::from_millis(50);
/// The time between two attempts to publish gathered changes while the link is down.
pub(crate) const CHANGES_WAIT: Duration = Duration::from_millis(500);
/// The most members of a group that a watch knows of one other node.
pub(crate) const WATCHED_MEMBERS: usize = 1_000_000;
/// The size of one message about the members of a group.
pub(crate) const PRESENCE_BYTES: usize = 64 << 10;
/// The changes that wait for a roster which was asked for.
pub(crate) const EARLY_CHANGES: usize = 64;
/// The rosters that other nodes may wait for.
pub(crate) const WAITING_ROSTERS: usize = 8192;
/// The messages about members that are queued before the broker must have accepted one of them, so
/// that they leave room for the messages of the application.
pub(crate) const PRESENCE_IN_FLIGHT: usize = 256;
/// The groups whose first member waits to be announced.
pub(crate) const WAITING_ANNOUNCEMENTS: usize = 1 << 20;
/// The time after which a user without connections counts as gone.
pub(crate) const USER_GRACE: Duration = Duration::from_secs(5);
/// The longest time to connect to the broker and to subscribe the own channels, each.
pub(crate) const BROKER_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest pause before the first new connection to the broker. It doubles up to the second
/// value; each pause is a random part of it.
pub(crate) const LEAST_BROKER_PAUSE: Duration = Duration::from_millis(100);
pub(crate) const MOST_BROKER_PAUSE: Duration = Duration::from_secs(5);
/// The least time between two heartbeats of a node.
pub(crate) const LEAST_BEAT_PAUSE: Duration = Duration::from_millis(100);
/// The time after the start of a link in which all nodes have answered its first heartbeat.
pub(crate) const NODES_KNOWN: Duration = Duration::from_millis(300);
/// The longest time between two checks whether nodes are silent for too long.
pub(crate) const EXPIRY_PAUSE: Duration = Duration::from_millis(500);
/// The time in which a stopping node sends what is queued for the broker.
pub(crate) const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between two turns of connections that are closed after a gap.
pub(crate) const GAP_PAUSE: Duration = Duration::from_millis(50);

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
    fn the_reference_lists_every_one() {
        let rows = [
            ("close reason", format!("{}, cut at a character", size(CLOSE_REASON_BYTES))),
            (
                "payload of a ping",
                format!("{}, else `SendError::ControlTooLong`", size(CONTROL_PAYLOAD_BYTES)),
            ),
            ("pings that wait to be sent", format!("{WAITING_PINGS}, else `SendError::Full`")),
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
                "messages between the outbox and the socket",
                format!("{} and the message that exceeds it; pings go ahead of them", size(BACKLOG_BYTES)),
            ),
            (
                "input that one connection reads before other tasks run",
                format!("{FRAMES_A_POLL} frames or {}", size(BYTES_A_POLL)),
            ),
            (
                "input that is read and discarded after the server's close frame, or after a refusal",
                format!("{}, within `close_timeout`", size(DRAINED_BYTES)),
            ),
            (
                "asks of one client outstanding",
                format!(
                    "{OUTSTANDING_ASKS}, else `AskError::TooMany`; each waits {}, or its `timeout`",
                    time(ASK_TIMEOUT)
                ),
            ),
            ("nesting of arrays and maps in MessagePack", format!("{MSGPACK_DEPTH}")),
            ("name of a room or a user", size(NAME_BYTES)),
            (
                "changes that a watcher may be behind",
                format!("{WATCHED_CHANGES}, then it gets the number of missed changes"),
            ),
            ("members that a broadcast reaches before it lets others run", format!("{MEMBERS_A_TURN}")),
            (
                "read buffers that a thread keeps for its connections",
                format!(
                    "{INPUTS_KEPT} of {} and {LARGE_INPUTS_KEPT} of {}",
                    size(INPUT_BYTES),
                    size(LARGE_INPUT_BYTES)
                ),
            ),
            ("size of a token", size(TOKEN_BYTES)),
            (
                "unfinished request heads of one address",
                format!(
                    "1/{PENDING_SHARES} of `pending_handshakes`, or `connections_per_ip` where set, but {PENDING_OF_AN_ADDRESS} at least; {PENDING_OF_AN_ADDRESS} while all places are taken"
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
            (
                "cluster: messages that wait for the broker",
                format!("{CLUSTER_QUEUE} and `cluster.queue` bytes, else `NotSent::Full`"),
            ),
            (
                "cluster: received messages that wait for delivery",
                format!(
                    "{CLUSTER_QUEUE} for each of up to {CLUSTER_WORKERS} workers, and `cluster.queue` bytes, then the newest is dropped and counted"
                ),
            ),
            (
                "cluster: unsent messages while the broker is away",
                format!("kept for {}, then dropped and counted", time(UNSENT_KEPT)),
            ),
            ("cluster: `join_confirmed`", format!("{}, then `Reach::Local`", time(CONFIRM_TIMEOUT))),
            (
                "cluster: `count()` and `ids()`",
                format!(
                    "{}, then `Incomplete`; {CLUSTER_IDS} ids from a node; {OPEN_QUESTIONS} calls at once",
                    time(QUESTION_TIMEOUT)
                ),
            ),
            (
                "cluster: asks of clients of other nodes",
                format!(
                    "{} to find a connection, else `AskError::Unreachable`; {OPEN_QUESTIONS} at once, asked and served, else `AskError::TooMany`",
                    time(QUESTION_TIMEOUT)
                ),
            ),
            ("cluster: a room or user without members stays subscribed", time(INTEREST_LINGERS)),
            (
                "cluster: pause before a new connection to the broker",
                format!(
                    "random, up to {}, doubling to {}",
                    time(LEAST_BROKER_PAUSE),
                    time(MOST_BROKER_PAUSE)
                ),
            ),
            ("cluster: nodes", format!("{CLUSTER_NODES}")),
            (
                "cluster: a lost change of the members of a watched room or user",
                format!("noticed within {}", time(WATCH_RENEWED + QUESTION_TIMEOUT)),
            ),
            (
                "cluster: watched rooms and users",
                format!(
                    "{WATCHED_MEMBERS} members of each node; each node publishes the changes of {WATCHED_GROUPS}, further watches are updated every {}",
                    time(WATCH_RENEWED)
                ),
            ),
            ("`room.users()`: a user without connections", format!("gone after {}", time(USER_GRACE))),
        ];
        let rows: String = rows.iter().map(|(limit, value)| format!("| {limit} | {value} |\n")).collect();
        let table = format!("| limit | value |\n|---|---|\n{rows}\n");
        assert!(
            include_str!("../../docs/reference.md").contains(&table),
            "docs/reference.md should have\n{table}"
        );
    }
}
