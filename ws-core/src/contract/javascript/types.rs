//! JSON Schema, draft 7, as TypeScript types.
//!
//! A type accepts every value of its schema. Conditions that TypeScript cannot express, such as a
//! length or a pattern, are left out.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    names::{Names, is_identifier},
    text::{doc_comment, literal, paragraphs},
};

/// The beginning of a reference to a component.
const COMPONENTS: &str = "#/components/schemas/";
/// The longest array of a fixed length that is written as a tuple.
const TUPLE: u64 = 8;
/// The longest object type that is written in one line, in bytes.
const LINE: usize = 80;
/// The largest integer up to which all are exact in JavaScript.
const EXACT: f64 = 9_007_199_254_740_991.0;
/// The note on integers beyond that.
const INEXACT: &str = "An integer that may have more than 53 bits; JavaScript rounds beyond 2^53 - 1.";

/// Writes the types of data.
#[derive(Debug)]
pub(super) struct Types<'a> {
    names: &'a Names,
}

/// A type, and how strongly its parts are bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Written {
    text: String,
    binding: Binding,
}

/// Weakest first: a part that is bound more weakly than its surroundings needs parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Union,
    Intersection,
    Single,
}

impl Written {
    fn single(text: impl Into<String>) -> Self {
        Self { text: text.into(), binding: Binding::Single }
    }

    fn inside(&self, binding: Binding) -> String {
        if self.binding < binding { format!("({})", self.text) } else { self.text.clone() }
    }
}

impl<'a> Types<'a> {
    pub(super) fn new(names: &'a Names) -> Self {
        Self { names }
    }

    /// Returns the type of a schema, for use in a line with this indentation.
    pub(super) fn of(&self, schema: &Value, indent: usize) -> String {
        self.write(schema, indent).text
    }

    /// Returns the exported type of a component.
    pub(super) fn declaration(&self, component: &str, schema: &Value) -> String {
        let name = self.names.types.get(component).map_or("", String::as_str);
        self.exported(name, schema)
    }

    /// Returns the exported type of a schema.
    pub(super) fn exported(&self, name: &str, schema: &Value) -> String {
        let docs = doc_comment(&docs(schema), 0);
        match schema.as_object().filter(|schema| is_plain_object(schema)) {
            Some(schema) => format!("\n{docs}export interface {name} {}\n", self.body(schema, 0)),
            None => format!("\n{docs}export type {name} ={};\n", self.alias(schema)),
        }
    }

