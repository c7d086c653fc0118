//! Events as types: [`WsEvent`], [`WsCall`] and [`WsAsk`], which `#[derive(WsEvent)]` implements.

use super::form::{DeclaredReplies, Replies};
use crate::schema::{Direction, Schemas, TypeSchema};

/// An event as a type: the type of the data has the event's name.
///
/// Implement it with `#[derive(WsEvent)]` only: its hidden items may change. A type that also
/// implements `Serialize` can be sent with [`Connection::emit`](crate::Connection::emit) and
/// [`Target::emit`](crate::hub::Target::emit), and returned from handlers. A type that also
/// implements `Deserialize` is the data of `#[on_event]`.
///
/// ```
/// use serde::Serialize;
/// use ws_core::{Connection, WsEvent, error::SendError};
///
/// /// A user joined.
/// #[derive(Serialize, WsEvent)]
/// #[ws_event("joined")]
/// struct Joined<'a> {
///     account: &'a str,
/// }
///
/// /// Sends `{"event": "joined", "data": {"account": "ann"}}`.
/// fn welcome(conn: &Connection) -> Result<(), SendError> {
///     conn.emit(&Joined { account: "ann" })
/// }
/// assert_eq!(Joined::NAME, "joined");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write `#[derive(WsEvent)]` and `#[ws_event(\"name\")]` on the type"
)]
pub trait WsEvent {
    /// The replies that the event declares.
    #[doc(hidden)]
    type Replies: DeclaredReplies;

    /// The name of the event.
    const NAME: &'static str;

    /// The doc comment of the type, for documents.
    #[doc(hidden)]
    const DOCS: &'static str = "";

    /// Whether the type implements [`WsAsk`].
    #[doc(hidden)]
    const IS_ASK: bool = false;

    /// Describes the types of the event; `None` without the feature `asyncapi`.
    #[doc(hidden)]
    const DESCRIBE: Option<DescribeEvent> = None;
}

/// An event of the client whose replies have a known type: `#[ws_event("say", reply = Said)]`, or
/// `stream = Said` for many replies.
///
/// A handler that returns another reply does not compile. If `Said` is an event, the handler
/// returns `Said`; any other type is returned as [`Data<T>`](crate::Data).
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_core::{WsEvent, handlers::WsCall};
///
/// #[derive(Serialize, Deserialize, WsEvent)]
/// #[ws_event("add", reply = u32)]
/// struct Add(u32, u32);
///
/// let three: <Add as WsCall>::Reply = 1 + 2;
/// assert_eq!((Add::NAME, three), ("add", 3_u32));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event with a reply",
    label = "its reply is not known",
    note = "write `#[derive(WsEvent)]` and `#[ws_event(\"name\", reply = Type)]` on the type"
)]
pub trait WsCall: WsEvent<Replies: Replies<Data = Self::Reply>> {
    /// The type of the data of a reply.
    type Reply;
}

/// An event of the server that asks the client for an answer: `#[ws_event("confirm", answer =
/// bool)]`.
///
/// [`Connection::ask`](crate::Connection::ask) sends it and waits for the answer.
///
/// ```
/// use serde::{Serialize, de::DeserializeOwned};
/// use ws_core::{Connection, connection::AskError, handlers::WsAsk};
///
/// /// Asks a second time if the first ask fails.
/// async fn ask_twice<A>(conn: &Connection, ask: &A) -> Result<A::Answer, AskError>
/// where
///     A: WsAsk<Answer: DeserializeOwned> + Serialize,
/// {
///     match conn.ask(ask).await {
///         Ok(answer) => Ok(answer),
///         Err(_) => conn.ask(ask).await,
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event with an answer",
    label = "its answer is not known",
    note = "write `#[derive(WsEvent)]` and `#[ws_event(\"name\", answer = Type)]` on the type"
)]
pub trait WsAsk: WsEvent {
    /// The type of the data of the answer.
    type Answer;
}

/// The description of an event type, for documents and checks.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct EventInfo {
    /// The name of the event.
    pub name: &'static str,
    /// The doc comment of the type.
    pub docs: &'static str,
    /// Whether the client answers it.
    pub is_ask: bool,
    /// Whether it declares its reply.
    pub declares_reply: bool,
    /// Describes the types of the event.
    pub describe: Option<DescribeEvent>,
}

/// Describes the types of an event that is sent in this direction.
#[doc(hidden)]
pub type DescribeEvent = fn(&mut Schemas, Direction) -> EventTypes;

/// The types of an event.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct EventTypes {
    /// The type of the data.
    pub data: TypeSchema,
    /// The reply of `reply = T` or `stream = T`.
    pub reply: Option<DeclaredReply>,
    /// The answer of `answer = T`.
    pub answer: Option<TypeSchema>,
}

/// The reply that an event type declares.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct DeclaredReply {
    /// Whether it is a stream.
    pub is_stream: bool,
    /// The event of the reply, if its type is one. Otherwise the reply has the name of the call.
    pub event: Option<EventInfo>,
    /// The type of the data.
    pub data: TypeSchema,
}

impl EventInfo {
    /// Returns the description of an event type.
    pub const fn of<E: WsEvent + ?Sized>() -> Self {
        Self {
            name: E::NAME,
            docs: E::DOCS,
            is_ask: E::IS_ASK,
            declares_reply: E::Replies::IS_DECLARED,
            describe: E::DESCRIBE,
        }
    }
}
