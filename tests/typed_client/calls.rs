//! Calls with one reply.

use std::time::Duration;

use serde_json::{Value, json};
use ws_core::client::CallFailed;

use super::{Find, Say, Shout, room, said, say, scripted, within};

#[tokio::test]
async fn each_call_gets_its_own_reply() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let calls = (0..50).map(|number| {
        let room = room.clone();
        tokio::spawn(async move { (number, room.call(&say(&number.to_string())).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        let (number, reply) = within("a reply", call).await.unwrap();
        assert_eq!(reply.unwrap(), said(&number.to_string()));
    }
}

#[tokio::test]
async fn replies_are_matched_by_their_ref_and_not_by_their_order() {
    let (room, mut script) = scripted().await;
    let (one, two) = (say("one"), say("two"));
    let server = async {
        let calls = [script.next().await, script.next().await];
        for call in calls.iter().rev() {
            script.reply(call, "said", call["data"].clone()).await;
        }
    };
    let (one, two, ()) = tokio::join!(room.call(&one), room.call(&two), server);
    assert_eq!((one.unwrap(), two.unwrap()), (said("one"), said("two")));
}

#[tokio::test]
async fn a_refusal_has_the_code_and_the_place_of_the_server() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let failed = room.call(&say("")).await.unwrap_err();
    assert_eq!(failed.code(), Some("empty"));
    assert_eq!(failed.to_string(), "refused with `empty`: write something");

    /// A type that differs from that of the server.
    #[derive(serde::Serialize, ws_core::WsEvent)]
    #[ws_event("say", reply = super::Said)]
    struct Wrong {
        text: u32,
    }
    let CallFailed::Refused { code, path, fields, .. } = room.call(&Wrong { text: 7 }).await.unwrap_err()
    else {
        panic!("not refused")
    };
    assert_eq!((&*code, &*path, fields), ("invalid_data", "text", Value::Null));
}

#[tokio::test]
async fn the_faults_of_a_refusal_by_field_are_kept() {
    let (room, mut script) = scripted().await;
    let call = say("hi");
    let server = async {
        let call = script.next().await;
        let data = json!({"code": "invalid_data", "message": "no", "fields": {"text": ["short"]}});
        script.reply(&call, "error", data).await;
        let call = script.next().await;
        script.reply(&call, "error", json!("not an object")).await;
    };
    let calls = async { (room.call(&call).await.unwrap_err(), room.call(&call).await.unwrap_err()) };
    let ((first, second), ()) = tokio::join!(calls, server);
    assert!(matches!(first, CallFailed::Refused { fields, .. } if fields == json!({"text": ["short"]})));
    assert_eq!(second.code(), Some("error"));
}

#[tokio::test]
async fn a_call_that_ends_without_a_reply_reports_it() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    assert!(matches!(room.call(&Find).await, Err(CallFailed::NoReply)));
}

#[tokio::test]
async fn a_reply_of_another_type_is_invalid() {
    let (room, mut script) = scripted().await;
    let call = say("hi");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        let call = script.next().await;
        script.reply(&call, "said", json!({"text": 7})).await;
    });
    let Err(CallFailed::Invalid(fault)) = reply else { panic!("{reply:?}") };
    assert!(fault.starts_with("text: invalid type"), "{fault}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_reply_times_out_and_a_late_reply_affects_no_other_call() {
    let (room, mut script) = scripted().await;
    let begun = tokio::time::Instant::now();
    let failed = room.call(&say("one")).await.unwrap_err();
    assert!(matches!(failed, CallFailed::TimedOut { after } if after == Duration::from_secs(10)));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    let failed = room.call(&say("two")).timeout(Duration::from_secs(3)).await.unwrap_err();
    assert!(matches!(failed, CallFailed::TimedOut { after } if after == Duration::from_secs(3)));
    assert_eq!(begun.elapsed(), Duration::from_secs(13));

    let call = say("three");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        for _ in 0..3 {
            let call = script.next().await;
            script.reply(&call, "said", call["data"].clone()).await;
        }
    });
    assert_eq!(reply.unwrap(), said("three"));
}

#[tokio::test]
async fn a_lost_connection_fails_its_calls_and_later_ones_are_not_sent() {
    let (room, mut script) = scripted().await;
    let call = say("hi");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        script.next().await;
        drop(script);
    });
    let failed = reply.unwrap_err();
    assert!(matches!(&failed, CallFailed::Lost(reason) if reason.code() == 1006), "{failed:?}");
    assert!(matches!(room.call(&call).await, Err(CallFailed::NotConnected)));
}

#[tokio::test]
async fn the_number_of_calls_without_a_reply_is_limited() {
    let (room, mut script) = scripted().await;
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..1024 {
        let room = room.clone();
        calls.spawn(async move { room.call(&say("hi")).await });
    }
    for _ in 0..1024 {
        within("a call", script.next()).await;
    }
    assert!(matches!(room.call(&say("one too many")).await, Err(CallFailed::TooMany)));
    // A dropped call makes room.
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    let call = say("in");
    let (reply, ()) = tokio::join!(room.call(&call), async {
        let call = script.next().await;
        script.reply(&call, "said", call["data"].clone()).await;
    });
    assert_eq!(reply.unwrap(), said("in"));
}

#[tokio::test]
async fn an_emitted_event_has_no_ref() {
    let (room, mut script) = scripted().await;
    room.emit(&Shout { text: "hi".to_owned() }).await.unwrap();
    assert_eq!(script.next().await, json!({"event": "shout", "data": {"text": "hi"}}));
}

#[tokio::test]
async fn a_call_that_cannot_be_serialised_is_not_sent() {
    #[derive(ws_core::WsEvent)]
    #[ws_event("say", reply = super::Said)]
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken"))
        }
    }

    let (room, _script) = scripted().await;
    assert!(matches!(room.call(&Broken).await, Err(CallFailed::Serialize(_))));
    assert!(room.emit(&Broken).await.is_err());
}

#[test]
fn a_call_may_be_awaited_in_any_task() {
    fn check<T: Send>(_: impl FnOnce(super::TypedClient, Say) -> T) {}
    check(|room, call| async move { room.call(&call).await });
    check(|room, call| async move { room.emit(&call).await });
}
