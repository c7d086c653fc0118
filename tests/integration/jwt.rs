//! JSON Web Tokens: which clients may connect, and when a connection ends because its token
//! expires. Tests of expiry use paused time.

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, get_current_timestamp as now};
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};
use ws_core::{
    App, CloseReason, Config, Connection, Controller, Error, Handshake, Message, Next, Response, Result,
    Route, State,
    error::SendError,
    jwt::{Claims, JwtError, JwtVerifier, Key},
    testing::TestApp,
};

use crate::support::{Probe, Reports, Seen};

const SECRET: &[u8] = b"a secret of no less than 32 bytes";

/// The default leeway, in seconds.
const LEEWAY: u64 = 5;

#[derive(Debug, Deserialize)]
struct Role {
    role: String,
}

fn verifier() -> JwtVerifier<Role> {
    JwtVerifier::builder(Key::hs256(SECRET).unwrap()).claims().build()
}

/// Returns a token of this subject that expires in this number of seconds.
fn token(subject: &str, seconds: u64) -> String {
    signed(&json!({"sub": subject, "exp": now() + seconds, "role": "guest"}))
}

fn signed(claims: &serde_json::Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).unwrap()
}

async fn require_jwt(
    mut handshake: Handshake,
    next: Next<'_>,
    State(verifier): State<JwtVerifier<Role>>,
) -> Result<Response> {
    let claims = verifier.verify(handshake.bearer_token()?)?;
    handshake.context_mut().set(claims);
    next.run(handshake).await
}

/// An application over memory whose clients may be quiet for as long as a test needs.
async fn app<C: Controller>(controller: C) -> TestApp {
    app_with(controller, verifier()).await
}

async fn app_with<C: Controller>(controller: C, verifier: JwtVerifier<Role>) -> TestApp {
    let mut config = Config::default();
    config.servers[0].heartbeat.interval = None;
    let route = Route::new("/guarded", controller).middleware(require_jwt);
    TestApp::start(App::without_registry().config(config).state(verifier).route(route)).await
}

async fn opened(reports: &mut Reports) -> Connection {
    match reports.next_unhurried().await {
        Seen::Open(conn) => conn,
        other => panic!("not opened: {other:?}"),
    }
}

/// Checks that the connection expires after this number of seconds. Seconds of the calendar are
/// whole, so a part of a second may be missing.
async fn expires_after(reports: &mut Reports, since: Instant, seconds: u64) {
    let seen = reports.next_unhurried().await;
    assert!(matches!(seen, Seen::Close(CloseReason::Expired)), "{seen:?}");
    let elapsed = since.elapsed();
    let expected = Duration::from_secs(seconds);
    assert!(elapsed <= expected + Duration::from_millis(10), "{elapsed:?} is later than {expected:?}");
    // Allows one second for the calendar, and the time that the test may take on a busy machine,
    // because the calendar uses real time.
    assert!(elapsed + Duration::from_secs(60) > expected, "{elapsed:?} is long before {expected:?}");
}

#[tokio::test]
async fn claims_reach_the_controller_by_a_middleware_of_three_lines() {
    struct WhoAmI;
    impl Controller for WhoAmI {
        async fn on_open(&self, conn: &Connection) -> Result {
            let claims = conn.context().get::<Claims<Role>>().ok_or("no claims")?;
            Ok(conn.push(format!("{} as {}", claims.subject().unwrap_or("-"), claims.role))?)
        }
    }
    let app = app(WhoAmI).await;
    let mut client = app.connect("/guarded").bearer(token("jerry", 60)).await.unwrap();
    assert_eq!(client.next_text().await.unwrap(), "jerry as guest");
}

