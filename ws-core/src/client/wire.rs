//! [`Wire`]: sends and receives messages over an open connection, and ends it with the close frame
//! that fits.
//!
//! It owns the stream until the connection ends. All methods poll and keep their state between
//! polls, so dropping a future loses nothing. What is left after the end (the last flush, reading
//! until the server closes TCP) is done by a task.
//!
//! It must not connect, and it knows no deadlines but `close_deadline` and `dead_after`.

use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, Sleep},
};

use super::{
    ledger::Ledger,
    settings::Settings,
    transport::{Transport, drain},
};
use crate::{
    socket::{Deflate, Ended, Incoming, SizeLimits, Socket},
    wire::{CloseFrame, CloseReason, Message, Text},
};

/// The limit of pongs that wait for a server that does not read. At the limit, reading pauses.
const MAX_UNFLUSHED_PONGS: u32 = 64;

/// The messages of one connection.
pub(super) struct Wire {
    state: State,
    /// A message that was read while sending. Reading pauses until it is taken.
    read_ahead: Option<Message>,
    /// Pongs, and pings of the ledger, that were queued since the last flush.
    unflushed_pongs: u32,
    silence: Option<Silence>,
    close_deadline: Duration,
    ledger: Option<Ledger>,
}

enum State {
    Open(Box<Socket<Transport>>),
    Ended(CloseReason),
}

/// Measures how long nothing has arrived.
struct Silence {
    limit: Duration,
    last_read: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Wire {
    /// Takes over the transport after the 101. `prefix` holds the bytes that were read after it.
    pub(super) fn new(
        transport: Transport,
        prefix: &[u8],
        deflate: Option<Box<Deflate>>,
        settings: &Settings,
    ) -> Self {
        let limits = SizeLimits::new(settings.message_limit, settings.frame_limit, usize::MAX);
        let socket = Socket::of_client(transport, prefix, limits).with_deflate(deflate);
        Self {
            state: State::Open(Box::new(socket)),
            read_ahead: None,
            unflushed_pongs: 0,
            silence: settings.dead_after.map(Silence::new),
            close_deadline: settings.close_deadline,
            ledger: settings.confirms.then(Ledger::default),
        }
    }

    /// Returns why the connection ended; `None` while it is open.
    pub(super) fn ended(&self) -> Option<&CloseReason> {
        match &self.state {
            State::Open(_) => None,
            State::Ended(reason) => Some(reason),
        }
    }

    pub(super) fn close_deadline(&self) -> Duration {
        self.close_deadline
    }

    /// Returns the number of messages that were sent and that no pong has confirmed.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.ledger.as_ref().map_or(0, Ledger::unconfirmed)
    }

    /// Takes the message that was read while sending.
    pub(super) fn take_read_ahead(&mut self) -> Option<Message> {
        self.read_ahead.take()
    }

