//! The application: three servers with different rules, and every kind of parameter.

use serde::Deserialize;
use ws_core::{
    handlers::{Cookie, Header},
    handshake::{SubprotocolMismatch, TokenSources},
    headers::UserAgent,
    prelude::*,
    testing::TestApp,
};

const SERVERS: &str = r#"
    [[servers]]
    name = "ws"
    [servers.proxy]
    trusted = ["10.0.0.0/8"]
    header = "x-forwarded-for"

    [[servers]]
    name = "listed"
    port = 1
    [servers.proxy]
    trusted = ["10.0.0.0/8"]
    header = "forwarded"
    [servers.origin]
    policy = "listed"
    allow = ["https://app.example.com", "https://*.example.org"]

    [[servers]]
    name = "any"
    port = 2
    [servers.limits]
    head = "8KiB"
    headers = 20
    path = "100B"
    query = "100B"
    connections_per_ip = 1
    [servers.origin]
    policy = "any"
"#;

pub(super) const SUBPROTOCOLS: &[&str] = &["chat.v1", "msgpack"];

pub(super) async fn start() -> TestApp {
    let mut app = App::without_registry()
        .config(Config::from_toml_str(SERVERS, "ws.toml").expect("the configuration is valid"));
    for server in ["ws", "listed", "any"] {
        let route = |route: ws_core::Route| route.server(server).subprotocols(SUBPROTOCOLS);
        app = app
            .middleware(server, 0, look_around)
            .route(route(ws_core::Route::new("/", Echo)))
            .route(route(ws_core::Route::new("/rooms/{room}/{seat}", Room)))
            .route(
                route(ws_core::Route::new("/files/{*rest}", Files))
                    .subprotocol_mismatch(SubprotocolMismatch::Refuse),
            )
            .route(route(ws_core::Route::new("/token", Echo).middleware(require_token)));
    }
    TestApp::start(app).await
}

/// Reads everything that a handshake has.
async fn look_around(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let _ = format!("{handshake:?}");
    let _ = (handshake.cookies().count(), handshake.cookie("a"), handshake.query_param("token"));
    let _ = (handshake.path_params().count(), handshake.offered_subprotocols().count());
    let _ = (handshake.bearer_token(), handshake.subprotocol_token());
    let _ = (handshake.peer_addr(), handshake.transport_addr());
    next.run(handshake).await
}

async fn require_token(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    // A cookie may not hold a token on a server without an Origin policy; asking for it there is a
    // fault of the server.
    let sources = match handshake.server() {
        "any" => TokenSources::new().query("token"),
        _ => TokenSources::new().query("token").cookie("session"),
    };
    handshake.token(&sources)?;
    next.run(handshake).await
}

struct Echo;

impl Controller for Echo {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        Ok(conn.push(message)?)
    }
}

struct Room;

#[derive(Debug, Deserialize)]
struct Page {
    size: Option<u8>,
    #[serde(default)]
    tag: Vec<String>,
}

#[ws_handlers]
impl Room {
    #[on_open]
    async fn open(
        &self,
        Path((room, seat)): &Path<(String, u32)>,
        page: Option<&Query<Page>>,
        agent: Option<&Header<UserAgent>>,
        cookies: &Cookie,
    ) -> String {
        let page = page.map(|Query(page)| (page.size, page.tag.len()));
        format!("{room} {seat} {page:?} {} {}", agent.is_some(), cookies.iter().count())
    }

    #[on_event("say")]
    async fn say(&self, Data(said): Data<String>) -> Data<String> {
        Data(said)
    }
}

struct Files;

#[ws_handlers]
impl Files {
    #[on_text]
    async fn name(&self, Path(rest): &Path<String>) -> String {
        rest.clone()
    }
}
