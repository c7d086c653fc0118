//! The life cycle: the order of the callbacks, the traffic during a callback, and that on_close
//! always runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    time::timeout,
};
use ws_core::{
    App, Bytes, CloseReason, Connection, Controller, Message, Result, error::SendError, testing::TestApp,
};

use crate::support::{
    Probe, Raw, Seen, Server, config, expect_close, frame, handshake, next_text, send, start, start_with,
    within,
};

/// Answers `slow` after it is released, fails for `panic` and `fail`, and echoes all other texts.
#[derive(Default)]
struct Moody {
    release: Arc<Notify>,
    closed: Option<mpsc::UnboundedSender<CloseReason>>,
}

impl Controller for Moody {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text() {
            Some("slow") => {
                conn.push("began")?;
                self.release.notified().await;
            }
            Some("panic") => panic!("on purpose"),
            Some("panic later") => {
                tokio::task::yield_now().await;
                panic!("on purpose");
            }
            Some("fail") => return Err("secret detail".into()),
            Some("refuse") => return Err(ws_core::Error::new("secret").close_code(4003).public("not you")),
            _ => {}
        }
        Ok(conn.push(message)?)
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        if let Some(closed) = &self.closed {
            let _ = closed.send(reason);
        }
        Ok(())
    }
}

fn moody_app() -> (App, Arc<Notify>, mpsc::UnboundedReceiver<CloseReason>) {
    let (closed, reasons) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let moody = Moody { release: Arc::clone(&release), closed: Some(closed) };
    (App::without_registry().controller("/", moody), release, reasons)
}

async fn moody() -> (Server, Arc<Notify>, mpsc::UnboundedReceiver<CloseReason>) {
    let (app, release, reasons) = moody_app();
    (start(app).await, release, reasons)
}

#[tokio::test]
async fn p20_open_finishes_before_the_first_message() {
    struct SlowOpen(mpsc::UnboundedSender<&'static str>, Arc<Notify>);
    impl Controller for SlowOpen {
        async fn on_open(&self, _: &Connection) -> Result {
            self.0.send("open begins")?;
            self.1.notified().await;
            self.0.send("open ends")?;
            Ok(())
        }
        async fn on_message(&self, _: &Connection, _: Message) -> Result {
            Ok(self.0.send("message")?)
        }
    }
    let (sender, mut steps) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let server = start(App::without_registry().controller("/", SlowOpen(sender, Arc::clone(&release)))).await;
    // The first message is in one write with the handshake.
    let mut raw = Raw::connect(server.addr).await;
    let early = [handshake("/").into_bytes(), frame(0x81, b"early")].concat();
    raw.write(&early).await;
    assert_eq!(within("open", steps.recv()).await, Some("open begins"));
    raw.frame(0x89, b"are you there").await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::io::AsyncReadExt::read_u8(&mut raw.stream).await.unwrap());
    }
    assert!(steps.try_recv().is_err(), "the message waits");
    release.notify_one();
    assert_eq!(within("open", steps.recv()).await, Some("open ends"));
    assert_eq!(within("message", steps.recv()).await, Some("message"));
    assert_eq!(raw.read_frame().await.payload, b"are you there");
}

#[tokio::test]
async fn messages_are_handled_in_order_one_at_a_time() {
    let (server, release, _reasons) = moody().await;
    let mut client = server.connect("/").await;
    send(&mut client, "slow").await;
    send(&mut client, "second").await;
    assert_eq!(next_text(&mut client).await, "began");
    release.notify_one();
    assert_eq!(next_text(&mut client).await, "slow");
    assert_eq!(next_text(&mut client).await, "second");
}

