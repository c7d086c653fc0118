//! Pairs of schemas with fields and elements.

use serde_json::{Value, json};

use super::schemas::{Case, check_all};

pub(super) fn object(properties: Value, required: Value) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

#[test]
fn fields_are_compared() {
    let a = || object(json!({ "a": { "type": "string" } }), json!(["a"]));
    let optional = || object(json!({ "a": { "type": "string" } }), json!([]));
    let two =
        |required: Value| object(json!({ "a": { "type": "string" }, "b": { "type": "string" } }), required);
    let closed = |mut schema: Value| {
        schema["additionalProperties"] = json!(false);
        schema
    };
    let map = |values: Value| json!({ "type": "object", "additionalProperties": values });
    let numbered = |values: Value| json!({ "type": "object", "patternProperties": { "^\\d+$": values }, "additionalProperties": false });
    check_all(
        vec![
            Case("required field added", a(), two(json!(["a", "b"])), "breaking", "compatible"),
            Case("optional field added", a(), two(json!(["a"])), "compatible", "compatible"),
            Case("field removed", two(json!(["a"])), a(), "compatible", "breaking"),
            Case("required field removed", two(json!(["a", "b"])), a(), "compatible", "breaking"),
            Case("field refused", two(json!(["a"])), closed(a()), "breaking", "breaking+compatible"),
            Case("now required", optional(), a(), "breaking", "compatible"),
            Case("no longer required", a(), optional(), "compatible", "breaking"),
            Case("closed", a(), closed(a()), "breaking", "compatible"),
            Case("opened", closed(a()), a(), "compatible", "compatible"),
            Case("field of a closed type", closed(a()), closed(two(json!(["a"]))), "compatible", "risky"),
            Case(
                "field of a closed type removed",
                closed(two(json!(["a"]))),
                closed(a()),
                "breaking",
                "breaking",
            ),
            Case(
                "values of a map",
                map(json!({ "type": "string" })),
                map(json!({ "type": "integer" })),
                "breaking",
                "breaking",
            ),
            Case(
                "map of anything",
                map(json!({ "type": "string" })),
                map(json!(true)),
                "compatible",
                "breaking",
            ),
            Case(
                "map is closed",
                map(json!({ "type": "string" })),
                map(json!(false)),
                "breaking",
                "compatible",
            ),
            Case(
                "values by pattern",
                numbered(json!({ "type": "string" })),
                numbered(json!({ "type": ["string", "null"] })),
                "compatible",
                "breaking",
            ),
            Case(
                "keys are texts now",
                numbered(json!({ "type": "string" })),
                map(json!({ "type": "string" })),
                "compatible",
                "risky+compatible",
            ),
            Case(
                "keys are numbers now",
                map(json!({ "type": "string" })),
                numbered(json!({ "type": "string" })),
                "breaking+compatible",
                "compatible",
            ),
            Case(
                "more fields needed",
                a(),
                json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"], "minProperties": 2 }),
                "breaking",
                "compatible",
            ),
            Case(
                "required without a schema",
                a(),
                object(json!({ "a": { "type": "string" } }), json!(["a", "b"])),
                "breaking",
                "compatible",
            ),
        ],
        &json!({}),
    );
}

#[test]
fn elements_are_compared_in_lists_and_tuples() {
    let list = |items: Value| json!({ "type": "array", "items": items });
    let tuple = |items: &[&str]| {
        let types: Vec<Value> = items.iter().map(|name| json!({ "type": name })).collect();
        json!({ "type": "array", "items": types, "minItems": items.len(), "maxItems": items.len() })
    };
    let open =
        |rest: Value| json!({ "type": "array", "items": [{ "type": "string" }], "additionalItems": rest });
    check_all(
        vec![
            Case(
                "element",
                list(json!({ "type": "string" })),
                list(json!({ "type": ["string", "null"] })),
                "compatible",
                "breaking",
            ),
            Case(
                "no element type",
                list(json!({ "type": "string" })),
                json!({ "type": "array" }),
                "compatible",
                "breaking",
            ),
            Case(
                "element of a tuple",
                tuple(&["string", "integer"]),
                tuple(&["string", "number"]),
                "compatible",
                "breaking",
            ),
            Case("longer tuple", tuple(&["string"]), tuple(&["string", "string"]), "breaking", "breaking"),
            Case(
                "rest of a tuple",
                open(json!({ "type": "string" })),
                open(json!(true)),
                "compatible",
                "breaking",
            ),
            Case(
                "both spellings of a tuple",
                open(json!(true)),
                json!({ "type": "array", "prefixItems": [{ "type": "string" }] }),
                "none",
                "none",
            ),
        ],
        &json!({}),
    );
}
