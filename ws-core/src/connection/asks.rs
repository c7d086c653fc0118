//! Asks: requests from the server to its client. The server sends an event with a `ref`, and the
//! client answers with a message that has the same `ref`.
//!
//! [`Asks`] holds the outstanding asks of one connection and owns no heap memory while there are
//! none. The driver passes each received message to it before the message enters the inbox, so an
//! answer is recognised before the messages in front of it are handled. It never waits for the
//! socket.

use std::{
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::sync::oneshot;

use crate::{
    connection::Connection,
    envelope::{Envelope, Format, Raw, WsAsk},
    fixed,
    hub::NotSent,
    sync::{Mutex, MutexGuard},
    telemetry::{AskCounters, AskOutcome},
    wire::{ConnectionId, Message, SendError},
};

/// The prefix of the `ref` of an ask. The `ref` of a client's own call must not begin with it.
const PREFIX: &str = "ask:";

impl Connection {
    /// Asks the client: sends the event with a `ref` and waits for the message with the same `ref`.
    ///
    /// The answer is `{"event": any, "data": R, "ref": the same}`. The client refuses with
    /// `{"event": "error", "data": {"code", "message"}, "ref": the same}`. An answer is recognised
    /// when it is read and is not passed to a handler, so a handler may ask its own connection.
    /// Messages in front of the answer are read ahead (`limits.inbox_messages`,
    /// `limits.inbox_bytes`) and handled in order afterwards. One connection may have 64
    /// outstanding asks.
    ///
    /// This is for names that are known only at run time. Other asks have a type:
    /// [`ask`](Self::ask).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use ws_core::{Connection, connection::AskError};
    /// async fn is_ready(conn: &Connection) -> Result<bool, AskError> {
    ///     conn.ask_event::<bool>("ready?", "the game begins").timeout(Duration::from_secs(5)).await
    /// }
    /// ```
    ///
    /// # Errors
    /// [`AskError`](crate::connection::AskError): the connection ended, no answer arrived in time
    /// (10 s unless [`timeout`](PendingAsk::timeout) sets another), the client refused, or its
    /// answer does not decode as `R`. The ask is removed then, and a late answer is dropped.
    pub fn ask_event<R: DeserializeOwned>(
        &self,
        event: &str,
        data: &(impl Serialize + ?Sized),
    ) -> PendingAsk<'_, R> {
        PendingAsk::new(self, event, data)
    }

    /// Asks the client with an event whose type says what the answer is, as
    /// [`ask_event`](Self::ask_event) does.
    ///
    /// ```no_run
    /// use serde::Serialize;
    /// use ws_core::{Connection, WsEvent, connection::AskError};
    ///
    /// #[derive(Serialize, WsEvent)]
    /// #[ws_event("confirm", answer = bool)]
    /// struct Confirm {
    ///     amount: u32,
    /// }
    ///
    /// async fn is_confirmed(conn: &Connection, amount: u32) -> Result<bool, AskError> {
    ///     conn.ask(&Confirm { amount }).await
    /// }
    /// ```
    ///
    /// The controller declares the event with `emits(..)`, as for [`emit`](Self::emit).
    ///
    /// # Errors
    /// The errors of [`ask_event`](Self::ask_event).
    #[track_caller]
    #[doc(alias("ack"))]
    pub fn ask<E>(&self, event: &E) -> PendingAsk<'_, E::Answer>
    where
        E: WsAsk<Answer: DeserializeOwned> + Serialize + ?Sized,
    {
        self.look_at_emit::<E>(std::panic::Location::caller());
        PendingAsk::new(self, E::NAME, event)
    }
}

