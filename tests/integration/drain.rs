//! Draining: readiness, the grace, batches, the deadline, the report, the second signal.

use std::time::Duration;

use axum::{Router, routing::get};
use tokio::{
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, advance, pause, resume},
};
use ws_core::{
    App, CloseReason, Connection, Controller, Message, Result,
    app::ShutdownReport,
    config::{Drain, ServerConfig, ServerKind},
    testing::{TestApp, TestClient},
};

use crate::{
    process::{ON_ANY_PORT, Process},
    support::{
        Echo, Probe, Raw, Seen, config, expect_close, handshake, next_text, probes, send, start_with, within,
    },
};

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any test. Tests advance the time by hand.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// An application over memory that drains like this.
async fn over_memory(app: App, drain: impl FnOnce(&mut Drain)) -> TestApp {
    let mut config = config();
    drain(&mut config.drain);
    TestApp::start(app.config(config)).await
}

/// Opens this number of clients of `/`, each waiting for its 1001. Each returns the time from now
/// to its close.
async fn waiting(app: &TestApp, clients: usize) -> Vec<JoinHandle<Duration>> {
    let began = Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..clients {
        let mut client = app.connect("/").await.unwrap();
        waiting.push(tokio::spawn(async move {
            client.expect_close(1001).await;
            began.elapsed()
        }));
    }
    waiting
}

/// Returns these times in order.
async fn told(waiting: Vec<JoinHandle<Duration>>) -> Vec<Duration> {
    let mut told = Vec::new();
    for client in waiting {
        told.push(client.await.unwrap());
    }
    told.sort();
    told
}

