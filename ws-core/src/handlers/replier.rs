//! [`Replier`]: sends the replies of one call to the client.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::{
    connection::Connection,
    envelope::{Envelope, EventError, Format, Raw, ReplyTo},
    error::{Error, Result},
    wire::{Message, SendError},
};

/// Sends the return value of a handler to the client that the message came from.
///
/// All its methods wait for room in the outbox. Because the handler waits, the server stops reading
/// from a client that does not read its replies.
#[derive(Debug)]
pub struct Replier<'a> {
    conn: &'a Connection,
    event: Option<&'a str>,
    reference: Option<Raw<'a>>,
    /// Whether an event was sent for the call: a reply or its `end`.
    is_answered: AtomicBool,
}

impl<'a> Replier<'a> {
    /// Makes the replier for a message that is not an event.
    pub(super) fn plain(conn: &'a Connection) -> Self {
        Self { conn, event: None, reference: None, is_answered: AtomicBool::new(false) }
    }

    /// Makes the replier for an event.
    pub(super) fn event(conn: &'a Connection, envelope: &'a Envelope<'a>) -> Self {
        let (event, reference) = (Some(envelope.event()), envelope.reference);
        Self { conn, event, reference, is_answered: AtomicBool::new(false) }
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
        self.conn.send(self.encode(event, data)?).await
    }

    /// Encodes an event that is sent next, with the `ref` of the call if it had one.
    pub(super) fn encode<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<Message, SendError> {
        let message = self.format().encode(event, data, self.reference)?;
        self.is_answered.store(true, Ordering::Relaxed);
        Ok(message)
    }

    /// Sends data under the event and the `ref` of the call. If the message was not an event, the
    /// event is named `message`.
    ///
    /// # Errors
    /// The errors of [`send_event`](Self::send_event).
    pub async fn send_data<T: Serialize + ?Sized>(&self, data: &T) -> Result<(), SendError> {
        self.send_event(self.event.unwrap_or("message"), data).await
    }

    /// Sends the event `end`, which completes a call with a `ref`. Without a `ref`, nothing is
    /// sent.
    pub(super) async fn send_end(&self) -> Result<(), SendError> {
        #[derive(Serialize)]
        struct End<'a> {
            event: &'a str,
        }

        match (self.event, self.reference) {
            (Some(event), Some(_)) => self.send_event("end", &End { event }).await,
            _ => Ok(()),
        }
    }

    /// Sends `end` if the handler sent no reply, or attaches the call to the handler's error.
    ///
    /// # Errors
    /// The handler's error, or [`SendError::Closed`].
    pub(super) async fn finish(&self, result: Result) -> Result {
        match result {
            Ok(()) if self.reference.is_some() && !self.is_answered.load(Ordering::Relaxed) => {
                Ok(self.send_end().await?)
            }
            result => self.settle(result),
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
