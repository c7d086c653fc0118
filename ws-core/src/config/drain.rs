//! `[drain]`: how the process stops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// How the process stops, from the first SIGINT or SIGTERM (or [`Running::shutdown`]) to its exit.
///
/// First the application reports that it is not ready, and new handshakes get a 503. After `grace`
/// the listeners close and the connections are closed with 1001, one `batch` after another.
/// Connections that are still open after `timeout` are cut; their `on_close` callbacks have 10 s
/// more. The drain takes at most `grace` + `timeout` + 10 s. A second signal cuts all connections
/// at once and leaves 2 s for `on_close`.
///
/// [`Running::shutdown`]: crate::Running::shutdown
///
/// ```
/// use std::time::Duration;
/// use ws_core::Config;
///
/// let mut config = Config::default();
/// config.drain.grace = Duration::from_secs(10); // until the load balancer knows
/// config.drain.timeout = Duration::from_secs(20);
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Drain {
    /// The time that the listeners stay open after the application is not ready any more: the time
    /// that a load balancer needs to notice it. Open connections and HTTP services continue to
    /// work. Default 0 s, because without a load balancer it only delays the exit.
    #[serde(with = "units::duration_or_zero")]
    pub grace: Duration,
    /// The number of connections that are closed at once; the clients of one batch reconnect
    /// together. Default 1000, a number that the other nodes should be able to accept at once.
    pub batch: usize,
    /// The pause between two batches. Each pause is random, from half to one and a half times this
    /// value, so that processes that stop together do not close their batches in step. Default 100
    /// ms: with batches of 1000, 100 000 clients take 10 s.
    ///
    /// The last batch is closed after half of `timeout` at the latest, so that its outboxes and
    /// callbacks have the other half. If that is too short for all batches, the pauses shrink to
    /// equal parts of it, down to 10 ms; if even that is too short, the batches grow.
    #[serde(with = "units::duration")]
    pub interval: Duration,
    /// The time from the end of `grace`, when the first batch is closed, until the connections that
    /// are still open are cut. Default 30 s, the time that most supervisors wait before they kill a
    /// process.
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
