//! Flow control: large messages, and clients that do not read.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};
use ws_core::{App, CloseReason, Connection, Controller, Message, Result, config::Overflow};

use super::{Client, InMemory, Outer, Stream, echo};
use crate::support::{Probe, config, until, within};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_large_message_passes_small_windows_in_both_directions() {
    let mut config = config();
    config.servers[0].limits.message = MIB;
    let outer = Outer::start_as(echo(), config, |builder| {
        builder.http2().initial_stream_window_size(1000).initial_connection_window_size(65_535);
    })
    .await;
    let client = Client::connect_as(outer.addr, h2::client::Builder::new().initial_window_size(1500)).await;
    let mut stream = client.open("/echo").await;
    let payload: Vec<u8> = (0..MIB / 4).map(|at| (at % 251) as u8).collect();
    stream.frame(0x82, &payload);
    assert!(stream.read_frame().await.payload == payload);
    stream.close().await;
}

/// A client like a browser: the window of its connection is larger than that of a stream, so one
/// stream that it does not read leaves room for the others.
async fn roomy(outer: &InMemory) -> Client {
    outer.connect_as(h2::client::Builder::new().initial_connection_window_size(1 << 20)).await
}

/// Returns the payload of the next message, and answers the pings before it.
async fn message(stream: &mut Stream) -> Vec<u8> {
    loop {
        let frame = stream.read_frame().await;
        if frame.first != 0x89 {
            return frame.payload;
        }
        stream.frame(0x8a, &frame.payload);
    }
}

/// Pushes messages of this size until the outbox stays full.
struct Source {
    size: usize,
    /// Reports the number of messages that were accepted.
    accepted: tokio::sync::mpsc::UnboundedSender<usize>,
}

impl Controller for Source {
    async fn on_open(&self, conn: &Connection) -> Result {
        let (conn, size, accepted) = (conn.clone(), self.size, self.accepted.clone());
        tokio::spawn(async move {
            let mut count = 0;
            let mut refused = 0;
            while refused < 100 {
                match conn.push(Message::binary(vec![7; size])) {
                    Ok(()) => (count, refused) = (count + 1, 0),
                    Err(_) => refused += 1,
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let _ = accepted.send(count);
        });
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_client_does_not_read_is_bounded_by_the_outbox() {
    const SIZE: usize = MIB;
    let (sender, mut accepted) = tokio::sync::mpsc::unbounded_channel();
    let mut config = config();
    config.servers[0].limits.outbox_bytes = 4 * SIZE;
    config.servers[0].limits.overflow = Overflow::DropNewest;
    config.servers[0].heartbeat.interval = None;
    let app = echo().controller("/source", Source { size: SIZE, accepted: sender });
    let outer = InMemory::start(app, config).await;
    let client = roomy(&outer).await;
    let mut stream = client.open("/source").await;
    let count = within("a full outbox", accepted.recv()).await.unwrap();
    // Three in the outbox, whose limit counts headers, and one in the socket's queue. Beyond them
    // there is room for less than a message: the window has 64 KiB, hyper four writes of 16 KiB.
    assert_eq!(count, 4);
    // Nothing was lost, and the others are not stopped.
    let mut other = client.open("/echo").await;
    other.text("hello");
    assert_eq!(other.read_text().await, "hello");
    for _ in 0..count {
        assert_eq!(stream.read_frame().await.payload.len(), SIZE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed_by_the_heartbeat_and_the_others_are_not() {
    let (probe, mut reports) = Probe::new();
    let mut config = config();
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(200));
    config.servers[0].heartbeat.timeout = Duration::from_millis(500);
    let outer = InMemory::start(echo().controller("/probe", probe), config).await;
    let client = roomy(&outer).await;
    let mut slow = client.open("/probe").await;
    let conn = reports.open().await;
    for _ in 0..8 {
        conn.push(Message::binary(vec![7; 64 << 10])).unwrap();
    }
    let mut other = client.open("/echo").await;
    let closed = async {
        assert_eq!(reports.close().await, CloseReason::Heartbeat);
    };
    tokio::select! {
        () = closed => {}
        _ = message(&mut other) => panic!("nothing was sent to it"),
    }
    other.text("still here");
    assert_eq!(message(&mut other).await, b"still here");
    assert_eq!(outer.running.hub().count_local(), 1);
    // hyper sends what it holds once the client reads, and then the end.
    let mut bytes = 0;
    while let Some(data) = within("the rest", slow.receive.data()).await {
        let Ok(data) = data else { break };
        bytes += data.len();
        slow.receive.flow_control().release_capacity(data.len()).unwrap();
    }
    assert!(bytes < 3 * (64 << 10), "{bytes}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_keeps_its_connection() {
    let mut config = config();
    config.servers[0].limits.message = MIB;
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(100));
    config.servers[0].heartbeat.timeout = Duration::from_millis(300);
    let outer = InMemory::start(echo(), config).await;
    let client = outer.connect_as(h2::client::Builder::new().initial_window_size(8000)).await;
    let mut stream = client.open("/echo").await;
    stream.frame(0x82, &vec![7; 128 << 10]);
    // The ping is behind the message, which takes much longer than a heartbeat.
    let began = Instant::now();
    while stream.unread.len() < 128 << 10 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.fill(stream.unread.len() + 1).await;
    }
    assert!(began.elapsed() > Duration::from_secs(1));
    assert_eq!(stream.read_frame().await.payload.len(), 128 << 10);
    stream.text("still here");
    assert_eq!(message(&mut stream).await, b"still here");
}

/// Waits in its first message until the end of the client is known.
struct Waits(Arc<Notify>);

impl Controller for Waits {
    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        self.0.notify_one();
        conn.closed().await;
        self.0.notify_one();
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_noticed_while_nothing_is_read() {
    let step = Arc::new(Notify::new());
    let mut config = config();
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(300));
    config.servers[0].limits.inbox_messages = 4;
    let app = App::without_registry().controller("/", Waits(Arc::clone(&step)));
    let outer = InMemory::start(app, config).await;
    let client = roomy(&outer).await;
    let mut stream = client.open("/").await;
    for _ in 0..20 {
        stream.text("more than the inbox takes");
    }
    within("the callback", step.notified()).await;
    stream.send.send_reset(h2::Reason::CANCEL);
    within("closed", step.notified()).await;
    until("it has left", || outer.running.hub().count_local() == 0).await;
}