#[tokio::test]
async fn pings_are_answered_and_pushes_go_out_while_a_handler_waits() {
    let (server, release, _reasons) = moody().await;
    let mut raw = server.raw("/").await;
    raw.frame(0x81, b"slow").await;
    assert_eq!(raw.read_frame().await.payload, b"began", "the push of a waiting handler is on the wire");
    raw.frame(0x89, b"ping").await;
    let pong = raw.read_frame().await;
    assert_eq!((pong.first, &*pong.payload), (0x8a, &b"ping"[..]));
    release.notify_one();
    assert_eq!(raw.read_frame().await.payload, b"slow");
}

#[tokio::test]
async fn p23_pings_are_answered_with_their_payload_and_can_be_watched() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut raw = server.raw("/").await;
    let conn = reports.open().await;
    raw.frame(0x89, b"abc").await;
    let pong = raw.read_frame().await;
    assert_eq!((pong.first, &*pong.payload), (0x8a, &b"abc"[..]));
    assert!(matches!(reports.next().await, Seen::Ping(payload) if payload == "abc"));
    conn.ping("from here").unwrap();
    assert_eq!(raw.read_frame().await.payload, b"from here");
    raw.frame(0x8a, b"from here").await;
    assert!(matches!(reports.next().await, Seen::Pong(payload) if payload == "from here"));
}

#[tokio::test]
async fn a_thousand_pipelined_messages_come_back_in_order() {
    let (server, _release, _reasons) = moody().await;
    let mut raw = server.raw("/").await;
    let burst: Vec<u8> = (0..1000).flat_map(|n| frame(0x81, format!("message {n}").as_bytes())).collect();
    raw.write(&burst).await;
    for n in 0..1000 {
        assert_eq!(raw.read_frame().await.payload, format!("message {n}").as_bytes());
    }
}

#[tokio::test]
async fn messages_of_all_sizes_are_echoed_whole_or_in_fragments() {
    let (server, _release, _reasons) = moody().await;
    let mut raw = server.raw("/").await;
    for size in [0, 1, 125, 126, 4096, 4097, 8192, 65_535, 65_536, 200_000, 1 << 20] {
        let payload: Vec<u8> = (0..size).map(|at| at as u8).collect();
        raw.frame(0x82, &payload).await;
        let echoed = raw.read_frame().await;
        assert_eq!((echoed.first, echoed.payload == payload), (0x82, true), "{size} bytes");
    }
    for byte in b"fragment" {
        let first = if *byte == b'f' { 0x01 } else { 0x00 };
        raw.frame(first, &[*byte]).await;
        raw.frame(0x89, b"between").await;
        assert_eq!(raw.read_frame().await.first, 0x8a);
    }
    raw.frame(0x80, b"").await;
    assert_eq!(raw.read_frame().await.payload, b"fragment");
}

#[tokio::test]
async fn a_failure_closes_its_own_connection_only_and_shows_no_detail() {
    let (server, _release, mut reasons) = moody().await;
    let mut bystander = server.connect("/").await;
    let cases = [
        ("panic", 1011, "internal error", CloseReason::Panic),
        ("panic later", 1011, "internal error", CloseReason::Panic),
        ("fail", 1011, "", CloseReason::Error { code: 1011 }),
        ("refuse", 4003, "not you", CloseReason::Error { code: 4003 }),
    ];
    for (text, code, reason, expected) in cases {
        let mut client = server.connect("/").await;
        send(&mut client, text).await;
        assert_eq!(expect_close(&mut client).await, (code, reason.to_owned()), "{text}");
        assert_eq!(within("on_close", reasons.recv()).await, Some(expected), "{text}");
        send(&mut bystander, "still here").await;
        assert_eq!(next_text(&mut bystander).await, "still here");
    }
    assert!(reasons.try_recv().is_err(), "on_close once each");
}

