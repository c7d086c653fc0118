//! Finds each variant of a type in another version of the type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    branch::{Branch, Fields},
    shape::Shape,
};
use crate::contract::check::document::{CheckError, Document, is_ignored};

/// The deepest reference that is followed to tell variants without a name apart.
const DEPTH: usize = 4;

/// The most values of a schema that are read to tell variants without a name apart.
const BUDGET: usize = 2_000;

/// The branches of two types.
#[derive(Debug, Default)]
pub(super) struct Found<'b> {
    pub(super) pairs: Vec<Pair<'b>>,
    /// The variants that only the old type has.
    pub(super) gone: Vec<String>,
    /// The variants that only the new type has.
    pub(super) added: Vec<String>,
}

/// A variant of both types.
#[derive(Debug)]
pub(super) struct Pair<'b> {
    pub(super) old: &'b Branch,
    pub(super) new: &'b Branch,
    /// The name of the variant; empty if the type has no variants.
    pub(super) label: String,
}

/// Finds the pairs of branches of one kind.
pub(super) fn find<'b>(
    old: &'b [Branch],
    new: &'b [Branch],
    old_document: Document<'_>,
    new_document: Document<'_>,
) -> Result<Found<'b>, CheckError> {
    if let ([old], [new]) = (old, new) {
        return Ok(Found { pairs: vec![Pair { old, new, label: String::new() }], ..Found::default() });
    }
    let describe = |branches: &'b [Branch], document| -> Result<Vec<Variant<'b>>, CheckError> {
        branches.iter().enumerate().map(|(index, it)| Variant::new(it, index, document)).collect()
    };
    let (old, new) = (describe(old, old_document)?, describe(new, new_document)?);
    let mut matching = Matching { old, new, pairs: Vec::new() };
    // First equal ones, then those of one name, then similar ones.
    matching.pair(|one, other| one.contents == other.contents && one.may_be(other));
    matching.pair(|one, other| one.is_named() && one.tags == other.tags && one.only == other.only);
    matching.pair(|one, other| one.shares_a_tag(other) && one.may_be(other));
    matching.pair(Variant::may_be);
    Ok(Found {
        pairs: matching.pairs,
        gone: matching.old.iter().map(Variant::label).collect(),
        added: matching.new.iter().map(Variant::label).collect(),
    })
}

/// The variants of two types, of which some are paired.
struct Matching<'b> {
    old: Vec<Variant<'b>>,
    new: Vec<Variant<'b>>,
    pairs: Vec<Pair<'b>>,
}

impl<'b> Matching<'b> {
    /// Pairs each old variant with the most similar new one that a rule allows.
    fn pair(&mut self, rule: impl Fn(&Variant<'b>, &Variant<'b>) -> bool) {
        let (new, pairs) = (&mut self.new, &mut self.pairs);
        self.old.retain(|one| {
            let candidates = new.iter().enumerate().filter(|(_, other)| rule(one, other));
            let best = candidates.max_by_key(|(index, other)| (one.likeness(other), usize::MAX - index));
            let Some(index) = best.map(|(index, _)| index) else { return true };
            let other = new.remove(index);
            pairs.push(Pair { old: one.branch, new: other.branch, label: one.label() });
            false
        });
    }
}

/// A branch, and what tells it apart from others.
#[derive(Debug)]
struct Variant<'b> {
    branch: &'b Branch,
    index: usize,
    /// The required fields with a constant: `{"type": "circle", ..}`.
    tags: BTreeMap<&'b str, String>,
    /// The only field of a closed object: `{"circle": ..}`.
    only: Option<&'b str>,
    names: BTreeSet<&'b str>,
    /// The whole branch as a text, without documentation and names of components.
    contents: String,
}

