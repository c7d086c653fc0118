//! The model of a reply: the number of its messages ([`ReplyForm`]), and the name under which they
//! are sent ([`ReplyName`]).

use std::marker::PhantomData;

/// The number of messages of a reply.
///
/// ```
/// use ws_core::handlers::ReplyForm;
///
/// /// Whether a client may wait for exactly one message.
/// fn is_single(form: ReplyForm) -> bool {
///     form == ReplyForm::One
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// No message. A call with a `ref` is completed by the event `end`.
    None,
    /// One message.
    One,
    /// One message or none.
    Optional,
    /// Any number of messages, then the event `end`.
    Many,
}

impl ReplyForm {
    /// Returns the form of an `Option` of a reply.
    pub(crate) const fn or_none(self) -> Self {
        match self {
            Self::One => Self::Optional,
            other => other,
        }
    }

    /// Returns the form of a stream of replies.
    pub(crate) const fn repeated(self) -> Self {
        match self {
            Self::None => Self::None,
            _ => Self::Many,
        }
    }
}

/// The name of the event under which a reply is sent.
///
/// ```
/// use ws_core::handlers::ReplyName;
///
/// fn name<'a>(call: &'a str, reply: ReplyName) -> Option<&'a str> {
///     match reply {
///         ReplyName::Same => Some(call),
///         ReplyName::Own(name) => Some(name),
///         ReplyName::AtRunTime | ReplyName::Raw => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyName {
    /// The name of the call: [`Data<T>`](crate::Data).
    Same,
    /// The name of the reply's own type: [`WsEvent`](crate::WsEvent).
    Own(&'static str),
    /// A name that is known only at run time: [`Event<T>`](crate::Event).
    AtRunTime,
    /// No name: the message is not an envelope.
    Raw,
}

/// The messages of a reply as a type, so that a trait bound can compare two of them.
#[doc(hidden)]
pub trait Replies {
    /// The data of each message.
    type Data;
    /// The messages of a stream of such replies.
    type Repeated: Replies<Data = Self::Data>;
}

/// The replies that an event declares: [`OneReply`] or [`ManyReplies`] of a type, or [`AnyReply`]
/// if it declares none.
pub trait DeclaredReplies {
    /// Whether the event declares its replies.
    const IS_DECLARED: bool;
}

/// The event does not declare its replies.
#[derive(Debug)]
pub struct AnyReply;

impl DeclaredReplies for AnyReply {
    const IS_DECLARED: bool = false;
}

impl<T> DeclaredReplies for OneReply<T> {
    const IS_DECLARED: bool = true;
}

impl<T> DeclaredReplies for ManyReplies<T> {
    const IS_DECLARED: bool = true;
}

/// At most one message.
#[derive(Debug)]
pub struct OneReply<T>(PhantomData<fn() -> T>);

/// Any number of messages.
#[derive(Debug)]
pub struct ManyReplies<T>(PhantomData<fn() -> T>);

/// No message.
#[derive(Debug)]
pub struct NoReplies;

/// Messages without an envelope.
#[derive(Debug)]
pub struct RawReply;

/// The data of a reply without an envelope.
#[derive(Debug)]
pub struct Nothing;

impl<T> Replies for OneReply<T> {
    type Data = T;
    type Repeated = ManyReplies<T>;
}

impl<T> Replies for ManyReplies<T> {
    type Data = T;
    type Repeated = Self;
}

impl Replies for NoReplies {
    type Data = Nothing;
    type Repeated = Self;
}

impl Replies for RawReply {
    type Data = Nothing;
    type Repeated = Self;
}