/// The reason why an ask failed.
///
/// ```
/// use ws_core::connection::AskError;
///
/// fn report(error: &AskError) {
///     match error {
///         AskError::Refused { code, message } => println!("the client said {code}: {message}"),
///         AskError::TimedOut(after) => println!("no answer within {after:?}"),
///         other => println!("{other}"),
///     }
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// The event was not sent, but the connection has not ended.
    #[error("not sent: {0}")]
    Send(#[source] SendError),
    /// The connection ended before the answer came, or before the ask was sent.
    #[error("connection {connection} ended before the answer came")]
    Closed {
        /// The connection that ended.
        connection: ConnectionId,
    },
    /// No answer arrived within this time. The client may have got the ask.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The client answered with an error.
    #[error("the client answered `{code}`: {message}")]
    Refused {
        /// The error code, as the client wrote it.
        code: String,
        /// The error text, as the client wrote it.
        message: String,
    },
    /// The answer does not decode as the requested type, or is larger than `cluster.message`.
    #[error("the answer does not fit: {0}")]
    Invalid(String),
    /// 64 asks of this connection are outstanding already, or 1024 asks of a node to the clients of
    /// others. Nothing was sent.
    #[error("too many asks of this connection are outstanding")]
    TooMany,
    /// No connection of the user at the controller is open on any node. Nothing was sent. Only an
    /// ask of a [user](crate::hub::UserAt::ask) fails with it.
    #[error("the user has no open connection")]
    Offline,
    /// No connection of the user is open on this node, and not all others could be asked for one:
    /// the broker is away, or a node did not answer within a second. Nothing was sent. Only an ask
    /// of a user fails with it.
    #[error("the user has no open connection on this node, and the other nodes cannot be reached")]
    Unreachable,
    /// The ask was not sent to the node of the user, because it is too large, too many messages
    /// wait for the broker, or the broker has refused it. Only an ask of a user fails with it.
    #[error("not sent to the node of the user: {0:?}")]
    NotSent(NotSent),
}

impl From<SendError> for AskError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed { connection } => Self::Closed { connection },
            other => Self::Send(other),
        }
    }
}

impl AskError {
    /// Returns the connection that ended, or whose outbox is full; `None` for other reasons.
    ///
    /// An error about the callback's own ended connection is logged at debug level only. An error
    /// about another connection is logged as a warning, and the callback's own connection stays
    /// open.
    pub fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Closed { connection } => Some(*connection),
            Self::Send(error) => error.connection(),
            Self::TimedOut(_)
            | Self::Refused { .. }
            | Self::Invalid(_)
            | Self::TooMany
            | Self::Offline
            | Self::Unreachable
            | Self::NotSent(_) => None,
        }
    }
}

/// An ask that is sent when it is awaited. Returned by [`Connection::ask`] and
/// [`Connection::ask_event`].
///
/// ```
/// use std::time::Duration;
/// use ws_core::{Connection, connection::AskError};
///
/// async fn name_of(conn: &Connection) -> Result<String, AskError> {
///     conn.ask_event("your name?", &()).timeout(Duration::from_secs(3)).await
/// }
/// ```
#[must_use = "nothing is sent until this is awaited"]
pub struct PendingAsk<'a, R> {
    conn: &'a Connection,
    counters: &'a AskCounters,
    id: u64,
    message: Result<Message, SendError>,
    timeout: Duration,
    answer: PhantomData<fn() -> R>,
}

impl<'a, R: DeserializeOwned> PendingAsk<'a, R> {
    pub(crate) fn new<T: Serialize + ?Sized>(conn: &'a Connection, event: &str, data: &T) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let message = encode(conn.format(), event, data, id);
        let counters = conn.counters().asks.named(event);
        Self { conn, counters, id, message, timeout: fixed::ASK_TIMEOUT, answer: PhantomData }
    }

    /// Sets how long to wait for the answer, including the wait for room in the outbox. The default
    /// is 10 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn run(self) -> Result<R, AskError> {
        let counters = self.counters;
        let result = self.ask().await;
        counters.count(match &result {
            Ok(_) => AskOutcome::Ok,
            Err(AskError::Refused { .. }) => AskOutcome::Refused,
            Err(AskError::TimedOut(_)) => AskOutcome::Timeout,
            Err(_) => AskOutcome::Error,
        });
        result
    }

    async fn ask(self) -> Result<R, AskError> {
        let answer = self.conn.ask_encoded(self.id, self.message?, self.timeout).await?;
        decode(self.conn.format(), &answer)
    }
}

impl Connection {
    /// Sends an ask that is encoded with the `ref` of this number, and waits for the answer.
    pub(crate) async fn ask_encoded(
        &self,
        id: u64,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, AskError> {
        let closed = || AskError::Closed { connection: self.id() };
        let (_outstanding, answer) = self.asks().begin(id, closed)?;
        let asked = async {
            self.send(message).await?;
            answer.await.map_err(|_| closed())
        };
        tokio::time::timeout(timeout, asked).await.map_err(|_| AskError::TimedOut(timeout))?
    }
}

/// Encodes an ask with the `ref` of this number.
pub(crate) fn encode<T: Serialize + ?Sized>(
    format: Format,
    event: &str,
    data: &T,
    id: u64,
) -> Result<Message, SendError> {
    format.encode_ask(event, data, &format!("{PREFIX}{id}"))
}

impl<'a, R: DeserializeOwned + 'a> IntoFuture for PendingAsk<'a, R> {
    type Output = Result<R, AskError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<R> std::fmt::Debug for PendingAsk<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingAsk").field("id", &self.id).field("timeout", &self.timeout).finish()
    }
}

