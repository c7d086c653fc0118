//! Moves one connection along: reads, writes, keeps its timers, and closes it, while user code runs or not.
//!
//! [`Driver::next`] waits for the next event, [`Driver::run`] runs a callback and keeps the connection going meanwhile.
//! Both go through [`Driver::poll_turn`], the one place where a turn's order is written down. It knows no controller:
//! which callback an event belongs to is `connection`'s business.

use std::{
    collections::VecDeque,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};

use super::{
    CloseFrame, CloseReason, Connection, Stop,
    rate::Bucket,
    timers::{Due, Timers},
};
use crate::{
    config::{Heartbeat, Limits},
    error::{Error, MessageError, Result},
    message::Message,
    socket::{Ended, Incoming, Socket},
};

/// Pings and pongs that are kept for their callbacks while another callback runs; with as many the socket reads no
/// more.
const MAX_WAITING_EVENTS: usize = 16;

/// What a callback is due for.
#[derive(Debug)]
pub(crate) enum Event {
    Message(Message),
    /// One too many for the limit of a second: to be answered, not to be handled.
    Refused(Message),
    Ping(Bytes),
    Pong(Bytes),
}

/// How a callback ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Returned(Result),
    Panicked,
    /// It ran longer than its deadline.
    TimedOut,
    /// The connection was cut; the callback was dropped.
    Cut,
}

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Messages go both ways.
    Open,
    /// What is queued, the close frame last, is on its way out.
    Flushing,
    /// Everything is written; the write side is being closed.
    ShuttingDown,
    /// Reading on until the peer closes, so that it gets to read the close frame.
    Draining,
    /// The socket has no more use.
    Done,
}

