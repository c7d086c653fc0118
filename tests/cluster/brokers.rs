//! The brokers that the rules are tested over.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use ws_core::{
    App, Config,
    config::{BrokerKind, Cluster, ServerConfig, ServerKind},
    hub::ClusterState,
    testing::{TestApp, TestCluster},
};

/// A broker, and the way in which nodes join over it.
pub(crate) enum Broker {
    Memory(TestCluster),
    Redis(Redis),
}

impl Broker {
    /// Starts a node with these settings, and waits until it has joined.
    pub(crate) async fn node(&self, app: App, change: impl FnOnce(&mut Cluster)) -> TestApp {
        let mut config = Config::default();
        config.servers = vec![ServerConfig::new("ws", ServerKind::WebSocket, 0)];
        match self {
            Self::Memory(cluster) => {
                let mut settings = Cluster::default();
                change(&mut settings);
                config.cluster = Some(settings);
                cluster.start(app.config(config)).await
            }
            Self::Redis(redis) => {
                let mut settings = redis.settings();
                change(&mut settings);
                config.cluster = Some(settings);
                let app = TestApp::start(app.config(config)).await;
                let cluster = app.running().hub().cluster();
                eventually("the node joins", || cluster.state() == ClusterState::Up).await;
                app
            }
        }
    }
}

/// A Redis server of the test, in a process of its own.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    options: Vec<String>,
    prefix: String,
}

impl Redis {
    /// Starts a Redis on a free port. Returns `None` if there is none on this machine.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let Some(_) = find("redis-server") else {
            assert!(std::env::var_os("WS_TESTS_NEED_REDIS").is_none(), "redis-server is not installed");
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let (child, port) = loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = spawn(port, &options) {
                break (child, port);
            }
        };
        Some(Self { child, port, options, prefix })
    }

    pub(crate) fn settings(&self) -> Cluster {
        let mut settings = Cluster::new(BrokerKind::Redis, format!("redis://127.0.0.1:{}", self.port));
        settings.prefix = self.prefix.clone();
        settings
    }

    /// Kills the server.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts the server again, empty.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.options).expect("the port is free again");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server and waits until it accepts connections. Returns `None` if the port is taken.
fn spawn(port: u16, options: &[String]) -> Option<Child> {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(options)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..500 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("redis-server does not accept connections");
}

/// Returns the path of a program.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Waits until a condition holds, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not in time: {what}");
}
