//! [`Sending`]: a reply on its way into the outbox.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    connection::Connection,
    error::Result,
    wire::{Message, SendError},
};

/// The future of a reply. It has the same type for all replies and is small, so that it is compiled once
/// and takes no room in the future of a handler.
///
/// A reply that is one message is encoded and queued when this is made, and only waits here for room in
/// the outbox.
#[must_use = "futures do nothing unless they are awaited"]
#[expect(missing_debug_implementations, reason = "a future")]
pub struct Sending<'r>(State<'r>);

enum State<'r> {
    Done(Result),
    /// Boxed, because an outbox is rarely full, and few replies are more than one message.
    Waits(Pin<Box<dyn Future<Output = Result> + Send + 'r>>),
}

impl<'r> Sending<'r> {
    pub(super) fn done(result: Result) -> Self {
        Self(State::Done(result))
    }

    /// Queues a message, now or when the outbox has room.
    pub(super) fn message(conn: &'r Connection, message: Result<Message, SendError>) -> Self {
        match message.and_then(|message| conn.outbox().try_send(message)) {
            Ok(None) => Self::done(Ok(())),
            Ok(Some(refused)) => Self::later(async { Ok(conn.send(refused).await?) }),
            Err(error) => Self::done(Err(error.into())),
        }
    }

    pub(super) fn later(sending: impl Future<Output = Result> + Send + 'r) -> Self {
        Self(State::Waits(Box::pin(sending)))
    }
}

impl Future for Sending<'_> {
    type Output = Result;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result> {
        match &mut self.0 {
            State::Done(result) => Poll::Ready(std::mem::replace(result, Ok(()))),
            State::Waits(sending) => sending.as_mut().poll(cx),
        }
    }
}
