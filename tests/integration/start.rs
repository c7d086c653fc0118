//! The start errors of an application: found before anything is bound, all at once, with the
//! places.

use ws_core::{
    App, Config, Controller, Handshake, Next, Recovery, Response, Result, Route, Scene, StartError, State,
    app::{Problem, Starting},
    config::{ServerConfig, ServerKind},
    handlers::{Callback, NextHandler},
    handshake::DefaultUpgrade,
    ws_handlers,
};

use crate::support::{Logs, config, handshake, start, start_with};

struct Nothing;

impl Controller for Nothing {}

struct Other;

impl Controller for Other {}

/// The default server and one of kind `http`, both on free ports.
fn with_http() -> Config {
    let mut config = config();
    config.servers.push(ServerConfig::new("http", ServerKind::Http, 0));
    config
}

fn router() -> axum::Router {
    axum::Router::new()
}

async fn refused(app: App, config: Config) -> StartError {
    match app.config(config).start().await {
        Ok(_) => panic!("it starts"),
        Err(error) => error,
    }
}

/// Checks that the start fails with exactly this problem and this text.
async fn check(app: App, config: Config, is_meant: fn(&Problem) -> bool, text: &str) {
    let error = refused(app, config).await;
    let [problem] = error.problems() else { panic!("one problem: {error}") };
    assert!(is_meant(problem), "{problem:?}");
    assert_eq!(problem.to_string(), text);
    assert_eq!(error.to_string(), format!("1 problem keeps the application from starting\n  1. {text}"));
    assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints");
}

/// `file:line` of this file.
fn at(line: u32) -> String {
    format!("{}:{line}", file!())
}

#[tokio::test]
async fn an_application_without_registry_may_be_empty() {
    let server = start(App::without_registry()).await;
    assert_eq!(server.answer(&handshake("/")).await.status, 404);
}

#[tokio::test]
async fn two_controllers_on_one_path() {
    let first = line!() + 1;
    let app = App::without_registry().controller("/same", Nothing);
    let app = app.controller("/same", Other);
    let text = format!(
        "`/same` of Other at {} conflicts with `/same` of Nothing at {} on server `ws`; change one of the paths, or \
         the server",
        at(first + 1),
        at(first)
    );
    check(app, config(), |it| matches!(it, Problem::Conflict { .. }), &text).await;
}

#[tokio::test]
async fn two_controllers_of_one_name() {
    let first = line!() + 1;
    let app = App::without_registry().controller("/a", Nothing);
    let app = app.route(Route::new("/b", Other).name("Nothing"));
    let text = format!(
        "two controllers are named `Nothing`, at {} and at {}; give one another name, by `name = \"..\"` of \
         `#[ws_controller]` or by `Route::name`",
        at(first + 1),
        at(first)
    );
    check(app, config(), |it| matches!(it, Problem::NameTwice { .. }), &text).await;
}

#[tokio::test]
async fn one_controller_of_two_names() {
    let first = line!() + 1;
    let app = App::without_registry().controller("/a", Nothing);
    let app = app.route(Route::new("/b", Nothing).name("Renamed"));
    let text = format!(
        "one controller is named `Renamed` at {} and `Nothing` at {}; give all its routes the same name",
        at(first + 1),
        at(first)
    );
    check(app, config(), |it| matches!(it, Problem::TwoNames { .. }), &text).await;
}

#[tokio::test]
async fn two_paths_that_match_the_same_requests() {
    let first = line!() + 1;
    let app = App::without_registry().controller("/rooms/{name}", Nothing);
    let app = app.controller("/rooms/{id}", Other);
    // They are compared in the order of their paths, not in that of their registration.
    let text = format!(
        "`/rooms/{{name}}` of Nothing at {} conflicts with `/rooms/{{id}}` of Other at {} on server `ws`; change one \
         of the paths, or the server",
        at(first),
        at(first + 1)
    );
    check(app, config(), |it| matches!(it, Problem::Conflict { .. }), &text).await;
}

#[tokio::test]
async fn one_path_on_two_servers_is_fine() {
    let mut config = config();
    config.servers.push(ServerConfig::new("admin", ServerKind::WebSocket, 0));
    let app = App::without_registry().controller("/same", Nothing);
    start_with(app.route(Route::new("/same", Nothing).server("admin")), config).await;
}

