//! `#[derive(WsError)]`: the public part of an error, and what takes precedence over it.

use std::{fmt, sync::Mutex};

use anyhow::Context as _;
use serde_json::{Value, json};
use ws_core::{Route, error::ErrorCodes, prelude::*, testing::TestApp};

use super::{ask, serve};

/// A fault of a text.
#[derive(Debug, thiserror::Error, WsError)]
enum ChatError {
    /// The text is empty.
    #[error("write something")]
    #[ws_error(code = "empty")]
    Empty,
    #[error("{0} characters are too many")]
    #[ws_error(code = "too_long", status = 413, close = 4013)]
    Long(usize),
    #[error("{id} is banned")]
    #[ws_error(code = "banned", status = 403)]
    Banned { id: u32 },
    #[error("the password is swordfish")]
    Private,
}

/// A struct, without `thiserror`.
#[derive(Debug, WsError)]
#[ws_error(code = "locked", status = 423)]
struct Locked;

impl fmt::Display for Locked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the room is locked")
    }
}

impl std::error::Error for Locked {}

/// An error whose handler replaces its public part.
#[derive(Debug, thiserror::Error, WsError)]
#[error("handled")]
#[ws_error(code = "by_type")]
struct Handled;

#[ws_error_handler(server = "error_types")]
async fn handled(_: &Handled, _: &Scene) -> Recovery {
    Recovery::error("by_handler", "by its handler")
}

/// The errors that the catch-all handler was called with.
static SEEN: Mutex<Vec<(String, u16)>> = Mutex::new(Vec::new());

#[ws_error_handler(server = "error_types")]
async fn log(error: &Error, _: &Scene) -> Recovery {
    SEEN.lock().unwrap().push((error.event_code().to_owned(), error.http_status().as_u16()));
    Recovery::pass()
}

async fn not_banned(handshake: &Handshake) -> Result<(), ChatError> {
    match handshake.query_param("fail").as_deref() {
        Some("banned") => Err(ChatError::Banned { id: 7 }),
        Some("empty") => Err(ChatError::Empty),
        Some("private") => Err(ChatError::Private),
        _ => Ok(()),
    }
}

#[ws_controller(path = "/error_types", server = "error_types")]
#[guard(not_banned)]
struct Chat;

#[ws_handlers]
impl Chat {
    #[on_event("empty")]
    async fn empty(&self) -> Result<(), ChatError> {
        Err(ChatError::Empty)
    }

    #[on_event("long")]
    async fn long(&self) -> Result<(), ChatError> {
        Err(ChatError::Long(501))
    }

    #[on_event("private")]
    async fn private(&self) -> Result<(), ChatError> {
        Err(ChatError::Private)
    }

    #[on_event("locked", errors(Locked, ChatError))]
    async fn locked(&self) -> Result {
        Err(Locked.into())
    }

    #[on_event("context")]
    async fn context(&self) -> anyhow::Result<()> {
        Err::<(), _>(ChatError::Banned { id: 7 }).context("while speaking").context("again")
    }

    #[on_event("by_hand")]
    async fn by_hand(&self) -> Result {
        Err(Error::new(ChatError::Empty).code("other"))
    }

    #[on_event("handled")]
    async fn handled(&self) -> Result<(), Handled> {
        Err(Handled)
    }

    #[on_event("guarded")]
    #[guard(locked_room)]
    async fn guarded(&self) {}

    #[on_event("guarded_privately")]
    #[guard(private_room)]
    async fn guarded_privately(&self) {}
}

async fn locked_room(_: &Handshake) -> Result<(), Locked> {
    Err(Locked)
}

async fn private_room(_: &Handshake) -> Result<(), ChatError> {
    Err(ChatError::Private)
}

#[test]
fn a_code_is_described_by_its_doc_comment_or_by_its_text() {
    let expected = [
        ("empty", "The text is empty."),
        ("too_long", "{0} characters are too many"),
        ("banned", "{id} is banned"),
    ];
    assert_eq!(ChatError::CODES, expected);
    assert_eq!([ChatError::Long(9).code(), ChatError::Private.code()], [Some("too_long"), None]);
    assert_eq!(Locked::CODES, [("locked", "A struct, without `thiserror`.")]);
}

#[test]
fn a_controller_lists_the_codes_of_its_handlers() {
    let handlers = Chat::__typed().unwrap().handlers;
    let of = |method: &str| {
        let handler = handlers.iter().find(|handler| handler.method == method).unwrap();
        let all = [&[(handler.reply_errors)()], handler.errors].concat().concat();
        all.into_iter().map(|(code, _)| code).collect::<Vec<_>>()
    };
    assert_eq!(of("empty"), ["empty", "too_long", "banned"], "the type in `Result`");
    assert_eq!(of("locked"), ["locked", "empty", "too_long", "banned"], "the types in `errors(..)`");
    assert_eq!(of("by_hand"), [""; 0]);
}

#[tokio::test]
async fn an_error_is_answered_with_the_public_part_of_its_variant() {
    // Without the registry: a public part belongs to the type.
    let app = serve(Chat).await;
    let mut client = app.connect("/").await.unwrap();
    for (event, code, message) in [
        ("empty", "empty", "write something"),
        ("private", "internal", "internal error"),
        ("locked", "locked", "the room is locked"),
        ("context", "banned", "7 is banned"),
        ("by_hand", "other", "write something"),
        ("handled", "by_type", "handled"),
        ("guarded", "locked", "the room is locked"),
        ("guarded_privately", "forbidden", "forbidden"),
    ] {
        let got = ask(&mut client, json!({"event": event, "ref": 1}).to_string()).await;
        let expected = json!({"event": "error", "data": {"code": code, "message": message}, "ref": 1});
        assert_eq!(got, expected, "{event}");
    }
    client.send_text(r#"{"event":"long"}"#).await;
    assert_eq!(client.expect_close(4013).await, "501 characters are too many");
}

#[tokio::test]
async fn a_guard_that_fails_with_a_type_refuses_the_handshake_with_its_public_part() {
    let app = super::serve_registered().await;
    for (fail, status, message) in
        [("banned", 403, "7 is banned"), ("empty", 403, "write something"), ("private", 403, "forbidden")]
    {
        let refused = app.connect_to("error_types", format!("/error_types?fail={fail}"));
        let body: Value = refused.expect_status(status).await.json().unwrap();
        assert_eq!(body, json!({"code": status, "msg": message}), "{fail}");
    }
}

#[tokio::test]
async fn error_handlers_see_the_public_part_and_replace_it() {
    let app = super::serve_registered().await;
    let mut client = app.connect_to("error_types", "/error_types").await.unwrap();
    let got = ask(&mut client, r#"{"event":"handled"}"#).await;
    assert_eq!(got["data"], json!({"code": "by_handler", "message": "by its handler"}));
    ask(&mut client, r#"{"event":"locked"}"#).await;
    assert!(SEEN.lock().unwrap().contains(&("locked".to_owned(), 423)), "{SEEN:?}");
}

#[tokio::test]
async fn a_middleware_that_fails_with_a_type_refuses_with_its_status() {
    async fn refuse(_: Handshake, _: Next<'_>) -> Result<Response> {
        Err(Locked.into())
    }
    let route = Route::new("/", Chat).middleware(refuse);
    let app = TestApp::start(App::without_registry().route(route)).await;
    let body: Value = app.connect("/").expect_status(423).await.json().unwrap();
    assert_eq!(body, json!({"code": 423, "msg": "the room is locked"}));
}
