//! A node in a process of its own: this binary runs one ignored test, which is the server.

mod process;

use std::{
    ops::Range,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};
use ws_core::{
    App, Config,
    connection::SpawnError,
    hub::{Member, Members, Reach, Remote},
    prelude::*,
};

pub(crate) use self::process::{Process, Settings, WrongClock, alone};

const CONFIG: &str = "WS_TESTS_NODE";
/// The messages that a burst sends before it waits for the broker.
const WINDOW: usize = 100;

/// A command of a test to a node. Each is answered with one text that begins with `=`.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Ask {
    /// Joins the rooms, and waits until all nodes know it.
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
    /// Does the same from this number on, without end, and a little slower.
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
    /// Pushes `<name> <number>` to the room for each number below this one after the connection has
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

/// Runs a task until the connection closes. Otherwise the close would wait for the task.
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