impl<'b> Variant<'b> {
    fn new(branch: &'b Branch, index: usize, document: Document<'_>) -> Result<Self, CheckError> {
        let fields = &branch.fields;
        let mut tags = BTreeMap::new();
        for name in &fields.required {
            if let Some(schema) = fields.properties.get(name)
                && let Some(value) = Shape::read(document, schema)?.constant()
            {
                tags.insert(&**name, value.to_owned());
            }
        }
        let contents = contents(branch, document);
        Ok(Self { branch, index, tags, only: only_field(fields), names: fields.names(), contents })
    }

    fn is_named(&self) -> bool {
        !self.tags.is_empty() || self.only.is_some()
    }

    fn shares_a_tag(&self, other: &Self) -> bool {
        self.tags.iter().any(|(name, value)| other.tags.get(name) == Some(value))
    }

    /// Whether no name tells the two apart.
    fn may_be(&self, other: &Self) -> bool {
        let is_other = |(name, value): (&&str, &String)| other.tags.get(name).is_some_and(|it| it != value);
        let is_other_only = self.only.is_some() && other.only.is_some() && self.only != other.only;
        !is_other_only && !self.tags.iter().any(is_other)
    }

    fn likeness(&self, other: &Self) -> usize {
        self.names.intersection(&other.names).count()
    }

    fn label(&self) -> String {
        let tags: Vec<&str> = self.tags.values().map(|value| value.trim_matches('"')).collect();
        match self.only {
            _ if !tags.is_empty() => tags.join(" "),
            Some(only) => only.to_owned(),
            None => (self.index + 1).to_string(),
        }
    }
}

/// Returns the only field of a closed object.
fn only_field(fields: &Fields) -> Option<&str> {
    let is_only = fields.additional == Value::Bool(false) && fields.properties.len() == 1;
    fields.properties.keys().next().map(String::as_str).filter(|_| is_only)
}

/// Writes a branch as a text.
fn contents(branch: &Branch, document: Document<'_>) -> String {
    let mut branch = branch.clone();
    let mut inliner = Inliner { document, budget: BUDGET };
    let (items, fields) = (&mut branch.items, &mut branch.fields);
    let schemas = items
        .first
        .iter_mut()
        .chain([&mut items.rest, &mut fields.additional])
        .chain(fields.properties.values_mut())
        .chain(fields.patterns.values_mut());
    for schema in schemas {
        *schema = inliner.schema(schema, 0);
    }
    format!("{branch:?}")
}

/// Returns a schema without documentation, with references replaced by what they refer to. Deep
/// references, and what is beyond the budget of values, are left out.
pub(super) fn inlined(document: Document<'_>, schema: &Value) -> Value {
    Inliner { document, budget: BUDGET }.schema(schema, 0)
}

/// Replaces references.
struct Inliner<'a> {
    document: Document<'a>,
    budget: usize,
}

impl Inliner<'_> {
    fn schema(&mut self, schema: &Value, depth: usize) -> Value {
        let Some(budget) = self.budget.checked_sub(1) else { return Value::Null };
        self.budget = budget;
        match schema {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref") {
                    return match self.document.target(reference) {
                        Ok(target) if depth < DEPTH => self.schema(target, depth + 1),
                        _ => Value::Null,
                    };
                }
                let fields = fields.iter().filter(|(name, _)| !is_ignored(name) && *name != "default");
                let inlined = fields.map(|(name, value)| match (&**name, value) {
                    // Fields may have the names of keywords.
                    ("properties" | "patternProperties", Value::Object(fields)) => {
                        (name.clone(), self.fields(fields, depth))
                    }
                    _ => (name.clone(), self.schema(value, depth)),
                });
                Value::Object(inlined.collect())
            }
            Value::Array(list) => list.iter().map(|value| self.schema(value, depth)).collect(),
            other => other.clone(),
        }
    }

    fn fields(&mut self, fields: &Map<String, Value>, depth: usize) -> Value {
        let inlined = fields.iter().map(|(name, value)| (name.clone(), self.schema(value, depth)));
        Value::Object(inlined.collect())
    }
}
