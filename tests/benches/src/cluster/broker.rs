//! The brokers of a measurement: each a process of its own, without persistence.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use crate::process::ServerProcess;

/// The longest time of an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The channel of `redis-benchmark`, as long as the name of the room's channel.
const CHANNEL: &str = "ws:1:r:Node:lobby";

/// The kind of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Redis,
    Nats,
}

impl Kind {
    /// Fails if the server is not installed.
    pub(super) fn check(self) -> anyhow::Result<()> {
        let output = Command::new(self.program()).arg("--version").output();
        output.with_context(|| format!("`{}` is not installed", self.program()))?;
        Ok(())
    }

    fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    fn start_at(self, address: SocketAddr) -> anyhow::Result<ServerProcess> {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let mut command = Command::new(self.program());
        match self {
            Self::Redis => {
                command.args(["--bind", &ip, "--port", &port, "--save", "", "--appendonly", "no"]);
            }
            Self::Nats => {
                command.args(["--addr", &ip, "--port", &port, "--log", "/dev/null"]);
            }
        }
        ServerProcess::start_at(command, address)
            .with_context(|| format!("`{}` did not start", self.program()))
    }
}

pub(super) struct Broker {
    kind: Kind,
    pub(super) process: ServerProcess,
    address: SocketAddr,
}

impl Broker {
    /// Starts it on a free port.
    pub(super) fn start(kind: Kind) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { kind, process: kind.start_at(address)?, address })
    }

    /// Kills it, and starts another one on the same port.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = self.kind.start_at(self.address)?;
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        match self.kind {
            Kind::Redis => format!("redis://{}", self.address),
            Kind::Nats => format!("nats://{}", self.address),
        }
    }

    /// Whether Redis has more subscribed channels than this number. For NATS it is always true:
    /// nodes subscribe buckets of rooms there, and count a room when its subscription is confirmed.
    pub(super) fn has_more_channels_than(&self, count: usize) -> anyhow::Result<bool> {
        match self.kind {
            Kind::Redis => Ok(number(&self.info("stats")?, "pubsub_channels:")? > count as u64),
            Kind::Nats => Ok(true),
        }
    }

    /// Returns the messages and bytes that Redis has forwarded so far.
    pub(super) fn traffic(&self) -> anyhow::Result<Traffic> {
        let (stats, commands) = (self.info("stats")?, self.info("commandstats")?);
        let bytes = number(&stats, "total_net_input_bytes:")? + number(&stats, "total_net_output_bytes:")?;
        let published = number(&commands, "cmdstat_publish:calls=")?;
        // The counters do not include these two answers, because Redis reads the counters first.
        Ok(Traffic { published, bytes, own: (stats.len() + commands.len()) as u64 })
    }

    /// A section of the statistics of Redis.
    fn info(&self, section: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(format!("INFO {section}\r\nQUIT\r\n").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Returns the messages per second that `redis-benchmark` publishes on one connection, to a
    /// channel with one subscriber.
    pub(super) fn benchmark(&self, messages: usize, bytes: usize) -> anyhow::Result<f64> {
        let mut subscriber = TcpStream::connect(self.address)?;
        subscriber.set_read_timeout(Some(Duration::from_millis(100)))?;
        subscriber.write_all(format!("SUBSCRIBE {CHANNEL}\r\n").as_bytes())?;
        let is_over = AtomicBool::new(false);
        let output = thread::scope(|scope| {
            scope.spawn(|| discard(&mut subscriber, &is_over));
            let mut command = Command::new("redis-benchmark");
            command.args(["-p", &self.address.port().to_string(), "-c", "1", "-P", "256"]);
            command.args(["-n", &messages.to_string(), "-q", "PUBLISH", CHANNEL, &"x".repeat(bytes)]);
            let output = command.output();
            is_over.store(true, Ordering::Relaxed);
            output
        });
        let output = output.context("`redis-benchmark` is not installed")?;
        ensure!(output.status.success(), "`redis-benchmark` failed");
        per_second(&String::from_utf8_lossy(&output.stdout)).context("`redis-benchmark` has printed no rate")
    }
}

/// Messages that were published, and bytes into and out of Redis.
pub(super) struct Traffic {
    pub(super) published: u64,
    pub(super) bytes: u64,
    /// The bytes of the reading itself.
    own: u64,
}

impl Traffic {
    /// Returns the traffic between two readings.
    pub(super) fn until(&self, end: Self) -> Self {
        let bytes = (end.bytes - self.bytes).saturating_sub(self.own);
        Self { published: end.published - self.published, bytes, own: 0 }
    }

    /// Subtracts the traffic of the same time without a load.
    pub(super) fn without(&self, idle: &Self) -> Self {
        let published = self.published.saturating_sub(idle.published);
        Self { published, bytes: self.bytes.saturating_sub(idle.bytes), own: 0 }
    }
}

/// Returns the number after the start of a line.
fn number(text: &str, start: &str) -> anyhow::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(start));
    let line = line.with_context(|| format!("no line `{start}`"))?;
    let digits = line.split(|character: char| !character.is_ascii_digit()).next();
    Ok(digits.unwrap_or_default().parse()?)
}

/// Reads and discards until it is over.
fn discard(subscriber: &mut TcpStream, is_over: &AtomicBool) {
    let mut buffer = vec![0; 256 << 10];
    while !is_over.load(Ordering::Relaxed) {
        match subscriber.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

/// Returns the last rate in the output of `redis-benchmark -q`.
fn per_second(output: &str) -> Option<f64> {
    let (before, _) = output.rsplit_once(" requests per second")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_redis_benchmark_is_the_last_one() {
        let output = "PUBLISH c x: rps=0.0 (overall: nan)\rPUBLISH c x: 650000.50 requests per second, p50=0.1 msec\n\n";
        assert_eq!(per_second(output), Some(650_000.5));
        assert_eq!(per_second("Could not connect"), None);
    }

    #[test]
    fn the_traffic_of_a_reading_is_not_that_of_the_load() {
        let reading = |published, bytes| Traffic { published, bytes, own: 40 };
        let load = reading(10, 1000).until(reading(25, 1640));
        assert_eq!((load.published, load.bytes), (15, 600));
        let alone = load.without(&reading(5, 0).until(reading(6, 140)));
        assert_eq!((alone.published, alone.bytes), (14, 500));
    }

    #[test]
    fn a_number_of_the_statistics_ends_at_its_line_or_comma() {
        let text = "# Stats\r\npubsub_channels:12\r\ncmdstat_publish:calls=34,usec=5\r\n";
        assert_eq!(number(text, "pubsub_channels:").ok(), Some(12));
        assert_eq!(number(text, "cmdstat_publish:calls=").ok(), Some(34));
        assert!(number(text, "cmdstat_get:calls=").is_err());
    }
}
