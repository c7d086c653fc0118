//! A node in a process of its own: this binary, asked for one test that is the server.

use std::{
    ops::Range,
    path::PathBuf,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, Command},
    sync::{Mutex, MutexGuard},
    task::JoinHandle,
};
use ws_core::{
    App, Config,
    connection::SpawnError,
    hub::{Member, Members, Reach, Remote},
    prelude::*,
};

use crate::{
    brokers::Redis,
    client::{Client, within},
};

const CONFIG: &str = "WS_TESTS_NODE";
/// The time between two heartbeats, and the time after which a silent node is gone.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(500);
pub(crate) const NODE_TIMEOUT: Duration = Duration::from_secs(2);
/// The messages that a burst sends before it waits for the broker.
const WINDOW: usize = 100;

/// A command of a test to a node. Each is answered with one text that begins with `=`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Ask {
    /// Joins the rooms, and waits until this is known to all nodes.
    Join(Vec<String>),
    Leave(Vec<String>),
    Identify(String),
    Say {
        room: String,
        text: String,
    },
    /// Pushes the name of each room to the room.
    Call(Vec<String>),
    Tell {
        user: String,
        text: String,
    },
    /// Pushes `<name> <number>` to the room for each of the numbers.
    Burst {
        room: String,
        name: String,
        numbers: Range<usize>,
    },
    /// Does the same from this number on, without an end, and a little slower.
    Endless {
        room: String,
        name: String,
        from: usize,
    },
    Count(String),
    /// Pushes a message to a room, and waits until the broker has accepted it.
    Publish {
        room: String,
        text: String,
    },
    /// The counters of the node, see [`Stats`].
    Stats,
    /// The seconds of the wall clock.
    Clock,
    /// The number of nodes that the node knows, with itself.
    Nodes,
    /// The names of the nodes that the node knows, and the versions that they read.
    Versions,
    /// Answers with each change of the cluster.
    Watch,
    /// Answers with the users of all members of a room, now and after each change.
    Members(String),
    /// Pushes `<name> <number>` to the room for each number below this one when the connection has
    /// ended.
    Farewell {
        room: String,
        name: String,
        numbers: usize,
    },
}

/// The counters of a node that tests compare.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Stats {
    pub(crate) duplicates: u64,
    pub(crate) late: u64,
    pub(crate) malformed: u64,
    pub(crate) unknown: u64,
    pub(crate) subscriptions: u64,
    pub(crate) reconnects: u64,
    pub(crate) tasks: usize,
}

impl Stats {
    fn of(hub: &Hub) -> Self {
        let stats = hub.cluster().stats();
        Self {
            duplicates: stats.duplicates,
            late: stats.late,
            malformed: stats.malformed,
            unknown: stats.unknown,
            subscriptions: stats.subscriptions,
            reconnects: stats.reconnects,
            tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        }
    }
}

struct Node;

/// The last messages of a connection.
#[derive(Clone)]
struct Farewell {
    room: String,
    name: String,
    numbers: usize,
}

