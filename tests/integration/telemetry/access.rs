//! The access log: one line for each refused handshake and each ended connection.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use ws_core::{Route, config::Overflow, prelude::*, testing::TestApp};

use super::eventually;
use crate::support::{Echo, Logs};

/// The lines of the access log.
fn lines(logs: &Logs) -> Vec<String> {
    logs.text().lines().filter(|line| line.contains("ws_core::access")).map(str::to_owned).collect()
}

/// Whether a line has this field, outside of the spans before the target.
fn has(line: &str, field: &str) -> bool {
    line.split("ws_core::access:").nth(1).unwrap().split(' ').any(|found| found == field)
}

#[tokio::test(start_paused = true)]
async fn an_ended_connection_is_one_line_with_its_traffic_and_without_its_secrets() {
    let logs = Logs::start();
    let route = Route::new("/rooms/{room}", Echo).subprotocols(&["chat"]);
    let app = TestApp::start(App::without_registry().route(route)).await;
    let path = "/rooms/private?access_token=secret";
    let mut client = app.connect(path).header("cookie", "secret").subprotocols(&["chat"]).await.unwrap();
    let id = app.running().hub().count_local();
    assert_eq!(id, 1);
    for text in ["secret", "secret!"] {
        client.send_text(text).await;
        client.next().await.unwrap();
    }
    client.send_binary(vec![0; 100]).await;
    client.next().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    client.close(4000, "secret").await;
    eventually("it is logged", || !lines(&logs).is_empty()).await;
    let lines = lines(&logs);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    for field in [
        r#"server="ws""#,
        r#"route="/rooms/{room}""#,
        r#"subprotocol="chat""#,
        "close_code=4000",
        r#"cause="peer""#,
        "messages_in=3",
        "bytes_in=113",
        "messages_out=3",
        "bytes_out=113",
        "dropped=0",
    ] {
        assert!(has(line, field), "{field} in {line}");
    }
    assert!(line.contains(" INFO ") && line.contains(" id=") && line.contains("duration_ms=15"), "{line}");
    assert!(!line.contains("secret") && !line.contains("private"), "{line}");
}

#[tokio::test]
async fn a_refused_handshake_is_one_line() {
    let logs = Logs::start();
    async fn refuse(_: Handshake, _: Next<'_>) -> Result<Response> {
        Err(Error::new("refused").status(403).public("secret"))
    }
    let route = Route::new("/rooms/{room}", Echo).middleware(refuse);
    let app = TestApp::start(App::without_registry().route(route)).await;
    app.connect("/rooms/private?token=secret").expect_status(403).await;
    app.connect("/private").expect_status(404).await;
    let lines = lines(&logs);
    let [refused, unknown] = &lines[..] else { panic!("{lines:?}") };
    for field in [r#"server="ws""#, r#"route="/rooms/{room}""#, "status=403"] {
        assert!(has(refused, field), "{field} in {refused}");
    }
    assert!(has(unknown, "status=404") && !unknown.contains("route="), "{unknown}");
    for line in [refused, unknown] {
        assert!(
            line.contains("duration_ms=") && !line.contains("secret") && !line.contains("private"),
            "{line}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_messages_are_in_the_line() {
    struct Floods(Arc<Notify>);
    impl Controller for Floods {
        async fn on_open(&self, conn: &Connection) -> Result {
            for _ in 0..10 {
                conn.push("more")?;
            }
            self.0.notify_one();
            Ok(())
        }
    }
    let (logs, opened) = (Logs::start(), Arc::<Notify>::default());
    let flood = Route::new("/", Floods(opened.clone()))
        .overflow(Overflow::DropOldest)
        .limits(|limits| limits.outbox_messages = 4);
    let app = TestApp::start(App::without_registry().route(flood)).await;
    let client = app.connect("/").await.unwrap();
    opened.notified().await;
    drop(client);
    eventually("it is logged", || !lines(&logs).is_empty()).await;
    let line = &lines(&logs)[0];
    assert!(has(line, "dropped=6") && has(line, "messages_out=4") && has(line, r#"cause="gone""#), "{line}");
}
