//! The routes and the events of a document. It does not contain the names of components.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::document::{CheckError, Document, Node};
use crate::schema::Direction;

/// The header of the subprotocols.
const SUBPROTOCOLS: &str = "sec-websocket-protocol";

/// The interface that a document describes.
#[derive(Debug)]
pub(super) struct Interface<'a> {
    pub(super) document: Document<'a>,
    pub(super) routes: Vec<Route>,
    /// The names of all servers.
    pub(super) servers: BTreeSet<String>,
    /// The other fields of the document.
    pub(super) others: BTreeMap<String, Value>,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Route {
    /// The key of the channel: the name of the controller.
    pub(super) name: String,
    pub(super) servers: BTreeSet<String>,
    pub(super) address: String,
    /// The schema of each parameter.
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) query: Value,
    /// The schema of the headers, without the subprotocols.
    pub(super) headers: Value,
    pub(super) subprotocols: BTreeSet<String>,
    /// Whether the messages of the channel are not known.
    pub(super) is_untyped: bool,
    pub(super) events: BTreeMap<EventKey, Operation>,
    pub(super) others: BTreeMap<String, Value>,
}

/// The identity of an event inside of a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EventKey {
    pub(super) direction: Direction,
    pub(super) name: String,
}

/// An operation with one event.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) message: Message,
    /// The number of replies, or `answer` for an event that the client answers.
    pub(super) form: Option<String>,
    /// The replies by name, without `error` and `end`.
    pub(super) replies: BTreeMap<String, Message>,
    /// The replies `error` and `end`.
    pub(super) common: BTreeMap<String, Message>,
    pub(super) codes: BTreeSet<String>,
    /// The alternatives. An empty list means that the client needs no token.
    pub(super) security: Vec<Value>,
    pub(super) others: BTreeMap<String, Value>,
}

/// A message: the whole envelope of an event.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) payload: Value,
    pub(super) codes: BTreeSet<String>,
    /// The place of the correlation id. Whether a message may have one is in its payload.
    pub(super) correlation: Option<Value>,
    pub(super) others: BTreeMap<String, Value>,
}

impl<'a> Interface<'a> {
    pub(super) fn read(document: Document<'a>) -> Result<Self, CheckError> {
        let root = document.node();
        let version = root.required("asyncapi")?;
        if !version.text()?.starts_with("3.") {
            return Err(version.error("expected AsyncAPI 3"));
        }
        let mut routes = Vec::new();
        for (name, channel) in root.required("channels")?.fields()? {
            routes.push(route(name, &channel.resolved()?)?);
        }
        for (_, operation) in root.required("operations")?.fields()? {
            add_operation(&mut routes, &operation.resolved()?)?;
        }
        let mut servers: BTreeSet<String> =
            routes.iter().flat_map(|route| route.servers.iter().cloned()).collect();
        if let Some(all) = root.field("servers") {
            servers.extend(all.object()?.keys().cloned());
        }
        let known = ["asyncapi", "id", "info", "servers", "channels", "operations", "components"];
        Ok(Self { document, routes, servers, others: root.others(&known)? })
    }
}

fn route(name: String, channel: &Node<'_>) -> Result<Route, CheckError> {
    let mut servers = BTreeSet::new();
    if let Some(list) = channel.field("servers") {
        for server in list.elements()? {
            servers.insert(server.name_in("servers")?);
        }
    }
    let mut parameters = BTreeMap::new();
    if let Some(list) = channel.field("parameters") {
        for (name, parameter) in list.fields()? {
            parameters.insert(name, parameter_schema(&parameter.resolved()?)?);
        }
    }
    let known = ["address", "servers", "parameters", "bindings", "messages", "x-ws-untyped"];
    let mut route = Route {
        name,
        servers,
        address: channel.required("address")?.text()?.to_owned(),
        parameters,
        query: Value::Bool(true),
        headers: Value::Bool(true),
        subprotocols: BTreeSet::new(),
        is_untyped: channel.value().get("x-ws-untyped").is_some_and(|it| *it == Value::Bool(true)),
        events: BTreeMap::new(),
        others: channel.others(&known)?,
    };
    if let Some(bindings) = channel.field("bindings") {
        add_bindings(&mut route, &bindings.resolved()?)?;
    }
    Ok(route)
}

/// Returns the schema of a parameter, with the other fields of the parameter as keywords.
fn parameter_schema(parameter: &Node<'_>) -> Result<Value, CheckError> {
    let mut parts = vec![parameter.value().get("x-ws-schema").cloned().unwrap_or(Value::Bool(true))];
    if let Some(names) = parameter.field("enum") {
        parts.push(json!({ "enum": names.value() }));
    }
    let others = parameter.others(&["enum", "default", "x-ws-schema"])?;
    parts.push(Value::Object(others.into_iter().collect()));
    Ok(json!({ "allOf": parts }))
}

