//! Counts and ids of all nodes.

use std::collections::BTreeSet;

use ws_core::hub::{ClusterState, Target};

use crate::{
    brokers::{Broker, eventually},
    nodes::{Plain, Room, connect, connect_plain, hub, pair},
};

rules! {
    counts_and_ids_of_all_nodes_are_exact,
    a_connection_that_has_ended_is_not_counted,
    while_the_broker_is_away_a_result_is_incomplete_and_names_the_nodes,
}

async fn counts_and_ids_of_all_nodes_are_exact(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut clients, mut conns) = (Vec::new(), Vec::new());
    for (node, user, room) in
        [(&a, "jerry", "lobby"), (&b, "tom", "lobby"), (&b, "tom", "kitchen"), (&b, "spike", "lobby")]
    {
        let (client, conn) = connect(node, user, room).await;
        clients.push(client);
        conns.push(conn);
    }
    let (_plain, plain) = connect_plain(&b).await;
    conns.push(plain);
    for hub in [hub(&a), hub(&b)] {
        let rooms = ["lobby", "kitchen", "none"].map(|room| (*hub.room::<Room>(room)).clone());
        let users = ["tom", "nobody"].map(|user| (*hub.user(user)).clone());
        let [lobby, kitchen, no_room] = rooms;
        let [tom, nobody] = users;
        let without = |target: &Target| target.clone().except(conns[1].id()).except(conns[0].id());
        let cases: [(&str, Target, &[usize]); 14] = [
            ("all", hub.all(), &[0, 1, 2, 3, 4]),
            ("controller", hub.controller::<Room>(), &[0, 1, 2, 3]),
            ("other controller", hub.controller::<Plain>(), &[4]),
            ("room", lobby.clone(), &[0, 1, 3]),
            ("room of one node", kitchen, &[2]),
            ("empty room", no_room, &[]),
            ("user", tom.clone(), &[1, 2]),
            ("no user", nobody, &[]),
            ("connection of a", hub.connection(conns[0].id()), &[0]),
            ("connection of b", hub.connection(conns[3].id()), &[3]),
            ("all without", without(&hub.all()), &[2, 3, 4]),
            ("room without", without(&lobby), &[3]),
            ("user without", without(&tom), &[2]),
            ("connection without", without(&hub.connection(conns[1].id())), &[]),
        ];
        for (name, target, members) in cases {
            let expected: BTreeSet<_> = members.iter().map(|at| conns[*at].id().to_string()).collect();
            let ids = target.ids().await.unwrap();
            assert_eq!(ids.len(), members.len(), "{name}");
            assert_eq!(ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), expected, "{name}");
            assert_eq!(target.count().await, Ok(members.len()), "{name}");
        }
        assert_eq!(hub.count().await, Ok(5));
    }
}

async fn a_connection_that_has_ended_is_not_counted(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (client, conn) = connect(&b, "tom", "lobby").await;
    let target = hub(&a).connection(conn.id());
    assert_eq!(target.count().await, Ok(1));
    drop(client);
    eventually("the connection ends", || hub(&b).count_local() == 0).await;
    assert_eq!(target.count().await, Ok(0));
    assert_eq!(hub(&a).user("tom").ids().await, Ok(Vec::new()));
    // Its node is alive and might have it.
    let delivery = target.push("not delivered");
    assert_eq!((delivery.sent, delivery.gone), (0, 0));
}

async fn while_the_broker_is_away_a_result_is_incomplete_and_names_the_nodes(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, conn) = connect(&a, "jerry", "lobby").await;
    let (_two, other) = connect(&b, "tom", "lobby").await;
    assert_eq!(hub(&a).count().await, Ok(2));
    broker.stop();
    eventually("the link ends", || matches!(hub(&a).cluster().state(), ClusterState::Down { .. })).await;
    let incomplete = hub(&a).count().await.unwrap_err();
    assert_eq!((incomplete.value, &*incomplete.missing), (1, &["b".to_owned()][..]));
    let incomplete = hub(&a).room::<Room>("lobby").ids().await.unwrap_err();
    assert_eq!((incomplete.value, &*incomplete.missing), (vec![conn.id()], &["b".to_owned()][..]));
    // A connection of another node is asked for at that node only, an own one at none.
    let incomplete = hub(&a).connection(other.id()).count().await.unwrap_err();
    assert_eq!((incomplete.value, &*incomplete.missing), (0, &["b".to_owned()][..]));
    assert_eq!(hub(&a).connection(conn.id()).count().await, Ok(1));
}
