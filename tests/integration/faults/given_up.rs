//! Panics in the drop of what is given up: a callback that takes too long, a handshake that does, a client that leaves.

use std::time::Duration;

use ws_core::CloseReason;

use super::{Case, Stage, assert_logged_once};
use crate::support::{Logs, Raw, handshake, until};

#[tokio::test]
async fn the_drop_of_a_callback_that_is_given_up_may_panic() {
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
async fn the_drop_of_a_middleware_that_is_given_up_may_panic() {
    let mut stage =
        Stage::start_with(|server| server.limits.handshake_timeout = Duration::from_millis(300)).await;
    let target = "/raw?given-up";
    let logs = Logs::start();
    assert_eq!(stage.server.answer(&handshake(target)).await.status, 503, "it took too long");
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
    // There is room for two: who comes next is refused once this one is in.
    until("it is in", || logs.text().contains("a middleware waits")).await;
    drop(raw);
    stage.is_as_before(target).await;
    assert_logged_once(&logs, target, "user code panicked in a drop");
}
