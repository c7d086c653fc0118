//! [`Typed`]: the description of a controller's typed layer, from generated code.
//!
//! It is here because [`Controller`](crate::Controller), which is below the typed layer, returns
//! it. Documents and checks read it; nothing here runs per message.

use super::{Kept, Setup};
use crate::{
    envelope::{EventInfo, ReplyForm, ReplyName},
    error::Result,
    schema::{Schemas, TypeSchema},
    state::StateKey,
};

/// The requirements of a controller's handlers, for the checks at start.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Needs {
    /// Types that must be given to `App::state`.
    pub states: Vec<StateKey>,
    /// Whether the path must have parameters.
    pub path: bool,
}

/// The description of a controller's typed layer, from generated code.
#[doc(hidden)]
#[derive(Debug)]
pub struct Typed {
    /// Whether the event `ping` is answered without a handler.
    pub answers_ping: bool,
    /// Returns the requirements of the handlers: application state and path parameters.
    pub needs: fn() -> Needs,
    /// Parses the values that are kept with the connection. Called once, before the 101.
    pub keep: fn(&Setup<'_>) -> Result<Option<Kept>>,
    /// The handlers, in source order.
    pub handlers: &'static [HandlerInfo],
}

/// One method under `#[ws_handlers]`.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct HandlerInfo {
    /// The attribute's name, such as `on_event`.
    pub callback: &'static str,
    /// The names of the event; empty for other callbacks.
    pub events: &'static [&'static str],
    /// The method's name.
    pub method: &'static str,
    /// The parameters' types as written.
    pub params: &'static [&'static str],
    /// The event type of the `Data<T>` parameter, if `T` is one.
    pub data: Option<EventInfo>,
    /// Its guards as written.
    pub guards: &'static [&'static str],
    /// The return type as written; empty if there is none.
    pub returns: &'static str,
    /// Describes the return value. It is a function, because the return type may have no name.
    pub reply: fn() -> ReplyInfo,
    /// Describes the types of the parameters and of the reply; `None` without the feature
    /// `asyncapi`.
    pub describe: Option<DescribeHandler>,
    /// The error codes of the types in `errors(..)`, each with its description.
    pub errors: &'static [&'static [(&'static str, &'static str)]],
    /// The method's documentation.
    pub docs: &'static str,
    /// The attribute's line.
    pub line: u32,
}

impl HandlerInfo {
    /// A handler without anything, from which generated code takes the fields that it leaves out.
    pub const EMPTY: Self = Self {
        callback: "",
        events: &[],
        method: "",
        params: &[],
        data: None,
        guards: &[],
        returns: "",
        reply: || ReplyInfo { form: ReplyForm::None, name: ReplyName::AtRunTime, codes: &[] },
        describe: None,
        errors: &[],
        docs: "",
        line: 0,
    };
}

/// The model of a handler's return value.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyInfo {
    /// The number of messages.
    pub form: ReplyForm,
    /// The name under which they are sent.
    pub name: ReplyName,
    /// The error codes of `E` in `Result<R, E>`, each with its description.
    pub codes: &'static [(&'static str, &'static str)],
}

/// Describes the types of a handler.
#[doc(hidden)]
pub type DescribeHandler = fn(&mut Schemas) -> HandlerTypes;

/// The types of a handler.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct HandlerTypes {
    /// The parameters, in their order.
    pub params: Vec<ParamTypes>,
    /// The type of the reply's data, if it is known.
    pub reply: TypeSchema,
    /// The event of this type, if it is one.
    pub reply_event: Option<EventInfo>,
}

/// The type of a parameter.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct ParamTypes {
    /// The place of the value.
    pub source: ParamSource,
    /// Whether the parameter is an `Option`.
    pub is_optional: bool,
    /// The type of the value.
    pub value: TypeSchema,
}

/// The place that a parameter's value is read from.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamSource {
    /// The data of the event.
    Data,
    /// The parameters of the path.
    Path,
    /// The query string.
    Query,
    /// The header of this name.
    Header(&'static str),
    /// The parameter is the right to reply later.
    Reply,
    /// A place that documents do not describe.
    Other,
}
