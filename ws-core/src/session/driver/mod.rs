//! [`Driver`]: reads, writes, keeps the timers and closes one connection, also while user code
//! runs.
//!
//! [`Driver::poll_next`] waits for the next event. [`Driver::poll_callback`] drives the connection
//! while a callback runs. Both call [`Driver::poll_turn`], the only place that defines the order of
//! a turn. [`callback`] runs callbacks, and [`closing`] takes over after the last message. None of
//! this is compiled for each controller.
//!
//! The driver must not depend on the controller: the parent module chooses the callback for an
//! event. The driver is woken by the socket, the outbox and the timers only, and at the end by the
//! last task of the connection.

mod callback;
mod closing;

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use self::callback::{Completion, Failure};
use self::closing::State;
use super::{
    inbox::{Event, Inbox},
    rate::Bucket,
    timers::{Due, Timers},
};
use crate::{
    config::Heartbeat,
    connection::{Connection, Direction, Stop},
    error::Result,
    fixed, handlers,
    socket::{ByteStream, Ended, Incoming, Socket},
    telemetry::{EndedConnection, Tally, Traffic},
    wire::{CloseFrame, CloseReason, Message, MessageError},
};

/// The messages that the driver or the session answers without a handler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Automatic {
    /// The event `ping`.
    pub(crate) pings: bool,
    /// A message over the rate limit. If this is false, such a message closes the connection.
    pub(crate) refusals: bool,
}

// For the order of the fields see `Session`.
#[repr(C)]
pub(crate) struct Driver<S> {
    traffic: Traffic,
    timers: Timers,
    socket: Socket<S>,
    conn: Connection,
    /// The rate limit. Boxed, because it is off by default.
    bucket: Option<Box<Bucket>>,
    inbox: Inbox,
    /// The reason for the end, once the connection has begun to end. If the state is still `Open`,
    /// the peer has ended its side, and its earlier messages are handled first.
    reason: Option<Box<CloseReason>>,
    state: State,
    /// Whether the task has slept since it last collected from the outbox.
    has_slept: bool,
    /// Whether a callback runs.
    in_callback: bool,
    /// Whether the bytes that are being written contain messages.
    is_sending: bool,
    automatic: Automatic,
    /// Whether the transport has reported the end of the peer, behind bytes that are not read yet.
    has_seen_end: bool,
    /// Whether the running callback has to be dropped.
    must_drop_callback: bool,
    /// Whether the close frame and everything before it was written.
    flushed: bool,
    /// Whether the connection was cut at any time.
    was_cut: bool,
    is_end_recorded: bool,
}

