//! The accept loop. Each listener has one.
//!
//! It holds one stream at a time until [`PendingStreams`] has room for it; further streams wait in
//! the kernel's queue. If the process cannot accept, as with "too many open files", the loop pauses
//! and logs the error once. It must not read from a stream.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Lifecycle, Pending, PendingStreams, Stage};
use crate::fixed;

/// An outage is over when accepting has not failed for this time. Failures with shorter gaps belong
/// to one outage, which is logged once.
const QUIET: Duration = Duration::from_secs(1);

/// Accepts until the application closes. Each stream is passed to `serve`, which must not block,
/// with its place among the `pending` streams. A stream without a place is closed without a
/// response, because a response to a peer that does not read would cost time and memory.
pub(crate) async fn accept(
    name: &str,
    listener: TcpListener,
    pending: Arc<PendingStreams>,
    lifecycle: Lifecycle,
    serve: impl Fn(TcpStream, SocketAddr, Pending),
) {
    let mut outage: Option<Outage> = None;
    let mut stop = pin!(lifecycle.reached(Stage::Closing));
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
            () = quiet(outage.as_ref()) => {
                if let Some(Outage { began, failures, .. }) = outage.take() {
                    tracing::info!(server = name, failures, lasted = ?began.elapsed(), "accepting again");
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                // Nagle's algorithm would delay small messages.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
                }
                let place = tokio::select! {
                    () = &mut stop => return,
                    place = pending.admit(peer.ip()) => place,
                };
                match place {
                    Some(place) => serve(stream, peer, place),
                    None => {
                        tracing::debug!(server = name, %peer, "too many pending handshakes from this address")
                    }
                }
            }
            // The stream was closed before it was accepted. The next one is not affected.
            Err(error) if is_of_one_peer(&error) => tracing::debug!(server = name, %error, "accept failed"),
            Err(error) => {
                if outage.is_none() {
                    tracing::error!(server = name, %error, "accept failed; trying again");
                }
                let pause = outage.get_or_insert_with(Outage::begin).failed();
                tokio::select! {
                    () = &mut stop => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// A period in which accepting fails.
struct Outage {
    began: Instant,
    failures: u32,
    pause: Duration,
    /// The time at which the outage is over, unless accepting fails again.
    over: Instant,
}

impl Outage {
    fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, failures: 0, pause: fixed::LEAST_ACCEPT_PAUSE, over: now }
    }

    /// Counts a failure and returns the time to pause.
    fn failed(&mut self) -> Duration {
        let pause = self.pause;
        self.failures = self.failures.saturating_add(1);
        self.pause = (pause * 2).min(fixed::MOST_ACCEPT_PAUSE);
        self.over = Instant::now() + pause + QUIET;
        pause
    }
}

/// Waits until the outage is over. Without an outage, it never returns.
async fn quiet(outage: Option<&Outage>) {
    match outage {
        Some(outage) => tokio::time::sleep_until(outage.over).await,
        None => std::future::pending().await,
    }
}

/// Returns whether the failure affects only the stream that was to be accepted. Linux also reports
/// pending network errors of the new socket this way (accept(2)).
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, PermissionDenied, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | PermissionDenied
            | TimedOut
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn accepting_pauses_after_a_lack_of_resources_and_not_after_a_fault_of_one_peer() {
        // ECONNABORTED, ECONNRESET, EINTR, EPERM, ENETDOWN, ENETUNREACH, EHOSTUNREACH, ETIMEDOUT.
        for code in [103, 104, 4, 1, 100, 101, 113, 110] {
            let error = io::Error::from_raw_os_error(code);
            assert!(is_of_one_peer(&error), "{error}");
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM.
        for code in [24, 23, 105, 12] {
            let error = io::Error::from_raw_os_error(code);
            assert!(!is_of_one_peer(&error), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_a_second_and_a_quiet_second_ends_the_outage() {
        let mut outage = Outage::begin();
        let pauses: Vec<u128> = (0..9).map(|_| outage.failed().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(outage.failures, 9);
        let began = Instant::now();
        quiet(Some(&outage)).await;
        assert_eq!(
            began.elapsed(),
            fixed::MOST_ACCEPT_PAUSE + QUIET,
            "counted from the end of the last pause"
        );
    }
}
