//! The application that the nodes of the tests run, and its clients.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc;
use ws_core::{
    App, Hub, Route,
    config::Cluster,
    prelude::*,
    testing::{TestApp, TestClient},
};

use crate::brokers::{Broker, eventually};

/// Identifies a connection as the user of its path, and joins the room of its query.
#[derive(Default)]
pub(crate) struct Room {
    closed: Option<mpsc::UnboundedSender<CloseReason>>,
}

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        let handshake = conn.handshake();
        if let Some(user) = handshake.path_param("user") {
            conn.identify(user)?;
        }
        if let Some(room) = handshake.uri().query() {
            conn.join_confirmed(room).await?;
        }
        Ok(conn.push(conn.id().to_string())?)
    }

    /// Sends a message to the other members of the room.
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let room = conn.handshake().uri().query().unwrap_or_default();
        conn.room(room).except(conn.id()).push(message);
        Ok(())
    }

    /// Reports the reason, and sends a last message to the room.
    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        if let Some(closed) = &self.closed {
            closed.send(reason).unwrap();
        }
        if let Some(room) = conn.handshake().uri().query() {
            conn.room(room).except(conn.id()).push("farewell");
        }
        Ok(())
    }
}

/// An application with a [`Room`], for clients with and without a user.
pub(crate) fn app() -> App {
    with_room(Room::default())
}

/// An application whose connections report why they were closed.
pub(crate) fn reporting() -> (App, mpsc::UnboundedReceiver<CloseReason>) {
    let (sender, closed) = mpsc::unbounded_channel();
    (with_room(Room { closed: Some(sender) }), closed)
}

fn with_room(room: Room) -> App {
    let user = Route::new("/room/{user}", room).subprotocols(&["msgpack"]);
    App::without_registry().route(user).controller("/plain", Plain)
}

/// The connections are in no room and have no user.
pub(crate) struct Plain;

impl Controller for Plain {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(conn.id().to_string())?)
    }
}

/// Starts two nodes, and waits until each knows the other.
pub(crate) async fn pair(broker: &Broker) -> (TestApp, TestApp) {
    pair_with(broker, |_| {}).await
}

/// Starts two nodes with these settings, and waits until each knows the other.
pub(crate) async fn pair_with(broker: &Broker, change: impl Fn(&mut Cluster)) -> (TestApp, TestApp) {
    let a = node(broker, "a", app(), &change).await;
    let b = node(broker, "b", app(), &change).await;
    know_each_other(&[&a, &b]).await;
    (a, b)
}

/// Starts a node of this name.
pub(crate) async fn node(broker: &Broker, name: &str, app: App, change: impl Fn(&mut Cluster)) -> TestApp {
    let change = |settings: &mut Cluster| {
        settings.name = Some(name.to_owned());
        change(settings);
    };
    broker.node(app, change).await
}

pub(crate) async fn know_each_other(nodes: &[&TestApp]) {
    for node in nodes {
        let cluster = hub(node).cluster();
        eventually("the nodes know each other", || cluster.nodes().len() == nodes.len()).await;
    }
}

pub(crate) fn hub(node: &TestApp) -> Hub {
    node.running().hub()
}

/// Connects to a node as a user, and joins a room. The subscriptions of its node are confirmed.
pub(crate) async fn connect(node: &TestApp, user: &str, room: &str) -> (TestClient, Connection) {
    let client = node.connect(format!("/room/{user}?{room}")).await.unwrap();
    let (client, conn) = opened(node, client).await;
    settle(&conn).await;
    (client, conn)
}

/// Connects to a node without a user and a room.
pub(crate) async fn connect_plain(node: &TestApp) -> (TestClient, Connection) {
    opened(node, node.connect("/plain").await.unwrap()).await
}

/// Reads the id that a connection gets first.
pub(crate) async fn opened(node: &TestApp, mut client: TestClient) -> (TestClient, Connection) {
    let text = match client.next().await.unwrap() {
        Message::Text(text) => text,
        other => panic!("{other:?}"),
    };
    let conn = hub(node).get_local(text.parse().unwrap()).unwrap();
    (client, conn)
}

/// Waits until everything that a connection has joined so far is confirmed by the broker, if it is
/// reachable. Channels are subscribed in the order in which they are wanted.
pub(crate) async fn settle(conn: &Connection) {
    // A room that is new on this node, because only such a room waits.
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let last = format!("settled-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    conn.join_confirmed(&last).await.unwrap();
}

/// Checks that the next message of a client is this text.
#[track_caller]
pub(crate) fn expect<'a>(client: &'a mut TestClient, text: &'a str) -> impl Future<Output = ()> + 'a {
    let place = std::panic::Location::caller();
    async move {
        match client.next_text().await {
            Ok(got) => assert_eq!(got, text, "at {place}"),
            Err(error) => panic!("{text:?} at {place}: {error}"),
        }
    }
}
