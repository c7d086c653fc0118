//! Guards: on a controller in the handshake, on a method at each call.

use serde_json::json;
use ws_core::{
    Route,
    handlers::{Cookie, EventName, FromHandshake, Input, Param, ParamError, Setup},
    prelude::*,
    testing::TestApp,
};

use super::{ask, serve_registered};

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Guest,
    Admin,
}

async fn logged_in(handshake: &Handshake) -> Result {
    handshake.bearer_token()?;
    handshake.context().set(Role::Guest);
    Ok(())
}

async fn not_banned(handshake: &Handshake) -> Result {
    if handshake.bearer_token()? == "banned" {
        return Err("banned since Monday".into());
    }
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("only admins may do this")]
struct NoAdmin;

async fn admin(handshake: &Handshake) -> std::result::Result<(), NoAdmin> {
    if handshake.context().get() == Some(Role::Admin) { Ok(()) } else { Err(NoAdmin) }
}

async fn loud(_: &Handshake) -> Result {
    Err(Error::new("x").code("quiet_hours").public("not at night"))
}

#[ws_controller(path = "/guarded", server = "guarded")]
#[guard(logged_in)]
#[guard(not_banned)]
struct Guarded;

#[ws_handlers]
impl Guarded {
    #[on_event("promote")]
    async fn promote(&self, conn: &Connection) -> Data<bool> {
        conn.context().set(Role::Admin);
        Data(true)
    }

    #[on_event("kick")]
    #[guard(admin)]
    async fn kick(&self) -> Data<bool> {
        Data(true)
    }

    #[guard(admin)]
    #[guard(loud)]
    #[on_event("shout")]
    async fn shout(&self) -> Data<bool> {
        Data(true)
    }
}

#[tokio::test]
async fn a_guard_of_a_controller_refuses_the_handshake() {
    let app = serve_registered().await;
    app.connect_to("guarded", "/guarded").expect_status(401).await;
    let refused = app.connect_to("guarded", "/guarded").bearer("banned").expect_status(403).await;
    assert!(!refused.text().contains("Monday"), "{}", refused.text());
    app.connect_to("guarded", "/guarded").bearer("fine").await.unwrap();
}

