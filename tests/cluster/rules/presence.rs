//! The members of rooms and the connections of users on all nodes.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::{Instant, timeout};
use ws_core::{
    ConnectionId,
    hub::{ClusterState, MemberEvent, Members, PresenceEvent, UserEvent, Users},
    testing::TestApp,
};

use crate::{
    brokers::{Broker, eventually, soon},
    nodes::{Plain, Room, app, connect, connect_plain, hub, know_each_other, node, pair},
};

rules! {
    the_members_of_all_nodes_are_known_after_settled_and_their_changes_follow,
    each_of_many_joins_and_leaves_is_reported_once,
    a_later_watcher_knows_all_members_at_once,
    the_present_members_have_their_users,
    a_user_is_online_while_a_node_has_a_connection,
    users_are_reported_once_and_gone_after_five_seconds,
    a_user_who_moves_to_another_node_is_not_reported,
    the_members_of_a_node_that_joins_later_are_reported,
    the_members_of_a_node_that_stops_leave_at_once,
    an_outage_is_stale_and_its_differences_are_reported_once_afterwards,
    a_watch_that_begins_during_an_outage_settles_after_it,
    a_room_that_is_not_watched_any_more_can_be_watched_again,
}

pub(crate) fn members(node: &TestApp) -> Members {
    hub(node).room::<Room>("lobby").members()
}

async fn settled(node: &TestApp) -> Members {
    let mut members = members(node);
    soon(members.settled()).await;
    assert!(!members.is_stale());
    members
}

fn set(ids: &[ConnectionId]) -> BTreeSet<ConnectionId> {
    let set: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(set.len(), ids.len(), "an id occurs twice");
    set
}

/// The members: those at the begin of the watch and the events since then, without duplicates.
pub(crate) struct List(pub(crate) Members, pub(crate) BTreeSet<ConnectionId>);

impl List {
    pub(crate) fn new(members: Members) -> Self {
        let now = set(members.now());
        Self(members, now)
    }

