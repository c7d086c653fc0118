//! The places of a browser's token, and that tokens do not leave the server.

use std::sync::Arc;

use serde_json::json;
use ws_core::{
    App, Config, Connection, Controller, Error, Handshake, Next, Response, Result, Route, StatusCode,
    config::OriginPolicy,
    handshake::{Body, SubprotocolMismatch, TokenSources},
    testing::{TestApp, TestError},
};

use crate::support::Logs;

/// `open sesame` in base64url.
const BEARER: &str = "bearer.b3BlbiBzZXNhbWU";

const EVERYWHERE: TokenSources = TokenSources::new().cookie("session").query("token");

#[derive(Clone)]
struct Token(Arc<str>);

async fn find_token(mut handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let token = Token(handshake.token(&EVERYWHERE)?.into());
    handshake.context_mut().set(token);
    next.run(handshake).await
}

/// Sends the token of its handshake.
struct Tell;

impl Controller for Tell {
    async fn on_open(&self, conn: &Connection) -> Result {
        let Token(token) = conn.context().get().ok_or("no token")?;
        let offered: Vec<&str> = conn.handshake().offered_subprotocols().collect();
        Ok(conn.push_json(&json!([&*token, offered]))?)
    }
}

fn route(mismatch: SubprotocolMismatch) -> Route {
    let route = Route::new("/x", Tell).middleware(find_token);
    route.subprotocols(&["chat.v2", "chat.v1"]).subprotocol_mismatch(mismatch)
}

async fn app(mismatch: SubprotocolMismatch, policy: OriginPolicy) -> TestApp {
    let mut config = Config::default();
    config.servers[0].origin.policy = policy;
    TestApp::start(App::without_registry().config(config).route(route(mismatch))).await
}

#[tokio::test]
async fn p31_a_token_comes_as_a_subprotocol_and_is_never_chosen() {
    for mismatch in [SubprotocolMismatch::default(), SubprotocolMismatch::Refuse] {
        let app = app(mismatch, OriginPolicy::default()).await;
        for (offered, chosen, rest) in [
            (&["chat.v1", BEARER][..], Some("chat.v1"), &["chat.v1"][..]),
            (&[BEARER, "chat.v1", "chat.v2"], Some("chat.v2"), &["chat.v1", "chat.v2"]),
            (&[BEARER], None, &[]),
        ] {
            let mut client = app.connect("/x").subprotocols(offered).await.unwrap();
            assert_eq!(client.subprotocol(), chosen, "{offered:?}");
            assert_eq!(client.next_text().await.unwrap(), json!(["open sesame", rest]).to_string());
        }
    }
    let app = app(SubprotocolMismatch::Refuse, OriginPolicy::default()).await;
    app.connect("/x").subprotocols(&[BEARER, "chat.v9"]).expect_status(400).await;
}

#[tokio::test]
async fn a_test_client_with_a_token_as_subprotocol_fails_as_a_browser_does() {
    let app = app(SubprotocolMismatch::default(), OriginPolicy::default()).await;
    let page = || app.connect("/x").bearer_subprotocol("open sesame");
    for alone in [page(), page().subprotocols(&["chat.v9"])] {
        let error = alone.await.unwrap_err();
        assert!(matches!(error, TestError::NoSubprotocol), "{error}");
    }
    let mut client = page().subprotocols(&["chat.v1"]).await.unwrap();
    assert_eq!(client.subprotocol(), Some("chat.v1"));
    assert_eq!(client.next_text().await.unwrap(), r#"["open sesame",["chat.v1"]]"#);
}

#[tokio::test]
async fn a_connection_that_every_browser_would_fail_is_warned_of_once_for_each_route() {
    let logs = Logs::start();
    let bare = Route::new("/bare", Tell).middleware(find_token);
    let app = App::without_registry().route(route(SubprotocolMismatch::default())).route(bare);
    let app = TestApp::start(app).await;
    // Another subprotocol is chosen, or the handshake has no token, or the token is in another
    // place.
    app.connect("/x").subprotocols(&["chat.v1", BEARER]).await.unwrap();
    app.connect("/x").subprotocols(&["chat.v9"]).bearer("t").await.unwrap();
    app.connect("/bare").bearer("t").await.unwrap();
    assert!(!logs.text().contains("every browser"), "{}", logs.text());
    for path in ["/x", "/x", "/bare", "/bare"] {
        app.connect(path).subprotocols(&[BEARER]).await.unwrap();
    }
    let text = logs.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("every browser")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, route) in lines.iter().zip(["/x", "/bare"]) {
        assert!(line.contains("WARN") && line.contains(&format!("route=\"{route}\"")), "{line}");
        assert!(!line.contains("b3BlbiBzZXNhbWU"), "{line}");
    }
}

