//! [`Transport`]: the concrete streams of a connection.
//!
//! An enum instead of a boxed trait object, so that a read or write is not a virtual call. This
//! module adds no behaviour to the streams but [`ByteStream::peer_has_ended`].

use std::{
    io::{self, IoSlice},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Version;
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::ByteStream;
#[cfg(feature = "testing")]
use super::Pipe;
#[cfg(feature = "http2")]
use super::http2::Tunnel;

/// The stream of a server connection.
pub(crate) enum Transport {
    /// An accepted stream.
    Tcp(TcpStream),
    /// An accepted stream with TLS. Boxed, because it is about twenty times as large as the others.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    /// A stream that another HTTP server has upgraded
    /// ([`App::into_service`](crate::App::into_service)). Boxed, because it is larger than a
    /// socket.
    Upgraded(Box<TokioIo<Upgraded>>),
    /// A stream of HTTP/2 that another server has opened.
    #[cfg(feature = "http2")]
    Tunnel(Box<Tunnel>),
    /// A pipe inside the process.
    #[cfg(feature = "testing")]
    Memory(Pipe),
}

impl Transport {
    /// Returns the stream that another HTTP server has upgraded over this version of HTTP, and the
    /// bytes that were read from it already. If it is a plain TCP stream, it is unwrapped, because
    /// only that shows the end of the peer without reading.
    pub(crate) fn upgraded(upgraded: Upgraded, version: Version) -> (Self, Bytes) {
        #[cfg(feature = "http2")]
        if version == Version::HTTP_2 {
            return (Self::Tunnel(Box::new(Tunnel::new(upgraded))), Bytes::new());
        }
        let _ = version;
        let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => return (Self::Tcp(parts.io.into_inner()), parts.read_buf),
            Err(upgraded) => upgraded,
        };
        // axum uses hyper-util, which has its own wrapper.
        match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(parts) => (Self::Tcp(parts.io.into_inner()), parts.read_buf),
            Err(upgraded) => (Self::Upgraded(Box::new(TokioIo::new(upgraded))), Bytes::new()),
        }
    }
}

impl ByteStream for Transport {
    fn peer_has_ended(&self) -> bool {
        match self {
            Self::Tcp(stream) => has_ended(stream),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => has_ended(stream.get_ref().0),
            Self::Upgraded(_) => false,
            #[cfg(feature = "http2")]
            Self::Tunnel(_) => false,
            #[cfg(feature = "testing")]
            Self::Memory(pipe) => pipe.peer_has_ended(),
        }
    }

    #[inline]
    fn may_be_readable(&self) -> bool {
        match self {
            // The closure does not read. It runs only if the socket is readable or closed.
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || Ok(())).is_ok(),
            _ => true,
        }
    }
}

/// Returns whether the peer has closed its side or reset the stream, as far as the socket knows.
/// Unread bytes do not matter.
///
/// This polls once and never waits. The interest includes `READABLE`, because `ERROR` alone would
/// not show a FIN. The readiness is not cleared, because then unread bytes would not wake the task.
fn has_ended(stream: &TcpStream) -> bool {
    let ready = pin!(stream.ready(Interest::READABLE | Interest::ERROR));
    match ready.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(ready)) => ready.is_read_closed() || ready.is_error(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}

/// Calls the same method on the stream of any variant.
macro_rules! on_stream {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport {
            Self::Tcp($stream) => $call,
            #[cfg(feature = "tls")]
            Self::Tls($stream) => $call,
            Self::Upgraded($stream) => $call,
            #[cfg(feature = "http2")]
            Self::Tunnel($stream) => $call,
            #[cfg(feature = "testing")]
            Self::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, into))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        on_stream!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_stream!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        on_stream!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_stream!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
