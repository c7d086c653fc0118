//! [`Pipe`]: a stream inside the process that shows the end of its other half without reading.

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
    /// Whether this half writes nothing more; the other half looks at it.
    has_ended: Arc<AtomicBool>,
    /// The same of the other half.
    peer_has_ended: Arc<AtomicBool>,
}

impl Pipe {
    /// Both halves of a pipe that holds so many bytes each way.
    pub(crate) fn pair(bytes: usize) -> (Self, Self) {
        let (near, far) = tokio::io::duplex(bytes);
        let flags = [Arc::default(), Arc::default()];
        let [has_ended, peer_has_ended] = flags.clone();
        let near = Self { stream: near, has_ended, peer_has_ended };
        let [peer_has_ended, has_ended] = flags;
        (near, Self { stream: far, has_ended, peer_has_ended })
    }

    /// Whether the other half was dropped, or shut down.
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
