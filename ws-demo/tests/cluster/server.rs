//! The server of a broker, in a process of its own.

use std::{
    env,
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running server, which is killed when it is dropped.
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a Redis on a free port. Returns `None` if Redis is not installed, unless
    /// `WS_TESTS_NEED_REDIS` is set.
    pub(super) fn redis() -> Option<Self> {
        is_installed("redis-server", "WS_TESTS_NEED_REDIS").then(|| Self::start(redis))
    }

    /// Starts a NATS server on a free port. Returns `None` if NATS is not installed, unless
    /// `WS_TESTS_NEED_NATS` is set.
    pub(super) fn nats() -> Option<Self> {
        let command = |port: &str| {
            let mut command = Command::new("nats-server");
            command.args(["--addr", "127.0.0.1", "--port", port]).stderr(Stdio::null());
            command
        };
        is_installed("nats-server", "WS_TESTS_NEED_NATS").then(|| Self::start(command))
    }

    fn start(command: impl Fn(&str) -> Command) -> Self {
        loop {
            let port = free_port();
            if let Some(child) = spawn(command(&port.to_string()), port) {
                return Self { child, port };
            }
        }
    }

    /// Starts a Redis on this port.
    pub(super) fn redis_on(port: u16) -> Self {
        Self { child: spawn(redis(&port.to_string()), port).expect("the port is free"), port }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn redis(port: &str) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--port", port, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]);
    command
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether this program is installed. Without it, this prints that the test is skipped, or fails if
/// the variable is set.
pub(super) fn is_installed(program: &str, needed: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_installed = env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !is_installed {
        assert!(env::var_os(needed).is_none(), "{program} is not installed");
        // Written to the stream directly, because the captured output of a passing test is not
        // shown.
        let _ = writeln!(std::io::stderr(), "skipped: a test needs {program}, which is not installed");
    }
    is_installed
}

/// Starts a server and waits until it accepts connections. Returns `None` if the port is taken.
fn spawn(mut command: Command, port: u16) -> Option<Child> {
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..1000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{command:?} does not accept connections");
}
