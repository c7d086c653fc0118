//! Counters and their users: stats, metrics, the access log, spans.

mod access;
mod counters;
mod events;
mod metrics;
mod spans;

use std::time::Duration;

use serde_json::Value;
use ws_core::testing::TestApp;

/// The counters of an application, as they are serialised.
fn stats(app: &TestApp) -> Value {
    serde_json::to_value(app.running().stats()).unwrap()
}

/// The counters of the only route.
fn route(app: &TestApp) -> Value {
    stats(app)["servers"][0]["routes"][0].clone()
}

/// Waits under paused time.
async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
