//! The byte stream below a connection, with or without TLS: connecting TCP, and reading on after
//! the last frame.
//!
//! It must not parse messages.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    net::TcpStream,
};

/// The limit of the bytes that are read and discarded after the last frame.
const MAX_DRAINED_BYTES: u64 = 64 << 20;
const DRAIN_BUFFER_BYTES: usize = 8 << 10;

/// A stream of bytes. This is one trait, because a trait object cannot name both traits of tokio.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static> Io for T {}

pub(super) type Transport = Box<dyn Io>;

/// Connects to the first address of the host that accepts, with `TCP_NODELAY`: a small message is
/// not held back.
pub(super) async fn tcp(host: String, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads until the server closes TCP, as it should do first (RFC 6455 section 7.1.1). Closing a
/// socket with unread input sends a reset, and the server may lose the close frame.
pub(super) async fn drain(mut transport: Transport, within: Duration) {
    let _ = tokio::time::timeout(within, async {
        let mut buffer = [0; DRAIN_BUFFER_BYTES];
        let mut remaining = MAX_DRAINED_BYTES;
        while remaining > 0 {
            match transport.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => remaining = remaining.saturating_sub(read as u64),
            }
        }
    })
    .await;
}
