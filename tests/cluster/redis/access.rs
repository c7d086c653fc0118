//! Users and passwords.

use ws_core::{
    config::Cluster,
    hub::{ClusterState, NotSent, Remote},
    testing::TestApp,
};

use crate::{
    brokers::{Redis, config, eventually},
    logs::Logs,
    nodes::{Room, app, connect, expect, hub, know_each_other},
};

/// The smallest rights of a node: `HELLO` and `AUTH` need none.
const USER: &[&str] = &[
    "--user",
    "app",
    "on",
    ">secret",
    "resetchannels",
    "&test-*:1:*",
    "-@all",
    "+publish",
    "+subscribe",
    "+unsubscribe",
    "--user",
    "default",
    "off",
];

/// The settings of a node that presents a user and a password.
fn settings(redis: &Redis, name: &str, user: &str) -> Cluster {
    let mut settings = redis.settings_of(&format!("redis://{user}@127.0.0.1:{}", redis.port));
    settings.name = Some(name.to_owned());
    settings
}

async fn start(settings: Cluster) -> TestApp {
    TestApp::start(app().config(config(settings))).await
}

async fn wait_until_up(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the node joins", || cluster.state() == ClusterState::Up).await;
}

/// Starts a node, and waits until it has joined.
async fn joined(settings: Cluster) -> TestApp {
    let node = start(settings).await;
    wait_until_up(&node).await;
    node
}

#[tokio::test]
async fn a_user_needs_to_publish_and_to_subscribe_under_the_prefix_and_nothing_else() {
    let Some(redis) = Redis::start(USER) else { return };
    let a = joined(settings(&redis, "a", "app:secret")).await;
    let b = joined(settings(&redis, "b", "app:secret")).await;
    know_each_other(&[&a, &b]).await;
    let (mut client, conn) = connect(&b, "tom", "lobby").await;
    for target in [hub(&a).all(), (*hub(&a).user("tom")).clone(), hub(&a).connection(conn.id())] {
        assert_eq!(target.in_turns().push("text").await.remote, Remote::Accepted);
        expect(&mut client, "text").await;
    }
    assert_eq!(hub(&a).count().await, Ok(1));
    conn.leave("lobby");
    let cluster = hub(&b).cluster();
    let before = cluster.stats().subscriptions;
    eventually("the room is unsubscribed", || cluster.stats().subscriptions < before).await;
    assert_eq!((cluster.state(), cluster.stats().reconnects), (ClusterState::Up, 0));
}

#[tokio::test]
async fn a_password_without_a_user_is_that_of_the_default_user() {
    let Some(redis) = Redis::start(&["--requirepass", "p@ss:/word%"]) else { return };
    let a = joined(settings(&redis, "a", ":p%40ss%3A%2Fword%25")).await;
    let b = joined(settings(&redis, "b", "default:p%40ss%3A%2Fword%25")).await;
    know_each_other(&[&a, &b]).await;
    assert_eq!(hub(&a).all().in_turns().push("text").await.remote, Remote::Accepted);
}

#[tokio::test]
async fn a_message_that_the_user_may_not_publish_is_refused_and_logged_and_the_link_stays() {
    let logs = Logs::start();
    // It may subscribe everything, but it may not publish to rooms.
    let user = [
        "--user",
        "app",
        "on",
        ">secret",
        "resetchannels",
        "-@all",
        "+unsubscribe",
        "(+subscribe &*)",
        "(+publish &*:nodes &*:node:* &*:all &*:w:*)",
    ];
    let Some(redis) = Redis::start(&user) else { return };
    let a = joined(settings(&redis, "a", "app:secret")).await;
    let b = joined(redis.settings()).await;
    know_each_other(&[&a, &b]).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    let delivery = room.in_turns().push("for members on this node").await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::NotSent(NotSent::Refused)));
    assert_eq!(room.push("queued").remote, Remote::Queued);
    let cluster = hub(&a).cluster();
    eventually("both are counted", || cluster.stats().dropped == 2).await;
    assert!(logs.have(&["ERROR", "the broker refused a message", "no permissions"]), "{}", logs.text());
    assert!(!logs.text().contains("secret"), "{}", logs.text());
    expect(&mut local, "for members on this node").await;
    expect(&mut local, "queued").await;
    assert_eq!(hub(&a).all().in_turns().push("to all").await.remote, Remote::Accepted);
    expect(&mut remote, "to all").await;
    assert_eq!((cluster.state(), cluster.stats().reconnects), (ClusterState::Up, 0));
}

#[tokio::test]
async fn a_wrong_password_is_logged_without_it_and_the_node_tries_again() {
    let logs = Logs::start();
    let Some(redis) = Redis::start(&["--user", "app", "off", "resetpass"]) else { return };
    let node = start(settings(&redis, "a", "app:hunter2")).await;
    let refused = || logs.have(&["WARN", "no link to the other nodes", "WRONGPASS"]);
    eventually("the refusal is logged", refused).await;
    assert_eq!(hub(&node).cluster().state(), ClusterState::Joining);
    assert!(!node.running().readiness().is_ready());
    let client = ::redis::Client::open(format!("redis://127.0.0.1:{}", redis.port)).unwrap();
    let mut admin = client.get_multiplexed_async_connection().await.unwrap();
    let mut rights = ::redis::cmd("ACL");
    rights.arg(&["SETUSER", "app", "on", ">hunter2", "&*", "+@all"]);
    rights.query_async::<()>(&mut admin).await.unwrap();
    wait_until_up(&node).await;
    assert!(node.running().readiness().ready().await);
    let debug = format!("{:?} {:?}", settings(&redis, "a", "app:hunter2"), node);
    for text in [logs.text(), debug] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
