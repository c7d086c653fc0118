//! Exclusive users: at most one connection of a user at a controller, on all nodes.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use ws_core::{
    App, Route,
    hub::{ClusterState, JoinError},
    prelude::*,
    testing::{TestApp, TestClient, TestError},
};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Plain, Room, connect_plain, expect, hub, know_each_other, node, opened},
};

rules! {
    the_newest_connection_stays_and_closes_the_older_ones_with_its_code_and_reason,
    other_users_and_other_controllers_are_not_affected,
    a_new_claim_closes_connections_that_are_only_identified,
    a_connection_may_claim_again,
    of_many_claims_at_the_same_time_exactly_one_connection_survives,
    claims_during_an_outage_are_local_and_the_smaller_one_is_closed_afterwards,
    a_repeated_claim_does_not_close_connections_that_were_identified_later,
    a_code_that_may_not_be_sent_and_a_long_name_are_errors,
}

/// Claims the user of its path with the code of its path.
struct Device;

impl Controller for Device {
    async fn on_open(&self, conn: &Connection) -> Result {
        let (user, code) = (conn.handshake().path_param("user"), conn.handshake().path_param("code"));
        let code = code.unwrap_or_default().parse().unwrap();
        let reach = conn.identify_exclusive(user.unwrap_or_default(), code, format!("by {code}")).await?;
        conn.push(conn.id().to_string())?;
        Ok(conn.push(format!("{reach:?}"))?)
    }
}

fn app() -> App {
    let routes = App::without_registry().route(Route::new("/device/{user}/{code}", Device));
    routes.route(Route::new("/room/{user}", Room::default())).controller("/plain", Plain)
}

async fn nodes<const N: usize>(broker: &Broker) -> [TestApp; N] {
    let mut nodes = Vec::new();
    for name in ["a", "b", "c"].iter().take(N) {
        nodes.push(node(broker, name, app(), |_| {}).await);
    }
    know_each_other(&nodes.iter().collect::<Vec<_>>()).await;
    nodes.try_into().ok().unwrap()
}

/// Connects a device, and checks the reach of its claim.
async fn claim(node: &TestApp, code: u16, reach: &str) -> (TestClient, Connection) {
    let client = node.connect(format!("/device/tom/{code}")).await.unwrap();
    let (mut client, conn) = opened(node, client).await;
    expect(&mut client, reach).await;
    (client, conn)
}

fn count(nodes: &[TestApp]) -> usize {
    nodes.iter().map(|node| hub(node).count_local()).sum()
}

async fn the_newest_connection_stays_and_closes_the_older_ones_with_its_code_and_reason(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut last, _) = claim(&a, 4000, "Cluster").await;
    for (code, node) in (4001..).zip([&b, &b, &a, &b, &a, &a]) {
        let (next, conn) = claim(node, code, "Cluster").await;
        assert_eq!(last.expect_close(code).await, format!("by {code}"));
        last = next;
        eventually("the older one has ended", || hub(&a).count_local() + hub(&b).count_local() == 1).await;
        assert_eq!(hub(&a).user("tom").at::<Device>().ids().await.unwrap(), [conn.id()]);
    }
    hub(&b).user("tom").push("still open");
    expect(&mut last, "still open").await;
}

async fn other_users_and_other_controllers_are_not_affected(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut device, _) = claim(&a, 4000, "Cluster").await;
    let (mut room, _) = crate::nodes::connect(&a, "tom", "lobby").await;
    let mut jerry = a.connect("/device/jerry/4000").await.unwrap();
    jerry.next_text().await.unwrap();
    expect(&mut jerry, "Cluster").await;
    let (mut newest, _) = claim(&b, 4001, "Cluster").await;
    device.expect_close(4001).await;
    hub(&b).all().push("open");
    for client in [&mut room, &mut jerry, &mut newest] {
        expect(client, "open").await;
    }
}