#[tokio::test]
async fn a_401_names_the_scheme_bearer_if_a_bearer_token_is_required() {
    async fn no_scheme(_: Handshake, _: Next<'_>) -> Result<Response> {
        Err(Error::new("log in first").status(401))
    }
    async fn own_answer(_: Handshake, _: Next<'_>) -> Result<Response> {
        Ok(Body::json(StatusCode::UNAUTHORIZED, "log in first"))
    }
    async fn cookie(handshake: Handshake, _: Next<'_>) -> Result<Response> {
        Err(handshake.cookie_token("session").map_or_else(|error| error, |_| Error::new("a session exists")))
    }
    async fn bearer(handshake: Handshake, _: Next<'_>) -> Result<Response> {
        handshake.bearer_token()?;
        Err(Error::new("an unknown token").status(401))
    }
    async fn subprotocol(handshake: Handshake, _: Next<'_>) -> Result<Response> {
        handshake.subprotocol_token()?;
        own_answer_of()
    }
    async fn anywhere(handshake: Handshake, _: Next<'_>) -> Result<Response> {
        handshake.token(&EVERYWHERE)?;
        own_answer_of()
    }
    fn own_answer_of() -> Result<Response> {
        Ok(Body::json(StatusCode::UNAUTHORIZED, "an unknown token"))
    }
    let app = App::without_registry()
        .route(Route::new("/no_scheme", Tell).middleware(no_scheme))
        .route(Route::new("/own_answer", Tell).middleware(own_answer))
        .route(Route::new("/cookie", Tell).middleware(cookie))
        .route(Route::new("/bearer", Tell).middleware(bearer))
        .route(Route::new("/subprotocol", Tell).middleware(subprotocol))
        .route(Route::new("/anywhere", Tell).middleware(anywhere));
    let app = TestApp::start(app).await;
    for (path, expected) in [
        ("/no_scheme", None),
        ("/own_answer", None),
        ("/cookie", None),
        ("/bearer", Some("Bearer")),
        ("/subprotocol", Some("Bearer")),
        ("/anywhere", Some("Bearer")),
    ] {
        let missing = app.connect(path).expect_status(401).await;
        assert_eq!(missing.header("www-authenticate"), expected, "{path}, without a token");
        let refused = app.connect(path).bearer("t").subprotocols(&[BEARER]).expect_status(401).await;
        assert_eq!(refused.header("www-authenticate"), expected, "{path}, with a token");
    }
}

#[tokio::test]
async fn a_malformed_token_subprotocol_is_a_401() {
    let app = app(SubprotocolMismatch::default(), OriginPolicy::default()).await;
    for (offered, said) in
        [("bearer.a.b.c", "not base64url"), ("bearer._w", "not base64url"), ("bearer.", "no bearer")]
    {
        let refused = app.connect("/x").subprotocols(&["chat.v1", offered]).expect_status(401).await;
        assert!(refused.text().contains(said), "{offered}: {}", refused.text());
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn a_cookie_token_requires_an_origin_policy() {
    for policy in [OriginPolicy::SameHost, OriginPolicy::Any] {
        let logs = Logs::start();
        let app = app(SubprotocolMismatch::default(), policy).await;
        let request = app.connect("/x").header("host", "here.com").header("cookie", "session=open%20sesame");
        let request = request.header("origin", "https://here.com");
        if policy == OriginPolicy::SameHost {
            let mut client = request.await.unwrap();
            assert_eq!(client.next_text().await.unwrap(), r#"["open%20sesame",[]]"#);
            let foreign =
                app.connect("/x").header("host", "here.com").header("cookie", "session=open%20sesame");
            foreign.header("origin", "https://evil.com").expect_status(403).await;
        } else {
            let refused = request.expect_status(500).await;
            assert!(!refused.text().contains("cookie"), "{}", refused.text());
            let line = logs.line("a token in a cookie needs an Origin policy other than");
            assert!(line.contains("ERROR"), "{line}");
        }
    }
}

#[tokio::test]
async fn no_token_is_logged_from_any_place() {
    let logs = Logs::start();
    let app = app(SubprotocolMismatch::Refuse, OriginPolicy::default()).await;
    // "hush-hush", in plain text and in base64url.
    let (plain, encoded) = ("hush-hush", "aHVzaC1odXNo");
    let bearer = format!("bearer.{encoded}");
    for path in ["/x", "/nowhere"] {
        let path = format!("{path}?token={plain}");
        for request in [
            app.connect(&path),
            app.connect(&path).bearer(plain),
            app.connect(&path).subprotocols(&[&bearer, "chat.v1"]),
            app.connect(&path).subprotocols(&[&bearer, "chat.v9"]),
            app.connect(&path).header("cookie", &format!("session={plain}")),
            app.connect(&path).header("origin", "https://evil.com"),
            app.connect(&path).subprotocols(&["bearer.hush-hush!"]),
        ] {
            // Both connected and refused handshakes are logged.
            drop(request.await);
        }
    }
    app.shutdown().await;
    let text = logs.text();
    assert!(text.contains("handshake refused") && text.contains("connection ended"), "{text}");
    for secret in [plain, encoded, "token="] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
