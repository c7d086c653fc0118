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
//! | `x-ws-untyped` | a channel whose messages are not known |

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    example::example,
    model::{COMMON_CODES, Channel, ClientEvent, Contract, ReplyForm, Security, ServerEvent},
};

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
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    security: BTreeMap<String, Value>,
}

/// The messages of a channel, by their keys in the channel and in the components.
struct ChannelMessages {
    channel: String,
    messages: Map<String, Value>,
}

impl<'a> Document<'a> {
    fn new(contract: &'a Contract) -> Self {
        Self {
            contract,
            channels: Map::new(),
            operations: Map::new(),
            messages: Map::new(),
            security: BTreeMap::new(),
        }
    }

    fn write(mut self) -> Value {
        self.messages.insert("error".into(), error());
        self.messages.insert("end".into(), end());
        for channel in &self.contract.channels {
            self.channel(channel);
        }
        let servers = self.contract.servers.iter().map(|server| {
            let protocol = if server.is_tls { "wss" } else { "ws" };
            (server.name.clone(), json!({ "host": server.host, "protocol": protocol }))
        });
        let document = json!({
            "asyncapi": "3.0.0",
            "info": { "title": self.contract.title, "version": self.contract.version },
            "defaultContentType": "application/json",
            "servers": servers.collect::<Map<_, _>>(),
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
        let id = id(&channel.name);
        let mut messages = ChannelMessages { channel: id.clone(), messages: Map::new() };
        let security = self.security(channel);
        for event in &channel.events {
            let operation = self.received(&mut messages, event, &security);
            self.add_operation(&format!("{id}.{}", self::id(&event.name)), operation);
        }
        for push in &channel.pushes {
            let operation = self.sent(&mut messages, push, &security);
            self.add_operation(&format!("{id}.{}", self::id(&push.name)), operation);
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
        let is_known = self.contract.servers.iter().any(|server| server.name == channel.server);
        if let Value::Object(fields) = &mut written {
            if is_known {
                let reference = reference(&["servers", &channel.server]);
                fields.insert("servers".into(), json!([reference]));
            }
            describe(fields, &channel.docs);
            if !channel.parameters.is_empty() {
                fields.insert("parameters".into(), parameters(channel));
            }
            if !channel.is_typed {
                fields.insert("x-ws-untyped".into(), Value::Bool(true));
            }
        }
        self.channels.insert(id, written);
    }

    /// Writes the operation of an event that the client sends.
    fn received(&mut self, messages: &mut ChannelMessages, event: &ClientEvent, security: &Value) -> Value {
        let (schema, is_required) = match &event.data {
            Some(data) => (Some(&data.schema), data.is_required),
            None => (None, false),
        };
        let mut message =
            envelope(&event.name, schema, is_required, Some(json!({ "type": ["string", "integer"] })));
        if let Value::Object(fields) = &mut message {
            describe(fields, &event.docs);
            if let Some(example) = self.example(event) {
                fields.insert("examples".into(), json!([{ "name": event.name, "payload": example }]));
            }
        }
        let sent = self.message(messages, &event.name, message);
        let mut replies = Vec::new();
        if let Some(reply) = &event.reply {
            // A reply whose name is known only at run time may have any name.
            let mut message = match &reply.name {
                Some(name) => {
                    envelope(name, Some(&reply.schema), true, Some(json!({ "type": ["string", "integer"] })))
                }
                None => json!({ "name": "reply", "payload": { "type": "object" } }),
            };
            if let Value::Object(fields) = &mut message {
                describe(fields, &reply.docs);
            }
            let key = match reply.name.as_deref() {
                Some(name) if name != event.name => name.to_owned(),
                _ => format!("{}.reply", event.name),
            };
            replies.push(self.message(messages, &key, message));
        }
        if matches!(event.form, ReplyForm::None | ReplyForm::Optional | ReplyForm::Many) {
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
        if let Value::Object(fields) = &mut operation {
            describe(fields, &event.docs);
            add_security(fields, security);
            if !event.codes.is_empty() {
                let codes = event.codes.iter().map(|code| (code.code.clone(), json!(code.description)));
                fields.insert("x-ws-codes".into(), Value::Object(codes.collect()));
            }
        }
        operation
    }

    /// Writes the operation of an event that the server sends on its own.
    fn sent(&mut self, messages: &mut ChannelMessages, push: &ServerEvent, security: &Value) -> Value {
        let asks = json!({ "type": "string", "pattern": "^ask:" });
        let reference_of_ask = push.answer.is_some().then(|| asks.clone());
        let mut message = envelope(&push.name, Some(&push.schema), true, reference_of_ask);
        if let Value::Object(fields) = &mut message {
            describe(fields, &push.docs);
        }
        let sent = self.message(messages, &push.name, message);
        let mut operation = json!({
            "action": "send",
            "channel": reference(&["channels", &messages.channel]),
            "title": push.name,
            "messages": [sent],
        });
        let answer = push.answer.as_ref().map(|answer| {
            let message = envelope(&push.name, Some(answer), true, Some(asks));
            let answer = self.message(messages, &format!("{}.answer", push.name), message);
            json!({
                "channel": reference(&["channels", &messages.channel]),
                "messages": [answer, messages.add_common("error")],
            })
        });
        if let Value::Object(fields) = &mut operation {
            describe(fields, &push.docs);
            add_security(fields, security);
            if let Some(answer) = answer {
                fields.insert("reply".into(), answer);
            }
        }
        operation
    }

    /// Adds a message under the name of its event. Another message of the same name in the same
    /// channel, such as a reply under the name of its call, gets a number. Returns a reference to
    /// it.
    fn message(&mut self, messages: &mut ChannelMessages, name: &str, message: Value) -> Value {
        let wanted = id(name);
        let mut key = wanted.clone();
        let mut number = 2;
        loop {
            let component = format!("{}.{key}", messages.channel);
            match self.messages.get(&component) {
                Some(other) if !is_same(other, &message) => {
                    key = format!("{wanted}.{number}");
                    number += 1;
                }
                found => {
                    if found.is_none() {
                        self.messages.insert(component.clone(), message);
                    }
                    return messages.add(&key, &component);
                }
            }
        }
    }

    fn add_operation(&mut self, wanted: &str, operation: Value) {
        let mut key = wanted.to_owned();
        let mut number = 2;
        while self.operations.contains_key(&key) {
            key = format!("{wanted}.{number}");
            number += 1;
        }
        self.operations.insert(key, operation);
    }

    /// Adds the places of a token to the components, and returns the references to them.
    fn security(&mut self, channel: &Channel) -> Value {
        let schemes = channel.security.iter().map(|place| {
            let (key, scheme) = scheme(place);
            let reference = reference(&["components", "securitySchemes", &key]);
            self.security.insert(key, scheme);
            reference
        });
        schemes.collect()
    }

    fn example(&self, event: &ClientEvent) -> Option<Value> {
        let mut envelope = Map::new();
        envelope.insert("event".into(), json!(event.name));
        if let Some(data) = &event.data {
            envelope.insert("data".into(), example(&data.schema, &self.contract.schemas)?);
        }
        envelope.insert("ref".into(), json!("1"));
        Some(Value::Object(envelope))
    }
}

impl ChannelMessages {
    /// Adds a component to the channel, and returns the reference that operations use.
    fn add(&mut self, key: &str, component: &str) -> Value {
        let message = reference(&["components", "messages", component]);
        self.messages.insert(key.to_owned(), message);
        reference(&["channels", &self.channel, "messages", key])
    }

    fn add_common(&mut self, name: &str) -> Value {
        self.add(name, name)
    }
}

/// Returns whether two messages have the same payload. The second one is not added then.
fn is_same(one: &Value, other: &Value) -> bool {
    one.get("payload") == other.get("payload")
}

/// Writes the message of an event.
fn envelope(name: &str, data: Option<&Value>, is_required: bool, reference: Option<Value>) -> Value {
    let mut properties = Map::new();
    properties.insert("event".into(), json!({ "const": name }));
    let mut required = vec![json!("event")];
    if let Some(data) = data {
        properties.insert("data".into(), data.clone());
        if is_required {
            required.insert(0, json!("data"));
        }
    }
    let has_reference = reference.is_some();
    if let Some(reference) = reference {
        properties.insert("ref".into(), reference);
    }
    let payload = json!({ "type": "object", "properties": properties, "required": required });
    let mut message = json!({ "name": name, "payload": payload });
    if has_reference && let Value::Object(fields) = &mut message {
        fields.insert("correlationId".into(), self::reference(&["components", "correlationIds", "ref"]));
    }
    message
}

fn error() -> Value {
    let codes: Map<String, Value> =
        COMMON_CODES.iter().map(|(code, text)| ((*code).to_owned(), json!(text))).collect();
    json!({
        "name": "error",
        "title": "error",
        "description": "A call or a message failed; the connection stays open.",
        "correlationId": reference(&["components", "correlationIds", "ref"]),
        "payload": {
            "type": "object",
            "properties": {
                "event": { "const": "error" },
                "data": {
                    "type": "object",
                    "properties": {
                        "code": { "type": "string", "description": "For programs." },
                        "message": { "type": "string", "description": "For people." },
                        "path": { "type": "string", "description": "The place of the fault inside `data`." },
                        "fields": { "description": "The faults of a validated type, by field." },
                    },
                    "required": ["code", "message"],
                },
                "ref": { "type": ["string", "integer"] },
            },
            "required": ["data", "event"],
        },
        "x-ws-codes": codes,
    })
}

fn end() -> Value {
    json!({
        "name": "end",
        "title": "end",
        "description": "Follows the last reply to a call, if the number of replies is not one.",
        "correlationId": reference(&["components", "correlationIds", "ref"]),
        "payload": {
            "type": "object",
            "properties": {
                "event": { "const": "end" },
                "data": {
                    "type": "object",
                    "properties": { "event": { "type": "string", "description": "The event of the call." } },
                    "required": ["event"],
                },
                "ref": { "type": ["string", "integer"] },
            },
            "required": ["data", "event", "ref"],
        },
    })
}

fn parameters(channel: &Channel) -> Value {
    let parameters = channel.parameters.iter().map(|parameter| {
        let mut fields = Map::new();
        if let Some(text) = parameter.schema.get("description") {
            fields.insert("description".into(), text.clone());
        }
        let names = parameter.schema.get("enum").and_then(Value::as_array);
        if let Some(names) = names.filter(|names| names.iter().all(Value::is_string)) {
            fields.insert("enum".into(), Value::Array(names.clone()));
        }
        fields.insert("x-ws-schema".into(), parameter.schema.clone());
        (parameter.name.clone(), Value::Object(fields))
    });
    Value::Object(parameters.collect())
}

/// Writes the WebSocket binding: the query, the headers and the subprotocols of the handshake.
fn bindings(channel: &Channel) -> Value {
    let mut bindings = Map::new();
    bindings.insert("bindingVersion".into(), json!("0.1.0"));
    bindings.insert("method".into(), json!("GET"));
    if let Some(query) = &channel.query {
        let field = |name: &str| query.schema.get(name).cloned();
        let mut object = Map::new();
        object.insert("type".into(), json!("object"));
        object.insert("properties".into(), field("properties").unwrap_or_else(|| json!({})));
        if let Some(required) = field("required").filter(|_| query.is_required) {
            object.insert("required".into(), required);
        }
        if let Some(additional) = field("additionalProperties") {
            object.insert("additionalProperties".into(), additional);
        }
        bindings.insert("query".into(), Value::Object(object));
    }
    let mut headers = Map::new();
    let mut required = Vec::new();
    for header in &channel.headers {
        headers.insert(header.name.clone(), json!({ "type": "string" }));
        if header.is_required {
            required.push(json!(header.name));
        }
    }
    if !channel.subprotocols.is_empty() {
        let names = json!({ "type": "string", "enum": channel.subprotocols });
        headers.insert("sec-websocket-protocol".into(), names);
    }
    if !headers.is_empty() {
        let mut object = json!({ "type": "object", "properties": headers });
        if !required.is_empty()
            && let Value::Object(object) = &mut object
        {
            object.insert("required".into(), Value::Array(required));
        }
        bindings.insert("headers".into(), object);
    }
    Value::Object(bindings)
}

/// Returns the key and the definition of a security scheme.
fn scheme(place: &Security) -> (String, Value) {
    match place {
        Security::Bearer => ("bearer".into(), json!({ "type": "http", "scheme": "bearer" })),
        Security::Subprotocol => (
            "subprotocol".into(),
            json!({
                "type": "httpApiKey",
                "name": "sec-websocket-protocol",
                "in": "header",
                "description": "`bearer.` and the base64url of the token, beside another subprotocol. For browsers.",
            }),
        ),
        Security::Cookie(name) => {
            (format!("cookie.{}", id(name)), json!({ "type": "httpApiKey", "name": name, "in": "cookie" }))
        }
        Security::Query(name) => {
            (format!("query.{}", id(name)), json!({ "type": "httpApiKey", "name": name, "in": "query" }))
        }
    }
}

fn add_security(fields: &mut Map<String, Value>, security: &Value) {
    if security.as_array().is_some_and(|places| !places.is_empty()) {
        fields.insert("security".into(), security.clone());
    }
}

/// Adds a doc comment.
fn describe(fields: &mut Map<String, Value>, docs: &str) {
    let docs = docs.trim();
    if docs.is_empty() {
        return;
    }
    fields.insert("description".into(), json!(docs));
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

/// Writes a reference to a place in the document (RFC 6901).
fn reference(path: &[&str]) -> Value {
    let path: String =
        path.iter().map(|segment| format!("/{}", segment.replace('~', "~0").replace('/', "~1"))).collect();
    json!({ "$ref": format!("#{path}") })
}

/// Returns a name as a key of the document: letters, digits, `.`, `-` and `_`.
fn id(name: &str) -> String {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
    name.chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect()
}

/// Sorts the keys of all objects. `serde_json` does so by itself, unless a crate of the program asks
/// it to keep the order of insertion.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
