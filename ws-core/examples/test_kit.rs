//! A program and its tests. The tests run over memory, with the real pipeline and under paused time.
//!
//! Test: cargo test -p ws-core --example test_kit
//! Run:  cargo run -p ws-core --example test_kit      (serves on 127.0.0.1:9502 until Ctrl-C)

#![allow(clippy::print_stdout, reason = "an example speaks to its user")]

use std::time::Duration;

use ws_core::prelude::*;

/// Answers each text with the name of its client, and closes the connection after 30 s.
#[ws_controller(path = "/talk/{name}", subprotocols("talk.v2", "talk.v1"))]
struct Talk;

impl Talk {
    /// A plain function, because it does not need a connection.
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

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let app = App::new().on_start(async |app| {
        if let Some(address) = app.local_addr("ws") {
            println!("serving; connect with: python3 -m websockets ws://{address}/talk/jerry");
            println!("its tests are the point: cargo test -p ws-core --example test_kit");
        }
    });
    app.run().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use ws_core::{
        prelude::*,
        testing::{TestApp, TestError},
    };

    use super::Talk;

    #[test]
    fn a_plain_function_is_tested_as_one() {
        assert_eq!(Talk::answer("jerry", "hi"), "jerry: hi");
    }

    #[tokio::test]
    async fn a_client_over_memory_needs_no_port_and_no_file() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let connect = app.connect("/talk/jerry").header("user-agent", "test");
        let mut client = connect.subprotocols(&["talk.v1", "talk.v2"]).await?;
        assert_eq!(client.subprotocol(), Some("talk.v2"), "in the controller's order");
        client.send_text("hi").await;
        assert_eq!(client.next_text().await?, "jerry: hi");
        client.close(1000, "done").await;
        client.expect_close(1000).await;
        assert_eq!(app.shutdown().await.cut, 0);
        Ok(())
    }

    #[tokio::test]
    async fn a_refused_handshake_has_a_status_and_a_body() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let refusal = app.connect("/nowhere").expect_status(404).await;
        let body = json!({"code": 404, "msg": "no WebSocket route at /nowhere"});
        assert_eq!(refusal.json::<Value>()?, body);
        Ok(())
    }

    #[tokio::test]
    async fn a_fault_of_the_peer_is_sent_as_raw_bytes() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut faulty = app.connect("/talk/lily").await?;
        faulty.send_frame(0xc1, b"x").await; // a reserved bit is set
        faulty.expect_close(1002).await;
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn paused_time_advances_when_all_tasks_wait() -> Result<(), TestError> {
        let app = TestApp::start(App::new()).await;
        let mut client = app.connect("/talk/jerry").await?;

        // The client waits 5 s for a message, which take no real time.
        assert!(matches!(client.next().await, Err(TestError::TimedOut { .. })));

        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(client.expect_close(4008).await, "time is up");
        Ok(())
    }
}
