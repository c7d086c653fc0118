//! Makes an example of a schema's values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::COMPONENTS;

/// Types inside of types that are written out. Below it, optional fields and items are left out.
const DEPTH: usize = 4;
/// Types inside of types after which there is no example.
const MAX_DEPTH: usize = 16;

/// Returns a value that the schema accepts. `None` if that cannot be said, as for a pattern.
pub(super) fn example(schema: &Value, schemas: &BTreeMap<String, Value>) -> Option<Value> {
    Examples { schemas }.of(schema, 0)
}

struct Examples<'a> {
    schemas: &'a BTreeMap<String, Value>,
}

impl Examples<'_> {
    fn of(&self, schema: &Value, depth: usize) -> Option<Value> {
        let fields = match schema {
            Value::Bool(true) => return Some(Value::Null),
            Value::Object(fields) if depth <= MAX_DEPTH => fields,
            _ => return None,
        };
        if let Some(first) = fields.get("examples").and_then(Value::as_array).and_then(|all| all.first()) {
            return Some(first.clone());
        }
        if let Some(value) = fields.get("const") {
            return Some(value.clone());
        }
        if let Some(first) = fields.get("enum").and_then(Value::as_array).and_then(|all| all.first()) {
            return Some(first.clone());
        }
        if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
            return self.of(self.schemas.get(name.strip_prefix(COMPONENTS)?)?, depth + 1);
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(branches) = fields.get(key).and_then(Value::as_array) {
                let branch = branches.iter().find_map(|branch| self.of(branch, depth + 1))?;
                return self.joined(branch, fields, depth);
            }
        }
        if let Some(all) = fields.get("allOf").and_then(Value::as_array) {
            let mut joined = Map::new();
            for part in all {
                match self.of(part, depth + 1)? {
                    Value::Object(part) => joined.extend(part),
                    other if all.len() == 1 => return Some(other),
                    _ => return None,
                }
            }
            return self.joined(Value::Object(joined), fields, depth);
        }
        self.of_type(fields, depth)
    }

    /// Adds the fields that stand beside `oneOf` or `allOf`.
    fn joined(&self, value: Value, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
        match value {
            Value::Object(mut value) if fields.contains_key("properties") => {
                let Value::Object(own) = self.object(fields, depth)? else { return None };
                value.extend(own);
                Some(Value::Object(value))
            }
            other => Some(other),
        }
    }

    fn of_type(&self, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
        let name = match fields.get("type") {
            Some(Value::String(name)) => name.as_str(),
            Some(Value::Array(names)) => names.first()?.as_str()?,
            None if fields.contains_key("properties") => "object",
            None => return Some(Value::Null),
            Some(_) => return None,
        };
        match name {
            "object" => self.object(fields, depth),
            "array" => self.array(fields, depth),
            "string" => text(fields),
            "integer" | "number" => Some(number(fields)),
            "boolean" => Some(Value::Bool(true)),
            "null" => Some(Value::Null),
            _ => None,
        }
    }

    fn object(&self, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
        let required: Vec<&str> = fields
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut object = Map::new();
        for (name, schema) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_required = required.contains(&name.as_str());
            if !is_required && depth >= DEPTH {
                continue;
            }
            match self.of(schema, depth + 1) {
                Some(value) => {
                    object.insert(name.clone(), value);
                }
                None if is_required => return None,
                None => {}
            }
        }
        Some(Value::Object(object))
    }

    fn array(&self, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
        match fields.get("items") {
            Some(Value::Array(items)) => items.iter().map(|item| self.of(item, depth + 1)).collect(),
            Some(item) => {
                let least = fields.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                let is_set = fields.get("uniqueItems") == Some(&Value::Bool(true));
                if least == 0 && depth >= DEPTH {
                    return Some(json!([]));
                }
                if least > 1 && is_set {
                    return None;
                }
                let count = usize::try_from(least.clamp(1, 16)).ok()?;
                Some(Value::Array(vec![self.of(item, depth + 1)?; count]))
            }
            None => Some(json!([])),
        }
    }
}

/// Returns a text of an accepted length; `None` for a text with a pattern or a format.
fn text(fields: &Map<String, Value>) -> Option<Value> {
    if fields.contains_key("pattern") {
        return None;
    }
    let sample = match fields.get("format").and_then(Value::as_str) {
        None => "text",
        Some("date-time") => return Some(json!("2026-01-31T12:00:00Z")),
        Some("date") => return Some(json!("2026-01-31")),
        Some("uuid") => return Some(json!("67e55044-10b1-426f-9247-bb680e5fe0c8")),
        Some("uri") => return Some(json!("https://example.com/")),
        Some("email") => return Some(json!("ann@example.com")),
        Some(_) => return None,
    };
    let size = |key| fields.get(key).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
    let least = size("minLength").unwrap_or(0);
    let most = size("maxLength").unwrap_or(usize::MAX);
    if least > 64 {
        return None;
    }
    let text: String = sample.chars().cycle().take(sample.len().max(least).min(most)).collect();
    Some(Value::String(text))
}

/// Returns the smallest accepted number, or 1 if that is 0 or not given.
fn number(fields: &Map<String, Value>) -> Value {
    let is_accepted = |value: f64| {
        let limit = |key| fields.get(key).and_then(Value::as_f64);
        limit("minimum").is_none_or(|least| value >= least)
            && limit("maximum").is_none_or(|most| value <= most)
            && limit("exclusiveMinimum").is_none_or(|least| value > least)
            && limit("exclusiveMaximum").is_none_or(|most| value < most)
            && limit("multipleOf").is_none_or(|step| value % step == 0.0)
    };
    let one = json!(1);
    let bounds = ["multipleOf", "minimum", "maximum"].into_iter().filter_map(|key| fields.get(key));
    let candidates = [&one].into_iter().chain(bounds);
    let accepted = candidates.into_iter().find(|value| value.as_f64().is_some_and(is_accepted));
    accepted.cloned().unwrap_or_else(|| json!(0))
}
