//! The messages per second from a publisher on one node to a member on the other one. A fixed
//! number is in flight, and all must arrive. Nothing is pinned.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mio::{Events, Poll};

use super::{
    Dialect, Setting,
    broker::{Broker, Kind},
    dialect::Rings,
    nodes,
    report::Row,
};
use crate::{
    load::{
        echo::{EVENTS, TICK},
        lane::{Lane, READ_BYTES},
    },
    machine,
    process::ServerProcess,
};

const BYTES: usize = 256;
/// The number of messages in flight. Both servers have larger buffers.
const UNDER_WAY: u64 = 2048;
/// The messages of `redis-benchmark` for each second of a measurement.
const BENCHMARK: f64 = 700_000.0;
/// The longest time without progress. After it, a message was lost.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(dialect: Dialect, kind: Kind, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let broker = Broker::start(kind)?;
    let receiving = nodes::start(dialect, Some(&broker), None)?;
    let publishing = nodes::start(dialect, Some(&broker), None)?;
    let processes = [&publishing, &receiving, &broker.process];
    let flow = flow(dialect, processes, setting.options.seconds)?;
    let [publishing, receiving, broker] = flow.cpu.map(|cpu| cpu * 1e6 / flow.messages);
    Ok(vec![
        rate(flow.messages / flow.seconds),
        Row::new(named("CPU of the publishing node"), "µs a message", publishing),
        Row::new(named("CPU of the receiving node"), "µs a message", receiving),
        Row::new(named(OF_BROKER), BROKER_UNIT, broker),
    ])
}

const OF_BROKER: &str = "CPU of the broker";
const BROKER_UNIT: &str = "µs a message";

/// The rate of `redis-benchmark` with one connection, pipelines of 256 and one subscriber.
pub(super) fn run_redis(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let broker = Broker::start(Kind::Redis)?;
    let messages = (setting.options.seconds.as_secs_f64() * BENCHMARK) as usize;
    broker.benchmark(messages / 10, BYTES)?;
    let before = broker.process.cpu()?;
    let per_second = broker.benchmark(messages, BYTES)?;
    let cpu = broker.process.cpu()? - before;
    Ok(vec![
        rate(per_second),
        Row::new(named(OF_BROKER), BROKER_UNIT, cpu.as_secs_f64() * 1e6 / messages as f64),
    ])
}

fn named(what: &str) -> String {
    format!("one link, {BYTES} B, {what}")
}

fn rate(per_second: f64) -> Row {
    Row::new(named("messages"), "per second", per_second)
}

/// The messages of a span, and the CPU seconds of the processes.
struct Flow {
    messages: f64,
    seconds: f64,
    cpu: [f64; 3],
}

fn flow(dialect: Dialect, processes: [&ServerProcess; 3], span: Duration) -> anyhow::Result<Flow> {
    let [publishing, receiving, _] = processes;
    let mut pair = Pair::open(dialect, publishing, receiving)?;
    let begun = Instant::now();
    while begun.elapsed() < span / 4 {
        pair.pass(pair.received + UNDER_WAY)?;
    }
    let start = Reading::new(pair.received, processes)?;
    while start.at.elapsed() < span {
        pair.pass(pair.received + UNDER_WAY)?;
    }
    let end = Reading::new(pair.received, processes)?;
    pair.finish()?;
    Ok(start.until(&end))
}

/// A publisher on one node and a member on the other one.
pub(super) struct Pair {
    rings: Rings,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    publisher: Lane,
    member: Lane,
    sent: u64,
    received: u64,
    progress: Instant,
}

impl Pair {
    pub(super) fn open(
        dialect: Dialect,
        publishing: &ServerProcess,
        receiving: &ServerProcess,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let member = Lane::new(&poll, 0, dialect.open_member(receiving.endpoint())?)?;
        let publisher = Lane::new(&poll, 1, dialect.open(publishing.endpoint())?)?;
        Ok(Self {
            rings: dialect.rings(BYTES)?,
            poll,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES],
            publisher,
            member,
            sent: 0,
            received: 0,
            progress: Instant::now(),
        })
    }

    /// Sends this number of messages, and waits until all have arrived.
    pub(super) fn pass_all(&mut self, messages: u64) -> anyhow::Result<()> {
        while self.sent < messages {
            self.pass(messages.min(self.received + UNDER_WAY))?;
        }
        self.finish()
    }

    /// Sends until this number of messages was sent, and receives the messages that have arrived.
    fn pass(&mut self, sent: u64) -> anyhow::Result<()> {
        self.sent = self.sent.max(sent);
        self.publisher.send_up_to(self.sent, &self.rings.requests)?;
        self.poll.poll(&mut self.events, Some(TICK))?;
        let more = self.member.receive(&self.rings.replies, &mut self.buffer)?;
        self.received += more;
        if more > 0 {
            self.progress = Instant::now();
        }
        let missing = self.sent - self.received;
        ensure!(self.progress.elapsed() < PATIENCE, "{missing} messages were lost");
        Ok(())
    }

    /// Waits until all messages have arrived.
    fn finish(&mut self) -> anyhow::Result<()> {
        while self.received < self.sent {
            self.pass(self.sent)?;
        }
        Ok(())
    }
}

/// All clocks at one moment.
struct Reading {
    at: Instant,
    received: u64,
    cpu: [f64; 3],
}

impl Reading {
    fn new(received: u64, processes: [&ServerProcess; 3]) -> anyhow::Result<Self> {
        let mut cpu = [0.0; 3];
        for (cpu, process) in cpu.iter_mut().zip(processes) {
            *cpu = process.cpu()?.as_secs_f64();
        }
        Ok(Self { at: Instant::now(), received, cpu })
    }

    fn until(&self, end: &Self) -> Flow {
        let mut cpu = end.cpu;
        cpu.iter_mut().zip(self.cpu).for_each(|(end, start)| *end -= start);
        let messages = (end.received - self.received) as f64;
        Flow { messages, seconds: (end.at - self.at).as_secs_f64(), cpu }
    }
}
