//! The closing steps of a connection (RFC 6455 section 7.1): send the close frame behind the pushed
//! messages, wait for the peer's close frame, half-close, drop the socket.
//!
//! The driver enters [`State::Flushing`] here once, and from then on [`Driver::poll_turn`] only
//! calls [`Driver::poll_close`]. Every step has the close deadline. Nothing may follow the close
//! frame.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use super::{Driver, Due};
use crate::{
    connection::Direction,
    socket::ByteStream,
    wire::{CloseFrame, CloseReason, Ending, MessageError},
};

/// The closing state of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Messages may be sent and received.
    Open,
    /// The queued frames are being written; the close frame is the last.
    Flushing,
    /// The write side is being closed.
    ShuttingDown,
    /// Everything is written. Reading continues until the peer's close frame or the end of the
    /// stream, so that the peer can still read the close frame.
    Draining,
    /// The socket is not used any more.
    Done,
}

impl<S: ByteStream> Driver<S> {
    /// Closes with this frame for this reason, unless the connection has begun to close before.
    pub(crate) fn close(&mut self, frame: CloseFrame, reason: CloseReason) {
        // A request to close that the callback made before it failed has precedence.
        self.shut();
        if self.state == State::Open {
            self.begin_close(&frame, reason);
        }
    }

    /// Ends the connection without a close frame.
    pub(crate) fn abandon(&mut self, reason: CloseReason) {
        self.conn.outbox().shut();
        self.conn.asks().close();
        self.reason.get_or_insert_with(|| Box::new(reason));
        self.done();
    }

    fn done(&mut self) {
        self.state = State::Done;
        self.timers.closed();
    }

    /// Closes because of a fault of the peer. Messages from before the fault are still handled.
    pub(super) fn close_for(&mut self, fault: MessageError) {
        let frame = CloseFrame::new(fault.close_code(), fault.close_reason());
        self.close(frame, CloseReason::Fault(fault));
    }

    /// Records that a close frame or the end of the stream was read. [`Self::answer_end`] answers
    /// it once all earlier messages are handled, or at the close deadline.
    pub(super) fn peer_ends(&mut self, reason: CloseReason) {
        self.reason.get_or_insert_with(|| Box::new(reason));
        self.timers.set_close_deadline(self.conn.limits().close_timeout);
        self.announce_end();
    }

    /// Wakes the tasks that wait for the end of the peer, and fails the outstanding asks. Replies
    /// to the peer's messages can still be pushed.
    pub(super) fn announce_end(&self) {
        self.conn.outbox().announce_end();
        self.conn.asks().close();
    }

    /// Answers the peer's close frame with the peer's code (RFC 6455 section 5.5.1), behind the
    /// messages that were pushed before. An end of stream is not answered with a close frame.
    pub(super) fn answer_end(&mut self) {
        self.shut();
        if self.state != State::Open {
            return;
        }
        if let Some(CloseReason::Peer { code, .. }) = self.reason() {
            let frame = code.map(|code| CloseFrame::new(code, ""));
            self.conn.tap().close(Direction::Out, *code, "");
            self.socket.out().close(frame.as_ref());
        }
        self.begin_flush();
    }

    pub(super) fn begin_close(&mut self, frame: &CloseFrame, reason: CloseReason) {
        self.reason.get_or_insert_with(|| Box::new(reason));
        self.conn.tap().close(Direction::Out, Some(frame.code), &frame.reason);
        self.socket.out().close(Some(frame));
        self.begin_flush();
    }

    fn begin_flush(&mut self) {
        self.conn.asks().close();
        self.state = State::Flushing;
        self.timers.set_close_deadline(self.conn.limits().close_timeout);
    }

    /// Shuts the outbox and collects all its frames. Frames that stay there would be written behind
    /// the close frame.
    fn shut(&mut self) {
        self.conn.outbox().shut();
        self.collect_until(usize::MAX, None);
    }

    /// Waits until the tasks of the connection are over. The connection must have begun to end.
    pub(crate) async fn finish_tasks(&mut self) {
        poll_fn(|cx| self.poll_tasks(cx)).await;
    }

    /// Waits for the tasks of the connection after the last event, and answers the end of the peer.
    ///
    /// Cold, so that it costs nothing in [`Driver::poll_next`], which runs for each message.
    #[cold]
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_tasks(cx));
        if self.state == State::Open {
            self.answer_end();
        }
        Poll::Ready(())
    }

    /// Drives the connection until its tasks have ended, or the close deadline has passed, or the
    /// connection is cut. If the peer has closed its side, replies can still be pushed meanwhile.
    fn poll_tasks(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.conn.tasks_if_any().is_some_and(|tasks| tasks.poll_idle(cx).is_pending()) {
            self.timers.set_tasks_deadline(self.conn.limits().close_timeout);
            let turn = self.poll_turn_into_inbox(cx);
            if self.was_cut || self.timers.is_callback_overdue() {
                break;
            }
            ready!(turn);
        }
        Poll::Ready(())
    }

    /// Waits until the closing steps are done. The connection must have begun to end.
    pub(crate) async fn finish(&mut self) {
        self.inbox.clear();
        poll_fn(|cx| {
            loop {
                if self.state == State::Done {
                    return Poll::Ready(());
                }
                ready!(self.poll_turn_into_inbox(cx));
            }
        })
        .await;
    }

    /// Advances the closing: flush, read on for a bounded time and size, half-close, then drop.
    ///
    /// Closing a socket with unread input resets the TCP connection, and the peer may then lose the
    /// close frame. If the peer closed first, or broke the protocol (RFC 6455 section 7.1.7), the
    /// half-close comes before the reading.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.timers.is_waiting() && self.timers.poll(cx, &self.conn, None) == Some(Due::Step) {
            // Over TLS this sends `close_notify`, if the socket accepts it without waiting.
            let _ = self.socket.poll_shutdown(cx);
            self.done();
            return Poll::Ready(());
        }
        let [after_flush, after_shutdown, after_drain] = if self.half_closes_first() {
            [State::ShuttingDown, State::Draining, State::Done]
        } else {
            [State::Draining, State::Done, State::ShuttingDown]
        };
        let step = match self.state {
            State::Flushing => self.socket.poll_flush(cx).map(|result| (result.is_ok(), after_flush)),
            State::ShuttingDown => {
                self.socket.poll_shutdown(cx).map(|result| (result.is_ok(), after_shutdown))
            }
            State::Draining => self.socket.poll_drain(cx).map(|()| (true, after_drain)),
            State::Open | State::Done => Poll::Pending,
        };
        if let Poll::Ready((is_ok, next)) = step {
            self.flushed |= is_ok && self.state == State::Flushing;
            if is_ok && next != State::Done {
                self.state = next;
            } else {
                self.done();
            }
            return Poll::Ready(());
        }
        // A cut must still wake the task.
        if self.conn.outbox().register(cx.waker(), false) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether the write side is closed directly after the close frame. If this side closes first,
    /// it is not: some proxies take the FIN as the end of the tunnel and drop the peer's answer.
    fn half_closes_first(&self) -> bool {
        matches!(self.reason(), Some(CloseReason::Peer { .. } | CloseReason::Gone(_) | CloseReason::Fault(_)))
    }

    /// Returns how the connection ended. Only valid after [`finish`](Self::finish).
    pub(crate) fn ending(&self) -> Ending {
        if self.was_cut {
            Ending::Cut
        } else if self.flushed && self.socket.has_seen_close() {
            Ending::Clean
        } else {
            Ending::Lost
        }
    }
}
