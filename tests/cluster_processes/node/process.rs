//! [`Process`]: the handle of a test for the process of a node.

use std::{path::PathBuf, process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};

use super::{Ask, CONFIG};
use crate::{
    brokers::Redis,
    client::{Client, within},
};

/// The time between two heartbeats, and the time after which a silent node is gone.
const HEARTBEAT: Duration = Duration::from_millis(500);
const NODE_TIMEOUT: Duration = Duration::from_secs(2);

/// The broker of a node, and its heartbeats.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) kind: &'static str,
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) heartbeat: Duration,
    pub(crate) node_timeout: Duration,
    /// The offset of the wall clock, if it is wrong.
    pub(crate) clock: Option<WrongClock>,
}

/// A wall clock with an offset, by libfaketime.
#[derive(Clone, Debug)]
pub(crate) struct WrongClock {
    pub(crate) library: PathBuf,
    /// Such as `+1h`.
    pub(crate) offset: &'static str,
}

impl Settings {
    fn of_redis(redis: &Redis, prefix: &str) -> Self {
        let (kind, url) = ("redis", format!("redis://127.0.0.1:{}", redis.port));
        let (heartbeat, node_timeout) = (HEARTBEAT, NODE_TIMEOUT);
        Self { kind, url, prefix: prefix.into(), heartbeat, node_timeout, clock: None }
    }
}

/// A node in a process. It is killed on drop.
pub(crate) struct Process {
    child: Child,
    address: String,
    said: Arc<std::sync::Mutex<Vec<String>>>,
    /// The tasks that read the output. They end with the process.
    output: [JoinHandle<()>; 2],
}

impl Process {
    /// Starts a node, and waits until it has joined the cluster.
    pub(crate) async fn start(redis: &Redis, prefix: &str, name: &str) -> Self {
        Self::start_with(&Settings::of_redis(redis, prefix), name).await
    }

    /// Starts a node with these settings, and waits until it has joined the cluster.
    pub(crate) async fn start_with(settings: &Settings, name: &str) -> Self {
        let Settings { kind, url, prefix, heartbeat, node_timeout, clock } = settings;
        let config = format!(
            "[[servers]]\nname = \"ws\"\nport = 0\n\
             [servers.limits]\nrooms = 1000\noutbox_messages = 1000000\noutbox_bytes = \"256MiB\"\n\
             [cluster]\nkind = \"{kind}\"\nurl = \"{url}\"\nprefix = \"{prefix}\"\nname = \"{name}\"\n\
             heartbeat = \"{}ms\"\nnode_timeout = \"{}ms\"\n",
            heartbeat.as_millis(),
            node_timeout.as_millis()
        );
        let mut command = Command::new(std::env::current_exe().unwrap());
        if let Some(WrongClock { library, offset }) = clock {
            command.env("LD_PRELOAD", library).env("FAKETIME", offset);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let mut child = command
            .args(["node::serves", "--exact", "--ignored", "--nocapture"])
            .env(CONFIG, config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
        // All output is kept, because a full pipe would stop the node.
        let errors =
            tokio::spawn(keep(BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&said)));
        let (mut address, mut has_joined) = (None, false);
        within("the start of a node", async {
            while address.is_none() || !has_joined {
                let line = lines.next_line().await.unwrap().expect("the node has ended");
                if let Some((_, of)) =
                    line.split_once("listening").and_then(|(_, it)| it.split_once("address="))
                {
                    address = Some(of.to_owned());
                }
                has_joined |= line.contains("the cluster is joined");
                said.lock().unwrap().push(line);
            }
        })
        .await;
        let output = [errors, tokio::spawn(keep(lines, Arc::clone(&said)))];
        Self { child, address: address.unwrap(), said, output }
    }

    /// Waits until the node knows this number of nodes, with itself.
    pub(crate) async fn knows(&self, nodes: usize) {
        let mut client = self.connect().await;
        within("the nodes know each other", async {
            while client.ask(&Ask::Nodes).await != nodes.to_string() {}
        })
        .await;
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::connect(&self.address).await
    }

    /// Connects a client that receives the changes of the cluster.
    pub(crate) async fn watch(&self) -> Client {
        let mut client = self.connect().await;
        assert_eq!(client.ask(&Ask::Watch).await, "watching");
        client
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Waits until the process has ended by itself, and checks that it has not failed.
    pub(crate) async fn ended(&mut self) {
        let status = within("the end of a process", self.child.wait()).await.unwrap();
        within("the end of its output", futures_util::future::join_all(&mut self.output)).await;
        assert!(status.success(), "{status}");
        self.has_not_panicked();
    }

    /// Checks that the output so far has no panic.
    pub(crate) fn has_not_panicked(&self) {
        let has_panicked = |line: &&String| line.contains("panicked");
        let panics: Vec<String> = self.said.lock().unwrap().iter().filter(has_panicked).cloned().collect();
        assert!(panics.is_empty(), "{panics:?}");
    }

    /// Sends SIGKILL, and waits until the process is gone.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Keeps all lines of an output.
async fn keep(mut lines: Lines<impl AsyncBufRead + Unpin>, into: Arc<std::sync::Mutex<Vec<String>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        into.lock().unwrap().push(line);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: {:#?}", self.address, self.said.lock().unwrap());
        }
    }
}

/// Lets one test run at a time: each has several processes, and their heartbeats have deadlines.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::const_new(());
    ONE.lock().await
}
