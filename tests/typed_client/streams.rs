//! Calls with many replies.

use std::time::Duration;

use futures_util::StreamExt as _;
use serde_json::json;
use ws_core::client::CallFailed;

use super::{History, room, said, say, scripted, within};

#[tokio::test]
async fn a_stream_has_all_replies_and_ends() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let lines: Vec<_> = within("the end", room.stream(&History { lines: 3 }).collect()).await;
    let lines: Vec<_> = lines.into_iter().map(Result::unwrap).collect();
    assert_eq!(lines, ["0", "1", "2"].map(said));

    let mut refused = room.stream(&History { lines: 0 });
    assert_eq!(refused.next().await.unwrap().unwrap_err().code(), Some("empty"));
    assert!(refused.next().await.is_none(), "it has ended");
}

#[tokio::test]
async fn a_stream_does_not_delay_a_call() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let mut lines = room.stream(&History { lines: 100 });
    for number in 0..100 {
        assert_eq!(lines.next().await.unwrap().unwrap(), said(&number.to_string()));
        assert_eq!(room.call(&say("between")).await.unwrap(), said("between"));
    }
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_reply_that_does_not_fit_does_not_end_a_stream() {
    let (room, mut script) = scripted().await;
    let server = async {
        let call = script.next().await;
        script.reply(&call, "said", json!(7)).await;
        script.reply(&call, "said", json!({"text": "good"})).await;
        script.reply(&call, "end", json!({"event": "history"})).await;
    };
    let (replies, ()) = tokio::join!(room.stream(&History { lines: 2 }).collect::<Vec<_>>(), server);
    assert!(matches!(replies[0], Err(CallFailed::Invalid(_))), "{replies:?}");
    assert_eq!(*replies[1].as_ref().unwrap(), said("good"));
    assert_eq!(replies.len(), 2);
}

#[tokio::test]
async fn a_reader_that_is_too_slow_gets_the_buffered_replies_and_then_the_reason() {
    let (_server, builder) = room().await;
    let room = builder.typed().await.unwrap();
    let mut lines = room.stream(&History { lines: 10 }).buffer(4);
    // The first reply has arrived, and the call after it ends after all others have arrived.
    assert_eq!(lines.next().await.unwrap().unwrap(), said("0"));
    room.call(&say("behind")).await.unwrap();
    let mut rest = Vec::new();
    while let Some(line) = lines.next().await {
        match line {
            Ok(line) => rest.push(line.text),
            Err(failed) => {
                assert!(matches!(failed, CallFailed::Lagged), "{failed:?}");
                rest.push("lagged".to_owned());
            }
        }
    }
    assert_eq!(rest.last().unwrap(), "lagged");
    assert!(rest.len() <= 6, "{rest:?}");

    // As many replies as fit do not end a stream.
    let lines = room.stream(&History { lines: 4 }).buffer(4);
    let lines: Vec<_> = lines.collect().await;
    assert!(lines.iter().all(Result::is_ok) && lines.len() == 4, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_applies_to_each_reply() {
    let (room, mut script) = scripted().await;
    let mut lines = room.stream(&History { lines: 3 }).timeout(Duration::from_secs(5));
    let (first, call) = tokio::join!(lines.next(), async {
        let call = script.next().await;
        tokio::time::sleep(Duration::from_secs(4)).await;
        script.reply(&call, "said", json!({"text": "0"})).await;
        call
    });
    first.unwrap().unwrap();
    // The time between two polls does not count for the deadline.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let (second, ()) = tokio::join!(lines.next(), async {
        tokio::time::sleep(Duration::from_secs(4)).await;
        script.reply(&call, "said", json!({"text": "1"})).await;
    });
    second.unwrap().unwrap();
    let failed = lines.next().await.unwrap().unwrap_err();
    assert!(matches!(failed, CallFailed::TimedOut { after } if after == Duration::from_secs(5)));
    assert!(lines.next().await.is_none());
}

#[tokio::test]
async fn a_lost_connection_ends_a_stream_after_its_replies() {
    let (room, mut script) = scripted().await;
    let mut lines = room.stream(&History { lines: 3 });
    let (first, ()) = tokio::join!(lines.next(), async {
        let call = script.next().await;
        script.reply(&call, "said", json!({"text": "0"})).await;
        script.reply(&call, "said", json!({"text": "1"})).await;
        drop(script);
    });
    assert_eq!(first.unwrap().unwrap(), said("0"));
    assert_eq!(lines.next().await.unwrap().unwrap(), said("1"));
    assert!(matches!(lines.next().await.unwrap(), Err(CallFailed::Lost(_))));
    assert!(lines.next().await.is_none());
    let mut later = room.stream(&History { lines: 3 });
    assert!(matches!(later.next().await.unwrap(), Err(CallFailed::NotConnected)));
}
