//! The operations on a connection from outside its callbacks.

use ws_core::{App, Controller, Message, error::SendError, testing::TestApp};

use crate::support::{Probe, within};

/// Implements nothing.
struct Silent;

impl Controller for Silent {}

#[tokio::test]
async fn p5_every_callback_is_optional() {
    let app = TestApp::start(App::without_registry().controller("/", Silent)).await;
    let mut client = app.connect("/").await.unwrap();
    client.send_text("not handled").await;
    client.ping("pings are still answered").await;
    assert_eq!(client.next_pong().await.unwrap(), "pings are still answered");
    client.close(1000, "").await;
    client.expect_close(1000).await;
}

#[tokio::test]
async fn p24_anyone_anywhere_can_push_check_and_disconnect_with_honest_results() {
    let (probe, mut reports) = Probe::new();
    let app = TestApp::start(App::without_registry().controller("/", probe)).await;
    let mut client = app.connect("/").await.unwrap();
    let conn = reports.open().await;

    let elsewhere = conn.clone();
    let thread = std::thread::spawn(move || {
        elsewhere.push("text")?;
        elsewhere.push(vec![1_u8, 2])?;
        elsewhere.disconnect(4001, "from a thread")
    });
    assert_eq!(client.next().await.unwrap(), Message::text("text"));
    assert_eq!(client.next().await.unwrap(), Message::binary(vec![1_u8, 2]));
    assert_eq!(client.expect_close(4001).await, "from a thread");
    thread.join().unwrap().unwrap();

    assert_eq!(reports.close().await.code(), 4001, "code and reason are kept");
    assert!(!conn.is_open());
    assert!(matches!(conn.push("too late"), Err(SendError::Closed { .. })), "the result is correct");
}

#[tokio::test]
async fn p26_the_hub_knows_who_is_connected_and_with_which_route() {
    let (probe, mut reports) = Probe::new();
    let app = TestApp::start(App::without_registry().controller("/rooms/{room}", probe)).await;
    let hub = app.running().hub();
    let mut client = app.connect("/rooms/7").await.unwrap();
    let id = reports.open().await.id();
    let found = hub.get_local(id).unwrap();
    assert_eq!(
        (found.id(), found.route(), found.handshake().path_param("room")),
        (id, "/rooms/{room}", Some("7"))
    );
    assert_eq!(hub.count_local(), 1);

    client.close(1000, "").await;
    client.expect_close(1000).await;
    reports.close().await;
    within("the connection to leave", async {
        while hub.get_local(id).is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(hub.count_local(), 0);
}
