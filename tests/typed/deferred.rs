//! Replies that are sent after their handler has returned.

use std::time::Duration;

use futures_util::{StreamExt as _, TryFutureExt as _, future::try_join, stream};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use ws_core::{
    Route,
    config::Limits,
    connection::SendError,
    handlers::EventName,
    prelude::*,
    testing::{TestApp, TestClient, TestConnection, TestError},
};

use super::{ask, serve, serve_registered};

const SECOND: Duration = Duration::from_secs(1);

struct Unserialisable;

impl serde::Serialize for Unserialisable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("on purpose"))
    }
}

fn sold_out() -> Error {
    Error::new("no row").code("sold_out").public("sold out")
}

/// The reply of this event is declared, and may be sent later.
#[derive(serde::Deserialize, WsEvent)]
#[ws_event("promised", reply = u8)]
struct Promised;

struct Defers;

#[ws_handlers]
impl Defers {
    #[on_event("echo")]
    async fn echo(&self, Data(data): Data<Value>) -> Data<Value> {
        Data(data)
    }

    /// Sends its data after this number of seconds.
    #[on_event("slow")]
    async fn slow(&self, conn: &Connection, reply: Reply, Data(seconds): Data<u32>) -> Result {
        conn.spawn(async move {
            sleep(SECOND * seconds).await;
            reply.send(Data(seconds)).await
        })?;
        Ok(())
    }

    /// Sends one of many kinds of replies from a task.
    #[on_event("send")]
    async fn send(&self, conn: &Connection, reply: Reply, Data(kind): Data<String>) -> Result {
        conn.spawn(async move {
            match &*kind {
                "data" => reply.send(Ok::<_, Error>(Some(Data("hi")))).await,
                "event" => reply.send(Event::new("other", 1)).await,
                "text" => reply.send("unchanged").await,
                "nothing" => reply.send(()).await,
                "none" => reply.send(None::<Data<u8>>).await,
                "many" => reply.send(Stream::new(stream::iter([1, 2]).map(Data))).await,
                "stumbles" => {
                    let items = [Ok(Data(1)), Err(sold_out()), Ok(Data(3))];
                    reply.send(Stream::new(stream::iter(items))).await
                }
                "public" => reply.send(Err::<(), _>(sold_out())).await,
                "secret" => reply.send(Err::<(), _>("secret")).await,
                "closes" => reply.send(Err::<(), _>(sold_out().close_code(4001))).await,
                "unserialisable" => reply.send(Data(Unserialisable)).await,
                other => panic!("{other}"),
            }
        })?;
        Ok(())
    }

    #[on_event("inline")]
    async fn inline(&self, reply: Reply) -> Result {
        Ok(reply.send(Data(1)).await?)
    }

    #[on_event("dropped")]
    async fn dropped(&self, _: Reply) {}

    #[on_event("dropped later")]
    async fn dropped_later(&self, conn: &Connection, reply: Reply) -> Result {
        Ok(conn.spawn(async { drop(reply) })?)
    }

    #[on_event("dropped, then fails")]
    async fn dropped_then_fails(&self, reply: Reply) -> Result {
        drop(reply);
        Err(sold_out())
    }

    #[on_event("not decoded")]
    async fn not_decoded(&self, _: Reply, _: Data<u8>) {}

