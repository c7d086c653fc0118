//! Tests of the heartbeat: a slow download does not close the connection, and a peer that stops
//! reading is detected in time.
//!
//! The tests use paused time and in-memory pipes that hold as many bytes as socket buffers may.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream},
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{connection::Connection, hub::Live, wire::CloseReason};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// The size of each message that the server sends.
const MESSAGE: usize = 64 * KIB;
/// How often the reader reads.
const STEP: Duration = Duration::from_millis(50);

/// Sends this number of messages in `on_open`.
struct Sends(usize, mpsc::UnboundedSender<CloseReason>);

impl Controller for Sends {
    async fn on_open(&self, conn: &Connection) -> Result {
        for _ in 0..self.0 {
            conn.send(vec![7; MESSAGE]).await?;
        }
        Ok(())
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.1.send(reason)?)
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    /// The interval and the timeout of the heartbeat, in seconds.
    interval: u64,
    timeout: u64,
    /// The rate of the reader, in bytes per second.
    rate: usize,
    /// The number of bytes that the pipe holds.
    buffer: usize,
    /// The number of bytes in all messages.
    size: usize,
}

/// The peer of a connection that sends.
struct Reader {
    stream: DuplexStream,
    unparsed: Vec<u8>,
    /// The number of bytes in the messages that have arrived completely.
    received: usize,
    closed: mpsc::UnboundedReceiver<CloseReason>,
}

impl Case {
    fn start(self) -> Reader {
        let (sender, closed) = mpsc::unbounded_channel();
        let (near, far) = tokio::io::duplex(self.buffer);
        let heartbeat = Heartbeat {
            interval: Some(Duration::from_secs(self.interval)),
            timeout: Duration::from_secs(self.timeout),
            ..Heartbeat::default()
        };
        let life = Life { heartbeat: Arc::new(heartbeat), ..tests::life(&Arc::new(Live::default())) };
        tokio::spawn(serve(Arc::new(Sends(self.size / MESSAGE, sender)), near, life));
        Reader { stream: far, unparsed: Vec::new(), received: 0, closed }
    }

    /// Returns the longest time from the last read of a peer until its connection must end. When
    /// the peer stops, up to `read` bytes may be unconfirmed besides those that the pipe holds.
    fn bound(self, read: usize) -> Duration {
        let unread = (read + self.buffer).min(4 * MIB) as u64;
        let ping =
            Duration::from_secs(self.timeout) + Duration::from_millis(unread * 1000 / (32 * KIB as u64));
        Duration::from_secs(self.interval) + 2 * ping
    }
}

impl Reader {
    /// Reads at the rate of the case until `bytes` bytes of messages have arrived. Answers pings
    /// meanwhile.
    async fn read(&mut self, case: Case, bytes: usize) {
        let mut buffer = vec![0; (case.rate as u128 * STEP.as_millis() / 1000) as usize];
        let mut next = Instant::now();
        while self.received < bytes {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{case:?}: cut after {} KiB", self.received / KIB);
            self.unparsed.extend(&buffer[..read]);
            self.parse().await;
            next += STEP;
            tokio::time::sleep_until(next).await;
        }
    }

    async fn parse(&mut self) {
        while let Some((first, header, length)) = self.header()
            && self.unparsed.len() >= header + length
        {
            let payload: Vec<u8> = self.unparsed.drain(..header + length).skip(header).collect();
            match first {
                0x89 => self.pong(&payload).await,
                _ => self.received += length,
            }
        }
    }

    /// First byte, length of the header, length of the payload.
    fn header(&self) -> Option<(u8, usize, usize)> {
        let (first, second) = (*self.unparsed.first()?, *self.unparsed.get(1)?);
        Some(match second {
            126 => (first, 4, u16::from_be_bytes(self.unparsed.get(2..4)?.try_into().ok()?).into()),
            127 => (first, 10, u64::from_be_bytes(self.unparsed.get(2..10)?.try_into().ok()?) as usize),
            short => (first, 2, short.into()),
        })
    }

