//! The cluster: the link to the broker, the nodes, and the last changes.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::live::millis;
use crate::{
    hub::{ClusterChange, ClusterNode, ClusterState, Hub},
    sync::Mutex,
};

/// The number of changes that are kept.
const CHANGES: usize = 100;

/// The last changes, newest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes(Arc<Mutex<VecDeque<(SystemTime, ClusterChange)>>>);

impl Changes {
    /// Keeps the changes of the cluster until it ends.
    pub(super) async fn follow(&self, hub: &Hub) {
        let mut changes = hub.cluster().changes();
        while let Some(change) = changes.next().await {
            let mut kept = self.0.lock();
            kept.truncate(CHANGES - 1);
            kept.push_front((SystemTime::now(), change));
        }
    }
}

/// Returns the present state of the cluster.
pub(super) fn snapshot(hub: &Hub, changes: &Changes) -> Value {
    let cluster = hub.cluster();
    let (state, since) = match cluster.state() {
        ClusterState::Alone => ("alone", None),
        ClusterState::Joining => ("joining", None),
        ClusterState::Up => ("up", None),
        ClusterState::Down { since } => ("down", Some(since.elapsed().as_secs_f64())),
    };
    let stats = cluster.stats();
    json!({
        "count": hub.count_local(),
        "now": millis(SystemTime::now()),
        "state": state,
        "down_seconds": since,
        "nodes": cluster.nodes().iter().map(node).collect::<Vec<_>>(),
        "stats": {
            "published": stats.published,
            "accepted": stats.accepted,
            "unknown": stats.unknown,
            "dropped": stats.dropped,
            "refused": stats.refused,
            "received": stats.received,
            "lost": stats.lost,
            "duplicates": stats.duplicates,
            "late": stats.late,
            "malformed": stats.malformed,
            "subscriptions": stats.subscriptions,
            "reconnects": stats.reconnects,
            "worst_echo": stats.worst_echo.as_secs_f64(),
        },
        "changes": changes.0.lock().iter().map(|(at, it)| change(*at, it)).collect::<Vec<_>>(),
    })
}

fn node(node: &ClusterNode) -> Value {
    json!({
        "id": node.id.to_string(),
        "name": node.name,
        "connections": node.connections,
        "seen_seconds_ago": node.last_seen.as_secs_f64(),
        "versions": [node.versions.0, node.versions.1],
    })
}

fn change(at: SystemTime, change: &ClusterChange) -> Value {
    let seconds = |time: &Duration| format!("{:.1} s", time.as_secs_f64());
    let (kind, text) = match change {
        ClusterChange::Up => ("up", "the link to the broker is up".to_owned()),
        ClusterChange::Down => {
            let text = "the link to the broker ended: messages reach the clients of this node only";
            ("down", text.to_owned())
        }
        ClusterChange::Gap { at_most } => {
            ("gap", format!("messages of other nodes in the last {} may be missing", seconds(at_most)))
        }
        ClusterChange::NodeJoined { id, name } => ("joined", format!("node {name} ({id}) joined")),
        ClusterChange::NodeLeft { id, name, died: false } => ("left", format!("node {name} ({id}) stopped")),
        ClusterChange::NodeLeft { id, name, died: true } => {
            ("died", format!("node {name} ({id}) is gone: it sent nothing for too long"))
        }
        ClusterChange::Lost { messages } => ("lost", format!("{messages} received messages were dropped")),
        ClusterChange::Incompatible { id, name } => {
            ("incompatible", format!("node {name} ({id}) cannot exchange messages with this one"))
        }
        ClusterChange::Lagged(missed) => ("lagged", format!("{missed} changes are not shown")),
    };
    json!({ "at": millis(at), "kind": kind, "text": text })
}
