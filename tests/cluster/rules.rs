//! The rules of a cluster, each over every broker.

use ws_core::{
    App,
    hub::{ClusterState, Reach, Remote},
    prelude::*,
    testing::{TestApp, TestClient, TestCluster},
};

use crate::brokers::{Broker, Redis, eventually};

/// Joins the room of the query's name, and identifies as the user of the path.
struct Room;

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        let handshake = conn.handshake();
        if let Some(user) = handshake.path_param("user") {
            conn.identify(user)?;
        }
        if let Some(room) = handshake.uri().query() {
            assert_eq!(conn.join_confirmed(room).await?, Reach::Cluster);
        }
        Ok(conn.push(conn.id().to_string())?)
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let room = conn.handshake().uri().query().unwrap_or_default();
        conn.room(room).except(conn.id()).push(message);
        Ok(())
    }
}

pub(crate) fn app() -> App {
    App::without_registry().controller("/room/{user}", Room)
}

/// Connects to a node as a user, joins a room, and returns the client and its connection's id.
async fn connect(node: &TestApp, user: &str, room: &str) -> (TestClient, ConnectionId) {
    let mut client = node.connect(format!("/room/{user}?{room}")).await.unwrap();
    let id = client.next_text().await.unwrap().parse().unwrap();
    (client, id)
}

/// Runs rules over the broker in memory and over Redis.
macro_rules! rules {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(&super::Broker::Memory(super::TestCluster::new())).await;
            })+
        }
        mod redis {
            $(#[tokio::test]
            async fn $name() {
                if let Some(redis) = super::Redis::start(&[]) {
                    super::$name(&super::Broker::Redis(redis)).await;
                }
            })+
        }
    };
}

rules! {
    a_push_reaches_the_members_on_all_nodes,
}

async fn a_push_reaches_the_members_on_all_nodes(broker: &Broker) {
    let (a, b) = (broker.node(app(), |_| {}).await, broker.node(app(), |_| {}).await);
    let (mut one, id) = connect(&a, "jerry", "lobby").await;
    let (mut two, _) = connect(&b, "tom", "lobby").await;
    let (hub_a, hub_b) = (a.running().hub(), b.running().hub());
    assert_eq!(hub_a.cluster().state(), ClusterState::Up);
    eventually("the nodes know each other", || {
        hub_a.cluster().nodes().len() == 2 && hub_b.cluster().nodes().len() == 2
    })
    .await;

    for (name, target) in [
        ("all", hub_a.all()),
        ("controller", hub_a.controller::<Room>()),
        ("room", (*hub_a.room::<Room>("lobby")).clone()),
    ] {
        let delivery = target.push(name);
        assert_eq!((delivery.sent, delivery.remote), (1, Remote::Queued), "{name}");
        assert_eq!(one.next_text().await.unwrap(), name);
        assert_eq!(two.next_text().await.unwrap(), name);
    }
    let delivery = hub_a.user("tom").in_turns().push("user").await;
    assert_eq!((delivery.sent, delivery.remote), (0, Remote::Accepted));
    assert_eq!(two.next_text().await.unwrap(), "user");
    let delivery = hub_b.connection(id).push("connection");
    assert_eq!((delivery.sent, delivery.gone, delivery.remote), (0, 0, Remote::Queued));
    assert_eq!(one.next_text().await.unwrap(), "connection");
    one.send_text("to the others").await;
    assert_eq!(two.next_text().await.unwrap(), "to the others");
    assert_eq!(hub_a.count().await, Ok(2));
    let mut ids = hub_b.all().ids().await.unwrap();
    ids.sort();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&id));
    hub_b.user("jerry").disconnect(4403, "banned").unwrap();
    assert_eq!(one.expect_close(4403).await, "banned");
}