    /// Sends a pong with a mask of zeros.
    async fn pong(&mut self, payload: &[u8]) {
        let pong = [&[0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0][..], payload].concat();
        self.stream.write_all(&pong).await.unwrap();
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (interval, timeout) in [(1, 1), (2, 2), (25, 20)] {
        for rate in [40, 400, 4000] {
            for (buffer, size) in [(64 * KIB, 4 * MIB), (4 * MIB, 4 * MIB), (4 * MIB, 12 * MIB)] {
                cases.push(Case { interval, timeout, rate: rate * KIB, buffer, size });
            }
        }
    }
    cases
}

#[tokio::test(start_paused = true)]
async fn a_slow_download_does_not_count_as_a_dead_peer() {
    for case in cases() {
        let mut reader = case.start();
        reader.read(case, case.size).await;
        // The answer to this close frame must follow everything else.
        reader.stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]).await.unwrap();
        assert_eq!(reader.closed.recv().await.unwrap().code(), 1000, "{case:?}");
        assert_eq!(reader.received, case.size, "{case:?}: nothing is lost");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_detected_within_the_time_for_its_unread_bytes() {
    for case in cases() {
        let mut reader = case.start();
        reader.read(case, case.size / 4).await;
        let stopped = Instant::now();
        assert_eq!(reader.closed.recv().await, Some(CloseReason::Heartbeat), "{case:?}");
        assert!(stopped.elapsed() <= case.bound(case.size / 4) + STEP, "{case:?}: {:?}", stopped.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_with_few_unread_bytes_is_detected_as_early_as_an_idle_one() {
    let case = Case { interval: 25, timeout: 20, rate: 4000 * KIB, buffer: 4 * MIB, size: 0 };
    let mut reader = case.start();
    let began = Instant::now();
    assert_eq!(reader.closed.recv().await, Some(CloseReason::Heartbeat));
    assert_eq!(began.elapsed().as_secs(), 45);
}

#[tokio::test(start_paused = true)]
async fn a_pong_with_a_forged_count_shortens_only_the_time_of_its_sender() {
    let case = Case { interval: 1, timeout: 1, rate: 40 * KIB, buffer: 4 * MIB, size: 4 * MIB };
    for (count, within) in [(u64::MAX, case.bound(0)), (4 << 20, Duration::from_secs(4))] {
        let mut reader = case.start();
        let began = Instant::now();
        // The pong claims bytes that the peer has not read, and the peer sends nothing else.
        sleep(Duration::from_millis(500)).await;
        reader.pong(&count.to_be_bytes()).await;
        let reason = timeout(case.bound(0) * 2, reader.closed.recv()).await.unwrap();
        assert_eq!(reason, Some(CloseReason::Heartbeat), "{count}");
        assert!(began.elapsed() <= within, "{count}: {:?}", began.elapsed());
    }
}

/// Waits a second for each message, then answers with more bytes than may wait for the peer.
struct Answers(mpsc::UnboundedSender<CloseReason>);

impl Controller for Answers {
    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        sleep(Duration::from_secs(1)).await;
        for _ in 0..8 {
            conn.send(vec![7; 512 * KIB]).await?;
        }
        Ok(())
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.0.send(reason)?)
    }
}

/// Returns the peer of a connection to [`Answers`] whose inbox is full.
async fn flooded(buffer: usize) -> (DuplexStream, mpsc::UnboundedReceiver<CloseReason>) {
    let (sender, closed) = mpsc::unbounded_channel();
    let (near, mut far) = tokio::io::duplex(buffer);
    let life = tests::life(&Arc::new(Live::default()));
    tokio::spawn(serve(Arc::new(Answers(sender)), near, life));
    far.write_all(&[0x81, 0x80, 0, 0, 0, 0].repeat(100)).await.unwrap();
    (far, closed)
}

#[tokio::test(start_paused = true)]
async fn while_a_callback_waits_and_the_inbox_is_full_a_peer_that_reads_nothing_is_detected() {
    let (_far, mut closed) = flooded(64 * KIB).await;
    let reason = timeout(Duration::from_secs(400), closed.recv()).await.expect("it is found");
    assert_eq!(reason, Some(CloseReason::Heartbeat));
}

#[tokio::test(start_paused = true)]
async fn while_a_callback_waits_and_the_inbox_is_full_a_peer_that_reads_slowly_is_not_cut() {
    for buffer in [64 * KIB, 4 * MIB] {
        let (mut far, mut closed) = flooded(buffer).await;
        let mut received = 0;
        while received < 12 * MIB {
            sleep(Duration::from_millis(500)).await;
            received += far.read(&mut [0; 20 * KIB]).await.unwrap();
            assert!(closed.try_recv().is_err(), "after {received} bytes");
        }
    }
}

/// Passes its connection to the test in each message, and waits there for [`Connection::closed`].
struct Waits(mpsc::UnboundedSender<Connection>);

impl Controller for Waits {
    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        self.0.send(conn.clone())?;
        conn.closed().await;
        Ok(self.0.send(conn.clone())?)
    }
}

#[tokio::test(start_paused = true)]
async fn reading_continues_as_soon_as_no_more_than_64_kib_wait_for_the_peer() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let (near, mut far) = tokio::io::duplex(64 * KIB);
    let life = tests::life(&Arc::new(Live::default()));
    tokio::spawn(serve(Arc::new(Waits(sender)), near, life));
    let (text, close) = ([0x81, 0x80, 0, 0, 0, 0], [0x88, 0x80, 0, 0, 0, 0]);
    far.write_all(&text).await.unwrap();
    seen.recv().await.unwrap().push(vec![7; 200_000]).unwrap();
    far.write_all(&[text, text, close].concat()).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    // 134 KiB wait behind the bytes in the pipe, then 74 KiB, then 54 KiB.
    for (read, is_read_from) in [(0, false), (60_000, false), (20_000, true)] {
        far.read_exact(&mut vec![0; read]).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(seen.try_recv().is_ok(), is_read_from, "{read}");
    }
}
