//! Functions and types that the expansion of `#[ws_handlers]` uses. Not part of the public API.
//!
//! The [`rules`] are checked at compile time. A change here needs the matching change in
//! `ws-macros`.

use std::{
    any::Any,
    future::{Ready, ready},
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Input, IntoReply, Replier, Stream, Takes, interceptor, interceptor::Intercepted};
pub use super::{
    describe::{EventOf, NoPart, NotAnEvent, Part, PartOf},
    guard::{Guard, GuardAnswer, GuardParams, Guarded, guard, guarded},
    interceptor::{Callback, CallbackKind},
    model::{
        AnswerTo, Call, Carried, Carries, Failing, HandlerInfo, Known, NoCall, NoCodes, NoEvent, NoModel,
        Output, ReplyInfo, ReplyShape, Sends, Sent, Unknown, Unmade, codes_of, first_event, output,
        output_of, shape_of,
    },
    param::Param,
    rules,
    sending::Sending,
};
pub use crate::envelope::{
    DeclaredReply, DescribeEvent, Envelope, EventInfo, EventTypes, ManyReplies, NoReplies, Nothing, OneReply,
    RawReply, Replies, ReplyForm, ReplyName,
};
use crate::{
    connection::Connection,
    envelope::{EventError, ReplyTo, WsEvent},
    error::Error,
    request::ParamError,
    telemetry::Outcome,
    wire::{CloseReason, Message},
};
pub use crate::{
    error::Result,
    request::{DescribeHandler, HandlerTypes, Kept, Needs, ParamSource, ParamTypes, Setup, Typed},
    schema::{Direction, NoSchema, SchemaOf, Schemas, TypeSchema},
};
pub use serde::Serialize;

/// The result of reading a message as an envelope.
#[derive(Debug)]
pub enum Read<'a> {
    /// An event.
    Event(Envelope<'a>),
    /// Not an envelope. The error is the answer if no handler takes the raw message.
    Raw(EventError),
}

/// A parameter's type. A type that does not implement [`Param`] gets the same items from
/// [`NoParam`]. rustc then reports the error once, where the [`rules`] are checked, and not at each
/// use.
#[derive(Debug)]
pub struct Of<P>(PhantomData<P>);

impl<'a, P: Param<'a>> Of<P> {
    /// The part of the input that the parameter consumes.
    pub const TAKES: Takes = P::TAKES;

    /// Whether the route's path must have parameters.
    pub const NEEDS_PATH: bool = P::NEEDS_PATH;

    /// Whether the value is parsed from the handshake and kept.
    pub const IS_PARSED: bool = P::IS_PARSED;

    /// Adds the requirements of the parameter.
    pub fn need(needs: &mut Needs) {
        P::states(&mut needs.states);
        needs.path |= P::NEEDS_PATH;
    }

    /// Makes the value that the parameter keeps, or the error that refuses the handshake.
    pub fn keep(setup: &Setup<'_>) -> Result<P::Kept> {
        P::keep(setup).map_err(ParamError::in_handshake)
    }

    /// Makes the parameter of a callback, or the error that the callback fails with.
    pub fn get(kept: &'a P::Kept, input: &mut Input<'a>) -> Result<P> {
        P::get(kept, input).map_err(|error| at_call(error, P::TAKES))
    }
}

/// A stand-in for types that do not implement [`Param`]: it compiles, and it never runs.
pub trait NoParam {
    #[doc(hidden)]
    type P;

    #[doc(hidden)]
    const TAKES: Takes = Takes::Nothing;

    #[doc(hidden)]
    const NEEDS_PATH: bool = false;

    #[doc(hidden)]
    const IS_PARSED: bool = false;

    #[doc(hidden)]
    fn need(_: &mut Needs) {}

    #[doc(hidden)]
    fn keep(_: &Setup<'_>) -> Result<()> {
        Ok(())
    }

