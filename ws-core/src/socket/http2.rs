//! [`Tunnel`]: a stream of HTTP/2 (RFC 8441) as the transport of a connection.
//!
//! hyper owns the stream. It copies a write of any size at once, and keeps up to four of them while
//! the client's window is closed. Small writes bound that memory, let the socket notice a client that
//! does not read, and cost a third of the time for messages of 1 MiB.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fixed;

/// A stream of HTTP/2. Its end is only noticed by reading, its reset by reading or writing.
pub(crate) struct Tunnel(TokioIo<Upgraded>);

impl Tunnel {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        Self(TokioIo::new(upgraded))
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TokioIo<Upgraded>> {
        Pin::new(&mut self.get_mut().0)
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_read(cx, into)
    }
}

/// Not vectored: hyper copies each write.
impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let part = bytes.get(..fixed::TUNNEL_WRITE_BYTES).unwrap_or(bytes);
        self.stream().poll_write(cx, part)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
