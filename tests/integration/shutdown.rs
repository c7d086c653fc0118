//! The stop of an application: new clients are refused, open connections get 1001, and hanging ones
//! are cut.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::routing::get;
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    time::Instant,
};
use ws_core::{
    App, CloseReason, Config, Connection, Controller, Message, Result, Running,
    app::ShutdownReport,
    config::{ServerConfig, ServerKind},
    testing::TestApp,
};

use crate::support::{
    PATIENCE, Probe, Raw, Server, config, expect_close, handshake, next_text, send, start, start_with, within,
};

/// Shuts down in a separate task.
fn stopping(running: Running) -> tokio::task::JoinHandle<ShutdownReport> {
    tokio::spawn(running.shutdown())
}

async fn report(task: tokio::task::JoinHandle<ShutdownReport>) -> (usize, usize) {
    let report = within("shutdown", task).await.unwrap();
    (report.closed, report.cut)
}

#[tokio::test]
async fn every_connection_is_closed_with_1001_and_every_on_close_runs() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.connect("/").await);
        reports.open().await;
    }
    // A connection that had ended before is not counted.
    let mut gone = server.connect("/").await;
    reports.open().await;
    gone.close(None).await.unwrap();
    reports.close().await;
    drop(gone);
    within("three left", async {
        while server.running.hub().count_local() > 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;

    let addr = server.addr;
    let task = stopping(server.running);
    for mut client in clients {
        assert_eq!(expect_close(&mut client).await, (1001, "the server is stopping".to_owned()));
        assert_eq!(reports.close().await, CloseReason::Shutdown);
    }
    assert_eq!(report(task).await, (3, 0));
    reports.assert_nothing_more();
    assert!(TcpStream::connect(addr).await.is_err(), "the listener is closed");
}

#[tokio::test]
async fn an_application_without_connections_stops_at_once() {
    let mut config = config();
    // Longer than the timeout of the test, which would fail if the shutdown waited for it.
    config.drain.timeout = 2 * PATIENCE;
    let server = start_with(App::without_registry(), config).await;
    // Neither streams without a request nor those between two handshakes delay it.
    let mut idle = Raw::connect(server.addr).await;
    let mut refused = Raw::connect(server.addr).await;
    assert_eq!(refused.request(&handshake("/nowhere")).await.status, 404);
    assert_eq!(report(stopping(server.running)).await, (0, 0));
    assert!(idle.read_to_end().await.is_empty());
    assert!(refused.read_to_end().await.is_empty());
}

/// Its message handler never ends, and reports when it is dropped.
struct Endless {
    closed: mpsc::UnboundedSender<CloseReason>,
    dropped: Arc<AtomicUsize>,
}

struct CountsDrop(Arc<AtomicUsize>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Controller for Endless {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(message)?;
        let _dropped = CountsDrop(Arc::clone(&self.dropped));
        std::future::pending().await
    }
    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.closed.send(reason)?)
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_cut_at_the_drain_deadline_and_still_gets_its_on_close() {
    let (closed, mut reasons) = mpsc::unbounded_channel();
    let dropped = Arc::new(AtomicUsize::new(0));
    let endless = Endless { closed, dropped: Arc::clone(&dropped) };
    let app = TestApp::start(App::without_registry().controller("/", endless)).await;
    let mut idle = app.connect("/").await.unwrap();
    let mut busy = app.connect("/").await.unwrap();
    busy.send_text("began").await;
    assert_eq!(busy.next_text().await.unwrap(), "began");

    let began = Instant::now();
    let task = tokio::spawn(app.shutdown());
    idle.expect_close(1001).await;
    drop(idle);
    assert_eq!(reasons.recv().await, Some(CloseReason::Shutdown));
    // The client gets the close frame, even if its handler does not end.
    busy.expect_close(1001).await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0, "not before the deadline");
    let report = task.await.unwrap();
    assert_eq!((report.closed, report.cut), (1, 1));
    assert_eq!(began.elapsed().as_secs(), 30);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(reasons.recv().await, Some(CloseReason::Aborted));
    assert_eq!(reasons.recv().await, None, "once each");
}

