//! Every single mutation of the fixture's document, with the class that the rules give it.
//!
//! The mutations are derived from the document: each schema that a message reaches is visited, with
//! the directions in which it is sent. The expected class follows from the kind of the mutation and
//! from the directions, never from the code under test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use ws_core::contract::ChangeClass;

use super::{changes, documents::Way, fixture};

use ChangeClass::{Breaking, Compatible, Risky, Unjudged};

/// The classes of a mutation: from the client to the server, and from the server to the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classes(pub(super) ChangeClass, ChangeClass);

const NARROWER: Classes = Classes(Breaking, Compatible);
const WIDER: Classes = Classes(Compatible, Breaking);
const EXTENDED: Classes = Classes(Compatible, Risky);

/// A visited schema: where it is used, and whether it is a variant of a union.
#[derive(Debug, Default)]
pub(super) struct Visited {
    ways: BTreeSet<Way>,
    is_variant: bool,
}

/// Collects the schemas that a schema reaches, by their pointers.
fn visit(document: &Value, pointer: &str, way: Way, is_variant: bool, found: &mut BTreeMap<String, Visited>) {
    let schema = document.pointer(pointer).unwrap();
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return visit(document, &reference[1..], way, is_variant, found);
    }
    let visited = found.entry(pointer.to_owned()).or_default();
    visited.is_variant |= is_variant;
    if !visited.ways.insert(way) {
        return;
    }
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        let at = format!("{pointer}/{keyword}");
        match (&**keyword, value) {
            ("properties", Value::Object(fields)) => {
                for name in fields.keys() {
                    visit(document, &format!("{at}/{}", escaped(name)), way, false, found);
                }
            }
            ("items" | "allOf" | "oneOf" | "anyOf", Value::Array(list)) => {
                for index in 0..list.len() {
                    visit(document, &format!("{at}/{index}"), way, keyword != "items", found);
                }
            }
            ("items" | "additionalProperties", Value::Object(_)) => visit(document, &at, way, false, found),
            _ => {}
        }
    }
}

pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Follows references to the pointer of a value.
pub(super) fn target(document: &Value, pointer: &str) -> String {
    match document.pointer(pointer).unwrap().get("$ref").and_then(Value::as_str) {
        Some(reference) => target(document, &reference[1..]),
        None => pointer.to_owned(),
    }
}

/// Returns the schemas of all data, of both directions.
pub(super) fn schemas(document: &Value) -> BTreeMap<String, Visited> {
    let mut found = BTreeMap::new();
    for (name, operation) in document["operations"].as_object().unwrap() {
        let (way, back) = match operation["action"].as_str() {
            Some("receive") => (Way::ToServer, Way::ToClient),
            _ => (Way::ToClient, Way::ToServer),
        };
        for (list, way) in [("messages", way), ("reply/messages", back)] {
            let list = format!("/operations/{}/{list}", escaped(name));
            let count = document.pointer(&list).and_then(Value::as_array).map_or(0, Vec::len);
            for index in 0..count {
                let message = target(document, &format!("{list}/{index}"));
                let data = format!("{message}/payload/properties/data");
                // `error` is a common message, and goes both ways.
                if document.pointer(&data).is_some() && !message.ends_with("/error") {
                    visit(document, &data, way, false, &mut found);
                }
            }
        }
    }
    found
}

/// One mutation of a schema, and its classes.
pub(super) struct Mutation {
    pub(super) name: String,
    pub(super) schema: Value,
    pub(super) classes: Classes,
}

/// The mutations of a schema that are found so far.
struct Mutations<'a> {
    schema: &'a Value,
    found: Vec<Mutation>,
}

impl Mutations<'_> {
    fn add(&mut self, name: String, classes: Classes, change: impl FnOnce(&mut Value)) {
        let mut schema = self.schema.clone();
        change(&mut schema);
        self.found.push(Mutation { name, schema, classes });
    }
}

/// Returns all mutations of a schema.
pub(super) fn mutations(schema: &Value, is_variant: bool) -> Vec<Mutation> {
    let mut found = Mutations { schema, found: Vec::new() };
    if *schema == json!(true) {
        found.add("known now".into(), NARROWER, |it| *it = json!({ "type": "string" }));
        return found.found;
    }
    found.add("unknown keyword".into(), Classes(Unjudged, Unjudged), |it| {
        it["contentEncoding"] = json!("base64")
    });
    if !is_variant {
        found.add("the type is removed".into(), WIDER, |it| *it = json!(true));
    }
    // Beside variants, a wider type does not allow further values.
    let is_restricted = ["oneOf", "anyOf"].iter().any(|keyword| schema.get(keyword).is_some());
    mutate_types(schema, is_variant || is_restricted, &mut found);
    mutate_bounds(schema, &mut found);
    mutate_fields(schema, is_variant, &mut found);
    for keyword in ["oneOf", "anyOf"] {
        let Some(variants) = schema[keyword].as_array() else { continue };
        for index in 0..variants.len() {
            let name = format!("{keyword}: variant {index} removed");
            found.add(name, NARROWER, |it| drop(it[keyword].as_array_mut().unwrap().remove(index)));
        }
        let variant =
            json!({ "type": "object", "properties": { "type": { "const": "new" } }, "required": ["type"] });
        found.add(format!("{keyword}: variant added"), EXTENDED, |it| {
            it[keyword].as_array_mut().unwrap().push(variant.clone())
        });
    }
    found.found
}

