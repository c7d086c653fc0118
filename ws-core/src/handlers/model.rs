//! The model of a handler: the event of its data, and the replies and the error codes of its return
//! value. Documents and compile-time checks use it.
//!
//! Generated code reads the model. For a type without a part of the model, the traits `NoEvent`,
//! `NoModel` and `NoCodes` provide placeholders with the same names, so that the same code fits
//! every handler.

use std::marker::PhantomData;

#[cfg(feature = "validate")]
use super::Valid;
use super::{Data, Event, IntoReply, Json, Stream, support::Of};
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

impl<P: TakesData<Data: WsEvent>> Of<P> {
    /// The event type of the data.
    pub const EVENT: Option<EventInfo> = Some(EventInfo::of::<P::Data>());
}

impl<P: TakesData<Data: WsCall>> Of<P> {
    /// Checks the replies of a handler of this event.
    pub fn check<S: AnswerTo<<P::Data as WsCall>::Replies>>(_: &Sends<S>) {}
}

/// A parameter that is not the data of an event type.
pub trait NoEvent {
    #[doc(hidden)]
    const EVENT: Option<EventInfo> = None;

    #[doc(hidden)]
    fn check<S>(_: &Sends<S>) {}
}

impl<P> NoEvent for Of<P> {}

/// The replies of a handler.
#[derive(Debug)]
pub struct Sends<S>(PhantomData<fn() -> S>);

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

/// Nothing is returned if the reply is sent by `Reply`; the rules of the handler check this.
impl<R> AnswerTo<R> for NoReplies {}

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

/// The model of a return type: its messages and its error.
#[derive(Debug)]
pub struct Carried<S, E> {
    /// The types of the messages.
    pub replies: Sends<S>,
    /// The error.
    pub error: Failing<E>,
}

impl<S, E> Carried<S, E> {
    fn new(form: ReplyForm, name: ReplyName) -> Self {
        let error = Failing { form, name, error: PhantomData };
        Self { replies: Sends(PhantomData), error }
    }
}

impl<R: IntoReply + Carries> Output<R> {
    /// Returns the model.
    pub fn carried(&self) -> Carried<R::Replies, R::Error> {
        Carried::new(R::FORM, R::NAME)
    }
}

/// A return type of which only the number and the name of its messages are known.
pub trait OwnReply {
    #[doc(hidden)]
    fn carried(&self) -> Carried<Unknown, Nothing>;
}

impl<R: IntoReply> OwnReply for Output<R> {
    fn carried(&self) -> Carried<Unknown, Nothing> {
        Carried::new(R::FORM, R::NAME)
    }
}

/// A type that is not a reply. It is implemented for a reference, so that [`OwnReply`] has
/// precedence.
pub trait NoModel {
    #[doc(hidden)]
    fn carried(&self) -> Carried<Unknown, Nothing> {
        Carried::new(ReplyForm::None, ReplyName::AtRunTime)
    }
}

impl<R> NoModel for &Output<R> {}

/// The error type of a handler, with the number and the name of its messages.
#[derive(Debug)]
pub struct Failing<E> {
    form: ReplyForm,
    name: ReplyName,
    error: PhantomData<fn() -> E>,
}

impl<E> Failing<E> {
    fn with(&self, codes: &'static [(&'static str, &'static str)]) -> ReplyInfo {
        ReplyInfo { form: self.form, name: self.name, codes }
    }
}

impl<E: ErrorCodes> Failing<E> {
    /// Returns the model of the return value.
    pub fn describe(&self) -> ReplyInfo {
        self.with(E::CODES)
    }
}

/// An error type without error codes.
pub trait NoCodes {
    #[doc(hidden)]
    fn describe(&self) -> ReplyInfo;
}

impl<E> NoCodes for Failing<E> {
    fn describe(&self) -> ReplyInfo {
        self.with(&[])
    }
}

/// The error codes of a type in `errors(..)`.
pub const fn codes_of<E: ErrorCodes>() -> &'static [(&'static str, &'static str)] {
    E::CODES
}
