//! [`Input`]: the data of a callback that a parameter can read.

use std::{fmt, ops::Deref};

use serde::Deserialize;

use super::{Param, Replier, Reply, Takes, param::read_for_each_callback};
use crate::{
    connection::Connection,
    envelope::Envelope,
    request::{ParamError, Setup},
    wire::{CloseReason, Message},
};

/// The input of one callback, which [`Param::get`](super::Param::get) reads.
///
/// ```
/// use ws_core::handlers::{Input, Param, ParamError, Setup};
///
/// /// The number of rooms that the connection is in.
/// struct Rooms(usize);
///
/// impl<'a> Param<'a> for Rooms {
///     type Kept = ();
///
///     fn keep(_: &Setup<'_>) -> Result<(), ParamError> {
///         Ok(())
///     }
///
///     fn get(_: &'a (), input: &mut Input<'a>) -> Result<Self, ParamError> {
///         Ok(Self(input.connection().rooms().len()))
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Input<'a> {
    payload: Payload<'a>,
    to: &'a Replier<'a>,
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
    pub(super) fn nothing(to: &'a Replier<'a>) -> Self {
        Self { payload: Payload::Nothing, to }
    }

    pub(super) fn message(to: &'a Replier<'a>, message: &'a mut Message) -> Self {
        Self { payload: Payload::Message(message), to }
    }

    pub(super) fn event(to: &'a Replier<'a>, message: &'a Message, envelope: &'a Envelope<'a>) -> Self {
        Self { payload: Payload::Event { message, envelope }, to }
    }

    pub(super) fn end(to: &'a Replier<'a>, reason: CloseReason) -> Self {
        Self { payload: Payload::End(reason), to }
    }

    /// Moves the input out. For generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn take(&mut self) -> Self {
        Self { payload: std::mem::replace(&mut self.payload, Payload::Nothing), to: self.to }
    }

    /// Returns the input of a guard: an event, but no other message. For generated code.
    #[doc(hidden)]
    #[must_use]
    pub fn for_guard(&self) -> Self {
        let payload = match self.payload {
            Payload::Event { message, envelope } => Payload::Event { message, envelope },
            _ => Payload::Nothing,
        };
        Self { payload, to: self.to }
    }

    pub(super) fn replier(&self) -> &'a Replier<'a> {
        self.to
    }

    /// Returns the connection that the callback runs for.
    pub fn connection(&self) -> &'a Connection {
        self.to.connection()
    }

    /// Returns the event's name in `on_event` and `on_unknown`, `None` in other callbacks.
    pub fn event_name(&self) -> Option<&'a str> {
        self.to.event_name()
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

    /// Whether the event has `data` that is not `null`.
    pub(super) fn has_data(&self) -> bool {
        matches!(self.payload, Payload::Event { envelope: Envelope { data: Some(_), .. }, .. })
    }

    /// Decodes the event's `data`. It is missing if it is absent or `null` and the type needs a
    /// value.
    pub(super) fn decode_data<T: Deserialize<'a>>(&self) -> Result<T, ParamError> {
        let Payload::Event { envelope, .. } = self.payload else { return Err(ParamError::missing("data")) };
        match envelope.decode_data() {
            Ok(data) => Ok(data),
            Err(_) if envelope.data.is_none() => Err(ParamError::missing("data")),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Returns the reply of the event, so that it can be sent later.
    pub(super) fn defer(&self) -> Result<Reply, ParamError> {
        match self.to.event_name() {
            Some(_) => Ok(self.to.defer()),
            None => Err(ParamError::missing("event")),
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
