//! A callback that waits: the driver polls it, and drives the connection at the same time.
//!
//! The callback is a [`Slot`], so that none of this is compiled for each controller.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::Driver;
use crate::{
    caught::{Fragile, Slot, clear_slot, poll_slot},
    error::{Error, Result},
    socket::ByteStream,
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

impl<S: ByteStream> Driver<S> {
    /// Returns the time by which a callback that begins now must end.
    pub(crate) fn handler_deadline(&self) -> Option<Instant> {
        self.conn.limits().handler_timeout.map(|within| Instant::now() + within)
    }

    /// Runs a callback to its end, and drives the connection while the callback waits.
    pub(crate) async fn run(
        &mut self,
        callback: Pin<&mut (dyn Slot<Output = Result> + Send + '_)>,
        deadline: Option<Duration>,
    ) -> Completion {
        let mut callback = Fragile::new(callback);
        self.begin_callback(deadline.map(|within| Instant::now() + within));
        poll_fn(|cx| self.poll_callback(cx, callback.slot())).await
    }

    /// Records that a callback runs, until [`poll_callback`](Self::poll_callback) is ready.
    pub(crate) fn begin_callback(&mut self, deadline: Option<Instant>) {
        // A cut applies only to the callback that was running when it was requested.
        self.must_drop_callback = false;
        self.in_callback = true;
        self.timers.set_callback_deadline(deadline);
    }

    /// Polls a callback, and drives the connection if the callback waits.
    ///
    /// A panic of the callback, or of the drop of its future, is caught. The future is dropped when
    /// this is ready.
    pub(crate) fn poll_callback(
        &mut self,
        cx: &mut Context<'_>,
        mut callback: Pin<&mut (dyn Slot<Output = Result> + Send + '_)>,
    ) -> Poll<Completion> {
        if self.has_slept {
            // From now on, messages that the callback pushes do not wake this task.
            self.collect(None);
        }
        match poll_slot(callback.as_mut(), cx) {
            Poll::Ready(result) => Poll::Ready(self.end_callback(callback, result.into())),
            Poll::Pending => self.poll_beside(cx, callback),
        }
    }

    /// Drives the connection while a callback waits. Ready if the callback was cancelled.
    pub(crate) fn poll_beside(
        &mut self,
        cx: &mut Context<'_>,
        callback: Pin<&mut (dyn Slot<Output = Result> + Send + '_)>,
    ) -> Poll<Completion> {
        while self.poll_turn_into_inbox(cx).is_ready() {}
        let outcome = if self.must_drop_callback {
            Completion::Cut
        } else if self.timers.is_callback_overdue() {
            Completion::TimedOut
        } else {
            return Poll::Pending;
        };
        Poll::Ready(self.end_callback(callback, outcome))
    }

    fn end_callback(
        &mut self,
        callback: Pin<&mut (dyn Slot<Output = Result> + Send + '_)>,
        outcome: Completion,
    ) -> Completion {
        self.timers.set_callback_deadline(None);
        self.in_callback = false;
        if clear_slot(callback) { outcome } else { Completion::Panicked }
    }
}

impl From<Option<Result>> for Completion {
    /// Converts the result of a callback; `None` if it panicked.
    fn from(result: Option<Result>) -> Self {
        result.map_or(Self::Panicked, Self::Returned)
    }
}

impl Completion {
    /// Returns the failure, if the callback failed.
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

/// The way in which a callback failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(Error),
    Panic,
    TimedOut,
    Cut,
}
