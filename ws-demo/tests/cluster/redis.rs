//! A Redis server of one test, in a process of its own.

use std::{
    env,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running server, which is killed when it is dropped.
pub(super) struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// Starts a server on a free port. Returns `None` if Redis is not installed, unless
    /// `WS_TESTS_NEED_REDIS` is set.
    pub(super) fn start() -> Option<Self> {
        is_installed().then(|| {
            loop {
                let port = free_port();
                if let Some(child) = spawn(port) {
                    return Self { child, port };
                }
            }
        })
    }

    /// Starts a server on this port.
    pub(super) fn start_on(port: u16) -> Self {
        Self { child: spawn(port).expect("the port is free"), port }
    }

    /// The address, for `WS__CLUSTER__URL`.
    pub(super) fn url(&self) -> String {
        url(self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of a server on this port.
pub(super) fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether there is a `redis-server`. Without one it prints that the test is skipped.
pub(super) fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_installed = env::split_paths(&path).any(|folder| folder.join("redis-server").is_file());
    if !is_installed {
        assert!(env::var_os("WS_TESTS_NEED_REDIS").is_none(), "redis-server is not installed");
        eprintln!("skipped: redis-server is not installed");
    }
    is_installed
}

/// Starts a server and waits until it accepts connections. Returns `None` if the port is taken.
fn spawn(port: u16) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..1000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not accept connections");
}
