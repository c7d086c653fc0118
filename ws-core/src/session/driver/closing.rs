//! How a connection is closed: the close frame behind what was pushed, the peer's close frame,
//! half-close, the end.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use super::{Driver, Due};
use crate::{
    socket::ByteStream,
    wire::{CloseFrame, CloseReason, Ending, MessageError},
};

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Messages go both ways.
    Open,
    /// What is queued, the close frame last, is on its way out.
    Flushing,
    /// The write side is being closed.
    ShuttingDown,
    /// Everything is written. Reading on until the peer's close frame or its end, so that the peer
    /// can read the close frame.
    Draining,
    /// The socket has no more use.
    Done,
}

impl<S: ByteStream> Driver<'_, S> {
    /// Closes with this frame because of this reason, unless the connection has ended already.
    pub(crate) fn close(&mut self, frame: CloseFrame, reason: CloseReason) {
        // A request of the callback itself, made before it failed, came first.
        self.shut();
        if self.state == State::Open {
            self.begin_close(&frame, reason);
        }
    }

    /// Drops the socket without a word.
    pub(crate) fn abandon(&mut self, reason: CloseReason) {
        self.conn.outbox().shut();
        self.conn.asks().close();
        self.reason.get_or_insert(reason);
        self.done();
    }

    fn done(&mut self) {
        self.state = State::Done;
        self.timers.closed();
    }

    /// What arrived before the fault is still handled.
    pub(super) fn close_for(&mut self, fault: MessageError) {
        let frame = CloseFrame::new(fault.close_code(), fault.close_reason());
        self.close(frame, CloseReason::Fault(fault));
    }

    /// A close frame or the end of the stream was read. [`Self::answer_end`] answers it once
    /// everything before it is handled, or at the close deadline.
    pub(super) fn peer_ends(&mut self, reason: CloseReason) {
        self.reason.get_or_insert(reason);
        self.timers.close_must_go_on(self.limits.close_timeout);
        self.announce_end();
    }

    /// Wakes the tasks that wait for the end of the peer. Answers to its messages can still be
    /// pushed.
    pub(super) fn announce_end(&self) {
        self.conn.outbox().announce_end();
        self.conn.asks().close();
    }

    /// Answers the peer's close frame with its own code (RFC 6455 section 5.5.1), behind what was
    /// pushed before. The end of the stream is not answered with a close frame.
    pub(super) fn answer_end(&mut self) {
        self.shut();
        if self.state != State::Open {
            return;
        }
        if let Some(CloseReason::Peer { code, .. }) = &self.reason {
            let frame = code.map(|code| CloseFrame::new(code, ""));
            self.socket.out().close(frame.as_ref());
        }
        self.begin_flush();
    }

    pub(super) fn begin_close(&mut self, frame: &CloseFrame, reason: CloseReason) {
        self.reason.get_or_insert(reason);
        self.socket.out().close(Some(frame));
        self.begin_flush();
    }

    fn begin_flush(&mut self) {
        self.conn.asks().close();
        self.state = State::Flushing;
        self.timers.close_must_go_on(self.limits.close_timeout);
    }

    /// Has the outbox take nothing more, and takes all that it has: left there, it would follow the close frame.
    fn shut(&mut self) {
        self.conn.outbox().shut();
        self.collect_until(usize::MAX);
    }

    /// Waits until the closing, which began with the reason, is through.
    pub(crate) async fn finish(&mut self) {
        self.inbox.clear();
        poll_fn(|cx| {
            loop {
                if self.state == State::Done {
                    return Poll::Ready(());
                }
                std::task::ready!(self.poll_turn(cx));
            }
        })
        .await;
    }

    /// Flush, read on for a bounded time and size, half-close, then drop: closing a socket with
    /// unread input resets it, and the reset eats the close frame. If the peer began to close, or
    /// broke the protocol (RFC 6455 section 7.1.7), the half-close comes in front of the reading.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.timers.poll(cx, None) == Some(Due::Step) {
            // Over TLS this sends `close_notify`, if the socket takes it at once.
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
        // A cut must still be heard.
        if self.conn.outbox().register(cx.waker(), false) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether the write side is closed directly behind the close frame. Behind this side's own
    /// close frame it is not: proxies take the FIN for the end of the tunnel, and cut off the
    /// peer's answer.
    fn half_closes_first(&self) -> bool {
        matches!(self.reason, Some(CloseReason::Peer { .. } | CloseReason::Gone(_) | CloseReason::Fault(_)))
    }

    /// How the connection went, once it is finished.
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
