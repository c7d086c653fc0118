//! [`Typed`]: the description of a controller's typed layer, from generated code.
//!
//! It is here because [`Controller`](crate::Controller), which is below the typed layer, returns
//! it. [`Takes`] and [`HandlerCallback`] are here because [`HandlerFacts`] contains them. Documents
//! and checks read the description.

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
    /// Its callback, route, parameters and return type.
    pub facts: &'static HandlerFacts,
    /// The method's name.
    pub method: &'static str,
    /// The parameters' types as written.
    pub params: &'static [&'static str],
    /// Its guards as written.
    pub guards: &'static [&'static str],
    /// The return type as written; empty if there is none.
    pub returns: &'static str,
    /// Returns the error codes of the return type, each with its description. It is a function,
    /// because the return type may have no name.
    pub reply_errors: fn() -> &'static [(&'static str, &'static str)],
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
        facts: &HandlerFacts {
            on: HandlerCallback::Open,
            route: None,
            params: &[],
            reply: ReplyShape { form: ReplyForm::None, name: ReplyName::AtRunTime, may_answer: true },
        },
        method: "",
        params: &[],
        guards: &[],
        returns: "",
        reply_errors: || &[],
        describe: None,
        errors: &[],
        docs: "",
        line: 0,
    };
}

/// The facts about a handler that the compile-time rules check and that documents are made from.
#[doc(hidden)]
#[derive(Debug)]
pub struct HandlerFacts {
    /// Its callback.
    pub on: HandlerCallback,
    /// The path of the controller. A path that is known only at run time is `None`.
    pub route: Option<&'static str>,
    /// The parameters.
    pub params: &'static [ParamFacts],
    /// The return type.
    pub reply: ReplyShape,
}

impl HandlerFacts {
    /// Returns the names of the event; none for other callbacks.
    pub const fn events(&self) -> &'static [&'static str] {
        match self.on {
            HandlerCallback::Event(names) => names,
            _ => &[],
        }
    }

    /// Returns the event type of the `Data<T>` parameter, if `T` is one.
    pub const fn event_type(&self) -> Option<EventInfo> {
        let mut rest = self.params;
        while let [param, more @ ..] = rest {
            if param.event.is_some() {
                return param.event;
            }
            rest = more;
        }
        None
    }
}

/// The callback of a handler.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum HandlerCallback {
    /// `on_open`.
    Open,
    /// `on_event`, with the names of the event.
    Event(&'static [&'static str]),
    /// `on_unknown`.
    Unknown,
    /// `on_text`.
    Text,
    /// `on_binary`.
    Binary,
    /// `on_message`.
    Message,
    /// `on_ping`.
    Ping,
    /// `on_pong`.
    Pong,
    /// `on_close`.
    Close,
}

/// The facts about a parameter.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ParamFacts {
    /// The part of the input that it consumes.
    pub takes: Takes,
    /// Whether the path must have parameters.
    pub needs_path: bool,
    /// The event type of the data; `None` for other types, and if the callback is not `on_event`.
    pub event: Option<EventInfo>,
}

/// The part of a callback's input that a parameter consumes.
///
/// ```
/// use ws_core::{Connection, Data, handlers::{Param, Takes}};
///
/// assert_eq!(<Data<String> as Param<'_>>::TAKES, Takes::Data);
/// assert_eq!(<&Connection as Param<'_>>::TAKES, Takes::Nothing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Takes {
    /// Nothing: the parameter can be used in every callback.
    Nothing,
    /// The event's `data`.
    Data,
    /// The event's name.
    EventName,
    /// The right to answer the event.
    Reply,
    /// The whole message, text or binary.
    Message,
    /// The whole message, which must be text.
    Text,
    /// The reason why the connection closed.
    CloseReason,
}

/// The properties of a return type.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct ReplyShape {
    /// The number of messages.
    pub form: ReplyForm,
    /// The name under which they are sent.
    pub name: ReplyName,
    /// Whether the type can answer an event. A text without an envelope cannot.
    pub may_answer: bool,
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
