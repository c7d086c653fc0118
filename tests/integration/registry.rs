//! The registrations of the attributes, in running applications.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use ws_core::{
    App, Connection, Controller, Handshake, Message, Next, Response, Result, Route, State, Text,
    app::RouteInfo, ws_controller, ws_handlers, ws_middleware,
};

use crate::support::{
    Logs, Raw, Server, handshake, handshake_with, next_text, registry_config, send, start_with,
};

/// The state of the `#[state]` fields and the middleware of this file.
#[derive(Clone)]
struct Greeting(&'static str);

/// All registrations of this binary, with the state that they need.
pub(crate) fn app() -> App {
    App::new().state(Greeting("hello"))
}

async fn server() -> Server {
    start_with(app(), registry_config()).await
}

const BARE: u32 = line!() + 1;
#[ws_controller(path = "/annotated")]
#[derive(Default)]
struct Bare;

impl Controller for Bare {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

const ROOM: u32 = line!() + 1;
#[ws_controller(
    path = "/rooms/{room}",
    server = "annotated",
    middleware(counted, self::greeted),
    subprotocols("chat.v2", "chat.v1"),
    subprotocol_mismatch = "refuse",
    limits(message = "1KiB", frame = 512)
)]
struct Room {
    #[state]
    greeting: Greeting,
    visits: AtomicUsize,
}

