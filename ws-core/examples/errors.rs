//! Custom errors: what a client reads when something fails, before the 101 and after it.
//!
//! Run:  cargo run -p ws-core --example errors     (serves on 127.0.0.1:9502 until Ctrl-C)
//! Test: cargo test -p ws-core --example errors

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use serde_json::json;
use ws_core::prelude::*;

/// The application's own error: a plain enum, which knows nothing of WebSocket.
#[derive(Debug, thiserror::Error)]
enum ChatError {
    #[error("you are not a member of this room")]
    NotAMember,
    #[error("no more than {0} characters")]
    TooLong(usize),
}

/// Chosen by the type of the error, wherever in a connection's life it happened.
#[ws_error_handler]
async fn chat_error(error: &ChatError, scene: &Scene) -> Recovery {
    match scene.phase() {
        Phase::Handshake => {
            Recovery::respond(StatusCode::FORBIDDEN, json!({"code": 40301, "msg": error.to_string()}))
        }
        Phase::Open | Phase::Message => Recovery::reply(json!({"error": error.to_string()})),
        Phase::Close => Recovery::pass(),
    }
}

#[ws_middleware(scope = "route")]
async fn members_only(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    if handshake.path_param("room") == Some("secret") {
        return Err(ChatError::NotAMember.into());
    }
    next.run(handshake).await
}

#[ws_controller(path = "/rooms/{room}", middleware(members_only))]
struct Room;

impl Controller for Room {
    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        match message.as_text().ok_or("binary is not spoken here")? {
            // Nobody claims this one: it is logged, and the connection closes with what is said here.
            "leave" => Err(Error::new("asked to leave").close_code(4000).public("as you wish")),
            text if text.len() > 10 => Err(ChatError::TooLong(10).into()),
            text => Ok(conn.push(text)?),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let app = App::new().on_start(async |app| {
        if let Some(address) = app.local_addr("ws") {
            println!("serving; connect with: python3 -m websockets ws://{address}/rooms/1");
            println!("a text over 10 bytes is an error, and `leave` closes; /rooms/secret answers 403");
        }
    });
    app.run().await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use ws_core::{
        prelude::*,
        testing::{TestApp, TestError},
    };

    #[tokio::test]
    async fn before_the_101_an_error_is_answered_with_a_status() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let refusal = app.connect("/rooms/secret").expect_status(403).await;
        assert_eq!(
            refusal.json::<Value>()?,
            json!({"code": 40301, "msg": "you are not a member of this room"})
        );
        Ok(())
    }

    #[tokio::test]
    async fn a_reply_of_the_error_handler_keeps_the_connection_open() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut client = app.connect("/rooms/1").await?;
        client.send_text("much too long").await;
        assert_eq!(client.next_json::<Value>().await?, json!({"error": "no more than 10 characters"}));
        client.send_text("short").await;
        assert_eq!(client.next_text().await?, "short");
        client.send_text("leave").await;
        assert_eq!(client.expect_close(4000).await, "as you wish");
        Ok(())
    }

    #[tokio::test]
    async fn an_error_without_a_public_text_shows_none_of_its_text() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut client = app.connect("/rooms/1").await?;
        client.send_binary(vec![0]).await;
        assert_eq!(client.expect_close(1011).await, "");
        Ok(())
    }
}
