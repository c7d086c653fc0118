//! [`TestCluster`]: several nodes of one application in one process, joined by a broker in memory.

use std::time::Duration;

use super::{TestApp, fail};
use crate::{
    app::App,
    config,
    hub::{
        Connector,
        memory::{Fault, MemoryBroker},
    },
};

/// The time that a node has to join.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster in memory: each node is a [`TestApp`], and the broker is part of the test.
///
/// The messages take the same way as through a real broker. Faults are set
/// [between](Self::between) two nodes, and the broker can be stopped. With paused time, outages and
/// timeouts take no real time.
///
/// ```standalone_crate
/// use ws_core::{prelude::*, testing::TestCluster};
///
/// #[ws_controller(path = "/room")]
/// struct Room;
///
/// impl Controller for Room {
///     async fn on_open(&self, conn: &Connection) -> Result {
///         conn.join_confirmed("lobby").await?;
///         Ok(conn.push("joined")?)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ws_core::testing::TestError> {
/// let cluster = TestCluster::new();
/// let (a, b) = (cluster.start(App::new()).await, cluster.start(App::new()).await);
/// let mut client = a.connect("/room").await?;
/// assert_eq!(client.next_text().await?, "joined");
/// b.running().hub().room::<Room>("lobby").push("hello from the other node");
/// assert_eq!(client.next_text().await?, "hello from the other node");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct TestCluster {
    broker: MemoryBroker,
    settings: config::Cluster,
}

impl TestCluster {
    /// Creates a cluster without nodes, with the default settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a cluster without nodes, with these settings. `kind` and `url` are not used. An
    /// application whose configuration has a section `cluster` uses its own.
    pub fn with(settings: config::Cluster) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Starts an application as a further node, and waits until it has joined. The nodes are named
    /// `node-1`, `node-2` and so on, unless the settings have a name.
    ///
    /// # Panics
    /// If the application does not start, or does not join within 5 s although the broker runs.
    pub async fn start(&self, app: App) -> TestApp {
        let app = self.start_alone(app).await;
        if tokio::time::timeout(PATIENCE, app.joined()).await.is_err() {
            fail(format_args!("the node does not join the cluster"));
        }
        app
    }

    /// Starts an application as a further node, and does not wait until it has joined.
    ///
    /// # Panics
    /// If the application does not start.
    pub async fn start_alone(&self, app: App) -> TestApp {
        let member = self.broker.member();
        let mut settings = self.settings.clone();
        settings.name.get_or_insert_with(|| format!("node-{}", member.number));
        let number = member.number;
        let app = TestApp::start(app.in_cluster(settings, Connector::Memory(member))).await;
        TestApp { member: Some(number), ..app }
    }

    /// The messages that one node sends to another.
    ///
    /// # Panics
    /// If one of them is not a node of a cluster.
    pub fn between(&self, from: &TestApp, to: &TestApp) -> Between<'_> {
        match (from.member, to.member) {
            (Some(from), Some(to)) => Between { broker: &self.broker, from, to },
            _ => fail(format_args!("not a node of a cluster; start it with `TestCluster::start`")),
        }
    }

    /// Stops the broker: all links end, and it has forgotten everything when it starts again.
    pub fn stop_broker(&self) {
        self.broker.stop();
    }

    /// Starts the broker again.
    pub fn start_broker(&self) {
        self.broker.start();
    }
}

/// The messages that one node of a [`TestCluster`] sends to another, in this direction. Returned by
/// [`TestCluster::between`].
///
/// ```
/// use ws_core::testing::{TestApp, TestCluster};
///
/// fn cut(cluster: &TestCluster, a: &TestApp, b: &TestApp) {
///     cluster.between(a, b).cut();
///     // .. a message of `a` does not reach `b` now ..
///     cluster.between(a, b).heal();
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Between<'a> {
    broker: &'a MemoryBroker,
    from: usize,
    to: usize,
}

impl Between<'_> {
    /// Loses everything, heartbeats included, until [`heal`](Self::heal).
    pub fn cut(&self) {
        self.change(|fault| fault.is_cut = true);
    }

    /// Delivers everything later, until [`heal`](Self::heal).
    pub fn delay(&self, time: Duration) {
        self.change(|fault| fault.delay = time);
    }

    /// Loses this number of further messages. Heartbeats do not count.
    pub fn drop_next(&self, messages: usize) {
        self.change(|fault| fault.drop_next = messages);
    }

    /// Delivers each of this number of messages after the one that follows it, or 10 ms later if
    /// none follows.
    pub fn swap_next(&self, messages: usize) {
        self.change(|fault| fault.swap_next = messages);
    }

    /// Ends all faults. Messages that are delayed or held still arrive.
    pub fn heal(&self) {
        self.change(Fault::heal);
    }

    fn change(&self, change: impl FnOnce(&mut Fault)) {
        self.broker.change(self.from, self.to, change);
    }
}