#[tokio::test]
async fn a_failing_or_panicking_on_open_still_gets_its_on_close() {
    struct BadOpen(mpsc::UnboundedSender<CloseReason>);
    impl Controller for BadOpen {
        async fn on_open(&self, conn: &Connection) -> Result {
            if conn.handshake().query() == Some("panic") {
                panic!("on purpose");
            }
            Err("no".into())
        }
        async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
            Ok(self.0.send(reason)?)
        }
    }
    let (sender, mut reasons) = mpsc::unbounded_channel();
    let server = start(App::without_registry().controller("/", BadOpen(sender))).await;
    for (path, expected) in [("/?panic", CloseReason::Panic), ("/", CloseReason::Error { code: 1011 })] {
        let mut client = server.connect(path).await;
        assert_eq!(expect_close(&mut client).await.0, 1011);
        assert_eq!(within("on_close", reasons.recv()).await, Some(expected));
    }
}

#[tokio::test]
async fn a_panic_in_on_close_affects_no_other_connection() {
    struct BadClose;
    impl Controller for BadClose {
        async fn on_message(&self, conn: &Connection, message: Message) -> Result {
            Ok(conn.push(message)?)
        }
        async fn on_close(&self, _: &Connection, _: CloseReason) -> Result {
            panic!("on purpose");
        }
    }
    let server = start(App::without_registry().controller("/", BadClose)).await;
    let mut bystander = server.connect("/").await;
    let mut client = server.connect("/").await;
    client.close(None).await.unwrap();
    while within("the end", futures_util::StreamExt::next(&mut client)).await.is_some() {}
    send(&mut bystander, "still here").await;
    assert_eq!(next_text(&mut bystander).await, "still here");
}

#[tokio::test]
async fn messages_pushed_before_disconnect_arrive_before_the_close_frame() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut client = server.connect("/").await;
    let conn = reports.open().await;
    conn.push("last words").unwrap();
    conn.disconnect(4000, "断".repeat(60)).unwrap();
    assert!(!conn.is_open());
    assert!(matches!(conn.push("too late"), Err(SendError::Closed { .. })));
    assert!(matches!(conn.disconnect(1000, ""), Err(SendError::Closed { .. })), "the first one counts");
    assert_eq!(next_text(&mut client).await, "last words");
    assert_eq!(expect_close(&mut client).await, (4000, "断".repeat(41)));
    assert_eq!(reports.close().await.code(), 4000);
    reports.assert_nothing_more();
}

#[tokio::test]
async fn behind_the_own_close_frame_the_stream_stays_open_for_the_answer_of_the_peer() {
    let mut config = config();
    config.servers[0].limits.close_timeout = Duration::from_millis(600);
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    for answers in [true, false] {
        let mut raw = server.raw("/").await;
        reports.open().await.disconnect(4000, "").unwrap();
        assert_eq!(raw.read_frame().await.close().0, 4000);
        reports.close().await;
        let began = std::time::Instant::now();
        let next = tokio::io::AsyncReadExt::read_u8(&mut raw.stream);
        assert!(timeout(Duration::from_millis(200), next).await.is_err(), "neither a FIN nor a reset");
        if answers {
            raw.frame(0x88, &4000_u16.to_be_bytes()).await;
        }
        assert!(raw.read_to_end().await.is_empty());
        assert_eq!(began.elapsed() >= Duration::from_millis(500), !answers, "FIN follows the answer at once");
    }
}

#[tokio::test]
async fn the_close_frame_that_answers_the_peer_or_its_fault_is_followed_by_a_fin_at_once() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    for (frame, code) in [(frame(0x88, &4000_u16.to_be_bytes()), 4000), (frame(0xff, b""), 1002)] {
        let mut raw = server.raw("/").await;
        reports.open().await;
        let began = std::time::Instant::now();
        raw.write(&frame).await;
        assert_eq!(raw.read_frame().await.close().0, code);
        assert!(raw.read_to_end().await.is_empty());
        assert!(began.elapsed() < Duration::from_secs(4), "{code}: the close timeout is 5 s");
        reports.close().await;
    }
}

