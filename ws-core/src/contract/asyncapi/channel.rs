//! The parts of a channel that belong to its handshake.

use serde_json::{Map, Value, json};

use crate::{
    contract::model::{Channel, Security},
    schema::key,
};

/// Writes the parameters of the path.
pub(super) fn parameters(channel: &Channel) -> Value {
    let parameters = channel.parameters.iter().map(|parameter| {
        let mut fields = Map::new();
        if let Some(text) = parameter.schema.get("description") {
            fields.insert("description".into(), text.clone());
        }
        if let Some(texts) = texts(&parameter.schema) {
            fields.insert("enum".into(), Value::Array(texts));
        }
        fields.insert("x-ws-schema".into(), parameter.schema.clone());
        (parameter.name.clone(), Value::Object(fields))
    });
    Value::Object(parameters.collect())
}

/// Returns the only texts that a schema accepts: an `enum`, or constants of which each has a
/// description.
fn texts(schema: &Value) -> Option<Vec<Value>> {
    if let Some(only) = schema.get("const") {
        return only.is_string().then(|| vec![only.clone()]);
    }
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return names.iter().all(Value::is_string).then(|| names.clone());
    }
    let branches = schema.get("oneOf").and_then(Value::as_array)?;
    let texts: Option<Vec<Vec<Value>>> = branches.iter().map(texts).collect();
    texts.map(|texts| texts.concat())
}

/// Writes the WebSocket binding: the query, the headers and the subprotocols of the handshake.
pub(super) fn bindings(channel: &Channel) -> Value {
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
pub(super) fn scheme(place: &Security) -> (String, Value) {
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
            (format!("cookie.{}", key(name)), json!({ "type": "httpApiKey", "name": name, "in": "cookie" }))
        }
        Security::Query(name) => {
            (format!("query.{}", key(name)), json!({ "type": "httpApiKey", "name": name, "in": "query" }))
        }
    }
}