#[tokio::test]
async fn an_invalid_path() {
    let long = "/{a}".repeat(26);
    // The router would count the brace in the path as the 26th parameter.
    let braces =
        format!("{}{{/b}}{{{{f}}", ('a'..='x').map(|name| format!("/{{{name}}}")).collect::<String>());
    let cases = [
        ("rooms", "it does not start with `/`"),
        ("", "it does not start with `/`"),
        ("/rooms//x", "it has an empty segment"),
        ("/rooms//", "it has an empty segment"),
        (&long, "it has more than 25 parameters or braces"),
        (&braces, "it has more than 25 parameters or braces"),
    ];
    for (path, message) in cases {
        let line = line!() + 1;
        let app = App::without_registry().controller(path, Nothing);
        let text = format!(
            "`{path}` of Nothing at {} is not a path: {message}; write it like `/rooms/{{room}}`",
            at(line)
        );
        check(app, config(), |it| matches!(it, Problem::Path { .. }), &text).await;
    }
    for path in ["/{room", "/{}", "/{*rest}/x", "/{a}{b}"] {
        let error = refused(App::without_registry().controller(path, Nothing), config()).await;
        assert!(matches!(error.problems(), [Problem::Path { .. }]), "{path}: {error}");
        assert!(error.to_string().contains(&format!("`{path}` of Nothing at {}", file!())), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_configured() {
    async fn passing(handshake: Handshake, next: Next<'_>) -> Result<Response> {
        next.run(handshake).await
    }
    type Make = fn() -> App;
    let line = line!() + 2;
    let cases: [(&str, Make); 4] = [
        ("controller `Nothing`", || App::without_registry().route(Route::new("/", Nothing).server("admn"))),
        ("middleware `passing`", || App::without_registry().middleware("admn", 0, passing)),
        ("the core step", || App::without_registry().upgrade("admn", DefaultUpgrade)),
        ("the HTTP service", || App::without_registry().http("admn", router())),
    ];
    for (number, (what, make)) in (0..).zip(cases) {
        let mut config = config();
        config.servers.push(ServerConfig::new("admin", ServerKind::WebSocket, 0));
        let text = format!(
            "{what} at {} names server `admn`, which is not configured; there are `ws`, `admin`",
            at(line + number)
        );
        check(make(), config, |it| matches!(it, Problem::UnknownServer { .. }), &text).await;
    }
}

#[tokio::test]
async fn something_for_a_server_of_another_kind() {
    let line = line!() + 2;
    let cases = [
        ("controller `Nothing`", App::without_registry().route(Route::new("/", Nothing).server("http"))),
        ("the core step", App::without_registry().upgrade("http", DefaultUpgrade)),
    ];
    for (number, (what, app)) in (0..).zip(cases) {
        let text = format!(
            "{what} at {} is for servers of another kind; server `http` has kind = \"http\"",
            at(line + number)
        );
        let app = app.http("http", router());
        check(app, with_http(), |it| matches!(it, Problem::WrongKind { .. }), &text).await;
    }
    let line = line!() + 1;
    let app = App::without_registry().http("ws", router());
    let text = format!(
        "the HTTP service at {} is for servers of another kind; server `ws` has kind = \"websocket\"",
        at(line)
    );
    check(app, config(), |it| matches!(it, Problem::WrongKind { .. }), &text).await;
}

#[tokio::test]
async fn an_http_server_with_nothing_to_serve() {
    let text = "server `http` has kind = \"http\" and nothing to serve; add `.http(\"http\", router)`";
    let is_meant = |it: &Problem| matches!(it, Problem::NoService { .. });
    check(App::without_registry(), with_http(), is_meant, text).await;
}

#[tokio::test]
async fn two_things_where_one_can_be() {
    let first = line!() + 1;
    let app = App::without_registry().upgrade("ws", DefaultUpgrade);
    let app = app.upgrade("ws", DefaultUpgrade);
    let text =
        format!("the core step of server `ws` is given at {} and at {}; keep one", at(first + 1), at(first));
    check(app, config(), |it| matches!(it, Problem::GivenTwice { .. }), &text).await;

    let first = line!() + 1;
    let app = App::without_registry().http("http", router());
    let app = app.http("http", router());
    let text = format!(
        "the HTTP service of server `http` is given at {} and at {}; keep one",
        at(first + 1),
        at(first)
    );
    check(app, with_http(), |it| matches!(it, Problem::GivenTwice { .. }), &text).await;
}

#[derive(Clone)]
struct Users;

async fn needs_users(handshake: Handshake, next: Next<'_>, _: State<Users>) -> Result<Response> {
    next.run(handshake).await
}

#[tokio::test]
async fn a_missing_state() {
    let line = line!() + 1;
    let app = App::without_registry().middleware("ws", 0, needs_users);
    let text = format!(
        "`needs_users` at {} needs a state of type `{}`; add `.state(..)` with a value of that type",
        at(line),
        std::any::type_name::<Users>()
    );
    check(app, config(), |it| matches!(it, Problem::MissingState { .. }), &text).await;
    start(App::without_registry().middleware("ws", 0, needs_users).state(Users)).await;
}

#[tokio::test]
async fn a_state_that_a_routes_own_middleware_misses() {
    let app = App::without_registry().route(Route::new("/", Nothing).middleware(needs_users));
    let error = refused(app, config()).await;
    let [Problem::MissingState { type_name, location, .. }] = error.problems() else { panic!("{error}") };
    assert_eq!((*type_name, location.file), (std::any::type_name::<Users>(), file!()));
}

mod elsewhere {
    #[derive(Clone)]
    pub(super) struct Users;
}

#[tokio::test]
async fn a_state_of_a_similar_type_is_named_in_place_of_the_missing_one() {
    fn given<T: Clone + Send + Sync + 'static>(value: T) -> (App, Option<&'static str>) {
        let app = App::without_registry().middleware("ws", 0, needs_users).state(value);
        (app, Some(std::any::type_name::<T>()))
    }

    let other = App::without_registry().middleware("ws", 0, needs_users).state(7_u8);
    for (app, expected) in [
        given(std::sync::Arc::new(Users)),
        given(Box::new(Users)),
        given(&Users),
        given(elsewhere::Users),
        (other, None),
    ] {
        let error = refused(app, config()).await;
        let [Problem::MissingState { similar, .. }] = error.problems() else { panic!("{error}") };
        assert_eq!(*similar, expected);
        let users = std::any::type_name::<Users>();
        let words = match expected {
            Some(given) => format!("there is a state of type `{given}`; use that type, or provide `{users}`"),
            None => "add `.state(..)` with a value of that type".to_owned(),
        };
        assert!(error.to_string().ends_with(&words), "{error}");
    }
}

/// Takes `Users`, and `u8` if it exists.
struct Takes;

#[ws_handlers]
impl Takes {
    #[on_text]
    #[guard(takes_text)]
    async fn text(&self, _: State<Users>, _: Option<State<u8>>) {}
}

async fn takes_text(_: State<&'static str>) -> Result {
    Ok(())
}

async fn takes_u16(_: &Handshake, _: State<u16>) -> Result {
    Ok(())
}

async fn takes_u32(callback: Callback<'_>, next: NextHandler<'_>, _: State<u32>) -> Result {
    next.run(callback).await
}

async fn takes_u64(_: &ws_core::Error, _: &Scene, _: State<u64>) -> Recovery {
    Recovery::pass()
}

async fn takes_char(handshake: Handshake, next: Next<'_>, _: State<char>) -> Result<Response> {
    next.run(handshake).await
}

#[tokio::test]
async fn each_unused_state_is_warned_of() {
    let logs = Logs::start();
    let line = line!() + 2;
    let app = App::without_registry()
        .state(1_i8)
        .state((Users, "a handler"))
        .state(Users)
        .state(1_u8)
        .state("a guard of a method")
        .state(1_u16)
        .state(1_u32)
        .state(1_u64)
        .state('m')
        .state(1_i64)
        .interceptor("ws", 0, takes_u32)
        .error_handler(None, 0, takes_u64)
        .middleware("ws", 0, takes_char)
        .on_start(async |app: Starting| assert_eq!(app.state::<i64>(), Some(1)))
        .route(Route::new("/", Takes).guard(takes_u16));
    drop(start(app).await);
    for (type_name, line) in
        [("i8".to_owned(), line), (format!("({}, &str)", std::any::type_name::<Users>()), line + 1)]
    {
        let text = logs.line(&format!("the state of type `{type_name}` is not used"));
        assert!(text.contains(&at(line)), "{text}");
    }
    assert_eq!(logs.text().matches("is not used: put").count(), 2, "{}", logs.text());
}

#[tokio::test]
async fn a_state_given_twice() {
    let line = line!() + 1;
    let app = App::without_registry().state(Users).state(7_u8).state(Users);
    let text = format!(
        "a second state of type `{}` is provided at {}; wrap one of them in its own type",
        std::any::type_name::<Users>(),
        at(line)
    );
    check(app, config(), |it| matches!(it, Problem::StateTwice { .. }), &text).await;
}

#[tokio::test]
async fn a_configuration_by_hand_must_follow_the_rules_of_the_file() {
    let mut twins = config();
    twins.servers.push(config().servers.remove(0));
    let text = "two servers are named `ws`; names are unique";
    check(App::without_registry(), twins, |it| matches!(it, Problem::Config(_)), text).await;
}

#[tokio::test]
async fn limits_of_a_route_must_follow_the_rules_of_its_servers() {
    let line = line!() + 1;
    let route = Route::new("/", Nothing).limits(|limits| limits.message_burst = Some(0));
    let text = format!(
        "the limits of Nothing at {} are invalid: `limits.message_burst` must be at least 1",
        at(line)
    );
    let app = App::without_registry().route(route);
    check(app, config(), |it| matches!(it, Problem::Limits { .. }), &text).await;
}

#[tokio::test]
async fn ports_in_use_are_named_all_at_once() {
    let taken: Vec<_> = (0..2).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = taken.iter().map(|it| it.local_addr().unwrap().port()).collect();
    let mut config = config();
    config.servers[0].port = ports[0];
    config.servers.push(ServerConfig::new("free", ServerKind::WebSocket, 0));
    config.servers.push(ServerConfig::new("admin", ServerKind::WebSocket, ports[1]));
    let error = refused(App::without_registry(), config).await;
    let text = error.to_string();
    assert!(text.starts_with("2 problems keep the application from starting\n  1. server `ws` "), "{text}");
    for (name, port) in ["ws", "admin"].into_iter().zip(ports) {
        let expected = format!("server `{name}` cannot listen on 127.0.0.1:{port}: ");
        assert!(text.contains(&expected), "{expected} in {text}");
    }
    for problem in error.problems() {
        let Problem::Bind { error, .. } = problem else { panic!("{problem}") };
        assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    }
}

#[tokio::test]
async fn an_ipv6_address_is_a_host_with_brackets_and_without() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return eprintln!("this machine has no IPv6");
    }
    for host in ["[::1]", "::1"] {
        let mut config = config();
        config.servers[0].host = host.into();
        let running = App::without_registry().config(config.clone()).start().await.unwrap();
        let addr = running.local_addr("ws").unwrap();
        assert_eq!(addr.ip().to_string(), "::1", "{host}");
        config.servers[0].port = addr.port();
        let error = refused(App::without_registry(), config).await;
        assert!(error.to_string().contains(&format!("cannot listen on {addr}: ")), "{error}");
    }
}

