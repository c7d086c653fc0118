//! Panics in the drop of a cancelled future: of a callback or a handshake that takes too long, and
//! of a client that leaves.

use std::time::Duration;

use tokio::time::{advance, pause, resume};
use ws_core::CloseReason;

use super::{Case, Stage, assert_logged_once};
use crate::support::{Logs, Raw, handshake, until};

#[tokio::test]
async fn the_drop_of_a_cancelled_callback_may_panic() {
    let mut stage =
        Stage::start_with(|server| server.limits.handler_timeout = Some(Duration::from_millis(50))).await;
    stage
        .plays(Case {
            target: "/raw?cut",
            sends: Some((0x81, b"now")),
            gets: (1011, "internal error"),
            reason: Some(CloseReason::Panic),
            says: "a callback panicked",
        })
        .await;
}

#[tokio::test]
async fn the_drop_of_a_cancelled_middleware_may_panic() {
    let mut deadline = Duration::ZERO;
    let mut stage = Stage::start_with(|server| deadline = server.limits.handshake_timeout).await;
    let target = "/raw?given-up";
    let logs = Logs::start();
    let mut raw = Raw::connect(stage.server.addr).await;
    raw.write(handshake(target).as_bytes()).await;
    until("the callback has begun", || logs.text().contains("a middleware waits")).await;
    pause();
    advance(deadline).await;
    resume();
    assert_eq!(raw.request("").await.status, 503, "no close in time");
    drop(raw);
    stage.is_as_before(target).await;
    assert_logged_once(&logs, target, "user code panicked in a drop");
}

#[tokio::test]
async fn the_drop_of_a_middleware_whose_client_leaves_may_panic() {
    let mut stage = Stage::start().await;
    let target = "/raw?given-up";
    let logs = Logs::start();
    let mut raw = Raw::connect(stage.server.addr).await;
    raw.write(handshake(target).as_bytes()).await;
    // There is room for two connections: the next one is refused once this one is inside.
    until("the middleware has begun", || logs.text().contains("a middleware waits")).await;
    drop(raw);
    stage.is_as_before(target).await;
    assert_logged_once(&logs, target, "user code panicked in a drop");
}
