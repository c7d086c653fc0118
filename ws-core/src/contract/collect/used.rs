//! The named types that the channels refer to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    contract::model::{COMPONENTS, Channel},
    schema::{Components, each_reference},
};

/// Replaces the references to collected types.
pub(super) fn resolve(channel: &mut Channel, components: &Components) {
    each_schema(channel, |schema| components.resolve(schema));
}

/// Removes the types that nothing refers to: those of paths and queries, which stand in them.
pub(super) fn retain_used(schemas: &mut BTreeMap<String, Value>, channels: &mut [Channel]) {
    let mut pending = BTreeSet::new();
    for channel in channels {
        each_schema(channel, |schema| references(schema, &mut pending));
    }
    let mut used = BTreeSet::new();
    while let Some(name) = pending.pop_first() {
        if let Some(schema) = schemas.get_mut(&name)
            && used.insert(name)
        {
            references(schema, &mut pending);
        }
    }
    schemas.retain(|name, _| used.contains(name));
}

/// Adds the components that a schema refers to directly.
fn references(schema: &mut Value, found: &mut BTreeSet<String>) {
    each_reference(schema, &mut |reference| {
        found.extend(reference.strip_prefix(COMPONENTS).map(str::to_owned));
        None
    });
}

/// Calls the function for each schema of a channel.
fn each_schema(channel: &mut Channel, mut each: impl FnMut(&mut Value)) {
    channel.parameters.iter_mut().for_each(|parameter| each(&mut parameter.schema));
    channel.query.iter_mut().for_each(|query| each(&mut query.schema));
    for event in &mut channel.events {
        event.data.iter_mut().for_each(|data| each(&mut data.schema));
        event.reply.iter_mut().for_each(|reply| each(&mut reply.schema));
    }
    for push in &mut channel.pushes {
        each(&mut push.schema);
        push.answer.iter_mut().for_each(&mut each);
    }
}
