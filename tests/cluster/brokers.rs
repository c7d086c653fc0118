//! The brokers that the rules are tested over.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
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
    pub(crate) fn memory() -> Self {
        Self::Memory(TestCluster::new())
    }

    /// Returns `None` if there is no Redis on this machine.
    pub(crate) fn redis() -> Option<Self> {
        Redis::start(&[]).map(Self::Redis)
    }

    /// Starts a node with these settings, and waits until it has joined.
    pub(crate) async fn node(&self, app: App, change: impl FnOnce(&mut Cluster)) -> TestApp {
        let app = self.start(app, change).await;
        let cluster = app.running().hub().cluster();
        eventually("the node joins", || cluster.state() == ClusterState::Up).await;
        app
    }

    /// Starts a node with these settings, and does not wait until it has joined.
    pub(crate) async fn start(&self, app: App, change: impl FnOnce(&mut Cluster)) -> TestApp {
        let mut settings = match self {
            Self::Memory(_) => Cluster::default(),
            Self::Redis(redis) => redis.settings(),
        };
        change(&mut settings);
        let app = app.config(config(settings));
        match self {
            Self::Memory(cluster) => cluster.start_alone(app).await,
            Self::Redis(_) => TestApp::start(app).await,
        }
    }

    /// Stops the broker, which ends all links.
    pub(crate) fn stop(&self) {
        match self {
            Self::Memory(cluster) => cluster.stop_broker(),
            Self::Redis(redis) => redis.kill(),
        }
    }

    /// Starts the broker again, empty.
    pub(crate) fn restart(&self) {
        match self {
            Self::Memory(cluster) => cluster.start_broker(),
            Self::Redis(redis) => redis.restart(),
        }
    }
}

/// The configuration of a node.
pub(crate) fn config(cluster: impl Into<Option<Cluster>>) -> Config {
    let mut config = Config::default();
    config.servers = vec![ServerConfig::new("ws", ServerKind::WebSocket, 0)];
    config.cluster = cluster.into();
    config
}

/// A Redis server of the test, in a process of its own.
pub(crate) struct Redis {
    child: Mutex<Child>,
    pub(crate) port: u16,
    options: Vec<String>,
    prefix: String,
}

impl Redis {
    /// Starts a Redis on a free port. In the options, `{port}` stands for the port. Returns `None`
    /// if there is no Redis on this machine.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let Some(_) = find("redis-server") else {
            assert!(std::env::var_os("WS_TESTS_NEED_REDIS").is_none(), "redis-server is not installed");
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = spawn(port, &options) {
                return Some(Self { child: Mutex::new(child), port, options, prefix });
            }
        }
        panic!("redis-server does not start with {options:?}");
    }

    pub(crate) fn settings(&self) -> Cluster {
        self.settings_of(&format!("redis://127.0.0.1:{}", self.port))
    }

    pub(crate) fn settings_of(&self, url: &str) -> Cluster {
        let mut settings = Cluster::new(BrokerKind::Redis, url);
        settings.prefix = self.prefix.clone();
        settings
    }

    /// Kills the server.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts the server again, empty.
    pub(crate) fn restart(&self) {
        *self.child.lock().unwrap() = spawn(self.port, &self.options).expect("the port is free again");
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Starts a server and waits until it accepts connections. Returns `None` if the port is taken.
fn spawn(port: u16, options: &[String]) -> Option<Child> {
    let port_option = port.to_string();
    let mut child = Command::new("redis-server")
        .args(["--port", &port_option, "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
        .args(options.iter().map(|option| option.replace("{port}", &port_option)))
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

/// Waits for a future, at most ten seconds.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("in time")
}