    fn apply(&mut self, event: Option<MemberEvent>) {
        match event.unwrap() {
            MemberEvent::Joined(id) => assert!(self.1.insert(id), "{id} has joined twice"),
            MemberEvent::Left(id) => assert!(self.1.remove(&id), "{id} has left twice"),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the list is this one. Returns the number of events.
    pub(crate) async fn becomes(&mut self, ids: &[ConnectionId]) -> usize {
        let (expected, mut events) = (set(ids), 0);
        while self.1 != expected {
            let event = timeout(Duration::from_secs(20), self.0.next()).await;
            let Ok(event) = event else { panic!("{:?} and not {expected:?}", self.1) };
            self.apply(event);
            events += 1;
        }
        events
    }

    /// Checks that no further event arrives.
    pub(crate) async fn stays(&mut self) {
        let more = timeout(Duration::from_millis(300), self.0.next()).await;
        assert!(more.is_err(), "{more:?}");
    }
}

async fn the_members_of_all_nodes_are_known_after_settled_and_their_changes_follow(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let c = node(broker, "c", app(), |_| {}).await;
    know_each_other(&[&a, &b, &c]).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (_two, of_b) = connect(&b, "jerry", "lobby").await;
    let members = members(&a);
    assert_eq!(members.now(), [of_a.id()], "the own members are known immediately");
    assert!(members.is_stale());
    let mut list = List::new(settled(&a).await);
    assert_eq!(list.1, set(&[of_a.id(), of_b.id()]));
    // The first member of a node that had none.
    let (three, of_c) = connect(&c, "spike", "lobby").await;
    assert_eq!(list.becomes(&[of_a.id(), of_b.id(), of_c.id()]).await, 1);
    of_b.leave("lobby");
    assert_eq!(list.becomes(&[of_a.id(), of_c.id()]).await, 1);
    of_a.leave("lobby");
    drop(three);
    assert_eq!(list.becomes(&[]).await, 2);
    of_b.join("lobby").unwrap();
    assert_eq!(list.becomes(&[of_b.id()]).await, 1);
    list.stays().await;
    // Another room has no members.
    assert!(hub(&a).room::<Room>("other").members().now().is_empty());
}

async fn each_of_many_joins_and_leaves_is_reported_once(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(connect_plain(&b).await);
    }
    let ids: Vec<_> = connections.iter().map(|(_, conn)| conn.id()).collect();
    let mut list = List::new(hub(&a).room::<Plain>("lobby").members());
    soon(list.0.settled()).await;
    let join = |first| {
        let joining = connections.iter().skip(first).step_by(2);
        joining.for_each(|(_, conn)| assert_eq!(conn.join("lobby"), Ok(true)));
    };
    for _ in 0..5 {
        join(0);
        let even: Vec<_> = ids.iter().copied().step_by(2).collect();
        assert_eq!(list.becomes(&even).await, 10);
        join(1);
        assert_eq!(list.becomes(&ids).await, 10);
        connections.iter().for_each(|(_, conn)| assert!(conn.leave("lobby")));
        assert_eq!(list.becomes(&[]).await, 20);
    }
    list.stays().await;
}

async fn a_later_watcher_knows_all_members_at_once(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (_two, of_b) = connect(&b, "jerry", "lobby").await;
    let mut first = List::new(settled(&a).await);
    let mut later = List::new(members(&a));
    assert_eq!(later.1, set(&[of_a.id(), of_b.id()]));
    assert!(!later.0.is_stale());
    soon(later.0.settled()).await;
    assert_eq!(set(later.0.now()), later.1);
    of_b.leave("lobby");
    for list in [&mut first, &mut later] {
        assert_eq!(list.becomes(&[of_a.id()]).await, 1);
    }
}

async fn the_present_members_have_their_users(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (_two, of_b) = connect(&b, "jerry", "lobby").await;
    let members = settled(&a).await;
    let users = || {
        let members = members.current().into_iter();
        members.map(|it| (it.id, it.user.as_deref().map(str::to_owned))).collect::<BTreeSet<_>>()
    };
    let expected = |of_a: (_, &str), of_b: (_, &str)| {
        let entry = |(id, user): (_, &str)| (id, Some(user.to_owned()));
        BTreeSet::from([entry(of_a), entry(of_b)])
    };
    assert_eq!(users(), expected((of_a.id(), "tom"), (of_b.id(), "jerry")));
    of_a.identify("butch").unwrap();
    of_b.identify("spike").unwrap();
    assert!(users().contains(&(of_a.id(), Some("butch".into()))), "local changes are known immediately");
    eventually("the other user is known", || users() == expected((of_a.id(), "butch"), (of_b.id(), "spike")))
        .await;
}

async fn a_user_is_online_while_a_node_has_a_connection(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_two, of_b) = connect(&b, "tom", "lobby").await;
    let mut presence = hub(&a).user("tom").presence();
    soon(presence.settled()).await;
    assert!(presence.is_online() && !presence.is_stale());
    let (one, _) = connect(&a, "tom", "lobby").await;
    of_b.identify("jerry").unwrap();
    // The user has a connection on the other node until now.
    eventually("one connection left", || hub(&b).user("tom").count_local() == 0).await;
    assert!(timeout(Duration::from_millis(300), presence.next()).await.is_err());
    drop(one);
    assert_eq!(soon(presence.next()).await, Some(PresenceEvent::Offline));
    of_b.identify("tom").unwrap();
    assert_eq!(soon(presence.next()).await, Some(PresenceEvent::Online));
    of_b.disconnect(4000, "bye").unwrap();
    assert_eq!(soon(presence.next()).await, Some(PresenceEvent::Offline));
    soon(presence.settled()).await;
    assert!(!presence.is_online());
}

async fn users(node: &TestApp) -> Users {
    let mut users = hub(node).room::<Room>("lobby").users();
    soon(users.settled()).await;
    users
}

fn joined(user: &str) -> Option<UserEvent> {
    Some(UserEvent::Joined(user.into()))
}

async fn users_are_reported_once_and_gone_after_five_seconds(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (_two, of_b) = connect(&b, "tom", "lobby").await;
    let mut users = users(&a).await;
    assert_eq!(users.now().join(" "), "tom");
    let (_three, other) = connect(&b, "jerry", "lobby").await;
    assert_eq!(soon(users.next()).await, joined("jerry"));
    let (_four, _) = connect(&a, "jerry", "lobby").await;
    other.leave("lobby");
    of_a.leave("lobby");
    let began = Instant::now();
    of_b.leave("lobby");
    assert_eq!(soon(users.next()).await, Some(UserEvent::Left("tom".into())));
    let after = began.elapsed();
    assert!(after >= Duration::from_millis(4900) && after < Duration::from_millis(6500), "{after:?}");
    // A member without a user, and another user of the same connection.
    of_b.join("lobby").unwrap();
    assert_eq!(soon(users.next()).await, joined("tom"));
    of_b.identify("spike").unwrap();
    assert_eq!(soon(users.next()).await, joined("spike"));
}

