//! The collector of the feature `asyncapi`, over schemars.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::Direction;

/// The beginning of a reference to a component that has no final name yet. Its index follows.
const MARKER: &str = "#/collected/";

/// The beginning of a reference in a schema of schemars.
const LOCAL: &str = "#/definitions/";

/// The schemas that are collected so far.
#[derive(Debug, Default)]
pub struct Schemas {
    collected: Vec<Collected>,
}

/// A named type.
#[derive(Debug)]
struct Collected {
    /// The name of the type.
    name: String,
    /// The directions in which it is sent.
    directions: Vec<Direction>,
    /// The last segment of the module of the type that contains it, for two types of one name.
    module: String,
    /// The schema, with the schemas that it refers to. Types with equal contents are one component.
    contents: String,
    /// The schema. Its references begin with [`MARKER`].
    schema: Value,
}

/// The schemas under their final names.
#[derive(Debug, Default)]
pub(crate) struct Components {
    /// The schema of each component by name.
    pub(crate) schemas: BTreeMap<String, Value>,
    /// The final names, by the index in a reference.
    names: Vec<String>,
}

impl Schemas {
    /// Collects the schema of a type, and returns a reference to it, or the schema itself for a
    /// type without a name.
    pub(super) fn add<T: JsonSchema + ?Sized>(&mut self, direction: Direction) -> Value {
        let settings = SchemaSettings::draft07();
        let mut generator: SchemaGenerator = match direction {
            Direction::Received => settings.for_deserialize(),
            Direction::Sent => settings.for_serialize(),
        }
        .into_generator();
        let mut schema = generator.subschema_for::<T>();
        transform(&mut generator, &mut schema);
        let mut definitions: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
        for definition in definitions.values_mut() {
            make_canonical(definition);
        }
        let mut schema = schema.to_value();
        make_canonical(&mut schema);
        let module = module_of(&T::schema_id());
        let indices = definitions
            .keys()
            .map(|name| (name.clone(), self.index_of(name, direction, &module, &definitions)))
            .collect();
        for (name, definition) in &definitions {
            let Some(collected) = indices_of(&indices, name).and_then(|index| self.collected.get_mut(index))
            else {
                continue;
            };
            collected.schema = definition.clone();
            refer(&mut collected.schema, &indices);
        }
        refer(&mut schema, &indices);
        schema
    }

    /// Returns the schema that a reference names, or the schema itself if it is not a reference.
    pub(crate) fn inlined(&self, schema: &Value) -> Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let index = reference.and_then(|it| it.strip_prefix(MARKER)).and_then(|it| it.parse::<usize>().ok());
        let named = index.and_then(|index| self.collected.get(index)).map(|it| &it.schema);
        named.unwrap_or(schema).clone()
    }

    /// Returns the index of a component, and adds it if it is new.
    fn index_of(
        &mut self,
        name: &str,
        direction: Direction,
        module: &str,
        definitions: &BTreeMap<String, Value>,
    ) -> usize {
        let contents = contents_of(name, definitions);
        let is_same = |other: &Collected| other.name == name && other.contents == contents;
        let index = self.collected.iter().position(is_same).unwrap_or_else(|| {
            self.collected.push(Collected {
                name: name.to_owned(),
                directions: Vec::new(),
                module: module.to_owned(),
                contents,
                schema: Value::Null,
            });
            self.collected.len() - 1
        });
        if let Some(collected) = self.collected.get_mut(index)
            && !collected.directions.contains(&direction)
        {
            collected.directions.push(direction);
        }
        index
    }

    /// Gives each component its final name. A type whose schemas differ by direction is `Said` as
    /// it is sent and `SaidInput` as it is received. Other types of the same name begin with the
    /// name of their module, and with a number if that is not enough.
    pub(crate) fn finish(self) -> Components {
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, collected) in self.collected.iter().enumerate() {
            by_name.entry(&collected.name).or_default().push(index);
        }
        let mut names = vec![String::new(); self.collected.len()];
        let mut taken: Vec<String> = by_name.keys().map(|name| (*name).to_owned()).collect();
        for (name, mut indices) in by_name {
            // The order in which types are met must not matter.
            indices.sort_by_key(|index| self.collected.get(*index).map(Collected::sort_key));
            let many_modules = self.modules(&indices) > 1;
            for (number, index) in indices.iter().enumerate() {
                let (Some(collected), Some(slot)) = (self.collected.get(*index), names.get_mut(*index))
                else {
                    continue;
                };
                let input = if is_input(collected, indices.len()) { "Input" } else { "" };
                let prefix = if many_modules { camel(&collected.module) } else { String::new() };
                let wanted = format!("{prefix}{name}{input}");
                *slot = if number == 0 && wanted == name { wanted } else { free_name(wanted, &mut taken) };
            }
        }
        let mut components = Components { schemas: BTreeMap::new(), names };
        for (index, collected) in self.collected.into_iter().enumerate() {
            let mut schema = collected.schema;
            components.resolve(&mut schema);
            if let Some(name) = components.names.get(index) {
                components.schemas.insert(name.clone(), schema);
            }
        }
        components
    }

    fn modules(&self, indices: &[usize]) -> usize {
        let mut modules: Vec<&str> =
            indices.iter().filter_map(|index| self.collected.get(*index)).map(|it| &*it.module).collect();
        modules.sort_unstable();
        modules.dedup();
        modules.len()
    }
}

