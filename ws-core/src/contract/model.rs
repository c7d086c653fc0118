//! The model: plain data that describes the channels of an application. Renderers read only this.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::place::Location;
pub use crate::{envelope::COMMON_CODES, handlers::ReplyForm};

/// The beginning of a reference to a named type.
pub(super) const COMPONENTS: &str = "#/components/schemas/";

/// The routes of an application, their events, and the types of the events.
///
/// [`App::contract`](crate::App::contract) makes it from the registered controllers. Everything is
/// sorted, so that equal code makes equal contracts. Schemas are JSON Schema, draft 7. A schema
/// that is not known is `true`, which means any value; [`gaps`](Self::gaps) lists them.
///
/// ```
/// # use ws_core::{App, Controller};
/// # struct Echo;
/// # impl Controller for Echo {}
/// let contract = App::without_registry().controller("/echo", Echo).contract();
/// assert_eq!(contract.channels[0].address, "/echo");
/// println!("{}", contract.asyncapi());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Contract {
    /// The name of the interface.
    pub title: String,
    /// The version of the interface.
    pub version: String,
    /// The servers of the configuration that have a channel.
    pub servers: Vec<Server>,
    /// The channels, one for each route, sorted by server and address.
    pub channels: Vec<Channel>,
    /// The named types. Schemas refer to them as `#/components/schemas/Name`.
    pub schemas: BTreeMap<String, Value>,
    /// The parts of the interface that are not known.
    pub gaps: Vec<Gap>,
}

/// A server that has channels.
///
/// ```
/// use ws_core::contract::Contract;
///
/// fn print(contract: &Contract) {
///     for server in &contract.servers {
///         let scheme = if server.is_tls { "wss" } else { "ws" };
///         println!("{scheme}://{}", server.host);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// Its name in the configuration.
    pub name: String,
    /// The host and the port that it listens on.
    pub host: String,
    /// Whether it terminates TLS itself (`wss://`).
    pub is_tls: bool,
}

/// A route, and the events that are sent over its connections.
///
/// ```
/// use ws_core::contract::Contract;
///
/// fn print(contract: &Contract) {
///     for channel in &contract.channels {
///         let events: Vec<_> = channel.events.iter().map(|event| &*event.name).collect();
///         println!("{}: {}", channel.address, events.join(", "));
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Channel {
    /// The name of the controller. A second route of the same controller has a number behind it.
    pub name: String,
    /// The name of the server.
    pub server: String,
    /// The path, with parameters as `{room}`.
    pub address: String,
    /// The doc comment of the controller.
    pub docs: String,
    /// The parameters of the path, in its order.
    pub parameters: Vec<Parameter>,
    /// The query string, if a handler reads it as a type.
    pub query: Option<Payload>,
    /// The headers that handlers read, sorted by name.
    pub headers: Vec<Header>,
    /// The subprotocols, most preferred first.
    pub subprotocols: Vec<String>,
    /// The places from which the middleware accepts a token. One of them is enough; an empty list
    /// means that the middleware declares nothing.
    pub security: Vec<Security>,
    /// Whether the controller has `#[ws_handlers]`. The messages of other controllers are not
    /// known.
    pub is_typed: bool,
    /// The events that the client sends, sorted by name.
    pub events: Vec<ClientEvent>,
    /// The events that the server sends on its own, sorted by name.
    pub pushes: Vec<ServerEvent>,
}

/// A parameter of a path.
///
/// ```
/// use ws_core::contract::Channel;
///
/// fn names(channel: &Channel) -> Vec<&str> {
///     channel.parameters.iter().map(|parameter| &*parameter.name).collect()
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name in the path.
    pub name: String,
    /// The schema of its value.
    pub schema: Value,
}

/// A header of the handshake.
///
/// ```
/// use ws_core::contract::Channel;
///
/// fn required(channel: &Channel) -> Vec<&str> {
///     channel.headers.iter().filter(|it| it.is_required).map(|it| &*it.name).collect()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Header {
    /// Its name, in lower case.
    pub name: String,
    /// Whether the handshake is refused without it.
    pub is_required: bool,
}