    #[doc(hidden)]
    fn get<K>(_: &K, _: &mut Input<'_>) -> Result<Self::P> {
        Err(Error::new("not a parameter"))
    }
}

impl<P> NoParam for Of<P> {
    type P = P;
}

/// Returns the value that was kept with a connection. The closure that makes it determines its
/// type.
pub fn kept<K: 'static>(conn: &Connection, _: impl FnOnce(&Setup<'_>) -> Result<K>) -> Result<&K> {
    conn.kept::<K>().ok_or_else(|| Error::new("this connection was not opened by its controller's own route"))
}

/// Adds the values that are kept for parameters by reference. They are made first.
pub fn beside<'a>(setup: &Setup<'a>, kept: &'a [&'a dyn Any]) -> Setup<'a> {
    Setup { kept, ..*setup }
}

/// Erases the type of the value that is kept.
pub fn erase<K: Send + Sync + 'static>(kept: K) -> Result<Option<Kept>> {
    Ok(Some(Box::new(kept)))
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

/// Makes the input of `on_open`.
pub fn nothing(conn: &Connection) -> Input<'_> {
    Input::nothing(conn)
}

/// Makes the input of `on_text`, `on_binary`, `on_message`, `on_ping` and `on_pong`.
pub fn message<'a>(conn: &'a Connection, message: &'a mut Message) -> Input<'a> {
    Input::message(conn, message)
}

/// Makes the input of `on_event` and `on_unknown`.
pub fn event<'a>(
    conn: &'a Connection,
    message: &'a Message,
    envelope: &'a Envelope<'a>,
    to: &'a Replier<'a>,
) -> Input<'a> {
    Input::event(conn, message, envelope, to)
}

/// Makes the input of `on_close`.
pub fn end(conn: &Connection, reason: CloseReason) -> Input<'_> {
    Input::end(conn, reason)
}

/// Describes a callback for its interceptors.
pub fn invocation<'a>(conn: &'a Connection, kind: CallbackKind<'a>) -> Callback<'a> {
    Callback::new(conn, kind)
}

/// Runs a handler inside the interceptors of its route. The type of the handler is hidden, so that
/// this is compiled once.
pub fn intercepted<'a>(
    callback: Callback<'a>,
    handler: Pin<&'a mut (dyn Future<Output = Result> + Send + 'a)>,
) -> Intercepted<'a, Pin<&'a mut (dyn Future<Output = Result> + Send + 'a)>> {
    interceptor::intercepted(callback, handler)
}

/// Makes the replier of an event.
pub fn reply_to_event<'a>(conn: &'a Connection, envelope: &'a Envelope<'a>) -> Replier<'a> {
    conn.begin_event(envelope.event());
    Replier::event(conn, envelope)
}

/// Makes the replier of a message that is not an event.
pub fn reply_to(conn: &Connection) -> Replier<'_> {
    Replier::plain(conn)
}

/// Sends `end` if the handler sent no reply, or attaches the call to the handler's error.
pub fn finish<'r>(to: &'r Replier<'_>, result: Result) -> Sending<'r> {
    if result.is_ok() {
        // The session counts failures, with panics and timeouts.
        to.connection().end_event(Outcome::Ok);
    }
    to.finish(result)
}

/// Answers the event `ping`.
pub fn pong<'r>(to: &'r Replier<'_>) -> Sending<'r> {
    Sending::message(to.connection(), to.encode("pong", &()))
}

/// Sends an event under the name of its type. It is encoded before the first await, because a
/// future that contains an `E` is not `Send` for every lifetime in `E`.
pub fn send_own<'r, E: WsEvent + Serialize>(to: &'r Replier<'_>, event: &E) -> Sending<'r> {
    Sending::message(to.connection(), to.encode(E::NAME, event))
}

/// Attaches the call to the handler's error.
pub fn settle(to: &Replier<'_>, result: Result) -> Result {
    to.settle(result)
}

