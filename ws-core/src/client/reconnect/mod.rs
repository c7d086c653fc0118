//! [`ReconnectingClient`]: a client that comes back, and says what was lost.
//!
//! It owns the connection or the outage, never both. Like [`Client`] it has no task: the outage goes on while `recv` or
//! `send` is awaited, and its state is kept between calls, so that a short deadline does not start it over.

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

use self::policy::Backoff;
pub use self::policy::ReconnectPolicy;
use super::{
    connect,
    connection::{Client, in_time},
    error::{ClientError, ConnectError, GaveUp, Reconnected},
    settings::Settings,
};
use crate::wire::{CloseReason, Message};

/// A connection that is made anew when it is lost; made by [`ClientBuilder::reconnect`](super::ClientBuilder::reconnect).
///
/// A new connection is a new one for the server: nobody is logged in, no room is joined. So nothing is sent on it
/// before this program was told, by [`recv`](Self::recv) or by [`send`](Self::send), whichever comes first. Nothing is
/// queued while there is no connection, and nothing is sent twice.
///
/// A ping follows what is sent (one on its way at any time); its pong confirms that the server's WebSocket layer has
/// read everything before it, and what is not confirmed is counted in [`Reconnected::unconfirmed`].
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
///         Update::Reconnected(news) => {
///             println!("{news}");
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
    /// A new connection of which nobody was told.
    news: Option<Reconnected>,
    /// What the lost connection had received and nobody has taken.
    leftover: Option<Message>,
}

/// What [`ReconnectingClient::recv`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Update {
    /// A message.
    Message(Message),
    /// The connection was lost and there is a new one: log in, join and send again what must not be missing.
    Reconnected(Reconnected),
    /// Nothing came within the deadline; there may be a connection or not.
    TimedOut,
}

enum State {
    Up { client: Box<Client>, since: Instant },
    Down { loss: Loss, step: Step },
    Over(GaveUp),
}

/// What will be told when there is a connection again, or when it is given up.
#[derive(Clone)]
struct Loss {
    lost: CloseReason,
    unconfirmed: u64,
    attempts: u32,
    since: Instant,
}

enum Step {
    Waiting(Pin<Box<Sleep>>),
    Connecting(Pin<Box<dyn Future<Output = Result<Client, ConnectError>> + Send>>),
}

impl ReconnectingClient {
    pub(super) fn new(settings: Settings, policy: ReconnectPolicy, first: Client) -> Self {
        let state = State::Up { client: Box::new(first), since: Instant::now() };
        Self { settings, policy, backoff: Backoff::default(), state, news: None, leftover: None }
    }

    /// The connection, if there is one; for its [`subprotocol`](Client::subprotocol) and
    /// [`response_headers`](Client::response_headers).
    pub fn current(&self) -> Option<&Client> {
        match &self.state {
            State::Up { client, .. } => Some(client),
            State::Down { .. } | State::Over(_) => None,
        }
    }

    /// The next message, the news of a new connection, or nothing within the deadline; `None` waits as long as it
    /// takes. Without a connection it works on a new one.
    ///
    /// Cancel-safe: dropped before it is done it has taken nothing, and the work on a new connection goes on with the
    /// next call.
    ///
    /// # Errors
    /// [`GaveUp`], again from then on, as the [policy](ReconnectPolicy) says. Make a new client then, for example with
    /// a fresh token.
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Result<Update, GaveUp> {
        let update = poll_fn(|cx| self.poll_update(cx));
        in_time(within.into(), update).await.unwrap_or(Ok(Update::TimedOut))
    }

    /// Sends a message on the connection; without one it works on a new one, up to
    /// [`send_deadline`](super::ClientBuilder::send_deadline), but does not send on it unasked.
    ///
    /// # Errors
    /// [`ClientError::Reconnected`] when the connection is a new one and nobody was told so far: the message was not
    /// sent, and `recv` will not tell it again. [`ClientError::Timeout`] when there is no connection in time, or the
    /// server does not read; [`ClientError::GaveUp`] when there will be none.
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

    /// Closes as [`Client::close`] does and does not come back. Without a connection it gives the reason of the loss.
    ///
    /// # Errors
    /// As [`Client::close`].
    pub async fn close(self, code: u16, reason: impl AsRef<str>) -> Result<CloseReason, ClientError> {
        match self.state {
            State::Up { client, .. } => client.close(code, reason).await,
            State::Down { loss: Loss { lost, .. }, .. } | State::Over(GaveUp { lost, .. }) => Ok(lost),
        }
    }

