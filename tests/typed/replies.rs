//! The return values of handlers.

use std::sync::Arc;

use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc;
use ws_core::{
    handlers::{IntoReply, Replier},
    prelude::*,
    testing::TestError,
};

use super::{ask, serve};

type Answer<T> = std::result::Result<T, std::num::ParseIntError>;

struct Twice(&'static str);

impl IntoReply for Twice {
    async fn reply(self, to: &Replier<'_>) -> Result {
        to.send(self.0).await?;
        Ok(to.send(self.0).await?)
    }
}

/// Reports when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

struct Replies {
    seen: mpsc::UnboundedSender<&'static str>,
}

#[ws_handlers]
impl Replies {
    #[on_open]
    async fn open(&self) -> Result<Event<&'static str>> {
        Ok(Event::new("welcome", "hi"))
    }

    #[on_event("alias")]
    async fn alias(&self, Data(text): Data<String>) -> Answer<Data<u8>> {
        Ok(Data(text.parse()?))
    }

    #[on_event("twice")]
    async fn twice(&self) -> Twice {
        Twice("again")
    }

    #[on_event("text")]
    async fn text(&self) -> Text {
        Text::from_static("unchanged")
    }

    #[on_event("count")]
    async fn count(
        &self,
        Data(to): Data<u32>,
    ) -> Stream<impl futures_util::Stream<Item = Data<u32>> + use<>> {
        Stream::new(stream::iter((1..=to).map(Data)))
    }

    #[on_event("stumble")]
    async fn stumble(&self) -> Stream<impl futures_util::Stream<Item = Result<Data<u32>>> + use<>> {
        Stream::new(stream::iter([
            Ok(Data(1)),
            Err(Error::new("x").code("stumbled").public("oops")),
            Ok(Data(3)),
        ]))
    }

    #[on_event("endless")]
    async fn endless(&self) -> Stream<impl futures_util::Stream<Item = Data<u64>> + use<>> {
        let guard = Arc::new(Dropped(self.seen.clone()));
        let _ = self.seen.send("begun");
        Stream::new(stream::unfold((0, guard), async |(number, guard)| {
            if number == 3 {
                std::future::pending::<()>().await;
            }
            Some((Data(number), (number + 1, guard)))
        }))
    }
}

fn replies() -> (Replies, mpsc::UnboundedReceiver<&'static str>) {
    let (seen, events) = mpsc::unbounded_channel();
    (Replies { seen }, events)
}

