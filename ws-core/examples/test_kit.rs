//! Tests of a controller: over memory, with the whole server, and under paused time.
//!
//! Run: cargo run -p ws-core --example test_kit --features testing
//! In a program of your own this is a `#[tokio::test(start_paused = true)]`.

use std::time::Duration;

use ws_core::{
    prelude::*,
    testing::{TestApp, TestError},
};

/// Answers each message; after half a minute it says goodbye.
#[ws_controller(path = "/talk/{name}", subprotocols("talk.v2", "talk.v1"))]
struct Talk;

impl Talk {
    /// Code that needs no connection is a plain function, and is tested as one.
    fn answer(name: &str, text: &str) -> String {
        format!("{name}: {text}")
    }
}

impl Controller for Talk {
    async fn on_open(&self, conn: &Connection) -> Result {
        let conn = conn.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(30)).await;
            conn.disconnect(4008, "time is up")
        });
        Ok(())
    }

    async fn on_message(&self, conn: &Connection, message: Message) -> Result {
        let name = conn.handshake().path_param("name").ok_or("the route has a name")?;
        Ok(conn.push(Self::answer(name, message.as_text().unwrap_or("?")))?)
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> std::result::Result<(), TestError> {
    // As a plain function.
    assert_eq!(Talk::answer("jerry", "hi"), "jerry: hi");

    // Over memory: without ports, files and environment variables.
    let app = TestApp::start(App::new()).await;
    let mut client =
        app.connect("/talk/jerry").header("user-agent", "test").subprotocols(&["talk.v1", "talk.v2"]).await?;
    assert_eq!(client.subprotocol(), Some("talk.v2"), "in the controller's order");
    client.send_text("hi").await;
    assert_eq!(client.next_text().await?, "jerry: hi");

    // No further message arrives. Paused time advances by the client's timeout of 5 s at once.
    assert!(matches!(client.next().await, Err(TestError::TimedOut { .. })));

    // Refused handshakes, and the reasons.
    let refusal = app.connect("/nowhere").expect_status(404).await;
    assert_eq!(
        refusal.json::<serde_json::Value>()?,
        serde_json::json!({"code": 404, "msg": "no WebSocket route at /nowhere"})
    );

    // A fault of the peer, as raw bytes: a reserved bit is set.
    let mut faulty = app.connect("/talk/lily").await?;
    faulty.send_frame(0xc1, b"x").await;
    faulty.expect_close(1002).await;

    // Half a minute later.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(client.expect_close(4008).await, "time is up");
    assert_eq!(app.shutdown().await.cut, 0);
    Ok(())
}