    fn poll_update(&mut self, cx: &mut Context<'_>) -> Poll<Result<Update, GaveUp>> {
        if let Some(message) = self.leftover.take() {
            return Poll::Ready(Ok(Update::Message(message)));
        }
        loop {
            ready!(self.poll_restored(cx))?;
            if let Some(news) = self.news.take() {
                return Poll::Ready(Ok(Update::Reconnected(news)));
            }
            let State::Up { client, .. } = &mut self.state else { continue };
            match ready!(client.wire.poll_next(cx)) {
                Ok(message) => return Poll::Ready(Ok(Update::Message(message))),
                Err(reason) => self.lose(reason),
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), ClientError>> {
        loop {
            ready!(self.poll_restored(cx))?;
            if let Some(news) = self.news.take() {
                return Poll::Ready(Err(ClientError::Reconnected(news)));
            }
            let State::Up { client, .. } = &mut self.state else { continue };
            match ready!(client.wire.poll_send(cx, message, self.leftover.is_none())) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(reason) => self.lose(reason),
            }
        }
    }

    /// Ready when there is a connection; an error when there will be none.
    fn poll_restored(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), GaveUp>> {
        loop {
            let (loss, step) = match &mut self.state {
                State::Up { .. } => return Poll::Ready(Ok(())),
                State::Over(gave_up) => return Poll::Ready(Err(gave_up.clone())),
                State::Down { loss, step } => (loss, step),
            };
            match step {
                Step::Waiting(timer) => {
                    ready!(timer.as_mut().poll(cx));
                    loss.attempts = loss.attempts.saturating_add(1);
                    let settings = self.settings.clone();
                    let attempt = async move { connect::connect(&settings).await };
                    *step = Step::Connecting(Box::pin(attempt));
                }
                Step::Connecting(attempt) => {
                    let attempted = ready!(attempt.as_mut().poll(cx));
                    let loss = loss.clone();
                    match attempted {
                        Ok(client) => self.restore(client, loss),
                        Err(error) => {
                            tracing::debug!(attempts = loss.attempts, %error, "not reconnected");
                            self.wait_or_give_up(loss, Some(error));
                        }
                    }
                }
            }
        }
    }

    /// The connection is lost: an outage begins, or goes on if nobody was told of its end.
    fn lose(&mut self, reason: CloseReason) {
        let State::Up { client, since } = &mut self.state else { return };
        self.leftover = self.leftover.take().or_else(|| client.wire.take_early());
        let unconfirmed = client.wire.unconfirmed();
        tracing::debug!(code = reason.code(), unconfirmed, "connection lost");
        let now = Instant::now();
        self.backoff.lost(now.duration_since(*since), &self.policy);
        let loss = match self.news.take() {
            // Nothing was sent on a connection of which nobody was told.
            Some(news) => Loss {
                since: now.checked_sub(news.down_for).unwrap_or(now),
                lost: news.lost,
                unconfirmed: news.unconfirmed,
                attempts: news.attempts,
            },
            None => Loss { lost: reason, unconfirmed, attempts: 0, since: now },
        };
        self.wait_or_give_up(loss, None);
    }

    fn wait_or_give_up(&mut self, loss: Loss, error: Option<ConnectError>) {
        let failure = error.as_ref().map(|error| (error, SystemTime::now()));
        self.state = match self.backoff.next(&self.policy, failure, fastrand::f64()) {
            Some(wait) => State::Down { loss, step: Step::Waiting(Box::pin(tokio::time::sleep(wait))) },
            None => {
                let Loss { lost, unconfirmed, attempts, .. } = loss;
                State::Over(GaveUp { lost, unconfirmed, attempts, error: error.map(Arc::new) })
            }
        };
    }

    fn restore(&mut self, client: Client, loss: Loss) {
        let now = Instant::now();
        let Loss { lost, unconfirmed, attempts, since } = loss;
        let down_for = now.duration_since(since);
        self.news = Some(Reconnected { lost, unconfirmed, attempts, down_for });
        self.state = State::Up { client: Box::new(client), since: now };
    }
}

impl fmt::Debug for ReconnectingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectingClient").field("current", &self.current()).finish_non_exhaustive()
    }
}
