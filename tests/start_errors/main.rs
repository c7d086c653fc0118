//! A binary whose attributes compile but are wrong: problems that only the whole program shows are
//! reported at the start, all at once, with every place.

use std::{net::TcpListener, sync::Arc};

use ws_core::prelude::*;

#[derive(Clone)]
struct Users;

#[derive(Clone)]
struct Clock;

#[derive(Debug, thiserror::Error)]
#[error("chat")]
struct Chat;

const FIRST_ROOM: u32 = line!() + 1;
#[ws_controller(path = "/rooms/{room}")]
struct FirstRoom;

impl Controller for FirstRoom {}

mod elsewhere {
    use ws_core::prelude::*;

    pub(crate) const SECOND_ROOM: u32 = line!() + 1;
    #[ws_controller(path = "/rooms/{room}")]
    struct SecondRoom;

    impl Controller for SecondRoom {}
}

const THIRD_ROOM: u32 = line!() + 1;
#[ws_controller(path = "/rooms/{name}")]
struct ThirdRoom;

impl Controller for ThirdRoom {}

mod alike {
    use ws_core::prelude::*;

    pub(crate) const NAMED_ALIKE: u32 = line!() + 1;
    #[ws_controller(path = "/alike", name = "ThirdRoom")]
    struct Alike;

    impl Controller for Alike {}
}

const FAULTY_PATH: u32 = line!() + 1;
#[ws_controller(path = concat!("faulty", "/path"))]
struct FaultyPath;

impl Controller for FaultyPath {}

const LOST: u32 = line!() + 1;
#[ws_controller(path = "/lost", server = "admn")]
struct Lost;

impl Controller for Lost {}

const WRONG_KIND: u32 = line!() + 1;
#[ws_controller(path = "/", server = "http")]
struct WrongKind;

impl Controller for WrongKind {}

const NEEDS_STATE: u32 = line!() + 1;
#[ws_controller(path = "/state")]
struct NeedsState {
    #[state]
    _users: Users,
    #[state]
    _given: u8,
}

impl Controller for NeedsState {}

const NEEDS_GUARD: u32 = line!() + 1;
#[ws_controller(path = "/guarded")]
#[guard(self::needs_names)]
struct NeedsGuard;

impl Controller for NeedsGuard {}

#[derive(Clone)]
struct UserNames;

async fn needs_names(_: &Handshake, _: State<u8>, _: State<UserNames>) -> Result {
    Ok(())
}

const NAMES: u32 = line!() + 1;
#[ws_controller(path = "/names", middleware(plain_function, self::server_wide))]
struct Names;

impl Controller for Names {}

