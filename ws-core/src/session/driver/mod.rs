//! Moves one connection along: reads, writes, keeps its timers, and closes it, while user code runs or not.
//!
//! [`Driver::next`] waits for the next event, [`Driver::run`] runs a callback and keeps the connection going meanwhile.
//! Both go through [`Driver::poll_turn`], the one place where a turn's order is written down; [`closing`] is what comes after
//! the last message. It knows no controller: which callback an event belongs to is `connection`'s business.

mod closing;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::coop::has_budget_remaining,
    time::{Instant, Sleep},
};

use self::closing::State;
use super::{
    inbox::{Event, Inbox},
    rate::Bucket,
    timers::{Due, Timers},
};
use crate::{
    caught::Fragile,
    config::{Heartbeat, Limits},
    connection::{Connection, Stop},
    error::{Error, Result},
    fixed, handlers,
    socket::{ByteStream, Ended, Incoming, Socket},
    wire::{CloseFrame, CloseReason, Message, MessageError},
};

/// How a callback ended.
#[derive(Debug)]
pub(crate) enum Completion {
    Returned(Result),
    Panicked,
    /// It ran longer than its deadline.
    TimedOut,
    /// The connection was cut; the callback was dropped.
    Cut,
}

/// The messages that are answered without a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Automatic {
    /// The event `ping`.
    pub(crate) pings: bool,
    /// A message over the rate. Without an answer the connection closes.
    pub(crate) refusals: bool,
}

pub(crate) struct Driver<'a, S> {
    socket: &'a mut Socket<S>,
    conn: &'a Connection,
    timers: Timers<'a>,
    limits: &'a Limits,
    /// Where messages are counted; boxed, because mostly they are not.
    bucket: Option<Box<Bucket>>,
    automatic: Automatic,
    inbox: Inbox,
    /// Whether a callback runs.
    in_callback: bool,
    /// Whether messages are among what is being written.
    is_sending: bool,
    state: State,
    /// The reason of the end, once it is known. If the state is still open then, the peer has ended
    /// its side, and messages from before are handled first.
    reason: Option<CloseReason>,
    /// Whether the transport has shown the end of the peer, behind bytes that are not read yet.
    has_seen_end: bool,
    /// The running callback has to be dropped.
    cut: bool,
    /// Whether the close frame, and all before it, was written.
    flushed: bool,
    /// Whether it was cut at any time.
    was_cut: bool,
}

impl<'a, S: ByteStream> Driver<'a, S> {
    pub(crate) fn new(
        socket: &'a mut Socket<S>,
        conn: &'a Connection,
        sleep: Pin<&'a mut Sleep>,
        heartbeat: &'a Heartbeat,
        limits: &'a Limits,
        automatic: Automatic,
    ) -> Self {
        Self {
            socket,
            conn,
            timers: Timers::new(sleep, heartbeat),
            limits,
            bucket: Bucket::new(limits, Instant::now()).map(Box::new),
            automatic,
            inbox: Inbox::default(),
            in_callback: false,
            is_sending: false,
            state: State::Open,
            reason: None,
            has_seen_end: false,
            cut: false,
            flushed: false,
            was_cut: false,
        }
    }

