//! The accept loop: one for every listener.

use std::{net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How long accepting pauses after a failure such as "too many open files"; it doubles up to the second value.
const LEAST_PAUSE: Duration = Duration::from_millis(10);
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until `stop`; each stream is handed to `serve`, which must not wait.
pub(crate) async fn accept(
    name: &str,
    listener: TcpListener,
    stop: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr),
) {
    let mut pause = LEAST_PAUSE;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = LEAST_PAUSE;
                // Small messages must not wait for one another (Nagle).
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, %peer, "TCP_NODELAY could not be set");
                }
                serve(stream, peer);
            }
            // The peer was gone before it was accepted; the next one may be fine.
            Err(error) if is_of_one_peer(&error) => tracing::debug!(server = name, %error, "accept failed"),
            Err(error) => {
                if pause == LEAST_PAUSE {
                    tracing::error!(server = name, %error, "accept failed; trying again");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(MOST_PAUSE),
                }
            }
        }
    }
}

fn is_of_one_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
