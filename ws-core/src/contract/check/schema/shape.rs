//! [`Shape`]: the normal form of a schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};

use super::{
    branch::{Bound, Branch, Kind},
    pairs::inlined,
    scalar::range,
};
use crate::{
    contract::check::document::{CheckError, Document, is_ignored},
    schema::sorted,
};

/// The deepest nesting of references and combinations in one schema.
const DEPTH: usize = 64;

/// The most alternatives of one schema.
const ALTERNATIVES: usize = 2_000;

/// The keywords of bounds: the kind that they apply to, the name under which both forms of a bound
/// are compared, whether they are lower bounds, and whether they are exclusive.
const BOUNDS: &[(&str, Kind, &str, bool, bool)] = &[
    ("minimum", Kind::Number, "minimum", true, false),
    ("exclusiveMinimum", Kind::Number, "minimum", true, true),
    ("maximum", Kind::Number, "maximum", false, false),
    ("exclusiveMaximum", Kind::Number, "maximum", false, true),
    ("minLength", Kind::String, "minLength", true, false),
    ("maxLength", Kind::String, "maxLength", false, false),
    ("minItems", Kind::Array, "minItems", true, false),
    ("maxItems", Kind::Array, "maxItems", false, false),
    ("minProperties", Kind::Object, "minProperties", true, false),
    ("maxProperties", Kind::Object, "maxProperties", false, false),
];

/// The keywords that are read elsewhere, or have no meaning for a client.
const KNOWN: &[&str] = &[
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "type",
    "const",
    "enum",
    "multipleOf",
    "pattern",
    "format",
    "items",
    "prefixItems",
    "additionalItems",
    "uniqueItems",
    "properties",
    "required",
    "patternProperties",
    "additionalProperties",
    "default",
    "example",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "$id",
    "definitions",
    "$defs",
];

/// The normal form of a schema.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The alternatives. At most one of each kind has a list of values.
    branches: Vec<Branch>,
    /// Whether the schema is an enum of serde: its alternatives are variants.
    pub(super) is_union: bool,
    /// The keywords that are not known, with their values.
    pub(super) others: BTreeMap<String, Vec<Value>>,
}

impl Shape {
    /// Reads a schema of a document.
    pub(super) fn read(document: Document<'_>, schema: &Value) -> Result<Self, CheckError> {
        let mut shape = Reader { document }.read(schema, 0)?;
        shape.simplify();
        Ok(shape)
    }

    pub(super) fn of(&self, kind: Kind) -> Vec<&Branch> {
        self.branches.iter().filter(|branch| branch.kind == kind).collect()
    }

    pub(super) fn kinds(&self) -> BTreeSet<Kind> {
        self.branches.iter().map(|branch| branch.kind).collect()
    }

    /// Returns the value of a constant.
    pub(super) fn constant(&self) -> Option<&str> {
        let [branch] = &*self.branches else { return None };
        let mut values = branch.values.as_ref()?.iter();
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    /// Describes the type.
    pub(super) fn type_name(&self) -> String {
        let kinds = self.kinds();
        if kinds.len() == Kind::ALL.len() {
            return "any value".into();
        }
        let names = kinds.into_iter().map(|kind| match kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Number if self.of(kind).iter().all(|branch| branch.is_integer) => "integer",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Array => "array",
            Kind::Object => "object",
        });
        let names: Vec<&str> = names.collect();
        if names.is_empty() { "no value".into() } else { names.join(" or ") }
    }

    fn any() -> Self {
        Self { branches: Kind::ALL.map(Branch::any).into(), is_union: false, others: BTreeMap::new() }
    }

    fn nothing() -> Self {
        Self { branches: Vec::new(), is_union: false, others: BTreeMap::new() }
    }

    /// Joins lists of constants, and removes branches that others contain.
    fn simplify(&mut self) {
        let mut branches: Vec<Branch> = Vec::new();
        for kind in Kind::ALL {
            let own: Vec<Branch> = self.of(kind).into_iter().cloned().collect();
            if own.contains(&Branch::any(kind)) {
                branches.push(Branch::any(kind));
                continue;
            }
            let mut values = BTreeSet::new();
            let mut plain: Vec<Branch> = Vec::new();
            for branch in own {
                match branch.values {
                    Some(listed) => values.extend(listed),
                    None if plain.contains(&branch) => {}
                    None => plain.push(branch),
                }
            }
            let all = match kind {
                Kind::Null => 1,
                Kind::Boolean => 2,
                _ => usize::MAX,
            };
            if values.len() >= all {
                branches.push(Branch::any(kind));
            } else if !values.is_empty() {
                branches.push(Branch { values: Some(values), ..Branch::any(kind) });
            }
            branches.extend(plain);
        }
        self.branches = branches;
    }
}

