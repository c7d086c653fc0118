//! The model of a handler: the event of its data, and the replies and the error codes of its return
//! value. Documents and compile-time checks use it.
//!
//! Generated code reads the model. For a type without a part of the model, the traits `NoEvent`,
//! `NoReply`, `NoModel` and `NoCodes` provide placeholders with the same names, so that the same
//! code fits every handler.

use std::marker::PhantomData;

#[cfg(feature = "validate")]
use super::Valid;
use super::{Data, Event, IntoReply, Json, Stream, support::Of};
pub use crate::request::{HandlerInfo, ParamFacts, ReplyShape};
use crate::{
    envelope::{AnyReply, EventInfo, ManyReplies, NoReplies, Nothing, OneReply, RawReply, Replies, WsEvent},
    error::ErrorCodes,
    wire::{Message, Text},
};

/// The messages of a reply, and its error type.
pub trait Carries {
    /// The messages: [`OneReply`], [`ManyReplies`], [`NoReplies`] or [`RawReply`].
    type Replies: Replies;
    /// The `E` of `Result<R, E>`.
    type Error;
}

/// Implements [`Carries`] for types that cannot fail.
macro_rules! carries {
    ($($ty:ty $(, $t:ident)? => $replies:ty;)*) => {$(
        impl$(<$t>)? Carries for $ty {
            type Replies = $replies;
            type Error = Nothing;
        }
    )*};
}

carries! {
    () => NoReplies;
    Message => RawReply;
    Text => RawReply;
    String => RawReply;
    &str => RawReply;
    Json<T>, T => RawReply;
    Data<T>, T => OneReply<T>;
    Event<T>, T => OneReply<T>;
}

impl<R: Carries> Carries for Option<R> {
    type Replies = R::Replies;
    type Error = R::Error;
}

impl<R: Carries, E> Carries for Result<R, E> {
    type Replies = R::Replies;
    type Error = E;
}

impl<S: futures_core::Stream<Item: Carries>> Carries for Stream<S> {
    type Replies = <<S::Item as Carries>::Replies as Replies>::Repeated;
    type Error = <S::Item as Carries>::Error;
}

/// A parameter that contains the data of an event.
pub trait TakesData {
    /// The type of the data.
    type Data;
}

impl<T> TakesData for Data<T> {
    type Data = T;
}

#[cfg(feature = "validate")]
impl<T> TakesData for Valid<Data<T>> {
    type Data = T;
}

impl<P: TakesData> TakesData for Option<P> {
    type Data = P::Data;
}

/// The event of a parameter, which declares the replies `D`.
#[derive(Debug)]
pub struct EventParam<D>(Option<EventInfo>, PhantomData<fn() -> D>);

impl<P: TakesData<Data: WsEvent>> Of<P> {
    /// The event type of the data.
    pub const EVENT: EventParam<<P::Data as WsEvent>::Replies> =
        EventParam(Some(EventInfo::of::<P::Data>()), PhantomData);
}

/// A parameter that is not the data of an event type.
pub trait NoEvent {
    #[doc(hidden)]
    const EVENT: EventParam<AnyReply> = EventParam(None, PhantomData);
}

impl<P> NoEvent for Of<P> {}

/// Adds the event to the facts about a parameter, and checks that the handler returns the replies
/// that the event declares.
pub const fn with_event<D, S: AnswerTo<D>>(
    facts: ParamFacts,
    event: EventParam<D>,
    _: Sends<S>,
) -> ParamFacts {
    ParamFacts { event: event.0, ..facts }
}

/// The replies of a handler.
#[derive(Debug)]
pub struct Sends<S>(PhantomData<fn() -> S>);

/// The replies of a type whose data is not known.
#[derive(Debug)]
pub struct Unknown;

impl Unknown {
    /// The value for a return type whose messages are not known.
    pub const REPLIES: Sends<Self> = Sends(PhantomData);
}

impl Replies for Unknown {
    type Data = Nothing;
    type Repeated = Self;
}

/// Implemented for the replies that a handler may return for an event that declares the replies
/// `R`.
#[diagnostic::on_unimplemented(
    message = "the handler does not return the reply that `#[ws_event(..)]` of its event declares",
    label = "not the reply of the event",
    note = "for `reply = T`, return `T` if it is an event, else `Data<T>`; for `stream = T`, return a `Stream` of these; \
            `Result` and `Option` of them are accepted"
)]
pub trait AnswerTo<R> {}

#[diagnostic::do_not_recommend]
impl<S> AnswerTo<AnyReply> for S {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<OneReply<T>> for OneReply<T> {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<ManyReplies<T>> for ManyReplies<T> {}

// `Unknown` and `NoReplies` are for every declared reply. One implementation for all `R` would
// overlap with that of `AnyReply`.

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<OneReply<T>> for Unknown {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<ManyReplies<T>> for Unknown {}

// Nothing is returned if the reply is sent by `Reply`. The rules of the handler check this.

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<OneReply<T>> for NoReplies {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<ManyReplies<T>> for NoReplies {}

/// Returns the properties of a return type that may have no name. The closure is never called.
pub const fn shape_of<F, R>(_: &impl FnOnce(Unmade) -> F) -> ReplyShape
where
    F: Future<Output = R>,
    R: IntoReply,
{
    R::SHAPE
}

/// A type without values. Generated code uses it as the arguments of a call that is never made, to
/// get the call's return type.
#[derive(Clone, Copy, Debug)]
pub enum Unmade {}

impl Unmade {
    /// Returns a value of any type.
    pub fn value<T>(self) -> T {
        match self {}
    }
}

/// Names the return type of a handler that has no name. The closure is never called.
pub const fn output<F: Future>(_: &impl FnOnce(Unmade) -> F) -> Of<F::Output> {
    Of::VALUE
}

impl<R: IntoReply> Of<R> {
    /// The properties of the return type.
    pub const SHAPE: ReplyShape = R::SHAPE;
}

/// A type that is not a reply. rustc reports it where the handler is called.
pub trait NoReply {
    #[doc(hidden)]
    const SHAPE: ReplyShape = <() as IntoReply>::SHAPE;
}

impl<R> NoReply for Of<R> {}

impl<R: Carries> Of<R> {
    /// The types of the messages.
    pub const REPLIES: Sends<R::Replies> = Sends(PhantomData);

    /// Returns [`REPLIES`](Self::REPLIES) of a type that has no name.
    pub fn replies(&self) -> Sends<R::Replies> {
        Self::REPLIES
    }
}

/// A return type whose messages are not known.
pub trait NoModel {
    #[doc(hidden)]
    const REPLIES: Sends<Unknown> = Unknown::REPLIES;

    #[doc(hidden)]
    fn replies(&self) -> Sends<Unknown> {
        Unknown::REPLIES
    }
}

impl<R> NoModel for Of<R> {}

impl<R: Carries<Error: ErrorCodes>> Of<R> {
    /// Returns the error codes of the error type.
    pub fn codes() -> &'static [(&'static str, &'static str)] {
        R::Error::CODES
    }

    /// Returns [`codes`](Self::codes) of a type that has no name.
    pub fn error_codes(&self) -> &'static [(&'static str, &'static str)] {
        R::Error::CODES
    }
}

/// A return type without error codes.
pub trait NoCodes {
    #[doc(hidden)]
    fn codes() -> &'static [(&'static str, &'static str)] {
        &[]
    }

    #[doc(hidden)]
    fn error_codes(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

impl<R> NoCodes for Of<R> {}

/// The error codes of a type in `errors(..)`.
pub const fn codes_of<E: ErrorCodes>() -> &'static [(&'static str, &'static str)] {
    E::CODES
}
