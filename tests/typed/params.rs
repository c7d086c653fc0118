//! What handlers take.

use serde::Deserialize;
use serde_json::{Value, json};
use ws_core::{FromHandshake, Input, Param, ParamError, Route, Setup, headers::UserAgent, prelude::*};

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
        Data(json!([conn.id() == id, hub.count(), handshake.path()]))
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
async fn every_parameter_gets_what_its_type_says() {
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
