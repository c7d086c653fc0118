//! What the expansion of `#[ws_handlers]` calls. Not part of the public API.

use super::{Input, IntoReply, ParamError, Replier, Takes};
pub use super::{
    envelope::Envelope,
    interceptor::{CallKind, Invocation, intercepted},
    param::{Param, Setup},
    reply::Says,
};
use crate::{
    connection::{CloseReason, Connection},
    error::{Error, EventError},
    message::Message,
};
pub use crate::{controller::Kept, error::Result, state::StateKey};

/// The places that a handler can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `on_open`.
    Open,
    /// `on_event` and `on_unknown`.
    Event,
    /// `on_text`.
    Text,
    /// `on_binary`, `on_ping`, `on_pong`.
    Binary,
    /// `on_message`.
    Message,
    /// `on_close`.
    Close,
}

/// What a message turned out to be.
#[derive(Debug)]
pub enum Read<'a> {
    /// An event.
    Event(Envelope<'a>),
    /// No envelope; why, in case that nobody takes it as it is.
    Raw(EventError),
}

/// What a parameter keeps, or why the handshake is refused.
pub fn keep<K>(kept: Result<K, ParamError>) -> Result<K> {
    kept.map_err(ParamError::in_handshake)
}

/// What was kept with a connection.
pub fn kept<K: 'static>(conn: &Connection) -> Result<&K> {
    conn.kept::<K>().ok_or_else(|| Error::new("this connection was not opened by its controller's own route"))
}

/// Erases what is kept.
pub fn erase<K: Send + Sync + 'static>(kept: K) -> Result<Option<Kept>> {
    Ok(Some(Box::new(kept)))
}

/// A parameter of a call, or why the call fails.
pub fn got<P>(got: Result<P, ParamError>, takes: Takes) -> Result<P> {
    got.map_err(|error| at_call(error, takes))
}

#[cold]
fn at_call(error: ParamError, takes: Takes) -> Error {
    match error {
        ParamError::Missing { what } if takes == Takes::Nothing => Error::new(format!("no {what}")),
        ParamError::Missing { what } => EventError::InvalidData {
            path: String::new(),
            message: format!("{what} is missing"),
            fields: serde_json::Value::Null,
        }
        .into(),
        ParamError::Invalid { what, path, message, fields } => {
            let path = if path.is_empty() { what.into_owned() } else { path };
            EventError::InvalidData { path, message, fields }.into()
        }
        ParamError::Other(error) => error,
    }
}

/// The input of `on_open`.
pub fn nothing(conn: &Connection) -> Input<'_> {
    Input::nothing(conn)
}

/// The input of `on_text`, `on_binary`, `on_message`, `on_ping` and `on_pong`.
pub fn message<'a>(conn: &'a Connection, message: &'a mut Message) -> Input<'a> {
    Input::message(conn, message)
}

/// The input of `on_event` and `on_unknown`.
pub fn event<'a>(conn: &'a Connection, message: &'a Message, envelope: &'a Envelope<'a>) -> Input<'a> {
    Input::event(conn, message, envelope)
}

/// The input of `on_close`.
pub fn end(conn: &Connection, reason: CloseReason) -> Input<'_> {
    Input::end(conn, reason)
}

/// The call of a callback.
pub fn invocation<'a>(conn: &'a Connection, kind: CallKind<'a>) -> Invocation<'a> {
    Invocation::new(conn, kind)
}

/// Where the replies of an event go.
pub fn reply_to_event<'a>(conn: &'a Connection, envelope: &'a Envelope<'a>) -> Replier<'a> {
    Replier::event(conn, envelope)
}

/// Where the replies of anything else go.
pub fn reply_to(conn: &Connection) -> Replier<'_> {
    Replier::plain(conn)
}

/// Attaches the call to its error.
pub fn settle(to: &Replier<'_>, result: Result) -> Result {
    to.settle(result)
}

