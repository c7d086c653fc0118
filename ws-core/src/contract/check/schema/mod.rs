//! Compares two schemas by their structure, for messages of one direction.
//!
//! [`Shape`] is the normal form of a schema: without references, `allOf`, `oneOf` and `anyOf`, one
//! list of [`Branch`]es for each kind of JSON value; [`keywords`] reads them. [`pairs`] finds each
//! branch in the other shape, and [`scalar`], [`array`] and [`object`] compare two branches.

mod array;
mod branch;
mod keywords;
mod object;
mod pairs;
mod place;
mod same;
mod scalar;
mod shape;

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

pub(super) use self::place::Place;
use self::{
    branch::{Branch, Kind},
    same::Same,
    shape::Shape,
};
use super::{
    ChangeClass::Unjudged,
    Changes,
    document::{CheckError, Document, differing},
    effect::Effect,
};
use crate::schema::Direction;

/// The deepest nesting of schemas that is compared.
const DEPTH: usize = 100;

/// The most pairs of schemas that are compared in two documents.
const STEPS: usize = 200_000;

/// The most places inside of a message at which the changes of one type are listed.
const PLACES: usize = 8;

/// Compares schemas of two documents.
pub(super) struct Comparer<'a> {
    old: Document<'a>,
    new: Document<'a>,
    same: Same,
    steps: usize,
}

impl<'a> Comparer<'a> {
    pub(super) fn new(old: Document<'a>, new: Document<'a>) -> Self {
        Self { old, new, same: Same::default(), steps: 0 }
    }

    /// Compares the schemas of two messages.
    pub(super) fn compare(
        &mut self,
        old: &Value,
        new: &Value,
        direction: Direction,
        place: &Place,
        changes: &mut Changes,
    ) -> Result<(), CheckError> {
        let seen = HashMap::new();
        Message { comparer: self, direction, changes, seen, depth: 0 }.schemas(old, new, place)
    }
}

/// The comparison of two messages.
struct Message<'m, 'a> {
    comparer: &'m mut Comparer<'a>,
    direction: Direction,
    changes: &'m mut Changes,
    /// The pairs that were compared already, or are being compared: types may contain themselves.
    seen: HashMap<(String, String), Seen>,
    depth: usize,
}

/// The earlier comparison of a pair of schemas.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// How often it was compared.
    count: usize,
    /// Whether it is still being compared.
    is_open: bool,
    /// Whether it has changes.
    has_changes: bool,
}

impl Seen {
    /// Whether the pair is compared once more, so that its changes are listed at a further place.
    fn is_needed(self) -> bool {
        self.count == 0 || (self.has_changes && !self.is_open && self.count < PLACES)
    }
}

impl Message<'_, '_> {
    fn add(&mut self, effect: Effect, place: &Place, what: impl Into<String>) {
        self.changes.add(effect.class(self.direction), place, what);
    }

    /// Compares two schemas.
    fn schemas(&mut self, old: &Value, new: &Value, place: &Place) -> Result<(), CheckError> {
        if self.comparer.same.contains(old, new, self.comparer.old, self.comparer.new) {
            return Ok(());
        }
        let key = (old.to_string(), new.to_string());
        let seen = self.seen.entry(key.clone()).or_default();
        if !seen.is_needed() {
            return Ok(());
        }
        *seen = Seen { count: seen.count + 1, is_open: true, has_changes: seen.has_changes };
        let before = self.changes.0.len();
        self.compare_once(old, new, place)?;
        if let Some(seen) = self.seen.get_mut(&key) {
            seen.is_open = false;
            seen.has_changes = self.changes.0.len() > before;
        }
        Ok(())
    }

