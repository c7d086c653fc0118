//! The document of a contract: AsyncAPI 3.0.0 in JSON.
//!
//! | part | of |
//! |---|---|
//! | `servers` | the configuration |
//! | `channels` | the routes; the bindings have the query, the headers and the subprotocols |
//! | `operations` | `Room.say` is received by the server, `Room.joined` is sent by it |
//! | `components/messages` | the whole envelope of each event, with its name as a constant |
//! | `components/schemas` | the named types |
//! | `x-ws-reply` | the number of replies: `none`, `one`, `optional` or `many` |
//! | `x-ws-codes` | the error codes of an operation, with their meaning |
//! | `x-ws-server` | the name of a channel's server, if the configuration does not have it |
//! | `x-ws-untyped` | a channel whose messages are not known |

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::{
    channel::{bindings, parameters, scheme},
    message::{ChannelMessages, call_reference, end, envelope, error, fits},
};
use super::{
    example::example,
    model::{Channel, ClientEvent, Contract, Payload, ReplyForm, ReplyMessage, ServerEvent},
};
use crate::schema::{key, sorted};

mod channel;
mod message;

impl Contract {
    /// Returns the contract as an AsyncAPI 3.0.0 document in JSON, indented, with a newline at the
    /// end. Equal contracts have equal documents.
    pub fn asyncapi(&self) -> String {
        let mut text = format!("{:#}", self.asyncapi_document());
        text.push('\n');
        text
    }

    /// Returns the document as a JSON value.
    pub(super) fn asyncapi_document(&self) -> Value {
        Document::new(self).write()
    }
}

/// A document while it is written.
struct Document<'a> {
    contract: &'a Contract,
    servers: Map<String, Value>,
    /// The keys of the servers, by name.
    server_keys: BTreeMap<&'a str, String>,
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    security: BTreeMap<String, Value>,
}

impl<'a> Document<'a> {
    fn new(contract: &'a Contract) -> Self {
        Self {
            contract,
            servers: Map::new(),
            server_keys: BTreeMap::new(),
            channels: Map::new(),
            operations: Map::new(),
            messages: Map::new(),
            security: BTreeMap::new(),
        }
    }

    fn write(mut self) -> Value {
        self.messages.insert("error".into(), error());
        self.messages.insert("end".into(), end());
        for server in &self.contract.servers {
            let key = free_key(key(&server.name), |key| !self.servers.contains_key(key));
            let protocol = if server.is_tls { "wss" } else { "ws" };
            self.server_keys.insert(&server.name, key.clone());
            self.servers.insert(key, json!({ "host": server.host, "protocol": protocol }));
        }
        for channel in &self.contract.channels {
            self.channel(channel);
        }
        let document = json!({
            "asyncapi": "3.0.0",
            "info": { "title": self.contract.title, "version": self.contract.version },
            "defaultContentType": "application/json",
            "servers": self.servers,
            "channels": self.channels,
            "operations": self.operations,
            "components": {
                "correlationIds": {
                    "ref": {
                        "description": "The reply to a call has the `ref` of the call.",
                        "location": "$message.payload#/ref",
                    },
                },
                "messages": self.messages,
                "schemas": self.contract.schemas,
                "securitySchemes": self.security,
            },
        });
        sorted(document)
    }

    fn channel(&mut self, channel: &Channel) {
        let id = free_key(key(&channel.name), |key| !self.channels.contains_key(key));
        let mut messages = ChannelMessages { channel: id.clone(), messages: Map::new() };
        let security = self.security(channel);
        for event in &channel.events {
            let operation = self.received(&mut messages, event, &security);
            self.add_operation(&id, &event.name, operation);
        }
        for push in &channel.pushes {
            let operation = self.sent(&mut messages, push, &security);
            self.add_operation(&id, &push.name, operation);
        }
        if channel.is_typed {
            messages.add_common("error");
            messages.add_common("end");
        }
        let mut written = json!({
            "address": channel.address.replace("{*", "{"),
            "title": channel.name,
            "messages": messages.messages,
            "bindings": { "ws": bindings(channel) },
        });
        // A channel without servers is on all of them.
        match self.server_keys.get(channel.server.as_str()) {
            Some(server) => set(&mut written, "servers", json!([reference(&["servers", server])])),
            None => set(&mut written, "x-ws-server", json!(channel.server)),
        }
        describe(&mut written, &channel.docs);
        if !channel.parameters.is_empty() {
            set(&mut written, "parameters", parameters(channel));
        }
        if !channel.is_typed {
            set(&mut written, "x-ws-untyped", Value::Bool(true));
        }
        self.channels.insert(id, written);
    }

    /// Writes the operation of an event that the client sends.
    fn received(&mut self, messages: &mut ChannelMessages, event: &ClientEvent, security: &Value) -> Value {
        let mut message = envelope(&event.name, event.data.as_ref(), Some(call_reference()));
        describe(&mut message, &event.docs);
        if let Some(example) = self.example(event) {
            set(&mut message, "examples", json!([{ "name": event.name, "payload": example }]));
        }
        let sent = self.message(messages, &event.name, message);
        let mut replies = Vec::new();
        if let Some(reply) = &event.reply {
            replies.push(self.reply(messages, &event.name, reply));
        }
        if event.form != ReplyForm::One {
            replies.push(messages.add_common("end"));
        }
        replies.push(messages.add_common("error"));
        let mut operation = json!({
            "action": "receive",
            "channel": reference(&["channels", &messages.channel]),
            "title": event.name,
            "messages": [sent],
            "reply": { "channel": reference(&["channels", &messages.channel]), "messages": replies },
            "x-ws-reply": form(event.form),
        });
        describe(&mut operation, &event.docs);
        add_security(&mut operation, security);
        if !event.codes.is_empty() {
            let codes = event.codes.iter().map(|code| (code.code.clone(), json!(code.description)));
            set(&mut operation, "x-ws-codes", Value::Object(codes.collect()));
        }
        operation
    }

