//! The messages of the document: envelopes with the event's name as a constant.

use serde_json::{Map, Value, json};

use super::reference;
use crate::contract::model::{COMMON_CODES, Payload};

/// The messages of a channel, by their keys in the channel and in the components.
pub(super) struct ChannelMessages {
    /// The key of the channel.
    pub(super) channel: String,
    pub(super) messages: Map<String, Value>,
}

impl ChannelMessages {
    /// Adds a component to the channel, and returns the reference that operations use.
    pub(super) fn add(&mut self, key: &str, component: &str) -> Value {
        let message = reference(&["components", "messages", component]);
        self.messages.insert(key.to_owned(), message);
        reference(&["channels", &self.channel, "messages", key])
    }

    /// Adds a message that all channels share.
    pub(super) fn add_common(&mut self, name: &str) -> Value {
        self.add(name, name)
    }
}

/// Returns whether a message that is known can stand for another one: it has the same payload, or
/// differs by a `ref` that need not be sent. So an event has one message as a reply, and when it is
/// sent without a call.
pub(super) fn fits(known: &Value, other: &Value) -> bool {
    let (Some(known), Some(other)) = (known.get("payload"), other.get("payload")) else { return false };
    if other.pointer("/properties/ref").is_some() {
        return known == other;
    }
    let mut known = known.clone();
    if let Some(Value::Object(properties)) = known.get_mut("properties") {
        properties.remove("ref");
    }
    known == *other
}

/// The schema of the `ref` of a call.
pub(super) fn call_reference() -> Value {
    json!({ "type": ["string", "integer"] })
}

/// Writes the message of an event, with the schema of its `ref` if it may have one.
pub(super) fn envelope(name: &str, data: Option<&Payload>, reference: Option<Value>) -> Value {
    let mut properties = Map::new();
    properties.insert("event".into(), json!({ "const": name }));
    let mut required = vec!["event"];
    if let Some(data) = data {
        properties.insert("data".into(), data.schema.clone());
        if data.is_required {
            required.insert(0, "data");
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

/// Writes the message of a failure.
pub(super) fn error() -> Value {
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
                "ref": call_reference(),
            },
            "required": ["data", "event"],
        },
        "x-ws-codes": codes,
    })
}

/// Writes the message that completes a call.
pub(super) fn end() -> Value {
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
                "ref": call_reference(),
            },
            "required": ["data", "event", "ref"],
        },
    })
}