    #[on_event("fails, then sends")]
    async fn fails_then_sends(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            sleep(SECOND).await;
            reply.send(Data("too late")).await.unwrap();
        })?;
        Err(sold_out())
    }

    #[on_event("fails, then drops")]
    async fn fails_then_drops(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            sleep(SECOND).await;
            drop(reply);
        })?;
        Err(sold_out())
    }

    #[on_event("sends, then fails")]
    async fn sends_then_fails(&self, reply: Reply) -> Result {
        reply.send(Data(1)).await?;
        Err(sold_out())
    }

    #[on_event("sends, then closes")]
    async fn sends_then_closes(&self, reply: Reply) -> Result {
        reply.send(Data(1)).await?;
        Err(sold_out().close_code(4002))
    }

    #[on_event("panics")]
    async fn panics(&self, _: Reply) {
        panic!("on purpose");
    }

    #[on_event("panics in a task")]
    async fn panics_in_a_task(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            let _kept = reply;
            sleep(SECOND).await;
            assert!(SECOND.is_zero(), "on purpose");
        })?;
        Ok(())
    }

    #[on_event("panics beside it")]
    async fn panics_beside_it(&self, conn: &Connection, reply: Reply) -> Result {
        let panics = async {
            sleep(SECOND).await;
            assert!(SECOND.is_zero(), "on purpose");
            Ok(())
        };
        // This is not an async block, because the panic itself would drop the values of such a
        // block.
        conn.spawn(try_join(std::future::ready(Ok::<_, Error>(reply)), panics).map_ok(|_| ()))?;
        Ok(())
    }

    /// Fails in a task, in one of many ways, without a reply before.
    #[on_event("fails in a task")]
    async fn fails_in_a_task(&self, conn: Connection, reply: Reply, Data(kind): Data<String>) -> Result {
        let older = conn.clone();
        conn.spawn(async move {
            match &*kind {
                "before send" => {
                    let number: u8 = "x".parse()?;
                    reply.send(Data(number)).await?;
                }
                "public" => {
                    sleep(SECOND).await;
                    Err(sold_out())?;
                    reply.send(()).await?;
                }
                "after the drop" => {
                    drop(reply);
                    sleep(SECOND).await;
                    Err(sold_out())?;
                }
                "closes" => {
                    let _kept = reply;
                    Err(sold_out().close_code(4001))?;
                }
                "no error" => {
                    drop(reply);
                    sleep(SECOND).await;
                }
                "panic after the drop" => {
                    drop(reply);
                    sleep(SECOND).await;
                    assert!(SECOND.is_zero(), "on purpose");
                }
                "after send" => {
                    reply.send(Data(1)).await?;
                    Err(sold_out())?;
                }
                "moved on" => {
                    tokio::spawn(async { drop(reply) }).await.unwrap();
                    Err(sold_out())?;
                }
                "in its own task" => {
                    older.spawn(async {
                        sleep(SECOND).await;
                        drop(reply);
                        Err::<(), _>(sold_out())
                    })?;
                    Err("of the outer task")?;
                }
                other => panic!("{other}"),
            }
            Ok::<(), Error>(())
        })?;
        Ok(())
    }

    #[on_event("fails twice")]
    async fn fails_twice(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            let _kept = reply;
            Err::<(), _>("of the task")
        })?;
        sleep(SECOND).await;
        Err(sold_out())
    }

    #[on_event("fails before its task")]
    async fn fails_before_its_task(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            let _kept = reply;
            sleep(SECOND).await;
            Err::<(), _>("of the task")
        })?;
        Err(sold_out())
    }

    /// Drops a stream after a second.
    #[on_event("gives up")]
    async fn gives_up(&self, conn: &Connection, reply: Reply) -> Result {
        conn.spawn(async {
            let items = stream::iter([Data(1)]).chain(stream::pending());
            let _ = timeout(SECOND, reply.send(Stream::new(items))).await;
        })?;
        Ok(())
    }

    #[on_event("holds")]
    async fn holds(&self, reply: Reply) {
        sleep(10 * SECOND).await;
        drop(reply);
    }

    #[on_event("promised")]
    async fn promised(&self, Data(Promised): Data<Promised>, reply: Reply) -> Result {
        Ok(reply.send(Data(7)).await?)
    }

    #[on_event("leaves")]
    async fn leaves(&self, conn: &Connection, reply: Reply) -> Result {
        conn.disconnect(4003, "")?;
        let sent = reply.send(Data(1)).await;
        assert!(matches!(sent, Err(SendError::Closed { connection }) if connection == conn.id()));
        Ok(sent?)
    }

    #[on_unknown]
    async fn unknown(&self, conn: &Connection, text: Text, reply: Reply, name: EventName<'_>) -> Result {
        let data = Data((name.to_string(), text.len()));
        Ok(conn.spawn(async { reply.send(data).await })?)
    }
}

async fn defers(change: impl FnOnce(&mut Limits) + Send + 'static) -> TestApp {
    TestApp::start(App::without_registry().route(Route::new("/", Defers).limits(change))).await
}

