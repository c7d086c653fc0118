//! [`Socket`]: reads messages and writes frames over any `AsyncRead + AsyncWrite`.
//!
//! The socket owns the transport of one open connection, on the server's or the client's side. The
//! session's driver or the client polls it. Received bytes are in an [`Input`], which is borrowed
//! from a pool, and [`Frames`] parses them to messages. All writing goes through one [`OutQueue`]
//! and one place, [`Socket::poll_flush`]. A pong is queued as soon as the ping is read, after the
//! frames that are queued, so it never interrupts a frame.
//!
//! The socket must not use user code, timers or the outbox. It never decides to close: it reports,
//! and its owner decides.

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "deflate")]
mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "no_deflate.rs"]
mod deflate;
mod drain;
mod frames;
mod header;
#[cfg(feature = "http2")]
mod http2;
mod input;
mod mask;
mod open;
mod out_queue;
mod payload;
#[cfg(feature = "testing")]
mod pipe;
mod shared;
mod transport;
mod utf8;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::has_budget_remaining,
};

#[cfg(feature = "testing")]
pub(crate) use self::pipe::Pipe;
pub(crate) use self::transport::Transport;
pub(crate) use self::{
    deflate::Deflate,
    header::is_whole_message,
    out_queue::{OutQueue, data_frame, encode},
    shared::{SharedFormat, SharedFrame},
};
use self::{
    drain::Skipper,
    frames::Frames,
    input::{Input, Size},
    mask::Role,
};
use crate::{
    config::Limits,
    fixed,
    telemetry::CompressedBytes,
    wire::{Message, MessageError, Text},
};

/// An event that arrives on an open connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
    /// The peer's close frame. The answer must have the same code.
    Close(Option<(u16, Text)>),
}

/// The reason why nothing more will arrive.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The peer broke the protocol or a limit. It should get a close frame with the matching code.
    Fault(MessageError),
    /// The transport has ended or failed.
    Gone(io::ErrorKind),
}

/// The limits of a message that this side accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeLimits {
    /// In bytes.
    message: usize,
    /// In bytes; at most `message`.
    frame: usize,
    /// In frames.
    fragments: usize,
}

impl SizeLimits {
    /// Makes the limits. If `frame` is `None` or larger than `message`, it is `message`.
    pub(crate) fn new(message: usize, frame: Option<usize>, fragments: usize) -> Self {
        Self { message, frame: frame.map_or(message, |frame| frame.min(message)), fragments }
    }
}

impl From<&Limits> for SizeLimits {
    fn from(limits: &Limits) -> Self {
        Self::new(limits.message, limits.frame, limits.fragments)
    }
}

/// The byte stream of a connection.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin {
    /// Returns whether the peer has closed its side or reset the stream, as far as this is known
    /// without reading.
    fn peer_has_ended(&self) -> bool {
        false
    }

    /// Returns whether a read may be ready, as far as this is known without a system call. If it is
    /// false, the waker of the last read that was pending is still registered.
    fn may_be_readable(&self) -> bool {
        true
    }
}

/// The transport of one open connection.
// The last fields are those that a write touches, see `Session`.
#[repr(C)]
pub(crate) struct Socket<S> {
    limits: SizeLimits,
    budget: Budget,
    frames: Frames,
    /// The state of [`Self::poll_drain`], from its first call on.
    drain: Option<Box<Skipper>>,
    /// The largest value of `written` that a pong has confirmed.
    confirmed: u64,
    io: S,
    /// The received bytes, in a buffer from the pool or, directly after the handshake, in one of
    /// its own. `None` while the peer sends nothing.
    input: Option<Box<Input>>,
    /// The frames to write.
    out: OutQueue,
    /// The compression of messages, if it was negotiated.
    deflate: Option<Box<Deflate>>,
    /// The number of bytes that the transport has accepted.
    written: u64,
    /// The number of queued bytes up to the end of the last ping of [`Self::ping`].
    ping_behind: u32,
    /// The size of the next buffer.
    size: Size,
    /// Whether the transport may still buffer accepted bytes, as TLS does.
    unflushed: bool,
    /// Whether the last read was pending because nothing had arrived, so that its waker is
    /// registered. Without it, the task's budget may have been used up.
    has_read_all: bool,
    /// See [`Self::is_alive`].
    alive: bool,
    /// Whether the transport has refused bytes since it last accepted some.
    is_blocked: bool,
    /// Whether a close frame was queued with `send_close`. Only a client calls it.
    has_sent_close: bool,
}

/// The frames and bytes that may still be read in this poll. A frame that arrives in several reads
/// counts for each of them.
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

    /// Counts the decompressed bytes like received ones. After an incomplete slice nothing more is
    /// read in this poll.
    fn charge(&mut self, deflate: &mut Deflate) {
        self.bytes = self.bytes.saturating_sub(deflate.take_inflated());
        if deflate.is_inflating() {
            self.bytes = 0;
        }
    }
}