impl<S: ByteStream> Driver<S> {
    pub(crate) fn new(
        socket: Socket<S>,
        conn: Connection,
        heartbeat: Arc<Heartbeat>,
        automatic: Automatic,
    ) -> Self {
        Self {
            bucket: Bucket::new(conn.limits(), Instant::now()).map(Box::new),
            socket,
            conn,
            timers: Timers::new(heartbeat),
            automatic,
            inbox: Inbox::default(),
            traffic: Traffic::default(),
            has_slept: true,
            in_callback: false,
            is_sending: false,
            state: State::Open,
            reason: None,
            has_seen_end: false,
            must_drop_callback: false,
            flushed: false,
            was_cut: false,
            is_end_recorded: false,
        }
    }

    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Returns the next event; `None` once the connection has ended, all earlier events were
    /// returned and its tasks are over.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        if !self.inbox.is_empty() && self.must_collect() {
            // Without this, replies to messages that were read ahead would fill the outbox. And a
            // request to close must drop those messages.
            self.collect(None);
        }
        loop {
            // While the peer does not read its replies, no further message is handled.
            let may_handle = self.state != State::Open || !self.socket.is_backlogged();
            if may_handle && let Some(event) = self.inbox.pop() {
                return Poll::Ready(Some(event));
            }
            if self.reason.is_some() && self.inbox.is_empty() {
                return self.poll_end(cx).map(|()| None);
            }
            if let Some(event) = ready!(self.poll_turn(cx)) {
                if self.inbox.is_empty() && !self.socket.is_backlogged() {
                    return Poll::Ready(Some(event));
                }
                self.inbox.push(event);
            }
        }
    }

    /// The reason for the end, once the connection has begun to end.
    pub(crate) fn reason(&self) -> Option<&CloseReason> {
        self.reason.as_deref()
    }

    /// Makes all the progress that is possible now. Ready with an event that was read. Ready with
    /// `None` if the caller should check for a new state or the inbox. `Pending` means that the
    /// task will be woken.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        // After a pending read this turn does not read again: the task's budget may be used up, and
        // other tasks must get their time.
        let mut may_read = true;
        loop {
            // 1. Collect from the outbox, behind the bytes that are being written. It may contain a
            //   request to close. Before a read, collect only if it is urgent; messages that are
            //   pushed between two received messages can wait until all input is read. `reads` is
            //   decided before, so that reading continues while this side sends more than the peer
            //   reads.
            //
            //   A task that was woken only to write does not read. It will sleep next, so it
            //   registers its waker while it collects.
            let reads = self.has_room() && !self.socket.is_backlogged();
            if reads && self.has_slept && self.socket.is_quiet() {
                may_read = false;
                self.note_all_read();
            }
            let will_read = may_read && reads;
            let collects = !will_read || self.must_collect();
            let mut is_registered = false;
            if collects {
                let waker = (!will_read).then(|| cx.waker());
                let Some(registered) = self.collect_unless_closing(waker) else { return Poll::Ready(None) };
                is_registered = registered;
                if self.state != State::Open {
                    return self.poll_close(cx).map(|()| None);
                }
            }
            // 2. Read until there is an event to handle, or nothing to read. Do not flush in
            //    between: one flush sends all replies.
            if will_read {
                if let Poll::Ready(read) = self.socket.poll_read(cx) {
                    return Poll::Ready(self.accept(read));
                }
                may_read = false;
                self.note_all_read();
                if !collects {
                    let waker = Some(cx.waker());
                    let Some(registered) = self.collect_unless_closing(waker) else {
                        return Poll::Ready(None);
                    };
                    is_registered = registered;
                }
            }
            self.check_peer_unless(reads);
            // 3. Poll the timers after reading: if this task is late, bytes from the peer may
            //    already wait in the socket.
            if self.poll_timers(cx) {
                return Poll::Ready(None);
            }
            // 4. Flush everything that is ready at once.
            match self.socket.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.is_sending = false,
                Poll::Pending => {}
                Poll::Ready(Err(error)) => {
                    self.abandon(CloseReason::Gone(error.kind()));
                    return Poll::Ready(None);
                }
            }
            // 5. If the backlog has stopped reading or handling, continue both once it is written.
            if !self.socket.is_backlogged() {
                if !self.in_callback && !self.inbox.is_empty() {
                    return Poll::Ready(None);
                }
                if !reads && self.has_room() {
                    continue;
                }
            }
            // 6. Sleep, unless the outbox has received something meanwhile.
            let is_backlogged = self.socket.is_backlogged();
            if is_registered && !is_backlogged || self.conn.outbox().register(cx.waker(), !is_backlogged) {
                // A poll reads at most `fixed::FRAMES_A_POLL` messages before it comes here.
                self.settle();
                self.has_slept = true;
                return Poll::Pending;
            }
        }
    }

    /// A turn while no event can be handled.
    fn poll_turn_into_inbox(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_turn(cx).map(|event| event.into_iter().for_each(|event| self.inbox.push(event)))
    }

    /// Whether to collect before the next message is read or handled: in the first turn after a
    /// sleep, so that further pushes do not wake the task, and if the outbox asks for it.
    fn must_collect(&self) -> bool {
        self.has_slept || self.conn.outbox().must_be_collected()
    }

    /// Whether another message may be read ahead. After the end of the peer nothing is read.
    fn has_room(&self) -> bool {
        self.reason.is_none() && self.inbox.has_room(self.conn.limits())
    }

    /// Reports to the rate limit that everything that has arrived was read. A read may also be
    /// pending because a budget is used up; then nothing is known about unread bytes.
    fn note_all_read(&mut self) {
        if let Some(bucket) = &mut self.bucket
            && self.socket.has_read_all()
        {
            bucket.catches_up();
        }
    }

    /// Checks whether the peer has closed its side, now and every second, while this side does not
    /// read. Without reading, only this check detects the end.
    fn check_peer_unless(&mut self, reads: bool) {
        if self.reason.is_some() {
            return;
        }
        if !reads
            && !self.has_room()
            && let Some(bucket) = &mut self.bucket
        {
            bucket.falls_behind();
        }
        let must_check = !reads && !self.has_seen_end;
        self.timers.check_peer_while(must_check);
        if must_check {
            self.check_peer();
        }
    }

    fn check_peer(&mut self) {
        if self.socket.peer_has_ended() {
            self.has_seen_end = true;
            self.timers.check_peer_while(false);
            self.announce_end();
        }
    }

    /// Collects from the outbox. While the socket still writes a backlog, messages stay in the
    /// outbox: its limits apply there, and a ping can go ahead of them. Returns whether the waker
    /// is registered, because nothing is left.
    fn collect(&mut self, waker: Option<&Waker>) -> bool {
        self.collect_until(fixed::BACKLOG_BYTES, waker)
    }

    /// Collects. Returns `None` if the state has changed.
    fn collect_unless_closing(&mut self, waker: Option<&Waker>) -> Option<bool> {
        let state = self.state;
        let is_registered = self.collect(waker);
        (self.state == state).then_some(is_registered)
    }

    fn collect_until(&mut self, full: usize, waker: Option<&Waker>) -> bool {
        self.has_slept = false;
        let collected = self.conn.outbox().collect(self.socket.out(), full, waker);
        if collected.is_nudged {
            self.timers.ring();
        }
        if collected.messages.messages() > 0 {
            self.traffic.send(&collected.messages, self.conn.counters());
            self.is_sending = true;
            self.timers.restart_idle_time();
        }
        match collected.stop {
            None => {}
            Some(Stop::Cut) => {
                self.must_drop_callback = true;
                self.was_cut = true;
                self.inbox.clear();
                // The connection did not stop in time, so the reason is the cut, not the shutdown.
                self.reason.take_if(|reason| **reason == CloseReason::Shutdown);
                self.abandon(CloseReason::Aborted);
            }
            Some(Stop::Close { frame, reason } | Stop::CloseNow { frame, reason }) => {
                // Messages that are not handled yet are dropped after a request to close.
                self.inbox.clear();
                if self.state == State::Open {
                    self.begin_close(&frame, reason);
                }
            }
        }
        collected.is_registered
    }

    /// Returns the event that was read, if it needs a callback. Or begins to end the connection.
    fn accept(&mut self, read: Result<Incoming, Ended>) -> Option<Event> {
        match read {
            Ok(Incoming::Message(message)) => return self.accept_message(message),
            Ok(Incoming::Ping(payload)) => {
                self.conn.tap().ping(&payload);
                return Some(Event::Ping(payload));
            }
            Ok(Incoming::Pong(payload)) => {
                self.conn.tap().pong(&payload);
                self.socket.accept_pong(&payload);
                return Some(Event::Pong(payload));
            }
            Ok(Incoming::Close(None)) => {
                self.conn.tap().close(Direction::In, None, "");
                self.peer_ends(CloseReason::Peer { code: None, reason: "".into() });
            }
            Ok(Incoming::Close(Some((code, reason)))) => {
                self.conn.tap().close(Direction::In, Some(code), &reason);
                self.peer_ends(CloseReason::Peer { code: Some(code), reason });
            }
            Err(Ended::Gone(kind @ io::ErrorKind::UnexpectedEof)) => self.peer_ends(CloseReason::Gone(kind)),
            Err(Ended::Gone(kind)) => self.abandon(CloseReason::Gone(kind)),
            Err(Ended::Fault(fault)) => self.close_for(fault),
        }
        None
    }

    /// Applies the rate limit to every message but the event `ping`, also to answers to asks, then
    /// passes an answer to its ask and returns any other message.
    fn accept_message(&mut self, message: Message) -> Option<Event> {
        self.conn.tap().message(Direction::In, &message);
        self.traffic.receive(&message);
        if self.automatic.pings
            && let Some(pong) = handlers::pong(self.conn.format(), &message)
        {
            // Bypasses the outbox: a pong does not count as activity of the connection.
            self.conn.tap().message(Direction::Out, &pong);
            self.traffic.send(&Tally::of(&pong), self.conn.counters());
            self.socket.out().message(pong);
            return None;
        }
        self.timers.restart_idle_time();
        if self.bucket.as_mut().is_none_or(|bucket| bucket.take(Instant::now())) {
            let message = match self.conn.asks_if_any() {
                Some(asks) => asks.take_answer(self.conn.format(), message)?,
                None => message,
            };
            return Some(Event::Message(message));
        }
        self.conn.counters().rate_limited();
        if self.automatic.refusals {
            return Some(Event::Refused(message));
        }
        self.close_for(MessageError::RateLimited);
        None
    }

    /// Acts on the timers that are due: sends pings, and ends the connection if the peer does not
    /// respond, the token has expired, the lifetime is over or the connection is idle. Returns true
    /// if the connection ends or a close has been requested.
    fn poll_timers(&mut self, cx: &mut Context<'_>) -> bool {
        if self.timers.is_waiting() {
            return false;
        }
        let expires = if self.reason.is_none() { self.expires() } else { None };
        match self.timers.poll(cx, &self.conn, expires) {
            Some(Due::Ping) => {
                let unread = self.socket.ping().min(fixed::MOST_UNREAD_BYTES);
                self.timers.allow(Duration::from_millis(unread * 1000 / fixed::SLOWEST_READER));
                // Polls again to register the next timer.
                self.poll_timers(cx)
            }
            Some(Due::SignOfLife) => {
                let now = Instant::now();
                // While the inbox is full behind a running callback, this side does not read, so a
                // missing pong proves nothing. Pings continue, because a host whose socket is
                // closed answers them with a reset. But the callback may wait for a backlog to be
                // written, and a peer that reads nothing of the backlog counts as dead.
                let reads_nothing = self.in_callback && !self.has_room() && !self.socket.is_backlogged();
                if self.socket.is_alive() || reads_nothing {
                    self.timers.peer_is_alive(now);
                } else if !self.timers.postpone_ping(now) {
                    self.abandon(CloseReason::Heartbeat);
                    return true;
                }
                // The peer still has time to answer; another ping before that is useless.
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
                self.timers.restart_idle_time();
                self.poll_timers(cx)
            }
            Some(Due::Idle) => {
                self.stop(CloseReason::Idle, "idle");
                true
            }
            Some(Due::Step) if self.reason.is_none() => {
                self.timers.schedule_peer_check();
                self.check_peer();
                self.poll_timers(cx)
            }
            // The callbacks did not finish before the close deadline, so the peer's end is answered
            // now.
            Some(Due::Step) => {
                self.answer_end();
                true
            }
            None => false,
        }
    }

    /// Returns the time at which the token expires or the lifetime is over, whichever is first.
    fn expires(&self) -> Option<Instant> {
        let (expiry, id) = (self.conn.expiry(), self.conn.id());
        let lifetime = self.conn.limits().lifetime.and_then(|lifetime| expiry.end_of(lifetime, id));
        [expiry.at(), lifetime].into_iter().flatten().min()
    }

    /// Requests a close through the outbox. The next turn collects it, behind the messages that
    /// were pushed before.
    fn stop(&self, reason: CloseReason, text: &str) {
        let frame = CloseFrame::new(reason.code(), text);
        // Fails only if there is an earlier request to close, which has precedence.
        let _ = self.conn.outbox().stop(Stop::Close { frame, reason });
    }
}

