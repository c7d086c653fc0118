//! Changes to a JSON schema that distinguish its subschemas from its data.
//!
//! A property may have any name, also that of a keyword such as `required`, and a default value may
//! contain an object that looks like a schema.

use serde_json::{Map, Value};

/// The keywords whose values are data.
const DATA: &[&str] = &["const", "default", "enum", "examples"];

/// The keywords whose values are schemas by name.
const BY_NAME: &[&str] = &["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// Calls the function for each schema that is directly inside of a schema.
pub(crate) fn each_subschema(schema: &mut Value, each: &mut dyn FnMut(&mut Value)) {
    let Value::Object(fields) = schema else { return };
    for (keyword, value) in fields {
        match value {
            _ if DATA.contains(&keyword.as_str()) || keyword.starts_with("x-") => {}
            Value::Object(named) if BY_NAME.contains(&keyword.as_str()) => {
                named.values_mut().for_each(&mut *each);
            }
            Value::Object(_) => each(value),
            Value::Array(items) => items.iter_mut().for_each(&mut *each),
            _ => {}
        }
    }
}

/// Replaces references by what the function returns for them.
pub(crate) fn each_reference(schema: &mut Value, replaced: &mut dyn FnMut(&str) -> Option<String>) {
    if let Some(Value::String(reference)) = schema.get_mut("$ref")
        && let Some(new) = replaced(reference)
    {
        *reference = new;
    }
    each_subschema(schema, &mut |inner| each_reference(inner, replaced));
}

/// Sorts keys and `required`, and removes `$schema`, so that equal types have equal schemas.
pub(super) fn make_canonical(schema: &mut Value) {
    sort_required(schema);
    let unsorted = schema.take();
    *schema = sorted(unsorted);
}

fn sort_required(schema: &mut Value) {
    if let Value::Object(fields) = schema {
        fields.remove("$schema");
        if let Some(Value::Array(required)) = fields.get_mut("required") {
            required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            required.dedup();
        }
    }
    each_subschema(schema, &mut sort_required);
}

/// Sorts the keys of all objects. `serde_json` does so by itself, unless a crate of the program
/// asks it to keep the order of insertion.
pub(crate) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(Map::from_iter(fields))
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_named_like_keywords_and_default_values_are_left_alone() {
        let mut schema = json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {
                "$schema": { "type": "string" },
                "required": { "default": ["b", "a", "b"], "type": "array" },
                "inner": { "required": ["y", "x", "y"], "default": { "required": ["b", "a"] } },
            },
            "required": ["required", "$schema"],
        });
        make_canonical(&mut schema);
        let expected = json!({
            "properties": {
                "$schema": { "type": "string" },
                "required": { "default": ["b", "a", "b"], "type": "array" },
                "inner": { "required": ["x", "y"], "default": { "required": ["b", "a"] } },
            },
            "required": ["$schema", "required"],
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn references_are_replaced_in_schemas_and_not_in_data() {
        let schema = |reference: &str| {
            json!({
                "$ref": reference,
                "items": [{ "$ref": reference }],
                "properties": { "$ref": { "allOf": [{ "$ref": reference }] } },
                "default": { "$ref": "#/definitions/A" },
            })
        };
        let mut replaced = schema("#/definitions/A");
        each_reference(&mut replaced, &mut |it| it.strip_prefix("#/definitions/").map(str::to_owned));
        assert_eq!(replaced, schema("A"));
    }
}
