//! The brokers that the rules are tested over.

use std::{
    io::Write as _,
    net::TcpListener,
    ops::Deref,
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
    Nats(Nats),
}

impl Broker {
    pub(crate) fn memory() -> Self {
        Self::Memory(TestCluster::new())
    }

    /// Returns `None` without a Redis on this machine.
    pub(crate) fn redis() -> Option<Self> {
        Redis::start(&[]).map(Self::Redis)
    }

    /// Returns `None` without a NATS server on this machine.
    pub(crate) fn nats() -> Option<Self> {
        Nats::start("").map(Self::Nats)
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
            Self::Nats(nats) => nats.settings(),
        };
        change(&mut settings);
        let app = app.config(config(settings));
        match self {
            Self::Memory(cluster) => cluster.start_alone(app).await,
            Self::Redis(_) | Self::Nats(_) => TestApp::start(app).await,
        }
    }

    /// The faults between two nodes, which only the broker in memory has.
    pub(crate) fn faults(&self) -> &TestCluster {
        match self {
            Self::Memory(cluster) => cluster,
            Self::Redis(_) | Self::Nats(_) => panic!("not in memory"),
        }
    }

    /// Stops the broker, which ends all links.
    pub(crate) fn stop(&self) {
        match self {
            Self::Memory(cluster) => cluster.stop_broker(),
            Self::Redis(redis) => redis.kill(),
            Self::Nats(nats) => nats.kill(),
        }
    }

    /// Starts the broker again, empty.
    pub(crate) fn restart(&self) {
        match self {
            Self::Memory(cluster) => cluster.start_broker(),
            Self::Redis(redis) => redis.restart(),
            Self::Nats(nats) => nats.restart(),
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

/// A Redis server of the test.
pub(crate) struct Redis {
    server: Server,
    prefix: String,
}

impl Redis {
    /// Starts a Redis. In the options, `{port}` stands for the port. Returns `None` if Redis is not
    /// installed.
    pub(crate) fn start(options: &[&str]) -> Option<Self> {
        let fixed = ["--port", "{port}", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];
        let server = Server::start("redis-server", "WS_TESTS_NEED_REDIS", &[&fixed[..], options].concat())?;
        Some(Self { server, prefix: prefix() })
    }

    pub(crate) fn settings(&self) -> Cluster {
        self.settings_of(&format!("redis://127.0.0.1:{}", self.port))
    }

    pub(crate) fn settings_of(&self, url: &str) -> Cluster {
        let mut settings = Cluster::new(BrokerKind::Redis, url);
        settings.prefix = self.prefix.clone();
        settings
    }
}

impl Deref for Redis {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// A NATS server of the test.
pub(crate) struct Nats {
    server: Server,
    pub(crate) prefix: String,
    file: PathBuf,
}

impl Nats {
    /// Starts a NATS server with this configuration, in which `{prefix}` stands for the prefix.
    /// Returns `None` if no NATS server is installed.
    pub(crate) fn start(configuration: &str) -> Option<Self> {
        let prefix = prefix();
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let file = folder.join(format!("nats-{}-{prefix}.conf", std::process::id()));
        std::fs::write(&file, configuration.replace("{prefix}", &prefix)).unwrap();
        let options = ["--addr", "127.0.0.1", "--port", "{port}", "--config", file.to_str().unwrap()];
        let server = Server::start("nats-server", "WS_TESTS_NEED_NATS", &options)?;
        Some(Self { server, prefix, file })
    }

    /// Replaces the configuration. The server reads it when it starts again.
    pub(crate) fn configure(&self, configuration: &str) {
        std::fs::write(&self.file, configuration.replace("{prefix}", &self.prefix)).unwrap();
    }

    pub(crate) fn settings(&self) -> Cluster {
        self.settings_of(&format!("nats://127.0.0.1:{}", self.port))
    }

    pub(crate) fn settings_of(&self, url: &str) -> Cluster {
        let mut settings = Cluster::new(BrokerKind::Nats, url);
        settings.prefix = self.prefix.clone();
        settings
    }
}

impl Deref for Nats {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Returns a prefix that no other test of this process has.
fn prefix() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The server of a broker, in a process of its own.
pub(crate) struct Server {
    child: Mutex<Child>,
    pub(crate) port: u16,
    program: &'static str,
    options: Vec<String>,
}

impl Server {
    /// Starts a server on a free port, for which `{port}` stands in the options. Returns `None` if
    /// this machine does not have the server, and panics instead if this variable is set.
    fn start(program: &'static str, needed: &str, options: &[&str]) -> Option<Self> {
        let Some(_) = find(program) else {
            assert!(std::env::var_os(needed).is_none(), "{program} is not installed");
            say_skipped(program);
            return None;
        };
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = spawn(program, port, &options) {
                return Some(Self { child: Mutex::new(child), port, program, options });
            }
        }
        panic!("{program} does not start with {options:?}");
    }

    /// Kills the server.
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts the server again, empty.
    pub(crate) fn restart(&self) {
        let child = spawn(self.program, self.port, &self.options);
        *self.child.lock().unwrap() = child.expect("the port is free again");
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Starts a server and waits until it accepts connections. Returns `None` if the port is taken.
fn spawn(program: &str, port: u16, options: &[String]) -> Option<Child> {
    let mut child = Command::new(program)
        .args(options.iter().map(|option| option.replace("{port}", &port.to_string())))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
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
    panic!("{program} does not accept connections");
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

/// Prints once for each program that tests are skipped. It is written to the stream itself, because
/// the output of a passing test is not shown.
pub(crate) fn say_skipped(program: &'static str) {
    static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap();
    if !said.contains(&program) {
        said.push(program);
        let _ = writeln!(std::io::stderr(), "skipped: the tests that need {program}, which is not installed");
    }
}