    /// Returns the right side of a type alias. A union that is long or whose members have docs is
    /// one member a line.
    fn alias(&self, schema: &Value) -> String {
        let line = format!(" {}", self.of(schema, 0));
        let branches = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(key)?.as_array());
        let has_docs = |branch: &Value| !description(branch).is_empty();
        let is_long = line.len() > LINE || line.contains('\n');
        match branches.filter(|branches| is_only_union(schema) && (is_long || branches.iter().any(has_docs)))
        {
            Some(branches) => {
                let branch = |branch: &Value| {
                    let docs = doc_comment(description(branch), 2);
                    format!("\n{docs}  | {}", self.write(branch, 2).inside(Binding::Intersection))
                };
                branches.iter().map(branch).collect()
            }
            None => line,
        }
    }

    fn write(&self, schema: &Value, indent: usize) -> Written {
        match schema {
            Value::Bool(false) => Written::single("never"),
            Value::Object(schema) => self.write_object(schema, indent),
            _ => Written::single("unknown"),
        }
    }

    /// Every keyword restricts the values, so the type is the intersection of all.
    fn write_object(&self, schema: &Map<String, Value>, indent: usize) -> Written {
        // In draft 7, the keywords beside a reference have no meaning.
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return Written::single(self.reference(reference));
        }
        let mut parts = Vec::new();
        if let Some(value) = schema.get("const") {
            parts.push(Written::single(constant(value)));
        } else if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            parts.push(union(values.iter().map(|value| Written::single(constant(value)))));
        } else if let Some(by_type) = self.by_type(schema, indent) {
            parts.push(by_type);
        }
        for keyword in ["oneOf", "anyOf"] {
            if let Some(branches) = schema.get(keyword).and_then(Value::as_array) {
                parts.push(union(branches.iter().map(|branch| self.write(branch, indent))));
            }
        }
        if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
            parts.extend(all.iter().map(|part| self.write(part, indent)));
        }
        intersection(parts)
    }

    fn reference(&self, reference: &str) -> String {
        let name = reference.strip_prefix(COMPONENTS).and_then(|name| self.names.types.get(name));
        name.map_or("unknown", String::as_str).to_owned()
    }

    /// Returns the union of the types in `type`, or the type that the other keywords imply.
    fn by_type(&self, schema: &Map<String, Value>, indent: usize) -> Option<Written> {
        let of = |name: &str| match name {
            "string" => Written::single("string"),
            "integer" | "number" => Written::single("number"),
            "boolean" => Written::single("boolean"),
            "null" => Written::single("null"),
            "array" => self.array(schema, indent),
            "object" => Written::single(self.body_or_map(schema, indent)),
            _ => Written::single("unknown"),
        };
        match schema.get("type") {
            Some(Value::String(name)) => Some(of(name)),
            Some(Value::Array(names)) => Some(union(names.iter().filter_map(Value::as_str).map(of))),
            _ if schema.contains_key("properties") => Some(of("object")),
            _ if schema.contains_key("items") => Some(of("array")),
            _ => None,
        }
    }

    fn array(&self, schema: &Map<String, Value>, indent: usize) -> Written {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64);
        let item = |item: &Value| self.write(item, indent).inside(Binding::Single);
        match schema.get("items") {
            Some(Value::Array(items)) => {
                let optional = |number: usize| if (number as u64) < least { "" } else { "?" };
                let mut parts: Vec<String> = items
                    .iter()
                    .enumerate()
                    .map(|(number, schema)| format!("{}{}", item(schema), optional(number)))
                    .collect();
                let more = schema.get("additionalItems").unwrap_or(&Value::Bool(true));
                if *more != Value::Bool(false) && most.is_none_or(|most| most > items.len() as u64) {
                    parts.push(format!("...{}[]", item(more)));
                }
                Written::single(format!("[{}]", parts.join(", ")))
            }
            items => {
                let item = items.map_or_else(|| "unknown".to_owned(), item);
                match most {
                    Some(most) if most == least && most <= TUPLE => {
                        let parts = vec![item; usize::try_from(most).unwrap_or_default()];
                        Written::single(format!("[{}]", parts.join(", ")))
                    }
                    _ => Written::single(format!("{item}[]")),
                }
            }
        }
    }

    /// Returns an object type in one line if it is short and its fields have no docs.
    fn body_or_map(&self, schema: &Map<String, Value>, indent: usize) -> String {
        let fields = properties(schema);
        if fields.values().all(|field| docs(field).is_empty()) {
            let parts: Vec<String> =
                self.members(schema, indent).into_iter().map(|(_, member)| member).collect();
            let line = match parts.is_empty() {
                true if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                    "{ [key: string]: never }".to_owned()
                }
                true => "{ [key: string]: unknown }".to_owned(),
                false => format!("{{ {} }}", parts.join("; ")),
            };
            if line.len() <= LINE && !line.contains('\n') {
                return line;
            }
        }
        self.body(schema, indent)
    }

    /// Returns an object type with a field a line.
    fn body(&self, schema: &Map<String, Value>, indent: usize) -> String {
        let pad = " ".repeat(indent + 2);
        let member =
            |(docs, member): (String, String)| format!("{}{pad}{member};\n", doc_comment(&docs, indent + 2));
        let members: String = self.members(schema, indent + 2).into_iter().map(member).collect();
        format!("{{\n{members}{}}}", " ".repeat(indent))
    }

    /// Returns the fields of an object type, each with its docs.
    fn members(&self, schema: &Map<String, Value>, indent: usize) -> Vec<(String, String)> {
        let required: BTreeSet<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fields = properties(schema);
        let mut members = Vec::new();
        let mut types = Vec::new();
        let mut are_required = true;
        for (name, field) in &fields {
            let is_required = required.contains(&***name);
            are_required &= is_required;
            let ty = self.write(field, indent);
            members.push((docs(field), format!("{}: {}", key(name, is_required), ty.text)));
            types.push(ty);
        }
        let others: Vec<Written> = others(schema).map(|other| self.write(other, indent)).collect();
        if !others.is_empty() {
            // The type of an index signature includes those of all fields.
            let absent = (!are_required).then(|| Written::single("undefined"));
            let ty = union(others.into_iter().chain(types).chain(absent));
            members.push((String::new(), format!("[key: string]: {}", ty.text)));
        }
        members
    }
}