/// Decodes the answer, or the client's refusal.
pub(crate) fn decode<R: DeserializeOwned>(format: Format, message: &Message) -> Result<R, AskError> {
    #[derive(Deserialize)]
    #[serde(default)]
    struct Refusal {
        code: String,
        message: String,
    }

    impl Default for Refusal {
        fn default() -> Self {
            Self { code: "error".to_owned(), message: String::new() }
        }
    }

    let envelope = Envelope::read(format, message).map_err(|error| AskError::Invalid(error.to_string()))?;
    if envelope.event() == "error" {
        let refusal: Refusal = envelope.data.and_then(|data| data.decode().ok()).unwrap_or_default();
        return Err(AskError::Refused { code: refusal.code, message: refusal.message });
    }
    envelope.decode_data().map_err(|error| AskError::Invalid(error.to_string()))
}

/// The outstanding asks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// Whether this connection ever had an ask. Before the first one, received messages are not
    /// checked for answers.
    ever: AtomicBool,
    /// Whether no further answer can arrive. It is written and read under the lock.
    has_ended: AtomicBool,
    waiting: Mutex<Vec<(u64, oneshot::Sender<Message>)>>,
}

impl Asks {
    /// Returns the message unless it is an answer. An answer goes to its ask; a late one is
    /// dropped.
    pub(crate) fn take_answer(&self, format: Format, message: Message) -> Option<Message> {
        if !self.ever.load(Ordering::Relaxed) {
            return Some(message);
        }
        self.take_answer_of_any(format, message)
    }

    /// The rest of `take_answer`, in its own function so that the common case is inlined.
    #[cold]
    fn take_answer_of_any(&self, format: Format, message: Message) -> Option<Message> {
        let Some(id) = answered(format, &message) else { return Some(message) };
        match self.forget(id) {
            // Sending fails if the ask was dropped at the same time.
            Some(sender) => drop(sender.send(message)),
            None => tracing::debug!(ask = id, "an answer came too late, or twice"),
        }
        None
    }

    /// Fails all outstanding asks, because no further answer can arrive.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        self.has_ended.store(true, Ordering::Relaxed);
        let outstanding = std::mem::take(&mut *waiting);
        drop(waiting);
        drop(outstanding);
    }

    fn begin(
        &self,
        id: u64,
        closed: impl FnOnce() -> AskError,
    ) -> Result<(Outstanding<'_>, oneshot::Receiver<Message>), AskError> {
        let mut waiting = self.lock();
        if self.has_ended.load(Ordering::Relaxed) {
            return Err(closed());
        }
        if waiting.len() == fixed::OUTSTANDING_ASKS {
            return Err(AskError::TooMany);
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push((id, sender));
        self.ever.store(true, Ordering::Relaxed);
        Ok((Outstanding { asks: self, id }, receiver))
    }

    fn forget(&self, id: u64) -> Option<oneshot::Sender<Message>> {
        let mut waiting = self.lock();
        let at = waiting.iter().position(|(waiting, _)| *waiting == id)?;
        let (_, sender) = waiting.swap_remove(at);
        if waiting.is_empty() {
            *waiting = Vec::new();
        }
        Some(sender)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, oneshot::Sender<Message>)>> {
        self.waiting.lock()
    }
}

/// A guard that removes its ask on drop.
struct Outstanding<'a> {
    asks: &'a Asks,
    id: u64,
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.asks.forget(self.id);
    }
}

/// Whether a message with this `ref` is the answer to an ask, not a call of the client.
pub(crate) fn is_ask_ref(reference: Raw<'_>) -> bool {
    reference.as_str().is_some_and(|text| text.starts_with(PREFIX))
}

/// Returns the number of the ask that a message answers. The rest of the message is checked later.
fn answered(format: Format, message: &Message) -> Option<u64> {
    Envelope::reference_of(format, message)?.as_str()?.strip_prefix(PREFIX)?.parse().ok()
}
