//! [`Replier`]: where a reply goes.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::{
    connection::Connection,
    envelope::{Envelope, EventError, Format, Raw, ReplyTo},
    error::{Error, Result},
    wire::{Message, SendError},
};

/// Sends what a handler returned to where the call came from.
///
/// All its methods wait for room in the outbox, so that a client which does not read is not read from either.
#[derive(Debug)]
pub struct Replier<'a> {
    conn: &'a Connection,
    event: Option<&'a str>,
    reference: Option<Raw<'a>>,
    /// Whether the call has a reply or its `end` already.
    is_answered: AtomicBool,
}

impl<'a> Replier<'a> {
    /// For calls that are no events.
    pub(super) fn plain(conn: &'a Connection) -> Self {
        Self { conn, event: None, reference: None, is_answered: AtomicBool::new(false) }
    }

    pub(super) fn event(conn: &'a Connection, envelope: &'a Envelope<'a>) -> Self {
        let (event, reference) = (Some(envelope.event()), envelope.reference);
        Self { conn, event, reference, is_answered: AtomicBool::new(false) }
    }

    /// The connection that is served.
    pub fn connection(&self) -> &'a Connection {
        self.conn
    }

    /// Sends a message as it is.
    ///
    /// # Errors
    /// [`SendError::Closed`] when the connection is closing or closed.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.conn.send(message).await
    }

    /// Sends an event, with the `ref` of the call if it had one.
    ///
    /// # Errors
    /// [`SendError::Serialize`], [`SendError::Closed`].
    pub async fn send_event<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), SendError> {
        let message = self.format().encode(event, data, self.reference)?;
        self.is_answered.store(true, Ordering::Relaxed);
        self.conn.send(message).await
    }

    /// Sends data under the event and the `ref` of the call; outside of events the event is `message`.
    ///
    /// # Errors
    /// Those of [`send_event`](Self::send_event).
    pub async fn send_data<T: Serialize + ?Sized>(&self, data: &T) -> Result<(), SendError> {
        self.send_event(self.event.unwrap_or("message"), data).await
    }

    /// Sends the event `end`, which closes a call with a `ref`.
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

    /// Closes a call that its handler left without a reply, and attaches the call to an error.
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
        result.map_err(|error| self.blame(error))
    }

    #[cold]
    fn blame(&self, error: Error) -> Error {
        if error.any_reply_to().is_some() {
            return error;
        }
        error.in_reply_to(ReplyTo::new(self.format(), self.reference))
    }

    fn format(&self) -> Format {
        self.conn.format()
    }
}

/// The error of a message that its connection sent too many of, with the call that it belongs to.
#[cold]
pub(crate) fn rate_limited(conn: &Connection, message: &Message) -> Error {
    let reference = Envelope::reference_of(conn.format(), message);
    Error::new(EventError::RateLimited).in_reply_to(ReplyTo::new(conn.format(), reference))
}
