//! Makes an example of a schema's values.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::COMPONENTS;

/// The depth of nested schemas up to which examples are complete. Below it, optional fields and
/// items are left out.
const DEPTH: usize = 4;
/// The depth of nested schemas after which no example is made.
const MAX_DEPTH: usize = 16;
/// The greatest number of items of a list, and of characters of a text, that an example may need.
const MAX_LENGTH: usize = 64;
/// Keywords that this module does not follow. A schema with one of them has no example.
const NOT_FOLLOWED: &[&str] =
    &["contains", "dependencies", "dependentRequired", "dependentSchemas", "if", "not", "pattern"];

/// Returns a value that the schema accepts. `None` if none is known, as for a pattern.
pub(crate) fn example(schema: &Value, schemas: &BTreeMap<String, Value>) -> Option<Value> {
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
        if NOT_FOLLOWED.iter().any(|keyword| fields.contains_key(*keyword)) {
            return None;
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
            "integer" | "number" => number(fields),
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
        let least = size(fields, "minProperties").unwrap_or(0);
        (object.len() >= least).then_some(Value::Object(object))
    }

    fn array(&self, fields: &Map<String, Value>, depth: usize) -> Option<Value> {
        match fields.get("items") {
            Some(Value::Array(items)) => items.iter().map(|item| self.of(item, depth + 1)).collect(),
            Some(item) => {
                let least = size(fields, "minItems").unwrap_or(0);
                let most = size(fields, "maxItems").unwrap_or(usize::MAX);
                if (least == 0 && depth >= DEPTH) || most == 0 {
                    return Some(json!([]));
                }
                let is_set = fields.get("uniqueItems") == Some(&Value::Bool(true));
                if least > MAX_LENGTH || (least > 1 && is_set) {
                    return None;
                }
                Some(Value::Array(vec![self.of(item, depth + 1)?; least.max(1)]))
            }
            None => Some(json!([])),
        }
    }
}

/// Returns the value of a keyword that limits a length.
fn size(fields: &Map<String, Value>, keyword: &str) -> Option<usize> {
    fields.get(keyword).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok())
}

/// Returns a text of an accepted length; `None` for a format without a sample.
fn text(fields: &Map<String, Value>) -> Option<Value> {
    let sample = match fields.get("format").and_then(Value::as_str) {
        None => "text",
        Some("date-time") => return Some(json!("2026-01-31T12:00:00Z")),
        Some("date") => return Some(json!("2026-01-31")),
        Some("uuid") => return Some(json!("67e55044-10b1-426f-9247-bb680e5fe0c8")),
        Some("uri") => return Some(json!("https://example.com/")),
        Some("email") => return Some(json!("ann@example.com")),
        Some("ip" | "ipv4") => return Some(json!("192.0.2.1")),
        Some("ipv6") => return Some(json!("2001:db8::1")),
        Some(_) => return None,
    };
    let least = size(fields, "minLength").unwrap_or(0);
    let most = size(fields, "maxLength").unwrap_or(usize::MAX);
    if least > MAX_LENGTH {
        return None;
    }
    let text: String = sample.chars().cycle().take(sample.len().max(least).min(most)).collect();
    Some(Value::String(text))
}

/// Returns 1 if it is accepted, or else a limit or its neighbour; `None` if none is accepted.
fn number(fields: &Map<String, Value>) -> Option<Value> {
    let limit = |key| fields.get(key).and_then(Value::as_f64);
    let is_integer = fields.get("type").is_some_and(|name| name == "integer");
    let is_accepted = |value: f64| {
        limit("minimum").is_none_or(|least| value >= least)
            && limit("maximum").is_none_or(|most| value <= most)
            && limit("exclusiveMinimum").is_none_or(|least| value > least)
            && limit("exclusiveMaximum").is_none_or(|most| value < most)
            && limit("multipleOf").is_none_or(|step| value % step == 0.0)
            && (!is_integer || value.fract() == 0.0)
    };
    let given = ["multipleOf", "minimum", "maximum"].into_iter().filter_map(|key| fields.get(key).cloned());
    let neighbour =
        |key, step: i64| fields.get(key).and_then(Value::as_i64)?.checked_add(step).map(Value::from);
    let neighbours = [neighbour("exclusiveMinimum", 1), neighbour("exclusiveMaximum", -1)];
    let mut candidates =
        [json!(1), json!(0)].into_iter().chain(given).chain(neighbours.into_iter().flatten());
    candidates.find(|value| value.as_f64().is_some_and(is_accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_keeps_the_limits_of_its_schema() {
        let schemas = BTreeMap::new();
        for (schema, expected) in [
            (
                json!({ "type": "array", "items": { "type": "integer" }, "minItems": 20 }),
                Some(json!(vec![1; 20])),
            ),
            (json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 0 }), Some(json!([]))),
            (json!({ "type": "array", "items": { "type": "integer" }, "minItems": 65 }), None),
            (json!({ "type": "array", "items": [{ "type": "string" }, true] }), Some(json!(["text", null]))),
            (json!({ "type": "string", "minLength": 6 }), Some(json!("textte"))),
            (json!({ "type": "string", "maxLength": 1 }), Some(json!("t"))),
            (json!({ "type": "string", "pattern": "^a$" }), None),
            (json!({ "type": "string", "format": "regex" }), None),
            (json!({ "type": "integer", "exclusiveMinimum": 4 }), Some(json!(5))),
            (json!({ "type": "integer", "exclusiveMaximum": -4 }), Some(json!(-5))),
            (json!({ "type": "integer", "minimum": 2, "multipleOf": 3 }), Some(json!(3))),
            (json!({ "type": "integer", "minimum": 2.5, "maximum": 2.75 }), None),
            (json!({ "type": "number", "minimum": 2.5, "maximum": 2.75 }), Some(json!(2.5))),
            (json!({ "type": "object", "minProperties": 1 }), None),
            (json!({ "not": { "type": "null" } }), None),
            (json!({ "type": ["string", "null"] }), Some(json!("text"))),
            (json!(false), None),
        ] {
            assert_eq!(example(&schema, &schemas), expected, "{schema}");
        }
    }

    #[test]
    fn a_type_inside_itself_has_an_example_if_it_may_end() {
        let reference = json!({ "$ref": "#/components/schemas/Tree" });
        let tree = |children: Value| {
            let fields = json!({ "children": children, "value": { "type": "integer" } });
            let tree = json!({ "type": "object", "properties": fields, "required": ["children"] });
            BTreeMap::from([("Tree".to_owned(), tree)])
        };
        let list = tree(json!({ "type": "array", "items": reference }));
        let found = example(&reference, &list).unwrap();
        assert_eq!(found["children"][0]["children"], json!([]), "{found}");
        assert_eq!(example(&reference, &tree(reference.clone())), None);
    }
}
