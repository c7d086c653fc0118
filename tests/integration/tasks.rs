//! Tasks of a connection: they run beside its callbacks and end with it.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use ws_core::{
    App, CloseReason, Connection, Controller, Error, Message, Result, Route,
    connection::{SendError, SpawnError},
    testing::{TestApp, TestClient, TestConnection},
};

use crate::support::{Logs, config};

const SECOND: Duration = Duration::from_secs(1);

/// The time that tasks have after the end of their connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// An observation of a [`Works`] controller, with the time since the start of the test.
#[derive(Debug, PartialEq)]
enum Seen {
    /// A task has reached its end; the value tells whether it could push its result.
    Done(bool),
    /// A task was dropped before its end.
    Dropped,
    Closed(CloseReason),
}

#[derive(Clone)]
struct Reporter(mpsc::UnboundedSender<(Seen, Instant)>);

impl Reporter {
    fn report(&self, seen: Seen) {
        let _ = self.0.send((seen, Instant::now()));
    }
}

/// Reports if a task is dropped before its end.
struct Guard(Option<Reporter>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(reporter) = self.0.take() {
            reporter.report(Seen::Dropped);
        }
    }
}

/// Each text is the number of seconds after which a task pushes `done`, or a command.
struct Works(Reporter);

impl Works {
    fn task(&self, conn: &Connection, seconds: u64) -> Result<(), SpawnError> {
        let (conn, mut guard) = (conn.clone(), Guard(Some(self.0.clone())));
        conn.clone().spawn(async move {
            sleep(SECOND * u32::try_from(seconds).unwrap()).await;
            let pushed = conn.push("done");
            if let Some(reporter) = guard.0.take() {
                reporter.report(Seen::Done(pushed.is_ok()));
            }
        })
    }
}

impl Controller for Works {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let own = conn.clone();
        match message.as_text().unwrap() {
            "echo" => conn.push("echo")?,
            "fails" => conn.spawn(async { Err::<(), _>(Error::new("on purpose")) })?,
            "ends" => conn.spawn(async move { Err::<(), _>(SendError::Closed { connection: own.id() }) })?,
            "panics" => conn.spawn(async move {
                own.push("last words").unwrap();
                assert!(!own.is_open(), "on purpose");
            })?,
            "watches" => conn.spawn(async move { own.closed().await })?,
            "leaves" => conn.disconnect(4000, "")?,
            "forever" => self.task(conn, 1_000_000)?,
            seconds => self.task(conn, seconds.parse().unwrap())?,
        }
        Ok(())
    }

    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        let closed = SpawnError::Closed { connection: conn.id() };
        assert_eq!(conn.spawn(async {}), Err(closed), "no further task is started");
        self.0.report(Seen::Closed(reason));
        Ok(())
    }
}

struct Working {
    app: TestApp,
    client: TestClient,
    seen: mpsc::UnboundedReceiver<(Seen, Instant)>,
    began: Instant,
}

