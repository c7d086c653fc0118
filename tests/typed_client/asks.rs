//! The server's asks.

use serde_json::{Value, json};
use ws_core::client::{ClientError, ClientState};

use super::{Confirm, Pay, Script, Stream, accept, listen, quick_policy, room, scripted, within};

async fn ask<S: Stream>(script: &mut Script<S>, number: u32, data: Value) {
    script.send(json!({"event": "confirm", "data": data, "ref": format!("ask:{number}")})).await;
}

#[tokio::test]
async fn an_ask_is_answered_or_refused_under_its_ref() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let mut asked = room.asked::<Confirm>();
    let answers = tokio::spawn(async move {
        while let Some(question) = asked.next().await {
            match question.amount {
                0 => question.refuse("no", "not today").await.unwrap(),
                1 => drop(question),
                _ => question.answer(question.amount < 100).await.unwrap(),
            }
        }
    });
    for (amount, expected) in [(99, "true"), (100, "false"), (0, "no"), (1, "not_answered")] {
        assert_eq!(room.call(&Pay { amount }).await.unwrap(), expected, "{amount}");
    }
    drop(room);
    within("the end of the asks", answers).await.unwrap();
}

#[tokio::test]
async fn an_ask_without_a_receiver_is_refused_as_an_unknown_event() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    assert_eq!(room.call(&Pay { amount: 2 }).await.unwrap(), "unknown_event");
    drop(room.asked::<Confirm>());
    assert_eq!(room.call(&Pay { amount: 2 }).await.unwrap(), "unknown_event");
}

#[tokio::test]
async fn the_last_stream_of_asks_gets_them() {
    let (room, mut script) = scripted().await;
    let mut first = room.asked::<Confirm>();
    let mut second = room.asked::<Confirm>();
    ask(&mut script, 1, json!({"amount": 7})).await;
    assert_eq!(*within("a question", second.next()).await.unwrap(), Confirm { amount: 7 });
    assert!(within("the end of the first", first.next()).await.is_none());
}

#[tokio::test]
async fn too_many_asks_and_those_of_another_type_are_refused() {
    let (room, mut script) = scripted().await;
    let mut asked = room.asked::<Confirm>();
    for number in 0..17 {
        ask(&mut script, number, json!({"amount": number})).await;
    }
    // The task reads as soon as something is sent.
    room.emit(&super::Shout { text: "start".to_owned() }).await.unwrap();
    assert_eq!(script.next().await["event"], "shout");
    let busy = within("a refusal", script.next()).await;
    assert_eq!((&busy["ref"], &busy["data"]["code"]), (&json!("ask:16"), &json!("busy")));

    for number in 0..16 {
        let question = within("a question", asked.next()).await.unwrap();
        assert_eq!(question.amount, number);
        question.answer(true).await.unwrap();
        let answer = script.next().await;
        assert_eq!(answer, json!({"event": "confirm", "data": true, "ref": format!("ask:{number}")}));
    }
    ask(&mut script, 20, json!({"amount": "much"})).await;
    ask(&mut script, 21, json!({"amount": 21})).await;
    assert_eq!(within("a question", asked.next()).await.unwrap().amount, 21);
    let invalid = within("a refusal", script.next()).await;
    assert_eq!((&invalid["ref"], &invalid["data"]["code"]), (&json!("ask:20"), &json!("invalid_data")));
    let unanswered = within("a refusal", script.next()).await;
    assert_eq!(unanswered["data"]["code"], "not_answered");
}

#[tokio::test]
async fn an_ask_of_a_lost_connection_cannot_be_answered() {
    let (room, mut script) = scripted().await;
    let mut asked = room.asked::<Confirm>();
    ask(&mut script, 1, json!({"amount": 7})).await;
    let question = within("a question", asked.next()).await.unwrap();
    drop(script);
    assert!(within("the end", asked.next()).await.is_none());
    let error = question.answer(true).await.unwrap_err();
    assert!(matches!(&error, ClientError::Closed(reason) if reason.code() == 1006), "{error:?}");
}

#[tokio::test]
async fn the_next_connection_does_not_get_the_answer_of_the_last_one() {
    let (listener, builder) = listen().await;
    let (client, script) = tokio::join!(builder.reconnect(quick_policy()), accept(&listener));
    let (room, mut script) = (client.unwrap().typed(), script);
    let (mut asked, mut state) = (room.asked::<Confirm>(), room.watch());
    ask(&mut script, 1, json!({"amount": 7})).await;
    let (old, dropped) = (asked.next().await.unwrap(), {
        ask(&mut script, 2, json!({"amount": 8})).await;
        asked.next().await.unwrap()
    });
    drop(script);
    let (_, mut script) = tokio::join!(state.changed(), accept(&listener));
    let open = state.wait_for(|state| matches!(state, ClientState::Open));
    std::mem::drop(within("the new connection", open).await.unwrap());

    assert!(matches!(old.answer(true).await, Err(ClientError::Closed(_))));
    drop(dropped);
    // The first server chose the same refs, and its asks continue here.
    ask(&mut script, 1, json!({"amount": 9})).await;
    let question = within("a question", asked.next()).await.unwrap();
    question.answer(false).await.unwrap();
    assert_eq!(script.next().await, json!({"event": "confirm", "data": false, "ref": "ask:1"}));
}