#[tokio::test]
async fn every_send_error_has_its_cause() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let client = server.connect("/").await;
    let conn = reports.open().await;
    assert!(matches!(conn.disconnect(1005, ""), Err(SendError::CloseCode(1005))));
    assert!(matches!(conn.ping(Bytes::from(vec![0; 126])), Err(SendError::ControlTooLong { size: 126 })));
    let not_json = std::collections::HashMap::from([(vec![1_u8], 1)]);
    assert!(matches!(conn.push_json(&not_json), Err(SendError::Serialize(_))));
    assert!(conn.is_open(), "none of these ends the connection");
    drop(client);
    reports.close().await;
    assert!(matches!(conn.push("x"), Err(SendError::Closed { .. })));
    assert!(matches!(conn.send("x").await, Err(SendError::Closed { .. })));
}

#[tokio::test]
async fn a_full_outbox_disconnects_with_1013_and_the_frame_reaches_the_peer() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut raw = server.raw("/").await;
    let conn = reports.open().await;
    // No other task runs between these pushes, so the outbox only fills.
    let full = (0..257)
        .map(|_| conn.push("x"))
        .filter(|pushed| matches!(pushed, Err(SendError::Full { .. })))
        .count();
    assert_eq!(full, 1, "256 fit, the 257th does not");
    assert_eq!(raw.read_frame().await.close().0, 1013);
    let reason = reports.close().await;
    assert_eq!((reason.clone(), reason.code()), (CloseReason::Overflow, 1013));
}