    fn compare_once(&mut self, old: &Value, new: &Value, place: &Place) -> Result<(), CheckError> {
        self.comparer.steps += 1;
        if self.comparer.steps > STEPS {
            return Err(self.comparer.old.error(place.to_string(), "there are too many schemas"));
        }
        if self.depth == DEPTH {
            return Err(self.comparer.old.error(place.to_string(), "schemas are nested too deeply"));
        }
        self.depth += 1;
        let (old, new) = (Shape::read(self.comparer.old, old)?, Shape::read(self.comparer.new, new)?);
        for keyword in differing(&old.others, &new.others) {
            self.changes.add(Unjudged, place, format!("`{keyword}` differs"));
        }
        self.kinds(&old, &new, place);
        if old.kinds() != new.kinds() && (old.is_any() || new.is_any()) {
            // The change of the type is the whole difference.
            self.depth -= 1;
            return Ok(());
        }
        for kind in Kind::ALL {
            let (old_branches, new_branches) = (old.of(kind), new.of(kind));
            // A kind of one side only is a change of the type.
            if !old_branches.is_empty() && !new_branches.is_empty() {
                self.branches(&old_branches, &new_branches, place)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Compares the kinds of values.
    fn kinds(&mut self, old: &Shape, new: &Shape, place: &Place) {
        let (before, after) = (old.kinds(), new.kinds());
        let gone: BTreeSet<&Kind> = before.difference(&after).collect();
        let added: BTreeSet<&Kind> = after.difference(&before).collect();
        if gone.is_empty() && added.is_empty() {
            return;
        }
        let what = format!("the type changed from {} to {}", old.type_name(), new.type_name());
        // A value of a new kind is a new variant, if there are variants: serde writes variants
        // without data as strings, and others as objects.
        let is_variant = old.is_union && !added.contains(&Kind::Null);
        match (gone.is_empty(), added.is_empty()) {
            (false, true) => self.add(Effect::Narrower, place, what),
            (true, false) if is_variant => self.add(Effect::Extended, place, what),
            (true, false) => self.add(Effect::Wider, place, what),
            _ if is_variant => {
                self.add(Effect::Narrower, place, what.clone());
                self.add(Effect::Extended, place, what);
            }
            _ => self.add(Effect::Incompatible, place, what),
        }
    }

    /// Compares all branches of one kind.
    fn branches(&mut self, old: &[&Branch], new: &[&Branch], place: &Place) -> Result<(), CheckError> {
        let is_listed = |branch: &&&Branch| branch.values.is_some();
        let (old_values, new_values) = (old.iter().find(is_listed), new.iter().find(is_listed));
        let plain = |list: &[&Branch]| -> Vec<Branch> {
            list.iter().filter(|branch| branch.values.is_none()).map(|branch| (*branch).clone()).collect()
        };
        let (old_plain, new_plain) = (plain(old), plain(new));
        self.values(old_values, new_values, &old_plain, &new_plain, place);
        if old_plain.is_empty() || new_plain.is_empty() {
            return Ok(());
        }
        let is_many = old_plain.len().max(new_plain.len()) > 1;
        if is_many && new_plain.iter().any(Branch::is_any) {
            self.add(Effect::Wider, place, "the variants became any value of their type");
            return Ok(());
        }
        if is_many && old_plain.iter().any(Branch::is_any) {
            self.add(Effect::Narrower, place, "any value of the type became variants");
            return Ok(());
        }
        let (old_document, new_document) = (self.comparer.old, self.comparer.new);
        let found = pairs::find(&old_plain, &new_plain, old_document, new_document)?;
        for pair in &found.pairs {
            self.pair(pair.old, pair.new, &place.variant(&pair.label))?;
        }
        for label in found.gone {
            self.add(Effect::Narrower, place, format!("the variant `{label}` was removed"));
        }
        for label in found.added {
            self.add(Effect::Extended, place, format!("the variant `{label}` was added"));
        }
        Ok(())
    }

    /// Compares the constants of one kind. A side without constants has other branches.
    fn values(
        &mut self,
        old: Option<&&Branch>,
        new: Option<&&Branch>,
        old_plain: &[Branch],
        new_plain: &[Branch],
        place: &Place,
    ) {
        let values =
            |branch: Option<&&Branch>| branch.and_then(|branch| branch.values.clone()).unwrap_or_default();
        let (before, after) = (values(old), values(new));
        match (old_plain.is_empty(), new_plain.is_empty()) {
            (true, false) => {
                self.add(Effect::Wider, place, format!("not only {} any more", listed(&before)));
            }
            (false, true) => self.add(Effect::Narrower, place, format!("only {} now", listed(&after))),
            _ => {
                for value in before.difference(&after) {
                    self.add(Effect::Narrower, place, format!("the value {value} was removed"));
                }
                for value in after.difference(&before) {
                    self.add(Effect::Extended, place, format!("the value {value} was added"));
                }
            }
        }
    }

    /// Compares two branches of one kind.
    fn pair(&mut self, old: &Branch, new: &Branch, place: &Place) -> Result<(), CheckError> {
        // A tuple of another length is one change: its bounds differ, too.
        if old.items.first.len() == new.items.first.len() {
            self.scalars(old, new, place);
        }
        match old.kind {
            Kind::Array => self.arrays(&old.items, &new.items, place, old, new),
            Kind::Object => self.objects(&old.fields, &new.fields, place),
            _ => Ok(()),
        }
    }
}

fn listed(values: &BTreeSet<String>) -> String {
    let mut values = values.iter().map(String::as_str);
    let mut text = values.by_ref().take(5).collect::<Vec<_>>().join(", ");
    let rest = values.count();
    if rest > 0 {
        text.push_str(&format!(" and {rest} more"));
    }
    text
}
