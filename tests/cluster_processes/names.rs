//! Names of rooms and users with any characters.

use crate::{
    brokers::Redis,
    node::{Ask, Process, alone},
};

#[tokio::test]
async fn names_of_rooms_and_users_may_have_every_character_up_to_u_00ff() {
    let _alone = alone().await;
    let Some(redis) = Redis::start(&[]) else { return };
    let (a, b) = (Process::start(&redis, "names", "a").await, Process::start(&redis, "names", "b").await);
    let (mut member, mut sender) = (a.connect().await, b.connect().await);
    let one = (0..=255u8).map(|byte| char::from(byte).to_string());
    // A name has at most 256 bytes, so all characters need two names.
    let [low, high] = [0..=127u8, 128..=255].map(|bytes| bytes.map(char::from).collect::<String>());
    let names: Vec<String> = one.chain([low, high, String::new()]).collect();

    member.join(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (at, name) in names.iter().enumerate() {
        assert_eq!(sender.say(name, &at.to_string()).await, "Queued");
        assert_eq!(member.message().await, at.to_string(), "room {name:?}");
    }
    for (at, name) in names.iter().enumerate() {
        assert_eq!(member.ask(&Ask::Identify(name.clone())).await, "identified Cluster");
        let text = format!("user {at}");
        assert_eq!(sender.ask(&Ask::Tell { user: name.clone(), text: text.clone() }).await, "Queued");
        assert_eq!(member.message().await, text, "user {name:?}");
    }
}
