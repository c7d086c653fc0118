//! The nodes and the clients of the model, and their sent and received messages.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};
use ws_core::{
    App, Config, Hub,
    config::{Cluster, ServerConfig, ServerKind},
    hub::{ClusterChange, ClusterState, Remote},
    prelude::*,
    testing::{TestApp, TestClient, TestCluster, TestError},
};

use super::Random;
use crate::brokers::{Redis, eventually};

pub(super) const NODES: usize = 3;
pub(super) const ROOMS: usize = 3;
pub(super) const USERS: usize = 3;
/// The close code of a kick.
pub(super) const KICKED: u16 = 4000;

/// The connections of the members of all nodes by their ids.
#[derive(Clone, Default)]
pub(super) struct Members(Arc<Mutex<HashMap<ConnectionId, Connection>>>);

impl Controller for Members {
    async fn on_open(&self, conn: &Connection) -> Result {
        self.0.lock().unwrap().insert(conn.id(), conn.clone());
        Ok(conn.push(conn.id().to_string())?)
    }

    async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
        self.0.lock().unwrap().remove(&conn.id());
        Ok(())
    }
}

/// The broker.
pub(super) enum Net {
    Memory(TestCluster),
    Redis(Cluster),
}

impl Net {
    pub(super) fn memory() -> Self {
        Self::Memory(TestCluster::new())
    }

    pub(super) fn redis(redis: &Redis, prefix: String) -> Self {
        let mut settings = redis.settings();
        settings.prefix = prefix;
        Self::Redis(settings)
    }

    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    async fn node(&self, app: App) -> TestApp {
        let mut config = Config::default();
        config.servers = vec![ServerConfig::new("ws", ServerKind::WebSocket, 0)];
        match self {
            Self::Memory(cluster) => cluster.start(app.config(config)).await,
            Self::Redis(settings) => {
                config.cluster = Some(settings.clone());
                let node = TestApp::start(app.config(config)).await;
                let cluster = node.running().hub().cluster();
                eventually("the node joins", || cluster.state() == ClusterState::Up).await;
                node
            }
        }
    }
}

/// The target of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    All,
    Controller,
    Room(usize),
    User(usize),
    One(ConnectionId),
}

/// A message that was sent.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) from: usize,
    pub(super) goal: Goal,
    pub(super) except: Vec<ConnectionId>,
    pub(super) at: Instant,
    pub(super) is_kick: bool,
    pub(super) remote: Remote,
}

/// An observation of a client, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Push(u64),
    /// Sent before the join.
    Joined(usize),
    /// Sent after the leave.
    Left(usize),
    /// Sent before the connection is identified as the user.
    User(usize),
    Closed(u16),
}

impl Arrival {
    fn parse(text: &str) -> Self {
        let (kind, number) = text.split_at(1);
        let number: u64 = number.parse().unwrap();
        match kind {
            "p" => Self::Push(number),
            "j" => Self::Joined(number as usize),
            "l" => Self::Left(number as usize),
            "u" => Self::User(number as usize),
            _ => panic!("{text:?}"),
        }
    }
}

pub(super) struct Client {
    pub(super) id: ConnectionId,
    pub(super) node: usize,
    pub(super) conn: Connection,
    pub(super) arrivals: Arc<Mutex<Vec<Arrival>>>,
    reader: JoinHandle<()>,
    /// The rooms that it is in, and whether the membership is known to all nodes.
    pub(super) rooms: BTreeMap<usize, bool>,
    pub(super) user: Option<(usize, bool)>,
    /// Whether it may be closed by a kick.
    pub(super) is_kicked: bool,
    pub(super) state: super::check::Received,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Client {
    /// Whether it is a member, and whether all nodes know it.
    pub(super) fn membership(&self, goal: Goal) -> Option<bool> {
        match goal {
            Goal::All | Goal::Controller => Some(true),
            Goal::Room(room) => self.rooms.get(&room).copied(),
            Goal::User(user) => self.user.and_then(|(of, known)| (of == user).then_some(known)),
            Goal::One(id) => (id == self.id).then_some(true),
        }
    }
}

/// The faults between two nodes since the last settlement.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) loses: bool,
    pub(super) delays: bool,
    pub(super) swaps: bool,
}