fn counts(report: ShutdownReport) -> (usize, usize, usize) {
    (report.closed, report.lost, report.cut)
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_is_closed_at_once_and_the_others_after_varied_pauses() {
    let (probe, mut reports) = Probe::new();
    let app = over_memory(App::without_registry().controller("/", probe), |drain| {
        drain.batch = 2;
        drain.interval = SECOND;
    })
    .await;
    let clients = waiting(&app, 7).await;
    assert_eq!(counts(app.shutdown().await), (7, 0, 0));
    let told = told(clients).await;
    let batches: Vec<_> = told.chunks(2).collect();
    assert!(batches[0].iter().all(Duration::is_zero), "{told:?}");
    for pair in batches.windows(2) {
        let pause = pair[1][0] - pair[0][0];
        assert!(pause >= SECOND / 2 && pause <= SECOND * 3 / 2, "{told:?}");
    }
    for batch in &batches {
        assert!(batch.iter().all(|it| it == &batch[0]), "together: {told:?}");
    }
    let mut closed = 0;
    while let Ok(seen) = tokio::time::timeout(SECOND, reports.next_unhurried()).await {
        match seen {
            Seen::Open(_) => {}
            Seen::Close(CloseReason::Shutdown) => closed += 1,
            other => panic!("{other:?}"),
        }
        if closed == 7 {
            break;
        }
    }
    assert_eq!(closed, 7, "on_close runs for every connection");
}

#[tokio::test(start_paused = true)]
async fn batches_that_would_take_longer_than_half_the_deadline_share_it_evenly() {
    let (probe, _reports) = Probe::new();
    let app = over_memory(App::without_registry().controller("/", probe), |drain| {
        drain.batch = 1;
        drain.interval = 10 * SECOND;
        drain.timeout = 8 * SECOND;
    })
    .await;
    let clients = waiting(&app, 21).await;
    assert_eq!(counts(app.shutdown().await), (21, 0, 0));
    let told = told(clients).await;
    assert!(told[0].is_zero() && told[20] <= 4 * SECOND, "{told:?}");
    assert!(told[10] > SECOND / 2 && told[20] > 2 * SECOND, "spread over the available time: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_with_the_last_connection() {
    let (probe, _reports) = Probe::new();
    let app = over_memory(App::without_registry().controller("/", probe), |drain| {
        drain.batch = 1;
        drain.interval = 10 * SECOND;
    })
    .await;
    let (mut one, mut other) = (app.connect("/").await.unwrap(), app.connect("/").await.unwrap());
    let began = Instant::now();
    let shutdown = tokio::spawn(app.shutdown());
    // The order is random. The second client leaves by itself, before its batch.
    let left = tokio::select! {
        _ = one.expect_close(1001) => &mut other,
        _ = other.expect_close(1001) => &mut one,
    };
    left.close(1000, "").await;
    left.expect_close(1000).await;
    assert_eq!(counts(shutdown.await.unwrap()), (2, 0, 0));
    assert!(began.elapsed().is_zero(), "{:?}", began.elapsed());
}

/// Pushes the requested text in pieces of 1 KiB, or never ends.
struct Talker;

impl Controller for Talker {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text().unwrap_or_default().parse() {
            Ok(pieces) => {
                for piece in 0..pieces {
                    conn.push(format!("{piece:<1024}"))?;
                }
                Ok(conn.push("all")?)
            }
            Err(_) => std::future::pending().await,
        }
    }
}

async fn talking_to(app: &TestApp, what: &str) -> TestClient {
    let mut client = app.connect("/").await.unwrap();
    client.send_text(what).await;
    client
}

#[tokio::test(start_paused = true)]
async fn queued_messages_are_sent_before_the_close_frame() {
    let app = over_memory(App::without_registry().controller("/", Talker), |_| {}).await;
    // More than the pipe holds, so most of it waits in the server.
    let mut client = talking_to(&app, "200").await;
    assert_eq!(client.next_text().await.unwrap().trim(), "0");
    let shutdown = tokio::spawn(app.shutdown());
    for piece in 1..200 {
        assert_eq!(client.next_text().await.unwrap().trim(), piece.to_string());
    }
    assert_eq!(client.next_text().await.unwrap(), "all");
    client.expect_close(1001).await;
    assert_eq!(counts(shutdown.await.unwrap()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_report_counts_clean_closes_lost_connections_and_cut_ones() {
    let app = over_memory(App::without_registry().controller("/", Talker), |_| {}).await;
    let clean = waiting(&app, 2).await;
    // They do not read. This one gets its close frame into the pipe and never answers,
    let silent = app.connect("/").await.unwrap();
    // this one does not accept all that is queued,
    let mut slow = talking_to(&app, "200").await;
    assert_eq!(slow.next_text().await.unwrap().trim(), "0");
    // and this one is gone before it can answer.
    let gone = app.connect("/").await.unwrap();
    let _busy = talking_to(&app, "never ends").await;
    let began = Instant::now();
    let shutdown = tokio::spawn(app.shutdown());
    drop(gone);
    assert_eq!(counts(shutdown.await.unwrap()), (2, 3, 1));
    assert_eq!(began.elapsed().as_secs(), 30, "the busy connection was cut at the deadline");
    told(clean).await;
    drop((silent, slow));
}

#[tokio::test]
async fn an_http_request_that_never_ends_is_cut_at_the_deadline() {
    let (asked, mut asking) = tokio::sync::mpsc::unbounded_channel();
    let router = Router::new().route(
        "/never",
        get(async move || {
            let _ = asked.send(());
            std::future::pending::<()>().await
        }),
    );
    let mut config = config();
    config.drain.timeout = SECOND / 10;
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    let server = start_with(App::without_registry().http("http", router), config).await;
    let mut raw = Raw::connect(server.running.local_addr("http").unwrap()).await;
    raw.write(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    within("the request", asking.recv()).await;
    let began = Instant::now();
    assert_eq!(counts(within("shutdown", server.running.shutdown()).await), (0, 0, 0));
    assert!(began.elapsed() < 10 * SECOND, "not the ten seconds that `on_close` has: {:?}", began.elapsed());
    assert!(raw.read_to_end().await.is_empty());
}

/// Returns the status of `/readyz`.
async fn readyz(raw: &mut Raw) -> u16 {
    raw.request("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").await.status
}

/// Lets the grace pass. All other timeouts have passed then, too.
async fn grace_is_over() {
    pause();
    advance(HOUR).await;
    resume();
}

#[tokio::test]
async fn during_the_grace_handshakes_are_503_and_other_traffic_continues() {
    let mut config = config();
    config.drain.grace = HOUR;
    config.servers[0].heartbeat.interval = None;
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    let app = App::without_registry().controller("/", Echo);
    let readiness = app.readiness();
    let app = app.http("http", probes(readiness.clone())).fallback("ws", probes(readiness.clone()));
    let server = start_with(app, config).await;
    let (addr, http) = (server.addr, server.running.local_addr("http").unwrap());
    let mut client = server.connect("/").await;
    assert!(readiness.is_ready() && server.running.readiness().is_ready());
    assert_eq!(readyz(&mut Raw::connect(http).await).await, 200);
    assert_eq!(readyz(&mut Raw::connect(addr).await).await, 200);
    let mut early = Raw::connect(addr).await;

    let task = tokio::spawn(server.running.shutdown());
    within("the end of readiness", readiness.stopping()).await;
    assert!(!readiness.is_ready());
    for raw in [&mut early, &mut Raw::connect(addr).await] {
        let answer = raw.request(&handshake("/")).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(raw.read_to_end().await.is_empty());
    }
    send(&mut client, "still here").await;
    assert_eq!(next_text(&mut client).await, "still here");
    assert_eq!(readyz(&mut Raw::connect(http).await).await, 503, "served, with a refusal");
    assert_eq!(readyz(&mut Raw::connect(addr).await).await, 503, "served, with a refusal");
    assert!(!task.is_finished());

    grace_is_over().await;
    assert_eq!(expect_close(&mut client).await.0, 1001);
    assert_eq!(counts(within("the end", task).await.unwrap()), (1, 0, 0));
    for addr in [addr, http] {
        assert!(TcpStream::connect(addr).await.is_err(), "the listener is closed");
    }
}

#[tokio::test]
async fn a_mounted_service_drains_too() {
    let mut config = config();
    config.drain.grace = HOUR;
    config.servers[0].heartbeat.interval = None;
    config.drain.batch = 1;
    config.drain.interval = HOUR;
    config.drain.timeout = 2 * HOUR;
    let app = App::without_registry().controller("/ws", Echo).config(config);
    let readiness = app.readiness();
    let (service, running) = app.into_service("ws").await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = probes(readiness.clone()).route_service("/ws", service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let connect = || tokio_tungstenite::connect_async(format!("ws://{addr}/ws"));
    let (mut first, _) = connect().await.unwrap();
    let (mut second, _) = connect().await.unwrap();

    let task = tokio::spawn(running.shutdown());
    within("the end of readiness", readiness.stopping()).await;
    let answer = Raw::connect(addr).await.request(&handshake("/ws")).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "{answer:?}");
    for client in [&mut first, &mut second] {
        send(client, "still here").await;
        assert_eq!(next_text(client).await, "still here");
    }
    grace_is_over().await;
    // The order of the two is random.
    let is_first = tokio::select! {
        closed = expect_close(&mut first) => closed.0 == 1001,
        closed = expect_close(&mut second) => closed.0 != 1001,
    };
    let other = if is_first { &mut second } else { &mut first };
    send(other, "waits for its batch").await;
    assert_eq!(next_text(other).await, "waits for its batch");
    assert_eq!(readyz(&mut Raw::connect(addr).await).await, 503, "the outer server is not stopped");
    grace_is_over().await;
    assert_eq!(expect_close(other).await.0, 1001);
    assert_eq!(counts(within("the end", task).await.unwrap()), (2, 0, 0));
}

#[tokio::test]
async fn it_is_ready_when_the_start_hooks_have_finished() {
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let app = App::without_registry().controller("/", Echo).config(config()).on_start(async |_| {
        let _ = released.await;
    });
    let readiness = app.readiness();
    let mut start = Box::pin(app.start());
    assert!(tokio::time::timeout(SECOND / 100, &mut start).await.is_err());
    assert!(!readiness.is_ready(), "a hook still runs");
    release.send(()).unwrap();
    let (running, is_ready) = tokio::join!(start, readiness.ready());
    assert!(is_ready && readiness.is_ready());
    drop(running.unwrap());
    assert!(!readiness.is_ready(), "dropping it stops it");
}

#[tokio::test]
async fn it_is_never_ready_if_it_does_not_start() {
    let app = App::without_registry().controller("/", Echo).config(config());
    let readiness = app.readiness();
    let failing = app.on_start(async |_| -> Result { Err("no database".into()) });
    assert!(failing.start().await.is_err());
    assert!(!within("an answer", readiness.ready()).await);
}

/// Starts a process with a client of this path, whose message handler never ends.
async fn stuck(path: &str, config: &str) -> (Process, Raw) {
    let mut process = Process::start(&format!("{ON_ANY_PORT}{config}"), "").await;
    let mut raw = Raw::connect(process.addr).await;
    assert_eq!(raw.request(&handshake(path)).await.status, 101);
    raw.frame(0x81, b"x").await;
    process.says("stuck").await;
    (process, raw)
}

/// Checks the output of a process that got a second signal.
async fn is_cut(mut process: Process) {
    process.says("stopping at once").await;
    process.says("on_close ran reason=Aborted").await;
    process.says("stopped closed=0 lost=0 cut=1").await;
    process.ends().await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_second_signal_during_the_grace_ends_the_process_at_once() {
    let (mut process, _client) = stuck("/stuck", "[drain]\ngrace = \"1h\"\ntimeout = \"1h\"").await;
    process.signal("TERM").await;
    process.says("draining").await;
    process.signal("TERM").await;
    is_cut(process).await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_second_signal_while_a_handler_hangs_ends_the_process_at_once() {
    let (process, mut client) = stuck("/stuck", "[drain]\ntimeout = \"1h\"").await;
    process.signal("TERM").await;
    assert_eq!(client.read_frame().await.close().0, 1001);
    assert_eq!(process.count("stopped"), 0);
    process.signal("INT").await;
    is_cut(process).await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_second_signal_waits_for_on_close_a_short_time_only() {
    let limits = "[servers.limits]\nclose_timeout = \"1h\"";
    let (mut process, _client) = stuck("/stuck?forever", limits).await;
    process.signal("TERM").await;
    process.says("draining").await;
    process.signal("TERM").await;
    process.says("on_close ran reason=Aborted").await;
    process.says("some tasks did not end").await;
    process.says("stopped closed=0 lost=0 cut=1").await;
    process.ends().await;
}

#[tokio::test]
#[cfg(unix)]
async fn a_signal_while_a_start_hook_hangs_ends_the_process() {
    let mut process = Process::start_hanging().await;
    process.signal("TERM").await;
    process.says("stopped before it had started").await;
    process.ends().await;
}