    /// The next event; `None` once the connection has ended and all that arrived before was handed out.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| {
            if !self.inbox.is_empty() {
                // The answers to what was read ahead must not fill the outbox. And after a request
                // to close nothing of it is handled.
                self.collect();
            }
            loop {
                // A peer that does not read its answers gets no more of them.
                let may_handle = self.state != State::Open || !self.socket.is_backlogged();
                if may_handle && let Some(event) = self.inbox.pop() {
                    return Poll::Ready(Some(event));
                }
                if self.reason.is_some() && self.inbox.is_empty() {
                    if self.state != State::Open {
                        return Poll::Ready(None);
                    }
                    self.answer_end();
                    continue;
                }
                std::task::ready!(self.poll_turn(cx));
            }
        })
        .await
    }

    /// Runs a callback to its end, and keeps the connection going while it waits.
    ///
    /// A panic is caught, of the future's drop too, and the future is not polled after it.
    pub(crate) fn run<F: Future<Output = Result>>(
        &mut self,
        callback: Pin<&mut Option<F>>,
        deadline: Option<Duration>,
    ) -> impl Future<Output = Completion> {
        let callback = Fragile::new(callback);
        // A cut is for the callback that ran when it came.
        self.cut = false;
        self.in_callback = true;
        self.timers.callback_must_end(deadline);
        self.finish_callback(callback)
    }

    async fn finish_callback(
        &mut self,
        mut callback: Fragile<'_, impl Future<Output = Result>>,
    ) -> Completion {
        let outcome = poll_fn(|cx| {
            match callback.poll(cx) {
                Poll::Ready(Some(result)) => return Poll::Ready(Completion::Returned(result)),
                Poll::Ready(None) => return Poll::Ready(Completion::Panicked),
                Poll::Pending => {}
            }
            while self.poll_turn(cx).is_ready() {}
            if self.cut {
                return Poll::Ready(Completion::Cut);
            }
            if self.timers.is_callback_overdue() { Poll::Ready(Completion::TimedOut) } else { Poll::Pending }
        })
        .await;
        self.timers.callback_must_end(None);
        self.in_callback = false;
        if callback.end() { outcome } else { Completion::Panicked }
    }

    /// The same for a callback that runs so seldom that it should take no room while it does not.
    pub(crate) fn run_boxed<F: Future<Output = Result>>(
        &mut self,
        callback: F,
        deadline: Option<Duration>,
    ) -> impl Future<Output = Completion> {
        // Not in the future: an argument of an `async fn` is kept beside what becomes of it.
        let mut callback = Box::pin(Some(callback));
        async move { self.run(callback.as_mut(), deadline).await }
    }

    /// The reason of the end, once it is known.
    pub(crate) fn reason(&self) -> Option<&CloseReason> {
        self.reason.as_ref()
    }

    /// Makes all the progress that can be made now. Ready means that something changed, an event or the state, and that
    /// the caller should look; Pending means that the task will be woken.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Once a read is pending the turn reads no more: the budget may be spent, and others have theirs.
        let mut may_read = true;
        loop {
            // 1. What others want to send goes behind what is being written. It may ask to close.
            //    Whether to read is decided before, so that reading goes on while more is sent than
            //    the peer takes.
            let reads = self.has_room() && !self.socket.is_backlogged();
            let state = self.state;
            self.collect();
            if self.state != state {
                return Poll::Ready(());
            }
            if self.state != State::Open {
                return self.poll_close(cx);
            }
            // 2. Read until there is something to handle, or nothing to read. Nothing is flushed in between: one flush
            //    serves all the answers.
            if may_read && reads {
                if let Poll::Ready(read) = self.socket.poll_read(cx) {
                    self.accept(read);
                    return Poll::Ready(());
                }
                may_read = false;
                self.has_read_all();
            }
            self.look_unless(reads);
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
            // 5. If the backlog stopped reading or handling, both go on as soon as it is gone.
            if !self.socket.is_backlogged() {
                if !self.in_callback && !self.inbox.is_empty() {
                    return Poll::Ready(());
                }
                if !reads && self.has_room() {
                    continue;
                }
            }
            // 6. Sleep, unless something came in meanwhile.
            if self.conn.outbox().register(cx.waker(), !self.socket.is_backlogged()) {
                return Poll::Pending;
            }
        }
    }

    /// Whether another message may be read ahead. Nothing follows the end of the peer.
    fn has_room(&self) -> bool {
        self.reason.is_none() && self.inbox.has_room(self.limits.inbox_messages, self.limits.inbox_bytes)
    }

    /// A read is pending; the limits of a poll may be the reason, too.
    fn has_read_all(&mut self) {
        if let Some(bucket) = &mut self.bucket
            && self.socket.is_dry()
            && has_budget_remaining()
        {
            bucket.has_caught_up();
        }
    }

    /// While nothing is read, only a look at the transport shows the end of the peer: now, and
    /// every second.
    fn look_unless(&mut self, reads: bool) {
        if self.reason.is_some() {
            return;
        }
        if !reads
            && !self.has_room()
            && let Some(bucket) = &mut self.bucket
        {
            bucket.falls_behind();
        }
        let is_blind = !reads && !self.has_seen_end;
        self.timers.look_while(is_blind);
        if is_blind {
            self.look();
        }
    }

    fn look(&mut self) {
        if self.socket.peer_has_ended() {
            self.has_seen_end = true;
            self.timers.look_while(false);
            self.announce_end();
        }
    }

    /// Takes what the outbox has. Messages wait there while the socket still writes a backlog: that is what bounds them, and
    /// what lets a ping pass.
    fn collect(&mut self) {
        self.collect_until(fixed::BACKLOG_BYTES);
    }

    fn collect_until(&mut self, full: usize) {
        let collected = self.conn.outbox().collect(self.socket.out(), full);
        if collected.has_messages {
            self.is_sending = true;
            self.timers.not_idle();
        }
        match collected.stop {
            None => {}
            Some(Stop::Cut) => {
                self.cut = true;
                self.was_cut = true;
                self.inbox.clear();
                // Cut because it did not stop: the cut is what happened to its callback.
                self.reason.take_if(|reason| *reason == CloseReason::Shutdown);
                self.abandon(CloseReason::Aborted);
            }
            Some(Stop::Close { frame, reason } | Stop::CloseNow { frame, reason }) => {
                // What arrived and was not handled yet is not handled any more.
                self.inbox.clear();
                if self.state == State::Open {
                    self.begin_close(&frame, reason);
                }
            }
        }
    }

    /// Files what was read.
    fn accept(&mut self, read: Result<Incoming, Ended>) {
        match read {
            Ok(Incoming::Message(message)) => self.accept_message(message),
            Ok(Incoming::Ping(payload)) => self.inbox.push(Event::Ping(payload)),
            Ok(Incoming::Pong(payload)) => {
                self.socket.ponged(&payload);
                self.inbox.push(Event::Pong(payload));
            }
            Ok(Incoming::Close(None)) => self.peer_ends(CloseReason::Peer { code: None, reason: "".into() }),
            Ok(Incoming::Close(Some((code, reason)))) => {
                self.peer_ends(CloseReason::Peer { code: Some(code), reason });
            }
            Err(Ended::Gone(kind @ io::ErrorKind::UnexpectedEof)) => self.peer_ends(CloseReason::Gone(kind)),
            Err(Ended::Gone(kind)) => self.abandon(CloseReason::Gone(kind)),
            Err(Ended::Fault(fault)) => self.close_for(fault),
        }
    }

    /// Counts every message but the event `ping`; answers count, too.
    fn accept_message(&mut self, message: Message) {
        if self.automatic.pings
            && let Some(pong) = handlers::pong(self.conn.format(), &message)
        {
            // Not through the outbox: a pong does not count as activity of the connection.
            self.socket.out().message(pong);
            return;
        }
        self.timers.not_idle();
        if self.bucket.as_mut().is_none_or(|bucket| bucket.take(Instant::now())) {
            if let Some(message) = self.conn.asks().take_answer(self.conn.format(), message) {
                self.inbox.push(Event::Message(message));
            }
        } else if self.automatic.refusals {
            self.inbox.push(Event::Refused(message));
        } else {
            self.close_for(MessageError::RateLimited);
        }
    }

    /// Sends pings, and ends the connection of a peer that shows no sign of life, whose token has expired or that is idle.
    /// True if that happened.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> bool {
        let expires = if self.reason.is_none() { self.expires() } else { None };
        match self.timers.poll(cx, expires) {
            Some(Due::Ping) => {
                let unread = self.socket.ping().min(fixed::MOST_UNREAD_BYTES);
                self.timers.allow(Duration::from_millis(unread * 1000 / fixed::SLOWEST_READER));
                // The next timer is registered with this very poll.
                self.poll_timers(cx)
            }
            Some(Due::SignOfLife) => {
                let now = Instant::now();
                // While a callback keeps the inbox full this side does not read, and silence proves
                // nothing. Pings go on: they draw a reset from a host whose socket is closed. But
                // where a backlog waits, it may be what the callback waits for, and a peer that
                // takes nothing of it is not alive.
                let is_deaf = self.in_callback && !self.has_room() && !self.socket.is_backlogged();
                if self.socket.is_alive() || is_deaf {
                    self.timers.peer_is_alive(now);
                } else if !self.timers.may_still_come(now) {
                    self.abandon(CloseReason::Heartbeat);
                    return true;
                }
                // Else the next ping would only be one more that is not answered.
                self.poll_timers(cx)
            }
            Some(Due::Expired) => {
                if self.conn.expiry().at().is_some_and(|at| at <= Instant::now()) {
                    self.stop(CloseReason::Expired, "token expired");
                } else {
                    self.stop(CloseReason::Lifetime, "lifetime is over");
                }
                true
            }
            Some(Due::Idle) if self.in_callback || self.is_sending => {
                self.timers.not_idle();
                self.poll_timers(cx)
            }
            Some(Due::Idle) => {
                self.stop(CloseReason::Idle, "idle");
                true
            }
            Some(Due::Step) if self.reason.is_none() => {
                self.timers.look_again();
                self.look();
                self.poll_timers(cx)
            }
            // The callbacks had their time: the end of the peer is answered now.
            Some(Due::Step) => {
                self.answer_end();
                true
            }
            None => false,
        }
    }

    /// When the connection ends by itself: with its token, or with its lifetime.
    fn expires(&self) -> Option<Instant> {
        let (expiry, id) = (self.conn.expiry(), self.conn.id());
        let lifetime = self.limits.lifetime.and_then(|lifetime| expiry.end_of(lifetime, id));
        [expiry.at(), lifetime].into_iter().flatten().min()
    }

    /// Closes with the next turn, which collects it: what was pushed before goes out first.
    fn stop(&self, reason: CloseReason, text: &str) {
        let frame = CloseFrame::new(reason.code(), text);
        // An earlier request to close counts.
        let _ = self.conn.outbox().stop(Stop::Close { frame, reason });
    }
}

impl Completion {
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
