//! The byte stream below a connection, with or without TLS, and how it is left.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
};

/// What is read and thrown away after the last frame, in bytes.
const MAX_DRAINED_BYTES: u64 = 64 << 20;
const DRAIN_BUFFER_BYTES: usize = 8 << 10;

/// Anything that bytes go through.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

pub(super) type Transport = Box<dyn Io>;

/// Connects to the first address of the host that answers, TCP_NODELAY on: messages are small and somebody waits.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads on until the server hangs up: it is the server that closes TCP first (RFC 6455 section 7.1.1), and a socket
/// closed with unread input resets, which eats the close frame on its way.
pub(super) async fn drain(transport: &mut Transport, within: Duration) {
    let _ = tokio::time::timeout(within, async {
        let mut buffer = [0; DRAIN_BUFFER_BYTES];
        let mut rest = MAX_DRAINED_BYTES;
        while rest > 0 {
            match transport.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => rest = rest.saturating_sub(read as u64),
            }
        }
    })
    .await;
}
