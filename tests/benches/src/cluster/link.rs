//! The messages per second from a publisher on one node to a member on the other one. So many are
//! under way, and all must arrive. Nothing is pinned.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mio::{Events, Poll};

use super::{Dialect, Setting, nodes, redis::Redis, report::Row};
use crate::{
    load::{
        echo::{EVENTS, TICK},
        lane::{Lane, READ_BYTES},
    },
    machine,
    process::ServerProcess,
};

const BYTES: usize = 256;
/// The messages that are under way. Both servers have larger buffers.
const UNDER_WAY: u64 = 2048;
/// The messages of `redis-benchmark` per second of a measurement.
const BENCHMARK: f64 = 700_000.0;
/// Without any progress for so long, something was lost.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn run(dialect: Dialect, setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let redis = Redis::start()?;
    let receiving = nodes::start(dialect, Some(&redis), None)?;
    let publishing = nodes::start(dialect, Some(&redis), None)?;
    let processes = [&publishing, &receiving, &redis.process];
    let flow = flow(dialect, processes, setting.options.seconds)?;
    let [publishing, receiving, redis] = flow.cpu.map(|cpu| cpu * 1e6 / flow.messages);
    Ok(vec![
        rate(flow.messages / flow.seconds),
        Row::new(named("CPU of the publishing node"), "µs a message", publishing),
        Row::new(named("CPU of the receiving node"), "µs a message", receiving),
        Row::new(named("CPU of Redis"), REDIS_UNIT, redis),
    ])
}

const REDIS_UNIT: &str = "µs a message";

/// The rate of `redis-benchmark` with one connection, pipelines of 256 and one subscriber.
pub(super) fn run_redis(setting: &Setting<'_>) -> anyhow::Result<Vec<Row>> {
    machine::pin_to_all(&[setting.cores.server, setting.cores.generator])?;
    let redis = Redis::start()?;
    let messages = (setting.options.seconds.as_secs_f64() * BENCHMARK) as usize;
    redis.benchmark(messages / 10, BYTES)?;
    let before = redis.process.cpu()?;
    let per_second = redis.benchmark(messages, BYTES)?;
    let cpu = redis.process.cpu()? - before;
    Ok(vec![
        rate(per_second),
        Row::new(named("CPU of Redis"), REDIS_UNIT, cpu.as_secs_f64() * 1e6 / messages as f64),
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
    let rings = dialect.rings(BYTES)?;
    let mut poll = Poll::new()?;
    let mut member = Lane::new(&poll, 0, dialect.open_member(receiving.endpoint())?)?;
    let mut publisher = Lane::new(&poll, 1, dialect.open(publishing.endpoint())?)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut events = Events::with_capacity(EVENTS);
    let (mut received, mut sent) = (0, 0);
    let mut progress = Instant::now();
    let begun = Instant::now();
    let (mut start, mut end) = (None, None);
    while end.is_none() || received < sent {
        if end.is_none() {
            sent = received + UNDER_WAY;
        }
        publisher.send_up_to(sent, &rings.requests)?;
        poll.poll(&mut events, Some(TICK))?;
        let more = member.receive(&rings.replies, &mut buffer)?;
        received += more;
        if more > 0 {
            progress = Instant::now();
        }
        ensure!(progress.elapsed() < PATIENCE, "{} messages were lost", sent - received);
        match &start {
            None if begun.elapsed() >= span / 4 => start = Some(Reading::new(received, processes)?),
            Some(start) if end.is_none() && start.at.elapsed() >= span => {
                end = Some(Reading::new(received, processes)?);
            }
            _ => {}
        }
    }
    match (start, end) {
        (Some(start), Some(end)) => Ok(start.until(&end)),
        _ => anyhow::bail!("the span has not ended"),
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
