//! [`ClientSender`] and the receivers: the two sides of a client in different tasks.
//!
//! `driver` has the task that both reach. This file must not read or write.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use serde::Serialize;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::{
    connection::{Client, Received, in_time},
    driver::{self, Arrival, Ended, Handle, Inbox},
    error::{ClientError, GaveUp},
    reconnect::{ReconnectingClient, Update},
};
use crate::wire::{CloseReason, Message};

/// The messages that wait for the receiver. At this many, reading pauses.
const MAX_UNRECEIVED: usize = 16;

/// The sending side of a client that was [split](Client::split). It can be cloned into other tasks.
///
/// Dropping the last sender does not close the connection while there is a receiver. Dropping all
/// senders and the receiver closes it with code 1000.
///
/// ```
/// use serde_json::json;
/// use ws_core::client::{ClientError, ClientSender};
///
/// async fn say_goodbye(sender: &ClientSender) -> Result<(), ClientError> {
///     sender.push_json(&json!({ "event": "goodbye" })).await?;
///     sender.close(1000, "done").await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ClientSender {
    handle: Handle,
}

/// The receiving side of a [`Client`] that was [split](Client::split).
///
/// At most 16 messages wait for it; then reading pauses, also for pings, and the server waits. A
/// receiver that is dropped takes nothing: messages are then thrown away, and pings are answered.
///
/// ```
/// use ws_core::client::{ClientReceiver, Received};
///
/// async fn print_all(mut receiver: ClientReceiver) {
///     while let Received::Message(message) = receiver.recv(None).await {
///         println!("{message:?}");
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ClientReceiver {
    arrivals: mpsc::Receiver<Arrival>,
    handle: Handle,
}

/// The receiving side of a [`ReconnectingClient`] that was [split](ReconnectingClient::split).
///
/// It has the same queue as a [`ClientReceiver`]. While that is full, the client does not connect
/// again either.
///
/// ```
/// use ws_core::client::{ReconnectingReceiver, Update};
///
/// async fn print_all(mut receiver: ReconnectingReceiver) {
///     while let Ok(update) = receiver.recv(None).await {
///         if let Update::Message(message) = update {
///             println!("{message:?}");
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct ReconnectingReceiver {
    arrivals: mpsc::Receiver<Arrival>,
    handle: Handle,
}

impl Client {
    /// Splits the client into a sender, which can be cloned into other tasks, and a receiver.
    ///
    /// A task of the current runtime has the connection from now on. So a sender works while nobody
    /// awaits the receiver, pings are answered all the time, and
    /// [`dead_after`](super::ClientBuilder::dead_after) is noticed at once. Ask for
    /// [`subprotocol`](Self::subprotocol) and [`response_headers`](Self::response_headers) before.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    ///
    /// ```no_run
    /// use ws_core::client::{Client, Received};
    ///
    /// # async fn example() -> Result<(), ws_core::client::ConnectError> {
    /// let (sender, mut receiver) = Client::connect("ws://localhost:9502/chat").await?.split();
    /// for name in ["ann", "ben"] {
    ///     let sender = sender.clone();
    ///     tokio::spawn(async move { sender.send(format!("hello from {name}")).await });
    /// }
    /// while let Received::Message(message) = receiver.recv(None).await {
    ///     println!("{message:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(self) -> (ClientSender, ClientReceiver) {
        let send_deadline = self.send_deadline;
        let (arrivals, handle) = start(self, send_deadline);
        (ClientSender { handle: handle.clone() }, ClientReceiver { arrivals, handle })
    }
}

impl ReconnectingClient {
    /// Splits the client as [`Client::split`] does. The task also connects again.
    ///
    /// The receiver reports each new connection. Until it has queued that report, nothing is sent
    /// on the new connection. A `send` while it is not connected fails at once with
    /// [`ClientError::Reconnecting`]; nothing is kept for the next connection.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn split(self) -> (ClientSender, ReconnectingReceiver) {
        let send_deadline = self.send_deadline();
        let (arrivals, handle) = start(self, send_deadline);
        (ClientSender { handle: handle.clone() }, ReconnectingReceiver { arrivals, handle })
    }
}