/// Reads the schemas of a document.
struct Reader<'a> {
    document: Document<'a>,
}

impl Reader<'_> {
    fn read(&self, schema: &Value, depth: usize) -> Result<Shape, CheckError> {
        if depth > DEPTH {
            return Err(self.error(schema, "the schema contains itself, or is nested too deeply"));
        }
        let fields = match schema {
            Value::Bool(true) => return Ok(Shape::any()),
            Value::Bool(false) => return Ok(Shape::nothing()),
            Value::Object(fields) => fields,
            _ => return Err(self.error(schema, "expected a schema")),
        };
        let mut shape = self.own(schema, fields)?;
        if let Some(reference) = fields.get("$ref") {
            let target = self.read(self.document.target(reference)?, depth + 1)?;
            shape = self.and(shape, target, schema)?;
        }
        for part in self.list(fields, "allOf")?.into_iter().flatten() {
            shape = self.and(shape, self.read(part, depth + 1)?, schema)?;
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(parts) = self.list(fields, keyword)? else { continue };
            let mut union = Shape::nothing();
            let mut others = 0;
            for part in parts {
                let part = self.read(part, depth + 1)?;
                others += usize::from(part.branches.iter().any(|branch| branch.kind != Kind::Null));
                union.is_union |= part.is_union;
                union.branches.extend(part.branches);
                join(&mut union.others, part.others);
                if union.branches.len() > ALTERNATIVES {
                    return Err(self.error(schema, "there are too many alternatives"));
                }
            }
            // One alternative and null are an option, not an enum. An enum may have one variant.
            union.is_union |= others > 1 || (keyword == "oneOf" && others == parts.len());
            shape = self.and(shape, union, schema)?;
        }
        Ok(shape)
    }

    /// Returns the values that both shapes allow.
    fn and(&self, one: Shape, other: Shape, schema: &Value) -> Result<Shape, CheckError> {
        let mut shape = Shape::nothing();
        shape.is_union = one.is_union || other.is_union;
        for branch in &one.branches {
            for other in other.branches.iter().filter(|other| other.kind == branch.kind) {
                shape.branches.extend(branch.clone().and(other.clone()));
                if shape.branches.len() > ALTERNATIVES {
                    return Err(self.error(schema, "there are too many alternatives"));
                }
            }
        }
        shape.others = one.others;
        join(&mut shape.others, other.others);
        Ok(shape)
    }

    /// Reads the keywords that stand in the schema itself.
    fn own(&self, schema: &Value, fields: &Map<String, Value>) -> Result<Shape, CheckError> {
        let mut shape = Shape::any();
        if let Some(types) = fields.get("type") {
            self.restrict_types(&mut shape, types)?;
        }
        for branch in &mut shape.branches {
            match branch.kind {
                Kind::Number => {
                    branch.multiples.extend(self.number(fields, "multipleOf")?.map(|it| it.to_string()))
                }
                Kind::String => branch.patterns.extend(self.text(fields, "pattern")?),
                Kind::Array => self.read_items(branch, fields)?,
                Kind::Object => self.read_fields(branch, fields)?,
                Kind::Null | Kind::Boolean => {}
            }
            if matches!(branch.kind, Kind::Number | Kind::String) {
                self.read_format(branch, fields)?;
            }
            for (keyword, kind, name, is_lower, is_exclusive) in BOUNDS {
                if *kind != branch.kind {
                    continue;
                }
                let Some(value) = self.number(fields, keyword)? else { continue };
                let bound = Bound { value, is_lower: *is_lower, is_exclusive: *is_exclusive };
                // A length is never below zero.
                let is_empty = *is_lower && *kind != Kind::Number && bound.value.as_f64() == Some(0.0);
                let is_tighter = |own: &Bound| bound.compare(own).is_gt();
                if !is_empty && branch.bounds.get(name).is_none_or(is_tighter) {
                    branch.bounds.insert(name, bound);
                }
            }
        }
        let constants = [self.list(fields, "enum")?, fields.get("const").map(std::slice::from_ref)];
        for values in constants.into_iter().flatten() {
            let mut listed = Shape::nothing();
            for value in values {
                let values = Some(BTreeSet::from([canonical(value)]));
                listed.branches.push(Branch { values, ..Branch::any(Kind::of(value)) });
            }
            listed.simplify();
            shape = self.and(shape, listed, schema)?;
        }
        for (keyword, value) in fields {
            let is_known = KNOWN.contains(&&**keyword) || BOUNDS.iter().any(|(name, ..)| name == keyword);
            if !is_known && !is_ignored(keyword) {
                shape.others.entry(keyword.clone()).or_default().push(inlined(self.document, value));
            }
        }
        Ok(shape)
    }

    fn restrict_types(&self, shape: &mut Shape, types: &Value) -> Result<(), CheckError> {
        let list = match types {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut names = BTreeSet::new();
        for name in list {
            let is_type = ["null", "boolean", "integer", "number", "string", "array", "object"];
            match name.as_str() {
                Some(name) if is_type.contains(&name) => drop(names.insert(name)),
                _ => return Err(self.error(name, "expected a type")),
            }
        }
        shape.branches.retain_mut(|branch| {
            branch.is_integer = !names.contains("number") && branch.kind == Kind::Number;
            match branch.kind {
                Kind::Null => names.contains("null"),
                Kind::Boolean => names.contains("boolean"),
                Kind::Number => names.contains("number") || names.contains("integer"),
                Kind::String => names.contains("string"),
                Kind::Array => names.contains("array"),
                Kind::Object => names.contains("object"),
            }
        });
        Ok(())
    }

    /// Reads the format. Those of numbers do not restrict strings, and the other way round;
    /// `double` restricts nothing.
    fn read_format(&self, branch: &mut Branch, fields: &Map<String, Value>) -> Result<(), CheckError> {
        let Some(format) = self.text(fields, "format")? else { return Ok(()) };
        let is_of_numbers = range(&format).is_some() || format == "float";
        if format != "double" && is_of_numbers == (branch.kind == Kind::Number) {
            branch.formats.insert(format);
        }
        Ok(())
    }

    fn read_items(&self, branch: &mut Branch, fields: &Map<String, Value>) -> Result<(), CheckError> {
        let rest = |keyword: &str| fields.get(keyword).cloned().unwrap_or(Value::Bool(true));
        let items = &mut branch.items;
        match (fields.get("prefixItems"), fields.get("items")) {
            (Some(_), _) => {
                items.first = self.list(fields, "prefixItems")?.unwrap_or_default().to_vec();
                items.rest = rest("items");
            }
            (None, Some(Value::Array(first))) => {
                items.first.clone_from(first);
                items.rest = rest("additionalItems");
            }
            (None, _) => items.rest = rest("items"),
        }
        items.are_unique = fields.get("uniqueItems") == Some(&Value::Bool(true));
        Ok(())
    }

    fn read_fields(&self, branch: &mut Branch, keywords: &Map<String, Value>) -> Result<(), CheckError> {
        let fields = &mut branch.fields;
        for (keyword, map) in
            [("properties", &mut fields.properties), ("patternProperties", &mut fields.patterns)]
        {
            match keywords.get(keyword) {
                None => {}
                Some(Value::Object(found)) => {
                    map.extend(found.iter().map(|(name, schema)| (name.clone(), schema.clone())));
                }
                Some(other) => return Err(self.error(other, &format!("expected an object as `{keyword}`"))),
            }
        }
        for name in self.list(keywords, "required")?.into_iter().flatten() {
            let name = name.as_str().ok_or_else(|| self.error(name, "expected the name of a field"))?;
            fields.required.insert(name.to_owned());
        }
        fields.additional = keywords.get("additionalProperties").cloned().unwrap_or(Value::Bool(true));
        Ok(())
    }

    fn list<'v>(
        &self,
        fields: &'v Map<String, Value>,
        keyword: &str,
    ) -> Result<Option<&'v [Value]>, CheckError> {
        match fields.get(keyword) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(self.error(other, &format!("expected a list as `{keyword}`"))),
        }
    }

    fn number(&self, fields: &Map<String, Value>, keyword: &str) -> Result<Option<Number>, CheckError> {
        match fields.get(keyword) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number.clone())),
            Some(other) => Err(self.error(other, &format!("expected a number as `{keyword}`"))),
        }
    }

    fn text(&self, fields: &Map<String, Value>, keyword: &str) -> Result<Option<String>, CheckError> {
        match fields.get(keyword) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => Err(self.error(other, &format!("expected a text as `{keyword}`"))),
        }
    }

    /// Returns an error that shows the beginning of the damaged value.
    fn error(&self, value: &Value, what: &str) -> CheckError {
        let text: String = value.to_string().chars().take(100).collect();
        self.document.error(text, what)
    }
}

fn join(others: &mut BTreeMap<String, Vec<Value>>, more: BTreeMap<String, Vec<Value>>) {
    for (keyword, values) in more {
        others.entry(keyword).or_default().extend(values);
    }
}

/// Writes a value with sorted keys.
fn canonical(value: &Value) -> String {
    sorted(value.clone()).to_string()
}
