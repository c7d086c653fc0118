//! The accept loop: one for every listener.
//!
//! It holds one stream at a time until [`PendingStreams`] has room for it; further ones wait in the
//! kernel's queue. A failure of the process itself, such as "too many open files", pauses the loop
//! and is logged once. The protocol of a stream does not matter here.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Lifecycle, Pending, PendingStreams, Stage};
use crate::fixed;

/// A trouble is over when accepting has not failed for this long. What comes and goes within is one trouble, told once.
const QUIET: Duration = Duration::from_secs(1);

/// Accepts until the application closes. Each stream is passed to `serve`, which must not wait,
/// with its place among the `pending` ones. A stream without a place is closed without an answer:
/// writing one would take time and memory as long as the peer does not read.
pub(crate) async fn accept(
    name: &str,
    listener: TcpListener,
    pending: Arc<PendingStreams>,
    lifecycle: Lifecycle,
    serve: impl Fn(TcpStream, SocketAddr, Pending),
) {
    let mut trouble: Option<Trouble> = None;
    let mut stop = pin!(lifecycle.reached(Stage::Closing));
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
            () = quiet(trouble.as_ref()) => {
                if let Some(Trouble { began, failures, .. }) = trouble.take() {
                    tracing::info!(server = name, failures, lasted = ?began.elapsed(), "accepting again");
                }
                continue;
            }
        };
        match accepted {
            Ok((stream, peer)) => {
                // Small messages must not wait for one another (Nagle).
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
                        tracing::debug!(server = name, %peer, "too many unfinished requests of this address")
                    }
                }
            }
            // The peer was gone before it was accepted; the next one may be fine.
            Err(error) if is_of_one_peer(&error) => tracing::debug!(server = name, %error, "accept failed"),
            Err(error) => {
                if trouble.is_none() {
                    tracing::error!(server = name, %error, "accept failed; trying again");
                }
                let pause = trouble.get_or_insert_with(Trouble::begin).failed();
                tokio::select! {
                    () = &mut stop => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// A time in which accepting fails.
struct Trouble {
    began: Instant,
    failures: u32,
    pause: Duration,
    /// When it will have been quiet for long enough.
    over: Instant,
}

impl Trouble {
    fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, failures: 0, pause: fixed::LEAST_ACCEPT_PAUSE, over: now }
    }

    /// Counts a failure; the answer is how long to pause.
    fn failed(&mut self) -> Duration {
        let pause = self.pause;
        self.failures = self.failures.saturating_add(1);
        self.pause = (pause * 2).min(fixed::MOST_ACCEPT_PAUSE);
        self.over = Instant::now() + pause + QUIET;
        pause
    }
}

/// Waits until the trouble is over; without one, for ever.
async fn quiet(trouble: Option<&Trouble>) {
    match trouble {
        Some(trouble) => tokio::time::sleep_until(trouble.over).await,
        None => std::future::pending().await,
    }
}

/// Whether the failure is of the stream that was to be accepted, which is gone with it. Linux hands out errors of its
/// network in the same way (accept(2)).
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
    fn what_the_process_lacks_pauses_and_what_one_peer_did_does_not() {
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
    async fn pauses_double_up_to_a_second_and_a_quiet_second_ends_the_trouble() {
        let mut trouble = Trouble::begin();
        let pauses: Vec<u128> = (0..9).map(|_| trouble.failed().as_millis()).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(trouble.failures, 9);
        let began = Instant::now();
        quiet(Some(&trouble)).await;
        assert_eq!(
            began.elapsed(),
            fixed::MOST_ACCEPT_PAUSE + QUIET,
            "counted from the end of the last pause"
        );
    }
}
