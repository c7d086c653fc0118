//! [`Socket`]: reads messages and writes frames over any `AsyncRead + AsyncWrite`. Only this module
//! and the clients use tungstenite.
//!
//! The socket owns the transport of one open connection; the session's driver polls it.
//! tungstenite's `WebSocketContext` decodes. It takes its stream as an argument of each call, so it
//! is borrowed from a [`pool`] while bytes are in flight, and gets an [`Adapter`] for each poll.
//! All writing goes through one [`OutQueue`] and one place, [`Socket::poll_flush`]. The codec's own
//! output (pongs, written inside `read`) is appended to that queue, so it never interrupts a frame.
//!
//! The socket must not use user code, timers or the outbox. It never decides to close: it reports,
//! and the session decides.

mod adapter;
mod out_queue;
#[cfg(feature = "testing")]
mod pipe;
mod pool;
mod translate;
mod transport;
mod walker;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Error as WsError;

#[cfg(feature = "testing")]
pub(crate) use self::pipe::Pipe;
pub(crate) use self::transport::Transport;
use self::{
    adapter::Adapter,
    pool::{Codec, Size},
};
pub(crate) use self::{
    out_queue::{OutQueue, encode},
    translate::{Ended, Incoming},
    walker::{FrameWalker, Sender},
};
use crate::{config::Limits, fixed, wire::MessageError};

/// The limits of a message that this side accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimits {
    /// In bytes.
    pub(crate) message: usize,
    /// In bytes.
    pub(crate) frame: usize,
    /// In frames.
    pub(crate) fragments: usize,
}

impl From<&Limits> for SizeLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            message: limits.message,
            // A route may lower one of the two alone.
            frame: limits.frame.map_or(limits.message, |frame| frame.min(limits.message)),
            fragments: limits.fragments,
        }
    }
}

/// The byte stream of a connection.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin {
    /// Returns whether the peer has closed its side or reset the stream, as far as this is known
    /// without reading.
    fn peer_has_ended(&self) -> bool {
        false
    }
}

/// The transport of one open connection.
pub(crate) struct Socket<S> {
    io: S,
    /// Bytes that arrived after the handshake and are not read yet; usually none.
    prefix: Option<Box<Bytes>>,
    /// Borrowed from the pool; `None` while the peer sends nothing.
    codec: Option<Box<Codec>>,
    /// The size of the codec to borrow next.
    size: Size,
    limits: SizeLimits,
    walker: FrameWalker,
    out: OutQueue,
    /// Whether the transport may still buffer accepted bytes, as TLS does.
    unflushed: bool,
    budget: Budget,
    /// Whether the last read was pending because nothing had arrived.
    is_dry: bool,
    /// See [`Self::is_alive`].
    alive: bool,
    /// Whether the transport has refused bytes since it last accepted some.
    is_blocked: bool,
    /// The number of queued bytes up to the end of the last ping of [`Self::ping`].
    ping_behind: u32,
    /// The number of bytes that the transport has accepted.
    written: u64,
    /// The largest value of `written` that a pong has confirmed.
    confirmed: u64,
    /// The number of bytes that [`Self::poll_drain`] has discarded.
    drained: usize,
}

/// The frames and bytes that may still be read in this poll.
#[derive(Clone, Copy)]
struct Budget {
    frames: u32,
    bytes: usize,
}

impl Budget {
    const FULL: Self = Self { frames: fixed::FRAMES_A_POLL, bytes: fixed::BYTES_A_POLL };

