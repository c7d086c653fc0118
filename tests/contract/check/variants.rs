//! Pairs of schemas with variants, references, and keywords that are not known.

use serde_json::{Value, json};

use super::{
    changes,
    documents::{PLACES, with_data},
    schemas::{Case, check_all},
    structures::object,
};

#[test]
fn variants_are_found_by_their_names() {
    let circle = |radius: &str| json!({ "type": "object", "properties": { "type": { "const": "circle" }, "radius": { "type": radius } }, "required": ["type", "radius"] });
    let square = || object(json!({ "type": { "const": "square" } }), json!(["type"]));
    let key = |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name], "additionalProperties": false });
    let one_of = |list: &[Value]| json!({ "oneOf": list });
    let any_of = |list: &[Value]| json!({ "anyOf": list });
    let (text, list) =
        (json!({ "type": "string" }), json!({ "type": "array", "items": { "type": "string" } }));
    let (null, unit) = (json!({ "type": "null" }), json!({ "type": "string", "enum": ["Unit"] }));
    let a = object(json!({ "a": { "type": "string" } }), json!(["a"]));
    let b = object(json!({ "b": { "type": "string" }, "c": { "type": "string" } }), json!(["b"]));
    let wide_b =
        object(json!({ "b": { "type": ["string", "null"] }, "c": { "type": "string" } }), json!(["b"]));
    check_all(
        vec![
            Case(
                "variant added",
                one_of(&[square()]),
                one_of(&[square(), circle("number")]),
                "compatible",
                "risky",
            ),
            Case(
                "variant removed",
                one_of(&[circle("number"), square()]),
                one_of(&[square()]),
                "breaking",
                "compatible",
            ),
            Case(
                "order",
                one_of(&[circle("number"), square()]),
                one_of(&[square(), circle("number")]),
                "none",
                "none",
            ),
            Case(
                "inside of a variant",
                one_of(&[circle("integer"), square()]),
                one_of(&[square(), circle("number")]),
                "compatible",
                "breaking",
            ),
            Case(
                "key added",
                one_of(&[key("A"), key("B")]),
                one_of(&[key("A"), key("B"), key("C")]),
                "compatible",
                "risky",
            ),
            Case("key removed", one_of(&[key("A"), key("B")]), one_of(&[key("B")]), "breaking", "compatible"),
            Case(
                "variant without data added",
                one_of(&[key("A"), key("B")]),
                one_of(&[key("A"), key("B"), unit.clone()]),
                "compatible",
                "risky",
            ),
            Case(
                "first variant with data",
                one_of(std::slice::from_ref(&unit)),
                one_of(&[unit.clone(), key("A")]),
                "compatible",
                "risky",
            ),
            Case(
                "untagged, added",
                any_of(&[text.clone(), list.clone()]),
                any_of(&[text.clone(), list.clone(), json!({ "type": "boolean" })]),
                "compatible",
                "risky",
            ),
            Case(
                "null added to variants",
                any_of(&[text.clone(), list.clone()]),
                any_of(&[text.clone(), list.clone(), null.clone()]),
                "compatible",
                "breaking",
            ),
            Case(
                "an option is not an enum",
                any_of(&[text.clone(), null.clone()]),
                any_of(&[text.clone(), null.clone(), list.clone()]),
                "compatible",
                "breaking",
            ),
            Case(
                "both spellings of null",
                any_of(&[text.clone(), null]),
                json!({ "type": ["string", "null"] }),
                "none",
                "none",
            ),
            Case(
                "similar variants without a name",
                any_of(&[a.clone(), b.clone()]),
                any_of(&[wide_b, a]),
                "compatible",
                "breaking",
            ),
        ],
        &json!({}),
    );
}

#[test]
fn references_and_combinations_are_resolved() {
    let components = json!({
        "A": { "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] },
        "AlsoA": { "$ref": "#/components/schemas/A" },
        "B": { "type": "object", "properties": { "b": { "type": "integer" } } },
        "Tree": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Tree" } } },
        "Twin": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Twin" } } },
        "Other": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Tree" }, "b": {} } },
    });
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let a = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
    let ab = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "integer" } }, "required": ["a"] });
    let closed = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": false });
    check_all(
        vec![
            Case("inline", to("A"), a.clone(), "none", "none"),
            Case("through two references", to("AlsoA"), a.clone(), "none", "none"),
            Case(
                "with documentation beside it",
                to("A"),
                json!({ "allOf": [to("A")], "description": "An A.", "default": {} }),
                "none",
                "none",
            ),
            Case("merged", json!({ "allOf": [to("A"), to("B")] }), ab.clone(), "none", "none"),
            Case(
                "merged with siblings",
                json!({ "allOf": [to("A")], "properties": { "b": { "type": "integer" } } }),
                ab.clone(),
                "none",
                "none",
            ),
            Case(
                "beside a reference",
                json!({ "$ref": "#/components/schemas/A", "properties": { "b": { "type": "integer" } } }),
                ab.clone(),
                "none",
                "none",
            ),
            Case("part removed", json!({ "allOf": [to("A"), to("B")] }), to("A"), "compatible", "breaking"),
            Case(
                "closed part",
                json!({ "allOf": [closed.clone(), to("B")] }),
                json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": false }, "additionalProperties": false }),
                "none",
                "none",
            ),
            Case("a type that contains itself", to("Tree"), to("Twin"), "none", "none"),
            Case("a type that contains another", to("Tree"), to("Other"), "compatible", "compatible"),
            Case("an extension", json!({ "x-order": 1 }), json!({ "x-order": 2 }), "none", "none"),
            Case(
                "tightest bound",
                json!({ "minimum": 1, "allOf": [{ "minimum": 3 }] }),
                json!({ "minimum": 3 }),
                "none",
                "none",
            ),
        ],
        &components,
    );
}

#[test]
fn an_unknown_keyword_that_differs_is_unjudged() {
    let components =
        json!({ "A": { "type": "string" }, "B": { "type": "string" }, "C": { "type": "integer" } });
    let not = |name: &str| json!({ "not": { "$ref": format!("#/components/schemas/{name}") } });
    check_all(
        vec![
            Case(
                "added",
                json!({ "type": "array" }),
                json!({ "type": "array", "contains": {} }),
                "unjudged",
                "unjudged",
            ),
            Case("changed", not("A"), not("C"), "unjudged", "unjudged"),
            Case("renamed component", not("A"), not("B"), "none", "none"),
            Case("the same", json!({ "if": true }), json!({ "if": true }), "none", "none"),
            Case(
                "inside of a variant",
                json!({ "oneOf": [{ "dependencies": {} }] }),
                json!({ "oneOf": [{ "dependencies": { "a": ["b"] } }] }),
                "unjudged",
                "unjudged",
            ),
        ],
        &components,
    );
}

/// The fields of one type at two places are both listed.
#[test]
fn a_change_of_a_type_is_listed_at_each_place() {
    let data = object(
        json!({ "from": { "$ref": "#/components/schemas/Member" }, "to": { "$ref": "#/components/schemas/Member" } }),
        json!([]),
    );
    let place = PLACES[0].0;
    let old = with_data(place, &data, &json!({ "Member": { "type": "string" } }));
    let new = with_data(place, &data, &json!({ "Member": { "type": "integer" } }));
    let lines: Vec<String> = changes(&old, &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "breaking: Room.say data.from: the type changed from string to integer",
            "breaking: Room.say data.to: the type changed from string to integer",
        ]
    );
}
