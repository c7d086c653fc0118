//! [`ReconnectingClient`]: connects again after a loss, and reports what was lost.
//!
//! It has either a connection or an outage, never both. Like [`Client`] it has no task: it connects
//! while `recv` or `send` is awaited. The state of the outage is kept between calls, so a short
//! deadline does not restart it. It must not queue a message, nor send one twice.

mod policy;

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tokio::time::{Instant, Sleep};

pub use self::policy::ReconnectPolicy;
use self::policy::{Backoff, Cause, Renewal};
use super::{
    attempt::Attempt,
    connect,
    connection::{Client, in_time},
    error::{ClientError, ConnectError, GaveUp, Reconnected},
    settings::Settings,
};
use crate::wire::{CloseReason, Message};

/// A client that connects again when its connection is lost; made by
/// [`ClientBuilder::reconnect`](super::ClientBuilder::reconnect).
///
/// The server does not know that a new connection continues an old one: no user is logged in, no
/// room is joined. So the client first reports the new connection, by [`recv`](Self::recv) or
/// [`send`](Self::send), whichever is called first, and sends nothing on it before. It queues no
/// messages while it is not connected, and sends none twice.
///
/// A server that closes with 1000 or 4403 does not want the client back, so these codes are final:
/// see [`ReconnectPolicy`].
///
/// A ping follows the messages that are sent; at most one ping is unanswered at any time. Its pong
/// confirms that the server's WebSocket layer has read everything before it.
/// [`Reconnected::unconfirmed`] counts the messages without such a confirmation.
///
/// ```no_run
/// use ws_core::client::{Client, ReconnectPolicy, Update};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let uri = "ws://localhost:9502/chat";
/// let mut client = Client::builder(uri).reconnect(ReconnectPolicy::new()).await?;
/// loop {
///     match client.recv(None).await? {
///         Update::Message(message) => println!("{message:?}"),
///         Update::Reconnected(reconnected) => {
///             println!("{reconnected}");
///             client.send("join lobby").await?;
///         }
///         Update::TimedOut => {}
///     }
/// }
/// # }
/// ```
pub struct ReconnectingClient {
    settings: Settings,
    policy: ReconnectPolicy,
    backoff: Backoff,
    state: State,
    /// A new connection that neither `recv` nor `send` has reported.
    unreported: Option<Reconnected>,
    /// A message that the lost connection had read and that `recv` has not returned.
    read_ahead: Option<Message>,
}

/// The result of [`ReconnectingClient::recv`].
///
/// ```
/// use ws_core::client::{GaveUp, ReconnectingClient, Update};
///
/// async fn listen(mut client: ReconnectingClient) -> Result<(), GaveUp> {
///     loop {
///         match client.recv(None).await? {
///             Update::Message(message) => println!("{message:?}"),
///             Update::Reconnected(reconnected) => println!("{reconnected}; join the rooms again"),
///             Update::TimedOut => {} // not without a deadline
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Update {
    /// A message.
    Message(Message),
    /// The connection was lost and there is a new one. Log in, join, and repeat what the server
    /// must not miss.
    Reconnected(Reconnected),
    /// Nothing arrived within the deadline. There may be no connection.
    TimedOut,
}

enum State {
    Up { client: Box<Client>, since: Instant },
    Down { loss: Loss, step: Step },
    GaveUp(GaveUp),
}

/// A loss of the connection, to report with the new connection or with [`GaveUp`].
#[derive(Clone)]
struct Loss {
    /// Why the connection ended that was reported last.
    lost: CloseReason,
    /// Why the last connection ended, which may not have been reported.
    ended: CloseReason,
    unconfirmed: u64,
    attempts: u32,
    since: Instant,
    /// Why the last attempt failed.
    error: Option<Arc<ConnectError>>,
}

enum Step {
    Waiting(Pin<Box<Sleep>>),
    Connecting(Pin<Box<dyn Future<Output = Result<Client, ConnectError>> + Send>>),
}

impl ReconnectingClient {
    pub(super) fn new(settings: Settings, policy: ReconnectPolicy, first: Client) -> Self {
        let state = State::Up { client: Box::new(first), since: Instant::now() };
        let renewal = if settings.before_attempt.is_some() { Renewal::Possible } else { Renewal::Never };
        Self { settings, policy, backoff: Backoff::new(renewal), state, unreported: None, read_ahead: None }
    }