async fn a_user_who_moves_to_another_node_is_not_reported(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_watched, _) = connect(&a, "jerry", "lobby").await;
    let (client, _) = connect(&b, "tom", "lobby").await;
    let mut on_a = users(&a).await;
    let mut on_b = users(&b).await;
    drop(client);
    eventually("the connection has ended", || hub(&b).user("tom").count_local() == 0).await;
    let (client, _) = connect(&a, "tom", "lobby").await;
    drop(client);
    eventually("the connection has ended", || hub(&a).user("tom").count_local() == 0).await;
    let (_client, _) = connect(&b, "tom", "lobby").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let (_other, _) = connect(&b, "spike", "lobby").await;
    for users in [&mut on_a, &mut on_b] {
        assert_eq!(soon(users.next()).await, joined("spike"));
    }
}

async fn the_members_of_a_node_that_joins_later_are_reported(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_b) = connect(&b, "tom", "lobby").await;
    let mut list = List::new(settled(&a).await);
    let c = node(broker, "c", app(), |_| {}).await;
    let (_two, of_c) = connect(&c, "jerry", "lobby").await;
    list.becomes(&[of_b.id(), of_c.id()]).await;
    let (_three, of_a) = connect(&a, "spike", "lobby").await;
    let mut of_the_new = List::new(settled(&c).await);
    assert_eq!(of_the_new.1, set(&[of_a.id(), of_b.id(), of_c.id()]));
    of_b.leave("lobby");
    of_the_new.becomes(&[of_a.id(), of_c.id()]).await;
}

async fn the_members_of_a_node_that_stops_leave_at_once(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let (client, of_b) = connect(&b, "jerry", "lobby").await;
    let mut list = List::new(settled(&a).await);
    assert_eq!(list.1, set(&[of_a.id(), of_b.id()]));
    drop(client);
    b.shutdown().await;
    let began = Instant::now();
    list.becomes(&[of_a.id()]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // No other node remains to wait for.
    soon(list.0.settled()).await;
}

async fn wait_until_up(node: &TestApp) {
    let cluster = hub(node).cluster();
    eventually("the link is up", || cluster.state() == ClusterState::Up).await;
}

async fn an_outage_is_stale_and_its_differences_are_reported_once_afterwards(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_a) = connect(&a, "tom", "lobby").await;
    let mut of_b = Vec::new();
    for _ in 0..4 {
        of_b.push(connect(&b, "jerry", "lobby").await);
    }
    let ids: Vec<_> = of_b.iter().map(|(_, conn)| conn.id()).collect();
    let mut list = List::new(settled(&a).await);
    broker.stop();
    eventually("the watch is stale", || list.0.is_stale()).await;
    // Nothing is removed, and changes on this node are reported.
    of_a.leave("lobby");
    list.becomes(&ids).await;
    let cluster = hub(&b).cluster();
    eventually("the other link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
    of_b[0].1.leave("lobby");
    of_b[1].1.leave("lobby");
    of_b[1].1.join("lobby").unwrap();
    let (_new, of_new) = connect(&b, "spike", "lobby").await;
    list.stays().await;
    broker.restart();
    wait_until_up(&a).await;
    wait_until_up(&b).await;
    let expected = [&ids[1..], &[of_new.id()]].concat();
    assert_eq!(list.becomes(&expected).await, 2);
    soon(list.0.settled()).await;
    assert_eq!(set(list.0.now()), set(&expected));
    list.stays().await;
    // The watch continues.
    of_b[2].1.leave("lobby");
    list.becomes(&[ids[1], ids[3], of_new.id()]).await;
}

async fn a_watch_that_begins_during_an_outage_settles_after_it(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_b) = connect(&b, "tom", "lobby").await;
    broker.stop();
    let cluster = hub(&a).cluster();
    eventually("the link ends", || matches!(cluster.state(), ClusterState::Down { .. })).await;
    let mut members = members(&a);
    assert!(timeout(Duration::from_millis(300), members.settled()).await.is_err());
    assert!(members.is_stale() && members.now().is_empty());
    broker.restart();
    timeout(Duration::from_secs(20), members.settled()).await.unwrap();
    assert_eq!(members.now(), [of_b.id()]);
    assert!(!members.is_stale());
}

async fn a_room_that_is_not_watched_any_more_can_be_watched_again(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (_one, of_b) = connect(&b, "tom", "lobby").await;
    // The subscription lingers for two seconds, and is given up and begun again.
    for pause in [0, 100, 1900, 2000, 2100] {
        let mut list = List::new(settled(&a).await);
        assert_eq!(list.1, set(&[of_b.id()]), "{pause}");
        of_b.leave("lobby");
        list.becomes(&[]).await;
        of_b.join("lobby").unwrap();
        list.becomes(&[of_b.id()]).await;
        drop(list);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let subscriptions = || hub(&a).cluster().stats().subscriptions;
    eventually("nothing is subscribed", || subscriptions() == 0).await;
}