pub(crate) struct Driver<'a, S> {
    socket: Socket<S>,
    conn: &'a Connection,
    timers: Timers<'a>,
    limits: &'a Limits,
    /// Where messages are counted.
    bucket: Option<Bucket>,
    /// Whether one too many is refused; else the connection closes.
    refuses: bool,
    /// Read, and not yet handled.
    events: VecDeque<Event>,
    /// Whether a callback runs.
    in_callback: bool,
    /// Whether messages are among what is being written.
    is_sending: bool,
    phase: Phase,
    /// Why the connection ended, from the moment that is known.
    reason: Option<CloseReason>,
    /// The running callback has to be dropped.
    cut: bool,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Driver<'a, S> {
    /// `refuses`: whether there is an answer for a message that is one too many.
    pub(crate) fn new(
        socket: Socket<S>,
        conn: &'a Connection,
        sleep: Pin<&'a mut Sleep>,
        heartbeat: &'a Heartbeat,
        limits: &'a Limits,
        refuses: bool,
    ) -> Self {
        Self {
            socket,
            conn,
            timers: Timers::new(sleep, heartbeat),
            limits,
            bucket: Bucket::new(limits, Instant::now()),
            refuses,
            events: VecDeque::new(),
            in_callback: false,
            is_sending: false,
            phase: Phase::Open,
            reason: None,
            cut: false,
        }
    }

    /// The next event; `None` once the connection has ended and all that arrived before was handed out.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| {
            loop {
                if let Some(event) = self.events.pop_front() {
                    return Poll::Ready(Some(event));
                }
                if self.reason.is_some() {
                    return Poll::Ready(None);
                }
                std::task::ready!(self.poll_turn(cx));
            }
        })
        .await
    }

    /// Runs a callback to its end, and keeps the connection going while it waits.
    ///
    /// A panic is caught, of the future's drop too, and the future is not polled after it.
    pub(crate) async fn run(
        &mut self,
        callback: impl Future<Output = Result>,
        deadline: Option<Duration>,
    ) -> Outcome {
        let mut callback = pin!(Some(callback));
        // A cut is for the callback that ran when it came.
        self.cut = false;
        self.in_callback = true;
        self.timers.callback_must_end(deadline);
        let outcome = poll_fn(|cx| {
            let polled =
                catch_unwind(AssertUnwindSafe(|| callback.as_mut().as_pin_mut().map(|it| it.poll(cx))));
            match polled {
                Ok(Some(Poll::Ready(result))) => return Poll::Ready(Outcome::Returned(result)),
                Ok(Some(Poll::Pending)) => {}
                Ok(None) | Err(_) => return Poll::Ready(Outcome::Panicked),
            }
            while self.poll_turn(cx).is_ready() {}
            if self.cut {
                return Poll::Ready(Outcome::Cut);
            }
            if self.timers.is_callback_overdue() { Poll::Ready(Outcome::TimedOut) } else { Poll::Pending }
        })
        .await;
        self.timers.callback_must_end(None);
        self.in_callback = false;
        let dropped = catch_unwind(AssertUnwindSafe(|| callback.set(None)));
        if dropped.is_err() { Outcome::Panicked } else { outcome }
    }

    /// Waits until the closing, which began with the reason, is through.
    pub(crate) async fn finish(&mut self) {
        self.events.clear();
        poll_fn(|cx| {
            loop {
                if self.phase == Phase::Done {
                    return Poll::Ready(());
                }
                std::task::ready!(self.poll_turn(cx));
            }
        })
        .await;
    }

    /// Why the connection ended.
    pub(crate) fn reason(&self) -> Option<&CloseReason> {
        self.reason.as_ref()
    }

    /// Closes with this frame because of this reason, unless the connection has ended already.
    pub(crate) fn close(&mut self, frame: CloseFrame, reason: CloseReason) {
        self.conn.outbox().shut();
        // A request of the callback itself, made before it failed, came first.
        self.collect();
        if self.phase == Phase::Open {
            self.begin_close(Some(frame), reason);
        }
    }

    /// Drops the socket without a word.
    pub(crate) fn abandon(&mut self, reason: CloseReason) {
        self.conn.outbox().shut();
        self.conn.calls().close();
        self.reason.get_or_insert(reason);
        self.phase = Phase::Done;
    }

    /// Makes all the progress that can be made now. Ready means that something changed, an event or the phase, and that
    /// the caller should look; Pending means that the task will be woken.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // 1. What others want to send goes behind what is being written. It may ask to close.
            let phase = self.phase;
            self.collect();
            if self.phase != phase {
                return Poll::Ready(());
            }
            if self.phase != Phase::Open {
                return self.poll_close(cx);
            }
            // 2. Read until there is something to handle, or nothing to read. Nothing is flushed in between: one flush
            //    serves all the answers.
            if self.wants_input()
                && !self.socket.is_backlogged()
                && let Poll::Ready(read) = self.socket.poll_read(cx)
            {
                self.accept(read);
                return Poll::Ready(());
            }
            // 3. Timers come after reading: a late task must not blame its own delay on the peer.
            if self.poll_timers(cx) {
                return Poll::Ready(());
            }
            // 4. One flush for all that is ready.
            let before = self.socket.out().len();
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => {
                    self.is_sending = false;
                    if before > 0 {
                        continue;
                    }
                }
                Poll::Pending => {}
                Poll::Ready(Err(error)) => {
                    self.abandon(CloseReason::Gone(error.kind()));
                    return Poll::Ready(());
                }
            }
            // 5. Sleep, unless something came in meanwhile.
            if self.conn.outbox().register(cx.waker(), !self.socket.is_backlogged()) {
                return Poll::Pending;
            }
        }
    }

    fn wants_input(&self) -> bool {
        if self.conn.calls().any() {
            // An answer may be behind messages that wait for the very handler that waits for the answer.
            return self.events.len() < self.limits.inbox_messages
                && self.inbox_bytes() < self.limits.inbox_bytes;
        }
        self.events.len() < MAX_WAITING_EVENTS
            && !self.events.iter().any(|event| matches!(event, Event::Message(_) | Event::Refused(_)))
    }

    fn inbox_bytes(&self) -> usize {
        let len = |event: &Event| match event {
            Event::Message(message) | Event::Refused(message) => message.len(),
            Event::Ping(payload) | Event::Pong(payload) => payload.len(),
        };
        self.events.iter().map(len).sum()
    }

    /// Takes what the outbox has. Messages wait there while the socket still writes a backlog: that is what bounds them.
    fn collect(&mut self) {
        let with_messages = !self.socket.is_backlogged();
        let collected = self.conn.outbox().collect(self.socket.out(), with_messages);
        if collected.has_messages {
            self.is_sending = true;
            self.timers.not_idle();
        }
        match collected.stop {
            None => {}
            Some(Stop::Cut) => {
                self.cut = true;
                self.events.clear();
                // Cut because it did not stop: the cut is what happened to its callback.
                self.reason.take_if(|reason| *reason == CloseReason::Shutdown);
                self.abandon(CloseReason::Aborted);
            }
            Some(Stop::Close { frame, reason } | Stop::CloseNow { frame, reason }) => {
                // What arrived and was not handled yet is not handled any more.
                self.events.clear();
                if self.phase == Phase::Open {
                    self.begin_close(Some(frame), reason);
                }
            }
        }
    }

    /// Files what was read.
    fn accept(&mut self, read: Result<Incoming, Ended>) {
        match read {
            Ok(Incoming::Message(message)) => self.accept_message(message),
            Ok(Incoming::Ping(payload)) => self.events.push_back(Event::Ping(payload)),
            Ok(Incoming::Pong(payload)) => self.events.push_back(Event::Pong(payload)),
            Ok(Incoming::Close(None)) => self.answer_close(None, "".into()),
            Ok(Incoming::Close(Some((code, reason)))) => self.answer_close(Some(code), reason),
            Err(Ended::Gone(kind)) => self.abandon(CloseReason::Gone(kind)),
            Err(Ended::Fault(fault)) => self.close_for(fault),
        }
    }

    /// Every message counts, answers too: what it is shows only once it was looked at.
    fn accept_message(&mut self, message: Message) {
        self.timers.not_idle();
        if self.bucket.as_mut().is_none_or(|bucket| bucket.take(Instant::now())) {
            let message = self.conn.calls().take_answer(self.conn.codec(), message);
            self.events.extend(message.map(Event::Message));
        } else if self.refuses {
            self.events.push_back(Event::Refused(message));
        } else {
            self.close_for(MessageError::RateLimited);
        }
    }

    /// What arrived before the fault is still handled.
    fn close_for(&mut self, fault: MessageError) {
        self.conn.outbox().shut();
        let frame = CloseFrame::new(fault.close_code(), fault.close_reason());
        self.begin_close(Some(frame), CloseReason::Fault(fault));
    }

    /// The peer's close frame is answered with its own code (RFC 6455 section 5.5.1), behind what was pushed before.
    fn answer_close(&mut self, code: Option<u16>, reason: crate::Text) {
        self.conn.outbox().shut();
        self.conn.outbox().collect(self.socket.out(), true);
        let frame = code.map(|code| CloseFrame::new(code, ""));
        self.begin_close(frame, CloseReason::Peer { code, reason });
    }

    fn begin_close(&mut self, frame: Option<CloseFrame>, reason: CloseReason) {
        self.conn.calls().close();
        self.socket.out().close(frame.as_ref());
        self.reason.get_or_insert(reason);
        self.phase = Phase::Flushing;
        self.timers.close_must_end(self.limits.close_timeout);
    }

    /// Flush, half-close, read on for a bounded time and size, then drop: closing a socket with unread input resets it,
    /// and the reset eats the close frame.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.phase != Phase::Done && self.timers.poll(cx, None) == Some(Due::CloseDeadline) {
            self.phase = Phase::Done;
            return Poll::Ready(());
        }
        let step = match self.phase {
            Phase::Flushing => self.socket.poll_flush(cx).map(|result| (result.is_ok(), Phase::ShuttingDown)),
            Phase::ShuttingDown => {
                self.socket.poll_shutdown(cx).map(|result| (result.is_ok(), Phase::Draining))
            }
            Phase::Draining => self.socket.poll_drain(cx).map(|()| (true, Phase::Done)),
            Phase::Open | Phase::Done => Poll::Pending,
        };
        if let Poll::Ready((is_ok, next)) = step {
            self.phase = if is_ok { next } else { Phase::Done };
            return Poll::Ready(());
        }
        // A cut must still be heard.
        if self.conn.outbox().register(cx.waker(), false) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Sends pings, and ends the connection of a peer that shows no sign of life, whose token has expired or that is idle.
    /// True if that happened.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> bool {
        match self.timers.poll(cx, self.conn.expiry().at()) {
            Some(Due::Ping) => {
                self.socket.take_alive();
                self.socket.out().ping(Bytes::new());
                // The next timer is registered with this very poll.
                self.poll_timers(cx)
            }
            Some(Due::SignOfLife) => {
                let now = Instant::now();
                if self.socket.is_alive() {
                    self.timers.peer_is_alive(now);
                } else if self.wants_input() {
                    self.abandon(CloseReason::Heartbeat);
                    return true;
                } else {
                    // It was this side that stopped reading, so silence says nothing.
                    self.timers.wait_on(now);
                }
                self.poll_timers(cx)
            }
            Some(Due::Expired) => {
                // The next turn collects it: what was pushed before goes out first.
                let reason = CloseReason::Expired;
                let frame = CloseFrame::new(reason.code(), "token expired");
                let _ = self.conn.outbox().stop(Stop::Close { frame, reason });
                true
            }
            Some(Due::Idle) if self.in_callback || self.is_sending => {
                self.timers.not_idle();
                self.poll_timers(cx)
            }
            Some(Due::Idle) => {
                let reason = CloseReason::Idle;
                let frame = CloseFrame::new(reason.code(), "idle");
                let _ = self.conn.outbox().stop(Stop::Close { frame, reason });
                true
            }
            Some(Due::CloseDeadline) | None => false,
        }
    }
}

impl Outcome {
    /// What went wrong, if anything did.
    pub(crate) fn into_failure(self) -> Option<Failure> {
        match self {
            Self::Returned(Ok(())) => None,
            Self::Returned(Err(error)) => Some(Failure::Error(error)),
            Self::Panicked => Some(Failure::Panic),
            Self::TimedOut => Some(Failure::TimedOut),
            Self::Cut => Some(Failure::Cut),
        }
    }
}

/// What went wrong in a callback.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(Error),
    Panic,
    TimedOut,
    Cut,
}