/// An event, or why it is none.
pub fn read<'a>(conn: &Connection, message: &'a Message) -> Read<'a> {
    match Envelope::read(conn.codec(), message) {
        Ok(envelope) => Read::Event(envelope),
        Err(fault) => Read::Raw(fault),
    }
}

/// Sends what a handler returned.
pub async fn answer<R: IntoReply, const IS_EVENT: bool, const IS_CLOSE: bool>(
    returned: R,
    to: &Replier<'_>,
) -> Result {
    const {
        assert!(
            IS_EVENT || !matches!(R::SAYS, Says::AnAnswer),
            "`Data<T>` answers an event; here, return `Event<T>`, `Json<T>` or a message"
        );
        assert!(
            !IS_CLOSE || matches!(R::SAYS, Says::Nothing),
            "nothing can be sent in `on_close`; return `()` or `Result`"
        );
    }
    returned.reply(to).await
}

/// What a guard said.
pub fn guard<E: Into<Error>>(answer: Result<(), E>) -> Result {
    answer.map_err(|error| error.into().or_forbidden())
}

/// Nobody handles this event.
#[cold]
pub fn unknown_event(event: &str) -> Result {
    Err(EventError::UnknownEvent { event: event.chars().take(64).collect() }.into())
}

/// Whether a message is text.
pub fn is_text(message: &Message) -> bool {
    matches!(message, Message::Text(_))
}

/// Nobody handles this message.
#[cold]
pub fn unsupported(message: &Message) -> EventError {
    EventError::unsupported(message)
}

/// Checks what the parameters of one handler take, while compiling.
pub const fn check_takes(place: Place, takes: &[Takes]) {
    let mut taken = 0;
    let mut at = 0;
    while at < takes.len() {
        #[allow(clippy::indexing_slicing, reason = "iterators are not const; the index is below the length")]
        let take = takes[at];
        if matches!(take, Takes::Data | Takes::Message | Takes::Text) {
            taken += 1;
        }
        check_take(place, take);
        at += 1;
    }
    assert!(taken < 2, "at most one parameter takes the message");
}

const fn check_take(place: Place, take: Takes) {
    let has_message = !matches!(place, Place::Open | Place::Close);
    match take {
        Takes::Nothing => {}
        Takes::Data => {
            assert!(
                matches!(place, Place::Event),
                "`Data<T>` is the data of an event; it goes with `#[on_event]` and `#[on_unknown]`"
            );
        }
        Takes::EventName => {
            assert!(matches!(place, Place::Event), "`EventName` goes with `#[on_event]` and `#[on_unknown]`");
        }
        Takes::Message => assert!(has_message, "there is no message in `#[on_open]` and `#[on_close]`"),
        Takes::Text => {
            assert!(has_message, "there is no message in `#[on_open]` and `#[on_close]`");
            assert!(
                !matches!(place, Place::Binary),
                "there is no text in `#[on_binary]`, `#[on_ping]` and `#[on_pong]`; take `Bytes`"
            );
        }
        Takes::CloseReason => {
            assert!(matches!(place, Place::Close), "`CloseReason` goes with `#[on_close]`");
        }
    }
}

/// Checks that a route which is known while compiling has path parameters if one is taken.
pub const fn check_path(route: Option<&'static str>, needs_path: bool) {
    let Some(path) = route else { return };
    let mut bytes = path.as_bytes();
    while let [first, rest @ ..] = bytes {
        if *first == b'{' {
            return;
        }
        bytes = rest;
    }
    assert!(!needs_path, "the path of this controller has no parameters, so there is nothing for `Path<T>`");
}

/// The path of a controller's attribute: none for types without one. `#[ws_controller]` writes an inherent constant of
/// this name, which goes before this one.
pub trait RouteOf {
    /// `path = ".."`.
    const __WS_PATH: Option<&'static str> = None;
}

impl<T: ?Sized> RouteOf for T {}
