//! The check for breaking changes.

mod documents;
mod interfaces;
mod mutations;
mod robust;
mod routes;
mod schemas;
mod structures;
mod variants;

use std::collections::BTreeSet;

use serde_json::Value;
use ws_core::contract::{Change, check};

/// Returns the changes between two documents that can be compared.
#[track_caller]
fn changes(old: &Value, new: &Value) -> Vec<Change> {
    check(old, new).unwrap()
}

/// Returns the classes of changes, worst first, as `breaking+risky`; `none` without a change.
fn classes(changes: &[Change]) -> String {
    let classes: BTreeSet<_> = changes.iter().map(|change| change.class).collect();
    let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
    if classes.is_empty() { "none".into() } else { classes.join("+") }
}

/// Returns the document of the fixture.
fn fixture() -> Value {
    serde_json::from_str(&crate::fixture::app().contract().asyncapi()).unwrap()
}