/// Reads a message as an event.
pub fn read<'a>(conn: &Connection, message: &'a Message) -> Read<'a> {
    match Envelope::read(conn.format(), message) {
        Ok(envelope) => Read::Event(envelope),
        Err(fault) => Read::Raw(fault),
    }
}

/// The return value of a handler. A type that does not implement [`IntoReply`] gets the same
/// methods from [`NoReply`]. rustc then reports the error once, where the [`rules`] are checked.
#[derive(Debug)]
pub struct Returned<R>(pub R);

impl<R, E: Into<Error>> Returned<Result<R, E>> {
    /// Converts the error before the first await, because a future that contains an `E` is not
    /// `Send` for every lifetime in `E`.
    pub fn converted(self) -> Result<R> {
        self.0.map_err(Into::into)
    }
}

impl<R, E: Into<Error>> Returned<Result<Option<Result<R, E>>>> {
    /// Converts an error inside the reply.
    pub fn converted_inside(self) -> Result<Option<R>> {
        self.0?.transpose().map_err(Into::into)
    }
}

impl<S, R, E> Returned<Result<Stream<S>>>
where
    S: futures_core::Stream<Item = Result<R, E>>,
    E: Into<Error>,
{
    /// Converts the errors of the items.
    pub fn converted_inside(self) -> Result<Stream<Converted<S, R>>> {
        let convert = |item: S::Item| item.map_err(Into::into);
        self.0.map(|items| Stream::new(Converted { items: items.into_inner(), convert }))
    }
}

pin_project! {
    /// A stream of replies whose errors are converted. Its type does not name the error types, so
    /// that it is `Send` for every lifetime in them.
    pub struct Converted<S: futures_core::Stream, R> {
        #[pin]
        items: S,
        convert: fn(S::Item) -> Result<R>,
    }
}

impl<S: futures_core::Stream, R> futures_core::Stream for Converted<S, R> {
    type Item = Result<R>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<R>>> {
        let this = self.project();
        this.items.poll_next(cx).map(|item| item.map(this.convert))
    }
}

impl<R: IntoReply> Returned<R> {
    /// Sends the reply.
    pub fn answer<'r>(self, to: &'r Replier<'_>) -> Sending<'r>
    where
        R: 'r,
    {
        self.0.start(to)
    }
}

/// A stand-in for types that do not implement [`IntoReply`]: it compiles, and it never runs.
pub trait NoReply: Sized {
    #[doc(hidden)]
    type Value;

    #[doc(hidden)]
    fn converted(self) -> Result<Self::Value>;

    #[doc(hidden)]
    fn converted_inside(self) -> Self::Value;

    #[doc(hidden)]
    fn answer(self, _: &Replier<'_>) -> Ready<Result> {
        ready(Ok(()))
    }
}

impl<R> NoReply for Returned<R> {
    type Value = R;

    fn converted(self) -> Result<R> {
        Ok(self.0)
    }

    fn converted_inside(self) -> R {
        self.0
    }
}

/// Makes the error for an event without a handler.
#[cold]
pub fn unknown_event(event: &str) -> Result {
    Err(EventError::UnknownEvent { event: event.chars().take(64).collect() }.into())
}

/// Makes the error for a message that is not an event and that no handler takes as it is. If the
/// message has a `ref`, the error has it too.
#[cold]
pub fn no_event(conn: &Connection, message: &Message, fault: EventError) -> Result {
    let reference = Envelope::reference_of(conn.format(), message);
    Err(Error::from(fault).in_reply_to(ReplyTo::new(conn.format(), reference)))
}

/// Makes the error for a message without a handler.
#[cold]
pub fn unsupported(message: &Message) -> EventError {
    EventError::unsupported(message)
}

/// The path of the controller's attribute, `None` for types without the attribute.
/// `#[ws_controller]` generates an inherent constant of the same name, which takes precedence over
/// this one.
pub trait RouteOf {
    /// `path = ".."`.
    const __WS_PATH: Option<&'static str> = None;
}

impl<T: ?Sized> RouteOf for T {}
