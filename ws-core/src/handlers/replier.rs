//! [`Replier`]: sends the replies of one call to the client.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use super::{IntoReply, Reply, deferred::Call, sending::Sending};
use crate::{
    caught::drop_caught,
    connection::Connection,
    envelope::{Envelope, EventError, Format, Raw, ReplyTo},
    error::{Error, Result},
    wire::{Message, SendError},
};

/// Sends the return value of a handler to the client that the message came from.
///
/// All its methods wait for room in the outbox. Because the handler waits, the server stops reading
/// from a client that does not read its replies.
///
/// ```
/// use ws_core::{Result, handlers::Replier};
///
/// /// Sends a reply in two events.
/// async fn count(reply: &Replier<'_>) -> Result {
///     reply.send_event("half", &1).await?;
///     reply.send_data(&2).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Replier<'a> {
    conn: &'a Connection,
    event: Option<&'a str>,
    reference: Option<Raw<'a>>,
    /// Whether an event was sent for the call: a reply or its `end`.
    is_answered: AtomicBool,
    /// The call, if a parameter has taken its reply.
    deferred: OnceLock<Arc<Call>>,
}

impl<'a> Replier<'a> {
    /// Makes the replier for a message that is not an event.
    pub(super) fn plain(conn: &'a Connection) -> Self {
        Self::new(conn, None, None)
    }

    /// Makes the replier for an event.
    pub(super) fn event(conn: &'a Connection, envelope: &'a Envelope<'a>) -> Self {
        Self::new(conn, Some(envelope.event()), envelope.reference)
    }

    /// Makes the replier for an event whose reply is sent later.
    pub(super) fn of_call(conn: &'a Connection, call: &'a Call) -> Self {
        Self::new(conn, Some(call.event()), call.reference())
    }

    fn new(conn: &'a Connection, event: Option<&'a str>, reference: Option<Raw<'a>>) -> Self {
        let (is_answered, deferred) = (AtomicBool::new(false), OnceLock::new());
        Self { conn, event, reference, is_answered, deferred }
    }

    /// Returns the reply, so that it can be sent later.
    pub(super) fn defer(&self) -> Reply {
        let event = self.event.unwrap_or_default();
        let call = self.deferred.get_or_init(|| Arc::new(Call::new(event, self.reference)));
        Reply::new(self.conn, call)
    }

    /// Returns the event's name; `None` for a message that is not an event.
    pub(super) fn event_name(&self) -> Option<&'a str> {
        self.event
    }

    /// Returns the connection that the replies are sent on.
    pub fn connection(&self) -> &'a Connection {
        self.conn
    }

    /// Sends a message as it is.
    ///
    /// # Errors
    /// [`SendError::Closed`] if the connection is closing or closed.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.conn.send(message).await
    }

    /// Sends an event, with the `ref` of the call if it had one.
    ///
    /// # Errors
    /// [`SendError::Serialize`], [`SendError::Closed`].
    pub async fn send_event<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), SendError> {
        let message = self.encode(event, data);
        self.conn.send(message?).await
    }

    /// Encodes an event, with the `ref` of the call if it had one. The caller must send it.
    pub(super) fn encode<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Message, SendError> {
        let message = self.format().encode(event, data, self.reference)?;
        self.is_answered.store(true, Ordering::Relaxed);
        Ok(message)
    }

    /// Encodes data under the event and the `ref` of the call, as [`send_data`](Self::send_data)
    /// sends it.
    pub(super) fn encode_data<T: Serialize + ?Sized>(&self, data: &T) -> Result<Message, SendError> {
        self.encode(self.event.unwrap_or("message"), data)
    }

    /// Sends data under the event and the `ref` of the call. If the message was not an event, the
    /// event is named `message`.
    ///
    /// # Errors
    /// The errors of [`send_event`](Self::send_event).
    pub async fn send_data<T: Serialize + ?Sized>(&self, data: &T) -> Result<(), SendError> {
        self.conn.send(self.encode_data(data)?).await
    }

    /// Sends the event `end`, which completes a call with a `ref`. Without a `ref`, nothing is
    /// sent.
    pub(super) fn send_end(&self) -> Sending<'_> {
        let Some(message) = self.end() else { return Sending::done(Ok(())) };
        self.is_answered.store(true, Ordering::Relaxed);
        Sending::message(self.conn, message)
    }

    /// Sends no `end` for this call: its replies are not complete.
    pub(super) fn leave_incomplete(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// Encodes the event `end`; `None` without a `ref`.
    pub(super) fn end(&self) -> Option<Result<Message, SendError>> {
        #[derive(Serialize)]
        struct End<'a> {
            event: &'a str,
        }

        let (event, reference) = (self.event?, self.reference?);
        Some(self.format().encode("end", &End { event }, Some(reference)))
    }

    /// Sends a reply, and `end` if it sent nothing.
    ///
    /// # Errors
    /// The error in the reply, with the call attached, or [`SendError::Closed`].
    pub(super) async fn reply(&self, reply: impl IntoReply) -> Result {
        self.finish(reply.start(self).await).await
    }

    /// Sends `end` if the handler sent no reply, or attaches the call to the handler's error.
    ///
    /// # Errors
    /// The handler's error, or [`SendError::Closed`].
    pub(super) fn finish(&self, result: Result) -> Sending<'_> {
        match self.needs_end(result) {
            Ok(true) => self.send_end(),
            Ok(false) => Sending::done(Ok(())),
            Err(error) => Sending::done(Err(error)),
        }
    }

    /// Returns whether the caller must send `end` now.
    fn needs_end(&self, result: Result) -> Result<bool> {
        let is_answered = self.is_answered.load(Ordering::Relaxed);
        match self.deferred.get() {
            None => self.settle(result).map(|()| self.reference.is_some() && !is_answered),
            Some(call) if is_answered => {
                // The handler returned a type without a name, which sent the reply already.
                call.claim();
                self.settle(result).map(|()| false)
            }
            Some(call) => self.needs_end_deferred(call, result),
        }
    }

    /// Does the same for a call whose reply a parameter has taken.
    #[cold]
    fn needs_end_deferred(&self, call: &Call, result: Result) -> Result<bool> {
        match result {
            Ok(()) => Ok(call.return_handler()),
            Err(error) if call.claim() => Err(self.attach_call(error)),
            // The call is answered, but the error still closes the connection.
            Err(error) if error.has_close_code() => Err(error),
            Err(error) => {
                tracing::error!(%error, event = call.event(), "a handler failed after its reply was sent");
                drop_caught("an error", error);
                Ok(false)
            }
        }
    }

    /// Attaches the call to an error.
    pub(super) fn settle(&self, result: Result) -> Result {
        result.map_err(|error| self.attach_call(error))
    }

    #[cold]
    fn attach_call(&self, error: Error) -> Error {
        if error.any_reply_to().is_some() {
            return error;
        }
        error.in_reply_to(ReplyTo::new(self.format(), self.reference))
    }

    fn format(&self) -> Format {
        self.conn.format()
    }
}

/// Makes the error for a message over the connection's rate limit, with the `ref` of its call.
#[cold]
pub(crate) fn rate_limited(conn: &Connection, message: &Message) -> Error {
    let reference = Envelope::reference_of(conn.format(), message);
    Error::new(EventError::RateLimited).in_reply_to(ReplyTo::new(conn.format(), reference))
}
