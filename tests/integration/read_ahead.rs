//! While a callback waits, the connection reads ahead: it answers pings, and detects close frames
//! and the end of the peer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use ws_core::{
    App, Bytes, CloseReason, Config, Connection, Controller, Message, Result,
    testing::{TestApp, TestClient},
};

use crate::{
    certificates::{Files, Made, handshaken},
    support::{Server, config, frame, handshake, start, start_with, until, within},
};

const CLOSE: [u8; 2] = 1000_u16.to_be_bytes();

/// A step of a [`Waiting`] controller.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Began,
    /// The end of the client was detected. The value tells whether answers can still be pushed.
    Ends(bool),
    Closed(CloseReason),
}

/// Its callbacks wait until the end of the client is detected: `on_open` for the path `/open`, the
/// first message for any other.
struct Waiting(mpsc::UnboundedSender<Step>);

impl Waiting {
    async fn wait(&self, conn: &Connection) -> Result {
        self.0.send(Step::Began)?;
        conn.closed().await;
        Ok(self.0.send(Step::Ends(conn.is_open()))?)
    }
}

impl Controller for Waiting {
    async fn on_open(&self, conn: &Connection) -> Result {
        if conn.handshake().path() == "/open" { self.wait(conn).await } else { Ok(()) }
    }

    async fn on_message(&self, conn: &Connection, _: Message) -> Result {
        if conn.handshake().path() == "/open" { Ok(()) } else { self.wait(conn).await }
    }

    async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
        Ok(self.0.send(Step::Closed(reason))?)
    }
}

struct Steps(mpsc::UnboundedReceiver<Step>);

impl Steps {
    async fn next(&mut self) -> Step {
        self.0.recv().await.expect("the controller is gone")
    }

    /// Returns the next step that is not the beginning of a further message.
    async fn next_but_begun(&mut self) -> Step {
        loop {
            match self.next().await {
                Step::Began => {}
                step => return step,
            }
        }
    }
}

fn waiting() -> (App, Steps) {
    let (sender, steps) = mpsc::unbounded_channel();
    let app = App::without_registry();
    (app.controller("/", Waiting(sender.clone())).controller("/open", Waiting(sender)), Steps(steps))
}

/// Frequent pings, so that a reset arrives soon.
fn quick(mut config: Config) -> Config {
    config.servers[0].heartbeat.interval = Some(Duration::from_millis(300));
    config.servers[0].heartbeat.timeout = Duration::from_secs(20);
    config
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    ByFin,
    ByReset,
    /// The process ended: the system closes the socket.
    Dropped,
}

#[derive(Clone, Copy, Debug)]
enum Sent {
    Messages(usize),
    /// As much as the buffers of both sides accept.
    FullWindow,
}