    /// Adds the message of a reply. One whose name is known only at run time may have any name.
    fn reply(&mut self, messages: &mut ChannelMessages, call: &str, reply: &ReplyMessage) -> Value {
        let mut message = match &reply.name {
            Some(name) => envelope(name, Some(&required(&reply.schema)), Some(call_reference())),
            None => json!({ "name": "reply", "payload": { "type": "object" } }),
        };
        describe(&mut message, &reply.docs);
        let key = match reply.name.as_deref() {
            Some(name) if name != call => name.to_owned(),
            _ => format!("{call}.reply"),
        };
        self.message(messages, &key, message)
    }

    /// Writes the operation of an event that the server sends on its own.
    fn sent(&mut self, messages: &mut ChannelMessages, push: &ServerEvent, security: &Value) -> Value {
        let ask_reference = json!({ "type": "string", "pattern": "^ask:" });
        let is_ask = push.answer.is_some();
        let mut message =
            envelope(&push.name, Some(&required(&push.schema)), is_ask.then(|| ask_reference.clone()));
        describe(&mut message, &push.docs);
        let sent = self.message(messages, &push.name, message);
        let mut operation = json!({
            "action": "send",
            "channel": reference(&["channels", &messages.channel]),
            "title": push.name,
            "messages": [sent],
        });
        describe(&mut operation, &push.docs);
        add_security(&mut operation, security);
        if let Some(answer) = &push.answer {
            let message = envelope(&push.name, Some(&required(answer)), Some(ask_reference));
            let answer = self.message(messages, &format!("{}.answer", push.name), message);
            let reply = json!({
                "channel": reference(&["channels", &messages.channel]),
                "messages": [answer, messages.add_common("error")],
            });
            set(&mut operation, "reply", reply);
        }
        operation
    }

    /// Adds a message under the name of its event. Another message of the same name in the same
    /// channel, such as a reply under the name of its call, gets a number. Returns a reference to
    /// it.
    fn message(&mut self, messages: &mut ChannelMessages, name: &str, message: Value) -> Value {
        let component = |key: &str| format!("{}.{key}", messages.channel);
        let key = free_key(key(name), |key| {
            self.messages.get(&component(key)).is_none_or(|known| fits(known, &message))
        });
        let component = component(&key);
        let reference = messages.add(&key, &component);
        self.messages.entry(component).or_insert(message);
        reference
    }

    fn add_operation(&mut self, channel: &str, event: &str, operation: Value) {
        let wanted = format!("{channel}.{}", key(event));
        let key = free_key(wanted, |key| !self.operations.contains_key(key));
        self.operations.insert(key, operation);
    }

    /// Adds the places of a token to the components, and returns the references to them.
    fn security(&mut self, channel: &Channel) -> Value {
        let mut references = Vec::new();
        for place in &channel.security {
            let (wanted, scheme) = scheme(place);
            let is_free = |key: &str| self.security.get(key).is_none_or(|known| *known == scheme);
            let key = free_key(wanted, is_free);
            references.push(reference(&["components", "securitySchemes", &key]));
            self.security.insert(key, scheme);
        }
        Value::Array(references)
    }

    /// Returns an example of a call; `None` if the type of its data is not known.
    fn example(&self, event: &ClientEvent) -> Option<Value> {
        let mut envelope = Map::new();
        envelope.insert("event".into(), json!(event.name));
        if let Some(data) = event.data.as_ref() {
            if data.schema.is_boolean() {
                return None;
            }
            envelope.insert("data".into(), example(&data.schema, &self.contract.schemas)?);
        }
        envelope.insert("ref".into(), json!("1"));
        Some(Value::Object(envelope))
    }
}

/// The name of a form in `x-ws-reply`.
fn form(form: ReplyForm) -> &'static str {
    match form {
        ReplyForm::None => "none",
        ReplyForm::One => "one",
        ReplyForm::Optional => "optional",
        ReplyForm::Many => "many",
    }
}

/// Returns data that must be sent.
fn required(schema: &Value) -> Payload {
    Payload { schema: schema.clone(), is_required: true }
}

fn add_security(operation: &mut Value, security: &Value) {
    if security.as_array().is_some_and(|places| !places.is_empty()) {
        set(operation, "security", security.clone());
    }
}

/// Adds a doc comment.
fn describe(object: &mut Value, docs: &str) {
    let docs = docs.trim();
    if !docs.is_empty() {
        set(object, "description", json!(docs));
    }
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(fields) = object {
        fields.insert(name.to_owned(), value);
    }
}

/// Returns the key itself if it is free, or the key with the first number that makes it free.
fn free_key(wanted: String, is_free: impl Fn(&str) -> bool) -> String {
    let mut key = wanted.clone();
    let mut number = 2;
    while !is_free(&key) {
        key = format!("{wanted}.{number}");
        number += 1;
    }
    key
}

/// Writes a reference to a place in the document (RFC 6901).
fn reference(path: &[&str]) -> Value {
    let path: String =
        path.iter().map(|segment| format!("/{}", segment.replace('~', "~0").replace('/', "~1"))).collect();
    json!({ "$ref": format!("#{path}") })
}