fn mutate_types(schema: &Value, is_variant: bool, found: &mut Mutations<'_>) {
    if let Some(values) = schema["enum"].as_array() {
        for index in 0..values.len() {
            found.add(format!("value {index} removed"), NARROWER, |it| {
                drop(it["enum"].as_array_mut().unwrap().remove(index))
            });
        }
        found.add("value added".into(), EXTENDED, |it| it["enum"].as_array_mut().unwrap().push(json!("new")));
        found.add("any value".into(), WIDER, |it| drop(it.as_object_mut().unwrap().remove("enum")));
        return;
    }
    if schema.get("const").is_some() {
        return;
    }
    let has = |name: &str| {
        schema["type"] == name || schema["type"].as_array().is_some_and(|it| it.contains(&json!(name)))
    };
    if has("string") {
        found.add("values listed".into(), NARROWER, |it| {
            let null = it["type"].is_array().then_some(Value::Null);
            it["enum"] = [json!("a")].into_iter().chain(null).collect();
        });
    }
    match &schema["type"] {
        Value::String(name) if !is_variant => {
            let other = if name == "boolean" { "string" } else { "boolean" };
            found.add("other type".into(), Classes(Breaking, Breaking), |it| it["type"] = json!(other));
            if name != "null" {
                found.add("null added".into(), WIDER, |it| it["type"] = json!([name, "null"]));
            }
            found.add("wider type".into(), WIDER, |it| it["type"] = json!([name, other]));
            if name == "integer" {
                found.add("number".into(), WIDER, |it| it["type"] = json!("number"));
            }
            if name == "number" {
                found.add("integer".into(), NARROWER, |it| it["type"] = json!("integer"));
            }
        }
        Value::Array(names) => {
            let without_null: Vec<_> = names.iter().filter(|name| **name != "null").collect();
            found.add("null removed".into(), NARROWER, |it| it["type"] = json!(without_null));
            let one_form: Vec<_> = names.iter().map(|name| json!({ "type": name })).collect();
            found.add("type by any of".into(), Classes(Compatible, Compatible), |it| {
                it.as_object_mut().unwrap().remove("type");
                it["anyOf"] = json!(one_form);
            });
        }
        _ => {}
    }
}

fn mutate_bounds(schema: &Value, found: &mut Mutations<'_>) {
    if schema.get("const").is_some() || schema.get("enum").is_some() {
        return;
    }
    let has = |names: &[&str]| {
        let types = [schema["type"].clone()];
        let types = schema["type"].as_array().map_or(&types[..], Vec::as_slice);
        types.iter().any(|it| names.iter().any(|name| it == name))
    };
    let numbers = has(&["integer", "number"]);
    for (keyword, applies, is_lower) in [
        ("minimum", numbers, true),
        ("maximum", numbers, false),
        ("minLength", has(&["string"]), true),
        ("maxLength", has(&["string"]), false),
        ("minItems", has(&["array"]), true),
        ("maxItems", has(&["array"]), false),
        ("minProperties", has(&["object"]), true),
        ("maxProperties", has(&["object"]), false),
    ] {
        if !applies {
            continue;
        }
        let Some(bound) = schema.get(keyword).and_then(Value::as_i64) else {
            found.add(format!("{keyword} added"), NARROWER, |it| it[keyword] = json!(3));
            continue;
        };
        let step = if is_lower { 1 } else { -1 };
        found.add(format!("{keyword} removed"), EXTENDED, |it| {
            drop(it.as_object_mut().unwrap().remove(keyword))
        });
        found.add(format!("{keyword} tighter"), NARROWER, |it| it[keyword] = json!(bound + step));
        if bound - step >= 0 || keyword == "minimum" {
            found.add(format!("{keyword} looser"), EXTENDED, |it| it[keyword] = json!(bound - step));
        }
    }
    if numbers {
        found.add("multiple".into(), NARROWER, |it| it["multipleOf"] = json!(2));
    }
    if has(&["string"]) {
        found.add("pattern".into(), NARROWER, |it| it["pattern"] = json!("^a"));
        let classes = if schema.get("format").is_some() { Classes(Risky, Risky) } else { NARROWER };
        found.add("format".into(), classes, |it| it["format"] = json!("uuid"));
    }
    if has(&["array"]) {
        if schema["uniqueItems"] == true {
            found.add("may repeat".into(), EXTENDED, |it| it["uniqueItems"] = json!(false));
        } else {
            found.add("unique".into(), NARROWER, |it| it["uniqueItems"] = json!(true));
        }
    }
    if schema["items"].is_array() {
        found.add("element added".into(), Classes(Breaking, Breaking), |it| {
            it["items"].as_array_mut().unwrap().push(json!(true))
        });
    }
    match schema["format"].as_str() {
        Some("double") => {
            found.add("no format".into(), Classes(Compatible, Compatible), |it| it["format"] = json!(null))
        }
        Some("uint8" | "uint32" | "int32") => {
            found.add("larger format".into(), EXTENDED, |it| it["format"] = json!("int64"));
        }
        Some("int64" | "uint64") => {
            found.add("smaller format".into(), NARROWER, |it| it["format"] = json!("uint8"));
        }
        _ => {}
    }
}