impl<S> Driver<S> {
    /// Adds what the connection has counted to the counters of its route.
    fn settle(&mut self) {
        self.traffic.settle(self.conn.counters());
        if let Some(bytes) = self.socket.settle_compression() {
            self.conn.counters().compressed(&bytes);
        }
    }

    /// Counts the end of the connection for its route, and logs it.
    pub(crate) fn record_end(&mut self, reason: &CloseReason) {
        self.is_end_recorded = true;
        self.settle();
        let conn = &self.conn;
        conn.counters().closed(reason);
        let duration = conn.expiry().age();
        EndedConnection {
            id: conn.id(),
            peer: conn.peer_addr(),
            server: conn.server(),
            route: conn.route(),
            subprotocol: conn.handshake().subprotocol(),
            reason,
            duration,
            traffic: &self.traffic,
            dropped: conn.dropped(),
        }
        .log();
        #[cfg(feature = "metrics")]
        conn.counters().record_duration(conn.server(), duration);
    }
}

impl<S> Drop for Driver<S> {
    /// Records the end of a session whose task was aborted, and counts what was compressed after
    /// the end was recorded: the last messages, in front of the close frame.
    fn drop(&mut self) {
        if !self.is_end_recorded {
            self.record_end(&CloseReason::Aborted);
        }
        self.settle();
    }
}
