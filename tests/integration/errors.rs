//! Errors of user code: the answer to the client, and the effect of error handlers, in all four
//! phases.
//!
//! The handlers have attributes and belong to two servers that no other test uses: `failing` and
//! `failing-elsewhere`.

use serde_json::json;
use tokio::sync::mpsc;
use ws_core::{
    App, CloseReason, Config, Connection, Controller, Error, Handshake, Message, Next, Recovery, Response,
    Result, Route, Scene, StatusCode, config::Limits, error::HandshakeError, handshake::Body,
    recovery::Phase, ws_error_handler,
};

use crate::support::{
    Answer, Client, Logs, Raw, Server, expect_close, handshake, next_text, registry_config, send, start,
    start_with, within,
};

macro_rules! errors {
    ($($name:ident),*) => { $(
        #[derive(Debug, thiserror::Error)]
        #[error("secret detail")]
        struct $name;
    )* };
}

errors!(Chat, Ranked, Passed, Caught, OnlyHere, Explosive, Endless, Misfit, Disguised, Unclaimed);

/// An error as a request or a message names it.
fn error(name: &str) -> Error {
    match name {
        "chat" => Chat.into(),
        "ranked" => Ranked.into(),
        "passed" => Passed.into(),
        "caught" => Caught.into(),
        "only-here" => OnlyHere.into(),
        "explosive" => Explosive.into(),
        "endless" => Endless.into(),
        "misfit" => Misfit.into(),
        "disguised" => Disguised.into(),
        "unclaimed" => Unclaimed.into(),
        "teapot" => Error::new(Unclaimed).status(418).close_code(4418).public("teapot"),
        "status 200" => Error::new(Unclaimed).status(200),
        "status 101" => Error::new(Unclaimed).status(101).public("welcome"),
        "chat with a public text" => Error::new(Chat).status(418).public("not shown: a handler has it"),
        "text" => "secret detail".into(),
        other => panic!("no error named {other}"),
    }
}

/// Answers in each phase with a fitting response.
#[ws_error_handler(server = "failing")]
async fn chat(_: &Chat, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Handshake => {
            Recovery::respond(StatusCode::FORBIDDEN, json!({"code": 40301, "msg": "not a member"}))
        }
        Phase::Message => Recovery::reply(json!({"event": "error", "data": {"code": "chat"}})),
        Phase::Open => Recovery::disconnect(4003, "not welcome"),
        Phase::Close => {
            tell(scene, "chat");
            Recovery::disconnect(4003, "the connection has ended")
        }
    }
}

/// The scene that an error handler saw, for the test that waits for it.
#[derive(Clone)]
struct Told(mpsc::UnboundedSender<(&'static str, Scene)>);

fn tell(scene: &Scene, handler: &'static str) {
    if let Some(told) = scene.connection().and_then(|conn| conn.context().get::<Told>()) {
        let _ = told.0.send((handler, scene.clone()));
    }
}

/// Answers the handshake with this name.
fn named(name: &'static str) -> Recovery {
    Recovery::respond(StatusCode::CONFLICT, name)
}

#[ws_error_handler(server = "failing", order = -1_000_000)]
async fn everything(error: &ws_core::Error, _: &Scene) -> Recovery {
    match error.downcast_ref::<Unclaimed>() {
        Some(_) => Recovery::pass(),
        None => named("everything"),
    }
}

#[ws_error_handler(server = "failing", order = 1_000_000)]
async fn exact_type_with_late_order(_: &Ranked, _: &Scene) -> Recovery {
    named("exact_type_with_late_order")
}

#[ws_error_handler(server = "failing", order = -5)]
async fn passes_first(_: &Passed, _: &Scene) -> Recovery {
    Recovery::pass()
}

#[ws_error_handler(order = 5)]
async fn answers_second(_: &Passed, _: &Scene) -> Recovery {
    named("answers_second")
}

#[ws_error_handler(server = "failing", order = 6)]
async fn is_never_called(_: &Passed, _: &Scene) -> Recovery {
    named("is_never_called")
}

#[ws_error_handler(server = "failing")]
async fn only_here(_: &OnlyHere, _: &Scene) -> Recovery {
    named("only_here")
}

#[ws_error_handler]
async fn explosive(_: &Explosive, scene: &Scene) -> Recovery {
    tell(scene, "explosive");
    panic!("on purpose")
}

#[ws_error_handler(server = "failing")]
async fn endless(_: &Endless, _: &Scene) -> Recovery {
    std::future::pending().await
}

#[ws_error_handler]
async fn misfit(_: &Misfit, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Handshake => Recovery::disconnect(4003, "not connected yet"),
        _ => Recovery::respond(StatusCode::FORBIDDEN, "the handshake is over"),
    }
}

#[ws_error_handler]
async fn disguised(_: &Disguised, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Handshake => Recovery::respond(StatusCode::OK, "not an error"),
        _ => Recovery::disconnect(1005, "a code that may not be sent"),
    }
}