fn mutate_fields(schema: &Value, is_variant: bool, found: &mut Mutations<'_>) {
    if schema["type"] != "object" {
        return;
    }
    let is_closed = schema["additionalProperties"] == false;
    let is_map = schema["additionalProperties"].is_object();
    let empty = Map::new();
    let fields = schema["properties"].as_object().unwrap_or(&empty);
    // A key of a closed variant is its name, and so is a field with a constant.
    let is_key = is_variant && is_closed && fields.len() == 1;
    if !is_key && !is_map {
        let added = if is_closed { Risky } else { Compatible };
        found.add("optional field".into(), Classes(Compatible, added), |it| {
            it["properties"]["new"] = json!({ "type": "string" })
        });
        found.add("required field".into(), Classes(Breaking, added), |it| {
            it["properties"]["new"] = json!({ "type": "string" });
            push_required(it, "new");
        });
    }
    if is_closed {
        found.add("opened".into(), Classes(Compatible, Compatible), |it| {
            drop(it.as_object_mut().unwrap().remove("additionalProperties"))
        });
    } else {
        found.add("closed".into(), NARROWER, |it| it["additionalProperties"] = json!(false));
    }
    for (name, field) in fields {
        if field.get("const").is_some() || is_key {
            continue;
        }
        let is_required = schema["required"].as_array().is_some_and(|it| it.contains(&json!(name)));
        let removed = if is_closed { Classes(Breaking, Breaking) } else { WIDER };
        found.add(format!("field {name} removed"), removed, |it| {
            it["properties"].as_object_mut().unwrap().remove(name);
            remove_required(it, name);
        });
        if is_required {
            found.add(format!("field {name} optional"), WIDER, |it| remove_required(it, name));
        } else {
            found.add(format!("field {name} required"), NARROWER, |it| push_required(it, name));
        }
    }
}

pub(super) fn push_required(schema: &mut Value, name: &str) {
    let mut required = schema["required"].as_array().cloned().unwrap_or_default();
    required.push(json!(name));
    schema["required"] = Value::Array(required);
}

fn remove_required(schema: &mut Value, name: &str) {
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|it| it != name);
    }
}

#[test]
fn each_mutation_of_a_schema_has_the_classes_of_its_directions() {
    let document = fixture();
    let mut count = 0;
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (pointer, visited) in schemas(&document) {
        let schema = document.pointer(&pointer).unwrap().clone();
        for mutation in mutations(&schema, visited.is_variant) {
            let mut mutated = document.clone();
            *mutated.pointer_mut(&pointer).unwrap() = mutation.schema.clone();
            // `null` stands for an absent keyword.
            if let Some(fields) = mutated.pointer_mut(&pointer).unwrap().as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            // An equal schema in another spelling has no change.
            let is_same = ["type by any of", "no format"].contains(&&*mutation.name);
            let expected: BTreeSet<ChangeClass> = visited
                .ways
                .iter()
                .filter(|_| !is_same)
                .map(|way| if *way == Way::ToServer { mutation.classes.0 } else { mutation.classes.1 })
                .collect();
            let found = changes(&document, &mutated);
            let classes: BTreeSet<ChangeClass> = found.iter().map(|change| change.class).collect();
            if classes != expected {
                faults.push(format!(
                    "{pointer}: {}, {:?}: expected {expected:?}, found {found:#?}",
                    mutation.name, visited.ways
                ));
            }
            seen.extend(expected);
            count += 1;
        }
    }
    assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    assert!(count > 300, "only {count} mutations: the test does not find the schemas");
    assert_eq!(seen.len(), 4, "not all classes were expected: {seen:?}");
}
