//! One open connection: messages in, messages out, and a close frame whichever way it ends.
//!
//! [`ByteStream`] owns the stream until it has ended. All of it is polling: a future that is dropped half-way has lost
//! nothing. It knows no deadlines but its own two, and nothing of connecting.

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

/// What is read at once, allocated with the connection.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// What may wait for the socket before writing it is tried.
const WRITE_BUFFER_BYTES: usize = 16 << 10;
/// Answers to pings that may wait for a server that does not read; then nothing more is read from it, either.
const MAX_OWED_PONGS: u32 = 64;

type Stream = WebSocketStream<Watched>;

/// The wire of one connection.
pub(super) struct ByteStream {
    line: Line,
    /// What came while something was being sent; at most one, then nothing is read until it was taken.
    early: Option<Message>,
    /// Pongs that were queued since the last flush.
    owed: u32,
    silence: Option<Silence>,
    close_deadline: Duration,
    ledger: Option<Ledger>,
}

enum Line {
    Open(Box<Stream>),
    Ended(CloseReason),
}

/// Nothing came for so long.
struct Silence {
    limit: Duration,
    heard: Instant,
    timer: Pin<Box<Sleep>>,
}

impl ByteStream {
    /// Takes over the transport behind a 101; `prefix` is what was read of it already.
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
            line: Line::Open(Box::new(stream)),
            early: None,
            owed: 0,
            silence: settings.dead_after.map(Silence::new),
            close_deadline: settings.close_deadline,
            ledger: settings.confirms.then(Ledger::default),
        }
    }

    /// Why it has ended, if it has.
    pub(super) fn ended(&self) -> Option<&CloseReason> {
        match &self.line {
            Line::Open(_) => None,
            Line::Ended(reason) => Some(reason),
        }
    }

    pub(super) fn close_deadline(&self) -> Duration {
        self.close_deadline
    }

    /// Messages that were handed to the socket and that nothing confirms.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.ledger.as_ref().map_or(0, Ledger::unconfirmed)
    }

    /// What came while something was being sent.
    pub(super) fn take_early(&mut self) -> Option<Message> {
        self.early.take()
    }

    /// The next message, or why there will be none.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CloseReason>> {
        match self.early.take() {
            Some(message) => Poll::Ready(Ok(message)),
            None => self.poll_read(cx),
        }
    }

    /// Hands the message over, once, and flushes. With `peek` it looks at what came before it does: pings are
    /// answered and a close frame is noticed by a program that only sends.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
        peek: bool,
    ) -> Poll<Result<(), CloseReason>> {
        if peek && self.early.is_none() {
            match self.poll_read(cx) {
                Poll::Ready(Ok(message)) => self.early = Some(message),
                Poll::Ready(Err(reason)) => return Poll::Ready(Err(reason)),
                Poll::Pending => {}
            }
        }
        let stream = match &mut self.line {
            Line::Open(stream) => stream,
            Line::Ended(reason) => return Poll::Ready(Err(reason.clone())),
        };
        let sent = poll_hand_over(stream, cx, message, self.ledger.as_mut());
        match ready!(sent) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.end(reason_of(error.into()), None))),
        }
    }

    /// Sends a close frame and waits for the server's; messages that come meanwhile are thrown away.
    pub(super) async fn close(&mut self, frame: CloseFrame) -> CloseReason {
        self.early = None;
        if let Line::Open(stream) = &mut self.line
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
            let stream = match &mut self.line {
                Line::Open(stream) => stream,
                Line::Ended(reason) => return Poll::Ready(Err(reason.clone())),
            };
            if self.owed > 0 {
                match stream.poll_flush_unpin(cx) {
                    // What came before a write failed is still worth reading; the read will say what is wrong.
                    Poll::Ready(_) => self.owed = 0,
                    Poll::Pending if self.owed >= MAX_OWED_PONGS => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            let Poll::Ready(next) = stream.poll_next_unpin(cx) else {
                let silence = self.silence.as_mut().map_or(Poll::Pending, |silence| silence.poll(cx));
                ready!(silence);
                return Poll::Ready(Err(self.end(CloseReason::Heartbeat, None)));
            };
            if let Some(silence) = &mut self.silence {
                silence.heard = Instant::now();
            }
            // The code in a close frame as the codec sees it.
            let judged = match &next {
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
                Some(Ok(Incoming::Ping(_))) => self.owed += 1,
                Some(Ok(Incoming::Pong(payload))) => {
                    let next = self.ledger.as_mut().and_then(|ledger| ledger.confirm(&payload));
                    if let Some(marker) = next {
                        let _ = stream.start_send_unpin(Ws::Ping(marker));
                        self.owed += 1;
                    }
                }
                Some(Ok(Incoming::Close(received))) => {
                    return Poll::Ready(Err(self.end_by_close(received, judged)));
                }
                Some(Err(ended)) => {
                    let farewell = match &ended {
                        // Behind a close frame the codec has queued its own answer, and drops this.
                        Ended::Fault(fault) => {
                            Some(CloseFrame::new(fault.close_code(), fault.close_reason()))
                        }
                        Ended::Gone(_) => None,
                    };
                    return Poll::Ready(Err(self.end(reason_of(ended), farewell)));
                }
                None => {}
            }
        }
    }

    /// Ends a connection that the server closed. `judged` is the code that the codec answers: a
    /// client leaves the answer to it, unlike the server's socket.
    fn end_by_close(&mut self, received: Option<(u16, Text)>, judged: Option<u16>) -> CloseReason {
        let (code, reason) = received.map_or((None, Text::default()), |(code, text)| (Some(code), text));
        let reason = CloseReason::Peer { code, reason };
        if code == judged { self.end(reason, None) } else { self.end_misjudged(reason) }
    }

    /// Ends a connection that the server closed with a valid code that the codec rejects.
    fn end_misjudged(&mut self, reason: CloseReason) -> CloseReason {
        if let Line::Open(stream) = mem::replace(&mut self.line, Line::Ended(reason.clone()))
            && let Ok(runtime) = Handle::try_current()
        {
            let (code, within) = (reason.code(), self.close_deadline);
            runtime.spawn(async move {
                // Another codec, which has seen nothing yet.
                let mut stream = Stream::from_raw_socket(stream.into_inner(), Role::Client, None).await;
                let answer = stream.send(close_message(CloseFrame::new(code, "")));
                let _ = tokio::time::timeout(within, answer).await;
                drain(stream.get_mut(), within).await;
            });
        }
        reason
    }

    /// The one place where a connection ends, but for [`Self::end_misjudged`].
    fn end(&mut self, reason: CloseReason, farewell: Option<CloseFrame>) -> CloseReason {
        let line = mem::replace(&mut self.line, Line::Ended(reason.clone()));
        match (line, &reason) {
            // There is nobody to say goodbye to.
            (Line::Open(_), CloseReason::Gone(_) | CloseReason::Heartbeat) | (Line::Ended(_), _) => {}
            (Line::Open(stream), _) => leave(stream, farewell, self.close_deadline),
        }
        reason
    }
}

impl Drop for ByteStream {
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

/// Takes the message only when the socket takes it, and comes back to flush it.
fn poll_hand_over(
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

/// Writes what can be written at once, and leaves the rest to a task: the flush, and reading on to the end. Without a
/// runtime there is no task; the close frame is on its way all the same, unless the socket is full.
fn leave(mut stream: Box<Stream>, farewell: Option<CloseFrame>, within: Duration) {
    if let Some(frame) = farewell {
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
        Self { limit, heard: Instant::now(), timer: Box::pin(tokio::time::sleep(limit)) }
    }

    /// Ready when nothing came for the limit. Only asked when there is nothing to read, so that a program that was
    /// busy does not blame its own delay on the server.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let rest = self.limit.saturating_sub(self.heard.elapsed());
            if rest.is_zero() {
                return Poll::Ready(());
            }
            self.timer.set(tokio::time::sleep(rest));
        }
    }
}
