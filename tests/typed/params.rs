//! The parameters of handlers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde::Deserialize;
use serde_json::{Value, json};
use ws_core::handlers::Cookie;
use ws_core::handlers::EventName;
use ws_core::handlers::Header;
use ws_core::{
    Route,
    handlers::{FromHandshake, Input, Param, ParamError, Setup},
    headers::UserAgent,
    prelude::*,
};

use super::{ask, serve_at};

#[derive(Clone, Debug, Deserialize)]
struct RoomId(String);

#[derive(Deserialize)]
struct Page {
    size: u32,
    #[serde(default)]
    sort: String,
}

#[derive(Clone)]
struct Greeting(&'static str);

struct Language(String);

impl FromHandshake for Language {
    fn from_handshake(handshake: &Handshake) -> std::result::Result<Self, ParamError> {
        match handshake.header("accept-language") {
            None => Err(ParamError::missing("header accept-language")),
            Some("xx") => Err(ParamError::invalid("header accept-language", "no such language")),
            Some(language) => Ok(Self(language.to_owned())),
        }
    }
}

struct Shout(String);

impl<'a> Param<'a> for Shout {
    type Kept = String;

    fn keep(setup: &Setup<'_>) -> std::result::Result<String, ParamError> {
        Ok(setup.handshake().path().to_uppercase())
    }

    fn get(kept: &'a String, input: &mut Input<'a>) -> std::result::Result<Self, ParamError> {
        Ok(Self(format!("{kept} {}", input.event_name().unwrap_or("-"))))
    }
}

struct Params;

#[ws_handlers]
impl Params {
    #[on_event("path")]
    async fn path(&self, Path((room, seat)): &Path<(RoomId, u8)>) -> Data<Value> {
        Data(json!([room.0, seat]))
    }

    #[on_event("path-by-value")]
    async fn path_by_value(&self, Path((room, seat)): Path<(RoomId, u8)>) -> Data<Value> {
        Data(json!([room.0, seat]))
    }

    #[on_event("query")]
    async fn query(&self, Query(page): &Query<Page>) -> Data<Value> {
        Data(json!([page.size, page.sort]))
    }

    #[on_event("header")]
    async fn header(&self, agent: Option<&Header<UserAgent>>) -> Data<Option<String>> {
        Data(agent.map(|Header(agent)| agent.to_string()))
    }

    #[on_event("cookie")]
    async fn cookie(&self, cookie: &Cookie) -> Data<Option<String>> {
        Data(cookie.get("sid").map(str::to_owned))
    }

    #[on_event("state")]
    async fn state(&self, State(greeting): State<Greeting>) -> Data<&'static str> {
        Data(greeting.0)
    }

    #[on_event("context")]
    async fn context(&self, conn: &Connection, there: Option<Context<u8>>) -> Data<Option<u8>> {
        conn.context().set(there.map_or(1, |Context(number)| number + 1));
        Data(there.map(|Context(number)| number))
    }

    #[on_event("no-context")]
    async fn no_context(&self, Context(number): Context<u64>) -> Data<u64> {
        Data(number)
    }

    #[on_event("self")]
    async fn this(&self, conn: Connection, id: ConnectionId, hub: Hub, handshake: &Handshake) -> Data<Value> {
        Data(json!([conn.id() == id, hub.count_local(), handshake.path()]))
    }

    #[on_event("own")]
    async fn own(&self, language: Option<&Language>, shout: Shout) -> Data<Value> {
        Data(json!([language.map(|language| &language.0), shout.0]))
    }
}

async fn app() -> ws_core::testing::TestApp {
    let route = Route::new("/rooms/{room}/{seat}", Params);
    ws_core::testing::TestApp::start(App::without_registry().state(Greeting("hello")).route(route)).await
}

