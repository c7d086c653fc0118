//! Rooms over three processes, and two applications on one broker.

use crate::{
    brokers::Redis,
    client::{Client, numbers},
    node::{Process, alone},
};

#[tokio::test]
async fn a_message_of_any_of_three_nodes_reaches_all_once_and_in_order() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let (mut processes, mut clients): (Vec<Process>, Vec<Client>) = (Vec::new(), Vec::new());
    for name in ["a", "b", "c"] {
        processes.push(Process::start(&redis, "rooms", name).await);
    }
    // Two clients of each node: the first of each sends.
    for process in &processes {
        for _ in 0..2 {
            let mut client = process.connect().await;
            client.join(&["lobby"]).await;
            clients.push(client);
        }
    }
    const COUNT: usize = 200;
    for number in 0..=COUNT {
        for (at, client) in clients.iter_mut().enumerate().step_by(2) {
            let text = if number < COUNT { format!("{at} {number}") } else { format!("end {at}") };
            assert_eq!(client.say("lobby", &text).await, "Queued");
        }
    }
    for client in &mut clients {
        // The ends arrive in any order. No message of a sender follows its own end.
        let (mut messages, mut ends) = (Vec::new(), Vec::new());
        while ends.len() < 3 {
            let message = client.message().await;
            match message.strip_prefix("end ") {
                Some(end) => ends.push(end.to_owned()),
                None => messages.push(message),
            }
        }
        ends.sort();
        assert_eq!(ends, ["0", "2", "4"]);
        assert_eq!(messages.len(), 3 * COUNT);
        for sender in ends {
            assert!(numbers(&messages, &sender).into_iter().eq(0..COUNT), "of {sender}");
        }
    }
}

#[tokio::test]
async fn applications_with_two_prefixes_on_one_redis_are_separate() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let nodes = [
        Process::start(&redis, "one", "one-a").await,
        Process::start(&redis, "one", "one-b").await,
        Process::start(&redis, "two", "two-a").await,
        Process::start(&redis, "two", "two-b").await,
    ];
    let mut clients = Vec::new();
    for node in &nodes {
        node.knows(2).await;
        let mut client = node.connect().await;
        client.join(&["lobby"]).await;
        clients.push(client);
    }
    let [one_a, one_b, two_a, two_b] = &mut clients[..] else { panic!("four clients") };
    for number in 0..50 {
        one_a.say("lobby", &format!("one {number}")).await;
        two_a.say("lobby", &format!("two {number}")).await;
    }
    one_b.say("lobby", "end").await;
    two_b.say("lobby", "end").await;
    for (clients, name) in [([one_a, one_b], "one"), ([two_a, two_b], "two")] {
        for client in clients {
            let mut messages = Vec::new();
            // The end may overtake messages of the other node.
            while messages.len() < 51 {
                messages.push(client.message().await);
            }
            messages.retain(|message| message != "end");
            assert!(numbers(&messages, name).into_iter().eq(0..50), "{messages:?}");
            assert_eq!(client.ask(&crate::node::Ask::Count("lobby".into())).await, "Ok(2)");
            assert!(client.arrived().is_empty());
        }
    }
}