#[ws_error_handler(server = "failing")]
async fn with_another_text(error: &HandshakeError, scene: &Scene) -> Recovery {
    match error {
        HandshakeError::NoRoute { path } => {
            let words = json!({"lost": path, "route": scene.route(), "server": scene.server()});
            Recovery::respond(StatusCode::GONE, words)
        }
        HandshakeError::Method => Recovery::respond(StatusCode::METHOD_NOT_ALLOWED, "get it"),
        HandshakeError::KeyMissing => Recovery::respond(StatusCode::BAD_REQUEST, "the key is missing"),
        _ => Recovery::pass(),
    }
}

/// Fails in the phase of its path with the error of the query; in messages with the error that the
/// text names.
struct Failing(mpsc::UnboundedSender<CloseReason>, Told);

impl Failing {
    fn fail(conn: &Connection, phase: &str) -> Result {
        match (conn.handshake().path_param("phase"), conn.handshake().query_param("error")) {
            (Some(at), Some(name)) if at == phase => Err(error(&name)),
            _ => Ok(()),
        }
    }
}

impl Controller for Failing {
    async fn on_open(&self, conn: &Connection) -> Result {
        conn.context().set(self.1.clone());
        Self::fail(conn, "open")
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text() {
            Some("echo") => Ok(conn.push(message)?),
            Some(name) => Err(error(name)),
            None => Ok(()),
        }
    }
    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        let _ = self.0.send(reason);
        Self::fail(conn, "close")
    }
}

/// Fails with the error that the query names, if the path says so.
async fn failing(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    match (handshake.path_param("phase"), handshake.query_param("error")) {
        (Some("handshake"), Some(name)) => Err(error(&name)),
        _ => next.run(handshake).await,
    }
}

