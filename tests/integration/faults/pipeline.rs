//! Panics before the 101: in middleware, in the core step, in the code that they call, and in the
//! drop of their values.

use ws_core::{
    Handshake, Next, Response, Result, StatusCode,
    handshake::{Body, DefaultUpgrade, Upgrade},
};

use super::{Bomb, Stage, Unanswerable, Undroppable, Unspeakable, assert_logged_once, panic_at};
use crate::support::{Logs, Raw, handshake};

/// Fails in the handshake at the requested place, before or after the inner steps.
pub(super) async fn server_wide(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    panic_at(&handshake, "server-wide-before");
    let fails_late = handshake.query() == Some("server-wide-after");
    match handshake.query() {
        Some("error-handler-before") => return Err(Unanswerable.into()),
        Some("text-before") => return Err(Unspeakable.into()),
        Some("error-before") => return Err(Undroppable(std::io::Error::other("source")).into()),
        Some("beside-the-response") => {
            let mut response = Body::json(StatusCode::FORBIDDEN, &"no");
            response.extensions_mut().insert(Bomb);
            return Ok(response);
        }
        Some("refused-context") => {
            handshake.context().set(Bomb);
            return Ok(Body::json(StatusCode::FORBIDDEN, &"no"));
        }
        Some("given-up") => {
            let _bomb = Bomb;
            tracing::debug!("a middleware waits");
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let response = next.run(handshake).await?;
    assert!(!fails_late, "on purpose");
    Ok(response)
}

pub(super) async fn of_the_route(handshake: Handshake, next: Next<'_>) -> Result<Response> {
    panic_at(&handshake, "route-before");
    let fails_late = handshake.query() == Some("route-after");
    let replaces_the_101 = handshake.query() == Some("second-thoughts");
    if replaces_the_101 {
        handshake.context().set(Bomb);
    }
    let response = next.run(handshake).await?;
    assert!(!fails_late, "on purpose");
    if replaces_the_101 {
        // The 101 is dropped, and the handshake with it.
        return Ok(Body::json(StatusCode::FORBIDDEN, &"replaced the 101"));
    }
    Ok(response)
}

pub(super) struct Core;

impl Upgrade for Core {
    async fn found(&self, handshake: Handshake) -> Result<Response> {
        panic_at(&handshake, "found");
        DefaultUpgrade.found(handshake).await
    }

    async fn not_found(&self, handshake: Handshake) -> Result<Response> {
        panic_at(&handshake, "not-found");
        DefaultUpgrade.not_found(handshake).await
    }
}

const NO_DETAIL: &str = r#"{"code":500,"msg":"Internal Server Error"}"#;

#[tokio::test]
async fn a_panic_in_the_handshake_is_500_without_detail_and_affects_no_other_peer() {
    let mut stage = Stage::start().await;
    let panicked = "the core step panicked";
    let cases = [
        ("/raw?server-wide-before", 500, NO_DETAIL, panicked),
        ("/raw?server-wide-after", 500, NO_DETAIL, panicked),
        ("/raw?route-before", 500, NO_DETAIL, panicked),
        ("/raw?route-after", 500, NO_DETAIL, panicked),
        ("/raw?found", 500, NO_DETAIL, panicked),
        ("/nowhere?not-found", 500, NO_DETAIL, panicked),
        ("/typed?guard", 500, NO_DETAIL, panicked),
        ("/typed?from-handshake", 500, NO_DETAIL, panicked),
        ("/typed?keep", 500, NO_DETAIL, panicked),
        ("/raw?error-handler-before", 500, "", "an error handler panicked"),
        ("/raw?text-before", 500, NO_DETAIL, "(its `Display` panicked)"),
        ("/raw?error-before", 500, NO_DETAIL, "user code panicked in a drop"),
        ("/raw?refused-context", 403, r#""no""#, "user code panicked in a drop"),
        ("/raw?second-thoughts", 403, r#""replaced the 101""#, "user code panicked in a drop"),
    ];
    for (target, status, body, says) in cases {
        let logs = Logs::start();
        let answer = stage.server.answer(&handshake(target)).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{target}");
        stage.is_as_before(target).await;
        assert_logged_once(&logs, target, says);
    }
}

#[tokio::test]
async fn a_panic_after_the_response_ends_its_own_stream_and_is_logged() {
    let mut stage = Stage::start().await;
    let target = "/raw?beside-the-response";
    let logs = Logs::start();
    let mut raw = Raw::connect(stage.server.addr).await;
    raw.write(handshake(target).as_bytes()).await;
    raw.read_to_end().await;
    stage.is_as_before(target).await;
    assert_logged_once(&logs, target, "a task panicked");
}