/// Without the attribute.
async fn plain_function(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

const SERVER_WIDE: u32 = line!() + 1;
#[ws_middleware]
async fn server_wide(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

const NEEDS_CLOCK: u32 = line!() + 1;
#[ws_middleware(scope = "route")]
async fn needs_clock(handshake: Handshake, next: Next<'_>, _: State<Clock>) -> Result<Response> {
    next.run(handshake).await
}

const LOST_MIDDLEWARE: u32 = line!() + 1;
#[ws_middleware(server = "nowhere", order = 5)]
async fn lost_middleware(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

const BY_SUBPROTOCOL: u32 = line!() + 1;
#[ws_middleware(scope = "route", security("bearer", "subprotocol"))]
async fn by_subprotocol(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    next.run(handshake).await
}

const NO_SUBPROTOCOL: u32 = line!() + 1;
#[ws_controller(path = "/tokens", middleware(by_subprotocol))]
struct NoSubprotocol;

impl Controller for NoSubprotocol {}

/// A browser finds a subprotocol to choose here.
#[ws_controller(path = "/tokens/v1", middleware(by_subprotocol), subprotocols("v1"))]
struct HasSubprotocol;

impl Controller for HasSubprotocol {}

const FOR_ALL_SERVERS: u32 = line!() + 1;
#[ws_error_handler(order = 7)]
async fn for_all_servers(_: &Chat, _: &Scene) -> Recovery {
    Recovery::pass()
}

const FOR_ONE_SERVER: u32 = line!() + 1;
#[ws_error_handler(server = "ws", order = 7)]
async fn for_one_server(_: &self::Chat, _: &Scene) -> Recovery {
    Recovery::pass()
}

/// With another order it does not conflict.
#[ws_error_handler(order = 8)]
async fn later(_: &Chat, _: &Scene) -> Recovery {
    Recovery::pass()
}

const LOST_HANDLER: u32 = line!() + 1;
#[ws_error_handler(server = "admn")]
async fn lost_handler(_: &ws_core::Error, _: &Scene) -> Recovery {
    Recovery::pass()
}

const NEEDS_NAMES: u32 = line!() + 1;
#[ws_error_handler(order = 9)]
async fn handles_by_names(_: &Chat, _: &Scene, _: State<u8>, _: State<UserNames>) -> Recovery {
    Recovery::pass()
}

fn expected() -> String {
    let at = |line: u32| format!("{}:{line}", file!());
    let problems = [
        format!(
            "middleware `lost_middleware` at {} names server `nowhere`, which is not configured; there are `ws`, \
             `http`",
            at(LOST_MIDDLEWARE)
        ),
        format!(
            "`needs_clock` at {} needs a state of type `start_errors::Clock`; add `.state(..)` with a value of that \
             type",
            at(NEEDS_CLOCK)
        ),
        format!(
            "two controllers are named `ThirdRoom`, at {} and at {}; give one another name, by `name = \"..\"` of \
             `#[ws_controller]` or by `Route::name`",
            at(THIRD_ROOM),
            at(alike::NAMED_ALIKE)
        ),
        format!(
            "controller `Lost` at {} names server `admn`, which is not configured; there are `ws`, `http`",
            at(LOST)
        ),
        format!(
            "controller `WrongKind` at {} is for servers of another kind; server `http` has kind = \"http\"",
            at(WRONG_KIND)
        ),
        format!(
            "`self::needs_names` at {} needs a state of type `start_errors::UserNames`; there is a state of type \
             `alloc::sync::Arc<start_errors::UserNames>`; use that type, or provide `start_errors::UserNames`",
            at(NEEDS_GUARD)
        ),
        format!(
            "`plain_function`, named by Names at {}, is not a registered middleware; put \
             `#[ws_middleware(scope = \"route\")]` on the function",
            at(NAMES)
        ),
        format!(
            "`self::server_wide`, named by Names at {}, runs on every route of its server already ({}); remove it \
             here, or write `scope = \"route\"` there",
            at(NAMES),
            at(SERVER_WIDE)
        ),
        format!(
            "`/rooms/{{room}}` of FirstRoom at {} conflicts with `/rooms/{{name}}` of ThirdRoom at {} on server `ws`; \
             change one of the paths, or the server",
            at(FIRST_ROOM),
            at(THIRD_ROOM)
        ),
        format!(
            "`/rooms/{{room}}` of SecondRoom at {} conflicts with `/rooms/{{name}}` of ThirdRoom at {} on server \
             `ws`; change one of the paths, or the server",
            at(elsewhere::SECOND_ROOM),
            at(THIRD_ROOM)
        ),
        format!(
            "`NeedsState` at {} needs a state of type `start_errors::Users`; add `.state(..)` with a value of that \
             type",
            at(NEEDS_STATE)
        ),
        format!(
            "`by_subprotocol` at {} accepts a token as a subprotocol, but `NoSubprotocol` at {} supports no \
             subprotocol, so browsers cannot connect; write `subprotocols(\"..\")` there",
            at(BY_SUBPROTOCOL),
            at(NO_SUBPROTOCOL)
        ),
        format!(
            "`faulty/path` of FaultyPath at {} is not a path: it does not start with `/`; write it like \
             `/rooms/{{room}}`",
            at(FAULTY_PATH)
        ),
        format!(
            "error handler `lost_handler` at {} names server `admn`, which is not configured; there are `ws`, `http`",
            at(LOST_HANDLER)
        ),
        format!(
            "error handlers `for_one_server` at {} and `for_all_servers` at {} both handle `self::Chat` at order 7; \
             give one of them another `order`",
            at(FOR_ONE_SERVER),
            at(FOR_ALL_SERVERS)
        ),
        format!(
            "`handles_by_names` at {} needs a state of type `start_errors::UserNames`; there is a state of type \
             `alloc::sync::Arc<start_errors::UserNames>`; use that type, or provide `start_errors::UserNames`",
            at(NEEDS_NAMES)
        ),
        "server `http` has kind = \"http\" and nothing to serve; add `.http(\"http\", router)`".to_owned(),
    ];
    let mut text = format!("{} problems keep the application from starting", problems.len());
    for (number, problem) in (1..).zip(problems) {
        text += &format!("\n  {number}. {problem}");
    }
    text
}

#[tokio::test]
async fn all_problems_are_reported_at_once_with_every_place_and_nothing_is_bound() {
    // The port of `ws` is taken, so binding it would add a problem.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = Config::default();
    config.servers[0].port = taken.local_addr().unwrap().port();
    let http = ws_core::config::ServerConfig::new("http", ws_core::config::ServerKind::Http, 0);
    config.servers.push(http);
    let Err(error) = App::new().state(7_u8).state(Arc::new(UserNames)).config(config).start().await else {
        panic!("it starts")
    };
    assert_eq!(error.to_string(), expected());
    assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints");
}