impl<S> Socket<S> {
    /// Returns the bytes that were compressed and decompressed since the last call. Must be called
    /// before the task sleeps, because it frees what an idle connection does not need.
    pub(crate) fn settle_compression(&mut self) -> Option<CompressedBytes> {
        self.deflate.as_mut()?.settle()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over the server's side of a transport after the 101. `prefix` holds the bytes that
    /// were read after it.
    pub(crate) fn new(io: S, prefix: Bytes, limits: SizeLimits) -> Self {
        Self::with_role(Role::Server, io, &prefix, limits)
    }

    /// Compresses messages as the handshake has agreed. Must be called before the first read.
    pub(crate) fn with_deflate(self, deflate: Option<Box<Deflate>>) -> Self {
        Self { deflate, ..self }
    }

    fn with_role(role: Role, io: S, prefix: &[u8], limits: SizeLimits) -> Self {
        Self {
            io,
            input: (!prefix.is_empty()).then(|| Box::new(Input::holding(prefix))),
            size: Size::default(),
            frames: Frames::new(role),
            limits,
            out: OutQueue::default(),
            deflate: None,
            unflushed: false,
            budget: Budget::FULL,
            has_read_all: false,
            alive: false,
            is_blocked: false,
            has_sent_close: false,
            ping_behind: 0,
            written: 0,
            confirmed: 0,
            drain: None,
        }
    }

    /// Returns the queue of frames to send. Frames are appended, never inserted.
    pub(crate) fn out(&mut self) -> &mut OutQueue {
        match &mut self.deflate {
            None => &mut self.out,
            Some(deflate) => deflate.plain(),
        }
    }

    /// Returns whether the peer reads too slowly, so that nothing more should be queued for it.
    pub(crate) fn is_backlogged(&self) -> bool {
        let uncompressed = self.deflate.as_ref().map_or(0, |deflate| deflate.waiting());
        self.out.len() + uncompressed > fixed::BACKLOG_BYTES
    }

    /// Returns whether the peer has shown activity since the last [`Self::ping`]: it has sent
    /// anything, or it has read, so that a full transport accepted bytes again.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive
    }

    /// Queues a ping whose payload is the number of bytes in front of it, unless the last ping is
    /// still queued. Returns the number of accepted bytes that the peer may not have read yet.
    pub(crate) fn ping(&mut self) -> u64 {
        self.alive = false;
        if self.ping_behind == 0 {
            let count = self.written.saturating_add(self.out.len() as u64);
            // It goes ahead of the messages that are not compressed yet, because their size is not
            // known.
            self.out.ping(Bytes::copy_from_slice(&count.to_be_bytes()));
            self.ping_behind = clamped(self.out.len());
        }
        self.written.saturating_sub(self.confirmed)
    }

    /// Evaluates a pong: the peer has read the number of bytes in its payload. A number above the
    /// bytes written is ignored. A forged lower number only shortens the time that the peer gets.
    pub(crate) fn accept_pong(&mut self, payload: &[u8]) {
        let Ok(count) = payload.try_into().map(u64::from_be_bytes) else { return };
        if count <= self.written {
            self.confirmed = self.confirmed.max(count);
        }
    }

    /// Whether [`Self::poll_read`] was pending because nothing had arrived, not because a budget
    /// was used up.
    pub(crate) fn has_read_all(&self) -> bool {
        self.has_read_all
    }

