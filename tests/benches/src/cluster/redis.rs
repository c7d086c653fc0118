//! The Redis of a measurement: a process of its own, on a free port and without persistence.

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

/// The longest time that an answer takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The channel of `redis-benchmark`, as long as the name of the room's channel.
const CHANNEL: &str = "ws:1:r:Node:lobby";

/// Fails if Redis is not installed.
pub(super) fn check() -> anyhow::Result<()> {
    let output = Command::new("redis-server").arg("--version").output();
    output.context("`cluster` needs `redis-server` (6 or later), which is not installed")?;
    Ok(())
}

pub(super) struct Redis {
    pub(super) process: ServerProcess,
    address: SocketAddr,
}

impl Redis {
    /// Starts it on a free port.
    pub(super) fn start() -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { process: start_at(address)?, address })
    }

    /// Kills it, and starts another one on the same port.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process = start_at(self.address)?;
        Ok(())
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The number of subscribed channels.
    pub(super) fn channels(&self) -> anyhow::Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"INFO stats\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let line = text.lines().find_map(|line| line.strip_prefix("pubsub_channels:"));
        Ok(line.context("no line `pubsub_channels:`")?.trim().parse()?)
    }

    /// The messages per second that `redis-benchmark` publishes on one connection, to a channel with
    /// one subscriber.
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

fn start_at(address: SocketAddr) -> anyhow::Result<ServerProcess> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no"]);
    ServerProcess::start_at(command, address).context("`redis-server` did not start")
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

/// The last rate in what `redis-benchmark -q` prints.
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
}
