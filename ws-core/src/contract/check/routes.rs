//! Compares the routes of two interfaces: addresses, parameters, the handshake, tokens.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ChangeClass::{self, Breaking, Compatible},
    Changes,
    document::{CheckError, differing},
    events,
    interface::{Interface, Operation, Route},
    schema::{Comparer, Place},
};
use crate::schema::Direction;

/// Compares all routes.
pub(super) fn compare(
    old: &Interface<'_>,
    new: &Interface<'_>,
    changes: &mut Changes,
) -> Result<(), CheckError> {
    changes.unjudged("document", differing(&old.others, &new.others));
    let mut comparer = Comparer::new(old.document, new.document);
    let pairs = pairs(old, new);
    for (route, found) in old.routes.iter().zip(&pairs) {
        let Some(other) = found.and_then(|index| new.routes.get(index)) else {
            changes.add(Breaking, &route.name, format!("the route `{}` was removed", route.address));
            continue;
        };
        if route.address != other.address {
            let what = format!("the address changed from `{}` to `{}`", route.address, other.address);
            changes.add(Breaking, &other.name, what);
        } else if !is_same_server(old, new, route, other) {
            changes.add(Breaking, &other.name, "the route moved to another server");
        }
        compare_route(route, other, &mut comparer, changes)?;
    }
    for (index, route) in new.routes.iter().enumerate() {
        if !pairs.contains(&Some(index)) {
            changes.add(Compatible, &route.name, format!("the route `{}` was added", route.address));
        }
    }
    Ok(())
}

/// Finds each old route among the new ones: by its server and address, or else by the name of the
/// controller.
fn pairs(old: &Interface<'_>, new: &Interface<'_>) -> Vec<Option<usize>> {
    let mut found = vec![None; old.routes.len()];
    let is_same_address = |one: &Route, other: &Route| one.address == other.address;
    find(old, new, &mut found, |one, other| is_same_address(one, other) && one.servers == other.servers);
    find(old, new, &mut found, |one, other| {
        is_same_address(one, other) && is_same_server(old, new, one, other)
    });
    find(old, new, &mut found, |one, other| one.name == other.name);
    found
}

/// Finds, for each old route without a new one, the first new route of a rule that is still free.
fn find(
    old: &Interface<'_>,
    new: &Interface<'_>,
    found: &mut [Option<usize>],
    rule: impl Fn(&Route, &Route) -> bool,
) {
    for (index, route) in old.routes.iter().enumerate() {
        if found.get(index).is_some_and(Option::is_some) {
            continue;
        }
        let mut others = new.routes.iter().enumerate();
        let other = others.find(|(place, other)| !found.contains(&Some(*place)) && rule(route, other));
        let other = other.map(|(place, _)| place);
        if let Some(slot) = found.get_mut(index) {
            *slot = other;
        }
    }
}

/// Whether clients of the old route reach the new one. A server whose name is in one document only
/// was renamed; clients do not know the name.
fn is_same_server(old: &Interface<'_>, new: &Interface<'_>, one: &Route, other: &Route) -> bool {
    one.servers.is_empty()
        || other.servers.is_empty()
        || one.servers.is_subset(&other.servers)
        || (one.servers.is_disjoint(&new.servers) && other.servers.is_disjoint(&old.servers))
}

fn compare_route(
    old: &Route,
    new: &Route,
    comparer: &mut Comparer<'_>,
    changes: &mut Changes,
) -> Result<(), CheckError> {
    let name = &*new.name;
    changes.unjudged(name, differing(&old.others, &new.others));
    compare_parameters(old, new, comparer, changes)?;
    for (part, old, new) in [("query", &old.query, &new.query), ("headers", &old.headers, &new.headers)] {
        let as_object = |schema: &Value| json!({ "type": "object", "allOf": [schema] });
        let place = Place::new(format!("{name} {part}"));
        comparer.compare(&as_object(old), &as_object(new), Direction::Received, &place, changes)?;
    }
    for gone in old.subprotocols.difference(&new.subprotocols) {
        changes.add(Breaking, name, format!("the subprotocol `{gone}` was removed"));
    }
    for added in new.subprotocols.difference(&old.subprotocols) {
        changes.add(Compatible, name, format!("the subprotocol `{added}` was added"));
    }
    match (old.is_untyped, new.is_untyped) {
        (false, true) => changes.add(Breaking, name, "the messages are not known any more"),
        (true, false) => changes.add(Breaking, name, "the messages were not known and are events now"),
        _ => {}
    }
    compare_security(old, new, changes);
    events::compare(old, new, comparer, changes)
}

/// Compares the parameters of the path. If the address differs, only those of both are compared.
fn compare_parameters(
    old: &Route,
    new: &Route,
    comparer: &mut Comparer<'_>,
    changes: &mut Changes,
) -> Result<(), CheckError> {
    let place = |parameter: &str| Place::new(format!("{} parameter {parameter}", new.name));
    let is_same_address = old.address == new.address;
    for (parameter, schema) in &old.parameters {
        match new.parameters.get(parameter) {
            Some(other) => {
                comparer.compare(schema, other, Direction::Received, &place(parameter), changes)?;
            }
            None if is_same_address => changes.add(Breaking, place(parameter), "the parameter was removed"),
            None => {}
        }
    }
    let added = new.parameters.keys().filter(|name| is_same_address && !old.parameters.contains_key(*name));
    for parameter in added {
        changes.add(Breaking, place(parameter), "the parameter was added");
    }
    Ok(())
}

/// Compares the tokens of all operations. A change that all of them share is one of the route.
fn compare_security(old: &Route, new: &Route, changes: &mut Changes) {
    let both = old.events.iter().filter_map(|(key, old)| Some((key, old, new.events.get(key)?)));
    let found: BTreeMap<_, _> = both.map(|(key, old, new)| (key, security_changes(old, new))).collect();
    let mut lists = found.values();
    let first = lists.next();
    if lists.all(|list| Some(list) == first) {
        for (class, what) in first.into_iter().flatten() {
            changes.add(*class, &new.name, what);
        }
        return;
    }
    for (key, list) in found {
        for (class, what) in list {
            changes.add(class, format!("{}.{}", new.name, key.name), what);
        }
    }
}

fn security_changes(old: &Operation, new: &Operation) -> Vec<(ChangeClass, String)> {
    match (old.security.is_empty(), new.security.is_empty()) {
        (true, false) => return vec![(Breaking, "a token is required".into())],
        (false, true) => return vec![(Compatible, "a token is not required any more".into())],
        _ => {}
    }
    let gone = old.security.iter().filter(|scheme| !new.security.contains(scheme));
    let added = new.security.iter().filter(|scheme| !old.security.contains(scheme));
    let gone =
        gone.map(|scheme| (Breaking, format!("the token is not read any more from {}", place_of(scheme))));
    let added = added.map(|scheme| (Compatible, format!("the token is also read from {}", place_of(scheme))));
    gone.chain(added).collect()
}

/// Describes the place of a token.
fn place_of(scheme: &Value) -> String {
    let field = |name: &str| scheme.get(name).and_then(Value::as_str);
    match (field("scheme"), field("in"), field("name")) {
        (Some(scheme), ..) => format!("`Authorization: {scheme}`"),
        (None, Some(place), Some(name)) => format!("the {place} `{name}`"),
        _ => format!("`{scheme}`"),
    }
}