impl Working {
    async fn start() -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let mut config = config();
        config.servers[0].limits.close_timeout = CLOSE_TIMEOUT;
        let route = Route::new("/", Works(Reporter(sender))).limits(|limits| limits.tasks = 3);
        let app = TestApp::start(App::without_registry().route(route).config(config)).await;
        let client = app.connect("/").await.unwrap();
        Self { app, client, seen, began: Instant::now() }
    }

    /// The only connection.
    fn conn(&self) -> Connection {
        let hub = self.app.running().hub();
        hub.get_local(hub.all().ids_local()[0]).unwrap()
    }

    async fn send(&mut self, texts: &[&str]) {
        for text in texts {
            self.client.send_text(*text).await;
        }
    }

    /// Returns the next observation and the second in which it was made.
    async fn next(&mut self) -> (Seen, u64) {
        let (seen, at) = self.seen.recv().await.expect("the controller is gone");
        (seen, (at - self.began).as_secs())
    }

    /// Waits until the messages before this were handled.
    async fn settle(&mut self) {
        self.send(&["echo"]).await;
        assert_eq!(self.client.next_text().await.unwrap(), "echo");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_beside_the_next_messages() {
    let mut working = Working::start().await;
    working.send(&["2", "1", "echo"]).await;
    for expected in ["echo", "done", "done"] {
        assert_eq!(working.client.next_text().await.unwrap(), expected);
    }
    assert_eq!(working.began.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_tasks_than_the_limit_are_refused_until_one_has_ended() {
    let mut working = Working::start().await;
    working.send(&["1", "forever", "forever"]).await;
    working.settle().await;
    let conn = working.conn();
    assert_eq!(conn.spawn(async {}), Err(SpawnError::TooMany { limit: 3 }));
    assert_eq!(working.next().await, (Seen::Done(true), 1));
    conn.spawn(async {}).unwrap();
    // Each of these ends at once, so that its place is free again.
    for _ in 0..10 {
        tokio::task::yield_now().await;
        conn.spawn(async {}).unwrap();
    }
}

#[tokio::test]
async fn an_error_of_a_task_is_logged_with_its_connection_and_one_of_a_closed_connection_is_not_a_fault() {
    let logs = Logs::start();
    let mut working = Working::start().await;
    let id = working.conn().id();
    working.send(&["fails", "ends"]).await;
    working.settle().await;
    tokio::task::yield_now().await;
    let line = logs.line("a task of a connection failed");
    assert!(line.contains("ERROR") && line.contains(&format!("connection{{id={id}")), "{line}");
    assert!(line.contains("on purpose"), "{line}");
    assert!(logs.line("a task ended with its connection").contains("DEBUG"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_task_closes_its_connection_with_1011() {
    let mut working = Working::start().await;
    working.send(&["panics"]).await;
    assert_eq!(working.client.next_text().await.unwrap(), "last words");
    assert_eq!(working.client.expect_close(1011).await, "internal error");
    assert_eq!(working.next().await.0, Seen::Closed(CloseReason::Panic));
}

/// The ways in which a connection ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    /// The client sends a close frame.
    Close,
    /// The client's stream ends.
    Fin,
    /// The server closes it.
    Local,
}

impl Ends {
    const ALL: [Self; 3] = [Self::Close, Self::Fin, Self::Local];

    async fn end(self, working: &mut Working) {
        match self {
            Self::Close => working.client.close(1000, "").await,
            Self::Fin => {
                let other = working.app.connect("/").await.unwrap();
                drop(std::mem::replace(&mut working.client, other));
            }
            Self::Local => working.send(&["leaves"]).await,
        }
    }

    fn fits(self, reason: &CloseReason) -> bool {
        match self {
            Self::Close => matches!(reason, CloseReason::Peer { .. }),
            Self::Fin => matches!(reason, CloseReason::Gone(_)),
            Self::Local => matches!(reason, CloseReason::Local { code: 4000, .. }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_may_finish_within_the_close_deadline_and_on_close_waits_for_them() {
    for ends in Ends::ALL {
        let mut working = Working::start().await;
        working.send(&["1", "2"]).await;
        working.settle().await;
        ends.end(&mut working).await;
        assert_eq!(working.next().await, (Seen::Done(ends != Ends::Local), 1), "{ends:?}");
        // Nothing can be pushed after the first message to a stream that has ended.
        assert_eq!(working.next().await, (Seen::Done(ends == Ends::Close), 2), "{ends:?}");
        let (Seen::Closed(reason), 2) = working.next().await else { panic!("{ends:?}") };
        assert!(ends.fits(&reason), "{ends:?}: {reason:?}");
        if ends == Ends::Close {
            assert_eq!(working.client.next_text().await.unwrap(), "done");
            assert_eq!(working.client.next_text().await.unwrap(), "done");
            working.client.expect_close(1000).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_without_an_end_is_aborted_at_the_close_deadline_before_on_close() {
    for ends in Ends::ALL {
        let mut working = Working::start().await;
        working.send(&["forever"]).await;
        working.settle().await;
        ends.end(&mut working).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(working.next().await);
        }
        assert!(seen.iter().all(|(_, at)| *at == CLOSE_TIMEOUT.as_secs()), "{ends:?}: {seen:?}");
        assert!(seen.iter().any(|(seen, _)| matches!(seen, Seen::Closed(reason) if ends.fits(reason))));
        assert!(seen.iter().any(|(seen, _)| *seen == Seen::Dropped), "{ends:?}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_waits_for_tasks_only_until_they_have_seen_it() {
    let mut working = Working::start().await;
    working.send(&["watches"]).await;
    working.settle().await;
    working.client.close(1000, "").await;
    working.client.expect_close(1000).await;
    assert!(working.began.elapsed() < SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_local_close_frame_does_not_wait_for_tasks() {
    let mut working = Working::start().await;
    working.send(&["2", "leaves"]).await;
    working.client.expect_close(4000).await;
    assert!(working.began.elapsed() < SECOND);
    assert_eq!(working.next().await, (Seen::Done(false), 2));
}

#[tokio::test(start_paused = true)]
async fn tasks_keep_their_time_after_a_failed_callback() {
    let mut working = Working::start().await;
    working.send(&["2"]).await;
    working.settle().await;
    working.send(&["neither a number nor a command"]).await;
    working.client.expect_close(1011).await;
    assert_eq!(working.next().await, (Seen::Done(false), 2));
    assert_eq!(working.next().await, (Seen::Closed(CloseReason::Panic), 2));
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_tasks_and_its_cut_aborts_them() {
    // The times at which the drain ends, and at which the task is done or dropped.
    for (drain, text, expected, at) in [
        (10 * SECOND, "2", Seen::Done(false), 2),
        (10 * SECOND, "forever", Seen::Dropped, CLOSE_TIMEOUT.as_secs()),
        (2 * SECOND, "forever", Seen::Dropped, 2),
    ] {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let mut config = config();
        config.servers[0].limits.close_timeout = CLOSE_TIMEOUT;
        config.drain.timeout = drain;
        let app = App::without_registry().controller("/", Works(Reporter(sender))).config(config);
        let app = TestApp::start(app).await;
        let mut client = app.connect("/").await.unwrap();
        client.send_text(text).await;
        client.send_text("echo").await;
        client.next_text().await.unwrap();
        let began = Instant::now();
        let reading = tokio::spawn(async move { client.expect_close(1001).await });
        let report = app.shutdown().await;
        assert_eq!(report.cut, usize::from(drain < CLOSE_TIMEOUT), "{report:?}");
        let took = began.elapsed().as_secs();
        reading.await.unwrap();
        let mut all = Vec::new();
        while let Some((seen, when)) = seen.recv().await {
            assert_eq!((when - began).as_secs(), at, "{seen:?}");
            all.push(seen);
        }
        assert_eq!(took, at, "the shutdown is over when the task is");
        assert!(all.contains(&expected), "{all:?}");
        assert!(all.iter().any(|seen| matches!(seen, Seen::Closed(_))), "{all:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_with_a_handle_does_not_keep_the_connection_or_its_memory() {
    let mut working = Working::start().await;
    working.send(&["forever", "forever"]).await;
    working.settle().await;
    let kept = Arc::new(());
    working.conn().context().set(Arc::clone(&kept));
    working.client.close(1000, "").await;
    working.client.expect_close(1000).await;
    while Arc::strong_count(&kept) > 1 {
        assert!(working.began.elapsed() < 2 * CLOSE_TIMEOUT, "the connection is still in memory");
        sleep(SECOND / 10).await;
    }
    assert_eq!(working.app.running().hub().count_local(), 0);
}

#[tokio::test]
async fn a_handle_that_outlives_its_connection_starts_no_task() {
    let mut working = Working::start().await;
    let conn = working.conn();
    working.client.close(1000, "").await;
    working.client.expect_close(1000).await;
    assert_eq!(conn.spawn(async {}), Err(SpawnError::Closed { connection: conn.id() }));
}

#[test]
fn a_task_that_a_stopped_runtime_drops_at_once_frees_its_place() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    let test = TestConnection::new();
    for _ in 0..100 {
        test.connection().spawn(std::future::pending::<()>()).unwrap();
    }
}