/// Reads the handshake of a route.
fn add_bindings(route: &mut Route, bindings: &Node<'_>) -> Result<(), CheckError> {
    let mut others = bindings.others(&["ws"])?;
    if let Some(binding) = bindings.field("ws") {
        let binding = binding.resolved()?;
        others.append(&mut binding.others(&["bindingVersion", "query", "headers"])?);
        if let Some(query) = binding.field("query") {
            route.query = query.resolved()?.value().clone();
        }
        if let Some(headers) = binding.field("headers") {
            let headers = headers.resolved()?;
            route.headers = headers.value().clone();
            take_subprotocols(route, &headers)?;
        }
    }
    route.others.extend(others.into_iter().map(|(key, value)| (format!("bindings.{key}"), value)));
    Ok(())
}

/// Moves the list of subprotocols out of the headers.
fn take_subprotocols(route: &mut Route, headers: &Node<'_>) -> Result<(), CheckError> {
    let header = headers.field("properties").and_then(|it| it.field(SUBPROTOCOLS));
    let Some(header) = header else { return Ok(()) };
    let Some(names) = header.resolved()?.field("enum") else { return Ok(()) };
    for name in names.elements()? {
        route.subprotocols.insert(name.text()?.to_owned());
    }
    if let Some(Value::Object(properties)) = route.headers.get_mut("properties") {
        properties.remove(SUBPROTOCOLS);
    }
    Ok(())
}

fn add_operation(routes: &mut [Route], operation: &Node<'_>) -> Result<(), CheckError> {
    let action = operation.required("action")?;
    let direction = match action.text()? {
        "receive" => Direction::Received,
        "send" => Direction::Sent,
        _ => return Err(action.error("expected `receive` or `send`")),
    };
    let channel = operation.required("channel")?;
    let name = channel.name_in("channels")?;
    let Some(route) = routes.iter_mut().find(|route| route.name == name) else {
        return Err(channel.error("the reference leads nowhere"));
    };
    let messages = operation.required("messages")?.elements()?;
    if messages.is_empty() {
        return Err(operation.error("the operation has no message"));
    }
    for message in messages {
        let message = read_message(&message)?;
        let key = EventKey { direction, name: message.name.clone() };
        if route.events.contains_key(&key) {
            return Err(operation.error(format!("the event `{}` has two operations", key.name)));
        }
        route.events.insert(key, read_operation(operation, direction, message)?);
    }
    Ok(())
}

fn read_operation(
    operation: &Node<'_>,
    direction: Direction,
    message: Message,
) -> Result<Operation, CheckError> {
    let mut others = operation.others(&[
        "action",
        "channel",
        "messages",
        "reply",
        "security",
        "x-ws-codes",
        "x-ws-reply",
    ])?;
    let (mut replies, mut common) = (BTreeMap::new(), BTreeMap::new());
    let reply = operation.field("reply").map(|reply| reply.resolved()).transpose()?;
    if let Some(reply) = &reply {
        let unknown = reply.others(&["channel", "messages"])?;
        others.extend(unknown.into_iter().map(|(key, value)| (format!("reply.{key}"), value)));
        for message in reply.required("messages")?.elements()? {
            let message = read_message(&message)?;
            let is_common = matches!(&*message.name, "error" | "end");
            let list = if is_common { &mut common } else { &mut replies };
            list.insert(message.name.clone(), message);
        }
    }
    let form = match (operation.field("x-ws-reply"), direction) {
        (Some(form), _) => Some(form.text()?.to_owned()),
        (None, _) if reply.is_none() => None,
        (None, Direction::Sent) => Some("answer".to_owned()),
        // In a document that was written by hand: `end` follows if the number of replies is not
        // one.
        (None, Direction::Received) => Some(
            match (replies.is_empty(), common.contains_key("end")) {
                (true, _) => "none",
                (false, true) => "many",
                (false, false) => "one",
            }
            .to_owned(),
        ),
    };
    Ok(Operation {
        message,
        form,
        replies,
        common,
        codes: codes(operation)?,
        security: security(operation)?,
        others,
    })
}

fn read_message(message: &Node<'_>) -> Result<Message, CheckError> {
    let message = message.resolved()?;
    let correlation = message.field("correlationId").map(|it| it.resolved()).transpose()?;
    Ok(Message {
        name: message.required("name")?.text()?.to_owned(),
        payload: message.value().get("payload").cloned().unwrap_or(Value::Bool(true)),
        codes: codes(&message)?,
        correlation: correlation.and_then(|it| it.value().get("location").cloned()),
        others: message.others(&["name", "payload", "correlationId", "x-ws-codes"])?,
    })
}

/// Reads the error codes: an object with their meaning, or a list.
fn codes(node: &Node<'_>) -> Result<BTreeSet<String>, CheckError> {
    match node.field("x-ws-codes") {
        None => Ok(BTreeSet::new()),
        Some(codes) if codes.value().is_array() => {
            codes.elements()?.iter().map(|code| Ok(code.text()?.to_owned())).collect()
        }
        Some(codes) => Ok(codes.object()?.keys().cloned().collect()),
    }
}

/// Reads the alternatives of a token, without their documentation.
fn security(operation: &Node<'_>) -> Result<Vec<Value>, CheckError> {
    let Some(list) = operation.field("security") else { return Ok(Vec::new()) };
    let mut schemes = Vec::new();
    for scheme in list.elements()? {
        schemes.push(Value::Object(scheme.resolved()?.others(&[])?.into_iter().collect()));
    }
    Ok(schemes)
}