#[tokio::test]
async fn a_guard_of_a_method_refuses_the_event_as_forbidden() {
    let app = serve_registered().await;
    let mut client = app.connect_to("guarded", "/guarded").bearer("fine").await.unwrap();
    let got = ask(&mut client, r#"{"event":"kick","ref":1}"#).await;
    assert_eq!(
        got,
        json!({"event": "error", "data": {"code": "forbidden", "message": "forbidden"}, "ref": 1})
    );
    ask(&mut client, r#"{"event":"promote"}"#).await;
    let got = ask(&mut client, r#"{"event":"kick","ref":2}"#).await;
    assert_eq!(got, json!({"event": "kick", "data": true, "ref": 2}));
    let got = ask(&mut client, r#"{"event":"shout","ref":3}"#).await;
    assert_eq!(got["data"], json!({"code": "quiet_hours", "message": "not at night"}));
}

#[derive(Clone)]
struct Limit(u32);

#[derive(Clone, serde::Deserialize)]
struct Wish {
    name: String,
}

#[derive(serde::Deserialize)]
struct Say<'a> {
    text: &'a str,
}

struct Language(String);

impl FromHandshake for Language {
    fn from_handshake(handshake: &Handshake) -> std::result::Result<Self, ParamError> {
        match handshake.header("accept-language") {
            None => Err(ParamError::missing("header accept-language")),
            Some(language) => Ok(Self(language.to_owned())),
        }
    }
}

/// A parameter type of the user.
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

/// Refuses with the values that the guard has seen.
fn seen(what: impl std::fmt::Debug) -> Result {
    Err(Error::new("seen").code("seen").public(format!("{what:?}")))
}

async fn nothing() -> Result {
    seen(())
}

async fn of_handshake(
    Path(room): &Path<String>,
    Query(wish): Query<Wish>,
    language: Option<&Language>,
    cookie: &Cookie,
) -> Result {
    seen((room, wish.name, language.map(|language| &language.0), cookie.get("sid")))
}

async fn of_connection(
    conn: &Connection,
    Context(Limit(from_context)): Context<Limit>,
    State(Limit(from_state)): State<Limit>,
    id: ConnectionId,
) -> Result {
    seen((conn.id() == id, from_context, from_state))
}

async fn of_message(Data(say): Data<Say<'_>>, EventName(event): EventName<'_>, shout: Shout) -> Result {
    seen((say.text, event, shout.0))
}

async fn of_whole_message(message: Message, number: Option<State<u64>>) -> Result {
    seen((message.as_text().map(str::len), number.map(|State(number)| number)))
}

#[expect(clippy::too_many_arguments, reason = "a guard takes no more than eight")]
async fn eight(
    _: &Handshake,
    _: Hub,
    _: ConnectionId,
    _: &Connection,
    _: Option<Data<u8>>,
    _: EventName<'_>,
    _: Option<Context<u8>>,
    Path(room): Path<String>,
) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
    seen(room).map_err(Error::into_boxed)
}

async fn may_speak(Data(say): Data<Say<'_>>, State(Limit(limit)): State<Limit>) -> Result {
    if say.text.len() > limit as usize { seen("too long") } else { Ok(()) }
}

struct Watched;

#[ws_handlers]
impl Watched {
    #[on_open]
    #[guard(open_to_rooms)]
    async fn open(&self, conn: &Connection) {
        conn.context().set(Limit(7));
    }

    #[on_event("nothing")]
    #[guard(nothing)]
    async fn of_nothing(&self) {}

    #[on_event("handshake")]
    #[guard(of_handshake)]
    async fn of_handshake(&self) {}

    #[on_event("connection")]
    #[guard(of_connection)]
    async fn of_connection(&self) {}

    #[on_event("message")]
    #[guard(of_message)]
    async fn of_message(&self) {}

    #[on_event("whole")]
    #[guard(of_whole_message)]
    async fn of_whole(&self) {}

    #[on_event("eight")]
    #[guard(eight)]
    async fn of_eight(&self) {}

    #[on_event("say")]
    #[guard(may_speak)]
    async fn say(&self, Data(say): Data<Say<'_>>) -> Data<usize> {
        Data(say.text.len())
    }

    #[on_unknown]
    #[guard(of_message)]
    async fn unknown(&self) {}

    #[on_text]
    #[guard(open_to_rooms)]
    async fn text(&self, text: Text) -> Text {
        text
    }
}

async fn open_to_rooms(conn: &Connection, Path(room): &Path<String>) -> Result {
    if room == "closed" || conn.context().get::<u8>().is_some() { seen(room) } else { Ok(()) }
}

fn watched() -> App {
    App::without_registry().route(Route::new("/rooms/{room}", Watched))
}

#[tokio::test]
async fn a_guard_of_a_method_takes_the_parameters_of_a_handler() {
    let app = TestApp::start(watched().state(Limit(3))).await;
    let connect = || app.connect("/rooms/a?name=ann").header("cookie", "sid=42");
    let mut client = connect().header("accept-language", "de").await.unwrap();
    for (event, data, message) in [
        ("nothing", json!(null), "()"),
        ("handshake", json!(null), r#"("a", "ann", Some("de"), Some("42"))"#),
        ("connection", json!(null), "(true, 7, 3)"),
        ("message", json!({"text": "hi"}), r#"("hi", "message", "/ROOMS/A message")"#),
        ("anything", json!({"text": "hi"}), r#"("hi", "anything", "/ROOMS/A anything")"#),
        ("whole", json!(null), "(Some(37), None)"),
        ("eight", json!(null), r#""a""#),
        ("say", json!({"text": "long"}), r#""too long""#),
    ] {
        let got = ask(&mut client, json!({"event": event, "data": data, "ref": 1}).to_string()).await;
        let error = json!({"code": "seen", "message": message});
        assert_eq!(got, json!({"event": "error", "data": error, "ref": 1}), "{event}");
    }
    let got = ask(&mut client, r#"{"event":"say","data":{"text":"hi"},"ref":1}"#).await;
    assert_eq!(got, json!({"event": "say", "data": 2, "ref": 1}), "the guard decodes for itself");
    client.send_text("plain").await;
    assert_eq!(client.next_text().await.unwrap(), "plain", "the guard leaves the message");
    let got = ask(&mut client, r#"{"event":"say","data":{"text":7},"ref":1}"#).await;
    assert_eq!(got["data"]["code"], "invalid_data", "{got}");
}

#[tokio::test]
async fn kept_parameters_of_a_guard_are_parsed_before_the_101() {
    let app = TestApp::start(watched().state(Limit(3))).await;
    let refused = app.connect("/rooms/a").expect_status(400).await;
    assert!(refused.text().contains("name"), "{}", refused.text());
    let mut client = app.connect("/rooms/closed?name=ann").await.unwrap();
    client.expect_close(1011).await;
}

#[tokio::test]
async fn the_requirements_of_a_guards_parameters_are_checked_at_start() {
    let error = TestApp::try_start(watched()).await.unwrap_err().to_string();
    assert!(error.contains("needs a state of type `typed::guards::Limit`"), "{error}");
    let app = App::without_registry().state(Limit(3)).route(Route::new("/rooms", Watched));
    let error = TestApp::try_start(app).await.unwrap_err().to_string();
    assert!(error.contains("takes `Path<T>`, and its path `/rooms` has no parameters"), "{error}");
}
