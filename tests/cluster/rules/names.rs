//! Names of rooms and users, and prefixes.

use ws_core::hub::Reach;

use crate::{
    brokers::Broker,
    nodes::{Room, app, connect, connect_plain, expect, hub, know_each_other, node, pair, settle},
};

rules! {
    any_name_reaches_exactly_its_own_members,
    a_room_of_one_controller_is_not_a_room_of_another,
    two_prefixes_on_one_broker_are_separate,
}

async fn any_name_reaches_exactly_its_own_members(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let mut names: Vec<String> = ('\0'..='\u{ff}').map(String::from).collect();
    let special =
        ["", "a", "A", "a:b", "a:*", "*", "?", "[a-z]", "%", "%61", "a%3Ab", "u:a", "章", "комната", "🦀"];
    names.extend(special.map(str::to_owned));
    names.push("n".repeat(256));
    names.sort();
    names.dedup();
    let mut members = Vec::new();
    for name in &names {
        let (client, conn) = connect(&b, "nobody", "").await;
        conn.identify(name).unwrap();
        conn.leave("");
        conn.join(name).unwrap();
        members.push((client, conn));
    }
    settle(&members[0].1).await;
    for name in &names {
        assert_eq!(hub(&a).room::<Room>(name).push(format!("room {name}")).sent, 0);
        assert_eq!(hub(&a).user(name).push(format!("user {name}")).sent, 0);
    }
    for (name, (client, _)) in names.iter().zip(&mut members) {
        let mut got = [client.next_text().await.unwrap(), client.next_text().await.unwrap()];
        got.sort();
        assert_eq!(got, [format!("room {name}"), format!("user {name}")], "{name:?}");
    }
    hub(&a).all().push("nothing else");
    for (client, _) in &mut members {
        expect(client, "nothing else").await;
    }
    for name in ["", "a:*", "章"] {
        assert_eq!(hub(&a).room::<Room>(name).count().await, Ok(1), "{name:?}");
        assert_eq!(hub(&a).user(name).count().await, Ok(1), "{name:?}");
    }
}

async fn a_room_of_one_controller_is_not_a_room_of_another(broker: &Broker) {
    let (a, b) = pair(broker).await;
    let (mut one, _) = connect(&b, "tom", "lobby").await;
    let (mut two, conn) = connect_plain(&b).await;
    assert_eq!(conn.join_confirmed("lobby").await, Ok(Reach::Cluster));
    hub(&a).room::<Room>("lobby").push("to one");
    hub(&a).room::<crate::nodes::Plain>("lobby").push("to two");
    hub(&a).all().push("to both");
    let mut got = [one.next_text().await.unwrap(), one.next_text().await.unwrap()];
    got.sort();
    assert_eq!(got, ["to both", "to one"]);
    let mut got = [two.next_text().await.unwrap(), two.next_text().await.unwrap()];
    got.sort();
    assert_eq!(got, ["to both", "to two"]);
}

async fn two_prefixes_on_one_broker_are_separate(broker: &Broker) {
    let mut nodes = Vec::new();
    // The second prefix begins with the first one.
    for prefix in ["app", "app", "app-1", "app-1"] {
        let name = format!("{prefix}-{}", nodes.len());
        nodes.push(node(broker, &name, app(), |settings| settings.prefix = prefix.into()).await);
    }
    know_each_other(&[&nodes[0], &nodes[1]]).await;
    know_each_other(&[&nodes[2], &nodes[3]]).await;
    let mut clients = Vec::new();
    for node in &nodes {
        clients.push(connect(node, "tom", "lobby").await.0);
    }
    for (at, prefix) in [(0, "app"), (2, "app-1")] {
        let hub = hub(&nodes[at]);
        hub.all().push(format!("all of {prefix}"));
        hub.room::<Room>("lobby").push(format!("room of {prefix}"));
        hub.user("tom").push(format!("user of {prefix}"));
    }
    for (client, prefix) in clients.iter_mut().zip(["app", "app", "app-1", "app-1"]) {
        let mut got = Vec::new();
        for _ in 0..3 {
            got.push(client.next_text().await.unwrap());
        }
        got.sort();
        assert_eq!(got, ["all", "room", "user"].map(|it| format!("{it} of {prefix}")));
    }
    for node in &nodes {
        assert_eq!(hub(node).cluster().nodes().len(), 2);
        assert_eq!(hub(node).count().await, Ok(2));
    }
}