/// A place of a token; see [`TokenSources`](crate::handshake::TokenSources).
///
/// ```
/// use ws_core::contract::{Channel, Security};
///
/// /// Whether a page in a browser can send a token.
/// fn has_browser_login(channel: &Channel) -> bool {
///     channel.security.iter().any(|place| *place != Security::Bearer)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Security {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// A subprotocol `bearer.<base64url of the token>`.
    Subprotocol,
    /// The cookie of this name.
    Cookie(String),
    /// The query parameter of this name.
    Query(String),
}

/// An event that the client sends.
///
/// ```
/// use ws_core::contract::ClientEvent;
///
/// fn print(event: &ClientEvent) {
///     println!("{}: {:?}", event.name, event.form);
///     for code in &event.codes {
///         println!("  may fail with {}", code.code);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClientEvent {
    /// The name of the event.
    pub name: String,
    /// The doc comment of the handler, or of the event type if the handler has none.
    pub docs: String,
    /// The data; `None` if the handler does not read it.
    pub data: Option<Payload>,
    /// The number of replies. Each call is also answered by the event `error` on failure.
    pub form: ReplyForm,
    /// The messages of the reply; `None` for [`ReplyForm::None`] and for replies without an
    /// envelope.
    pub reply: Option<ReplyMessage>,
    /// The error codes of the handler, sorted, without the [common ones](COMMON_CODES).
    pub codes: Vec<Code>,
}

/// Data of a client.
///
/// ```
/// use ws_core::contract::ClientEvent;
///
/// fn must_send_data(event: &ClientEvent) -> bool {
///     event.data.as_ref().is_some_and(|data| data.is_required)
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Payload {
    /// The schema.
    pub schema: Value,
    /// Whether it must be sent.
    pub is_required: bool,
}

/// A message that replies to an event.
///
/// ```
/// use ws_core::contract::ClientEvent;
///
/// fn reply_name(event: &ClientEvent) -> Option<&str> {
///     event.reply.as_ref()?.name.as_deref()
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReplyMessage {
    /// The name of its event; `None` if it is known only at run time.
    pub name: Option<String>,
    /// The doc comment of its event type.
    pub docs: String,
    /// The schema of its data.
    pub schema: Value,
}

/// An event that the server sends on its own.
///
/// ```
/// use ws_core::contract::{Channel, ServerEvent};
///
/// /// The events that the client has to answer.
/// fn asks(channel: &Channel) -> impl Iterator<Item = &ServerEvent> {
///     channel.pushes.iter().filter(|event| event.answer.is_some())
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerEvent {
    /// The name of the event.
    pub name: String,
    /// The doc comment of the event type.
    pub docs: String,
    /// The schema of its data.
    pub schema: Value,
    /// The schema of the client's answer, if the server asks for one.
    pub answer: Option<Value>,
}

/// An error code.
///
/// ```
/// use ws_core::contract::ClientEvent;
///
/// fn may_fail_with(event: &ClientEvent, code: &str) -> bool {
///     event.codes.iter().any(|it| it.code == code)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Code {
    /// The code.
    pub code: String,
    /// The doc comment of its variant.
    pub description: String,
}

/// A part of the interface that is not known.
///
/// ```
/// use ws_core::contract::Contract;
///
/// fn print(contract: &Contract) {
///     for gap in &contract.gaps {
///         println!("{gap}"); // src/room.rs:12: what is not known
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The missing part.
    pub what: String,
    /// The attribute or the call that declares it.
    pub location: Location,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.what)
    }
}

impl Contract {
    /// Returns the contract, or an error if a part of it is not known.
    ///
    /// # Errors
    /// [`Gaps`], with the place of each.
    pub fn strict(self) -> Result<Self, Gaps> {
        if self.gaps.is_empty() { Ok(self) } else { Err(Gaps(self.gaps)) }
    }
}

/// The parts of a contract that are not known.
///
/// ```
/// use ws_core::contract::{Contract, Gaps};
///
/// fn complete(contract: Contract) -> Result<String, Gaps> {
///     Ok(contract.strict()?.asyncapi())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps(pub Vec<Gap>);

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let (parts, are) = if count == 1 { ("part", "is") } else { ("parts", "are") };
        write!(f, "{count} {parts} of the contract {are} not known:")?;
        self.0.iter().try_for_each(|gap| write!(f, "\n  {gap}"))
    }
}

impl std::error::Error for Gaps {}