    /// Returns the next message, ping, pong or close frame. A ping is answered here.
    ///
    /// It is also pending when the budget of this poll is used up, and then wakes the task. It must
    /// not be called again after an error or a close frame.
    #[inline] // without it the compiler does not inline it into the driver's turn
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, Ended>> {
        loop {
            if self.budget.is_spent() {
                self.budget = Budget::FULL;
                self.has_read_all = false;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let next = match &mut self.input {
                _ if self.deflate.is_some() => ready!(self.poll_compressed(cx)),
                Some(input) if !input.is_empty() => {
                    self.budget.frames -= 1;
                    self.frames.next(input, &self.limits, None).map_err(Ended::Fault)
                }
                _ => ready!(self.poll_fill(cx)),
            };
            match next {
                Ok(None) => {}
                Ok(Some(Incoming::Message(message))) => return Poll::Ready(Ok(Incoming::Message(message))),
                Ok(Some(control)) => {
                    self.note_control(&control);
                    return Poll::Ready(Ok(control));
                }
                Err(ended) => return Poll::Ready(Err(ended)),
            }
        }
    }

    /// Reads a frame, or decompresses the next slice of the last message, on a connection with
    /// compression. Not inlined, so that connections without it do not pay for it.
    #[inline(never)]
    fn poll_compressed(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Incoming>, Ended>> {
        let next = match (&mut self.input, &mut self.deflate) {
            (_, Some(deflate)) if deflate.is_inflating() => {
                let message = deflate.resume(self.limits.message).map_err(Ended::Fault);
                message.map(|message| message.map(Incoming::Message))
            }
            (Some(input), deflate) if !input.is_empty() => {
                self.budget.frames -= 1;
                self.frames.next(input, &self.limits, deflate.as_deref_mut()).map_err(Ended::Fault)
            }
            _ => ready!(self.poll_fill(cx)),
        };
        if let Some(deflate) = &mut self.deflate {
            self.budget.charge(deflate);
        }
        Poll::Ready(next)
    }

    /// Reads once from the transport, into the input. The payload of a large message is read
    /// directly into the memory of the message. Returns that message if it is complete.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Incoming>, Ended>> {
        let is_straight = self.frames.reads_straight();
        let polled =
            if is_straight { self.frames.poll_straight(&mut self.io, cx) } else { self.poll_input(cx) };
        let read = match polled {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(Ended::Gone(io::ErrorKind::UnexpectedEof))),
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(Ended::Gone(error.kind()))),
            Poll::Pending => {
                self.release_input();
                (self.budget, self.has_read_all) = (Budget::FULL, has_budget_remaining());
                return Poll::Pending;
            }
        };
        (self.alive, self.has_read_all) = (true, false);
        self.budget.bytes = self.budget.bytes.saturating_sub(read);
        let complete = if is_straight {
            self.frames.take_straight(&self.limits, self.deflate.as_deref_mut())
        } else {
            Ok(None)
        };
        Poll::Ready(complete.map_err(Ended::Fault))
    }

    /// Reads once from the transport into an empty input.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.as_ref().is_some_and(|input| !input.is(self.size)) {
            self.release_input();
        }
        let input = self.input.get_or_insert_with(|| input::borrow(self.size));
        let read = ready!(input.poll_fill(&mut self.io, cx))?;
        self.size = Size::after(read);
        Poll::Ready(Ok(read))
    }

    /// Returns the input to the pool, unless it has unread bytes.
    fn release_input(&mut self) {
        if let Some(input) = self.input.take_if(|input| input.is_empty()) {
            input::give_back(input);
        }
    }

    /// Answers a ping, unless this side has sent its close frame, because nothing may follow that.
    #[cold]
    fn note_control(&mut self, frame: &Incoming) {
        if let Incoming::Ping(payload) = frame
            && !self.has_sent_close
        {
            self.out.frame(header::PONG, payload.clone(), self.frames.role().new_mask());
        }
    }

    /// Writes the queue as far as the transport accepts it. Ready when nothing is left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.release_input();
        if self.deflate.is_some() {
            return self.poll_flush_compressed(cx);
        }
        self.poll_write_all(cx)
    }

    /// Compresses what is queued, about [`fixed::COMPRESSED_A_POLL`] bytes, and writes it.
    #[inline(never)]
    fn poll_flush_compressed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut budget = fixed::COMPRESSED_A_POLL;
        loop {
            if let Some(deflate) = &mut self.deflate {
                deflate.advance(&mut self.out, self.frames.role(), &mut budget);
            }
            let written = self.poll_write_all(cx)?;
            // A message that was begun is compressed to its end also if the peer does not read.
            // Otherwise each such peer would hold a compressor.
            if self.deflate.as_ref().is_some_and(|deflate| deflate.is_deflating()) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(written);
            if self.deflate.as_ref().is_none_or(|deflate| deflate.waiting() == 0) {
                return Poll::Ready(Ok(()));
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn poll_write_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        Poll::Ready(Ok(()))
    }

    /// Closes the write side. Must be called after everything is flushed.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Returns whether the peer's close frame has arrived, even if it was discarded.
    pub(crate) fn has_seen_close(&self) -> bool {
        self.frames.has_read_close() || self.drain.as_ref().is_some_and(|drain| drain.has_seen_close())
    }

    /// Reads and discards until the peer has sent its close frame, has closed its side, or has sent
    /// too much. Nothing may follow a close frame (RFC 6455 section 5.5.1), so the socket is closed
    /// then (section 7.1.1).
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let drain = self.drain.get_or_insert_with(|| Box::new(self.frames.skip_rest()));
        // The bytes that were read but not parsed come first.
        if let Some(mut input) = self.input.take() {
            drain.skip(input.unread());
            input::give_back(input);
        }
        let mut scratch = [std::mem::MaybeUninit::uninit(); 8 << 10];
        while !drain.is_full() {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => drain.skip(buffer.filled()),
                Poll::Pending if !self.frames.has_read_close() && !drain.has_seen_close() => {
                    return Poll::Pending;
                }
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

    /// Returns whether nothing has arrived since the last [`Self::poll_read`], which was pending.
    /// Its waker is still registered, so it need not be called again before the task sleeps.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.has_read_all && !self.io.may_be_readable()
    }
}

/// Converts a number of bytes. The bytes in front of a ping never exceed 32 bits.
fn clamped(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