#[tokio::test]
async fn send_waits_for_a_slow_peer_and_loses_nothing() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut raw = server.raw("/").await;
    let conn = reports.open().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let sender = tokio::spawn(async move {
        for n in 0..200_u32 {
            conn.send([&n.to_be_bytes()[..], &[0; 100_000]].concat()).await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    for n in 0..200_u32 {
        let frame = raw.read_frame().await;
        assert_eq!((&frame.payload[..4], frame.payload.len()), (&n.to_be_bytes()[..], 100_004));
    }
    within("the sender", sender).await.unwrap();
    assert_eq!(sent.load(Ordering::SeqCst), 200);
}

#[tokio::test]
async fn a_slow_download_outlasts_many_heartbeats() {
    const SIZE: usize = 8 << 20;
    let mut config = config();
    config.servers[0].limits.outbox_bytes = SIZE;
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(50));
    config.servers[0].heartbeat.timeout = Duration::from_millis(50);
    let (probe, mut reports) = Probe::new();
    let server = start_with(App::without_registry().controller("/", probe), config).await;
    let mut raw = server.raw("/").await;
    reports.open().await.push(vec![7; SIZE]).unwrap();
    // The client cannot answer a ping before the end of the download, because pings wait after it.
    let mut read = 0;
    let mut piece = vec![0; 256 << 10];
    while read < SIZE {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let more = within("more", tokio::io::AsyncReadExt::read(&mut raw.stream, &mut piece)).await.unwrap();
        assert!(more > 0, "cut after {read} bytes");
        read += more;
    }
    reports.assert_nothing_more();
}

/// Sends without end after a request, and reports all other messages.
struct Pours(mpsc::UnboundedSender<&'static str>);

impl Controller for Pours {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        if message.as_text() != Some("pour") {
            return Ok(self.0.send("message")?);
        }
        let conn = conn.clone();
        tokio::spawn(async move { while conn.send(vec![7; 20_000]).await.is_ok() {} });
        Ok(())
    }

    async fn on_ping(&self, _: &Connection, _: Bytes) -> Result {
        Ok(self.0.send("ping")?)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_too_slowly_is_still_read_from() {
    let (sender, mut seen) = mpsc::unbounded_channel();
    let app = TestApp::start(App::without_registry().controller("/", Pours(sender))).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("pour").await;
    for _ in 0..10 {
        client.next().await.unwrap();
    }
    client.ping("are you there").await;
    client.send_text("hello").await;
    for expected in ["ping", "message"] {
        let mut taken = 0;
        while seen.try_recv() != Ok(expected) {
            client.next().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
            taken += 1;
            assert!(taken < 20, "{expected}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_paused_and_not_disconnected() {
    let (app, _release, mut reasons) = moody_app();
    let app = TestApp::start(app).await;
    let mut client = app.connect("/").await.unwrap();
    // More than all buffers hold: writing stops because the server stops reading.
    let mut written = 0;
    while timeout(Duration::from_secs(1), client.send_frame(0x82, &[7; 50_000])).await.is_ok() {
        written += 1;
        assert!(written < 1_000, "the server reads without a limit");
    }
    assert!(written > 1, "messages are accepted while there is room");
    assert!(reasons.try_recv().is_err(), "the server does not disconnect it");
    for _ in 0..written {
        assert_eq!(client.next().await.unwrap().len(), 50_000);
    }
}

#[tokio::test]
async fn a_running_handler_is_not_cancelled_when_the_peer_ends() {
    let (server, release, mut reasons) = moody().await;
    let mut client = server.connect("/").await;
    send(&mut client, "slow").await;
    assert_eq!(next_text(&mut client).await, "began");
    drop(client);
    // It still waits: on_close has not run.
    assert!(tokio::time::timeout(Duration::from_millis(100), reasons.recv()).await.is_err());
    release.notify_one();
    let reason = within("on_close", reasons.recv()).await.unwrap();
    assert!(matches!(reason, CloseReason::Gone(_)), "{reason:?}");
}

#[tokio::test]
async fn a_message_before_the_peers_close_frame_is_handled() {
    let (probe, mut reports) = Probe::new();
    let server = start(App::without_registry().controller("/", probe)).await;
    let mut raw = server.raw("/").await;
    reports.open().await;
    raw.write(
        &[frame(0x81, b"last"), frame(0x88, &1000_u16.to_be_bytes()), frame(0x81, b"too late")].concat(),
    )
    .await;
    assert!(matches!(reports.next().await, Seen::Message(message) if message.as_text() == Some("last")));
    assert_eq!(reports.close().await.code(), 1000);
    assert_eq!(raw.read_frame().await.close().0, 1000);
    reports.assert_nothing_more();
}

#[tokio::test]
async fn p21_the_handler_deadline_is_explicit_and_closes_with_1011() {
    let mut config = config();
    config.servers[0].limits.handler_timeout = Some(Duration::from_millis(50));
    let (closed, mut reasons) = mpsc::unbounded_channel();
    let moody = Moody { closed: Some(closed), ..Moody::default() };
    let server = start_with(App::without_registry().controller("/", moody), config).await;
    let mut client = server.connect("/").await;
    send(&mut client, "slow").await;
    assert_eq!(next_text(&mut client).await, "began");
    assert_eq!(expect_close(&mut client).await.0, 1011);
    assert_eq!(within("on_close", reasons.recv()).await, Some(CloseReason::HandlerTimeout));
}

#[tokio::test]
async fn p22_the_context_is_readable_in_on_close() {
    #[derive(Clone)]
    struct Name(&'static str);
    struct Contextual(mpsc::UnboundedSender<&'static str>);
    impl Controller for Contextual {
        async fn on_open(&self, conn: &Connection) -> Result {
            conn.context().set(Name("jerry"));
            Ok(conn.disconnect(1000, "bye")?)
        }
        async fn on_close(&self, conn: &Connection, _: CloseReason) -> Result {
            Ok(self.0.send(conn.context().get::<Name>().map_or("nobody", |name| name.0))?)
        }
    }
    let (sender, mut names) = mpsc::unbounded_channel();
    let server = start(App::without_registry().controller("/", Contextual(sender))).await;
    let mut client = server.connect("/").await;
    assert_eq!(expect_close(&mut client).await, (1000, "bye".to_owned()));
    assert_eq!(within("on_close", names.recv()).await, Some("jerry"));
}
