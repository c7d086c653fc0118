//! The task of a client that is used by several tasks: [`spawn`] starts it, [`Handle`] reaches it.
//!
//! The task owns the connection, a [`Link`]. It takes messages from one bounded queue, writes them
//! one by one, and gives what arrives to an [`Inbox`]. It ends with the connection, with a close
//! that a handle requests, or when all handles are dropped. It must not decode a message, and it
//! must not keep one for a later connection.

use std::{
    future::{Future, poll_fn},
    mem,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    connection::Client,
    error::{ClientError, GaveUp, Reconnected},
    reconnect::{ReconnectingClient, Update},
};
use crate::wire::{CloseReason, Message, may_be_sent};

/// The messages that wait for the task. Each belongs to a `send` that is awaited.
const MAX_OUTGOING: usize = 16;

/// A message, or the report of a new connection.
#[derive(Debug)]
pub(super) enum Arrival {
    Message(Message),
    Reconnected(Reconnected),
}

/// Why nothing more arrives.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    Closed(CloseReason),
    GaveUp(GaveUp),
}

impl Ended {
    /// Returns why the last connection ended.
    pub(super) fn reason(self) -> CloseReason {
        match self {
            Self::Closed(reason) => reason,
            Self::GaveUp(gave_up) => gave_up.lost,
        }
    }
}

impl From<Ended> for ClientError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Closed(reason) => Self::Closed(reason),
            Ended::GaveUp(gave_up) => Self::GaveUp(gave_up),
        }
    }
}

/// The connection of a task: one that ends, or one that is made again.
pub(super) trait Link: Send + 'static {
    /// Returns the connection, if there is one.
    fn current(&self) -> Option<&Client>;

    /// Returns why the connection was lost, while there is none and the client connects again.
    fn outage(&self) -> Option<&CloseReason>;

    /// Returns the next message, or the report of a new connection.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Ended>>;

    /// Takes the message and writes it. It is pending while it is not connected, and while the
    /// report of the connection was not taken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>>;

    /// Closes as [`Client::close`] does.
    fn close(
        self,
        code: u16,
        reason: String,
    ) -> impl Future<Output = Result<CloseReason, ClientError>> + Send;
}

impl Link for Client {
    fn current(&self) -> Option<&Client> {
        Some(self)
    }