#[tokio::test]
async fn every_parameter_gets_the_value_of_its_type() {
    let app = app().await;
    let mut client = app
        .connect("/rooms/a%20b/7?size=3&sort=up")
        .header("user-agent", "test/1")
        .header("cookie", "a=b; sid=42")
        .header("accept-language", "de")
        .await
        .unwrap();
    for (event, data) in [
        ("path", json!(["a b", 7])),
        ("path-by-value", json!(["a b", 7])),
        ("query", json!([3, "up"])),
        ("header", json!("test/1")),
        ("cookie", json!("42")),
        ("state", json!("hello")),
        ("context", json!(null)),
        ("context", json!(1)),
        ("context", json!(2)),
        ("self", json!([true, 1, "/rooms/a%20b/7"])),
        ("own", json!(["de", "/ROOMS/A%20B/7 own"])),
    ] {
        let got = ask(&mut client, json!({"event": event}).to_string()).await;
        assert_eq!(got["data"], data, "{event}: {got}");
    }
    let got = ask(&mut client, r#"{"event":"no-context"}"#).await;
    assert_eq!(got["data"], json!({"code": "internal", "message": "internal error"}));
}

#[tokio::test]
async fn a_fault_in_the_handshake_is_a_400_that_names_the_parameter() {
    let app = app().await;
    for (path, language, named) in [
        ("/rooms/a/seven?size=3", "de", "seat"),
        ("/rooms/a/256?size=3", "de", "seat"),
        ("/rooms/a/1?size=x", "de", "size"),
        ("/rooms/a/1", "de", "size"),
        ("/rooms/a/1?size=1", "xx", "accept-language"),
    ] {
        let refused = app.connect(path).header("accept-language", language).expect_status(400).await;
        let msg = refused.json::<Value>().unwrap()["msg"].as_str().unwrap().to_owned();
        assert!(msg.contains(named), "{path}: {msg}");
    }
    app.connect("/rooms/a/1?size=1").await.expect("an optional parameter may be absent");
}

#[tokio::test]
async fn a_missing_state_of_a_handler_is_a_start_error() {
    let app = App::without_registry().route(Route::new("/rooms/{room}/{seat}", Params));
    let error = ws_core::testing::TestApp::try_start(app).await.unwrap_err();
    assert!(error.to_string().contains("Greeting"), "{error}");
}

#[tokio::test]
async fn a_path_without_the_parameters_that_handlers_take_is_a_start_error() {
    for path in ["/rooms", "/{{rooms}}"] {
        let app = App::without_registry().state(Greeting("hello")).route(Route::new(path, Params));
        let error = ws_core::testing::TestApp::try_start(app).await.unwrap_err().to_string();
        let expected = format!("takes `Path<T>`, and its path `{path}` has no parameters");
        assert!(error.contains(&expected), "{error}");
    }
}

/// Takes the reason of the end.
struct Ends(tokio::sync::mpsc::UnboundedSender<CloseReason>);

#[ws_handlers]
impl Ends {
    #[on_close]
    async fn close(&self, reason: CloseReason, conn: &Connection) -> Result {
        assert!(!conn.is_open());
        Ok(self.0.send(reason)?)
    }

    #[on_ping]
    async fn ping(&self, conn: &Connection, payload: Bytes) -> Result {
        Ok(conn.push(payload)?)
    }

    #[on_pong]
    async fn pong(&self, payload: Bytes) -> Message {
        Message::binary(payload)
    }
}

#[tokio::test]
async fn close_ping_and_pong_have_handlers_too() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let app = serve_at("/", Ends(sender)).await;
    let mut client = app.connect("/").await.unwrap();
    client.ping("p").await;
    assert_eq!(client.next().await.unwrap(), Message::binary(&b"p"[..]));
    client.send_frame(0x8a, b"q").await;
    assert_eq!(client.next().await.unwrap(), Message::binary(&b"q"[..]));
    client.close(4000, "bye").await;
    client.expect_close(4000).await;
    assert_eq!(seen.recv().await, Some(CloseReason::Peer { code: Some(4000), reason: "bye".into() }));
}

/// Every parameter as an `Option`, on a route that has no parameters.
struct Maybe;

#[ws_handlers]
impl Maybe {
    #[on_event("there")]
    async fn there(
        &self,
        event: Option<EventName<'_>>,
        conn: Option<&Connection>,
        id: Option<ConnectionId>,
        hub: Option<Hub>,
        handshake: Option<&Handshake>,
        cookie: Option<&Cookie>,
    ) -> Data<[bool; 6]> {
        let [conn, handshake] = [conn.is_some(), handshake.is_some()];
        Data([event.is_some(), conn, id.is_some(), hub.is_some(), handshake, cookie.is_some()])
    }

