//! Stops an application: new handshakes are refused, listeners are closed, connections are closed
//! with 1001 in batches, and the remaining connections are cut.
//!
//! This module advances the stages of the [`Lifecycle`], which `server` follows, and closes the
//! open connections. Connections are closed in batches, so that their clients do not all reconnect
//! to other servers at the same time. Each wait has a deadline.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    config::Drain,
    connection::Stop,
    fixed,
    hub::Live,
    random,
    server::{Lifecycle, Stage},
};

/// The result of a shutdown. Each connection that was open when it began, or that opened after it
/// began, is counted once.
///
/// ```
/// use ws_core::Running;
///
/// async fn stop(running: Running) {
///     let report = running.shutdown().await;
///     println!("{} closed, {} lost, {} cut", report.closed, report.lost, report.cut);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Connections that were closed cleanly (RFC 6455 section 7.1.4): all queued messages and the
    /// close frame were sent, the peer's close frame was received within `limits.close_timeout`,
    /// and the callbacks ended within `drain.timeout`. Either side may have begun to close.
    pub closed: usize,
    /// Connections that ended without a clean close: the peer was gone, did not read the queued
    /// messages, or did not answer the close frame, within `limits.close_timeout`. It is not known
    /// whether the peer read the last messages.
    pub lost: usize,
    /// Connections that were cut, because they were still open after `drain.timeout` or at the
    /// second signal. The usual cause is a callback that did not return.
    pub cut: usize,
}

/// Stops an application. When `hurry` completes, the remaining connections are cut at once.
pub(super) async fn drain(
    live: &Live,
    lifecycle: &Lifecycle,
    config: &Drain,
    hurry: impl Future<Output = ()>,
) -> ShutdownReport {
    let before = live.gone();
    lifecycle.advance(Stage::Draining);
    tracing::info!(connections = live.len(), grace = ?config.grace, timeout = ?config.timeout, "draining");
    let mut hurry = pin!(hurry);
    let hurried = tokio::select! {
        () = close_gracefully(live, lifecycle, config) => false,
        () = hurry.as_mut() => true,
    };
    cut(live, lifecycle, hurried);
    let is_over = tokio::select! {
        () = live.wait() => true,
        () = sleep(if hurried { fixed::HURRIED_CUT_TIMEOUT } else { fixed::CUT_TIMEOUT }) => false,
        () = hurry, if !hurried => false,
    };
    if !is_over {
        tracing::error!(connections = live.len(), "some tasks did not end; not waiting for them");
    }
    // The goodbye follows the last `on_close`, which may still push to other nodes.
    live.leave_cluster().await;
    let gone = live.gone();
    let report = ShutdownReport {
        closed: gone.clean - before.clean,
        lost: gone.lost - before.lost,
        cut: gone.cut - before.cut + live.len(),
    };
    tracing::info!(closed = report.closed, lost = report.lost, cut = report.cut, "stopped");
    report
}

/// Waits for the grace time and closes all connections. Returns when none is left, or at the
/// deadline.
async fn close_gracefully(live: &Live, lifecycle: &Lifecycle, config: &Drain) {
    if !config.grace.is_zero() {
        sleep(config.grace).await;
    }
    // A connection that opens after this point is closed when it opens, because the stage is
    // checked there. The batches therefore need only the connections that exist now.
    lifecycle.advance(Stage::Closing);
    let all_gone = async {
        tokio::select! {
            () = live.wait() => {}
            () = close_in_batches(live, config) => live.wait().await,
        }
    };
    // The caller cuts the remaining connections.
    let _ = timeout(config.timeout, all_gone).await;
}

async fn close_in_batches(live: &Live, config: &Drain) {
    let (began, window) = (Instant::now(), config.timeout / 2);
    let mut left = live.all().into_iter();
    loop {
        let remaining = window.saturating_sub(began.elapsed());
        let (size, pause) = next_batch(left.len(), config, remaining);
        // Connections that have closed in the meantime do not count towards the batch.
        let open = left.by_ref().filter(|connection| connection.is_open());
        open.take(size).for_each(|connection| connection.outbox().shut_down());
        if left.len() == 0 {
            return;
        }
        sleep(random::jitter(pause, 50).min(remaining)).await;
    }
}

/// Returns the number of connections to close now, of `left`, and the pause after it. The last
/// batch begins before the `remaining` time is over.
fn next_batch(left: usize, config: &Drain, remaining: Duration) -> (usize, Duration) {
    let least = config.interval.min(fixed::LEAST_BATCH_PAUSE).max(Duration::from_nanos(1));
    let most_pauses = usize::try_from(remaining.as_nanos() / least.as_nanos()).unwrap_or(usize::MAX);
    let batch = config.batch.max(1);
    let pauses = (left.div_ceil(batch).saturating_sub(1)).min(most_pauses);
    let size = batch.max(left.div_ceil(pauses.saturating_add(1)));
    let share = remaining / u32::try_from(pauses).unwrap_or(u32::MAX).max(1);
    (size, config.interval.min(share))
}

/// Cuts the remaining connections. Unless the user asked for it, it logs each one, because the
/// usual cause is a callback that does not return.
fn cut(live: &Live, lifecycle: &Lifecycle, hurried: bool) {
    lifecycle.advance(Stage::Cutting);
    for connection in live.all() {
        if !hurried {
            tracing::warn!(id = %connection.id(), route = connection.route(), peer = ?connection.peer_addr(), "cut");
        }
        let _ = connection.outbox().stop(Stop::Cut);
    }
}

/// Closes all open connections with 1001.
pub(super) fn close_all(live: &Live) {
    for connection in live.all() {
        connection.outbox().shut_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(batch: usize, interval: Duration) -> Drain {
        Drain { batch, interval, ..Drain::default() }
    }

    #[test]
    fn with_less_time_first_the_pauses_shrink_and_then_the_batches_grow() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        for (left, batch, interval, remaining, expected) in [
            // There is enough time.
            (100_000, 1000, ms(100), s(15), (1000, ms(100))),
            (1, 1000, ms(100), s(15), (1000, ms(100))),
            (0, 1000, ms(100), s(15), (1000, ms(100))),
            // Ten pauses share one second.
            (11, 1, s(5), s(1), (1, ms(100))),
            // There is time for a hundred pauses of 10 ms.
            (1010, 1, s(5), s(1), (10, ms(10))),
            // A shorter interval is used as it is.
            (1001, 1, ms(1), s(1), (1, ms(1))),
            // No time is left.
            (5000, 1000, ms(100), ms(9), (5000, ms(9))),
            (5000, 1000, ms(100), ms(0), (5000, ms(0))),
        ] {
            assert_eq!(
                next_batch(left, &config(batch, interval), remaining),
                expected,
                "{left} {remaining:?}"
            );
        }
    }
}
