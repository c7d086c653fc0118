//! Middleware: the order, the answers, and the values that the connection keeps.

use std::time::Duration;

use http::{HeaderValue, header};
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};
use ws_core::{
    App, Connection, Controller, Error, Handshake, Message, Next, Response, Result, Route, State, StatusCode,
    handshake::{Body, DefaultUpgrade, Upgrade},
    testing::TestApp,
    ws_controller, ws_middleware,
};

use crate::support::{
    Answer, Logs, Raw, config, handshake, handshake_with, next_text, registry_config, send, start,
    start_with, within,
};

/// The names of the functions that ran, in order; kept in the context.
#[derive(Clone, Default)]
struct Trail(Vec<&'static str>);

/// Adds its name to the context on the way in, and to a header on the way out.
async fn passing(name: &'static str, handshake: Handshake, next: Next<'_>) -> Result<Response> {
    handshake.context().get_or_insert_with(Trail::default);
    handshake.context().update(|trail: &mut Trail| trail.0.push(name));
    let mut response = next.run(handshake).await?;
    let headers = response.headers_mut();
    let before = headers.get("x-way-out").map_or("", |value| value.to_str().unwrap());
    let now = HeaderValue::try_from(format!("{before} {name}")).unwrap();
    headers.insert("x-way-out", now);
    Ok(response)
}

macro_rules! passing {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        $($(#[$attribute])*
        async fn $name(handshake: Handshake, next: Next<'_>) -> Result<Response> {
            passing(stringify!($name), handshake, next).await
        })*
    };
}

/// Sends in on_open which functions ran in the handshake; then it echoes.
#[derive(Default)]
struct Told;

impl Controller for Told {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(conn.context().get::<Trail>().unwrap_or_default().0.join(" "))?)
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

async fn assert_trails(raw: &mut Raw, path: &str, way_in: &str, way_out: &str) {
    let answer = raw.request(&handshake(path)).await;
    assert_eq!((answer.status, answer.header("x-way-out")), (101, Some(way_out)));
    assert_eq!(raw.read_frame().await.payload, way_in.as_bytes());
}

#[tokio::test]
async fn p16_server_wide_middleware_runs_by_order_then_by_name_then_the_routes_own() {
    passing!(late, early, tie_b, tie_a, own_z, own_a);
    let app = App::without_registry()
        .middleware("ws", 10, late)
        .middleware("ws", 0, tie_b)
        .middleware("ws", -10, early)
        .middleware("ws", 0, tie_a)
        .route(Route::new("/own", Told).middleware(own_z).middleware(own_a))
        .controller("/plain", Told);
    let server = start(app).await;
    let cases = [
        ("/own", "early tie_a tie_b late own_z own_a", " own_a own_z late tie_b tie_a early"),
        ("/plain", "early tie_a tie_b late", " late tie_b tie_a early"),
    ];
    for (path, way_in, way_out) in cases {
        assert_trails(&mut Raw::connect(server.addr).await, path, way_in, way_out).await;
    }
}

passing! {
    #[ws_middleware(server = "onion", order = 2_000_000_000)] innermost,
    #[ws_middleware(server = "onion")] second,
    #[ws_middleware(server = "onion")] first,
    #[ws_middleware(server = "onion", order = -2_000_000_000)] outermost,
    #[ws_middleware(scope = "route")] own_second,
    #[ws_middleware(scope = "route")] own_first,
    #[ws_middleware(scope = "route")] nobodys,
}

#[ws_controller(path = "/", server = "onion", middleware(own_second, own_first))]
struct Onion(Told);

impl Controller for Onion {
    async fn on_open(&self, conn: &Connection) -> Result {
        self.0.on_open(conn).await
    }
}

#[tokio::test]
async fn p16_annotated_middleware_runs_by_order_then_by_name_then_the_controllers_own() {
    passing!(by_hand);
    let app = crate::registry::app().middleware("onion", 5, by_hand);
    let server = start_with(app, registry_config()).await;
    let mut raw = Raw::connect(server.running.local_addr("onion").unwrap()).await;
    let way_in = "outermost first second by_hand innermost own_second own_first";
    let way_out = " own_first own_second innermost by_hand second first outermost";
    assert_trails(&mut raw, "/", way_in, way_out).await;
    // The middleware of one server does not run on another.
    let answer = server.answer(&handshake("/nowhere")).await;
    assert_eq!((answer.status, answer.header("x-way-out")), (404, None));
}

/// The requests that a middleware saw: path, route, and whether it was an upgrade.
type Sightings = mpsc::UnboundedSender<(String, Option<String>, bool)>;

async fn sighting(
    handshake: Handshake,
    next: Next<'_>,
    State(sightings): State<Sightings>,
) -> Result<Response> {
    let (path, route) = (handshake.path().to_owned(), handshake.route().map(str::to_owned));
    let _ = sightings.send((path, route, handshake.is_upgrade()));
    next.run(handshake).await
}

#[tokio::test]
async fn p15_server_wide_middleware_runs_for_every_request_that_passed_the_checks() {
    let (sender, mut sightings) = mpsc::unbounded_channel();
    let app = App::without_registry()
        .state::<Sightings>(sender)
        .middleware("ws", 0, sighting)
        .controller("/rooms/{room}", Told);
    let server = start(app).await;
    let route = Some("/rooms/{room}".to_owned());
    let cases = [
        (handshake("/rooms/1"), 101, Some(("/rooms/1", route.clone(), true))),
        (handshake("/nowhere"), 404, Some(("/nowhere", None, true))),
        ("GET /rooms/2 HTTP/1.1\r\n\r\n".to_owned(), 426, Some(("/rooms/2", route.clone(), false))),
        ("POST /rooms/3 HTTP/1.1\r\n\r\n".to_owned(), 405, Some(("/rooms/3", route, false))),
        (handshake("/rooms/4").replace("==", ""), 400, None),
    ];
    for (request, status, seen) in cases {
        assert_eq!(server.answer(&request).await.status, status, "{request}");
        let expected = seen.map(|(path, route, upgrade)| (path.to_owned(), route, upgrade));
        assert_eq!(sightings.try_recv().ok(), expected, "{request}");
    }
}

#[tokio::test]
async fn p7_the_steps_come_in_order_key_route_server_wide_own_core_101_open() {
    #[derive(Clone)]
    struct Steps(mpsc::UnboundedSender<String>);
    impl Steps {
        fn note(&self, step: impl Into<String>) {
            let _ = self.0.send(step.into());
        }
    }
    async fn server_wide(
        handshake: Handshake,
        next: Next<'_>,
        State(steps): State<Steps>,
    ) -> Result<Response> {
        steps.note(format!("server-wide, route {:?}", handshake.route()));
        let response = next.run(handshake).await;
        steps.note("server-wide again");
        response
    }
    async fn own(handshake: Handshake, next: Next<'_>, State(steps): State<Steps>) -> Result<Response> {
        steps.note("own");
        let response = next.run(handshake).await;
        steps.note("own again");
        response
    }
    impl Upgrade for Steps {
        async fn found(&self, handshake: Handshake) -> Result<Response> {
            self.note("core");
            DefaultUpgrade.found(handshake).await
        }
    }
    impl Controller for Steps {
        async fn on_open(&self, conn: &Connection) -> Result {
            self.note("open");
            Ok(conn.push("open")?)
        }
    }
    let (sender, mut noted) = mpsc::unbounded_channel();
    let steps = Steps(sender);
    let app = App::without_registry()
        .state(steps.clone())
        .upgrade("ws", steps.clone())
        .middleware("ws", 0, server_wide)
        .route(Route::new("/", steps).middleware(own));
    let server = start(app).await;
    let mut raw = server.raw("/").await;
    assert_eq!(raw.read_frame().await.payload, b"open");
    let expected =
        [r#"server-wide, route Some("/")"#, "own", "core", "own again", "server-wide again", "open"];
    for step in expected {
        assert_eq!(within("a step", noted.recv()).await.as_deref(), Some(step));
    }
    assert_eq!(server.answer(&handshake("/").replace("==", "")).await.status, 400);
    assert!(noted.try_recv().is_err(), "the key is checked first");
}

#[tokio::test]
async fn headers_that_middleware_adds_are_on_the_101() {
    async fn adding(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let mut response = next.run(handshake).await?;
        response.headers_mut().insert("x-trace-id", HeaderValue::from_static("7"));
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("session=id"));
        Ok(response)
    }
    let server = start(App::without_registry().route(Route::new("/", Told).middleware(adding))).await;
    let mut raw = Raw::connect(server.addr).await;
    let answer = raw.request(&handshake("/")).await;
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("x-trace-id"), Some("7"));
    assert_eq!(answer.header("set-cookie"), Some("session=id"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(raw.read_frame().await.payload, b"", "it is an open connection");
}

/// Answers itself, as the query requests.
async fn answering(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    match handshake.query() {
        Some("403") => Ok(Body::json(StatusCode::FORBIDDEN, &json!({"code": 40301, "msg": "not allowed"}))),
        Some("200") => Ok(Response::new(Body::from("welcome"))),
        Some("302") => Ok(http::Response::builder()
            .status(302)
            .header(header::LOCATION, "/elsewhere")
            .body(Body::empty())?),
        Some("401") => Ok(http::Response::builder()
            .status(401)
            .header("www-authenticate", "Basic")
            .body(Body::empty())?),
        Some("101") => Ok(http::Response::builder()
            .status(101)
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .body(Body::empty())?),
        Some("second-thoughts") => {
            next.run(handshake).await?;
            Ok(Body::json(StatusCode::FORBIDDEN, &json!({"code": 403, "msg": "replaced the 101"})))
        }
        Some("downgraded") => {
            let mut response = next.run(handshake).await?;
            *response.status_mut() = StatusCode::FORBIDDEN;
            Ok(response)
        }
        Some("failing-late") => {
            next.run(handshake).await?;
            Err(Error::new("secret").status(409).public("too late"))
        }
        Some("copied") => {
            let made = next.run(handshake).await?;
            let mut copy = Response::new(Body::empty());
            *copy.status_mut() = made.status();
            *copy.headers_mut() = made.headers().clone();
            Ok(copy)
        }
        Some("panic") => panic!("on purpose"),
        Some("panic-late") => {
            let response = next.run(handshake).await?;
            if response.status() == 101 {
                panic!("on purpose");
            }
            Ok(response)
        }
        _ => next.run(handshake).await,
    }
}

async fn asked(query: &str, path: &str) -> Answer {
    let app = App::without_registry().middleware("ws", 0, answering).controller("/", Told);
    let server = start(app).await;
    let mut bystander = server.connect("/").await;
    assert_eq!(next_text(&mut bystander).await, "");
    let answer = server.answer(&handshake(&format!("{path}?{query}"))).await;
    // After any answer, other connections are open and the next handshake is accepted.
    send(&mut bystander, "still here").await;
    assert_eq!(next_text(&mut bystander).await, "still here");
    assert_eq!(server.answer(&handshake("/")).await.status, 101);
    answer
}

#[tokio::test]
async fn p13_a_middleware_may_answer_itself() {
    for path in ["/", "/nowhere"] {
        let refused = asked("403", path).await;
        assert_eq!((refused.status, &*refused.body), (403, r#"{"code":40301,"msg":"not allowed"}"#));
        let welcome = asked("200", path).await;
        assert_eq!((welcome.status, &*welcome.body), (200, "welcome"));
        let moved = asked("302", path).await;
        assert_eq!((moved.status, moved.header("location")), (302, Some("/elsewhere")));
        let login = asked("401", path).await;
        assert_eq!((login.status, login.header("www-authenticate")), (401, Some("Basic")), "its own scheme");
    }
}

#[tokio::test]
async fn p13_a_refusal_is_logged_at_debug_with_route_status_and_msg() {
    let logs = Logs::start();
    asked("403", "/").await;
    let line = logs.line("handshake refused");
    for part in ["DEBUG", "server=\"ws\"", "route=\"/\"", "status=403", "msg=\"not allowed\""] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[tokio::test]
async fn only_the_core_step_makes_a_101() {
    for (query, path) in [("101", "/"), ("101", "/nowhere"), ("copied", "/")] {
        let answer = asked(query, path).await;
        assert_eq!((answer.status, &*answer.body), (500, ""), "{query} {path}: {answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), None);
    }
}

#[tokio::test]
async fn a_middleware_may_replace_the_101() {
    let cases = [("second-thoughts", 403), ("downgraded", 403), ("failing-late", 409)];
    for (query, status) in cases {
        assert_eq!(asked(query, "/").await.status, status, "{query}");
    }
    let late = asked("failing-late", "/").await;
    assert_eq!(late.body, r#"{"code":409,"msg":"too late"}"#);
}

#[tokio::test]
async fn a_panicking_middleware_is_500_without_detail() {
    for (query, path) in [("panic", "/"), ("panic", "/nowhere"), ("panic-late", "/")] {
        let answer = asked(query, path).await;
        assert_eq!(answer.body, r#"{"code":500,"msg":"Internal Server Error"}"#, "{query}");
        assert_eq!(answer.status, 500, "{query}");
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Claims(String);

/// Puts the header `x-user` into the context; refuses `lily` afterwards.
async fn claiming(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
    if let Some(user) = handshake.header("x-user").map(str::to_owned) {
        handshake.context_mut().set(Claims(user.clone()));
        if user == "lily" {
            return Err(Error::new("lily").status(403).public("not lily"));
        }
    }
    next.run(handshake).await
}

struct Greeter;

impl Controller for Greeter {
    async fn on_open(&self, conn: &Connection) -> Result {
        let name = conn.context().get::<Claims>().map_or("nobody".into(), |claims| claims.0);
        Ok(conn.push(name)?)
    }
}

#[tokio::test]
async fn p14_values_from_middleware_are_in_the_context_of_the_callbacks() {
    let app = App::without_registry().middleware("ws", 0, claiming).controller("/", Greeter);
    let server = start(app).await;
    let mut raw = Raw::connect(server.addr).await;
    assert_eq!(raw.request(&handshake_with("/", "X-User: jerry\r\n")).await.status, 101);
    assert_eq!(raw.read_frame().await.payload, b"jerry");
    // They are only in the context of this connection.
    assert_eq!(server.raw("/").await.read_frame().await.payload, b"nobody");
}

#[tokio::test]
async fn p14_a_refused_handshake_leaves_nothing_to_the_next_on_the_same_stream() {
    let app = App::without_registry().middleware("ws", 0, claiming).controller("/", Greeter);
    let server = start(app).await;
    let mut raw = Raw::connect(server.addr).await;
    let refused = [("/", "lily", 403), ("/nowhere", "jerry", 404)];
    for (path, user, status) in refused {
        let answer = raw.request(&handshake_with(path, &format!("X-User: {user}\r\n"))).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(raw.request(&handshake("/")).await.status, 101);
    assert_eq!(raw.read_frame().await.payload, b"nobody");
}

#[tokio::test]
async fn middleware_gets_state_by_its_type() {
    #[derive(Clone)]
    struct Port(u16);
    async fn four(
        handshake: Handshake,
        next: Next<'_>,
        State(Port(port)): State<Port>,
        name: State<&'static str>,
        State(list): State<Vec<u8>>,
        State(owned): State<String>,
    ) -> Result<Response> {
        let mut response = next.run(handshake).await?;
        let value = format!("{port} {} {list:?} {owned}", *name);
        response.headers_mut().insert("x-state", HeaderValue::try_from(value)?);
        Ok(response)
    }
    let app = App::without_registry()
        .state(Port(7))
        .state("name")
        .state(vec![1_u8, 2])
        .state(String::from("owned"))
        .route(Route::new("/", Told).middleware(four));
    let answer = start(app).await.answer(&handshake("/")).await;
    assert_eq!(answer.header("x-state"), Some("7 name [1, 2] owned"));
}

#[tokio::test]
async fn a_missing_bearer_token_is_401_and_names_the_scheme() {
    async fn bearer(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
        let claims = Claims(handshake.bearer_token()?.to_owned());
        handshake.context_mut().set(claims);
        next.run(handshake).await
    }
    let server = start(App::without_registry().route(Route::new("/", Greeter).middleware(bearer))).await;
    for lines in
        ["", "Authorization: token\r\n", "Authorization: Basic abc\r\n", "Authorization: Bearer \r\n"]
    {
        let answer = server.answer(&handshake_with("/", lines)).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{lines}");
        assert_eq!(answer.body, r#"{"code":401,"msg":"no bearer token"}"#, "{lines}");
    }
    for lines in ["Authorization: Bearer token\r\n", "authorization: bEARER  token\r\n"] {
        let mut raw = Raw::connect(server.addr).await;
        assert_eq!(raw.request(&handshake_with("/", lines)).await.status, 101, "{lines}");
        assert_eq!(raw.read_frame().await.payload, b"token");
    }
}

/// The core step of the how-to, with its answer to unknown paths.
struct HowTo;

impl Upgrade for HowTo {
    async fn found(&self, handshake: Handshake) -> Result<Response> {
        let mut response = DefaultUpgrade.found(handshake).await?;
        response.headers_mut().insert(header::SERVER, HeaderValue::from_static("how-to"));
        Ok(response)
    }

    async fn not_found(&self, _: Handshake) -> Result<Response> {
        Ok(http::Response::builder()
            .status(404)
            .header(header::CONTENT_TYPE, "application/json")
            .header("Description", "Route Error")
            .body(Body::empty())?)
    }

    async fn method_not_allowed(&self, handshake: Handshake) -> Result<Response> {
        let body = Body::from(format!("{} is not supported", handshake.method()));
        Ok(http::Response::builder().status(405).header(header::ALLOW, "GET").body(body)?)
    }
}

#[tokio::test]
async fn p11_an_unknown_path_can_get_the_how_tos_answer() {
    let server = start(App::without_registry().upgrade("ws", HowTo).controller("/", Told)).await;
    let answer = server.answer(&handshake("/nowhere")).await;
    assert_eq!((answer.status, &*answer.body), (404, ""));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("description"), Some("Route Error"));
}

#[tokio::test]
async fn p12_the_core_step_is_replaceable_for_each_server() {
    passing!(around);
    let app = App::without_registry()
        .upgrade("ws", HowTo)
        .middleware("ws", 0, around)
        .controller("/", Told)
        .route(Route::new("/", Told).server("admin"));
    let mut config = config();
    config.servers.push(ws_core::config::ServerConfig::new(
        "admin",
        ws_core::config::ServerKind::WebSocket,
        0,
    ));
    let server = start_with(app, config).await;
    let mut raw = Raw::connect(server.addr).await;
    let not_allowed = raw.request("POST / HTTP/1.1\r\n\r\n").await;
    assert_eq!((not_allowed.status, &*not_allowed.body), (405, "POST is not supported"));
    let not_found = raw.request(&handshake("/nowhere")).await;
    assert_eq!((not_found.status, not_found.header("x-way-out")), (404, Some(" around")), "it is innermost");
    assert_eq!(raw.request("GET / HTTP/1.1\r\n\r\n").await.status, 426, "found is for handshakes only");
    let found = raw.request(&handshake("/")).await;
    assert_eq!((found.status, found.header("server")), (101, Some("how-to")));
    assert_eq!(raw.read_frame().await.payload, b"around", "a working connection");

    let mut admin = Raw::connect(server.running.local_addr("admin").unwrap()).await;
    assert_eq!(admin.request(&handshake("/nowhere")).await.header("description"), None);
    assert_eq!(admin.request(&handshake("/")).await.header("server"), None);
}

#[tokio::test(start_paused = true)]
async fn a_middleware_that_never_ends_is_503_after_the_handshake_deadline() {
    async fn hangs(_: Handshake, _: Next<'_>) -> Result<Response> {
        std::future::pending().await
    }
    // Shorter than the timeout of the client.
    let deadline = Duration::from_secs(3);
    let mut config = config();
    config.servers[0].limits.handshake_timeout = deadline;
    let app = App::without_registry().middleware("ws", 0, hangs).config(config);
    let app = TestApp::start(app).await;
    let began = Instant::now();
    let refusal = app.connect("/anywhere").expect_status(503).await;
    assert_eq!(refusal.header("retry-after"), Some("5"));
    assert_eq!(began.elapsed().as_secs(), deadline.as_secs());
}
