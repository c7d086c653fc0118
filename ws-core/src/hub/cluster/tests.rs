//! Tests of two registries in one process, which are joined by the broker in memory.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::{Connector, memory::MemoryBroker};
use crate::{
    config, fixed,
    hub::{Hub, Live, tests::enter},
};

#[tokio::test(start_paused = true)]
async fn more_ids_than_fit_into_a_message_are_answered_in_parts() {
    let broker = MemoryBroker::default();
    let [a, b] = std::array::from_fn(|_| {
        let live = Arc::new(Live::default());
        live.join_cluster(config::Cluster::default(), Connector::Memory(broker.member()));
        live
    });
    while [&a, &b].iter().any(|live| Hub::new(live).cluster().nodes().len() < 2) {
        sleep(Duration::from_millis(10)).await;
    }
    for connections in [fixed::IDS_A_PART, fixed::IDS_A_PART * 2 + 1] {
        let entries: Vec<_> = (0..connections).map(|_| enter(&b)).collect();
        let own = enter(&a);
        let mut expected: Vec<_> = entries.iter().map(|entry| entry.connection().id()).collect();
        expected.push(own.connection().id());
        let mut ids = Hub::new(&a).all().ids().await.unwrap();
        let key = |id: &crate::ConnectionId| (id.node(), id.sequence());
        ids.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(ids.len(), expected.len());
        assert_eq!(ids, expected);
    }
}
