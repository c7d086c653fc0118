//! Compares the events of a route: messages, replies, error codes.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ChangeClass::{Breaking, Compatible, Risky},
    Changes,
    document::{CheckError, differing},
    interface::{EventKey, Message, Operation, Route},
    schema::{Comparer, Place},
};
use crate::schema::Direction;

/// Compares the events of a route.
pub(super) fn compare(
    old: &Route,
    new: &Route,
    comparer: &mut Comparer<'_>,
    changes: &mut Changes,
) -> Result<(), CheckError> {
    for (key, operation) in &old.events {
        let place = format!("{}.{}", new.name, key.name);
        match new.events.get(key) {
            Some(other) => {
                Pair { key, place, route: &new.name }.compare(operation, other, comparer, changes)?
            }
            None => changes.add(Breaking, place, format!("the event {} was removed", verb(key))),
        }
    }
    for (key, operation) in new.events.iter().filter(|(key, _)| !old.events.contains_key(*key)) {
        let place = format!("{}.{}", new.name, key.name);
        let what = format!("the event {} was added", verb(key));
        if key.direction == Direction::Sent && operation.form.is_some() {
            changes.add(Risky, place, format!("{what}, and old clients do not answer it"));
        } else {
            changes.add(Compatible, place, what);
        }
    }
    Ok(())
}

fn verb(key: &EventKey) -> &'static str {
    match key.direction {
        Direction::Received => "that clients send",
        Direction::Sent => "that the server sends",
    }
}

/// An event of both documents.
struct Pair<'a> {
    key: &'a EventKey,
    place: String,
    route: &'a str,
}

impl Pair<'_> {
    fn compare(
        &self,
        old: &Operation,
        new: &Operation,
        comparer: &mut Comparer<'_>,
        changes: &mut Changes,
    ) -> Result<(), CheckError> {
        changes.unjudged(&self.place, differing(&old.others, &new.others));
        let direction = self.key.direction;
        compare_messages(&old.message, &new.message, direction, &self.place, comparer, changes)?;
        compare_codes(&self.place, &old.codes, &new.codes, changes);
        self.compare_form(old, new, changes);
        let (role, direction) = match direction {
            Direction::Received => ("reply", Direction::Sent),
            Direction::Sent => ("answer", Direction::Received),
        };
        for (name, message) in &old.replies {
            if let Some(other) = new.replies.get(name) {
                let place = format!("{} {role}", self.place);
                compare_messages(message, other, direction, &place, comparer, changes)?;
            }
        }
        for (name, message) in &old.common {
            if let Some(other) = new.common.get(name) {
                // Most events of a route have the same `error` and `end`: one place for all.
                let place = format!("{} {role} `{name}`", self.route);
                compare_messages(message, other, direction, &place, comparer, changes)?;
            }
        }
        Ok(())
    }

    /// Compares the number of replies and their names.
    fn compare_form(&self, old: &Operation, new: &Operation, changes: &mut Changes) {
        let shown = |form: &Option<String>| form.clone().unwrap_or_else(|| "none".into());
        let (one, other) = (shown(&old.form), shown(&new.form));
        if one != other {
            let what = match self.key.direction {
                Direction::Received => format!("the number of replies changed from `{one}` to `{other}`"),
                Direction::Sent if new.form.is_some() => "the client has to answer".into(),
                Direction::Sent => "the answer is not expected any more".into(),
            };
            changes.add(Breaking, &self.place, what);
            return;
        }
        let gone = missing(&old.replies, &new.replies);
        let added = missing(&new.replies, &old.replies);
        for name in &gone {
            let new_name = added.first().map(|new| format!(" and is `{new}`")).unwrap_or_default();
            changes.add(Breaking, &self.place, format!("the reply is not `{name}` any more{new_name}"));
        }
        if gone.is_empty() {
            for name in added {
                changes.add(Risky, &self.place, format!("the reply `{name}` was added"));
            }
        }
        for name in missing(&old.common, &new.common) {
            changes.add(Breaking, &self.place, format!("the reply `{name}` was removed"));
        }
        for name in missing(&new.common, &old.common) {
            changes.add(Breaking, &self.place, format!("the reply `{name}` was added"));
        }
    }
}

/// Returns the names of messages that the other list does not have.
fn missing<'a>(list: &'a BTreeMap<String, Message>, other: &BTreeMap<String, Message>) -> Vec<&'a str> {
    list.keys().filter(|name| !other.contains_key(*name)).map(String::as_str).collect()
}

fn compare_messages(
    old: &Message,
    new: &Message,
    direction: Direction,
    place: &str,
    comparer: &mut Comparer<'_>,
    changes: &mut Changes,
) -> Result<(), CheckError> {
    changes.unjudged(place, differing(&old.others, &new.others));
    if old.correlation.is_some() && new.correlation.is_some() && old.correlation != new.correlation {
        changes.unjudged(place, ["correlationId"]);
    }
    compare_codes(place, &old.codes, &new.codes, changes);
    comparer.compare(&old.payload, &new.payload, direction, &Place::new(place.to_owned()), changes)
}

fn compare_codes(place: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, changes: &mut Changes) {
    for code in old.difference(new) {
        changes.add(Risky, place, format!("the error code `{code}` was removed"));
    }
    for code in new.difference(old) {
        changes.add(Risky, place, format!("the error code `{code}` was added"));
    }
}