/// The running servers of this file.
struct Stage {
    server: Server,
    closed: mpsc::UnboundedReceiver<CloseReason>,
    told: mpsc::UnboundedReceiver<(&'static str, Scene)>,
}

impl Stage {
    async fn start(config: Config) -> Self {
        let ((closing, closed), (telling, told)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let route = |server: &str| {
            let controller = Failing(closing.clone(), Told(telling.clone()));
            Route::new("/{phase}", controller).server(server).middleware(failing)
        };
        let app = crate::registry::app().route(route("failing")).route(route("failing-elsewhere"));
        Self { server: start_with(app, config).await, closed, told }
    }

    /// Makes the other server the first one.
    fn elsewhere(mut self) -> Self {
        self.server.addr = self.server.running.local_addr("failing-elsewhere").unwrap();
        self
    }

    /// Starts both servers, `failing` first.
    async fn failing() -> Self {
        Self::failing_with(|_| {}).await
    }

    async fn failing_with(change: impl FnOnce(&mut Limits)) -> Self {
        let mut config = registry_config();
        let failing = config.servers.iter_mut().find(|server| server.name == "failing").unwrap();
        change(&mut failing.limits);
        let mut stage = Self::start(config).await;
        stage.server.addr = stage.server.running.local_addr("failing").unwrap();
        stage
    }

    async fn refused(&self, name: &str) -> Answer {
        self.server.answer(&handshake(&format!("/handshake?error={}", name.replace(' ', "+")))).await
    }

    async fn open(&self, name: &str) -> Client {
        self.server.connect(&format!("/open?error={}", name.replace(' ', "+"))).await
    }

    async fn closed(&mut self) -> CloseReason {
        within("on_close", self.closed.recv()).await.unwrap()
    }
}

/// The body of an error without public parts.
const NO_DETAIL: &str = r#"{"code":500,"msg":"Internal Server Error"}"#;

#[tokio::test]
async fn p17_a_failed_handshake_is_answered_by_the_handler_of_its_type() {
    let stage = Stage::failing().await;
    let cases = [
        ("chat", 403, r#"{"code":40301,"msg":"not a member"}"#),
        ("chat with a public text", 403, r#"{"code":40301,"msg":"not a member"}"#),
        ("ranked", 409, r#""exact_type_with_late_order""#),
        ("passed", 409, r#""answers_second""#),
        ("caught", 409, r#""everything""#),
        ("text", 409, r#""everything""#),
        ("only-here", 409, r#""only_here""#),
    ];
    for (name, status, body) in cases {
        let answer = stage.refused(name).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{name}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{name}");
    }
}

#[tokio::test]
async fn a_handler_that_never_ends_is_503_after_the_handshake_deadline() {
    let deadline = std::time::Duration::from_millis(50);
    let stage = Stage::failing_with(|limits| limits.handshake_timeout = deadline).await;
    let logs = Logs::start();
    let answer = within("an answer", stage.refused("endless")).await;
    assert_eq!((answer.status, &*answer.body, answer.header("retry-after")), (503, "", Some("5")));
    logs.line("an error handler took longer than the handshake deadline");
}

#[tokio::test]
async fn p17_a_handler_of_one_server_is_not_called_on_another() {
    let stage = Stage::failing().await.elsewhere();
    for name in ["only-here", "chat", "ranked", "caught"] {
        let answer = stage.refused(name).await;
        assert_eq!((answer.status, &*answer.body), (500, NO_DETAIL), "{name}");
    }
    assert_eq!(
        stage.refused("passed").await.body,
        r#""answers_second""#,
        "a handler without `server` serves all servers"
    );
}

#[tokio::test]
async fn p17_a_handshake_error_can_be_said_with_another_text() {
    let stage = Stage::failing().await;
    let lost = stage.server.answer(&handshake("/a/b")).await;
    let words = json!({"lost": "/a/b", "route": null, "server": "failing"});
    assert_eq!((lost.status, lost.json()), (410, words));
    let no_key = handshake("/x").replace("Sec-WebSocket-Key", "X-No-Key");
    let answer = stage.server.answer(&no_key).await;
    assert_eq!((answer.status, &*answer.body), (400, r#""the key is missing""#), "an error of the checks");

    let posted = stage.server.answer(&handshake("/message").replace("GET", "POST")).await;
    assert_eq!((posted.status, &*posted.body), (405, r#""get it""#));
    assert_eq!(posted.header("allow"), Some("GET"), "the headers of the status do not depend on the body");

    // After this handler passes it on, the catch-all gets it. Without a handler, the default
    // applies.
    let bad_key = handshake("/x").replace("==", "");
    assert_eq!(stage.server.answer(&bad_key).await.body, r#""everything""#);
    let answer = stage.elsewhere().server.answer(&bad_key).await;
    assert_eq!(answer.body, r#"{"code":400,"msg":"sec-websocket-key is invalid!"}"#);
}

#[tokio::test]
async fn p18_an_error_without_a_handler_is_500_without_detail() {
    let stage = Stage::failing().await;
    let logs = Logs::start();
    let answer = stage.refused("unclaimed").await;
    assert_eq!((answer.status, &*answer.body), (500, NO_DETAIL));
    let line = logs.line("secret detail");
    assert!(line.contains("ERROR") && line.contains("a handshake failed"), "the log has the detail: {line}");
}

#[tokio::test]
async fn p18_a_failed_handshake_never_looks_like_a_success() {
    let stage = Stage::failing().await.elsewhere();
    let cases = [
        ("status 200", 500, NO_DETAIL),
        ("status 101", 500, r#"{"code":500,"msg":"welcome"}"#),
        ("disguised", 500, r#""not an error""#),
        ("text", 500, NO_DETAIL),
        ("teapot", 418, r#"{"code":418,"msg":"teapot"}"#),
    ];
    for (name, status, body) in cases {
        let answer = stage.refused(name).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{name}");
    }
}

#[tokio::test]
async fn p19_an_error_handler_that_panics_leaves_a_bare_500_and_is_logged() {
    let stage = Stage::failing().await;
    let logs = Logs::start();
    let answer = stage.refused("explosive").await;
    assert_eq!((answer.status, &*answer.body, answer.header("content-type")), (500, "", None));
    assert!(logs.line("an error handler panicked").contains("secret detail"));
    assert_eq!(stage.refused("chat").await.status, 403, "the next one is handled");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_handshake_is_logged_and_the_default_happens() {
    let stage = Stage::failing().await.elsewhere();
    let logs = Logs::start();
    let answer = stage.refused("misfit").await;
    assert_eq!((answer.status, &*answer.body), (500, NO_DETAIL));
    logs.line("an error handler's answer does not fit the handshake");
}

#[tokio::test]
async fn p17_a_failed_on_open_is_answered_by_an_error_handler_or_closes_with_its_code() {
    let mut stage = Stage::failing().await;
    let local = |code, reason: &str| CloseReason::Local { code, reason: reason.into() };
    let cases = [
        ("chat", 4003, "not welcome", local(4003, "not welcome")),
        ("disguised", 1011, "a code that may not be sent", local(1011, "a code that may not be sent")),
        ("unclaimed", 1011, "", CloseReason::Error { code: 1011 }),
        ("teapot", 4418, "teapot", CloseReason::Error { code: 4418 }),
        ("misfit", 1011, "", CloseReason::Error { code: 1011 }),
        ("explosive", 1011, "internal error", CloseReason::Panic),
    ];
    for (name, code, reason, seen) in cases {
        let mut client = stage.open(name).await;
        assert_eq!(expect_close(&mut client).await, (code, reason.to_owned()), "{name}");
        assert_eq!(stage.closed().await, seen, "{name}");
    }
    assert!(stage.closed.try_recv().is_err(), "on_close once each");
}

#[tokio::test]
async fn p21_a_failed_message_is_answered_and_the_connection_stays_open() {
    let mut stage = Stage::failing().await;
    let mut client = stage.server.connect("/message").await;
    for _ in 0..2 {
        send(&mut client, "chat").await;
        assert_eq!(next_text(&mut client).await, r#"{"data":{"code":"chat"},"event":"error"}"#);
        send(&mut client, "echo").await;
        assert_eq!(next_text(&mut client).await, "echo");
    }
    client.close(None).await.unwrap();
    assert_eq!(stage.closed().await.code(), 1005);
}

#[tokio::test]
async fn p21_a_failed_message_without_a_handler_closes_only_its_own_connection() {
    let mut stage = Stage::failing().await;
    let mut bystander = stage.server.connect("/message").await;
    let cases = [
        ("unclaimed", 1011, "", CloseReason::Error { code: 1011 }),
        ("teapot", 4418, "teapot", CloseReason::Error { code: 4418 }),
        ("misfit", 1011, "", CloseReason::Error { code: 1011 }),
        ("explosive", 1011, "internal error", CloseReason::Panic),
    ];
    for (name, code, reason, seen) in cases {
        let mut client = stage.server.connect("/message").await;
        send(&mut client, name).await;
        assert_eq!(expect_close(&mut client).await, (code, reason.to_owned()), "{name}");
        assert_eq!(stage.closed().await, seen, "{name}");
        send(&mut bystander, "echo").await;
        assert_eq!(next_text(&mut bystander).await, "echo", "{name}");
    }
}

#[tokio::test]
async fn p17_a_failed_on_close_reaches_an_error_handler_with_the_whole_scene() {
    let mut stage = Stage::failing().await;
    for name in ["chat", "explosive"] {
        let mut client = stage.server.connect(&format!("/close?error={name}")).await;
        client.close(None).await.unwrap();
        let (handler, scene) = within("the error handler", stage.told.recv()).await.unwrap();
        assert_eq!((handler, scene.phase()), (name, Phase::Close));
        assert_eq!((scene.server(), scene.route(), scene.path()), ("failing", Some("/{phase}"), "/close"));
        let conn = scene.connection().unwrap();
        assert_eq!(scene.peer_addr(), conn.peer_addr());
        assert!(scene.peer_addr().is_some());
        assert_eq!(stage.closed().await.code(), 1005, "the reason is unchanged");
    }
    assert!(stage.closed.try_recv().is_err(), "a failed on_close is not called again");
    assert_eq!(stage.refused("chat").await.status, 403);
}

#[tokio::test]
async fn a_failed_on_close_without_a_handler_is_logged() {
    let mut stage = Stage::failing().await;
    let logs = Logs::start();
    let mut client = stage.server.connect("/close?error=unclaimed").await;
    client.close(None).await.unwrap();
    assert_eq!(stage.closed().await.code(), 1005);
    while within("the end", futures_util::StreamExt::next(&mut client)).await.is_some() {}
    let line = logs.line("secret detail");
    assert!(line.contains("ERROR") && line.contains("Close"), "{line}");
}

#[tokio::test]
async fn an_outer_middleware_may_answer_an_inner_error() {
    async fn showing(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let peer = handshake.peer_addr();
        match next.run(handshake).await {
            Ok(response) => Ok(response),
            Err(error) => {
                let shown = json!({"error": error.to_string(), "peer": peer.is_some()});
                Ok(Body::json(error.http_status(), &shown))
            }
        }
    }
    let (probe, _reports) = crate::support::Probe::new();
    let app = App::without_registry()
        .middleware("ws", 0, showing)
        .route(Route::new("/{phase}", probe).middleware(failing));
    let server = start(app).await;
    let mut raw = Raw::connect(server.addr).await;
    let failed = raw.request(&handshake("/handshake?error=teapot")).await;
    assert_eq!((failed.status, failed.json()), (418, json!({"error": "secret detail", "peer": true})));
    let lost = raw.request(&handshake("/a/b")).await;
    let shown = json!({"error": "no WebSocket route at /a/b", "peer": true});
    assert_eq!((lost.status, lost.json()), (404, shown));
    assert_eq!(raw.request(&handshake("/open")).await.status, 101);
}