#[tokio::test]
async fn everything_is_reported_at_once_and_nothing_is_bound() {
    // Its port is taken, so binding it would add a problem.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = with_http();
    config.servers[0].port = taken.local_addr().unwrap().port();
    config.servers[0].limits.connections = 0;
    let app = App::without_registry()
        .controller("/same", Nothing)
        .controller("/same", Nothing)
        .controller("nowhere", Nothing)
        .route(Route::new("/", Nothing).server("admin"))
        .route(Route::new("/", Nothing).server("http"))
        .middleware("ws", 0, needs_users)
        .upgrade("ws", DefaultUpgrade)
        .upgrade("ws", DefaultUpgrade)
        .state(1_u8)
        .state(2_u8);
    let error = refused(app, config).await;
    let is_there = |is_meant: fn(&Problem) -> bool| error.problems().iter().filter(|it| is_meant(it)).count();
    assert_eq!(is_there(|it| matches!(it, Problem::Config(_))), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::Conflict { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::Path { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::UnknownServer { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::WrongKind { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::NoService { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::MissingState { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::GivenTwice { .. })), 1, "{error}");
    assert_eq!(is_there(|it| matches!(it, Problem::StateTwice { .. })), 1, "{error}");
    assert_eq!(error.problems().len(), 9, "only these: {error}");
    let text = error.to_string();
    assert!(text.starts_with("9 problems keep the application from starting\n  1. "), "{text}");
    assert_eq!(text.lines().count(), 10, "a line each: {text}");
}

#[tokio::test]
async fn a_missing_state_does_not_hide_other_problems() {
    // The route lacks a state, and its path is taken.
    let app = App::without_registry()
        .controller("/same", Nothing)
        .route(Route::new("/same", Nothing).middleware(needs_users));
    let error = refused(app, config()).await;
    let is_there = |is_meant: fn(&Problem) -> bool| error.problems().iter().any(is_meant);
    assert!(is_there(|it| matches!(it, Problem::MissingState { .. })), "{error}");
    assert!(is_there(|it| matches!(it, Problem::Conflict { .. })), "{error}");
}
