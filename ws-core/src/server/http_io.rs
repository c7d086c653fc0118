//! [`HttpStream`]: the stream that hyper reads; and [`HeadTimer`], the deadlines between requests.
//!
//! [`HttpStream`] first returns the head that was read before hyper was set up, then the bytes from
//! the socket.
//!
//! hyper has one deadline from the end of a response to the end of the next head. An idle stream
//! may wait much longer than a head may take, so [`HeadTimer`] replaces this deadline by two:
//! `keep_alive` until the first byte, then `handshake_timeout` until the end of the head.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant as StdInstant},
};

use bytes::{Bytes, BytesMut};
use hyper::rt::{Sleep, Timer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::config::Limits;

/// A stream, and the bytes that were already read from it.
pub(super) struct HttpStream<S> {
    stream: S,
    unread: Bytes,
    /// Set when bytes are read from the stream.
    has_read: Arc<AtomicBool>,
}

/// The rest of a stream after HTTP.
pub(super) struct Rest<S> {
    pub(super) stream: S,
    /// Bytes that were read from the stream but are not part of a request.
    pub(super) prefix: Bytes,
}

impl<S> HttpStream<S> {
    pub(super) fn new(stream: S, unread: Bytes) -> Self {
        Self { stream, unread, has_read: Arc::default() }
    }

    /// Returns the timer for `header_read_timeout` of hyper. It ignores the time that is set there.
    pub(super) fn timer(&self, limits: &Limits) -> HeadTimer {
        let Limits { keep_alive, handshake_timeout, .. } = *limits;
        HeadTimer { keep_alive, handshake_timeout, has_read: Arc::clone(&self.has_read) }
    }

    /// Returns the stream. `read` has the bytes that hyper has read and not used.
    pub(super) fn into_rest(self, read: Bytes) -> Rest<S> {
        let prefix = match self.unread.is_empty() {
            true => read,
            false => BytesMut::from_iter([read, self.unread].iter().flatten()).freeze(),
        };
        Rest { stream: self.stream, prefix }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HttpStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unread.is_empty() {
            let length = this.unread.len().min(into.remaining());
            into.put_slice(&this.unread.split_to(length));
            return Poll::Ready(Ok(()));
        }
        // hyper has copied the head, so its memory can be freed.
        this.unread = Bytes::new();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
        if into.filled().len() > before {
            this.has_read.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HttpStream<S> {
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
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Makes a [`HeadWait`] each time hyper begins to wait for a head. hyper uses the timer only for
/// this.
pub(super) struct HeadTimer {
    keep_alive: Duration,
    handshake_timeout: Duration,
    has_read: Arc<AtomicBool>,
}

/// The wait for one head. hyper polls it after every read.
struct HeadWait {
    handshake_timeout: Duration,
    /// `None` after the head has begun. Bytes of the head that arrived before the wait, together
    /// with the last request, do not count as its beginning.
    has_read: Option<Arc<AtomicBool>>,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl HeadTimer {
    fn wait(&self) -> Pin<Box<dyn Sleep>> {
        self.has_read.store(false, Ordering::Relaxed);
        Box::pin(HeadWait {
            handshake_timeout: self.handshake_timeout,
            has_read: Some(Arc::clone(&self.has_read)),
            sleep: Box::pin(tokio::time::sleep(self.keep_alive)),
        })
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, _: Duration) -> Pin<Box<dyn Sleep>> {
        self.wait()
    }

    fn sleep_until(&self, _: StdInstant) -> Pin<Box<dyn Sleep>> {
        self.wait()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, _: StdInstant) {
        *sleep = self.wait();
    }
}

impl Sleep for HeadWait {}

impl Future for HeadWait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(has_read) = &self.has_read
            && has_read.load(Ordering::Relaxed)
        {
            self.has_read = None;
            let deadline = Instant::now() + self.handshake_timeout;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn unused_bytes_are_the_prefix_of_the_rest() {
        for taken in 0..=4 {
            let (near, mut far) = tokio::io::duplex(64);
            far.write_all(b"ef").await.unwrap();
            let mut http = HttpStream::new(near, Bytes::from_static(b"abcd"));
            let mut read = [0; 4];
            http.read_exact(&mut read[..taken]).await.unwrap();
            let used = taken.min(2);
            let mut rest = http.into_rest(Bytes::copy_from_slice(&read[used..taken]));
            let mut behind = [0; 2];
            rest.stream.read_exact(&mut behind).await.unwrap();
            assert_eq!([&rest.prefix[..], &behind].concat(), &b"abcdef"[used..], "{taken}");
        }
    }
}
