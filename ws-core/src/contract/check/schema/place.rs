//! A place in a message.

use std::fmt;

/// An event or a part of a route, and a path inside of its value: `Room.say data.text`.
#[derive(Clone, Debug)]
pub(in crate::contract::check) struct Place {
    owner: String,
    path: String,
}

impl Place {
    pub(in crate::contract::check) fn new(owner: String) -> Self {
        Self { owner, path: String::new() }
    }

    pub(super) fn field(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.with(&format!("{dot}{name}"))
    }

    pub(super) fn element(&self, index: usize) -> Self {
        self.with(&format!("[{index}]"))
    }

    pub(super) fn elements(&self) -> Self {
        self.with("[]")
    }

    /// Returns the place of a variant; a value without variants has an empty label.
    pub(super) fn variant(&self, label: &str) -> Self {
        if label.is_empty() { self.clone() } else { self.with(&format!("<{label}>")) }
    }

    fn with(&self, end: &str) -> Self {
        Self { owner: self.owner.clone(), path: format!("{}{end}", self.path) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.owner)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, " {}", self.path) }
    }
}