#[tokio::test]
async fn every_kind_of_reply_is_sent_in_the_form_of_its_type() {
    let app = serve(replies().0).await;
    let mut client = app.connect("/").await.unwrap();
    assert_eq!(client.next_event::<String>("welcome").await.unwrap(), "hi");
    let got = ask(&mut client, r#"{"event":"alias","data":"12","ref":1}"#).await;
    assert_eq!(got, json!({"event": "alias", "data": 12, "ref": 1}));
    let got = ask(&mut client, r#"{"event":"alias","data":"x","ref":1}"#).await;
    assert_eq!(got["data"], json!({"code": "internal", "message": "internal error"}));
    client.send_text(r#"{"event":"twice"}"#).await;
    assert_eq!(client.next_text().await.unwrap(), "again");
    assert_eq!(client.next_text().await.unwrap(), "again");
    client.send_text(r#"{"event":"text"}"#).await;
    assert_eq!(client.next_text().await.unwrap(), "unchanged");
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Fails with an error that holds a trait object, around the reply and inside of it.
struct Boxed;

async fn never(_: &Handshake) -> std::result::Result<(), BoxError> {
    Err("not today".into())
}

#[ws_handlers]
impl Boxed {
    #[on_event("around")]
    async fn around(&self, Data(text): Data<String>) -> std::result::Result<Data<u8>, BoxError> {
        Ok(Data(text.parse()?))
    }

    #[on_event("inside")]
    async fn inside(&self) -> Option<std::result::Result<Data<u8>, BoxError>> {
        Some(Err("inside".into()))
    }

    #[on_event("items")]
    async fn items(&self) -> Stream<stream::BoxStream<'static, std::result::Result<Data<u8>, BoxError>>> {
        let refusal = Error::new("x").code("stumbled").public("oops").into_boxed();
        Stream::new(Box::pin(stream::iter([Ok(Data(1)), Err(refusal)])))
    }

    #[on_event("guarded")]
    #[guard(never)]
    async fn guarded(&self) -> Data<u8> {
        Data(1)
    }
}

#[tokio::test]
async fn an_error_with_a_trait_object_inside_is_an_error_like_any_other() {
    let app = serve(Boxed).await;
    let mut client = app.connect("/").await.unwrap();
    let error =
        |code, message| json!({"event": "error", "data": {"code": code, "message": message}, "ref": 1});
    for (event, answers) in [
        ("around", vec![error("internal", "internal error")]),
        ("inside", vec![error("internal", "internal error")]),
        ("items", vec![json!({"event": "items", "data": 1, "ref": 1}), error("stumbled", "oops")]),
        ("guarded", vec![error("forbidden", "forbidden")]),
    ] {
        client.send_text(json!({"event": event, "data": "x", "ref": 1}).to_string()).await;
        for answer in answers {
            assert_eq!(client.next_json::<serde_json::Value>().await.unwrap(), answer, "{event}");
        }
    }
}

/// Leaves calls without a reply, in every possible way.
struct Silent;

#[ws_handlers]
impl Silent {
    #[on_event("unit")]
    async fn unit(&self) {}

    #[on_event("ok")]
    async fn ok(&self) -> Result {
        Ok(())
    }

    #[on_event("none")]
    async fn none(&self) -> Option<Data<u8>> {
        None
    }

    #[on_event("pushed")]
    async fn pushed(&self, conn: &Connection) -> Result {
        Ok(conn.event("news", &1)?)
    }

    #[on_event("raw")]
    async fn raw(&self) -> Twice {
        Twice("raw")
    }

    #[on_event("empty")]
    async fn empty(&self) -> Stream<futures_util::stream::Empty<Data<u8>>> {
        Stream::new(futures_util::stream::empty())
    }

    #[on_event("answered")]
    async fn answered(&self) -> Data<u8> {
        Data(1)
    }

    #[on_unknown]
    async fn unknown(&self) {}
}

#[tokio::test]
async fn a_call_with_a_ref_that_has_no_reply_is_closed_by_end() {
    let app = serve(Silent).await;
    let mut client = app.connect("/").await.unwrap();
    for (event, before) in
        [("unit", 0), ("ok", 0), ("none", 0), ("pushed", 1), ("raw", 2), ("empty", 0), ("nobody", 0)]
    {
        client.send_json(&json!({"event": event, "ref": event})).await;
        for _ in 0..before {
            client.next_text().await.unwrap();
        }
        let got: serde_json::Value = client.next_json().await.unwrap();
        assert_eq!(got, json!({"event": "end", "data": {"event": event}, "ref": event}));
    }
    let got = ask(&mut client, r#"{"event":"answered","ref":1}"#).await;
    assert_eq!(got, json!({"event": "answered", "data": 1, "ref": 1}));
    for event in ["unit", "none", "empty", "nobody"] {
        client.send_json(&json!({ "event": event })).await;
    }
    let got = ask(&mut client, r#"{"event":"answered"}"#).await;
    assert_eq!(got["data"], 1, "`end` is sent neither after a reply nor without a `ref`");
}

#[tokio::test]
async fn a_stream_sends_its_items_in_order_and_ends_a_call_with_a_ref() {
    let app = serve(replies().0).await;
    let mut client = app.connect("/").await.unwrap();
    client.next().await.unwrap();
    client.send_text(r#"{"event":"count","data":3,"ref":"c"}"#).await;
    client.send_text(r#"{"event":"text"}"#).await;
    for number in 1..=3 {
        let got: serde_json::Value = client.next_json().await.unwrap();
        assert_eq!(got, json!({"event": "count", "data": number, "ref": "c"}));
    }
    let got: serde_json::Value = client.next_json().await.unwrap();
    assert_eq!(got, json!({"event": "end", "data": {"event": "count"}, "ref": "c"}));
    assert_eq!(client.next_text().await.unwrap(), "unchanged", "the next message waited");
}

#[tokio::test]
async fn an_error_ends_a_stream_and_is_answered() {
    let app = serve(replies().0).await;
    let mut client = app.connect("/").await.unwrap();
    client.next().await.unwrap();
    let got = ask(&mut client, r#"{"event":"stumble","ref":1}"#).await;
    assert_eq!(got["data"], 1);
    let got: serde_json::Value = client.next_json().await.unwrap();
    assert_eq!(got, json!({"event": "error", "data": {"code": "stumbled", "message": "oops"}, "ref": 1}));
    client.send_text(r#"{"event":"text"}"#).await;
    assert_eq!(client.next_text().await.unwrap(), "unchanged", "nothing followed the error");
}

#[tokio::test]
async fn a_stream_is_dropped_when_its_connection_closes() {
    let (controller, mut seen) = replies();
    let app = serve(controller).await;
    let mut client = app.connect("/").await.unwrap();
    client.next().await.unwrap();
    client.send_text(r#"{"event":"endless"}"#).await;
    for _ in 0..3 {
        client.next().await.unwrap();
    }
    assert_eq!(seen.recv().await, Some("begun"));
    drop(client);
    assert_eq!(seen.recv().await, Some("dropped"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_dropped_when_its_client_leaves_with_messages_waiting() {
    for events in [1, 2, 64, 100] {
        for sends_close in [false, true] {
            let (controller, mut seen) = replies();
            let app = serve(controller).await;
            let mut client = app.connect("/").await.unwrap();
            client.next().await.unwrap();
            for _ in 0..events {
                client.send_text(r#"{"event":"endless"}"#).await;
            }
            for _ in 0..3 {
                client.next().await.unwrap();
            }
            assert_eq!(seen.recv().await, Some("begun"));
            if sends_close {
                client.close(1000, "").await;
            }
            drop(client);
            assert_eq!(seen.recv().await, Some("dropped"), "{events} events, {sends_close}");
            while app.running().hub().count_local() > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_dropped_stream_does_not_report_completion() {
    let (controller, mut seen) = replies();
    let app = serve(controller).await;
    let mut client = app.connect("/").await.unwrap();
    client.next().await.unwrap();
    client.send_text(r#"{"event":"endless","ref":1}"#).await;
    for number in 0..3 {
        assert_eq!(client.next_json::<serde_json::Value>().await.unwrap()["data"], number);
    }
    client.close(1000, "").await;
    assert!(matches!(client.next().await, Err(TestError::Closed { code: 1000, .. })));
    assert_eq!(seen.recv().await, Some("begun"));
    assert_eq!(seen.recv().await, Some("dropped"));
}

#[tokio::test]
async fn a_stream_waits_for_a_client_that_does_not_read() {
    let app = serve(replies().0).await;
    let mut client = app.connect("/").await.unwrap();
    client.next().await.unwrap();
    // Far more than the outbox and the pipe hold.
    client.send_text(r#"{"event":"count","data":20000,"ref":1}"#).await;
    for number in 1..=20_000 {
        let got: serde_json::Value = client.next_json().await.unwrap();
        assert_eq!(got["data"], number);
    }
    let got: serde_json::Value = client.next_json().await.unwrap();
    assert_eq!(got["event"], "end", "no item was lost, and the outbox did not overflow");
}

/// Never sends anything, and reports when it is called.
struct Waits(tokio::sync::mpsc::UnboundedSender<()>);

#[ws_handlers]
impl Waits {
    #[on_event("wait")]
    async fn wait(&self) -> Stream<futures_util::stream::Pending<Data<u8>>> {
        self.0.send(()).unwrap();
        Stream::new(futures_util::stream::pending())
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_before_its_first_item_is_not_ended_either() {
    let (sender, mut called) = tokio::sync::mpsc::unbounded_channel();
    let app = serve(Waits(sender)).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"wait","ref":1}"#).await;
    called.recv().await.unwrap();
    client.close(1000, "").await;
    let got = client.next().await;
    assert!(matches!(got, Err(TestError::Closed { code: 1000, .. })), "{got:?}");
}
