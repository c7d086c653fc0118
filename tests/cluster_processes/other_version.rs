//! A node of another version in a process of its own: this binary runs one ignored test, which is
//! the node.
//!
//! It has its own connection to the broker, sends and reads hand-made messages
//! ([`Foreign`](crate::foreign::Foreign)), and has one member in the room of the tests.

mod process;
mod reader;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::{client::within, node::Settings};

const SETUP: &str = "WS_TESTS_OTHER_VERSION";
/// The user of its member.
pub(crate) const GUEST: &str = "guest";
/// The text of messages that no node may read.
pub(crate) const SKIPPED: &str = "must be skipped";

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) enum Version {
    /// It reads a version before the common one, and knows neither the optional parts of its
    /// messages nor its newer kinds.
    Older,
    /// It reads a version after the common one. A tenth of its messages must be skipped by nodes of
    /// the common version.
    Newer,
    /// It has no version in common with the nodes.
    Incompatible,
    /// Its channels have other names.
    OtherScheme,
}

impl Version {
    const ALL: [Self; 4] = [Self::Older, Self::Newer, Self::Incompatible, Self::OtherScheme];

    /// The name of the node.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Newer => "newer",
            Self::Incompatible => "incompatible",
            Self::OtherScheme => "other scheme",
        }
    }

    /// The versions that it reads.
    pub(crate) fn reads(self) -> (u8, u8) {
        match self {
            Self::Older => (0, 1),
            Self::Newer => (1, 2),
            Self::Incompatible | Self::OtherScheme => (2, 3),
        }
    }

    fn id(self) -> u32 {
        0xf00d_0000 + u32::from(self.reads().1) + u32::from(self.scheme())
    }

    fn scheme(self) -> u8 {
        if self == Self::OtherScheme { 2 } else { 1 }
    }
}

#[derive(Deserialize, Serialize)]
struct Setup {
    version: Version,
    url: String,
    prefix: String,
    heartbeat: Duration,
}

/// A command of a test, in one line. Each is answered with one line that begins with `=`.
#[derive(Debug, Deserialize, Serialize)]
enum Order {
    /// Sends `<its name> <number>` to the room, repeatedly.
    Talk,
    /// Sends nothing more. Answers with [`Said`].
    BeQuiet,
    /// Answers with [`Observed`].
    Observe,
    /// Sends a goodbye, and ends.
    Leave,
}

/// The answers of the node.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Said {
    /// All numbers are below this one.
    pub(crate) numbers: usize,
    /// The messages that no node may read.
    pub(crate) skipped: u64,
}

/// The messages that the node has received from others.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Observed {
    /// The messages in the room.
    pub(crate) texts: Vec<String>,
    /// The versions, kinds and flags of all messages but heartbeats.
    pub(crate) starts: BTreeSet<(u8, u8, u8)>,
    /// The names of the nodes with heartbeats, and the versions that they read.
    pub(crate) nodes: BTreeMap<String, (u8, u8)>,
    /// The names of the nodes that have said goodbye.
    pub(crate) left: BTreeSet<String>,
}

/// The handle of a test for the process of such a node. It is killed on drop.
pub(crate) struct OtherVersion {
    child: Child,
    orders: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl OtherVersion {
    /// Starts it beside nodes with these settings, and waits until it receives their messages.
    pub(crate) async fn start(version: Version, beside: &Settings) -> Self {
        let Settings { url, prefix, heartbeat, .. } = beside.clone();
        let setup = Setup { version, url, prefix, heartbeat };
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["other_version::process::speaks", "--exact", "--ignored", "--nocapture"])
            .env(SETUP, serde_json::to_string(&setup).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut this = Self { child, orders, output };
        assert_eq!(this.answer().await, "\"joined\"");
        this
    }

    async fn answer(&mut self) -> String {
        within("an answer of the other version", async {
            loop {
                let line = self.output.next_line().await.unwrap().expect("the process has ended");
                if let Some(answer) = line.strip_prefix('=') {
                    return answer.to_owned();
                }
            }
        })
        .await
    }

    async fn order(&mut self, order: Order) -> String {
        let line = serde_json::to_string(&order).unwrap() + "\n";
        self.orders.write_all(line.as_bytes()).await.unwrap();
        self.answer().await
    }

    /// Lets it talk from now on.
    pub(crate) async fn talk(&mut self) {
        self.order(Order::Talk).await;
    }

    pub(crate) async fn be_quiet(&mut self) -> Said {
        serde_json::from_str(&self.order(Order::BeQuiet).await).unwrap()
    }

    pub(crate) async fn observed(&mut self) -> Observed {
        serde_json::from_str(&self.order(Order::Observe).await).unwrap()
    }

    /// Lets it say goodbye, and waits until it has ended.
    pub(crate) async fn leave(mut self) {
        self.order(Order::Leave).await;
        drop(self.orders);
        assert!(within("the end of the process", self.child.wait()).await.unwrap().success());
    }

    /// Sends SIGKILL, and waits until the process is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