#[tokio::test(start_paused = true)]
async fn an_on_close_that_never_ends_is_cut_at_its_own_deadline() {
    struct Lingering(Arc<AtomicUsize>);
    impl Controller for Lingering {
        async fn on_close(&self, _: &Connection, _: CloseReason) -> Result {
            let _dropped = CountsDrop(Arc::clone(&self.0));
            std::future::pending().await
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let lingering = Lingering(Arc::clone(&dropped));
    let app = TestApp::start(App::without_registry().controller("/", lingering)).await;
    let mut client = app.connect("/").await.unwrap();
    let began = Instant::now();
    let task = tokio::spawn(app.shutdown());
    client.expect_close(1001).await;
    let report = task.await.unwrap();
    assert_eq!((report.closed, report.cut), (1, 0));
    assert_eq!(began.elapsed().as_secs(), 5, "long before the drain deadline of 30 s");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

/// Ends a message when it is released.
struct Held(Arc<Notify>);

impl Controller for Held {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.push(message)?;
        self.0.notified().await;
        Ok(())
    }
}

/// Returns a server that drains until the handler of its only client is released.
async fn draining(server: Server, release: &Notify) -> (tokio::task::JoinHandle<ShutdownReport>, impl Fn()) {
    let mut client = server.connect("/").await;
    send(&mut client, "began").await;
    assert_eq!(next_text(&mut client).await, "began");
    let task = stopping(server.running);
    assert_eq!(expect_close(&mut client).await.0, 1001);
    (task, || release.notify_one())
}

#[tokio::test]
async fn new_handshakes_are_refused_while_it_drains() {
    let release = Arc::new(Notify::new());
    let server = start(App::without_registry().controller("/", Held(Arc::clone(&release)))).await;
    let addr = server.addr;
    let (task, release) = draining(server, &release).await;
    let refused = within("connect", TcpStream::connect(addr)).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
    assert!(!task.is_finished(), "it still drains");
    release();
    assert_eq!(report(task).await, (1, 0));
}

#[tokio::test]
async fn a_half_sent_handshake_is_503_when_it_drains() {
    let release = Arc::new(Notify::new());
    let server = start(App::without_registry().controller("/", Held(Arc::clone(&release)))).await;
    let request = handshake("/");
    let (head, rest) = request.split_at(40);
    let mut late = Raw::connect(server.addr).await;
    late.write(head.as_bytes()).await;
    // The client of `draining` connects later, so this half was read before the drain.
    let (task, release) = draining(server, &release).await;
    let answer = late.request(rest).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    assert_eq!(answer.body, r#"{"code":503,"msg":"the server is draining"}"#);
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(late.read_to_end().await.is_empty());
    release();
    assert_eq!(report(task).await, (1, 0));
}

#[tokio::test]
async fn dropping_it_stops_accepting_and_closes_every_connection() {
    let (probe, mut reports) = Probe::new();
    let Server { running, addr } = start(App::without_registry().controller("/", probe)).await;
    let mut client = Server { running, addr }.connect("/").await;
    reports.open().await;
    assert_eq!(expect_close(&mut client).await.0, 1001);
    assert_eq!(reports.close().await, CloseReason::Shutdown);
    assert!(TcpStream::connect(addr).await.is_err());
}

fn with_http() -> Config {
    let mut config = config();
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    config
}

#[tokio::test]
async fn p2_an_http_service_has_its_own_port_beside_the_websocket_one() {
    let (probe, _reports) = Probe::new();
    let router = axum::Router::new().route("/healthz", get(async || "ok")).route(
        "/panics",
        get(async || {
            if true {
                panic!("on purpose")
            }
        }),
    );
    let app = App::without_registry().controller("/", probe).http("http", router);
    let server = start_with(app, with_http()).await;
    let http = server.running.local_addr("http").unwrap();
    let mut raw = Raw::connect(http).await;
    for (path, status, body) in
        [("/healthz", 200, "ok"), ("/", 404, ""), ("/panics", 500, ""), ("/healthz", 200, "ok")]
    {
        let answer = raw.request(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{path}");
    }
    assert_eq!(raw.request(&handshake("/")).await.status, 404, "not a WebSocket server");
    assert_eq!(server.answer(&handshake("/healthz")).await.status, 404, "not an HTTP server");
    server.raw("/").await;
}

#[tokio::test]
async fn an_http_request_that_is_under_way_is_answered_before_it_stops() {
    let (asked, mut asking) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let router = axum::Router::new().route(
        "/slow",
        get({
            let release = Arc::clone(&release);
            move || async move {
                let _ = asked.send(());
                release.notified().await;
                "at last"
            }
        }),
    );
    let server = start_with(App::without_registry().http("http", router), with_http()).await;
    let mut raw = Raw::connect(server.running.local_addr("http").unwrap()).await;
    let mut idle = Raw::connect(server.running.local_addr("http").unwrap()).await;
    raw.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    within("the request", asking.recv()).await;
    let task = stopping(server.running);
    assert!(idle.read_to_end().await.is_empty(), "an idle stream is closed at once");
    assert!(!task.is_finished());
    release.notify_one();
    let answer = raw.request("").await;
    assert_eq!((answer.status, &*answer.body), (200, "at last"));
    assert!(raw.read_to_end().await.is_empty());
    assert_eq!(report(task).await, (0, 0));
}
