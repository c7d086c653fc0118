//! [`Pipe`]: an in-memory stream for tests that shows without a read whether its other half has
//! ended.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// One half of a pipe.
#[derive(Debug)]
pub(crate) struct Pipe {
    stream: DuplexStream,
    /// Whether this half was shut down or dropped. The other half reads this flag.
    has_ended: Arc<AtomicBool>,
    /// The flag of the other half.
    peer_has_ended: Arc<AtomicBool>,
}

impl Pipe {
    /// Returns both halves of a pipe that holds this number of bytes in each direction.
    pub(crate) fn pair(bytes: usize) -> (Self, Self) {
        let (near, far) = tokio::io::duplex(bytes);
        let flags = [Arc::default(), Arc::default()];
        let [has_ended, peer_has_ended] = flags.clone();
        let near = Self { stream: near, has_ended, peer_has_ended };
        let [peer_has_ended, has_ended] = flags;
        (near, Self { stream: far, has_ended, peer_has_ended })
    }

    /// Whether the other half was shut down or dropped.
    pub(crate) fn peer_has_ended(&self) -> bool {
        self.peer_has_ended.load(Ordering::Acquire)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Release);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.has_ended.store(true, Ordering::Release);
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}
