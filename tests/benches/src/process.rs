//! A server as a child process: it is started, observed from outside, and killed when it is
//! dropped.

use std::{
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    time::{ClockId, clock_getcpuclockid},
    unistd::Pid,
};

use crate::{
    server::Server,
    servers::{ANNOUNCEMENT, PATH, Task},
};

/// The longest that a peer may take until its port accepts connections; valgrind makes it slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two attempts to connect to a peer that starts.
const RETRY: Duration = Duration::from_millis(10);

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    /// The path of the handshake's request; `None` if the server echoes plain TCP.
    pub(crate) path: Option<String>,
}

/// A running server in a process of its own, so that the CPU time and memory of the process are
/// those of the server.
pub(crate) struct ServerProcess {
    child: KilledOnDrop,
    clock: ClockId,
    endpoint: Endpoint,
}

impl ServerProcess {
    /// Starts a server, and waits until it listens. The wrapper is a command that replaces itself
    /// by the command in its last arguments, such as `taskset`.
    pub(crate) fn start(server: &Server, task: Task, wrapper: Option<Command>) -> anyhow::Result<Self> {
        Self::try_start(server, task, wrapper)
            .with_context(|| format!("the server `{}` did not start", server.name()))
    }

    fn try_start(server: &Server, task: Task, wrapper: Option<Command>) -> anyhow::Result<Self> {
        let mut command = wrapped(server.command(task)?, wrapper)?;
        match server {
            Server::BuiltIn(_) => Self::announcing(command, server.speaks_websocket().then_some(PATH)),
            Server::Peer(peer) => {
                let address = peer.endpoint.address;
                ensure!(TcpStream::connect(address).is_err(), "another process listens on {address}");
                let mut child = KilledOnDrop::spawn(command.stdout(Stdio::null()))?;
                wait_until_accepting(&mut child.0, address)?;
                Self::new(child, peer.endpoint.clone())
            }
        }
    }

    /// Starts this program with these arguments, and waits until it announces its address.
    pub(crate) fn start_self(
        arguments: impl IntoIterator<Item = OsString>,
        path: &str,
        wrapper: Option<Command>,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.into();
        Self::announcing(wrapped([program].into_iter().chain(arguments), wrapper)?, Some(path))
    }

    /// Starts a server that does not announce its address, and waits until it accepts connections.
    pub(crate) fn start_at(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let mut child = KilledOnDrop::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()))?;
        wait_until_accepting(&mut child.0, address)?;
        Self::new(child, Endpoint { address, path: None })
    }

    fn announcing(mut command: Command, path: Option<&str>) -> anyhow::Result<Self> {
        let mut child = KilledOnDrop::spawn(command.stdout(Stdio::piped()))?;
        let address = announced(child.0.stdout.take().context("no output")?)?;
        Self::new(child, Endpoint { address, path: path.map(str::to_owned) })
    }

    fn new(child: KilledOnDrop, endpoint: Endpoint) -> anyhow::Result<Self> {
        let clock = clock_getcpuclockid(pid_of(&child.0)?)?;
        Ok(Self { child, clock, endpoint })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The CPU time of all its threads so far, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.clock.now().context("the server has ended")?.into())
    }

    /// Returns the bytes of resident memory. Memory of the kernel for its sockets is not included.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes_of(&self.child.0.id().to_string())
    }

    /// Asks it to end.
    pub(crate) fn begin_to_stop(&self) -> anyhow::Result<()> {
        Ok(kill(pid_of(&self.child.0)?, Signal::SIGTERM)?)
    }

    /// Waits until it has ended; fails if it says that something went wrong.
    pub(crate) fn ended(mut self) -> anyhow::Result<()> {
        let status = self.child.0.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// Kills it, and waits until it has ended.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.0.kill()?;
        self.child.0.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has ended: a profiler around it writes its results at the
    /// end.
    pub(crate) fn terminate(mut self) -> anyhow::Result<()> {
        kill(pid_of(&self.child.0)?, Signal::SIGTERM)?;
        self.child.0.wait()?;
        Ok(())
    }
}

/// The resident bytes of a process: its number, or `self`.
pub(crate) fn resident_bytes_of(process: &str) -> anyhow::Result<u64> {
    bytes_in(&format!("/proc/{process}/smaps_rollup"), "Rss:")
}

/// The bytes in the line of a file below `/proc` that begins with this name.
pub(crate) fn bytes_in(path: &str, name: &str) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.with_context(|| format!("no line `{name}`"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024)
}

/// The command of these words, behind the wrapper if there is one.
fn wrapped(words: impl IntoIterator<Item = OsString>, wrapper: Option<Command>) -> anyhow::Result<Command> {
    let mut words = words.into_iter();
    let program = words.next().context("the command is empty")?;
    let mut command = match wrapper {
        Some(mut wrapper) => {
            wrapper.arg(program);
            wrapper
        }
        None => Command::new(program),
    };
    command.args(words).stdin(Stdio::null());
    Ok(command)
}

/// A child process that is killed when this value is dropped.
struct KilledOnDrop(Child);

impl KilledOnDrop {
    fn spawn(command: &mut Command) -> anyhow::Result<Self> {
        let program = command.get_program().to_owned();
        Ok(Self(command.spawn().with_context(|| format!("{} cannot be run", program.display()))?))
    }
}

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the address that a built-in server prints once it listens.
fn announced(output: ChildStdout) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let address = line.trim().strip_prefix(ANNOUNCEMENT).context("the server ended before it listened")?;
    Ok(address.parse()?)
}

fn wait_until_accepting(child: &mut Child, address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("the server ended before it listened: {status}");
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "the server does not listen on {address} after {} s",
            PATIENCE.as_secs()
        );
        thread::sleep(RETRY);
    }
    Ok(())
}

fn pid_of(child: &Child) -> anyhow::Result<Pid> {
    Ok(Pid::from_raw(child.id().try_into()?))
}
