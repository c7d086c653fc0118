//! The byte stream below a connection, with or without TLS: connecting TCP, and reading on after
//! the last frame.
//!
//! It must not know messages: it only keeps the server's close frame, by the socket's walker.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::socket::{FrameWalker, Sender};

/// The limit of the bytes that are read and thrown away after the last frame.
const MAX_DRAINED_BYTES: u64 = 64 << 20;
const DRAIN_BUFFER_BYTES: usize = 8 << 10;

/// A stream of bytes. One trait, because a trait object cannot name both of tokio's.
pub(super) trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Io for T {}

pub(super) type Transport = Box<dyn Io>;

/// A transport that keeps the server's close frame. The codec above replaces a code that may be
/// sent (1014).
pub(super) struct Watched {
    io: Transport,
    walker: FrameWalker,
}

impl Watched {
    /// `prefix` holds the bytes of the server's frames that were read before.
    pub(super) fn new(io: Transport, prefix: &[u8]) -> Self {
        let mut walker = FrameWalker::new(Sender::Server, usize::MAX);
        walker.walk(prefix);
        Self { io, walker }
    }

    /// Returns the walker, which has walked over all bytes that were read.
    pub(super) fn walker(&self) -> &FrameWalker {
        &self.walker
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, into))?;
        this.walker.walk(into.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// Connects to the first address of the host that accepts, with `TCP_NODELAY`: a small message is
/// not held back.
pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads until the server closes TCP, as it should do first (RFC 6455 section 7.1.1). Closing a
/// socket with unread input sends a reset, and the server may lose the close frame.
pub(super) async fn drain(transport: &mut Watched, within: Duration) {
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
