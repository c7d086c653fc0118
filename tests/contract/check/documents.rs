//! Small documents for pairs that differ in one place.

use serde_json::{Value, json};

/// The places of a message's data, with their direction.
pub(super) const PLACES: [(&str, Way); 4] = [
    ("/components/messages/say/payload/properties/data", Way::ToServer),
    ("/components/messages/yes/payload/properties/data", Way::ToServer),
    ("/components/messages/said/payload/properties/data", Way::ToClient),
    ("/components/messages/joined/payload/properties/data", Way::ToClient),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// A document with one route: a call with a reply, a push, and a question with an answer.
pub(super) fn document() -> Value {
    let message = |name: &str| {
        json!({
            "name": name,
            "payload": {
                "type": "object",
                "properties": { "event": { "const": name }, "data": {} },
                "required": ["event", "data"],
            },
        })
    };
    let reference = |name: &str| json!([{ "$ref": format!("#/components/messages/{name}") }]);
    let channel = json!({ "$ref": "#/channels/Room" });
    json!({
        "asyncapi": "3.0.0",
        "info": { "title": "room", "version": "1" },
        "servers": { "ws": { "host": "localhost", "protocol": "ws" } },
        "channels": { "Room": {
            "address": "/rooms/{room}",
            "servers": [{ "$ref": "#/servers/ws" }],
            "parameters": { "room": { "x-ws-schema": { "type": "string", "maxLength": 9 } } },
            "bindings": { "ws": {
                "method": "GET",
                "query": { "type": "object", "properties": { "lang": { "type": "string" } } },
                "headers": {
                    "type": "object",
                    "properties": {
                        "user-agent": { "type": "string" },
                        "sec-websocket-protocol": { "type": "string", "enum": ["v2", "v1"] },
                    },
                },
            } },
        } },
        "operations": {
            "Room.say": {
                "action": "receive", "channel": channel, "messages": reference("say"),
                "reply": { "messages": reference("said") }, "x-ws-reply": "one",
                "x-ws-codes": { "empty": "" },
                "security": [
                    { "$ref": "#/components/securitySchemes/bearer" },
                    { "$ref": "#/components/securitySchemes/cookie" },
                ],
            },
            "Room.joined": { "action": "send", "channel": channel, "messages": reference("joined") },
            "Room.confirm": {
                "action": "send", "channel": channel, "messages": reference("confirm"),
                "reply": { "messages": reference("yes") },
            },
        },
        "components": {
            "messages": {
                "say": message("say"), "said": message("said"), "joined": message("joined"),
                "confirm": message("confirm"), "yes": message("confirm"),
            },
            "schemas": {},
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "cookie": { "type": "httpApiKey", "in": "cookie", "name": "sid" },
            },
        },
    })
}

/// Returns the document with a change.
pub(super) fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = document();
    change(&mut document);
    document
}

/// Returns the document with this data in one message, and these components.
pub(super) fn with_data(place: &str, schema: &Value, components: &Value) -> Value {
    with(|document| {
        *document.pointer_mut(place).unwrap() = schema.clone();
        document["components"]["schemas"] = components.clone();
    })
}
