//! [`Branch`]: the values of one kind that a schema allows.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Number, Value, json};

/// A kind of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Null, Self::Boolean, Self::Number, Self::String, Self::Array, Self::Object];

    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }
}

/// Values of one kind. The default of a field allows all of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branch {
    pub(super) kind: Kind,
    /// The only values that are allowed, in JSON. They fulfil the rest of the branch.
    pub(super) values: Option<BTreeSet<String>>,
    /// Whether numbers must be whole.
    pub(super) is_integer: bool,
    /// The bounds by the name of their keyword, such as `maxLength`.
    pub(super) bounds: BTreeMap<&'static str, Bound>,
    pub(super) multiples: BTreeSet<String>,
    pub(super) patterns: BTreeSet<String>,
    pub(super) formats: BTreeSet<String>,
    pub(super) items: Items,
    pub(super) fields: Fields,
}

/// A bound of a number, a length or a size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bound {
    pub(super) value: Number,
    pub(super) is_lower: bool,
    /// Whether the value itself is not allowed.
    pub(super) is_exclusive: bool,
}

/// The elements of an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Items {
    /// The schemas of the first elements: a tuple.
    pub(super) first: Vec<Value>,
    /// The schema of all others.
    pub(super) rest: Value,
    pub(super) are_unique: bool,
}

/// The fields of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    pub(super) properties: BTreeMap<String, Value>,
    pub(super) required: BTreeSet<String>,
    pub(super) patterns: BTreeMap<String, Value>,
    /// The schema of all other fields.
    pub(super) additional: Value,
}

impl Branch {
    /// All values of a kind.
    pub(super) fn any(kind: Kind) -> Self {
        Self {
            kind,
            values: None,
            is_integer: false,
            bounds: BTreeMap::new(),
            multiples: BTreeSet::new(),
            patterns: BTreeSet::new(),
            formats: BTreeSet::new(),
            items: Items { first: Vec::new(), rest: Value::Bool(true), are_unique: false },
            fields: Fields {
                properties: BTreeMap::new(),
                required: BTreeSet::new(),
                patterns: BTreeMap::new(),
                additional: Value::Bool(true),
            },
        }
    }

    /// Whether all values of the kind are allowed.
    pub(super) fn is_any(&self) -> bool {
        *self == Self::any(self.kind)
    }

    /// Returns the values of this kind that both branches allow; `None` if there are none.
    pub(super) fn and(mut self, other: Self) -> Option<Self> {
        self.values = match (self.values, other.values) {
            (Some(one), Some(other)) => Some(one.intersection(&other).cloned().collect()),
            (one, other) => one.or(other),
        };
        if self.values.as_ref().is_some_and(BTreeSet::is_empty) {
            return None;
        }
        self.is_integer |= other.is_integer;
        for (name, bound) in other.bounds {
            match self.bounds.get(name) {
                Some(own) if bound.compare(own) != Ordering::Greater => {}
                _ => drop(self.bounds.insert(name, bound)),
            }
        }
        self.multiples.extend(other.multiples);
        self.patterns.extend(other.patterns);
        self.formats.extend(other.formats);
        self.items = self.items.and(other.items);
        self.fields = self.fields.and(other.fields);
        Some(self)
    }
}

impl Bound {
    /// Compares two bounds of one keyword; the greater one is tighter.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let order = compare_numbers(&self.value, &other.value);
        let order = if self.is_lower { order } else { order.reverse() };
        order.then(self.is_exclusive.cmp(&other.is_exclusive))
    }
}

fn compare_numbers(one: &Number, other: &Number) -> Ordering {
    let whole = |number: &Number| number.as_i64().map(i128::from).or(number.as_u64().map(i128::from));
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => {
            let value = |number: &Number| number.as_f64().unwrap_or_default();
            value(one).total_cmp(&value(other))
        }
    }
}

impl Items {
    /// Returns the schema of an element.
    pub(super) fn element(&self, index: usize) -> &Value {
        self.first.get(index).unwrap_or(&self.rest)
    }

    fn and(self, other: Self) -> Self {
        let count = self.first.len().max(other.first.len());
        let first = (0..count).map(|index| both(self.element(index), other.element(index))).collect();
        Self { first, rest: both(&self.rest, &other.rest), are_unique: self.are_unique || other.are_unique }
    }
}

impl Fields {
    /// Returns the schema of a field that is declared or required.
    pub(super) fn declared(&self, name: &str) -> Option<&Value> {
        let required = || self.required.contains(name).then_some(&self.additional);
        self.properties.get(name).or_else(required)
    }

    /// Returns the names of the fields that are declared or required.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.properties.keys().chain(&self.required).map(String::as_str).collect()
    }

    fn and(mut self, other: Self) -> Self {
        // A field that only one side declares must also match the additional fields of the other
        // side.
        let mut properties = BTreeMap::new();
        for name in self.properties.keys().chain(other.properties.keys()) {
            let schema = |fields: &Self| fields.properties.get(name).unwrap_or(&fields.additional).clone();
            properties.insert(name.clone(), both(&schema(&self), &schema(&other)));
        }
        self.properties = properties;
        self.required.extend(other.required);
        for (pattern, schema) in other.patterns {
            let schema = self.patterns.get(&pattern).map_or(schema.clone(), |own| both(own, &schema));
            self.patterns.insert(pattern, schema);
        }
        self.additional = both(&self.additional, &other.additional);
        self
    }
}

/// Whether a schema certainly allows every value.
pub(super) fn is_any(schema: &Value) -> bool {
    *schema == Value::Bool(true) || schema.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Returns a schema for the values that both schemas allow.
fn both(one: &Value, other: &Value) -> Value {
    match (one, other) {
        _ if is_any(one) || one == other => other.clone(),
        _ if is_any(other) => one.clone(),
        (Value::Bool(false), _) | (_, Value::Bool(false)) => Value::Bool(false),
        _ => json!({ "allOf": [one, other] }),
    }
}
