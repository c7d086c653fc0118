//! Functions that are registered by hand: interceptors, error handlers and guards, with `State<T>`
//! after their required parameters.

use serde_json::json;
use ws_core::{
    App, Connection, Controller, Error, Handshake, Message, Recovery, Result, Route, Scene, State,
    handlers::{Callback, CallbackKind, NextHandler},
    testing::TestApp,
};

/// Echoes a text, or fails with the error that the text names.
struct Echo;

#[derive(Debug, thiserror::Error)]
#[error("too loud")]
struct Loud;

#[derive(Debug, thiserror::Error)]
#[error("lost")]
struct Lost;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text() {
            Some("loud") => Err(Loud.into()),
            Some("lost") => Err(Lost.into()),
            _ => Ok(conn.push(message)?),
        }
    }
}

#[derive(Clone)]
struct Suffix(&'static str);

/// The names of the interceptors that ran, in order.
#[derive(Clone, Default)]
struct Trail(String);

fn note(callback: Callback<'_>, text: &str) {
    if callback.kind() == CallbackKind::Message {
        let context = callback.connection().context();
        context.get_or_insert_with(Trail::default);
        context.update(|trail: &mut Trail| trail.0 += text);
    }
}

macro_rules! noting {
    ($($name:ident),*) => {$(
        async fn $name(callback: Callback<'_>, next: NextHandler<'_>) -> Result {
            note(callback, concat!(stringify!($name), " "));
            next.run(callback).await
        }
    )*};
}

noting!(first, second, own);

async fn with_state(
    callback: Callback<'_>,
    next: NextHandler<'_>,
    State(Suffix(suffix)): State<Suffix>,
    State(number): State<u8>,
) -> Result {
    note(callback, &format!("{suffix}{number}"));
    let result = next.run(callback).await;
    if callback.kind() == CallbackKind::Message {
        callback.connection().push(callback.connection().context().get::<Trail>().unwrap_or_default().0)?;
    }
    result
}

#[tokio::test]
async fn interceptors_run_by_order_then_those_of_the_route_as_they_were_added() {
    let app = App::without_registry()
        .state(Suffix("state"))
        .state(7_u8)
        .interceptor("ws", 2, second)
        .interceptor("ws", 1, first)
        .interceptor("admin", 1, own)
        .route(Route::new("/", Echo).interceptor(own).interceptor(with_state))
        .route(Route::new("/", Echo).server("admin"));
    let app = TestApp::start(app).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("hi").await;
    assert_eq!(client.next_text().await.unwrap(), "hi");
    assert_eq!(client.next_text().await.unwrap(), "first second own state7");
}

async fn loud(error: &Loud, scene: &Scene, State(Suffix(suffix)): State<Suffix>) -> Recovery {
    Recovery::reply(json!([error.to_string(), scene.server(), suffix]))
}

async fn all(error: &Error, _: &Scene) -> Recovery {
    Recovery::reply(json!(["all", error.to_string()]))
}

async fn passes(_: &Loud, scene: &Scene) -> Recovery {
    assert_eq!(scene.server(), "ws", "it is only for this server");
    Recovery::pass()
}

#[tokio::test]
async fn an_error_handler_has_its_type_its_server_and_its_order() {
    let app = App::without_registry()
        .state(Suffix("!"))
        .error_handler(None, 0, all)
        .error_handler(None, 5, loud)
        .error_handler("ws", -1, passes)
        .controller("/", Echo)
        .route(Route::new("/", Echo).server("admin"));
    let app = TestApp::start(app).await;
    for server in ["ws", "admin"] {
        let mut client = app.connect_to(server, "/").await.unwrap();
        for (sent, answer) in [
            ("loud", json!(["too loud", server, "!"])),
            ("lost", json!(["all", "lost"])),
            ("hi", json!("hi")),
        ] {
            client.send_text(if sent == "hi" { "\"hi\"" } else { sent }).await;
            assert_eq!(client.next_json::<serde_json::Value>().await.unwrap(), answer, "{server}: {sent}");
        }
    }
}

async fn has_name(handshake: &Handshake) -> Result {
    match handshake.query_param("name") {
        Some(_) => Ok(()),
        None => Err(Error::new("no name").status(401).public("say who you are")),
    }
}

async fn not_banned(
    handshake: &Handshake,
    State(Suffix(banned)): State<Suffix>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    match handshake.query_param("name") {
        Some(name) if name == banned => Err("banned since Monday".into()),
        Some(_) => Ok(()),
        None => panic!("the guard before this one has refused"),
    }
}

#[tokio::test]
async fn guards_of_a_route_refuse_in_the_order_in_which_they_were_added() {
    let route = Route::new("/", Echo).guard(has_name).guard(not_banned);
    let app = TestApp::start(App::without_registry().state(Suffix("mallory")).route(route)).await;
    for (path, status, text) in
        [("/", 401, "say who you are"), ("/?name=mallory", 403, "forbidden"), ("/?name=ann", 101, "")]
    {
        if status == 101 {
            app.connect(path).await.unwrap();
        } else {
            let refused = app.connect(path).expect_status(status).await;
            assert_eq!(refused.json::<serde_json::Value>().unwrap()["msg"], text, "{path}");
        }
    }
}

#[tokio::test]
async fn a_missing_state_is_reported_with_the_place_of_its_function() {
    let line = line!() + 3;
    let app = App::without_registry()
        .state(7_u8)
        .interceptor("ws", 0, with_state)
        .error_handler(None, 0, loud)
        .route(Route::new("/", Echo).guard(not_banned).interceptor(with_state));
    let error = TestApp::try_start(app).await.unwrap_err().to_string();
    for (name, line) in
        [("with_state", line), ("loud", line + 1), ("not_banned", line + 2), ("with_state", line + 2)]
    {
        let text = format!("`{name}` at {}:{line} needs a state of type", file!());
        assert!(error.contains(&text), "{text}: {error}");
    }
    assert!(error.starts_with("4 problems"), "{error}");
}

#[tokio::test]
async fn unknown_servers_and_two_equal_error_handlers_are_refused() {
    async fn twin(_: &Loud, _: &Scene) -> Recovery {
        Recovery::pass()
    }

    let app = App::without_registry()
        .interceptor("nowhere", 0, first)
        .error_handler("nowhere", 0, all)
        .error_handler(None, 3, twin)
        .error_handler("ws", 3, passes);
    let error = TestApp::try_start(app).await.unwrap_err().to_string();
    for text in [
        "interceptor `first` at",
        "error handler `all` at",
        "error handlers `passes` at",
        "both handle `integration::by_hand::Loud` at order 3",
    ] {
        assert!(error.contains(text), "{text}: {error}");
    }
    assert!(error.starts_with("3 problems"), "{error}");
}
