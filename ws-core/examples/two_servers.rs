//! Two WebSocket servers and an HTTP server in one process, each with its own routes, middleware
//! and limits.
//!
//! Run:  cargo run -p ws-core --example two_servers     (serves until Ctrl-C)
//! Test: cargo test -p ws-core --example two_servers

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use axum::{Router, routing::get};
use ws_core::{config::ConfigError, prelude::*};

/// The same as in a `ws.toml`.
const CONFIG: &str = r#"
[[servers]]
name = "ws"
port = 9502

[[servers]]
name = "admin"
port = 9503
[servers.limits]
connections = 10
message = "4KiB"

[[servers]]
name = "http"
kind = "http"
port = 9501
"#;

/// On server `ws`, the default of the attribute.
#[ws_controller(path = "/feed")]
struct Feed;

impl Controller for Feed {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push("news")?)
    }
}

/// The same path on another server is another route.
#[ws_controller(path = "/feed", server = "admin")]
struct AdminFeed;

impl Controller for AdminFeed {
    async fn on_open(&self, conn: &Connection) -> Result {
        Ok(conn.push(format!("{} connections", conn.hub().count_local()))?)
    }
}

/// Runs for every request of server `admin`, and for no other.
#[ws_middleware(server = "admin")]
async fn admins_only(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    handshake.bearer_token()?;
    next.run(handshake).await
}

fn config() -> Result<Config, ConfigError> {
    Config::from_toml_str(CONFIG, "ws.toml")
}

fn app(config: Config) -> App {
    let http = Router::new().route("/healthz", get(async || "ok"));
    App::new().config(config).http("http", http)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app(config()?.with_env()?).on_start(async |app| {
        for (server, path) in [("ws", "/feed"), ("admin", "/feed"), ("http", "/healthz")] {
            if let Some(address) = app.local_addr(server) {
                println!("serving {server}: {address}{path}");
            }
        }
        println!("connect with: python3 -m websockets ws://ADDRESS/feed; `admin` wants a bearer token");
    });
    Ok(app.run().await?)
}

#[cfg(test)]
mod tests {
    use ws_core::testing::{TestApp, TestError};

    use super::{app, config};

    #[tokio::test]
    async fn each_server_has_its_own_routes_middleware_and_limits() -> Result<(), TestError> {
        let app = TestApp::start(app(config().unwrap())).await;
        let mut user = app.connect("/feed").await?;
        assert_eq!(user.next_text().await?, "news");
        app.connect_to("admin", "/feed").expect_status(401).await;
        let mut admin = app.connect_to("admin", "/feed").bearer("t-1").await?;
        assert_eq!(admin.next_text().await?, "2 connections");
        admin.send_text("x".repeat(5000)).await;
        assert_eq!(admin.expect_close(1009).await, "message too big");
        assert_eq!(app.http("http").get("/healthz").send().await?.text(), "ok");
        Ok(())
    }
}