#[tokio::test]
async fn a_refused_token_is_a_401_without_a_reason() {
    let (probe, mut reports) = Probe::new();
    let app = app(probe).await;
    let missing = app.connect("/guarded").expect_status(401).await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let forged = jsonwebtoken::encode(
        &Header::default(),
        &json!({"exp": now() + 60, "role": "guest"}),
        &EncodingKey::from_secret(b"another secret of at least 32 bytes"),
    );
    let roleless = jsonwebtoken::encode(
        &Header::default(),
        &json!({"exp": now() + 60}),
        &EncodingKey::from_secret(SECRET),
    );
    for (name, token) in [
        ("no token at all", "x".to_owned()),
        ("expired", {
            let claims = json!({"exp": now() - 60, "role": "guest"});
            jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap()
        }),
        ("forged", forged.unwrap()),
        ("claims of another shape", roleless.unwrap()),
    ] {
        let refused = app.connect("/guarded").bearer(token).expect_status(401).await;
        let asked_for = refused.header("www-authenticate");
        assert_eq!(asked_for, Some(r#"Bearer error="invalid_token""#), "{name}");
        assert_eq!(refused.text(), r#"{"code":401,"msg":"the token is not accepted"}"#, "{name}");
    }
    reports.assert_nothing_more();
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_4401_when_its_token_expires() {
    let (probe, mut reports) = Probe::new();
    let app = app(probe).await;
    let mut client = app.connect("/guarded").bearer(token("jerry", 100)).await.unwrap();
    let conn = opened(&mut reports).await;
    let since = Instant::now();
    conn.push("before").unwrap();
    expires_after(&mut reports, since, 100 + LEEWAY).await;
    assert!(matches!(conn.push("after"), Err(SendError::Closed { .. })));
    assert_eq!(client.next_text().await.unwrap(), "before");
    assert_eq!(client.expect_close(4401).await, "token expired");
}

#[tokio::test(start_paused = true)]
async fn a_token_within_the_leeway_ends_the_connection_soon() {
    let (probe, mut reports) = Probe::new();
    let leeway = Duration::from_secs(100);
    let lenient = JwtVerifier::builder(Key::hs256(SECRET).unwrap()).leeway(leeway).claims().build();
    let app = app_with(probe, lenient).await;
    let claims = json!({"exp": now() - 10, "role": "guest"});
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET)).unwrap();
    let _client = app.connect("/guarded").bearer(token).await.unwrap();
    opened(&mut reports).await;
    expires_after(&mut reports, Instant::now(), 90).await;
}

/// Accepts a new token as a message.
struct Refreshing {
    probe: Probe,
    verifier: JwtVerifier<Role>,
}

impl Controller for Refreshing {
    async fn on_open(&self, conn: &Connection) -> Result {
        self.probe.on_open(conn).await
    }
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        conn.refresh(self.verifier.verify(message.as_text().unwrap_or_default())?)?;
        Ok(conn.push("refreshed")?)
    }
    async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
        self.probe.on_close(conn, reason).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_a_message_replaces_the_expiry() {
    let (probe, mut reports) = Probe::new();
    let app = app(Refreshing { probe, verifier: verifier() }).await;
    let mut client = app.connect("/guarded").bearer(token("jerry", 100)).await.unwrap();
    let conn = opened(&mut reports).await;
    let since = Instant::now();
    client.send_text(token("jerry", 1000)).await;
    assert_eq!(client.next_text().await.unwrap(), "refreshed");
    let claims = conn.context().get::<Claims<Role>>().unwrap();
    assert!(claims.expires_at().unwrap() > std::time::SystemTime::now() + Duration::from_secs(900));
    expires_after(&mut reports, since, 1000 + LEEWAY).await;
    client.expect_close(4401).await;
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_in_a_message_closes_with_4401() {
    let (probe, mut reports) = Probe::new();
    let app = app(Refreshing { probe, verifier: verifier() }).await;
    for bad in ["nonsense".to_owned(), token("lily", 1000)] {
        let mut client = app.connect("/guarded").bearer(token("jerry", 100)).await.unwrap();
        let conn = opened(&mut reports).await;
        client.send_text(bad).await;
        assert_eq!(client.expect_close(4401).await, "the token is not accepted");
        assert!(matches!(reports.next_unhurried().await, Seen::Close(CloseReason::Error { code: 4401 })));
        let claims = conn.context().get::<Claims<Role>>().unwrap();
        assert_eq!(claims.subject(), Some("jerry"), "nothing was replaced");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_from_outside_wakes_the_sleeping_connection() {
    let (probe, mut reports) = Probe::new();
    let app = app(probe).await;
    let _client = app.connect("/guarded").bearer(token("jerry", 1000)).await.unwrap();
    let conn = opened(&mut reports).await;
    // It sleeps now, until the known expiry.
    tokio::time::advance(Duration::from_secs(1)).await;
    let since = Instant::now();
    conn.refresh(verifier().verify(token("jerry", 200)).unwrap()).unwrap();
    expires_after(&mut reports, since, 200 + LEEWAY).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_subject_is_refused_as_a_refresh() {
    let (probe, mut reports) = Probe::new();
    let app = app(probe).await;
    let _client = app.connect("/guarded").bearer(token("jerry", 100)).await.unwrap();
    let conn = opened(&mut reports).await;
    let error = conn.refresh(verifier().verify(token("lily", 1000)).unwrap()).unwrap_err();
    assert!(matches!(error, JwtError::OtherSubject), "{error:?}");
    assert_eq!(Error::from(error).ws_close_code(), 4401);
    expires_after(&mut reports, Instant::now(), 100 + LEEWAY).await;
}

#[tokio::test(start_paused = true)]
async fn a_refresh_needs_the_same_subject_or_none_on_both_sides() {
    let claims = |who: serde_json::Value| {
        let mut claims = json!({"exp": now() + 1000, "role": "guest"});
        claims.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        signed(&claims)
    };
    let jerry = json!({"sub": "jerry"});
    let jerry_of = |issuer| json!({"sub": "jerry", "iss": issuer});
    let cases = [
        (jerry.clone(), jerry.clone(), true),
        (jerry.clone(), json!({"sub": "lily"}), false),
        (jerry.clone(), json!({}), false),
        (json!({}), jerry.clone(), false),
        (json!({}), json!({}), true),
        (jerry_of("here"), jerry_of("here"), true),
        (jerry_of("here"), jerry_of("elsewhere"), false),
        (jerry_of("here"), jerry, false),
        (json!({"iss": "here"}), json!({"iss": "elsewhere"}), true),
    ];
    for (old, new, is_accepted) in cases {
        let (probe, mut reports) = Probe::new();
        let app = app(probe).await;
        let _client = app.connect("/guarded").bearer(claims(old.clone())).await.unwrap();
        let conn = opened(&mut reports).await;
        let refreshed = conn.refresh(verifier().verify(claims(new.clone())).unwrap());
        assert_eq!(refreshed.is_ok(), is_accepted, "{old} by {new}");
    }
}

#[tokio::test(start_paused = true)]
async fn claims_from_on_open_end_the_connection_too() {
    struct Late(Probe);
    impl Controller for Late {
        async fn on_open(&self, conn: &Connection) -> Result {
            let token = conn.handshake().query_param("token").unwrap_or_default();
            conn.refresh(verifier().verify(token)?)?;
            self.0.on_open(conn).await
        }
        async fn on_close(&self, conn: &Connection, reason: CloseReason) -> Result {
            self.0.on_close(conn, reason).await
        }
    }
    let (probe, mut reports) = Probe::new();
    let mut config = Config::default();
    config.servers[0].heartbeat.interval = None;
    let app = App::without_registry().config(config).controller("/late", Late(probe));
    let app = TestApp::start(app).await;
    let _client = app.connect(format!("/late?token={}", token("jerry", 100))).await.unwrap();
    opened(&mut reports).await;
    expires_after(&mut reports, Instant::now(), 100 + LEEWAY).await;
}

#[tokio::test(start_paused = true)]
async fn a_token_without_an_expiry_does_not_end_the_connection() {
    let (probe, mut reports) = Probe::new();
    let lenient =
        JwtVerifier::builder(Key::hs256(SECRET).unwrap()).allow_without_expiry().claims::<Role>().build();
    let app = app_with(probe, lenient).await;
    let endless = signed(&json!({"sub": "jerry", "role": "guest"}));
    let mut client = app.connect("/guarded").bearer(endless).await.unwrap();
    let conn = opened(&mut reports).await;
    tokio::time::advance(Duration::from_secs(365 * 24 * 60 * 60)).await;
    conn.push("still here").unwrap();
    assert_eq!(client.next_text().await.unwrap(), "still here");
    // A token with an expiry ends it.
    conn.refresh(verifier().verify(token("jerry", 100)).unwrap()).unwrap();
    expires_after(&mut reports, Instant::now(), 100 + LEEWAY).await;
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_runs_when_the_token_ends_finishes() {
    struct Slow(mpsc::UnboundedSender<&'static str>, tokio::sync::Semaphore);
    impl Controller for Slow {
        async fn on_message(&self, conn: &Connection, _: Message) -> Result {
            self.0.send("began")?;
            while conn.is_open() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            self.0.send("expired")?;
            self.1.acquire().await?.forget();
            self.0.send("finished")?;
            Ok(())
        }
        async fn on_close(&self, _: &Connection, reason: CloseReason) -> Result {
            assert_eq!(reason, CloseReason::Expired);
            Ok(self.0.send("closed")?)
        }
    }
    let (sender, mut seen) = mpsc::unbounded_channel();
    let app = app(Slow(sender, tokio::sync::Semaphore::new(1))).await;
    let mut client = app.connect("/guarded").bearer(token("jerry", 100)).await.unwrap();
    client.send_text("x").await;
    for expected in ["began", "expired", "finished", "closed"] {
        assert_eq!(seen.recv().await, Some(expected));
    }
    client.expect_close(4401).await;
}