impl Controller for Room {
    async fn on_open(&self, conn: &Connection) -> Result {
        let visit = self.visits.fetch_add(1, Ordering::SeqCst) + 1;
        let room = conn.handshake().path_param("room").unwrap_or_default();
        Ok(conn.push(format!("{} {room} {visit}", self.greeting.0))?)
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

#[ws_middleware(scope = "route")]
async fn counted(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let mut response = next.run(handshake).await?;
    response.headers_mut().insert("x-counted", HeaderValue::from_static("yes"));
    Ok(response)
}

#[ws_middleware(scope = "route")]
async fn greeted(handshake: Handshake, next: Next<'_>, State(greeting): State<Greeting>) -> Result<Response> {
    let mut response = next.run(handshake).await?;
    response.headers_mut().insert("x-greeting", HeaderValue::from_static(greeting.0));
    Ok(response)
}

const FILES: u32 = line!() + 1;
#[ws_controller(path = "/files/{*rest}", server = "annotated")]
struct Files(#[state] Greeting, std::marker::PhantomData<u8>);

impl Controller for Files {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(format!("{} {}", self.0.0, conn.handshake().path_param("rest").unwrap_or_default()))?)
    }
}

#[tokio::test]
async fn p3_an_annotated_controller_runs() {
    let server = server().await;
    let mut client = server.connect("/annotated").await;
    send(&mut client, "hi").await;
    assert_eq!(next_text(&mut client).await, "hi");
}

#[tokio::test]
async fn p3_every_argument_of_the_attribute_takes_effect() {
    let server = server().await;
    let addr = server.running.local_addr("annotated").unwrap();
    for visit in 1..=2 {
        let mut raw = Raw::connect(addr).await;
        let offer = "Sec-WebSocket-Protocol: chat.v1, chat.v2\r\n";
        let answer = raw.request(&handshake_with("/rooms/a%20b", offer)).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-protocol"), Some("chat.v2"));
        assert_eq!((answer.header("x-counted"), answer.header("x-greeting")), (Some("yes"), Some("hello")));
        let text = String::from_utf8(raw.read_frame().await.payload).unwrap();
        assert_eq!(text, format!("hello a b {visit}"), "one instance serves all");
        // Two frames of 512 bytes are one message of 1 KiB. Both are exactly at their limits.
        raw.frame(0x02, &[1; 512]).await;
        raw.frame(0x80, &[2; 512]).await;
        assert_eq!(raw.read_frame().await.payload.len(), 1024);
        if visit == 1 {
            raw.frame(0x82, &[0; 513]).await;
        } else {
            raw.write(
                &[crate::support::frame(0x02, &[1; 512]), crate::support::frame(0x00, &[2; 512])].concat(),
            )
            .await;
            raw.frame(0x80, b"x").await;
        }
        assert_eq!(raw.read_frame().await.close().0, 1009);
    }
    let refused = Raw::connect(addr)
        .await
        .request(&handshake_with("/rooms/1", "Sec-WebSocket-Protocol: soap\r\n"))
        .await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(server.answer(&handshake("/rooms/1")).await.status, 404, "it is on its own server");

    let mut raw = Raw::connect(addr).await;
    assert_eq!(raw.request(&handshake("/files/x/y")).await.header("x-counted"), None);
    assert_eq!(raw.read_frame().await.payload, b"hello x/y");
}

#[tokio::test]
async fn an_application_without_registry_ignores_the_attributes() {
    let server = start_with(App::without_registry(), registry_config()).await;
    for (name, path) in [("ws", "/annotated"), ("annotated", "/rooms/1"), ("annotated", "/files/x")] {
        let mut raw = Raw::connect(server.running.local_addr(name).unwrap()).await;
        assert_eq!(raw.request(&handshake(path)).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn routes_by_hand_stand_beside_annotated_ones() {
    struct Extra;
    impl Controller for Extra {
        async fn on_open(&self, conn: &Connection) -> Result {
            Ok(conn.push("extra")?)
        }
    }
    let app = app().route(Route::new("/extra", Extra).server("annotated").middleware(counted));
    let server = start_with(app, registry_config()).await;
    let mut raw = Raw::connect(server.running.local_addr("annotated").unwrap()).await;
    assert_eq!(raw.request(&handshake("/extra")).await.header("x-counted"), Some("yes"));
    assert_eq!(raw.read_frame().await.payload, b"extra");
}

struct Unrouted;

const UNROUTED: u32 = line!() + 1;
#[ws_handlers]
impl Unrouted {
    #[on_text]
    async fn text(&self, text: Text) -> Text {
        text
    }
}

#[tokio::test]
async fn handlers_without_a_route_are_warned_of_at_start() {
    let logs = Logs::start();
    let _server = server().await;
    let line = logs.line("`Unrouted` has `#[ws_handlers]` and no route");
    assert!(line.contains(" WARN ") && line.contains(&format!("{}:{UNROUTED}", file!())), "{line}");

    let logs = Logs::start();
    let _server = start_with(app().controller("/unrouted", Unrouted), registry_config()).await;
    assert!(!logs.text().contains("`Unrouted`"), "a route by hand counts: {}", logs.text());
}

#[test]
fn p28_the_routes_list_each_registration_and_its_place() {
    let routes = app().routes();
    let annotated: Vec<&RouteInfo> = routes.iter().filter(|route| route.server == "annotated").collect();
    let seen: Vec<_> = annotated
        .iter()
        .map(|it| (&*it.path, it.controller, it.middleware.as_slice(), it.location.file, it.location.line))
        .collect();
    let room_middleware = ["counted", "self::greeted"];
    assert_eq!(
        seen,
        [
            ("/files/{*rest}", "Files", &[][..], file!(), FILES),
            ("/rooms/{room}", "Room", &room_middleware[..], file!(), ROOM),
        ]
    );
    let bare = routes.iter().find(|route| route.path == "/annotated").unwrap();
    assert_eq!((&*bare.server, bare.controller, bare.location.line), ("ws", "Bare", BARE));
}

#[test]
fn p28_the_routes_print_as_a_table_sorted_by_server_and_path() {
    let first = line!() + 2;
    let app = App::without_registry()
        .controller("/b", Bare)
        .controller("/a/{longer}", Bare)
        .route(Route::new("/z", Bare).server("admin").middleware(counted).middleware(greeted));
    let at = |line: u32| format!("{}:{line}", file!());
    let expected = format!(
        "SERVER  PATH         CONTROLLER  MIDDLEWARE        DEFINED AT\n\
         admin   /z           Bare        counted, greeted  {}\n\
         ws      /a/{{longer}}  Bare        -                 {}\n\
         ws      /b           Bare        -                 {}",
        at(first + 2),
        at(first + 1),
        at(first)
    );
    assert_eq!(app.routes().to_string(), expected);
    assert_eq!(
        App::without_registry().routes().to_string(),
        "SERVER  PATH  CONTROLLER  MIDDLEWARE  DEFINED AT"
    );
}
