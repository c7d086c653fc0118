//! Functions and types that the expansion of `#[ws_handlers]` uses. Not part of the public API.
//!
//! The [`rules`] are checked at compile time. A change here needs the matching change in
//! `ws-macros`.

use std::{any::Any, marker::PhantomData};

use super::{Input, Replier, Takes};
pub use super::{
    call::{boxed, reply_future, run_0, run_1, run_2, run_3, run_4},
    describe::{EventOf, NoPart, NotAnEvent, Part, PartOf},
    dispatch::{Dispatch, HandlerFn, HandlerFns, on_close, on_message, on_open, on_ping, on_pong},
    guard::{Guard, GuardAnswer, GuardParams, Guarded, guard, guarded},
    model::{
        AnswerTo, Carries, EventParam, HandlerInfo, NoCodes, NoEvent, NoModel, NoReply, ParamFacts,
        ReplyShape, Sends, TakesData, Unknown, Unmade, codes_of, output, shape_of, with_event,
    },
    param::Param,
    rules,
    sending::Sending,
};
pub use crate::envelope::{
    AnyReply, DeclaredReplies, DeclaredReply, DescribeEvent, Envelope, EventInfo, EventTypes, ManyReplies,
    NoReplies, Nothing, OneReply, RawReply, Replies, ReplyForm, ReplyName,
};
use crate::{
    envelope::{EventError, WsEvent},
    error::Error,
    request::ParamError,
};
pub use crate::{
    error::Result,
    request::{DescribeHandler, HandlerTypes, Kept, Needs, ParamSource, ParamTypes, Setup, Typed},
    schema::{Direction, NoSchema, SchemaOf, Schemas, TypeSchema},
};
pub use serde::Serialize;

/// A type of a handler's signature. A parameter that does not implement [`Param`] gets the same
/// items from [`NoParam`]. rustc then reports the error once, where the handler is called, and not
/// at each use.
#[derive(Debug)]
pub struct Of<P>(PhantomData<fn() -> P>);

impl<P> Of<P> {
    /// The only value.
    pub const VALUE: Self = Self(PhantomData);
}

impl<'a, P: Param<'a>> Of<P> {
    /// Whether the value is parsed from the handshake and kept.
    pub const IS_PARSED: bool = P::IS_PARSED;

    /// The facts that the rules check.
    pub const FACTS: ParamFacts = P::FACTS;

    /// Adds the requirements of the parameter.
    pub fn need(needs: &mut Needs) {
        P::states(&mut needs.states);
        needs.path |= P::NEEDS_PATH;
    }

    /// Makes the value that the parameter keeps, or the error that refuses the handshake.
    pub fn keep(setup: &Setup<'_>) -> Result<P::Kept> {
        P::keep(setup).map_err(ParamError::in_handshake)
    }
}

/// A stand-in for types that do not implement [`Param`]: it compiles, and it never runs.
pub trait NoParam {
    #[doc(hidden)]
    const IS_PARSED: bool = false;

    #[doc(hidden)]
    const FACTS: ParamFacts = ParamFacts { takes: Takes::Nothing, needs_path: false, event: None };

    #[doc(hidden)]
    fn need(_: &mut Needs) {}

    #[doc(hidden)]
    fn keep<K>(_: &Setup<'_>) -> Result<K> {
        Err(Error::new("not a parameter"))
    }
}

impl<P> NoParam for Of<P> {}

/// Makes the parameter of a callback.
///
/// # Errors
/// The error that the callback fails with.
pub fn make_param<'a, P: Param<'a>>(kept: &'a P::Kept, input: &mut Input<'a>) -> Result<P> {
    P::get(kept, input).map_err(|error| at_call(error, P::TAKES))
}

/// Adds the values that are kept for parameters by reference. They are made first.
pub fn beside<'a>(setup: &Setup<'a>, kept: &'a [&'a dyn Any]) -> Setup<'a> {
    Setup { kept, ..*setup }
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

/// Sends an event under the name of its type. It is encoded before the first await, because a
/// future that contains an `E` is not `Send` for every lifetime in `E`.
pub fn send_own<'r, E: WsEvent + Serialize>(to: &'r Replier<'_>, event: &E) -> Sending<'r> {
    Sending::message(to.connection(), to.encode(E::NAME, event))
}

/// The path of the controller's attribute, `None` for types without the attribute.
/// `#[ws_controller]` generates an inherent constant of the same name, which takes precedence over
/// this one.
pub trait RouteOf {
    /// `path = ".."`.
    const __WS_PATH: Option<&'static str> = None;
}

impl<T: ?Sized> RouteOf for T {}