impl Collected {
    fn sort_key(&self) -> (bool, String, String) {
        (self.directions == [Direction::Received], self.module.clone(), self.contents.clone())
    }
}

impl Components {
    /// Replaces the references of a collected schema by references to the components.
    pub(crate) fn resolve(&self, schema: &mut Value) {
        each_reference(schema, &|reference| {
            let index: usize = reference.strip_prefix(MARKER)?.parse().ok()?;
            self.names.get(index).map(|name| format!("#/components/schemas/{name}"))
        });
    }
}

/// Whether a component is the received form of a type whose two forms differ.
fn is_input(collected: &Collected, rivals: usize) -> bool {
    rivals > 1 && collected.directions == [Direction::Received]
}

fn free_name(wanted: String, taken: &mut Vec<String>) -> String {
    let mut name = wanted.clone();
    let mut number = 2;
    while taken.contains(&name) {
        name = format!("{wanted}{number}");
        number += 1;
    }
    taken.push(name.clone());
    name
}

/// Applies the changes of the settings to a schema that is not a definition.
fn transform(generator: &mut SchemaGenerator, schema: &mut Schema) {
    for transform in generator.transforms_mut() {
        transform.transform(schema);
    }
}

/// Returns a schema as text, with the schemas that it refers to, directly or not.
fn contents_of(name: &str, definitions: &BTreeMap<String, Value>) -> String {
    let mut names = vec![name.to_owned()];
    let mut next = 0;
    while let Some(name) = names.get(next).cloned() {
        if let Some(definition) = definitions.get(&name) {
            let mut found = Vec::new();
            local_references(definition, &mut found);
            for reference in found {
                if !names.contains(&reference) {
                    names.push(reference);
                }
            }
        }
        next += 1;
    }
    let texts = names.iter().filter_map(|name| Some(format!("{name}={}\n", definitions.get(name)?)));
    texts.collect()
}

fn local_references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => {
                        found.extend(text.strip_prefix(LOCAL).map(str::to_owned));
                    }
                    other => local_references(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| local_references(item, found)),
        _ => {}
    }
}

/// Replaces the references of a schema of schemars.
fn refer(schema: &mut Value, indices: &BTreeMap<String, usize>) {
    each_reference(schema, &|reference| {
        let index = indices_of(indices, reference.strip_prefix(LOCAL)?)?;
        Some(format!("{MARKER}{index}"))
    });
}

fn indices_of(indices: &BTreeMap<String, usize>, name: &str) -> Option<usize> {
    indices.get(name).copied()
}

/// Replaces references by what the function returns for them.
fn each_reference(schema: &mut Value, replaced: &impl Fn(&str) -> Option<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(new) = replaced(text) {
                            *text = new;
                        }
                    }
                    other => each_reference(other, replaced),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_reference(item, replaced)),
        _ => {}
    }
}

/// Sorts keys and `required`, and removes `$schema`, so that equal types have equal schemas.
fn make_canonical(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("$schema");
            if let Some(Value::Array(required)) = fields.get_mut("required") {
                required.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                required.dedup();
            }
            fields.values_mut().for_each(make_canonical);
            // `serde_json` keeps the order of insertion if a crate of the program asks for it.
            let mut sorted: Vec<(String, Value)> = std::mem::take(fields).into_iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
            *fields = Map::from_iter(sorted);
        }
        Value::Array(items) => items.iter_mut().for_each(make_canonical),
        _ => {}
    }
}

/// Returns the last segment of a type's module.
fn module_of(schema_id: &str) -> String {
    let path = schema_id.split('<').next().unwrap_or(schema_id);
    path.rsplit("::").nth(1).unwrap_or_default().to_owned()
}

/// Returns `chat_room` as `ChatRoom`.
fn camel(module: &str) -> String {
    let words = module.split('_').map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    });
    words.collect()
}