    #[on_event("asked for")]
    async fn asked_for(
        &self,
        path: Option<&Path<String>>,
        query: Option<&Query<Page>>,
        header: Option<Header<UserAgent>>,
        state: Option<State<Greeting>>,
        context: Option<Context<u64>>,
        data: Option<Data<u8>>,
    ) -> Data<[bool; 6]> {
        let [path, query] = [path.is_some(), query.is_some()];
        Data([path, query, header.is_some(), state.is_some(), context.is_some(), data.is_some()])
    }
}

#[tokio::test]
async fn an_option_of_any_absent_parameter_is_none() {
    let start = |path, app: App| ws_core::testing::TestApp::start(app.route(Route::new(path, Maybe)));
    let without = start("/", App::without_registry()).await;
    let with = start("/{room}", App::without_registry().state(Greeting("hello"))).await;
    let mut nothing = without.connect("/").await.unwrap();
    let mut all = with.connect("/a?size=1").header("user-agent", "test/1").await.unwrap();
    for client in [&mut nothing, &mut all] {
        let got = ask(client, r#"{"event":"there"}"#).await;
        assert_eq!(got["data"], json!(vec![true; 6]));
    }
    let got = ask(&mut nothing, r#"{"event":"asked for"}"#).await;
    assert_eq!(got["data"], json!(vec![false; 6]));
    let got = ask(&mut all, r#"{"event":"asked for","data":1}"#).await;
    assert_eq!(got["data"], json!([true, true, true, true, false, true]));
    with.connect("/a?size=x").expect_status(400).await;
}

#[derive(Deserialize)]
struct Seat {
    seat: u8,
    room: String,
}

/// The parameters of one path in each of their forms.
struct Paths;

#[ws_handlers]
impl Paths {
    #[on_open]
    async fn open(&self, named: &Path<Seat>, Path((room, seat)): &Path<(String, u8)>) -> Json<Value> {
        Json(json!([named.seat, named.room, room, seat]))
    }
}

/// The only parameter of a path.
struct OnePath;

#[ws_handlers]
impl OnePath {
    #[on_open]
    async fn open(&self, Path(seat): Path<u8>) -> Json<u8> {
        Json(seat)
    }
}

#[tokio::test]
async fn a_path_is_a_struct_a_tuple_or_its_only_value() {
    let app = App::without_registry()
        .route(Route::new("/rooms/{room}/{seat}", Paths))
        .route(Route::new("/seats/{seat}", OnePath))
        .route(Route::new("/unfit/{room}/{seat}", OnePath));
    let app = ws_core::testing::TestApp::start(app).await;
    let mut client = app.connect("/rooms/%C3%A9/7").await.unwrap();
    assert_eq!(client.next_json::<Value>().await.unwrap(), json!([7, "é", "é", 7]));
    let mut client = app.connect("/seats/7").await.unwrap();
    assert_eq!(client.next_json::<Value>().await.unwrap(), 7);
    let refused = app.connect("/seats/x").expect_status(400).await;
    assert!(refused.text().contains("path parameter `seat`"), "{}", refused.text());
    let refused = app.connect("/unfit/a/1").expect_status(500).await;
    assert!(!refused.text().contains("tuple"), "a fault of the server is only logged: {}", refused.text());
}

/// Counts its clones.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

struct Stateful;

#[ws_handlers]
impl Stateful {
    #[on_event("clones")]
    async fn clones(&self, State(counted): State<Counted>) -> Data<usize> {
        Data(counted.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn connections_share_a_state_and_only_a_call_clones_it() {
    let clones = Arc::new(AtomicUsize::new(0));
    let app = App::without_registry().state(Counted(Arc::clone(&clones))).route(Route::new("/", Stateful));
    let app = ws_core::testing::TestApp::start(app).await;
    let at_start = clones.load(Ordering::SeqCst);
    let mut clients = [app.connect("/").await.unwrap(), app.connect("/").await.unwrap()];
    for (number, client) in (1..).zip(&mut clients) {
        assert_eq!(ask(client, r#"{"event":"clones"}"#).await["data"], at_start + number);
    }
}
