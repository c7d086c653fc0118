//! `[drain]`: how the process stops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// How the process stops, from the first SIGINT or SIGTERM (or [`Running::shutdown`]) to its end.
///
/// At once the application is not ready any more and new handshakes are answered with 503. After `grace` the listeners
/// close, and the connections are closed with 1001, `batch` after `batch`. What is still there when `timeout` is over is
/// cut; the `on_close` of what was cut has 10 s more. The whole takes `grace` + `timeout` + 10 s at the most. A second
/// signal cuts everything at once and leaves 2 s for `on_close`.
///
/// [`Running::shutdown`]: crate::Running::shutdown
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Drain {
    /// How long listeners stay open once the application is not ready any more: what a load balancer needs to notice.
    /// Open connections and HTTP services go on as ever. Default 0 s, because without a load balancer it only delays the
    /// end.
    #[serde(with = "units::duration_or_zero")]
    pub grace: Duration,
    /// Connections that are closed at once; the clients of one batch reconnect together. Default 1000, which is what
    /// the peers of this process should take in one breath.
    pub batch: usize,
    /// The pause between two batches; each is varied by chance, from half as long to half as long again, so that several
    /// processes that stop together do not keep step. Default 100 ms: with batches of 1000, 100 000 clients take 10 s.
    ///
    /// The last batch goes out after half of `timeout` at the latest, so that it has the other half for what its
    /// outboxes hold and its callbacks do. Where that is too short for all batches, the pauses shrink to equal shares
    /// of it, down to 10 ms; where even that is not enough, the batches grow.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// From the end of `grace`, when the first batch is closed, until what is still there is cut. Default 30 s, as long
    /// as most supervisors wait before they kill.
    #[serde(with = "units::duration")]
    pub timeout: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            grace: Duration::ZERO,
            batch: 1000,
            interval: Duration::from_millis(100),
            timeout: Duration::from_secs(30),
        }
    }
}
