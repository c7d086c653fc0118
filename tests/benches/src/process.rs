//! A server as a child process: started, watched from outside, and gone when dropped.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

use crate::servers::{ANNOUNCEMENT, Server, Task};

/// A running server. Its CPU time and memory are its own, because nothing else runs in its process.
pub(crate) struct ServerProcess {
    child: Child,
    clock: ClockId,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts this program again as a server; without a core it may use all of them.
    pub(crate) fn start(server: Server, task: Task, core: Option<usize>) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("server").arg(server.name()).arg(task.name());
        command.args(core.map(|core| core.to_string()));
        Self::spawn(command).with_context(|| format!("the server `{}` did not start", server.name()))
    }

    /// Runs a command that ends up as a server, and waits until it listens.
    pub(crate) fn spawn(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let clock = clock_getcpuclockid(pid_of(&child)?)?;
        let mut server = Self { child, clock, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix(ANNOUNCEMENT);
        server.address = address.context("it ended before it listened")?.parse()?;
        Ok(server)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The CPU time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.clock.now().context("the server is gone")?.into())
    }

    /// The bytes of memory it has resident now; what the kernel holds for its sockets is not among them.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs::read_to_string(path).context("the server's memory cannot be read")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).context("no line `Rss:`")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kibibytes * 1024)
    }

    /// Asks it to end, and waits until it has: a profiler around it writes its results on the way out.
    pub(crate) fn terminate(mut self) -> anyhow::Result<()> {
        kill(pid_of(&self.child)?, Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may be gone already; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pid_of(child: &Child) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(child.id().try_into()?))
}