fn start(link: impl driver::Link, send_deadline: Duration) -> (mpsc::Receiver<Arrival>, Handle) {
    let (inbox, arrivals) = mpsc::channel(MAX_UNRECEIVED);
    (arrivals, driver::spawn(link, PollSender::new(inbox), send_deadline))
}

impl Inbox for PollSender<Arrival> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // After the receiver was dropped it is ready, and arrivals are thrown away.
        self.poll_reserve(cx).map(|_| ())
    }

    fn take(&mut self, arrival: Arrival, _current: Option<&Client>) {
        let _ = self.send_item(arrival);
    }
}

impl ClientSender {
    /// Sends a message. It returns when the socket has taken the whole message, which does not mean
    /// that the server has received it. Messages of one task are sent in order. If the server reads
    /// slowly, it waits.
    ///
    /// If the future is dropped early, the message is sent completely or not at all.
    ///
    /// # Errors
    /// - [`ClientError::Closed`] or [`ClientError::GaveUp`] when the connection is closed for good.
    /// - [`ClientError::Timeout`] when the message is not sent within
    ///   [`send_deadline`](super::ClientBuilder::send_deadline): the server does not read, or other
    ///   messages come first. The message may still be sent later if the socket has begun with it.
    /// - [`ClientError::Reconnecting`] while the client is not connected.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), ClientError> {
        self.handle.send(message.into()).await
    }

    /// Serialises the value as JSON and sends it as text.
    ///
    /// # Errors
    /// [`ClientError::Serialize`], or as [`send`](Self::send).
    pub async fn push_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), ClientError> {
        let json = serde_json::to_string(value)?;
        self.send(json).await
    }

    /// Closes the connection as [`Client::close`] does, for all senders and the receiver.
    ///
    /// It does not wait for messages whose `send` has not returned; their `send` fails. If the
    /// connection is closed already, or another sender closes it, it returns the same reason.
    ///
    /// # Errors
    /// - [`ClientError::Timeout`] when the close frame is not answered within the
    ///   [close deadline](super::ClientBuilder::close_deadline). The connection is closed all the
    ///   same.
    /// - [`ClientError::CloseCode`] for a code that may not be sent. The connection stays open.
    pub async fn close(&self, code: u16, reason: impl AsRef<str>) -> Result<CloseReason, ClientError> {
        self.handle.close(code, reason.as_ref()).await
    }

    /// Returns whether the connection is open, or the client connects again.
    pub fn is_open(&self) -> bool {
        self.handle.is_open()
    }
}

impl ClientReceiver {
    /// Receives the next message as [`Client::recv`] does, or the reason why the connection is
    /// closed: by the server, or by [`ClientSender::close`].
    ///
    /// Cancel-safe: if the future is dropped early, as in `tokio::select!`, no message is lost.
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Received {
        match in_time(within.into(), self.arrivals.recv()).await {
            Some(Some(Arrival::Message(message))) => Received::Message(message),
            // A connection that ends once is never new.
            Some(Some(Arrival::Reconnected(_)) | None) => Received::Closed(self.handle.ended().reason()),
            None => Received::TimedOut,
        }
    }
}

impl ReconnectingReceiver {
    /// Receives the next message or the report of a new connection, as
    /// [`ReconnectingClient::recv`] does.
    ///
    /// Cancel-safe: if the future is dropped early, as in `tokio::select!`, nothing is lost.
    ///
    /// # Errors
    /// [`GaveUp`] when no further attempt is made: by the policy, or because
    /// [`ClientSender::close`] was called. Every further call returns it again.
    pub async fn recv(&mut self, within: impl Into<Option<Duration>>) -> Result<Update, GaveUp> {
        match in_time(within.into(), self.arrivals.recv()).await {
            Some(Some(Arrival::Message(message))) => Ok(Update::Message(message)),
            Some(Some(Arrival::Reconnected(reconnected))) => Ok(Update::Reconnected(reconnected)),
            Some(None) => Err(match self.handle.ended() {
                Ended::GaveUp(gave_up) => gave_up,
                Ended::Closed(lost) => GaveUp { lost, unconfirmed: 0, attempts: 0, error: None },
            }),
            None => Ok(Update::TimedOut),
        }
    }
}