    /// Returns the connection, if there is one; for its [`subprotocol`](Client::subprotocol) and
    /// [`response_headers`](Client::response_headers).
    pub fn current(&self) -> Option<&Client> {
        match &self.state {
            State::Up { client, .. } => Some(client),
            State::Down { .. } | State::GaveUp(_) => None,
        }
    }

    /// Receives the next message, or reports a new connection, within the deadline; `None` waits
    /// without a deadline. If it is not connected, it connects.
    ///
    /// Cancel-safe: if the future is dropped early, no message is lost, and the next call continues
    /// to connect.
    ///
    /// # Errors
    /// [`GaveUp`] when the [policy](ReconnectPolicy) allows no further attempt; every further call
    /// returns it again. A new token does not need a new client: see
    /// [`before_attempt`](super::ClientBuilder::before_attempt).
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Result<Update, GaveUp> {
        let update = poll_fn(|cx| self.poll_update(cx));
        in_time(within.into(), update).await.unwrap_or(Ok(Update::TimedOut))
    }

    /// Sends a message. If it is not connected, it connects, but it does not send on the new
    /// connection: it reports it. [`send_deadline`](super::ClientBuilder::send_deadline) limits
    /// both.
    ///
    /// # Errors
    /// - [`ClientError::Reconnected`] when the connection is new and had not been reported: the
    ///   message was not sent. `recv` does not report it again.
    /// - [`ClientError::Timeout`] when it is not connected in time, or the server does not read.
    /// - [`ClientError::GaveUp`] when the policy allows no further attempt.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), ClientError> {
        let mut message = Some(message.into());
        let after = self.settings.send_deadline;
        let sent = poll_fn(|cx| self.poll_send(cx, &mut message));
        tokio::time::timeout(after, sent).await.unwrap_or(Err(ClientError::Timeout { after }))
    }

    /// Serialises the value as JSON and sends it as text.
    ///
    /// # Errors
    /// [`ClientError::Serialize`], or as [`send`](Self::send).
    pub async fn push_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ClientError> {
        let json = serde_json::to_string(value)?;
        self.send(json).await
    }

    /// Closes as [`Client::close`] does, for good. If it is not connected, it returns the reason
    /// of the loss.
    ///
    /// # Errors
    /// As [`Client::close`].
    pub async fn close(self, code: u16, reason: impl AsRef<str>) -> Result<CloseReason, ClientError> {
        match self.state {
            State::Up { client, .. } => client.close(code, reason).await,
            State::Down { loss: Loss { ended: lost, .. }, .. } | State::GaveUp(GaveUp { lost, .. }) => {
                Ok(lost)
            }
        }
    }

    pub(super) fn poll_update(&mut self, cx: &mut Context<'_>) -> Poll<Result<Update, GaveUp>> {
        if let Some(message) = self.read_ahead.take() {
            return Poll::Ready(Ok(Update::Message(message)));
        }
        loop {
            ready!(self.poll_connected(cx))?;
            if let Some(reconnected) = self.unreported.take() {
                return Poll::Ready(Ok(Update::Reconnected(reconnected)));
            }
            let State::Up { client, .. } = &mut self.state else { continue };
            match ready!(client.wire.poll_next(cx)) {
                Ok(message) => return Poll::Ready(Ok(Update::Message(message))),
                Err(reason) => self.on_loss(reason),
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>> {
        loop {
            ready!(self.poll_connected(cx))?;
            if let Some(reconnected) = self.unreported.take() {
                return Poll::Ready(Err(ClientError::Reconnected(reconnected)));
            }
            let State::Up { client, .. } = &mut self.state else { continue };
            match ready!(client.wire.poll_send(cx, message, self.read_ahead.is_none())) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(reason) => self.on_loss(reason),
            }
        }
    }

    /// Sends on a connection that `poll_update` has reported; pending while there is none.
    pub(super) fn poll_send_reported(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>> {
        let (State::Up { client, .. }, None) = (&mut self.state, &self.unreported) else {
            return Poll::Pending;
        };
        let Err(reason) = ready!(client.wire.poll_send(cx, message, false)) else {
            return Poll::Ready(Ok(()));
        };
        self.on_loss(reason.clone());
        Poll::Ready(Err(match &self.state {
            State::GaveUp(gave_up) => ClientError::GaveUp(gave_up.clone()),
            State::Up { .. } | State::Down { .. } => ClientError::Reconnecting(reason),
        }))
    }

    /// Returns why the connection was lost, during an outage.
    pub(super) fn lost(&self) -> Option<&CloseReason> {
        match &self.state {
            State::Down { loss, .. } => Some(&loss.ended),
            State::Up { .. } | State::GaveUp(_) => None,
        }
    }

    pub(super) fn send_deadline(&self) -> Duration {
        self.settings.send_deadline
    }

    pub(super) fn call_deadline(&self) -> Duration {
        self.settings.call_deadline
    }

    /// Ready when there is a connection, or with an error when the policy allows no further
    /// attempt.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), GaveUp>> {
        loop {
            let (loss, step) = match &mut self.state {
                State::Up { .. } => return Poll::Ready(Ok(())),
                State::GaveUp(gave_up) => return Poll::Ready(Err(gave_up.clone())),
                State::Down { loss, step } => (loss, step),
            };
            match step {
                Step::Waiting(timer) => {
                    ready!(timer.as_mut().poll(cx));
                    loss.attempts = loss.attempts.saturating_add(1);
                    let settings = self.settings.clone();
                    let facts = Attempt {
                        number: loss.attempts,
                        lost: Some(loss.ended.clone()),
                        error: loss.error.clone(),
                    };
                    let attempt = async move { connect::connect(&settings, facts).await };
                    *step = Step::Connecting(Box::pin(attempt));
                }
                Step::Connecting(attempt) => {
                    let attempted = ready!(attempt.as_mut().poll(cx));
                    let loss = loss.clone();
                    match attempted {
                        Ok(client) => self.on_connected(client, loss),
                        Err(error) => {
                            tracing::debug!(attempts = loss.attempts, %error, "not reconnected");
                            self.wait_or_give_up(Loss { error: Some(Arc::new(error)), ..loss });
                        }
                    }
                }
            }
        }
    }

    /// Starts an outage, or continues the last one if its end has not been reported.
    fn on_loss(&mut self, reason: CloseReason) {
        let State::Up { client, since } = &mut self.state else { return };
        self.read_ahead = self.read_ahead.take().or_else(|| client.wire.take_read_ahead());
        let unconfirmed = client.wire.unconfirmed();
        tracing::debug!(code = reason.code(), unconfirmed, "connection lost");
        let now = Instant::now();
        self.backoff.on_loss(now.duration_since(*since), &self.policy);
        let loss = match self.unreported.take() {
            // Nothing was sent on a connection that was not reported.
            Some(earlier) => Loss {
                since: now.checked_sub(earlier.down_for).unwrap_or(now),
                lost: earlier.lost,
                ended: reason,
                unconfirmed: earlier.unconfirmed,
                attempts: earlier.attempts,
                error: None,
            },
            None => Loss {
                lost: reason.clone(),
                ended: reason,
                unconfirmed,
                attempts: 0,
                since: now,
                error: None,
            },
        };
        self.wait_or_give_up(loss);
    }

    fn wait_or_give_up(&mut self, loss: Loss) {
        let cause = match &loss.error {
            Some(error) => Cause::Failed(error, SystemTime::now()),
            None => Cause::Lost(&loss.ended),
        };
        self.state = match self.backoff.next(&self.policy, cause, fastrand::f64()) {
            Some(wait) => State::Down { loss, step: Step::Waiting(Box::pin(tokio::time::sleep(wait))) },
            None => {
                let Loss { ended, unconfirmed, attempts, error, .. } = loss;
                State::GaveUp(GaveUp { lost: ended, unconfirmed, attempts, error })
            }
        };
    }

    fn on_connected(&mut self, client: Client, loss: Loss) {
        let now = Instant::now();
        let Loss { lost, unconfirmed, attempts, since, .. } = loss;
        let down_for = now.duration_since(since);
        self.unreported = Some(Reconnected { lost, unconfirmed, attempts, down_for });
        self.state = State::Up { client: Box::new(client), since: now };
    }
}

impl fmt::Debug for ReconnectingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingClient").field("current", &self.current()).finish_non_exhaustive()
    }
}
