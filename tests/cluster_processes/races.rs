//! A push on one node right after a join on another one.

use std::{collections::HashSet, time::Instant};

use crate::{
    brokers::Redis,
    client::Client,
    node::{Ask, Process, alone},
};

/// The pairs of a member on one node and a sender on the other.
const PAIRS: usize = 4;
const BATCHES: usize = 125;
const ROOMS_A_BATCH: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_message_that_is_pushed_after_a_confirmed_join_on_another_node_is_missed() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let (a, b) = (Process::start(&redis, "races", "a").await, Process::start(&redis, "races", "b").await);
    let began = Instant::now();
    let mut tasks = Vec::new();
    for pair in 0..PAIRS {
        let (member, sender) = (a.connect().await, b.connect().await);
        tasks.push(tokio::spawn(race(pair, member, sender)));
    }
    let mut races = 0;
    for task in tasks {
        races += task.await.unwrap();
    }
    assert_eq!(races, 100_000);
    eprintln!("{races} joins and pushes in {:?}", began.elapsed());
}

/// Joins new rooms on one node, and pushes to each from the other node as soon as all are
/// confirmed. The rooms of a batch are subscribed with one command, so they are confirmed together.
async fn race(pair: usize, mut member: Client, mut sender: Client) -> usize {
    for batch in 0..BATCHES {
        let rooms: Vec<String> = (0..ROOMS_A_BATCH).map(|room| format!("{pair} {batch} {room}")).collect();
        member.join(&rooms.iter().map(String::as_str).collect::<Vec<_>>()).await;
        sender.send(&Ask::Call(rooms.clone())).await;
        let mut missing: HashSet<&str> = rooms.iter().map(String::as_str).collect();
        while !missing.is_empty() {
            let message = member.message().await;
            assert!(missing.remove(&*message), "{message} is not expected");
        }
        assert_eq!(sender.answer().await, format!("called {ROOMS_A_BATCH}"));
        assert_eq!(member.ask(&Ask::Leave(rooms)).await, format!("left {ROOMS_A_BATCH}"));
    }
    BATCHES * ROOMS_A_BATCH
}
