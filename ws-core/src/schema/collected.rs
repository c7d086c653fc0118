//! The collector of the feature `asyncapi`, over schemars.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::Value;

use super::{
    Direction,
    names::{Named, decoded, key, module_of, named},
    walk::{each_reference, make_canonical, sorted},
};

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
    /// The name and the module, from which the final name is made.
    named: Named,
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

/// A named type of a generator.
struct Definition {
    schema: Value,
    /// The names of the types that it refers to.
    references: Vec<String>,
}

impl Schemas {
    /// Collects the schema of a type, and returns a reference to it, or the schema itself for a
    /// type without a name.
    pub(super) fn add<T: JsonSchema + ?Sized>(&mut self, direction: Direction) -> Value {
        let mut generator = generator(direction);
        let mut schema = generator.subschema_for::<T>();
        for transform in generator.transforms_mut() {
            transform.transform(&mut schema);
        }
        let definitions = generator.take_definitions(true).into_iter();
        let definitions: BTreeMap<String, Definition> =
            definitions.map(|(name, schema)| (name, Definition::new(schema))).collect();
        let mut schema = schema.to_value();
        make_canonical(&mut schema);
        let own_name = schema.get("$ref").and_then(Value::as_str).and_then(local_name);
        let module = module_of(&T::schema_id());
        let indices: BTreeMap<&str, usize> = definitions
            .keys()
            .map(|name| {
                let found = Named {
                    name: key(name),
                    directions: vec![direction],
                    module: module.clone(),
                    is_module_known: own_name.as_deref() == Some(name),
                    contents: contents_of(name, &definitions),
                };
                (name.as_str(), self.index_of(found))
            })
            .collect();
        for (name, definition) in &definitions {
            let index = indices.get(name.as_str()).copied();
            if let Some(collected) = index.and_then(|index| self.collected.get_mut(index)) {
                collected.schema = definition.schema.clone();
                refer(&mut collected.schema, &indices);
            }
        }
        refer(&mut schema, &indices);
        schema
    }

    /// Returns a schema without its outermost references: with the contents of the types that they
    /// name. Keywords beside a reference take precedence, such as the doc comment of a field.
    pub(crate) fn inlined(&self, schema: &Value) -> Value {
        let mut schema = schema.clone();
        // Each step replaces one type by its contents; only a type that refers to itself never
        // ends.
        for _ in 0..=self.collected.len() {
            let Value::Object(fields) = &mut schema else { break };
            if let Some(Value::Array(all)) = fields.get_mut("allOf")
                && all.len() == 1
                && let Some(Value::Object(only)) = all.pop()
            {
                fields.remove("allOf");
                only.into_iter().for_each(|(key, value)| _ = fields.entry(key).or_insert(value));
            }
            let Some(Value::Object(named)) = fields.get("$ref").and_then(|it| self.named(it.as_str()?))
            else {
                break;
            };
            fields.remove("$ref");
            for (key, value) in named {
                fields.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        sorted(schema)
    }

    /// Returns the collected schema that a reference names.
    fn named(&self, reference: &str) -> Option<&Value> {
        let index: usize = reference.strip_prefix(MARKER)?.parse().ok()?;
        self.collected.get(index).map(|collected| &collected.schema)
    }

    /// Returns the index of a component, and adds it if it is new.
    fn index_of(&mut self, found: Named) -> usize {
        let position = self.collected.iter_mut().position(|other| other.named.unite(&found));
        position.unwrap_or_else(|| {
            self.collected.push(Collected { named: found, schema: Value::Null });
            self.collected.len() - 1
        })
    }

    /// Gives each component its final name.
    pub(crate) fn finish(self) -> Components {
        let (found, schemas): (Vec<Named>, Vec<Value>) =
            self.collected.into_iter().map(|collected| (collected.named, collected.schema)).unzip();
        let mut components = Components { schemas: BTreeMap::new(), names: named(&found) };
        for (index, mut schema) in schemas.into_iter().enumerate() {
            components.resolve(&mut schema);
            if let Some(name) = components.names.get(index) {
                components.schemas.insert(name.clone(), schema);
            }
        }
        components
    }
}

impl Definition {
    fn new(mut schema: Value) -> Self {
        make_canonical(&mut schema);
        let mut references = Vec::new();
        each_reference(&mut schema, &mut |reference| {
            references.extend(local_name(reference));
            None
        });
        Self { schema, references }
    }
}

impl Components {
    /// Replaces the references of a collected schema by references to the components.
    pub(crate) fn resolve(&self, schema: &mut Value) {
        each_reference(schema, &mut |reference| {
            let index: usize = reference.strip_prefix(MARKER)?.parse().ok()?;
            self.names.get(index).map(|name| format!("#/components/schemas/{name}"))
        });
    }
}

/// Returns a generator of schemas in draft 7, the one that AsyncAPI names.
fn generator(direction: Direction) -> SchemaGenerator {
    let settings = SchemaSettings::draft07();
    match direction {
        Direction::Received => settings.for_deserialize(),
        Direction::Sent => settings.for_serialize(),
    }
    .into_generator()
}

/// Returns a schema as text, with the schemas that it refers to, directly or not.
fn contents_of(name: &str, definitions: &BTreeMap<String, Definition>) -> String {
    let mut names = vec![name];
    let mut contents = String::new();
    let mut next = 0;
    while let Some(name) = names.get(next).copied() {
        if let Some(Definition { schema, references }) = definitions.get(name) {
            contents.push_str(&format!("{name}={schema}\n"));
            for reference in references {
                if !names.contains(&reference.as_str()) {
                    names.push(reference);
                }
            }
        }
        next += 1;
    }
    contents
}

/// Returns the name of the type that a reference of schemars names.
fn local_name(reference: &str) -> Option<String> {
    reference.strip_prefix(LOCAL).map(decoded)
}

/// Replaces the references of a schema of schemars.
fn refer(schema: &mut Value, indices: &BTreeMap<&str, usize>) {
    each_reference(schema, &mut |reference| {
        let index = indices.get(local_name(reference)?.as_str())?;
        Some(format!("{MARKER}{index}"))
    });
}