impl Controller for Node {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let Message::Text(text) = message else { return Ok(()) };
        let answer = match serde_json::from_str(&text).unwrap() {
            Ask::Join(rooms) => {
                let joined = rooms.iter().map(|room| conn.join_confirmed(room));
                let joined = futures_util::future::join_all(joined).await;
                let is_known = |reach: &Result<_, _>| matches!(reach, Ok(Reach::Cluster));
                format!("joined {}", joined.iter().filter(|reach| is_known(reach)).count())
            }
            Ask::Leave(rooms) => {
                format!("left {}", rooms.iter().filter(|room| conn.leave(room)).count())
            }
            Ask::Identify(user) => {
                conn.identify(&user)?;
                // A new room that is joined later is subscribed later.
                static NUMBER: AtomicU32 = AtomicU32::new(0);
                let fence = format!("fence {}", NUMBER.fetch_add(1, Ordering::Relaxed));
                let reach = conn.join_confirmed(&fence).await?;
                conn.leave(fence);
                format!("identified {reach:?}")
            }
            Ask::Say { room, text } => format!("{:?}", conn.room(room).push(text).remote),
            Ask::Call(rooms) => {
                let queued = rooms.iter().map(|room| conn.room(room).push(&**room).remote);
                format!("called {}", queued.filter(|remote| *remote == Remote::Queued).count())
            }
            Ask::Tell { user, text } => format!("{:?}", conn.hub().user(user).push(text).remote),
            Ask::Burst { room, name, numbers } => {
                let of = conn.clone();
                conn.spawn(async move {
                    of.push(format!("={}", burst(&of, &room, &name, numbers).await)).unwrap()
                })?;
                return Ok(());
            }
            Ask::Endless { room, name, from } => {
                let of = conn.clone();
                conn.spawn(async move {
                    for start in (from..).step_by(WINDOW) {
                        burst(&of, &room, &name, start..start + WINDOW).await;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                })?;
                return Ok(());
            }
            Ask::Count(room) => format!("{:?}", conn.room(room).count().await),
            Ask::Publish { room, text } => {
                format!("{:?}", conn.room(room).in_turns().push(text).await.remote)
            }
            Ask::Stats => serde_json::to_string(&Stats::of(&conn.hub())).unwrap(),
            Ask::Clock => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                now.as_secs().to_string()
            }
            Ask::Nodes => conn.hub().cluster().nodes().len().to_string(),
            Ask::Versions => {
                let nodes = conn.hub().cluster().nodes();
                let mut nodes: Vec<_> = nodes.into_iter().map(|node| (node.name, node.versions)).collect();
                nodes.sort();
                format!("{nodes:?}")
            }
            Ask::Watch => {
                let mut changes = conn.hub().cluster().changes();
                until_closed(conn, |of| async move {
                    while let Some(change) = changes.next().await {
                        if of.push(format!("={change:?}")).is_err() {
                            return;
                        }
                    }
                })?;
                "watching".to_owned()
            }
            Ask::Members(room) => {
                let mut members = conn.room(room).members();
                until_closed(conn, |of| async move {
                    while of.push(format!("={}", users(&members))).is_ok() && members.next().await.is_some() {
                    }
                })?;
                return Ok(());
            }
            Ask::Farewell { room, name, numbers } => {
                conn.context().set(Farewell { room, name, numbers });
                "kept".to_owned()
            }
        };
        Ok(conn.push(format!("={answer}"))?)
    }

    async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
        if let Some(Farewell { room, name, numbers }) = conn.context().get() {
            let room = conn.room(room);
            (0..numbers).for_each(|number| {
                room.push(format!("{name} {number}"));
            });
        }
        Ok(())
    }
}

/// Runs a task until the connection closes, which would wait for it otherwise.
fn until_closed<F: Future<Output = ()> + Send + 'static>(
    conn: &Connection,
    task: impl FnOnce(Connection) -> F,
) -> Result<(), SpawnError> {
    let (task, of) = (task(conn.clone()), conn.clone());
    conn.spawn(async move {
        tokio::select! {
            () = task => {}
            () = of.closed() => {}
        }
    })
}

/// The users of the present members, sorted.
fn users(members: &Members) -> String {
    let user = |member: Member| member.user.map_or("nobody".to_owned(), |user| user.to_string());
    let mut users: Vec<String> = members.current().into_iter().map(user).collect();
    users.sort();
    users.join(" ")
}

/// Pushes many messages, no faster than the broker accepts them.
async fn burst(conn: &Connection, room: &str, name: &str, numbers: Range<usize>) -> String {
    let room = conn.room(room);
    for number in numbers {
        let text = format!("{name} {number}");
        let (remote, expected) = if number % WINDOW == WINDOW - 1 {
            (room.in_turns().push(text).await.remote, Remote::Accepted)
        } else {
            (room.push(text).remote, Remote::Queued)
        };
        if remote != expected {
            return format!("{remote:?} at {number}");
        }
    }
    "done".to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a server that other tests run in a process of its own"]
async fn serves() {
    let Ok(config) = std::env::var(CONFIG) else { return };
    tracing_subscriber::fmt().with_ansi(false).init();
    let config = Config::from_toml_str(&config, CONFIG).unwrap();
    App::without_registry().controller("/", Node).config(config).run().await.unwrap();
}

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
        // Nothing may be lost of the output, and a full pipe would stop the node.
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

    /// Waits until the process has ended by itself, and checks that nothing has failed in it.
    pub(crate) async fn ended(&mut self) {
        let status = within("the end of a process", self.child.wait()).await.unwrap();
        within("the end of its output", futures_util::future::join_all(&mut self.output)).await;
        assert!(status.success(), "{status}");
        self.has_not_panicked();
    }

    /// Checks that there is no panic in the output so far.
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