    fn is_spent(self) -> bool {
        self.frames == 0 || self.bytes == 0
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a transport after the 101. `prefix` holds the bytes that were read after it.
    pub(crate) fn new(io: S, prefix: Bytes, limits: SizeLimits) -> Self {
        Self {
            io,
            // An empty slice would still pin the buffer that the handshake was read into.
            prefix: (!prefix.is_empty()).then(|| Box::new(prefix)),
            codec: None,
            size: Size::default(),
            limits,
            walker: FrameWalker::new(Sender::Client, limits.fragments),
            out: OutQueue::default(),
            unflushed: false,
            budget: Budget::FULL,
            is_dry: false,
            alive: false,
            is_blocked: false,
            ping_behind: 0,
            written: 0,
            confirmed: 0,
            drained: 0,
        }
    }

    /// Returns the queue of frames to send. Frames are appended, never inserted.
    pub(crate) fn out(&mut self) -> &mut OutQueue {
        &mut self.out
    }

    /// Returns whether the peer reads too slowly, so that nothing more should be queued for it.
    pub(crate) fn is_backlogged(&self) -> bool {
        self.out.len() > fixed::BACKLOG_BYTES
    }

    /// Returns whether the peer has sent anything, or has read so that a full transport accepted
    /// bytes again, since the last [`Self::ping`].
    pub(crate) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Queues a ping whose payload is the number of bytes in front of it, unless the last ping is
    /// still queued. Returns the number of accepted bytes that the peer may not have read yet.
    pub(crate) fn ping(&mut self) -> u64 {
        self.alive = false;
        if self.ping_behind == 0 {
            let count = self.written.saturating_add(self.out.len() as u64);
            self.out.ping(Bytes::copy_from_slice(&count.to_be_bytes()));
            self.ping_behind = clamped(self.out.len());
        }
        self.written.saturating_sub(self.confirmed)
    }

    /// Evaluates a pong: the peer has read the number of bytes in its payload. A number above the
    /// bytes written is ignored. A forged lower number only shortens the time that the peer gets.
    pub(crate) fn ponged(&mut self, payload: &[u8]) {
        let Ok(count) = payload.try_into().map(u64::from_be_bytes) else { return };
        if count <= self.written {
            self.confirmed = self.confirmed.max(count);
        }
    }

    /// Whether [`Self::poll_read`] was pending because nothing had arrived, not because its budget
    /// was used up.
    pub(crate) fn is_dry(&self) -> bool {
        self.is_dry
    }

    /// Returns the next message, ping, pong or close frame.
    ///
    /// Also pending when the budget of this poll is used up; the task is woken then. After an error
    /// it must not be called again, because tungstenite may return the message that it refused.
    #[inline] // without it the compiler does not inline it into the driver's turn: 200 instructions a message
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Ended>> {
        loop {
            if self.budget.is_spent() {
                self.budget = Budget::FULL;
                self.is_dry = false;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut codec = self.codec.take().unwrap_or_else(|| pool::borrow(self.size, self.limits));
            // Usually there is nothing to read. The codec is not called then, because it would
            // clear its buffer first.
            if self.prefix.is_none() && codec.input.is_empty() && self.walker.is_drained() {
                match codec.input.poll_fill(&mut self.io, cx) {
                    Poll::Pending => {
                        self.release(codec);
                        (self.budget, self.is_dry) = (Budget::FULL, true);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(Ended::Gone(io::ErrorKind::UnexpectedEof))),
                    Poll::Ready(Ok(_)) => self.alive = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(Ended::Gone(error.kind()))),
                }
            }
            let Codec { context, input, .. } = &mut *codec;
            let mut adapter = Adapter {
                io: &mut self.io,
                cx,
                prefix: &mut self.prefix,
                input,
                walker: &mut self.walker,
                out: &mut self.out,
                budget: &mut self.budget,
                alive: &mut self.alive,
            };
            match context.read(&mut adapter) {
                Ok(message) => {
                    self.budget.frames = self.budget.frames.saturating_sub(1);
                    codec.note_held(message.len());
                    if message.is_text() || message.is_binary() {
                        self.size = Size::of(message.len());
                        self.walker.note_returned();
                    }
                    self.codec = Some(codec);
                    if let Some(incoming) = Incoming::from_codec(message, &self.walker) {
                        return Poll::Ready(incoming);
                    }
                }
                Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.walker.is_stopped() {
                        self.codec = Some(codec);
                        let limit = self.limits.fragments;
                        return Poll::Ready(Err(Ended::Fault(MessageError::TooManyFragments { limit })));
                    }
                    if self.budget.is_spent() {
                        self.codec = Some(codec);
                        continue;
                    }
                    // The codec has returned all that was read. The adapter accepts each pong at
                    // once, so none is left in the codec.
                    if self.walker.is_between_messages() {
                        self.walker.note_all_returned();
                        self.release(codec);
                    } else {
                        self.codec = Some(codec);
                    }
                    (self.budget, self.is_dry) = (Budget::FULL, true);
                    return Poll::Pending;
                }
                // The codec holds bytes of this connection, so it does not return to the pool.
                Err(error) => {
                    self.codec = Some(codec);
                    return Poll::Ready(Err(error.into()));
                }
            }
        }
    }

    /// Returns a codec that holds no bytes to the pool.
    ///
    /// Queued frames may share the buffer of a large codec, and its next user would have to
    /// allocate a new one. Such a codec stays here until all is written.
    fn release(&mut self, codec: Box<Codec>) {
        if codec.is_large() && !self.out.is_empty() {
            self.codec = Some(codec);
        } else {
            pool::give_back(codec);
        }
    }

    /// Writes the queue as far as the transport accepts it. Ready when nothing is left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.is_empty() && !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        while !self.out.is_empty() {
            let Poll::Ready(written) = self.out.poll_write(&mut self.io, cx) else {
                self.is_blocked = true;
                return Poll::Pending;
            };
            let written = written?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            // A full transport accepts bytes again, so the peer has read.
            self.alive |= std::mem::take(&mut self.is_blocked);
            self.written = self.written.saturating_add(written as u64);
            self.ping_behind = self.ping_behind.saturating_sub(clamped(written));
            self.unflushed = true;
        }
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.unflushed = false;
        let is_drained = self.walker.is_drained();
        if let Some(codec) = self.codec.take_if(|codec| is_drained && codec.input.is_empty()) {
            pool::give_back(codec);
        }
        Poll::Ready(Ok(()))
    }

    /// Closes the write side. Must be called after everything is flushed.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Returns whether the peer's close frame has arrived, decoded or discarded.
    pub(crate) fn has_seen_close(&self) -> bool {
        self.walker.has_seen_close()
    }

    /// Reads and discards until the peer has sent its close frame, has closed its side, or has sent
    /// too much. Nothing may follow a close frame (RFC 6455 section 5.5.1), so the socket is closed
    /// then (section 7.1.1).
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Bytes that were read and not decoded come first.
        if let Some(prefix) = self.prefix.take() {
            self.walker.skip(&prefix);
        }
        if let Some(codec) = self.codec.take() {
            self.walker.skip(codec.input.unread());
        }
        let mut scratch = [std::mem::MaybeUninit::uninit(); 8 << 10];
        while self.drained < fixed::DRAINED_BYTES {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.drained += buffer.filled().len();
                    self.walker.skip(buffer.filled());
                }
                Poll::Pending if !self.walker.has_seen_close() => return Poll::Pending,
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: ByteStream> Socket<S> {
    /// Returns whether the peer has closed its side or reset the stream, as far as this is known
    /// without reading.
    pub(crate) fn peer_has_ended(&self) -> bool {
        self.io.peer_has_ended()
    }
}

/// Converts a number of bytes. The bytes in front of a ping never exceed 32 bits.
fn clamped(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
