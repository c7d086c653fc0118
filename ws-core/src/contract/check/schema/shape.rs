//! [`Shape`]: the normal form of a schema.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    branch::{Branch, Kind},
    keywords::Reader,
};
use crate::contract::check::document::{CheckError, Document};

/// The deepest nesting of references and combinations in one schema.
const DEPTH: usize = 64;

/// The most alternatives of one schema.
const ALTERNATIVES: usize = 2_000;

/// The normal form of a schema.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The alternatives. At most one of each kind has a list of values.
    pub(super) branches: Vec<Branch>,
    /// Whether the schema is an enum of serde: its alternatives are variants.
    pub(super) is_union: bool,
    /// The keywords that are not known, with their values.
    pub(super) others: BTreeMap<String, Vec<Value>>,
}

impl Shape {
    /// Reads a schema of a document.
    pub(super) fn read(document: Document<'_>, schema: &Value) -> Result<Self, CheckError> {
        let mut shape = Reader { document }.shape(schema, 0)?;
        shape.simplify();
        Ok(shape)
    }

    /// Whether the schema allows any value.
    pub(super) fn is_any(&self) -> bool {
        self.branches.len() == Kind::ALL.len() && self.branches.iter().all(Branch::is_any)
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
        if self.is_any() {
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

    /// Whether joining this shape with another one changes nothing.
    fn is_neutral(&self) -> bool {
        !self.is_union && self.others.is_empty() && self.is_any()
    }

    pub(super) fn any() -> Self {
        Self { branches: Kind::ALL.map(Branch::any).into(), is_union: false, others: BTreeMap::new() }
    }

    pub(super) fn nothing() -> Self {
        Self { branches: Vec::new(), is_union: false, others: BTreeMap::new() }
    }

    /// Joins lists of constants, and removes branches that others contain.
    pub(super) fn simplify(&mut self) {
        let mut branches: Vec<Branch> = Vec::new();
        for kind in Kind::ALL {
            let own: Vec<Branch> = self.of(kind).into_iter().cloned().collect();
            if own.iter().any(Branch::is_any) {
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

impl Reader<'_> {
    fn shape(&self, schema: &Value, depth: usize) -> Result<Shape, CheckError> {
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
            let target = self.shape(self.document.target(reference)?, depth + 1)?;
            shape = self.and(shape, target, schema)?;
        }
        for part in self.list(fields, "allOf")?.into_iter().flatten() {
            shape = self.and(shape, self.shape(part, depth + 1)?, schema)?;
        }
        for keyword in ["anyOf", "oneOf"] {
            let Some(parts) = self.list(fields, keyword)? else { continue };
            let mut union = Shape::nothing();
            let mut others = 0;
            for part in parts {
                let part = self.shape(part, depth + 1)?;
                others += usize::from(part.branches.iter().any(|branch| branch.kind != Kind::Null));
                union.is_union |= part.is_union;
                union.branches.extend(part.branches);
                join(&mut union.others, part.others);
                if union.branches.len() > ALTERNATIVES {
                    return Err(self.error(schema, "too many alternatives"));
                }
            }
            // One alternative and null are an option, not an enum. An enum may have one variant.
            union.is_union |= others > 1 || (keyword == "oneOf" && others == parts.len());
            shape = self.and(shape, union, schema)?;
        }
        Ok(shape)
    }

    /// Returns the values that both shapes allow.
    pub(super) fn and(&self, one: Shape, other: Shape, schema: &Value) -> Result<Shape, CheckError> {
        if one.is_neutral() {
            return Ok(other);
        }
        let mut shape = Shape::nothing();
        shape.is_union = one.is_union || other.is_union;
        for branch in &one.branches {
            for other in other.branches.iter().filter(|other| other.kind == branch.kind) {
                shape.branches.extend(branch.clone().and(other.clone()));
                if shape.branches.len() > ALTERNATIVES {
                    return Err(self.error(schema, "too many alternatives"));
                }
            }
        }
        shape.others = one.others;
        join(&mut shape.others, other.others);
        Ok(shape)
    }
}

fn join(others: &mut BTreeMap<String, Vec<Value>>, more: BTreeMap<String, Vec<Value>>) {
    for (keyword, values) in more {
        others.entry(keyword).or_default().extend(values);
    }
}
