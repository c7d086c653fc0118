//! Pairs of schemas with single values, each in both directions: in a message, a reply, a push and
//! an answer.

use serde_json::{Value, json};

use super::{
    changes, classes,
    documents::{PLACES, Way, with_data},
};

/// A pair of schemas, and the expected classes from the client to the server and back.
pub(super) struct Case(
    pub(super) &'static str,
    pub(super) Value,
    pub(super) Value,
    pub(super) &'static str,
    pub(super) &'static str,
);

pub(super) fn check_all(cases: Vec<Case>, components: &Value) {
    for Case(name, old, new, to_server, to_client) in cases {
        for (place, way) in PLACES {
            let (before, after) = (with_data(place, &old, components), with_data(place, &new, components));
            let found = changes(&before, &after);
            let expected = if way == Way::ToServer { to_server } else { to_client };
            assert_eq!(classes(&found), expected, "{name}, {way:?}, {place}: {found:#?}");
        }
    }
}

#[test]
fn types_are_compared_as_sets_of_kinds() {
    let text = || json!({ "type": "string" });
    let option = || json!({ "type": ["string", "null"] });
    check_all(
        vec![
            Case("other type", text(), json!({ "type": "integer" }), "breaking", "breaking"),
            Case("null added", text(), option(), "compatible", "breaking"),
            Case("null removed", option(), text(), "breaking", "compatible"),
            Case("wider", text(), json!({ "type": ["string", "integer"] }), "compatible", "breaking"),
            Case(
                "integer to number",
                json!({ "type": "integer" }),
                json!({ "type": "number" }),
                "compatible",
                "breaking",
            ),
            Case(
                "number to integer",
                json!({ "type": "number" }),
                json!({ "type": "integer" }),
                "breaking",
                "compatible",
            ),
            Case(
                "integer is in number",
                json!({ "type": ["number", "integer"] }),
                json!({ "type": "number" }),
                "none",
                "none",
            ),
            Case("known to unknown", text(), json!(true), "compatible", "breaking"),
            Case("unknown to known", json!({}), text(), "breaking", "compatible"),
            Case("any value with a bound", json!({ "minLength": 1 }), json!({}), "compatible", "risky"),
            Case("true is the empty schema", json!(true), json!({}), "none", "none"),
            Case("nothing at all", json!(true), json!(false), "breaking", "compatible"),
            Case("something again", json!(false), text(), "compatible", "breaking"),
        ],
        &json!({}),
    );
}

#[test]
fn constants_are_compared_as_sets() {
    let values = |values: &[&str]| json!({ "type": "string", "enum": values });
    let consts = |values: &[&str]| {
        let list: Vec<Value> = values
            .iter()
            .map(|value| json!({ "type": "string", "const": value, "description": value }))
            .collect();
        json!({ "oneOf": list })
    };
    let text = || json!({ "type": "string" });
    check_all(
        vec![
            Case("value added", values(&["a"]), values(&["a", "b"]), "compatible", "risky"),
            Case("value removed", values(&["a", "b"]), values(&["a"]), "breaking", "compatible"),
            Case("value renamed", values(&["a"]), values(&["b"]), "breaking+compatible", "risky+compatible"),
            Case("order", values(&["a", "b"]), values(&["b", "a"]), "none", "none"),
            Case("enum and oneOf are one", values(&["a", "b"]), consts(&["b", "a"]), "none", "none"),
            Case("const is an enum of one", values(&["a"]), json!({ "const": "a" }), "none", "none"),
            Case("value added in the other form", values(&["a"]), consts(&["a", "b"]), "compatible", "risky"),
            Case("free text", values(&["a"]), text(), "compatible", "breaking"),
            Case("text restricted", text(), values(&["a"]), "breaking", "compatible"),
            Case("numbers", json!({ "enum": [1, 2] }), json!({ "enum": [1] }), "breaking", "compatible"),
            Case(
                "null in an enum",
                json!({ "enum": ["a", null] }),
                json!({ "enum": ["a"] }),
                "breaking",
                "compatible",
            ),
            Case(
                "both booleans",
                json!({ "enum": [true, false] }),
                json!({ "type": "boolean" }),
                "none",
                "none",
            ),
            Case(
                "values of another type do not count",
                json!({ "type": "string", "enum": ["a", 1] }),
                values(&["a"]),
                "none",
                "none",
            ),
            Case(
                "objects",
                json!({ "const": { "a": 1 } }),
                json!({ "const": { "a": 2 } }),
                "breaking+compatible",
                "risky+compatible",
            ),
        ],
        &json!({}),
    );
}

