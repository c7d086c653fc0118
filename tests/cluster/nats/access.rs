//! Users, tokens and permissions.

use ws_core::{
    config::Cluster,
    hub::{ClusterState, Remote},
};

use super::{joined, start, wait_until_down, wait_until_up};
use crate::{
    brokers::{Nats, eventually},
    logs::Logs,
    nodes::{Room, connect, expect, hub, know_each_other},
};

/// The smallest permissions of a node.
const USER: &str = r#"authorization { users = [ { user: app, password: "secret", permissions: {
    publish: "{prefix}.1.>", subscribe: "{prefix}.1.>" } } ] }"#;

/// The settings of a node that presents this login.
fn settings(nats: &Nats, name: &str, login: &str) -> Cluster {
    let mut settings = nats.settings_of(&format!("nats://{login}@127.0.0.1:{}", nats.port));
    settings.name = Some(name.to_owned());
    settings
}

#[tokio::test]
async fn a_user_needs_to_publish_and_to_subscribe_under_the_prefix_and_nothing_else() {
    let Some(nats) = Nats::start(USER) else { return };
    let a = joined(settings(&nats, "a", "app:secret")).await;
    let b = joined(settings(&nats, "b", "app:secret")).await;
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
    for node in [&a, &b] {
        let stats = hub(node).cluster().stats();
        assert_eq!((stats.reconnects, stats.refused), (0, 0));
    }
    assert_eq!(cluster.state(), ClusterState::Up);
}

#[tokio::test]
async fn a_login_is_a_token_or_a_user_with_a_password_and_both_are_decoded() {
    for (configuration, login) in [
        (r#"authorization { token: "t@k:/n%" }"#, "t%40k%3A%2Fn%25"),
        (r#"authorization { user: "u@", password: "p@ss:/word%" }"#, "u%40:p%40ss%3A%2Fword%25"),
    ] {
        let Some(nats) = Nats::start(configuration) else { return };
        let a = joined(settings(&nats, "a", login)).await;
        assert_eq!(hub(&a).all().in_turns().push("text").await.remote, Remote::Accepted);
    }
}

#[tokio::test]
async fn a_message_that_the_user_may_not_publish_is_logged_and_counted_and_the_link_stays() {
    let logs = Logs::start();
    let user = r#"authorization { users = [
        { user: app, password: "secret", permissions: { publish: { deny: "{prefix}.1.g.*.r.>" } } }
        { user: other, password: "secret" }
    ] }"#;
    let Some(nats) = Nats::start(user) else { return };
    let a = joined(settings(&nats, "a", "app:secret")).await;
    let b = joined(settings(&nats, "b", "other:secret")).await;
    know_each_other(&[&a, &b]).await;
    let (mut local, _) = connect(&a, "jerry", "lobby").await;
    let (mut remote, _) = connect(&b, "tom", "lobby").await;
    let room = hub(&a).room::<Room>("lobby");
    // NATS does not report which message it has refused.
    let delivery = room.in_turns().push("for members on this node").await;
    assert_eq!((delivery.sent, delivery.remote), (1, Remote::Accepted));
    let cluster = hub(&a).cluster();
    eventually("it is counted", || cluster.stats().refused == 1).await;
    let expected = ["ERROR", "the broker refused a message", "Permissions Violation for Publish"];
    assert!(logs.have(&expected), "{}", logs.text());
    expect(&mut local, "for members on this node").await;
    assert_eq!(hub(&a).all().in_turns().push("to all").await.remote, Remote::Accepted);
    expect(&mut remote, "to all").await;
    assert_eq!((cluster.state(), cluster.stats().reconnects), (ClusterState::Up, 0));
}

#[tokio::test]
async fn a_subscription_that_is_refused_ends_the_link_because_its_messages_would_be_missed() {
    let logs = Logs::start();
    let user = r#"authorization { users = [
        { user: app, password: "secret", permissions: { subscribe: { deny: "{prefix}.1.g.>" } } }
    ] }"#;
    let Some(nats) = Nats::start(user) else { return };
    let a = joined(settings(&nats, "a", "app:secret")).await;
    let (mut client, conn) = crate::nodes::connect_plain(&a).await;
    conn.join("lobby").unwrap();
    wait_until_down(&a).await;
    let expected = ["WARN", "no link to the other nodes", "Permissions Violation for Subscription"];
    assert!(logs.have(&expected), "{}", logs.text());
    conn.leave("lobby");
    conn.push("still here").unwrap();
    expect(&mut client, "still here").await;
}

#[tokio::test]
async fn a_wrong_password_is_logged_without_it_and_the_node_tries_again() {
    let logs = Logs::start();
    let Some(nats) = Nats::start(r#"authorization { user: app, password: "other" }"#) else { return };
    let node = start(settings(&nats, "a", "app:hunter2")).await;
    let refused = || logs.have(&["WARN", "no link to the other nodes", "authorization violation"]);
    eventually("the refusal is logged", refused).await;
    assert_eq!(hub(&node).cluster().state(), ClusterState::Joining);
    assert!(!node.running().readiness().is_ready());
    nats.configure(r#"authorization { user: app, password: "hunter2" }"#);
    nats.kill();
    nats.restart();
    wait_until_up(&node).await;
    let debug = format!("{:?} {:?}", settings(&nats, "a", "app:hunter2"), node);
    for text in [logs.text(), debug] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}
