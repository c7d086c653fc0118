//! Wrappers that make internal parts accessible to fuzz targets.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    envelope::{self, ErrorData, EventError, Format, Raw, ReplyTo},
    request::ParamError,
    server::{Arrival, proxy_protocol},
    socket::{self, Ended, Incoming, SizeLimits},
    testing::TestApp,
    wire::{Message, SendError, Text},
};

/// A pipe to a server of this application, as a stream from this peer would be.
pub fn connect(
    app: &TestApp,
    server: &str,
    peer: Option<SocketAddr>,
) -> impl AsyncRead + AsyncWrite + Send + Unpin + use<> {
    app.pipe_from(server, Arrival { peer, transport: peer, ..Arrival::default() })
}

/// Parses the PROXY header at the beginning of a stream. Returns its source address and its length;
/// `None` if the header is incomplete.
///
/// # Errors
/// If the bytes are not a PROXY header.
pub fn proxy_header(seen: &[u8]) -> io::Result<Option<(Option<SocketAddr>, usize)>> {
    Ok(proxy_protocol::parse(seen)?.map(|header| (header.source, header.length)))
}

/// A received envelope.
#[derive(Debug)]
pub struct Envelope<'a> {
    format: Format,
    inner: envelope::Envelope<'a>,
}

impl<'a> Envelope<'a> {
    /// Reads a message of a connection that speaks this subprotocol.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(subprotocol: Option<&str>, message: &'a Message) -> Result<Self, EventError> {
        let format = Format::of(subprotocol);
        Ok(Self { format, inner: envelope::Envelope::read(format, message)? })
    }

    /// The event's name.
    pub fn event(&self) -> &str {
        self.inner.event()
    }

    /// The data as it was received.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.inner.data.map(bytes)
    }

    /// The reference as it was received.
    pub fn reference(&self) -> Option<&'a [u8]> {
        self.inner.reference.map(bytes)
    }

    /// The data as this type; `None` if there is none.
    pub fn decode<T: Deserialize<'a>>(&self) -> Option<Result<T, ParamError>> {
        self.inner.data.map(|data| Ok(data.decode()?))
    }

    /// An answer to it.
    ///
    /// # Errors
    /// When the data cannot be serialised.
    pub fn answer<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Message, SendError> {
        self.format.encode(event, data, self.inner.reference)
    }

    /// The answer that refuses it.
    ///
    /// # Errors
    /// None is expected.
    pub fn refusal(&self, code: &str, message: &str, path: &str) -> Result<Message, SendError> {
        let fields = &serde_json::Value::Null;
        ReplyTo::new(self.format, self.inner.reference).error(&ErrorData { code, message, path, fields })
    }
}

fn bytes(raw: Raw<'_>) -> &[u8] {
    match raw {
        Raw::Json(raw) => raw.get().as_bytes(),
        #[cfg(feature = "msgpack")]
        Raw::MsgPack(raw) => raw,
    }
}

/// An event of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in `socket`")]
pub enum Received {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<(u16, Text)>),
    /// The close code that answers the fault.
    Fault(u16),
    Gone(io::ErrorKind),
}

impl Received {
    /// Whether nothing may be read any more.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Close(_) | Self::Fault(_) | Self::Gone(_))
    }
}

/// The socket layer over any transport.
pub struct Socket<S>(socket::Socket<S>);

impl<S> std::fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Socket")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `message` and `frame` are limits in bytes; the number of fragments has none.
    pub fn new(io: S, prefix: Bytes, message: usize, frame: usize) -> Self {
        Self(socket::Socket::new(io, prefix, SizeLimits::new(message, Some(frame), usize::MAX)))
    }

    /// Returns the next event.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        self.0.poll_read(cx).map(|read| match read {
            Ok(Incoming::Message(message)) => Received::Message(message),
            Ok(Incoming::Ping(payload)) => Received::Ping(payload),
            Ok(Incoming::Pong(payload)) => Received::Pong(payload),
            Ok(Incoming::Close(close)) => Received::Close(close),
            Err(Ended::Fault(fault)) => Received::Fault(fault.close_code()),
            Err(Ended::Gone(kind)) => Received::Gone(kind),
        })
    }

    /// Writes what is queued.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    /// Queues a message.
    pub fn push(&mut self, message: Message) {
        self.0.out().message(message);
    }
}
