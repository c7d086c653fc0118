//! [`Input`]: the data of a callback that a parameter can read.

use std::{fmt, ops::Deref};

use super::{Param, Takes, param::read_for_each_callback};
use crate::{
    connection::Connection,
    envelope::{Envelope, Raw},
    request::{ParamError, Setup},
    wire::{CloseReason, Message},
};

/// The input of one callback, which [`Param::get`](super::Param::get) reads.
#[derive(Debug)]
pub struct Input<'a> {
    conn: &'a Connection,
    payload: Payload<'a>,
}

/// The part that differs by the kind of the callback.
#[derive(Debug)]
enum Payload<'a> {
    Nothing,
    Message(&'a mut Message),
    Event { message: &'a Message, envelope: &'a Envelope<'a> },
    End(CloseReason),
}

impl<'a> Input<'a> {
    pub(super) fn nothing(conn: &'a Connection) -> Self {
        Self { conn, payload: Payload::Nothing }
    }

    pub(super) fn message(conn: &'a Connection, message: &'a mut Message) -> Self {
        Self { conn, payload: Payload::Message(message) }
    }

    pub(super) fn event(conn: &'a Connection, message: &'a Message, envelope: &'a Envelope<'a>) -> Self {
        Self { conn, payload: Payload::Event { message, envelope } }
    }

    pub(super) fn end(conn: &'a Connection, reason: CloseReason) -> Self {
        Self { conn, payload: Payload::End(reason) }
    }

    /// Returns the connection that the callback runs for.
    pub fn connection(&self) -> &'a Connection {
        self.conn
    }

    /// Returns the event's name in `on_event` and `on_unknown`, `None` in other callbacks.
    pub fn event_name(&self) -> Option<&'a str> {
        match self.payload {
            Payload::Event { envelope, .. } => Some(envelope.event()),
            _ => None,
        }
    }

    /// Takes the whole message: text, binary, or the payload of a ping or pong. It can be taken
    /// once. Use it in parameters with [`Takes::Message`] or [`Takes::Text`].
    ///
    /// # Errors
    /// [`ParamError::Missing`] if the callback has no message or the message was already taken.
    pub fn take_message(&mut self) -> Result<Message, ParamError> {
        match std::mem::replace(&mut self.payload, Payload::Nothing) {
            Payload::Message(message) => Ok(std::mem::replace(message, Message::Text("".into()))),
            Payload::Event { message, .. } => Ok(message.clone()),
            Payload::Nothing | Payload::End(_) => Err(ParamError::missing("message")),
        }
    }

    /// Borrows the whole message. It can be borrowed or taken once.
    pub(super) fn borrow_message(&mut self) -> Result<&'a Message, ParamError> {
        match std::mem::replace(&mut self.payload, Payload::Nothing) {
            Payload::Message(message) => Ok(message),
            Payload::Event { message, .. } => Ok(message),
            Payload::Nothing | Payload::End(_) => Err(ParamError::missing("message")),
        }
    }

    /// Returns the event's `data`.
    pub(super) fn data(&self) -> Result<Raw<'a>, ParamError> {
        match self.payload {
            Payload::Event { envelope: &Envelope { data: Some(raw), .. }, .. } => Ok(raw),
            _ => Err(ParamError::missing("data")),
        }
    }

    pub(super) fn take_reason(&mut self) -> Result<CloseReason, ParamError> {
        match std::mem::replace(&mut self.payload, Payload::Nothing) {
            Payload::End(reason) => Ok(reason),
            _ => Err(ParamError::missing("close reason")),
        }
    }
}

/// The name of the event that is handled. In `on_unknown` this parameter is the only way to get it.
///
/// ```
/// use ws_core::{handlers::EventName, prelude::*};
///
/// #[ws_controller(path = "/lobby")]
/// struct Lobby;
///
/// #[ws_handlers]
/// impl Lobby {
///     #[on_unknown]
///     async fn other(&self, name: EventName<'_>) -> Data<String> {
///         Data(format!("{name} is not played here"))
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventName<'a>(pub &'a str);

impl Deref for EventName<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for EventName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

read_for_each_callback! {
    EventName<'a>, takes EventName: |input| match input.event_name() {
        Some(name) => Ok(EventName(name)),
        None => Err(ParamError::missing("event")),
    };
}
