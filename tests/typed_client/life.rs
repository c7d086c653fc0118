//! The beginning, the end and the formats of a typed client.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Ws;
use ws_core::{
    client::{CallFailed, ClientState, ReconnectPolicy, TypedClient},
    prelude::*,
};

use super::{
    Confirm, History, Pay, Said, Welcome, accept, listen, quick_policy, room, said, say, scripted, within,
};

/// Returns the code of the close frame that the server gets and answers.
async fn close_code(script: &mut super::Script) -> u16 {
    let mut code = 1006;
    while let Some(message) = within("the end", script.0.next()).await {
        if let Ok(Ws::Close(Some(frame))) = message {
            code = frame.code.into();
        }
    }
    code
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_closes_and_ends_the_streams() {
    let (room, mut script) = scripted().await;
    let (mut events, mut others, mut asked) = (room.events::<Said>(), room.others(), room.asked::<Confirm>());
    let lines = room.stream(&History { lines: 1 });
    drop(room.clone());
    drop(room);
    script.said("still open").await;
    assert_eq!(within("an event", events.next()).await.unwrap().unwrap(), said("still open"));
    drop(lines);
    assert_eq!(close_code(&mut script).await, 1000);
    assert!(within("the end", events.next()).await.is_none());
    assert!(within("the end", others.next()).await.is_none());
    assert!(within("the end", asked.next()).await.is_none());
}

#[tokio::test]
async fn closing_fails_the_calls_of_all_handles() {
    let (room, mut script) = scripted().await;
    let other = room.clone();
    let waiting = tokio::spawn(async move { other.call(&say("hi")).await });
    script.next().await;
    let mut state = room.watch();
    let (closed, code) = tokio::join!(room.close(4000, "done"), close_code(&mut script));
    assert_eq!((closed.unwrap().code(), code), (4000, 4000));
    assert!(matches!(waiting.await.unwrap(), Err(CallFailed::Lost(reason)) if reason.code() == 4000));
    within("the state", state.changed()).await.unwrap();
    assert!(matches!(room.state(), ClientState::Closed(reason) if reason.code() == 4000));
    assert!(matches!(room.call(&say("late")).await, Err(CallFailed::NotConnected)));
    assert!(room.emit(&said("late")).await.is_err());
    assert!(room.events::<Said>().next().await.is_none(), "a late subscription ends at once");
    assert!(room.asked::<Confirm>().next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unused_client_answers_pings_after_a_second() {
    let (_room, mut script) = scripted().await;
    futures_util::SinkExt::send(&mut script.0, Ws::Ping(b"you"[..].into())).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(script.0.next().await.unwrap().unwrap(), Ws::Pong(b"you"[..].into()));
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn calls_during_an_outage_are_not_sent_and_none_is_sent_twice() {
    let (listener, builder) = listen().await;
    let (client, mut script) = tokio::join!(builder.reconnect(quick_policy()), accept(&listener));
    let room = client.unwrap().typed();
    let mut state = room.watch();
    let call = say("one");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        script.next().await;
        drop(script);
    });
    assert!(matches!(reply, Err(CallFailed::Lost(_))), "{reply:?}");
    assert!(matches!(room.state(), ClientState::Reconnecting(_)), "{:?}", room.state());
    assert!(matches!(room.call(&say("two")).await, Err(CallFailed::NotConnected)));

    let mut script = accept(&listener).await;
    let open = state.wait_for(|state| matches!(state, ClientState::Open));
    drop(within("the new connection", open).await.unwrap());
    let call = say("three");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        let call = script.next().await;
        assert_eq!(call["data"], json!({"text": "three"}), "nothing was kept for this connection");
        script.reply(&call, "said", call["data"].clone()).await;
    });
    assert_eq!(reply.unwrap(), said("three"));
}

#[tokio::test]
async fn a_final_close_code_ends_a_client_that_reconnects() {
    let (server, builder) = room().await;
    let room = builder.reconnect(ReconnectPolicy::new()).await.unwrap().typed();
    let mut welcome = room.events::<Welcome>();
    within("the first event", welcome.next()).await.unwrap().unwrap();
    server.hub().all().disconnect(4403, "out").unwrap();
    assert!(within("the end", welcome.next()).await.is_none());
    assert!(matches!(room.state(), ClientState::GaveUp(gave_up) if gave_up.lost.code() == 4403));
}

#[tokio::test]
async fn messagepack_is_used_if_the_server_has_chosen_it() {
    let (_server, builder) = room().await;
    let room = builder.subprotocols(["msgpack"]).typed().await.unwrap();
    let mut welcome = room.events::<Welcome>();
    let mut asked = room.asked::<Confirm>();
    assert_eq!(welcome.next().await.unwrap().unwrap(), Welcome { room: "all".to_owned() });
    assert_eq!(room.call(&say("hi")).await.unwrap(), said("hi"));
    assert_eq!(room.call(&say("")).await.unwrap_err().code(), Some("empty"));
    let lines: Vec<_> = room.stream(&History { lines: 2 }).collect().await;
    assert_eq!(lines.len(), 2);
    let (paid, ()) = tokio::join!(async { room.call(&Pay { amount: 3 }).await }, async {
        asked.next().await.unwrap().answer(true).await.unwrap();
    });
    assert_eq!(paid.unwrap(), "true");
}

#[test]
fn a_runtime_that_shuts_down_ends_the_client() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (room, _script): (TypedClient, _) = runtime.block_on(scripted());
    let mut events = room.events::<Said>();
    drop(runtime);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        assert!(within("the end", events.next()).await.is_none());
        assert!(matches!(room.state(), ClientState::Closed(CloseReason::Aborted)));
        assert!(matches!(room.call(&say("late")).await, Err(CallFailed::NotConnected)));
        assert!(room.emit(&said("late")).await.is_err());
    });
}