    /// Returns the next message, or why the connection ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CloseReason>> {
        match self.read_ahead.take() {
            Some(message) => Poll::Ready(Ok(message)),
            None => self.poll_read(cx),
        }
    }

    /// Takes the message out of `message` when the messages before it are written, and flushes it.
    ///
    /// With `reads_first` it reads what has arrived before it sends. This way a program that only
    /// sends answers pings and notices a close frame.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
        reads_first: bool,
    ) -> Poll<Result<(), CloseReason>> {
        if reads_first && self.read_ahead.is_none() {
            match self.poll_read(cx) {
                Poll::Ready(Ok(message)) => self.read_ahead = Some(message),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {}
            }
        }
        let socket = match &mut self.state {
            State::Open(socket) => socket,
            State::Ended(reason) => return Poll::Ready(Err(reason.clone())),
        };
        let sent = poll_send_on(socket, cx, message, self.ledger.as_mut());
        match ready!(sent) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.end(CloseReason::Gone(error.kind())))),
        }
    }

    /// Sends a close frame and waits for the server's. Messages that arrive before it are
    /// discarded.
    pub(super) async fn close(&mut self, frame: CloseFrame) -> CloseReason {
        self.read_ahead = None;
        self.queue_close(Some(&frame));
        if let State::Open(socket) = &mut self.state
            && let Err(error) = poll_fn(|cx| socket.poll_flush(cx)).await
        {
            return self.end(CloseReason::Gone(error.kind()));
        }
        loop {
            if let Err(reason) = poll_fn(|cx| self.poll_read(cx)).await {
                return reason;
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CloseReason>> {
        loop {
            let socket = match &mut self.state {
                State::Open(socket) => socket,
                State::Ended(reason) => return Poll::Ready(Err(reason.clone())),
            };
            if self.unflushed_pongs > 0 {
                match socket.poll_flush(cx) {
                    // After a failed write there may be messages to read. The read reports the
                    // error.
                    Poll::Ready(_) => self.unflushed_pongs = 0,
                    Poll::Pending if self.unflushed_pongs >= MAX_UNFLUSHED_PONGS => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            let Poll::Ready(arrived) = socket.poll_read(cx) else {
                // Frees the memory that only a busy connection needs. A client has no counters, so
                // the result is not used.
                let _ = socket.settle_compression();
                let silence = self.silence.as_mut().map_or(Poll::Pending, |silence| silence.poll(cx));
                ready!(silence);
                return Poll::Ready(Err(self.end(CloseReason::Heartbeat)));
            };
            if let Some(silence) = &mut self.silence {
                silence.last_read = Instant::now();
            }
            match arrived {
                Ok(Incoming::Message(message)) => return Poll::Ready(Ok(message)),
                // The socket has queued the pong. The next flush sends it.
                Ok(Incoming::Ping(_)) => self.unflushed_pongs += 1,
                Ok(Incoming::Pong(payload)) => {
                    let next = self.ledger.as_mut().and_then(|ledger| ledger.confirm(&payload));
                    if let Some(marker) = next {
                        socket.send_ping(marker);
                        self.unflushed_pongs += 1;
                    }
                }
                Ok(Incoming::Close(received)) => return Poll::Ready(Err(self.end_by_close(received))),
                Err(Ended::Fault(fault)) => {
                    let frame = CloseFrame::new(fault.close_code(), fault.close_reason());
                    self.queue_close(Some(&frame));
                    return Poll::Ready(Err(self.end(CloseReason::Fault(fault))));
                }
                Err(Ended::Gone(kind)) => return Poll::Ready(Err(self.end(CloseReason::Gone(kind)))),
            }
        }
    }

    /// Ends the connection after the server's close frame, which is answered with its code.
    fn end_by_close(&mut self, received: Option<(u16, Text)>) -> CloseReason {
        let answer = received.as_ref().map(|(code, _)| CloseFrame::new(*code, ""));
        self.queue_close(answer.as_ref());
        let (code, reason) = received.map_or((None, Text::default()), |(code, text)| (Some(code), text));
        self.end(CloseReason::Peer { code, reason })
    }

    /// Queues a close frame, unless one was queued before.
    fn queue_close(&mut self, frame: Option<&CloseFrame>) {
        if let State::Open(socket) = &mut self.state {
            socket.send_close(frame);
        }
    }

    /// Ends the connection. This is the only function that does so.
    fn end(&mut self, reason: CloseReason) -> CloseReason {
        let state = mem::replace(&mut self.state, State::Ended(reason.clone()));
        match (state, &reason) {
            // The server is not reachable, so nothing is sent.
            (State::Open(_), CloseReason::Gone(_) | CloseReason::Heartbeat) | (State::Ended(_), _) => {}
            (State::Open(socket), _) => close_in_background(socket, self.close_deadline),
        }
        reason
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let frame = CloseFrame::new(1000, "");
            self.queue_close(Some(&frame));
            self.end(CloseReason::Local { code: frame.code, reason: frame.reason });
        }
    }
}

/// Takes the message when the earlier messages are written, and flushes. The caller repeats it,
/// with `None` inside, until the flush is done.
fn poll_send_on(
    socket: &mut Socket<Transport>,
    cx: &mut Context<'_>,
    message: &mut Option<Message>,
    ledger: Option<&mut Ledger>,
) -> Poll<io::Result<()>> {
    if message.is_some() {
        ready!(socket.poll_flush(cx))?;
    }
    if let Some(message) = message.take() {
        socket.send(message);
        if let Some(marker) = ledger.and_then(Ledger::sent) {
            socket.send_ping(marker);
        }
    }
    socket.poll_flush(cx)
}

/// Writes as much as the socket takes at once. A task flushes the rest and reads until the server
/// closes TCP. Without a runtime nothing does this, and the close frame is lost if the socket is
/// full.
fn close_in_background(mut socket: Box<Socket<Transport>>, within: Duration) {
    let _ = socket.poll_flush(&mut Context::from_waker(Waker::noop()));
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let _ = tokio::time::timeout(within, poll_fn(|cx| socket.poll_flush(cx))).await;
        drain(socket.into_io(), within).await;
    });
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, last_read: Instant::now(), timer: Box::pin(tokio::time::sleep(limit)) }
    }

    /// Ready when nothing has arrived for the limit. It is polled only when there is nothing to
    /// read, so that a delay of this program does not count as a silence of the server.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let remaining = self.limit.saturating_sub(self.last_read.elapsed());
            if remaining.is_zero() {
                return Poll::Ready(());
            }
            self.timer.set(tokio::time::sleep(remaining));
        }
    }
}