fn properties(schema: &Map<String, Value>) -> std::collections::BTreeMap<&String, &Value> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().collect()
}

/// Returns the schemas of the fields without a name of their own.
fn others(schema: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let additional = schema.get("additionalProperties").filter(|it| !it.is_boolean());
    patterns.map(|(_, schema)| schema).chain(additional)
}

/// Returns the name of a field as it is written.
pub(super) fn key(name: &str, is_required: bool) -> String {
    let name = if is_identifier(name) { name.to_owned() } else { literal(name) };
    if is_required { name } else { format!("{name}?") }
}

/// Whether a schema is an object with fields and without further conditions.
fn is_plain_object(schema: &Map<String, Value>) -> bool {
    let is_object = schema.get("type").is_none_or(|ty| ty == "object");
    let has_fields = schema.get("properties").and_then(Value::as_object).is_some_and(|it| !it.is_empty());
    is_object
        && has_fields
        && !["$ref", "allOf", "anyOf", "const", "enum", "oneOf"].iter().any(|it| schema.contains_key(*it))
}

/// Whether a schema has no condition beside its branches.
fn is_only_union(schema: &Value) -> bool {
    let conditions = ["$ref", "allOf", "const", "enum", "properties", "type"];
    let unions = ["anyOf", "oneOf"].iter().filter(|it| schema.get(**it).is_some()).count();
    unions == 1 && conditions.iter().all(|it| schema.get(*it).is_none())
}

fn constant(value: &Value) -> String {
    match value {
        Value::String(text) => literal(text),
        Value::Array(_) | Value::Object(_) => "unknown".to_owned(),
        value => value.to_string(),
    }
}

fn union(parts: impl IntoIterator<Item = Written>) -> Written {
    let mut unique: Vec<Written> = Vec::new();
    for part in parts {
        if part.text == "unknown" {
            return part;
        }
        if part.text != "never" && !unique.contains(&part) {
            unique.push(part);
        }
    }
    joined(unique, " | ", Binding::Union, "never")
}

fn intersection(parts: Vec<Written>) -> Written {
    let mut unique: Vec<Written> = Vec::new();
    for part in parts {
        if part.text != "unknown" && !unique.contains(&part) {
            unique.push(part);
        }
    }
    joined(unique, " & ", Binding::Intersection, "unknown")
}

fn joined(mut parts: Vec<Written>, separator: &str, binding: Binding, empty: &str) -> Written {
    match parts.len() {
        0 => Written::single(empty),
        1 => parts.remove(0),
        _ => {
            let parts: Vec<String> = parts.iter().map(|part| part.inside(binding)).collect();
            Written { text: parts.join(separator), binding }
        }
    }
}

