//! Middleware around the handshake: one for all routes of a server, one that a controller names.
//!
//! Run:  cargo run -p ws-core --example middleware     (serves on 127.0.0.1:9502 until Ctrl-C)
//! Test: cargo test -p ws-core --example middleware

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::{collections::HashMap, sync::Arc};

use http::HeaderValue;
use ws_core::prelude::*;

/// The users by their tokens. A real program queries a database or checks a signature.
#[derive(Clone)]
struct Tokens(Arc<HashMap<&'static str, User>>);

/// The value that the middleware passes to the callbacks.
#[derive(Clone, Copy)]
struct User(&'static str);

/// Runs for every request of server `ws`, also for unknown paths. The lowest `order` is outermost.
#[ws_middleware(order = 10)]
async fn brand(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    let mut response = next.run(handshake).await?;
    // The headers of the 101 are kept. An error returned with `?` is answered further out, without
    // this header.
    response.headers_mut().insert("x-served-by", HeaderValue::from_static("example"));
    Ok(response)
}

/// Runs only for controllers that name it, inside the server-wide middleware.
#[ws_middleware(scope = "route")]
async fn require_user(
    mut handshake: Handshake,
    next: Next<'_>,
    State(tokens): State<Tokens>,
) -> Result<Response> {
    // Without `Authorization: Bearer ..`, this returns a 401.
    let token = handshake.bearer_token()?;
    let user = *tokens.0.get(token).or_status(401, "log in first")?;
    handshake.context_mut().set(user);
    next.run(handshake).await
}

#[ws_controller(path = "/hello", middleware(require_user))]
struct Hello;

impl Controller for Hello {
    async fn on_open(&self, conn: &Connection) -> Result {
        let User(name) = conn.context().get().ok_or("the middleware did not run")?;
        Ok(conn.push(format!("hello {name}"))?)
    }
}

fn app() -> App {
    App::new().state(Tokens(Arc::new(HashMap::from([("t-1", User("jerry"))]))))
}

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let app = app().on_start(async |app| {
        if let Some(address) = app.local_addr("ws") {
            println!("serving ws://{address}/hello for clients with a token; try:");
            println!("curl -i http://{address}/hello -H 'Connection: Upgrade' -H 'Upgrade: websocket' \\");
            println!("  -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' \\");
            println!("  -H 'Authorization: Bearer t-1'");
        }
    });
    app.run().await
}

#[cfg(test)]
mod tests {
    use ws_core::testing::{TestApp, TestError};

    use super::app;

    #[tokio::test]
    async fn a_client_without_a_known_token_is_refused() {
        let app = TestApp::start(app()).await;
        app.connect("/hello").expect_status(401).await;
        let refusal = app.connect("/hello").bearer("nonsense").expect_status(401).await;
        assert_eq!(refusal.text(), r#"{"code":401,"msg":"log in first"}"#);
    }

    #[tokio::test]
    async fn the_callbacks_read_what_the_middleware_has_set() -> Result<(), TestError> {
        let app = TestApp::start(app()).await;
        let mut client = app.connect("/hello").bearer("t-1").await?;
        assert_eq!(client.response_header("x-served-by"), Some("example"));
        assert_eq!(client.next_text().await?, "hello jerry");
        Ok(())
    }
}