/// Sends and ends. The returned parts must be kept.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    path: &str,
    (sent, ends): (Sent, Ends),
    steps: &mut Steps,
    reset: impl FnOnce(&S),
) -> Option<S> {
    stream.write_all(handshake(path).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    match sent {
        Sent::Messages(count) => stream.write_all(&frame(0x81, b"hello").repeat(count)).await.unwrap(),
        Sent::FullWindow => {
            let message = frame(0x82, &[7; 100_000]);
            while timeout(Duration::from_millis(200), stream.write_all(&message)).await.is_ok() {}
        }
    }
    assert_eq!(steps.next().await, Step::Began);
    sleep(Duration::from_millis(50)).await;
    match ends {
        Ends::ByFin => stream.shutdown().await.unwrap(),
        Ends::ByReset => {
            reset(&stream);
            return None;
        }
        Ends::Dropped => return None,
    }
    Some(stream)
}

async fn check_end(tls: bool, path: &'static str, sent: Sent, ends: Ends) {
    let case = format!("tls {tls}, {path}, {sent:?}, {ends:?}");
    let (app, mut steps) = waiting();
    let reset = |stream: &TcpStream| stream.set_zero_linger().unwrap();
    let work = async {
        let how = (sent, ends);
        let (server, _left): (Server, Box<dyn Send>) = if tls {
            let made = Made::new();
            let server = start_with(app, quick(Files::new(&made).config())).await;
            let stream = handshaken(server.addr, &made, b"http/1.1").await.unwrap();
            let left = leave(stream, path, how, &mut steps, |stream| reset(stream.get_ref().0)).await;
            (server, Box::new(left))
        } else {
            let server = start_with(app, quick(config())).await;
            let stream = TcpStream::connect(server.addr).await.unwrap();
            (server, Box::new(leave(stream, path, how, &mut steps, reset).await))
        };
        let left_at = Instant::now();
        assert!(matches!(steps.next_but_begun().await, Step::Ends(_)), "{case}");
        assert!(left_at.elapsed() < Duration::from_secs(5), "{case}: after {:?}", left_at.elapsed());
        while !matches!(steps.next_but_begun().await, Step::Closed(CloseReason::Gone(_))) {}
        until("the hub is empty", || server.running.hub().count_local() == 0).await;
    };
    within(&case, work).await;
}

#[tokio::test]
async fn the_end_of_a_peer_is_detected_after_any_unread_input() {
    let mut checks = JoinSet::new();
    for tls in [false, true] {
        for ends in [Ends::ByFin, Ends::ByReset, Ends::Dropped] {
            for sent in [1, 2, 80].map(Sent::Messages) {
                checks.spawn(check_end(tls, "/", sent, ends));
            }
            checks.spawn(check_end(tls, "/open", Sent::Messages(80), ends));
            // A FIN behind a closed window has not arrived. The next ping causes a reset once the
            // socket is closed.
            if ends != Ends::ByFin {
                checks.spawn(check_end(tls, "/", Sent::FullWindow, ends));
            }
        }
    }
    checks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_peer_is_detected_over_memory_after_any_unread_input() {
    for path in ["/", "/open"] {
        for count in [1, 2, 63, 80, 10_000] {
            let (app, mut steps) = waiting();
            let app = TestApp::start(app).await;
            let mut client = app.connect(path).await.unwrap();
            let messages = frame(0x81, b"hello").repeat(count);
            let _ = timeout(Duration::from_millis(100), client.send_bytes(&messages)).await;
            assert_eq!(steps.next().await, Step::Began);
            let began = Instant::now();
            drop(client);
            assert!(matches!(steps.next_but_begun().await, Step::Ends(_)), "{path}, {count}");
            assert!(began.elapsed() <= Duration::from_secs(1), "{path}, {count}: {:?}", began.elapsed());
            while !matches!(steps.next_but_begun().await, Step::Closed(CloseReason::Gone(_))) {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_is_detected_at_once_while_answers_can_still_be_pushed() {
    for path in ["/", "/open"] {
        for count in [1, 2, 63] {
            let (app, mut steps) = waiting();
            let app = TestApp::start(app).await;
            let mut client = app.connect(path).await.unwrap();
            client.send_bytes(&frame(0x81, b"hello").repeat(count)).await;
            assert_eq!(steps.next().await, Step::Began);
            let began = Instant::now();
            client.close(4000, "done").await;
            assert_eq!(steps.next_but_begun().await, Step::Ends(true), "{path}, {count}");
            assert!(began.elapsed() < Duration::from_millis(100), "{path}, {count}: {:?}", began.elapsed());
            client.expect_close(4000).await;
            let reason = CloseReason::Peer { code: Some(4000), reason: "done".into() };
            while steps.next_but_begun().await != Step::Closed(reason.clone()) {}
        }
    }
}

/// Answers each message after this time.
struct Slow(Duration);

impl Controller for Slow {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        sleep(self.0).await;
        Ok(conn.send(message).await?)
    }
}

fn slow(each: Duration) -> App {
    App::without_registry().controller("/", Slow(each))
}

#[tokio::test(start_paused = true)]
async fn ten_slow_requests_before_a_close_frame_get_ten_answers() {
    let app = TestApp::start(slow(Duration::from_millis(400))).await;
    let mut client = app.connect("/").await.unwrap();
    for number in 0..10 {
        client.send_text(number.to_string()).await;
    }
    client.close(4000, "").await;
    for number in 0..10 {
        assert_eq!(client.next_text().await.unwrap(), number.to_string());
    }
    client.expect_close(4000).await;
    assert_eq!(app.shutdown().await.closed, 0, "it has ended already");
}

#[tokio::test]
async fn ten_slow_requests_before_a_fin_get_ten_answers() {
    let server = start_with(slow(Duration::from_millis(30)), config()).await;
    let mut raw = server.raw("/").await;
    for number in 0..10 {
        raw.frame(0x81, &[b'0' + number]).await;
    }
    raw.stream.shutdown().await.unwrap();
    for number in 0..10 {
        assert_eq!(raw.read_frame().await.payload, [b'0' + number]);
    }
    assert!(raw.read_to_end().await.is_empty(), "no close frame answers a bare end of the stream");
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_is_answered_at_the_close_timeout_during_a_callback() {
    let app = TestApp::start(slow(Duration::from_secs(60))).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("first").await;
    client.send_text("second").await;
    let began = Instant::now();
    client.close(4000, "").await;
    sleep(Duration::from_secs(4)).await;
    client.expect_close(4000).await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(app.running().hub().count_local(), 1, "the callbacks continue");
    sleep(Duration::from_secs(120)).await;
    assert_eq!(app.running().hub().count_local(), 0);
}

/// Waits in its first message until it is released, then counts messages and reports pings.
#[derive(Clone, Default)]
struct Held {
    release: Arc<Notify>,
    messages: Arc<AtomicUsize>,
    pings: Arc<AtomicUsize>,
    /// The number of answers to each message.
    answers: usize,
}

impl Controller for Held {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        if self.messages.fetch_add(1, Ordering::SeqCst) == 0 {
            self.release.notified().await;
        }
        for _ in 0..self.answers {
            conn.push(message.clone())?;
        }
        Ok(())
    }

    async fn on_ping(&self, _: &Connection, _: Bytes) -> Result {
        self.pings.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl Held {
    async fn start(&self) -> (TestApp, TestClient) {
        let app = TestApp::start(App::without_registry().controller("/", self.clone())).await;
        let client = app.connect("/").await.unwrap();
        (app, client)
    }

    fn messages(&self) -> usize {
        self.messages.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn every_ping_is_answered_while_a_callback_waits_and_of_many_the_last_sixteen_reach_on_ping() {
    for messages in [1, 2, 63] {
        let held = Held::default();
        let (_app, mut client) = held.start().await;
        client.send_bytes(&frame(0x81, b"hello").repeat(messages)).await;
        for number in 0..100_u8 {
            client.ping(vec![number]).await;
            assert_eq!(client.next_pong().await.unwrap(), [number][..], "after {messages} messages");
        }
        held.release.notify_one();
        sleep(Duration::from_secs(1)).await;
        assert_eq!((held.messages(), held.pings.load(Ordering::SeqCst)), (messages, 16));
    }
}

#[tokio::test(start_paused = true)]
async fn a_callback_may_wait_for_a_hundred_heartbeats_with_any_queue() {
    for messages in [1, 2, 63, 64, 100, 1000] {
        let held = Held { answers: 1, ..Held::default() };
        let (_app, mut client) = held.start().await;
        client.send_bytes(&frame(0x81, b"hello").repeat(messages)).await;
        // It answers pings while it waits for a message.
        let release = Arc::clone(&held.release);
        tokio::spawn(async move {
            sleep(Duration::from_secs(25 * 100)).await;
            release.notify_one();
        });
        let began = Instant::now();
        let first = loop {
            if let Ok(text) = client.next_text().await {
                break text;
            }
            assert!(began.elapsed() < Duration::from_secs(25 * 101), "after {messages} messages");
        };
        assert_eq!(first, "hello");
        for _ in 1..messages {
            assert_eq!(client.next_text().await.unwrap(), "hello");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_waits_for_a_callback_for_an_hour_is_never_cut() {
    let held = Held::default();
    let (app, mut client) = held.start().await;
    let message = frame(0x82, &[7; 1000]);
    let mut written = 0;
    while timeout(Duration::from_secs(1), client.send_bytes(&message)).await.is_ok() {
        written += 1;
        assert!(written < 1000, "it reads without a limit");
    }
    for _ in 0..60 {
        // It does not answer pings: its bytes are not sent.
        sleep(Duration::from_secs(60)).await;
        assert_eq!(app.running().hub().count_local(), 1);
    }
    held.release.notify_one();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(held.messages(), written, "nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn answers_to_messages_that_were_read_ahead_do_not_fill_the_outbox() {
    // Each event gets ten answers, 60 events wait, and 256 messages fill an outbox; the same by
    // bytes.
    for (size, answers) in [(10, 10), (4000, 20)] {
        let held = Held { answers, ..Held::default() };
        let (_app, mut client) = held.start().await;
        for _ in 0..60 {
            client.send_binary(vec![7; size]).await;
        }
        held.release.notify_one();
        for number in 0..60 * answers {
            let message = client.next().await;
            assert!(message.is_ok_and(|message| message.len() == size), "answer {number} of {size} bytes");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_made_when_the_end_of_the_client_is_known_fails_at_once() {
    struct Asks(mpsc::UnboundedSender<Duration>);
    impl Controller for Asks {
        async fn on_message(&self, conn: &Connection, _: Message) -> Result {
            conn.closed().await;
            let began = Instant::now();
            assert!(conn.ask_event::<u32>("number", &()).await.is_err());
            Ok(self.0.send(began.elapsed())?)
        }
    }
    let (sender, mut took) = mpsc::unbounded_channel();
    let app = TestApp::start(App::without_registry().controller("/", Asks(sender))).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("hello").await;
    client.close(1000, "").await;
    assert_eq!(took.recv().await.unwrap(), Duration::ZERO);
}

#[tokio::test]
async fn clients_that_left_during_a_callback_free_their_places() {
    let mut config = quick(config());
    config.servers[0].limits.connections = 10;
    let (app, mut steps) = waiting();
    let server = start_with(app, config).await;
    for _ in 0..10 {
        let mut raw = server.raw("/").await;
        raw.write(&frame(0x81, b"watch").repeat(2)).await;
        // The clients that left before report their end meanwhile.
        within("the callback", async { while steps.next().await != Step::Began {} }).await;
    }
    until("all have gone", || server.running.hub().count_local() == 0).await;
    server.raw("/").await;
}

#[tokio::test]
async fn the_end_is_detected_without_reading_inside_an_axum_program() {
    let (app, mut steps) = waiting();
    let (service, _running) = app.config(quick(config())).into_service("ws").await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback_service(service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let stream = TcpStream::connect(addr).await.unwrap();
    let how = (Sent::Messages(80), Ends::ByFin);
    let _left = within("leave", leave(stream, "/", how, &mut steps, |_| {})).await;
    assert!(matches!(within("the end", steps.next_but_begun()).await, Step::Ends(_)));
}

#[tokio::test(start_paused = true)]
async fn messages_beyond_a_full_inbox_are_not_read() {
    let held = Held::default();
    let (_app, mut client) = held.start().await;
    client.send_bytes(&frame(0x81, b"hello").repeat(65)).await;
    client.ping("behind 64").await;
    assert!(client.next_pong().await.is_err(), "64 wait after the first");
    held.release.notify_one();
    assert_eq!(client.next_pong().await.unwrap(), "behind 64");
}

#[tokio::test(start_paused = true)]
async fn a_disconnect_after_a_detected_close_frame_discards_the_queue() {
    struct Leaves(Arc<AtomicUsize>);
    impl Controller for Leaves {
        async fn on_message(&self, conn: &Connection, _: Message) -> Result {
            self.0.fetch_add(1, Ordering::SeqCst);
            conn.closed().await;
            Ok(conn.disconnect(4001, "enough")?)
        }
    }
    let messages = Arc::new(AtomicUsize::new(0));
    let app = TestApp::start(App::without_registry().controller("/", Leaves(Arc::clone(&messages)))).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_bytes(&frame(0x81, b"hello").repeat(3)).await;
    client.send_frame(0x88, &CLOSE).await;
    client.expect_close(4001).await;
    app.shutdown().await;
    assert_eq!(messages.load(Ordering::SeqCst), 1);
}

/// Takes a minute for its first message and no time for the others. It reports each.
struct SlowAtFirst(mpsc::UnboundedSender<()>);

impl Controller for SlowAtFirst {
    async fn on_message(&self, _: &Connection, message: Message) -> Result {
        if message.as_text() == Some("first") {
            sleep(Duration::from_secs(60)).await;
        }
        Ok(self.0.send(())?)
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_messages_count_for_the_rate_at_their_arrival() {
    let (sender, mut handled) = mpsc::unbounded_channel();
    let mut config = Config::default();
    config.servers[0].limits.messages_per_second = Some(10);
    let app = App::without_registry().config(config).controller("/", SlowAtFirst(sender));
    let app = TestApp::start(app).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("first").await;
    for _ in 1..300 {
        sleep(Duration::from_millis(100)).await;
        client.send_text("next").await;
    }
    for number in 0..300 {
        let is_handled = timeout(Duration::from_secs(60), handled.recv()).await;
        assert!(matches!(is_handled, Ok(Some(()))), "{number} are handled");
    }
    // But it may not exceed the burst.
    for _ in 0..12 {
        client.send_text("at once").await;
    }
    client.expect_close(1008).await;
}

/// Echoes a number, and uses up that many steps of the task's budget.
struct Budget;

impl Controller for Budget {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let text = message.as_text().unwrap_or_default();
        for _ in 0..text.parse()? {
            tokio::task::coop::consume_budget().await;
        }
        Ok(conn.push(message)?)
    }
}

#[tokio::test]
async fn messages_arrive_after_a_callback_that_has_used_up_the_budget_of_its_task() {
    let server = start(App::without_registry().controller("/", Budget)).await;
    let mut raw = server.raw("/").await;
    for steps in 100..300 {
        raw.frame(0x81, steps.to_string().as_bytes()).await;
        let answer = within("the answer", raw.read_frame()).await;
        assert_eq!(answer.payload, steps.to_string().as_bytes());
    }
}

#[tokio::test]
async fn messages_arrive_between_pushes_of_other_tasks() {
    let server = start(App::without_registry().controller("/", Budget)).await;
    let mut raw = server.raw("/").await;
    for number in 0..200 {
        for _ in 0..number % 3 {
            assert_eq!(server.running.hub().all().push("pushed").sent, 1);
            assert_eq!(within("the push", raw.read_frame()).await.payload, b"pushed");
        }
        raw.frame(0x81, b"1").await;
        assert_eq!(within("the answer", raw.read_frame()).await.payload, b"1");
    }
}
