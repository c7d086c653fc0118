//! A document of JSON, with its references, and the errors of a document that cannot be compared.

use std::{collections::BTreeMap, error::Error, fmt};

use serde_json::{Map, Value};

/// The longest chain of references that lead to references.
const CHAIN: usize = 32;

/// A document that cannot be compared: it is not AsyncAPI 3, or a part of it is missing, damaged or
/// too large.
///
/// ```
/// use serde_json::json;
/// use ws_core::contract;
///
/// let error = contract::check(&json!({}), &json!({})).unwrap_err();
/// println!("{error}"); // which document, the place in it, and the fault
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    document: &'static str,
    place: String,
    what: String,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be compared: `{}`: {}", self.document, self.place, self.what)
    }
}

impl Error for CheckError {}

/// A document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Document<'a> {
    name: &'static str,
    root: &'a Value,
}

/// A value of a document, and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    document: Document<'a>,
    place: String,
    value: &'a Value,
}

impl<'a> Document<'a> {
    pub(super) fn new(name: &'static str, root: &'a Value) -> Self {
        Self { name, root }
    }

    pub(super) fn node(self) -> Node<'a> {
        Node { document: self, place: "#".into(), value: self.root }
    }

    pub(super) fn error(self, place: impl Into<String>, what: impl Into<String>) -> CheckError {
        CheckError { document: self.name, place: place.into(), what: what.into() }
    }

    /// Returns the value that a reference names. It may be a reference, too.
    pub(super) fn target(self, reference: &Value) -> Result<&'a Value, CheckError> {
        let Some(text) = reference.as_str() else {
            return Err(self.error(reference.to_string(), "expected a text as `$ref`"));
        };
        let Some(pointer) = text.strip_prefix('#') else {
            return Err(self.error(text, "expected a reference inside of the document"));
        };
        self.root.pointer(pointer).ok_or_else(|| self.error(text, "the reference leads nowhere"))
    }
}

impl<'a> Node<'a> {
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn error(&self, what: impl Into<String>) -> CheckError {
        self.document.error(&self.place, what)
    }

    /// Returns the node behind references.
    pub(super) fn resolved(&self) -> Result<Self, CheckError> {
        let mut node = self.clone();
        for _ in 0..CHAIN {
            let Some(reference) = node.value.get("$ref") else { return Ok(node) };
            let value = self.document.target(reference)?;
            let place = reference.as_str().unwrap_or_default().to_owned();
            node = Node { document: self.document, place, value };
        }
        Err(self.error("the reference leads to itself"))
    }

    /// Returns the last segment of a reference to an element of a list of the document, such as
    /// `Room` of `#/channels/Room`. The element need not exist.
    pub(super) fn name_in(&self, list: &str) -> Result<String, CheckError> {
        let reference = self.value.get("$ref").and_then(Value::as_str);
        let name = reference.and_then(|it| it.strip_prefix("#/")?.strip_prefix(list)?.strip_prefix('/'));
        match name.filter(|name| !name.contains('/')) {
            Some(name) => Ok(name.replace("~1", "/").replace("~0", "~")),
            None => Err(self.error(format!("expected a reference to one of `#/{list}`"))),
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let place = || format!("{}/{}", self.place, name.replace('~', "~0").replace('/', "~1"));
        let value = self.value.get(name)?;
        Some(Node { document: self.document, place: place(), value })
    }

    pub(super) fn required(&self, name: &str) -> Result<Self, CheckError> {
        self.field(name).ok_or_else(|| self.error(format!("`{name}` is missing")))
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, CheckError> {
        self.value.as_object().ok_or_else(|| self.error("expected an object"))
    }

    pub(super) fn text(&self) -> Result<&'a str, CheckError> {
        self.value.as_str().ok_or_else(|| self.error("expected a text"))
    }

    /// Returns the fields of an object.
    pub(super) fn fields(&self) -> Result<Vec<(String, Self)>, CheckError> {
        let names = self.object()?.keys();
        Ok(names.filter_map(|name| Some((name.clone(), self.field(name)?))).collect())
    }

    /// Returns the elements of a list.
    pub(super) fn elements(&self) -> Result<Vec<Self>, CheckError> {
        let items = self.value.as_array().ok_or_else(|| self.error("expected a list"))?;
        let node = |(index, value)| Node {
            document: self.document,
            place: format!("{}/{index}", self.place),
            value,
        };
        Ok(items.iter().enumerate().map(node).collect())
    }

    /// Returns the fields of an object that the check neither knows nor ignores. Their references
    /// are not followed.
    pub(super) fn others(&self, known: &[&str]) -> Result<BTreeMap<String, Value>, CheckError> {
        let is_other = |name: &str| !known.contains(&name) && !is_ignored(name);
        let others = self.object()?.iter().filter(|(name, _)| is_other(name));
        Ok(others.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// Whether a field has no meaning for a client.
pub(super) fn is_ignored(name: &str) -> bool {
    const DOCUMENTATION: &[&str] =
        &["title", "description", "summary", "examples", "tags", "externalDocs", "deprecated"];
    DOCUMENTATION.contains(&name) || (name.starts_with("x-") && !name.starts_with("x-ws-"))
}

/// Returns the keys of two maps whose values differ.
pub(super) fn differing<'a, V: PartialEq>(
    old: &'a BTreeMap<String, V>,
    new: &'a BTreeMap<String, V>,
) -> Vec<&'a str> {
    let gone = old.iter().filter(|(key, value)| new.get(*key) != Some(value));
    let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
    gone.chain(added).map(|(key, _)| &**key).collect()
}
