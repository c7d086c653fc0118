//! The check for breaking changes: compares a committed AsyncAPI document with this build's.
//!
//! [`document`] reads a JSON document and follows its references, [`interface`] makes the
//! routes and events from it, [`routes`] and [`events`] compare these, and [`schema`] compares the
//! schemas of their messages. [`effect`] has the table of the classes. [`file`] compares with a
//! file, for tests and for the command.
//!
//! Nothing here trusts a document: it may be edited by hand, cut off, or refer to itself. Every
//! recursion has a limit of depth, and the whole comparison has a limit of steps.

mod document;
mod effect;
mod events;
mod file;
mod interface;
mod routes;
mod schema;

use std::fmt;

use serde_json::Value;

pub(super) use self::file::{Comparison, compare_with_file, grouped};
pub use self::{document::CheckError, file::assert_unbroken};
use self::{document::Document, interface::Interface};

/// A difference between two documents.
///
/// ```
/// use ws_core::contract::{Change, ChangeClass};
///
/// /// The changes that a release must not have.
/// fn breaking(changes: &[Change]) -> impl Iterator<Item = &Change> {
///     changes.iter().filter(|change| change.class == ChangeClass::Breaking)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Change {
    /// The consequence for a client that was made for the older document.
    pub class: ChangeClass,
    /// The controller, the event, and the place inside its message: `Room.say data.text`.
    pub place: String,
    /// The difference.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.class, self.place, self.what)
    }
}

/// The consequence of a [`Change`], worst first.
///
/// ```
/// use ws_core::contract::ChangeClass;
///
/// // The worst is the least.
/// assert!(ChangeClass::Breaking < ChangeClass::Risky);
/// assert_eq!(ChangeClass::Compatible.to_string(), "compatible");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeClass {
    /// Clients that keep to the older document fail.
    Breaking,
    /// The check does not know the keyword that differs, so the change must be judged by hand.
    Unjudged,
    /// Clients may fail that do not expect new values, or that depend on old ones.
    Risky,
    /// Clients that keep to the older document are not affected.
    Compatible,
}

impl ChangeClass {
    /// All classes, worst first.
    pub(super) const ALL: [Self; 4] = [Self::Breaking, Self::Unjudged, Self::Risky, Self::Compatible];
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Breaking => "breaking",
            Self::Unjudged => "unjudged",
            Self::Risky => "risky",
            Self::Compatible => "compatible",
        })
    }
}

/// Compares two AsyncAPI 3 documents: a committed one, and the one of this build. Returns the
/// differences, worst first; equal interfaces have none.
///
/// A route is found again by its server and its address, an event by its name and its direction.
/// Schemas are compared by their structure: names of components, documentation, titles, examples,
/// defaults, `info`, `servers`, and extensions `x-..` of others do not count. Equal forms of one
/// type are equal, such as `enum` and `oneOf` with constants.
///
/// | | breaking | risky | compatible |
/// |---|---|---|---|
/// | client to server | required field added, type or value removed, bound or pattern tighter, closed to unknown fields | pattern or format changed otherwise | optional field added, field no longer read, wider type or bound |
/// | server to client | field removed or no longer required, type wider, null added | value or variant added, bound or pattern wider or changed | field added, narrower type |
/// | events | removed; number of replies, or name of the reply, changed; answer added or removed | event with an answer added, error code added or removed | added |
/// | routes | removed, address changed, parameter added or removed, subprotocol removed, query or header required, security added or an alternative of it removed | | added, alternative or subprotocol added |
///
/// Any other keyword that differs is [unjudged](ChangeClass::Unjudged).
///
/// ```
/// use serde_json::{Value, json};
/// use ws_core::{App, contract};
///
/// let current: Value = serde_json::from_str(&App::new().contract().asyncapi())?;
/// assert!(contract::check(&current, &current)?.is_empty());
///
/// let mut committed = current.clone();
/// committed["channels"]["Old"] = json!({ "address": "/old" });
/// let changes = contract::check(&committed, &current)?;
/// assert_eq!(changes[0].to_string(), "breaking: Old: the route `/old` was removed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`CheckError`] if one of the values is not an AsyncAPI 3 document, if a reference leads nowhere
/// or to itself, or if schemas are nested more than 100 levels deep or are too many to compare.
pub fn check(committed: &Value, current: &Value) -> Result<Vec<Change>, CheckError> {
    let committed = Document::new("the committed document", committed);
    let current = Document::new("the document of this build", current);
    let (old, new) = (Interface::read(committed)?, Interface::read(current)?);
    let mut changes = Changes::default();
    routes::compare(&old, &new, &mut changes)?;
    Ok(changes.sorted())
}

/// The changes that are found so far.
#[derive(Debug, Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, class: ChangeClass, place: impl fmt::Display, what: impl Into<String>) {
        self.0.push(Change { class, place: place.to_string(), what: what.into() });
    }

    /// Adds an unjudged change for each key whose values differ.
    fn unjudged<'a>(&mut self, place: impl fmt::Display, keys: impl IntoIterator<Item = &'a str>) {
        for key in keys {
            self.add(ChangeClass::Unjudged, &place, format!("`{key}` differs"));
        }
    }

    fn sorted(self) -> Vec<Change> {
        let mut changes = self.0;
        changes.sort();
        // The same message may belong to several operations, as `error` does.
        changes.dedup();
        changes
    }
}