async fn a_new_claim_closes_connections_that_are_only_identified(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut clients, mut conns) = (Vec::new(), Vec::new());
    for (node, code) in [(&a, 4000), (&b, 4000)] {
        let client = node.connect(format!("/device/other/{code}")).await.unwrap();
        let (client, conn) = opened(node, client).await;
        clients.push(client);
        conns.push(conn);
    }
    // One of them is closed by the other. The remaining one becomes tom, without a claim.
    eventually("one is closed", || count(std::slice::from_ref(&a)) == 0).await;
    conns[1].identify("tom").unwrap();
    crate::nodes::settle(&conns[1]).await;
    let (mut newest, conn) = claim(&a, 4001, "Cluster").await;
    expect(&mut clients[1], "Cluster").await;
    assert_eq!(clients[1].expect_close(4001).await, "by 4001");
    conn.identify("somebody else").unwrap();
    let (_tom, _) = claim(&b, 4002, "Cluster").await;
    hub(&b).user("somebody else").push("not tom any more");
    expect(&mut newest, "not tom any more").await;
}

async fn a_connection_may_claim_again(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut client, conn) = claim(&a, 4000, "Cluster").await;
    assert_eq!(
        soon(conn.identify_exclusive("tom", 4005, "again")).await.unwrap(),
        ws_core::hub::Reach::Cluster
    );
    let (mut newest, _) = claim(&b, 4001, "Cluster").await;
    client.expect_close(4001).await;
    assert!(matches!(soon(conn.identify_exclusive("tom", 4005, "late")).await, Err(JoinError::Closed)));
    hub(&a).user("tom").push("still open");
    expect(&mut newest, "still open").await;
}

/// Connects two devices on each node at once, and checks that one of all survives.
/// Messages arrive within `delay`.
async fn race(nodes: &[TestApp], user: &str, delay: Duration) {
    let path = format!("/device/{user}/4001");
    let connects = nodes.iter().chain(nodes).map(|node| node.connect(&path).into_future());
    let barriers = 2 * nodes.len();
    // Each client reads, so that it answers a close frame at once.
    let survives = |mut client: TestClient| async move {
        let mut received = 0;
        while let Ok(text) = client.next_text().await {
            received += usize::from(text == "barrier");
            if received == barriers {
                return Some(client);
            }
        }
        None
    };
    let clients = soon(join_all(connects)).await;
    let clients: Vec<_> = clients.into_iter().map(|client| tokio::spawn(survives(client.unwrap()))).collect();
    eventually("one is left", || count(nodes) == 1).await;
    tokio::time::sleep(delay).await;
    // Two rounds, so that all messages that the claims caused arrive before.
    for _ in 0..2 {
        for node in nodes {
            hub(node).user(user).in_turns().push("barrier").await;
        }
    }
    let survivors: Vec<_> = soon(join_all(clients)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(survivors.iter().flatten().count(), 1);
    drop(survivors);
    eventually("it has ended", || count(nodes) == 0).await;
}

async fn of_many_claims_at_the_same_time_exactly_one_connection_survives(broker: &Broker) {
    let nodes: [TestApp; 3] = nodes(broker).await;
    for round in 0..30 {
        race(&nodes, &format!("tom-{}", round % 3), Duration::ZERO).await;
    }
}

async fn down(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
}

async fn claims_during_an_outage_are_local_and_the_smaller_one_is_closed_afterwards(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut before, _) = claim(&a, 4000, "Cluster").await;
    broker.stop();
    down(&a).await;
    down(&b).await;
    // On b it is the second claim, so it is the greater one.
    let (mut smaller, _) = claim(&a, 4001, "Local").await;
    before.expect_close(4001).await;
    let (mut closed, _) = claim(&b, 4002, "Local").await;
    let (mut second, _) = claim(&b, 4003, "Local").await;
    closed.expect_close(4003).await;
    let (mut greatest, _) = claim(&b, 4004, "Local").await;
    second.expect_close(4004).await;
    broker.restart();
    assert_eq!(smaller.expect_close(4004).await, "by 4004");
    for node in [&a, &b] {
        let cluster = hub(node).cluster();
        eventually("the link is back", || cluster.state() == ClusterState::Up).await;
    }
    hub(&a).user("tom").push("still open");
    expect(&mut greatest, "still open").await;
    // Later claims are greater again, whichever node makes them.
    let (_newest, _) = claim(&a, 4005, "Cluster").await;
    greatest.expect_close(4005).await;
}