    fn outage(&self) -> Option<&CloseReason> {
        None
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Ended>> {
        self.wire.poll_next(cx).map_ok(Arrival::Message).map_err(Ended::Closed)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>> {
        self.wire.poll_send(cx, message, false).map_err(ClientError::Closed)
    }

    async fn close(self, code: u16, reason: String) -> Result<CloseReason, ClientError> {
        self.close(code, reason).await
    }
}

impl Link for ReconnectingClient {
    fn current(&self) -> Option<&Client> {
        self.current()
    }

    fn outage(&self) -> Option<&CloseReason> {
        self.lost()
    }

    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<Arrival, Ended>> {
        match ready!(self.poll_update(cx)).map_err(Ended::GaveUp)? {
            Update::Message(message) => Poll::Ready(Ok(Arrival::Message(message))),
            Update::Reconnected(reconnected) => Poll::Ready(Ok(Arrival::Reconnected(reconnected))),
            // Only `recv` has a deadline.
            Update::TimedOut => Poll::Pending,
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>> {
        self.poll_send_reported(cx, message)
    }

    async fn close(self, code: u16, reason: String) -> Result<CloseReason, ClientError> {
        self.close(code, reason).await
    }
}

/// Takes what arrives, in the task.
pub(super) trait Inbox: Send + 'static {
    /// Ready when there is room for one more arrival. Reading pauses until then.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Takes an arrival. `current` is the connection that it came from.
    fn take(&mut self, arrival: Arrival, current: Option<&Client>);

    /// Returns a message that the inbox itself sends.
    fn next_answer(&mut self) -> Option<Outgoing> {
        None
    }

    /// Called once for each connection that is lost and made again.
    fn on_loss(&mut self, _lost: &CloseReason) {}

    /// Called when the task ends, unless it is aborted.
    fn on_end(&mut self, _ended: &Ended) {}
}

/// A message, and the `send` that waits for it.
pub(super) struct Outgoing {
    pub(super) message: Message,
    pub(super) sent: Option<oneshot::Sender<Result<(), ClientError>>>,
}

/// The message that is being written.
struct Sending {
    /// `None` from the moment on that the socket has it.
    message: Option<Message>,
    sent: Option<oneshot::Sender<Result<(), ClientError>>>,
}

impl Sending {
    /// Whether its `send` was dropped before any part of it was written.
    fn is_abandoned(&self) -> bool {
        self.message.is_some() && self.sent.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    fn finish(self, result: Result<(), ClientError>) {
        // It fails if the `send` was dropped. Then the result is not needed.
        let _ = self.sent.map(|sent| sent.send(result));
    }
}

struct Closing {
    code: u16,
    reason: String,
    closed: oneshot::Sender<Result<CloseReason, ClientError>>,
}

/// A handle of the task. The task ends when the last one is dropped.
#[derive(Clone, Debug)]
pub(super) struct Handle {
    outgoing: mpsc::Sender<Outgoing>,
    closing: mpsc::Sender<Closing>,
    /// Set before the task ends, unless it is aborted.
    ended: Arc<OnceLock<Ended>>,
    send_deadline: Duration,
}

impl Handle {
    /// Sends a message and waits until the socket has it, up to the send deadline.
    pub(super) async fn send(&self, message: Message) -> Result<(), ClientError> {
        let after = self.send_deadline;
        let sent = tokio::time::timeout(after, self.send_in_any_time(message)).await;
        sent.unwrap_or(Err(ClientError::Timeout { after }))
    }

    async fn send_in_any_time(&self, message: Message) -> Result<(), ClientError> {
        let (sent, result) = oneshot::channel();
        if self.outgoing.send(Outgoing { message, sent: Some(sent) }).await.is_ok()
            && let Ok(result) = result.await
        {
            return result;
        }
        Err(self.ended().into())
    }

    /// Closes the connection. It does not wait for messages whose `send` has not returned.
    pub(super) async fn close(&self, code: u16, reason: &str) -> Result<CloseReason, ClientError> {
        if !may_be_sent(code) {
            return Err(ClientError::CloseCode(code));
        }
        let (closed, result) = oneshot::channel();
        let closing = Closing { code, reason: reason.to_owned(), closed };
        if self.closing.send(closing).await.is_ok()
            && let Ok(result) = result.await
        {
            return result;
        }
        Ok(self.ended().reason())
    }

    pub(super) fn is_open(&self) -> bool {
        !self.closing.is_closed()
    }

    /// Returns why the task ended. A runtime that shuts down aborts it.
    pub(super) fn ended(&self) -> Ended {
        self.ended.get().cloned().unwrap_or(Ended::Closed(CloseReason::Aborted))
    }
}

/// Starts the task.
///
/// # Panics
/// Outside of a Tokio runtime.
pub(super) fn spawn<L: Link, I: Inbox>(link: L, inbox: I, send_deadline: Duration) -> Handle {
    let (outgoing, messages) = mpsc::channel(MAX_OUTGOING);
    let (closing, closes) = mpsc::channel(1);
    let ended = Arc::new(OnceLock::new());
    let driver = Driver { link, inbox, messages, closes, sending: None, is_up: true };
    tokio::spawn(driver.run(Arc::clone(&ended)));
    Handle { outgoing, closing, ended, send_deadline }
}

struct Driver<L, I> {
    link: L,
    inbox: I,
    messages: mpsc::Receiver<Outgoing>,
    closes: mpsc::Receiver<Closing>,
    sending: Option<Sending>,
    /// Whether the inbox knows of a connection.
    is_up: bool,
}

/// Why the driver stops.
enum Stop {
    Ended(Ended),
    Close(Closing),
    /// All handles are dropped.
    Unused,
}

impl<L: Link, I: Inbox> Driver<L, I> {
    async fn run(mut self, ended: Arc<OnceLock<Ended>>) {
        let stop = poll_fn(|cx| self.poll(cx)).await;
        let Self { link, mut inbox, messages, .. } = self;
        let mut finish = |reason: Ended| {
            inbox.on_end(&reason);
            let _ = ended.set(reason);
        };
        match stop {
            Stop::Ended(reason) => finish(reason),
            Stop::Unused => finish(Ended::Closed(local(1000, String::new()))),
            Stop::Close(Closing { code, reason, closed }) => {
                let result = link.close(code, reason.clone()).await;
                let reason = result.as_ref().map_or_else(|_| local(code, reason), CloseReason::clone);
                finish(Ended::Closed(reason));
                let _ = closed.send(result);
            }
        }
        // The messages are dropped last, so that the tasks that wait for them see the reason.
        drop(messages);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Poll::Ready(closing) = self.closes.poll_recv(cx) {
            return Poll::Ready(closing.map_or(Stop::Unused, Stop::Close));
        }
        loop {
            let outgoing = self.poll_outgoing(cx);
            let arrival = self.poll_arrival(cx);
            match arrival {
                Poll::Ready(Err(ended)) => return Poll::Ready(Stop::Ended(ended)),
                Poll::Pending if outgoing.is_pending() => return Poll::Pending,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
    }

    /// Writes one message. It returns all messages while it is not connected.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sending.is_none() {
            self.sending = Some(ready!(self.poll_next_outgoing(cx)));
        }
        self.note_loss();
        let Some(sending) = &mut self.sending else { return Poll::Ready(()) };
        let result = if sending.is_abandoned() {
            Ok(())
        } else if let Some(lost) = self.link.outage() {
            Err(ClientError::Reconnecting(lost.clone()))
        } else {
            ready!(self.link.poll_send(cx, &mut sending.message))
        };
        if let Some(sending) = self.sending.take() {
            sending.finish(result);
        }
        Poll::Ready(())
    }

    fn poll_next_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<Sending> {
        let next = match self.inbox.next_answer() {
            Some(answer) => Some(answer),
            None => ready!(self.messages.poll_recv(cx)),
        };
        // Without handles, no further request arrives, and `closes` reports it.
        next.map_or(Poll::Pending, |Outgoing { message, sent }| {
            Poll::Ready(Sending { message: Some(message), sent })
        })
    }

    /// Gives one arrival to the inbox.
    fn poll_arrival(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        if self.inbox.poll_ready(cx).is_pending() {
            // Pongs are written although reading pauses. The next read reports an error.
            if self.sending.is_none() {
                let _ = self.link.poll_send(cx, &mut None);
            }
            return Poll::Pending;
        }
        let polled = self.link.poll_arrival(cx);
        self.note_loss();
        let arrival = ready!(polled)?;
        self.is_up = true;
        self.inbox.take(arrival, self.link.current());
        Poll::Ready(Ok(()))
    }

    fn note_loss(&mut self) {
        if let Some(lost) = self.link.outage()
            && mem::take(&mut self.is_up)
        {
            self.inbox.on_loss(lost);
        }
    }
}

fn local(code: u16, reason: String) -> CloseReason {
    CloseReason::Local { code, reason: reason.into() }
}
