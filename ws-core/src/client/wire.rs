//! [`Wire`]: messages in and out over an open connection, and the close frames of every way to end.
//!
//! It owns the stream until the connection ends. Everything is polling, and the state is kept
//! between polls: dropping a future loses nothing. What is left after the end (the last flush,
//! reading until the server closes TCP) is done by a task.
//!
//! It must not connect, and it knows no deadlines but `close_deadline` and `dead_after`.

use std::{
    future::{Future, poll_fn},
    io, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as WsError, Message as Ws,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    codec::{close_message, data_message},
    ledger::Ledger,
    settings::Settings,
    transport::{Transport, Watched, drain},
};
use crate::{
    socket::{Ended, Incoming},
    wire::{CloseFrame, CloseReason, Message, Text},
};

/// The size of the read buffer, which is allocated with the connection.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// The codec collects this many bytes before it writes, unless it is flushed.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// The limit of pongs that wait for a server that does not read. At the limit, reading pauses.
const MAX_UNFLUSHED_PONGS: u32 = 64;

type Stream = WebSocketStream<Watched>;

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
    Open(Box<Stream>),
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
    pub(super) async fn new(transport: Transport, prefix: &[u8], settings: &Settings) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BUFFER_BYTES)
            .max_message_size(Some(settings.message_limit))
            .max_frame_size(Some(settings.frame_limit.unwrap_or(settings.message_limit)));
        let transport = Watched::new(transport, prefix);
        let stream =
            Stream::from_partially_read(transport, prefix.to_vec(), Role::Client, Some(config)).await;
        Self {
            state: State::Open(Box::new(stream)),
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

    /// Takes the message out of `message` once the codec has room, and flushes it.
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
        let stream = match &mut self.state {
            State::Open(stream) => stream,
            State::Ended(reason) => return Poll::Ready(Err(reason.clone())),
        };
        let sent = poll_send_on(stream, cx, message, self.ledger.as_mut());
        match ready!(sent) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.end(reason_of(error.into()), None))),
        }
    }

    /// Sends a close frame and waits for the server's. Messages that arrive before it are thrown
    /// away.
    pub(super) async fn close(&mut self, frame: CloseFrame) -> CloseReason {
        self.read_ahead = None;
        if let State::Open(stream) = &mut self.state
            && let Err(error) = stream.send(close_message(frame)).await
        {
            return self.end(reason_of(error.into()), None);
        }
        loop {
            if let Err(reason) = poll_fn(|cx| self.poll_read(cx)).await {
                return reason;
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CloseReason>> {
        loop {
            let stream = match &mut self.state {
                State::Open(stream) => stream,
                State::Ended(reason) => return Poll::Ready(Err(reason.clone())),
            };
            if self.unflushed_pongs > 0 {
                match stream.poll_flush_unpin(cx) {
                    // After a failed write there may be messages to read. The read reports the
                    // error.
                    Poll::Ready(_) => self.unflushed_pongs = 0,
                    Poll::Pending if self.unflushed_pongs >= MAX_UNFLUSHED_PONGS => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            let Poll::Ready(next) = stream.poll_next_unpin(cx) else {
                let silence = self.silence.as_mut().map_or(Poll::Pending, |silence| silence.poll(cx));
                ready!(silence);
                return Poll::Ready(Err(self.end(CloseReason::Heartbeat, None)));
            };
            if let Some(silence) = &mut self.silence {
                silence.last_read = Instant::now();
            }
            // The code that the codec answers a close frame with.
            let codec_code = match &next {
                Some(Ok(Ws::Close(Some(frame)))) => Some(u16::from(frame.code)),
                _ => None,
            };
            let arrived = match next {
                Some(Ok(message)) => Incoming::from_codec(message, stream.get_ref().walker()),
                Some(Err(error)) => Some(Err(error.into())),
                None => Some(Err(Ended::Gone(io::ErrorKind::UnexpectedEof))),
            };
            match arrived {
                Some(Ok(Incoming::Message(message))) => return Poll::Ready(Ok(message)),
                // The codec has queued the pong; the flush above sends it.
                Some(Ok(Incoming::Ping(_))) => self.unflushed_pongs += 1,
                Some(Ok(Incoming::Pong(payload))) => {
                    let next = self.ledger.as_mut().and_then(|ledger| ledger.confirm(&payload));
                    if let Some(marker) = next {
                        let _ = stream.start_send_unpin(Ws::Ping(marker));
                        self.unflushed_pongs += 1;
                    }
                }
                Some(Ok(Incoming::Close(received))) => {
                    return Poll::Ready(Err(self.end_by_close(received, codec_code)));
                }
                Some(Err(ended)) => {
                    let close_frame = match &ended {
                        // After a close frame the codec has queued its own answer and drops this
                        // one.
                        Ended::Fault(fault) => {
                            Some(CloseFrame::new(fault.close_code(), fault.close_reason()))
                        }
                        Ended::Gone(_) => None,
                    };
                    return Poll::Ready(Err(self.end(reason_of(ended), close_frame)));
                }
                None => {}
            }
        }
    }

    /// Ends the connection after the server's close frame. The codec has queued the answer, with
    /// `codec_code`: unlike the server's socket, a client leaves this to the codec.
    fn end_by_close(&mut self, received: Option<(u16, Text)>, codec_code: Option<u16>) -> CloseReason {
        let (code, reason) = received.map_or((None, Text::default()), |(code, text)| (Some(code), text));
        let reason = CloseReason::Peer { code, reason };
        if code == codec_code { self.end(reason, None) } else { self.end_by_rejected_code(reason) }
    }

    /// Ends the connection after a close frame with a valid code that the codec rejects (1014).
    fn end_by_rejected_code(&mut self, reason: CloseReason) -> CloseReason {
        if let State::Open(stream) = mem::replace(&mut self.state, State::Ended(reason.clone()))
            && let Ok(runtime) = Handle::try_current()
        {
            let (code, within) = (reason.code(), self.close_deadline);
            runtime.spawn(async move {
                // A new codec: the old one has queued 1002 as its answer.
                let mut stream = Stream::from_raw_socket(stream.into_inner(), Role::Client, None).await;
                let answer = stream.send(close_message(CloseFrame::new(code, "")));
                let _ = tokio::time::timeout(within, answer).await;
                drain(stream.get_mut(), within).await;
            });
        }
        reason
    }

    /// Ends the connection. This and [`Self::end_by_rejected_code`] are the only places that do.
    fn end(&mut self, reason: CloseReason, close_frame: Option<CloseFrame>) -> CloseReason {
        let state = mem::replace(&mut self.state, State::Ended(reason.clone()));
        match (state, &reason) {
            // The server is gone, so there is nothing to send.
            (State::Open(_), CloseReason::Gone(_) | CloseReason::Heartbeat) | (State::Ended(_), _) => {}
            (State::Open(stream), _) => close_in_background(stream, close_frame, self.close_deadline),
        }
        reason
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let frame = CloseFrame::new(1000, "");
            self.end(CloseReason::Local { code: frame.code, reason: frame.reason.clone() }, Some(frame));
        }
    }
}

fn reason_of(ended: Ended) -> CloseReason {
    match ended {
        Ended::Fault(fault) => CloseReason::Fault(fault),
        Ended::Gone(kind) => CloseReason::Gone(kind),
    }
}

/// Takes the message when the codec has room for it, and flushes. It is called again with `None`
/// inside until the flush is done.
fn poll_send_on(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    message: &mut Option<Message>,
    ledger: Option<&mut Ledger>,
) -> Poll<Result<(), WsError>> {
    if message.is_some() {
        ready!(stream.poll_ready_unpin(cx))?;
    }
    if let Some(message) = message.take() {
        stream.start_send_unpin(data_message(message))?;
        if let Some(marker) = ledger.and_then(Ledger::sent) {
            stream.start_send_unpin(Ws::Ping(marker))?;
        }
    }
    stream.poll_flush_unpin(cx)
}

/// Writes as much as the socket takes at once. A task flushes the rest and reads until the server
/// closes TCP. Without a runtime there is no task, and the close frame is lost if the socket is
/// full.
fn close_in_background(mut stream: Box<Stream>, close_frame: Option<CloseFrame>, within: Duration) {
    if let Some(frame) = close_frame {
        let _ = stream.start_send_unpin(close_message(frame));
    }
    let _ = stream.poll_flush_unpin(&mut Context::from_waker(Waker::noop()));
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(async move {
        let _ = tokio::time::timeout(within, stream.flush()).await;
        drain(stream.get_mut(), within).await;
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