/// The next message as JSON, or the code of the close frame.
async fn next(client: &mut TestClient) -> Value {
    match client.next().await {
        Ok(message) => {
            let text = message.as_text().unwrap();
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        Err(TestError::Closed { code, .. }) => json!(code),
        Err(error) => panic!("{error}"),
    }
}

fn end(event: &str) -> Value {
    json!({"event": "end", "data": {"event": event}, "ref": 7})
}

fn data(event: &str, data: impl Into<Value>) -> Value {
    json!({"event": event, "data": data.into(), "ref": 7})
}

fn error(code: &str, message: &str) -> Value {
    json!({"event": "error", "data": {"code": code, "message": message}, "ref": 7})
}

/// Sends a call, and compares all messages of the next two seconds.
async fn check(client: &mut TestClient, event: &str, sent: Value, expected: &[Value]) {
    client.send_json(&json!({"event": event, "data": sent, "ref": 7})).await;
    sleep(2 * SECOND).await;
    client.send_text(r#"{"event":"echo","data":"behind"}"#).await;
    for expected in expected {
        assert_eq!(next(client).await, *expected, "{event} {sent}");
    }
    if !expected.last().is_some_and(Value::is_number) {
        assert_eq!(next(client).await["data"], "behind", "{event} {sent}: no further message");
    }
}

#[tokio::test(start_paused = true)]
async fn everything_that_a_handler_returns_can_be_sent_later() {
    let app = defers(|_| ()).await;
    let mut client = app.connect("/").await.unwrap();
    for (kind, expected) in [
        ("data", vec![data("send", "hi")]),
        ("event", vec![data("other", 1)]),
        ("text", vec![json!("unchanged"), end("send")]),
        ("nothing", vec![end("send")]),
        ("none", vec![end("send")]),
        ("many", vec![data("send", 1), data("send", 2), end("send")]),
        ("stumbles", vec![data("send", 1), error("sold_out", "sold out")]),
        ("public", vec![error("sold_out", "sold out")]),
        ("secret", vec![error("internal", "internal error")]),
        ("unserialisable", vec![error("internal", "internal error")]),
        ("closes", vec![json!(4001)]),
    ] {
        check(&mut client, "send", json!(kind), &expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_gets_one_answer_however_its_handler_and_its_reply_end() {
    let app = defers(|_| ()).await;
    let internal = || error("internal", "internal error");
    for (event, expected) in [
        ("inline", vec![data("inline", 1)]),
        ("dropped", vec![end("dropped")]),
        ("dropped later", vec![end("dropped later")]),
        ("dropped, then fails", vec![error("sold_out", "sold out")]),
        ("fails, then sends", vec![error("sold_out", "sold out")]),
        ("fails, then drops", vec![error("sold_out", "sold out")]),
        ("sends, then fails", vec![data("sends, then fails", 1)]),
        ("sends, then closes", vec![data("sends, then closes", 1), json!(4002)]),
        ("panics", vec![internal(), json!(1011)]),
        ("panics in a task", vec![internal(), json!(1011)]),
        ("panics beside it", vec![internal(), json!(1011)]),
        ("gives up", vec![data("gives up", 1), internal()]),
        ("leaves", vec![json!(4003)]),
        ("promised", vec![data("promised", 7)]),
        ("who?", vec![data("who?", json!(["who?", 36]))]),
    ] {
        let mut client = app.connect("/").await.unwrap();
        check(&mut client, event, Value::Null, &expected).await;
    }
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"not decoded","data":"x","ref":7}"#).await;
    assert_eq!(next(&mut client).await["data"]["code"], "invalid_data");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_drops_its_reply_answers_the_call_with_its_error() {
    let app = defers(|_| ()).await;
    let ended = || end("fails in a task");
    let internal = || error("internal", "internal error");
    let public = || error("sold_out", "sold out");
    for (kind, expected) in [
        ("before send", vec![internal()]),
        ("public", vec![public()]),
        ("after the drop", vec![public()]),
        ("closes", vec![json!(4001)]),
        ("no error", vec![ended()]),
        ("panic after the drop", vec![internal(), json!(1011)]),
        ("after send", vec![data("fails in a task", 1)]),
        ("moved on", vec![ended()]),
        ("in its own task", vec![public()]),
    ] {
        let mut client = app.connect("/").await.unwrap();
        check(&mut client, "fails in a task", json!(kind), &expected).await;
    }
    for (event, expected) in [("fails twice", internal()), ("fails before its task", public())] {
        let mut client = app.connect("/").await.unwrap();
        check(&mut client, event, Value::Null, &[expected]).await;
    }
}

/// Collects replies of all connections, and has a worker for the last connection.
#[derive(Default)]
struct Collects {
    replies: std::sync::Mutex<Vec<Reply>>,
    worker: std::sync::Mutex<Option<tokio::sync::mpsc::UnboundedSender<Reply>>>,
}

#[ws_handlers]
impl Collects {
    /// Starts a worker that drops replies until the connection ends.
    #[on_open]
    async fn open(&self, conn: Connection) -> Result {
        let (sender, mut replies) = tokio::sync::mpsc::unbounded_channel();
        *self.worker.lock().unwrap() = Some(sender);
        conn.clone().spawn(async move {
            loop {
                tokio::select! {
                    () = conn.closed() => return,
                    Some(reply) = replies.recv() => drop(reply),
                }
            }
        })?;
        Ok(())
    }

    #[on_event("collect")]
    async fn collect(&self, reply: Reply) {
        self.replies.lock().unwrap().push(reply);
    }

    #[on_event("fail")]
    async fn fail(&self, conn: &Connection) -> Result {
        let replies = std::mem::take(&mut *self.replies.lock().unwrap());
        conn.spawn(async {
            drop(replies);
            Err::<(), _>(sold_out())
        })?;
        Ok(())
    }

    #[on_event("work")]
    async fn work(&self, reply: Reply) {
        let worker = self.worker.lock().unwrap();
        worker.as_ref().unwrap().send(reply).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_several_replies_that_a_task_drops_gets_its_error() {
    let app = serve(Collects::default()).await;
    let mut client = app.connect("/").await.unwrap();
    for _ in 0..3 {
        client.send_text(r#"{"event":"collect","ref":7}"#).await;
    }
    client.send_text(r#"{"event":"fail"}"#).await;
    assert_eq!(next(&mut client).await, error("sold_out", "sold out"));
    for _ in 0..2 {
        assert_eq!(next(&mut client).await, error("internal", "internal error"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_older_than_a_call_does_not_delay_its_end() {
    let app = serve(Collects::default()).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"work","ref":7}"#).await;
    assert_eq!(next(&mut client).await, end("work"));
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_no_task_of_another_connection() {
    let app = serve(Collects::default()).await;
    let mut first = app.connect("/").await.unwrap();
    let mut second = app.connect("/").await.unwrap();
    first.send_text(r#"{"event":"collect","ref":7}"#).await;
    sleep(SECOND).await;
    second.send_text(r#"{"event":"fail"}"#).await;
    assert_eq!(next(&mut first).await, end("collect"));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_ref_is_answered_but_not_ended() {
    let app = defers(|_| ()).await;
    let mut client = app.connect("/").await.unwrap();
    for event in ["dropped", "dropped later"] {
        client.send_event(event, &()).await;
    }
    client.send_event("send", "nothing").await;
    client.send_event("send", "data").await;
    assert_eq!(next(&mut client).await, json!({"event": "send", "data": "hi"}));
    client.send_event("dropped, then fails", &()).await;
    assert_eq!(next(&mut client).await["data"]["code"], "sold_out");
}

#[tokio::test(start_paused = true)]
async fn slow_calls_delay_neither_later_messages_nor_each_other() {
    // Calls with a running task are not in the inbox.
    let app = defers(|limits| limits.inbox_messages = 1).await;
    let mut client = app.connect("/").await.unwrap();
    let began = Instant::now();
    for seconds in [3, 1, 2, 2] {
        client.send_json(&json!({"event": "slow", "data": seconds, "ref": seconds * 10})).await;
    }
    assert_eq!(ask(&mut client, r#"{"event":"echo","data":0}"#).await["data"], 0);
    assert_eq!(began.elapsed().as_secs(), 0);
    for seconds in [1, 2, 2, 3] {
        let expected = json!({"event": "slow", "data": seconds, "ref": seconds * 10});
        assert_eq!(next(&mut client).await, expected);
        assert_eq!(began.elapsed().as_secs(), seconds);
    }
}

#[tokio::test(start_paused = true)]
async fn one_call_more_than_the_limit_of_tasks_is_refused_with_its_ref() {
    let app = defers(|limits| limits.tasks = 2).await;
    let mut client = app.connect("/").await.unwrap();
    for reference in [1, 2, 7] {
        client.send_json(&json!({"event": "slow", "data": 1, "ref": reference})).await;
    }
    assert_eq!(next(&mut client).await, error("rate_limited", "too many calls at once"));
    for reference in [1, 2] {
        assert_eq!(next(&mut client).await["ref"], reference);
    }
    assert_eq!(ask(&mut client, r#"{"event":"slow","data":1,"ref":7}"#).await, data("slow", 1));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_handler_does_not_end_its_call() {
    let app = defers(|limits| limits.handler_timeout = Some(SECOND)).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"holds","ref":7}"#).await;
    assert_eq!(next(&mut client).await, 1011);
}

#[tokio::test(start_paused = true)]
async fn a_call_before_a_close_frame_gets_its_reply() {
    let app = defers(|_| ()).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text(r#"{"event":"slow","data":2,"ref":7}"#).await;
    client.close(1000, "").await;
    assert_eq!(next(&mut client).await, data("slow", 2));
    assert_eq!(next(&mut client).await, 1000);
}

/// Reports the outcome of a reply.
struct Reports(tokio::sync::mpsc::UnboundedSender<bool>);

#[ws_handlers]
impl Reports {
    #[on_event("slow")]
    async fn slow(&self, conn: &Connection, reply: Reply) -> Result {
        let sender = self.0.clone();
        conn.spawn(async move {
            sleep(SECOND).await;
            sender.send(reply.send(Data(1)).await.is_ok())
        })?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_connection_has_ended_is_an_error() {
    for by_server in [false, true] {
        let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
        let app = serve(Reports(sender)).await;
        let mut client = app.connect("/").await.unwrap();
        client.send_text(r#"{"event":"slow","ref":7}"#).await;
        client.send_text(r#"{"event":"slow","ref":8}"#).await;
        sleep(SECOND / 2).await;
        if by_server {
            drop(tokio::spawn(app.shutdown()));
            client.expect_close(1001).await;
            assert_eq!(seen.recv().await, Some(false));
        } else {
            drop(client);
            assert_eq!(seen.recv().await, Some(true), "the end of the client is not known yet");
        }
        assert_eq!(seen.recv().await, Some(!by_server));
    }
}

/// An error that an error handler of this binary handles.
#[derive(Debug, thiserror::Error)]
enum Handled {
    #[error("replied")]
    Replied,
    #[error("by event")]
    ByEvent,
    #[error("disconnects")]
    Disconnects,
    #[error("passed")]
    Passed,
    #[error("panics")]
    Panics,
    #[error("never")]
    Never,
}

#[ws_error_handler(server = "deferred")]
async fn handled(error: &Handled, scene: &Scene) -> Recovery {
    assert_eq!((scene.phase(), scene.route()), (Phase::Message, Some("/deferred")));
    assert!(scene.connection().is_some());
    match error {
        Handled::Replied => Recovery::reply("replied"),
        Handled::ByEvent => Recovery::error("handled", "by event"),
        Handled::Disconnects => Recovery::disconnect(4004, "bye"),
        Handled::Passed => Recovery::pass(),
        Handled::Panics => panic!("on purpose"),
        Handled::Never => std::future::pending().await,
    }
}

#[ws_controller(path = "/deferred", server = "deferred", limits(handler_timeout = "1s"))]
struct Fails;

#[ws_handlers]
impl Fails {
    #[on_event("fail")]
    async fn fail(&self, conn: &Connection, reply: Reply, Data(kind): Data<u8>) -> Result {
        conn.spawn(async move { reply.send(Self::failed(kind)).await })?;
        Ok(())
    }

    /// The same error from a task that sends nothing.
    #[on_event("fail in a task")]
    async fn fail_in_a_task(&self, conn: &Connection, reply: Reply, Data(kind): Data<u8>) -> Result {
        conn.spawn(async move {
            Self::failed(kind)?;
            Ok::<_, Error>(reply.send(()).await?)
        })?;
        Ok(())
    }

    /// The same error from a handler itself, to compare.
    #[on_event("fail at once")]
    async fn fail_at_once(&self, Data(kind): Data<u8>) -> Result<(), Handled> {
        Self::failed(kind)
    }

    #[on_event("echo")]
    async fn echo(&self, Data(data): Data<Value>) -> Data<Value> {
        Data(data)
    }

    fn failed(kind: u8) -> Result<(), Handled> {
        Err(match kind {
            0 => Handled::Replied,
            1 => Handled::ByEvent,
            2 => Handled::Disconnects,
            3 => Handled::Passed,
            4 => Handled::Panics,
            _ => Handled::Never,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_task_reaches_the_error_handlers_like_one_of_a_handler() {
    let app = serve_registered().await;
    let expected = [
        json!("replied"),
        error("handled", "by event"),
        json!(4004),
        error("internal", "internal error"),
        json!(1011),
        json!(1011),
    ];
    for event in ["fail", "fail in a task", "fail at once"] {
        for (kind, expected) in expected.iter().enumerate() {
            let mut client = app.connect_to("deferred", "/deferred").await.unwrap();
            check(&mut client, event, json!(kind), std::slice::from_ref(expected)).await;
        }
    }
}

#[tokio::test]
async fn a_handler_with_a_reply_is_a_method_that_a_unit_test_calls() {
    let mut test = TestConnection::new();
    Defers.inline(test.reply("inline")).await.unwrap();
    Defers.dropped(test.reply("dropped")).await;
    let sent = [data("inline", 1), end("dropped")].map(|mut message| {
        message["ref"] = json!(1);
        message
    });
    let pushed = test.pushed().into_iter();
    let pushed: Vec<Value> =
        pushed.map(|message| serde_json::from_str(message.as_text().unwrap()).unwrap()).collect();
    assert_eq!(pushed, sent);
}
