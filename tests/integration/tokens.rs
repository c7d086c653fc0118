//! Where browsers bring their tokens, and that no token gets any further.

use std::sync::Arc;

use serde_json::json;
use ws_core::{
    App, Config, Connection, Controller, Handshake, Next, Response, Result, Route, SubprotocolMismatch,
    TokenSources, config::OriginPolicy, testing::TestApp,
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

/// Says which token it was opened with.
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
async fn a_subprotocol_that_only_looks_like_a_token_is_a_401() {
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
async fn a_cookie_is_a_token_where_pages_are_told_apart() {
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
            let line = logs.line("a token in a cookie needs the Origin policy");
            assert!(line.contains("ERROR"), "{line}");
        }
    }
}

#[tokio::test]
async fn no_token_is_logged_wherever_it_came_from() {
    let logs = Logs::start();
    let app = app(SubprotocolMismatch::Refuse, OriginPolicy::default()).await;
    // "hush-hush", as itself and in base64url.
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
            // Connected or refused: both are logged.
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