async fn a_repeated_claim_does_not_close_connections_that_were_identified_later(broker: &Broker) {
    let [a, b] = nodes(broker).await;
    let (mut device, _) = claim(&a, 4000, "Cluster").await;
    let (mut other, conn) = connect_plain(&b).await;
    conn.identify("tom").unwrap();
    let client = b.connect("/device/spike/4000").await.unwrap();
    let (mut later, conn) = opened(&b, client).await;
    expect(&mut later, "Cluster").await;
    conn.identify("tom").unwrap();
    broker.stop();
    down(&a).await;
    down(&b).await;
    broker.restart();
    for node in [&a, &b] {
        let cluster = hub(node).cluster();
        eventually("the link is back", || cluster.state() == ClusterState::Up).await;
    }
    let (_newest, _) = crate::nodes::connect(&a, "somebody", "lobby").await;
    // The claims are repeated before this, on the same channel.
    for node in [&a, &b] {
        hub(node).user("tom").in_turns().push("open").await;
    }
    for client in [&mut device, &mut other, &mut later] {
        for _ in 0..2 {
            expect(client, "open").await;
        }
    }
}

async fn a_code_that_may_not_be_sent_and_a_long_name_are_errors(broker: &Broker) {
    let [a] = nodes(broker).await;
    let (_client, conn) = connect_plain(&a).await;
    assert_eq!(conn.identify_exclusive("tom", 1005, "").await, Err(JoinError::CloseCode(1005)));
    let long = conn.identify_exclusive("x".repeat(257), 4000, "").await;
    assert_eq!(long, Err(JoinError::NameTooLong { size: 257 }));
    assert_eq!(conn.user(), None);
}

#[tokio::test(start_paused = true)]
async fn with_delayed_and_reordered_messages_exactly_one_connection_survives() {
    let broker = Broker::memory();
    let nodes: [TestApp; 3] = nodes(&broker).await;
    for round in 0..40_u64 {
        for (number, from) in (0..).zip(&nodes) {
            for to in &nodes {
                let between = broker.faults().between(from, to);
                match (round + number) % 4 {
                    0 => between.delay(Duration::from_millis(round * 7 % 30)),
                    1 => between.swap_next(round as usize % 5),
                    _ => between.heal(),
                }
            }
        }
        race(&nodes, &format!("tom-{}", round % 3), Duration::from_millis(200)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_of_a_node_that_does_not_know_a_greater_one_is_closed() {
    let broker = Broker::memory();
    let [a, b] = nodes(&broker).await;
    let (_first, _) = claim(&b, 4000, "Cluster").await;
    let (mut greatest, _) = claim(&b, 4001, "Cluster").await;
    // The answer of b with its counter is lost.
    broker.faults().between(&b, &a).drop_next(1);
    let mut client = a.connect("/device/tom/4002").await.unwrap();
    let closed = loop {
        match client.next_text().await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(closed, TestError::Closed { code: 4001, .. }), "{closed:?}");
    hub(&a).user("tom").push("still open");
    expect(&mut greatest, "still open").await;
}

#[tokio::test(start_paused = true)]
async fn while_a_node_does_not_answer_a_claim_is_local() {
    let broker = Broker::memory();
    let [a, b] = nodes(&broker).await;
    broker.faults().between(&b, &a).cut();
    let began = Instant::now();
    let (_client, _) = claim(&a, 4000, "Local").await;
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    broker.faults().between(&b, &a).heal();
    let (_newest, _) = claim(&a, 4001, "Cluster").await;
}

#[tokio::test]
async fn without_a_cluster_the_newest_connection_stays() {
    let node = TestApp::start(app().config(crate::brokers::config(None))).await;
    let (mut first, _) = claim(&node, 4000, "Cluster").await;
    let (mut second, _) = claim(&node, 4001, "Cluster").await;
    first.expect_close(4001).await;
    hub(&node).user("tom").push("still open");
    expect(&mut second, "still open").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_exactly_one_connection_survives() {
    let broker = Broker::memory();
    let nodes: [TestApp; 3] = nodes(&broker).await;
    for round in 0..100 {
        race(&nodes, &format!("tom-{}", round % 3), Duration::ZERO).await;
    }
}