#[test]
fn bounds_are_tighter_looser_or_different() {
    let text = |extra: Value| json!({ "type": "string", "allOf": [extra] });
    let number = |extra: Value| json!({ "type": "integer", "allOf": [extra] });
    let list = |extra: Value| json!({ "type": "array", "allOf": [extra] });
    let mut cases = Vec::new();
    for (keyword, loose, tight) in [("minLength", 1, 2), ("maxLength", 9, 8)] {
        let (loose, tight) = (json!({ keyword: loose }), json!({ keyword: tight }));
        cases.push(Case(keyword, text(loose.clone()), text(tight.clone()), "breaking", "compatible"));
        cases.push(Case(keyword, text(tight.clone()), text(loose), "compatible", "risky"));
        cases.push(Case(keyword, text(json!({})), text(tight.clone()), "breaking", "compatible"));
        cases.push(Case(keyword, text(tight), text(json!({})), "compatible", "risky"));
    }
    for (keyword, loose, tight) in [
        ("minimum", 0, 1),
        ("exclusiveMinimum", 0, 1),
        ("maximum", 9, 8),
        ("exclusiveMaximum", 9, 8),
        ("multipleOf", 2, 4),
    ] {
        let (loose, tight) = (json!({ keyword: loose }), json!({ keyword: tight }));
        cases.push(Case(keyword, number(loose.clone()), number(tight.clone()), "breaking", "compatible"));
        cases.push(Case(keyword, number(tight.clone()), number(loose.clone()), "compatible", "risky"));
        cases.push(Case(keyword, number(json!({})), number(loose.clone()), "breaking", "compatible"));
        cases.push(Case(keyword, number(loose), number(json!({})), "compatible", "risky"));
    }
    for (keyword, loose, tight) in [("minItems", 1, 2), ("maxItems", 9, 8)] {
        let (loose, tight) = (json!({ keyword: loose }), json!({ keyword: tight }));
        cases.push(Case(keyword, list(loose.clone()), list(tight.clone()), "breaking", "compatible"));
        cases.push(Case(keyword, list(tight), list(loose), "compatible", "risky"));
    }
    cases.extend([
        Case(
            "exclusive is tighter",
            number(json!({ "minimum": 1 })),
            number(json!({ "exclusiveMinimum": 1 })),
            "breaking",
            "compatible",
        ),
        Case(
            "large bounds",
            number(json!({ "maximum": u64::MAX })),
            number(json!({ "maximum": u64::MAX - 1 })),
            "breaking",
            "compatible",
        ),
        Case("a length is never negative", text(json!({ "minLength": 0 })), text(json!({})), "none", "none"),
        Case(
            "a number is the same with a point",
            number(json!({ "minimum": 0 })),
            number(json!({ "minimum": 0.0 })),
            "none",
            "none",
        ),
        Case(
            "other multiple",
            number(json!({ "multipleOf": 2 })),
            number(json!({ "multipleOf": 3 })),
            "risky",
            "risky",
        ),
        Case("pattern added", text(json!({})), text(json!({ "pattern": "a" })), "breaking", "compatible"),
        Case("pattern removed", text(json!({ "pattern": "a" })), text(json!({})), "compatible", "risky"),
        Case(
            "pattern changed",
            text(json!({ "pattern": "a" })),
            text(json!({ "pattern": "b" })),
            "risky",
            "risky",
        ),
        Case("format added", text(json!({})), text(json!({ "format": "uuid" })), "breaking", "compatible"),
        Case(
            "format changed",
            text(json!({ "format": "date" })),
            text(json!({ "format": "uuid" })),
            "risky",
            "risky",
        ),
        Case(
            "unique elements",
            list(json!({})),
            list(json!({ "uniqueItems": true })),
            "breaking",
            "compatible",
        ),
        Case(
            "elements may repeat",
            list(json!({ "uniqueItems": true })),
            list(json!({ "uniqueItems": false })),
            "compatible",
            "risky",
        ),
        Case(
            "bounds of another type do not count",
            text(json!({ "minimum": 1 })),
            text(json!({})),
            "none",
            "none",
        ),
    ]);
    check_all(cases, &json!({}));
}

#[test]
fn formats_of_integers_are_ranges() {
    let format = |format: &str| json!({ "type": "integer", "format": format });
    check_all(
        vec![
            Case("i32 to i64", format("int32"), format("int64"), "compatible", "risky"),
            Case("u64 to u32", format("uint64"), format("uint32"), "breaking", "compatible"),
            Case("i64 to u64", format("int64"), format("uint64"), "breaking", "breaking"),
            Case("u32 to i64", format("uint32"), format("int64"), "compatible", "risky"),
            Case("usize is u64", format("uint"), format("uint64"), "compatible", "compatible"),
            Case(
                "integer to f64",
                format("int32"),
                json!({ "type": "number", "format": "double" }),
                "compatible",
                "breaking+risky",
            ),
        ],
        &json!({}),
    );
}
