//! [`Same`]: finds schemas that are equal in both documents, including all schemas that they refer
//! to. Most are equal, so most need no further comparison.

use std::collections::HashMap;

use serde_json::Value;

use crate::contract::check::document::Document;

/// References, and whether everything behind them is the same in both documents.
#[derive(Debug, Default)]
pub(super) struct Same {
    references: HashMap<String, bool>,
}

impl Same {
    /// Returns whether two schemas are the same, with everything that they refer to.
    pub(super) fn contains(
        &mut self,
        old: &Value,
        new: &Value,
        old_document: Document<'_>,
        new_document: Document<'_>,
    ) -> bool {
        if old != new {
            return false;
        }
        let mut found = Vec::new();
        references(old, &mut found);
        let mut next = 0;
        while let Some(reference) = found.get(next).copied() {
            next += 1;
            match self.references.get(reference.as_str().unwrap_or_default()) {
                Some(true) => continue,
                Some(false) => return false,
                None => {}
            }
            let targets = (old_document.target(reference), new_document.target(reference));
            let (Ok(old), Ok(new)) = targets else { return false };
            if old != new {
                self.references.extend(reference.as_str().map(|it| (it.to_owned(), false)));
                return false;
            }
            references(old, &mut found);
        }
        let texts = found.into_iter().filter_map(Value::as_str);
        self.references.extend(texts.map(|it| (it.to_owned(), true)));
        true
    }
}

/// Adds the references of a schema to a list, each once.
fn references<'v>(schema: &'v Value, found: &mut Vec<&'v Value>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "$ref" && !found.contains(&value) {
                    found.push(value);
                }
                references(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}