fn description(schema: &Value) -> &str {
    schema.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the doc comment of a schema, with a note on large integers.
pub(super) fn docs(schema: &Value) -> String {
    let deprecated = if schema.get("deprecated") == Some(&Value::Bool(true)) { "@deprecated" } else { "" };
    paragraphs([description(schema), if is_inexact(schema) { INEXACT } else { "" }, deprecated])
}

/// Whether a schema, or an item or a branch of it, has integers that JavaScript rounds.
fn is_inexact(schema: &Value) -> bool {
    let is_wide = |format: &str| matches!(format, "int64" | "uint64" | "int128" | "uint128" | "int" | "uint");
    let bound =
        |keyword: &str| schema.get(keyword).and_then(Value::as_f64).is_some_and(|it| it.abs() > EXACT);
    let is_number = schema.get("format").and_then(Value::as_str).is_some_and(is_wide)
        && !schema.get("maximum").and_then(Value::as_f64).is_some_and(|most| most <= EXACT);
    let items = schema.get("items").into_iter().flat_map(|items| match items {
        Value::Array(items) => items.iter().collect(),
        items => vec![items],
    });
    let branches =
        ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|it| schema.get(it)?.as_array()).flatten();
    is_number || bound("maximum") || bound("minimum") || items.chain(branches).any(is_inexact)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contract::model::Contract;

    fn names() -> Names {
        let schemas = [("Said".to_owned(), json!(true)), ("Error".to_owned(), json!(true))].into();
        Names::new(&Contract { schemas, ..Contract::default() })
    }

    #[test]
    fn a_schema_is_a_type() {
        let names = names();
        let types = Types::new(&names);
        let said = json!({ "$ref": "#/components/schemas/Said" });
        let fields =
            json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] });
        for (schema, expected) in [
            (json!(true), "unknown"),
            (json!({}), "unknown"),
            (json!(false), "never"),
            (said.clone(), "Said"),
            (json!({ "$ref": "#/components/schemas/Error" }), "ErrorData"),
            (json!({ "$ref": "#/elsewhere" }), "unknown"),
            (json!({ "type": "integer", "format": "uint8" }), "number"),
            (json!({ "type": ["boolean", "null"] }), "boolean | null"),
            (json!({ "const": "a\"b" }), r#""a\"b""#),
            (json!({ "enum": ["a", 1, null, true], "type": "string" }), r#""a" | 1 | null | true"#),
            (json!({ "type": "array", "items": { "type": ["string", "null"] } }), "(string | null)[]"),
            (json!({ "type": "array" }), "unknown[]"),
            (
                json!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 }),
                "[number, number]",
            ),
            (
                json!({ "type": "array", "items": { "type": "number" }, "minItems": 9, "maxItems": 9 }),
                "number[]",
            ),
            (
                json!({ "type": "array", "items": [{ "type": "string" }, said], "minItems": 1, "maxItems": 2 }),
                "[string, Said?]",
            ),
            (
                json!({ "type": "array", "items": [{ "type": "string" }], "minItems": 1 }),
                "[string, ...unknown[]]",
            ),
            (json!({ "anyOf": [said, { "type": "null" }, said] }), "Said | null"),
            (json!({ "anyOf": [said, true] }), "unknown"),
            (json!({ "allOf": [said], "default": 1 }), "Said"),
            (
                json!({ "allOf": [said, { "anyOf": [fields, { "type": "null" }] }] }),
                "Said & ({ a: string } | null)",
            ),
            (
                json!({ "properties": { "a": { "type": "string" } }, "oneOf": [said, fields] }),
                "{ a?: string } & (Said | { a: string })",
            ),
            (json!({ "type": "object" }), "{ [key: string]: unknown }"),
            (json!({ "type": "object", "additionalProperties": false }), "{ [key: string]: never }"),
            (json!({ "type": "object", "additionalProperties": said }), "{ [key: string]: Said }"),
            (
                json!({ "type": "object", "patternProperties": { "^\\d+$": said }, "additionalProperties": false }),
                "{ [key: string]: Said }",
            ),
            (
                json!({
                    "type": "object",
                    "properties": { "a-b": { "type": "string" } },
                    "additionalProperties": { "type": "number" }
                }),
                r#"{ "a-b"?: string; [key: string]: number | string | undefined }"#,
            ),
        ] {
            assert_eq!(types.of(&schema, 0), expected, "{schema}");
        }
    }

    #[test]
    fn docs_go_with_the_fields_and_with_the_members_of_a_union() {
        let names = names();
        let types = Types::new(&names);
        let object = json!({
            "description": "A line.",
            "type": "object",
            "properties": {
                "id": { "type": "integer", "format": "uint64" },
                "at": { "type": "object", "properties": { "x": { "type": "number", "description": "Metres." } } }
            },
            "required": ["id"]
        });
        assert_eq!(
            types.declaration("Said", &object),
            format!(
                "\n/** A line. */\nexport interface Said {{\n  at?: {{\n    /** Metres. */\n    x?: number;\n  }};\n  \
                 /** {INEXACT} */\n  id: number;\n}}\n"
            )
        );
        let variants = json!({ "oneOf": [{ "const": "a", "description": "First." }, { "const": "b" }] });
        assert_eq!(
            types.declaration("Said", &variants),
            "\nexport type Said =\n  /** First. */\n  | \"a\"\n  | \"b\";\n"
        );
    }

    #[test]
    fn integers_beyond_2_to_the_53rd_are_noted() {
        for (schema, expected) in [
            (json!({ "format": "int64" }), true),
            (json!({ "format": "uint64", "maximum": 1000 }), false),
            (json!({ "format": "uint32" }), false),
            (json!({ "items": { "anyOf": [{ "format": "uint64" }] } }), true),
            (json!({ "items": [{ "type": "string" }, { "maximum": 1e17 }] }), true),
            (json!({ "$ref": "#/components/schemas/Said" }), false),
        ] {
            assert_eq!(is_inexact(&schema), expected, "{schema}");
        }
    }
}