pub(super) struct Node {
    pub(super) app: TestApp,
    pub(super) changes: Arc<Mutex<Vec<(Instant, ClusterChange)>>>,
    /// The messages that were dropped or are unknown at the last settlement.
    pub(super) unsent: u64,
}

impl Node {
    pub(super) fn hub(&self) -> Hub {
        self.app.running().hub()
    }
}

pub(super) struct World<'a> {
    pub(super) net: Net,
    pub(super) random: Random,
    pub(super) steps: &'a Mutex<Vec<String>>,
    pub(super) nodes: Vec<Node>,
    pub(super) members: Members,
    pub(super) clients: Vec<Client>,
    pub(super) pushes: HashMap<u64, Push>,
    pub(super) next: u64,
    /// The messages that clients have to receive: the number of the push and the client.
    pub(super) owed: BTreeSet<(u64, ConnectionId)>,
    pub(super) faults: [[Faults; NODES]; NODES],
    /// Whether the broker was stopped since the last settlement.
    pub(super) was_out: bool,
    /// The users that were kicked since the last settlement.
    pub(super) kicked_users: BTreeSet<usize>,
    pub(super) began: Instant,
    pub(super) watches: super::watches::Watches,
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        // The controller and its connections own each other.
        self.members.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl<'a> World<'a> {
    pub(super) async fn new(net: Net, random: Random, steps: &'a Mutex<Vec<String>>) -> Self {
        let members = Members::default();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let app = net.node(App::without_registry().controller("/", members.clone())).await;
            let changes: Arc<Mutex<Vec<_>>> = Arc::default();
            let (mut stream, into) = (app.running().hub().cluster().changes(), Arc::clone(&changes));
            tokio::spawn(async move {
                while let Some(change) = stream.next().await {
                    into.lock().unwrap().push((Instant::now(), change));
                }
            });
            nodes.push(Node { app, changes, unsent: 0 });
        }
        Self {
            net,
            random,
            steps,
            nodes,
            members,
            clients: Vec::new(),
            pushes: HashMap::new(),
            next: 0,
            owed: BTreeSet::new(),
            faults: Default::default(),
            was_out: false,
            kicked_users: BTreeSet::new(),
            began: Instant::now(),
            watches: super::watches::Watches::default(),
        }
    }

    /// Runs random steps, and checks everything after each round of them.
    pub(super) async fn run(mut self, rounds: usize, steps: usize) {
        for _ in 0..4 {
            self.connect().await;
        }
        self.watch_all();
        for _ in 0..rounds {
            for _ in 0..steps {
                self.step().await;
                self.read_watches();
            }
            self.settle().await;
        }
    }

    pub(super) fn log(&self, step: String) {
        let at = self.began.elapsed();
        self.steps.lock().unwrap().push(format!("{at:?} {step}"));
    }

    pub(super) async fn connect(&mut self) {
        let node = self.random.below(NODES);
        let mut client = self.nodes[node].app.connect("/").await.unwrap();
        let id: ConnectionId = client.next_text().await.unwrap().parse().unwrap();
        self.log(format!("{id} connects to {node}"));
        let arrivals: Arc<Mutex<Vec<_>>> = Arc::default();
        let reader = tokio::spawn(read(client, Arc::clone(&arrivals)));
        let conn = self.members.0.lock().unwrap()[&id].clone();
        self.clients.push(Client {
            id,
            node,
            conn,
            arrivals,
            reader,
            rooms: BTreeMap::new(),
            user: None,
            is_kicked: false,
            state: super::check::Received::default(),
        });
    }

    pub(super) async fn pause(&self, time: Duration) {
        self.log(format!("{time:?} pass"));
        tokio::time::sleep(time).await;
    }
}

async fn read(mut client: TestClient, into: Arc<Mutex<Vec<Arrival>>>) {
    loop {
        match client.next_text().await {
            Ok(text) => into.lock().unwrap().push(Arrival::parse(&text)),
            Err(TestError::TimedOut { .. }) => {}
            Err(TestError::Closed { code, .. }) => return into.lock().unwrap().push(Arrival::Closed(code)),
            Err(error) => panic!("{error}"),
        }
    }
}
