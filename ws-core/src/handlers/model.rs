//! The model of a handler: the event of its data, and the replies and the error codes of its return
//! value. Documents and compile-time checks use it.
//!
//! Generated code reads the model. For a type without a part of the model, the traits `NoEvent`,
//! `NoModel` and `NoCodes` provide placeholders with the same names, so that the same code fits
//! every handler.

use std::marker::PhantomData;

#[cfg(feature = "validate")]
use super::Valid;
use super::{Data, Event, IntoReply, Json, Stream, rules::Is, support::Of};
pub use crate::request::{HandlerInfo, ReplyInfo};
use crate::{
    envelope::{
        EventInfo, ManyReplies, NoReplies, Nothing, OneReply, RawReply, Replies, ReplyForm, ReplyName,
        WsCall, WsEvent,
    },
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

/// Implements the model for parameters that contain the data of an event.
macro_rules! event_of {
    ($($(#[$attribute:meta])* $ty:ty;)*) => {$(
        $(#[$attribute])*
        impl<T: WsEvent> Of<$ty> {
            /// The event type of the data.
            pub const EVENT: Option<EventInfo> = Some(EventInfo::of::<T>());
        }

        $(#[$attribute])*
        impl<T: WsCall> Of<$ty> {
            /// Returns the event, whose reply is known.
            pub fn call() -> Call<T> {
                Call(PhantomData)
            }
        }
    )*};
}

event_of! {
    Data<T>;
    Option<Data<T>>;
    #[cfg(feature = "validate")]
    Valid<Data<T>>;
    #[cfg(feature = "validate")]
    Option<Valid<Data<T>>>;
}

/// A parameter that is not the data of an event type.
pub trait NoEvent {
    #[doc(hidden)]
    const EVENT: Option<EventInfo> = None;

    #[doc(hidden)]
    fn call() -> NoCall {
        NoCall
    }
}

impl<P> NoEvent for Of<P> {}

/// An event whose reply is known.
#[derive(Debug)]
pub struct Call<T>(PhantomData<fn() -> T>);

/// An event whose reply is not known.
#[derive(Debug)]
pub struct NoCall;

impl<T: WsCall> Call<T> {
    /// Checks the replies of a handler of this event.
    pub fn check<S: AnswerTo<T::Replies>>(self, _: &Sends<S>) {}
}

impl NoCall {
    /// Accepts any replies.
    pub fn check<S>(self, _: &Sends<S>) {}
}

/// The replies of a handler.
#[derive(Debug)]
pub struct Sends<S>(PhantomData<fn() -> S>);

impl<S> Sends<S> {
    /// Returns the replies, or [`Unknown`] if the handler sends them later.
    pub fn unless<const IS_DEFERRED: bool>(self) -> Sends<<Is<IS_DEFERRED> as Known<S>>::Replies>
    where
        Is<IS_DEFERRED>: Known<S>,
    {
        Sends(PhantomData)
    }
}

/// The replies `S`, if they are known.
pub trait Known<S> {
    /// `S` or [`Unknown`].
    type Replies;
}

impl<S> Known<S> for Is<false> {
    type Replies = S;
}

impl<S> Known<S> for Is<true> {
    type Replies = Unknown;
}

/// The replies of a type whose data is not known.
#[derive(Debug)]
pub struct Unknown;

impl Replies for Unknown {
    type Data = Nothing;
    type Repeated = Self;
}

/// The replies that an event declares.
#[diagnostic::on_unimplemented(
    message = "the handler does not return the reply that `#[ws_event(..)]` of its event declares",
    label = "not the reply of the event",
    note = "for `reply = T`, return `T` if it is an event, else `Data<T>`; for `stream = T`, return a `Stream` of these; \
            `Result` and `Option` of them are accepted"
)]
pub trait AnswerTo<R> {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<OneReply<T>> for OneReply<T> {}

#[diagnostic::do_not_recommend]
impl<T> AnswerTo<ManyReplies<T>> for ManyReplies<T> {}

impl<R> AnswerTo<R> for Unknown {}

/// The properties of a return type that the rules for replies check.
#[derive(Clone, Copy, Debug)]
pub struct ReplyShape {
    /// See [`IntoReply::FORM`].
    pub form: ReplyForm,
    /// See [`IntoReply::NAME`].
    pub name: ReplyName,
    /// See [`IntoReply::MAY_ANSWER`].
    pub may_answer: bool,
}

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

/// The return type of a handler.
#[derive(Debug)]
pub struct Output<R>(PhantomData<fn() -> R>);

/// Returns the return type of a handler, which may have no name. The closure is never called.
pub const fn output<F: Future>(_: &impl FnOnce(Unmade) -> F) -> Output<F::Output> {
    Output(PhantomData)
}

/// Returns a return type that has a name, which costs less time to compile.
pub const fn output_of<R>() -> Output<R> {
    Output(PhantomData)
}

/// The number and the name of a handler's messages.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The number of messages.
    pub form: ReplyForm,
    /// The name under which they are sent.
    pub name: ReplyName,
}

/// The types of a handler's messages and of its error.
#[derive(Debug)]
pub struct Carried<S, E> {
    /// The messages.
    pub replies: Sends<S>,
    /// The type of the error.
    pub error: Failing<E>,
}

impl<S, E> Carried<S, E> {
    fn new() -> Self {
        Self { replies: Sends(PhantomData), error: Failing(PhantomData) }
    }
}

impl<R: IntoReply> Output<R> {
    /// The number and the name of the messages.
    pub fn sent(&self) -> Sent {
        Sent { form: R::FORM, name: R::NAME }
    }
}

impl<R: Carries> Output<R> {
    /// The types of the messages and of the error.
    pub fn carried(&self) -> Carried<R::Replies, R::Error> {
        Carried::new()
    }
}

/// A return type whose model is not known.
pub trait NoModel {
    #[doc(hidden)]
    fn sent(&self) -> Sent {
        Sent { form: ReplyForm::None, name: ReplyName::AtRunTime }
    }

    #[doc(hidden)]
    fn carried(&self) -> Carried<Unknown, Nothing> {
        Carried::new()
    }
}

impl<R> NoModel for Output<R> {}

/// The error type of a handler.
#[derive(Debug)]
pub struct Failing<E>(PhantomData<fn() -> E>);

impl<E: ErrorCodes> Failing<E> {
    /// Its error codes.
    pub fn codes(&self) -> &'static [(&'static str, &'static str)] {
        E::CODES
    }
}

/// An error type without error codes.
pub trait NoCodes {
    #[doc(hidden)]
    fn codes(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

impl<E> NoCodes for Failing<E> {}

/// The error codes of a type in `errors(..)`.
pub const fn codes_of<E: ErrorCodes>() -> &'static [(&'static str, &'static str)] {
    E::CODES
}

/// Returns the first event among the parameters of a handler.
pub const fn first_event(params: &[Option<EventInfo>]) -> Option<EventInfo> {
    let mut rest = params;
    while let [first, more @ ..] = rest {
        if first.is_some() {
            return *first;
        }
        rest = more;
    }
    None
}
