//! Reads the keywords of one schema, without those that combine schemas.

use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::{
    branch::{Bound, Branch, Kind},
    pairs::inlined,
    scalar::range,
    shape::Shape,
};
use crate::{
    contract::check::document::{CheckError, Document, is_ignored},
    schema::sorted,
};

/// A keyword of a bound.
struct BoundKeyword {
    keyword: &'static str,
    /// The kind of the values that it restricts.
    kind: Kind,
    /// The name under which the inclusive and the exclusive form are compared.
    name: &'static str,
    is_lower: bool,
    is_exclusive: bool,
}

impl BoundKeyword {
    const fn lower(keyword: &'static str, kind: Kind) -> Self {
        Self { keyword, kind, name: keyword, is_lower: true, is_exclusive: false }
    }

    const fn upper(keyword: &'static str, kind: Kind) -> Self {
        Self { keyword, kind, name: keyword, is_lower: false, is_exclusive: false }
    }

    const fn exclusive(keyword: &'static str, inclusive: Self) -> Self {
        Self { keyword, is_exclusive: true, ..inclusive }
    }
}

const BOUNDS: &[BoundKeyword] = &[
    BoundKeyword::lower("minimum", Kind::Number),
    BoundKeyword::upper("maximum", Kind::Number),
    BoundKeyword::exclusive("exclusiveMinimum", BoundKeyword::lower("minimum", Kind::Number)),
    BoundKeyword::exclusive("exclusiveMaximum", BoundKeyword::upper("maximum", Kind::Number)),
    BoundKeyword::lower("minLength", Kind::String),
    BoundKeyword::upper("maxLength", Kind::String),
    BoundKeyword::lower("minItems", Kind::Array),
    BoundKeyword::upper("maxItems", Kind::Array),
    BoundKeyword::lower("minProperties", Kind::Object),
    BoundKeyword::upper("maxProperties", Kind::Object),
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

/// Reads the schemas of a document.
pub(super) struct Reader<'a> {
    pub(super) document: Document<'a>,
}

impl Reader<'_> {
    /// Reads the keywords that stand in the schema itself.
    pub(super) fn own(&self, schema: &Value, fields: &Map<String, Value>) -> Result<Shape, CheckError> {
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
            self.read_bounds(branch, fields)?;
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
            let is_known = KNOWN.contains(&&**keyword) || BOUNDS.iter().any(|bound| bound.keyword == keyword);
            if !is_known && !is_ignored(keyword) {
                shape.others.entry(keyword.clone()).or_default().push(inlined(self.document, value));
            }
        }
        Ok(shape)
    }

    /// Reads the bounds of one kind of values.
    fn read_bounds(&self, branch: &mut Branch, fields: &Map<String, Value>) -> Result<(), CheckError> {
        for keyword in BOUNDS.iter().filter(|keyword| keyword.kind == branch.kind) {
            let Some(value) = self.number(fields, keyword.keyword)? else { continue };
            let (is_lower, is_exclusive) = (keyword.is_lower, keyword.is_exclusive);
            let bound = Bound { value, is_lower, is_exclusive };
            // A length is never below zero.
            let is_empty = is_lower && branch.kind != Kind::Number && bound.value.as_f64() == Some(0.0);
            let is_tighter = |own: &Bound| bound.compare(own).is_gt();
            if !is_empty && branch.bounds.get(keyword.name).is_none_or(is_tighter) {
                branch.bounds.insert(keyword.name, bound);
            }
        }
        Ok(())
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

    pub(super) fn list<'v>(
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
    pub(super) fn error(&self, value: &Value, what: &str) -> CheckError {
        let text: String = value.to_string().chars().take(100).collect();
        self.document.error(text, what)
    }
}

/// Writes a value with sorted keys.
fn canonical(value: &Value) -> String {
    sorted(value.clone()).to_string()
}
