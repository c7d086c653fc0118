//! The time from a publish on one node to its arrival at a member on the other one, at 10 000
//! messages per second. Sender and receiver are two threads of this process, so there is one clock.
//! Nothing is pinned.

use std::{
    io::{BufReader, Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    Dialect, Setting,
    broker::{Broker, Kind},
    nodes,
    report::Row,
};
use crate::{machine, stats::of_rank};

const BYTES: usize = 64;
const PER_SECOND: u64 = 10_000;
/// The digits of the time in a message.
const DIGITS: usize = 16;

pub(super) fn run(dialect: Dialect, kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let broker = Broker::start(kind)?;
    let receiving = nodes::start(dialect, Some(&broker), None)?;
    let publishing = nodes::start(dialect, Some(&broker), None)?;
    let member = dialect.open_member(receiving.endpoint())?;
    let publisher = dialect.open(publishing.endpoint())?;
    let warm_up = setting.options.seconds / 2;
    let messages = ((warm_up + 3 * setting.options.seconds).as_secs_f64() * PER_SECOND as f64) as u64;
    let began = Instant::now();
    let mut latencies = thread::scope(|scope| {
        let sender = scope.spawn(|| send(dialect, publisher, messages, began));
        let received = receive(dialect, member, messages, began, warm_up);
        sender.join().ok().context("the sender has panicked")??;
        received
    })?;
    latencies.sort_unstable();
    let case = format!("publish to receive, {PER_SECOND} messages/s of {BYTES} B");
    Ok(vec![
        Row::new(format!("{case}, p50"), "ms", of_rank(&latencies, 0.5)),
        Row::new(format!("{case}, p99"), "ms", of_rank(&latencies, 0.99)),
    ])
}

/// Sends at the rate. After a late wake-up it sends all messages that are due.
fn send(dialect: Dialect, mut stream: TcpStream, messages: u64, began: Instant) -> anyhow::Result<()> {
    for number in 0..messages {
        let due = began + Duration::from_nanos(number * 1_000_000_000 / PER_SECOND);
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::sleep(left);
        }
        stream.write_all(&dialect.publication(&stamped(began.elapsed())))?;
    }
    Ok(())
}

/// Receives all messages, and returns the time of each, without those of the warm-up.
fn receive(
    dialect: Dialect,
    stream: TcpStream,
    messages: u64,
    began: Instant,
    warm_up: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let example = dialect.delivery(&stamped(Duration::ZERO));
    let place = example.windows(DIGITS).position(|window| window == [b'0'; DIGITS]);
    let place = place.context("a delivery contains its text")?;
    let mut stream = BufReader::with_capacity(64 << 10, stream);
    let (mut frame, mut latencies) = (vec![0; example.len()], Vec::new());
    for _ in 0..messages {
        stream.read_exact(&mut frame).context("a message is missing")?;
        let now = began.elapsed();
        ensure!(
            frame[..place] == example[..place] && frame[place + DIGITS..] == example[place + DIGITS..],
            "another frame was received"
        );
        let nanos = std::str::from_utf8(&frame[place..place + DIGITS])?.parse()?;
        let sent = Duration::from_nanos(nanos);
        if sent >= warm_up {
            latencies.push(now - sent);
        }
    }
    Ok(latencies)
}

fn stamped(time: Duration) -> String {
    format!("{:0DIGITS$}{}", time.as_nanos(), "x".repeat(BYTES - DIGITS))
}
