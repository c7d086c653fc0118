//! Subscriptions.

use serde_json::json;
use ws_core::{
    Message,
    client::{ClientState, EventFailed},
};

use super::{Said, Shout, Welcome, quick_policy, room, said, say, scripted, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_before_the_first_await_misses_nothing() {
    let (_server, builder) = room().await;
    for _ in 0..50 {
        let room = builder.clone().typed().await.unwrap();
        let mut welcome = room.events::<Welcome>();
        let event = within("the first event", welcome.next()).await.unwrap().unwrap();
        assert_eq!(event, Welcome { room: "all".to_owned() });
    }
}

#[tokio::test]
async fn each_subscriber_gets_all_events_of_its_name() {
    let (_server, builder) = room().await;
    let (ann, ben) = (builder.clone().typed().await.unwrap(), builder.typed().await.unwrap());
    let mut subscribers = [ann.events::<Said>(), ann.events::<Said>(), ben.events::<Said>()];
    ben.call(&say("ben is in the room")).await.unwrap();
    for text in ["one", "two"] {
        ann.emit(&Shout { text: text.to_owned() }).await.unwrap();
    }
    for subscriber in &mut subscribers {
        for text in ["one", "two"] {
            assert_eq!(within("an event", subscriber.next()).await.unwrap().unwrap(), said(text));
        }
    }
}

#[tokio::test]
async fn a_slow_subscriber_loses_the_oldest_events_and_gets_their_number() {
    let (room, mut script) = scripted().await;
    let (mut slow, mut quick) = (room.events::<Said>(), room.events::<Said>());
    for number in 0..100 {
        script.said(&number.to_string()).await;
        assert_eq!(within("an event", quick.next()).await.unwrap().unwrap(), said(&number.to_string()));
    }
    assert_eq!(slow.next().await.unwrap(), Err(EventFailed::Lagged(36)));
    for number in 36..100 {
        assert_eq!(slow.next().await.unwrap().unwrap(), said(&number.to_string()));
    }
    script.said("after").await;
    assert_eq!(within("an event", slow.next()).await.unwrap().unwrap(), said("after"));
}

#[tokio::test]
async fn an_event_that_does_not_fit_is_reported_and_the_next_one_arrives() {
    let (room, mut script) = scripted().await;
    let mut events = room.events::<Said>();
    script.send(json!({"event": "said", "data": {"text": 7}})).await;
    script.said("good").await;
    assert!(matches!(events.next().await.unwrap(), Err(EventFailed::Invalid(_))));
    assert_eq!(events.next().await.unwrap().unwrap(), said("good"));
}

#[tokio::test]
async fn unsubscribed_events_go_to_the_stream_of_others() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let (mut others, events) = (room.others(), room.events::<Said>());
    let next = async |others: &mut ws_core::client::Others| {
        let message = within("another message", others.next()).await.unwrap().unwrap();
        let Message::Text(text) = message else { panic!("not a text") };
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!(next(&mut others).await["event"], "welcome");
    // Without a `ref`, no call waits for this error.
    room.emit(&Shout { text: String::new() }).await.unwrap();
    assert_eq!(next(&mut others).await["data"]["code"], "empty");
    // The last subscriber has been dropped.
    drop(events);
    room.emit(&Shout { text: "hi".to_owned() }).await.unwrap();
    assert_eq!(next(&mut others).await, json!({"event": "said", "data": {"text": "hi"}}));
}

#[tokio::test]
async fn events_without_any_subscriber_are_dropped() {
    let (room, mut script) = scripted().await;
    let mut events = room.events::<Said>();
    script.send(json!({"event": "unknown", "data": 1})).await;
    script.send(json!({"event": "error", "data": {"code": "internal"}})).await;
    script.send(json!({"event": "said", "data": 1, "ref": "nobody's"})).await;
    script.send(json!([1, 2])).await;
    script.said("good").await;
    assert_eq!(within("an event", events.next()).await.unwrap().unwrap(), said("good"));
}

#[tokio::test]
async fn events_continue_over_a_new_connection() {
    let (server, builder) = room().await;
    let room = builder.reconnect(quick_policy()).await.unwrap().typed();
    let mut state = room.watch();
    let mut welcome = room.events::<Welcome>();
    let mut events = room.events::<Said>();
    within("the first event", welcome.next()).await.unwrap().unwrap();
    for round in 0..3 {
        server.hub().all().disconnect(1012, "again").unwrap();
        within("the next connection", welcome.next()).await.unwrap().unwrap();
        assert!(state.has_changed().unwrap(), "the loss is reported although it is over");
        assert!(matches!(*state.borrow_and_update(), ClientState::Open));
        room.emit(&Shout { text: round.to_string() }).await.unwrap();
        assert_eq!(within("an event", events.next()).await.unwrap().unwrap(), said(&round.to_string()));
    }
}
