//! The values that handlers read from the handshake: parameters of the path, the query, headers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Collector, Described};
use crate::{
    contract::model::{Header, Parameter, Payload},
    request::ParamSource,
};

impl Collector {
    /// Returns the parameters of a path. Those that no handler reads, or whose type is not known,
    /// are texts.
    pub(super) fn parameters(&mut self, path: &str, handlers: &[Described]) -> Vec<Parameter> {
        let names = parameter_names(path);
        let types = self.read(handlers, ParamSource::Path, "in a path");
        let parameter = |(number, name): (usize, &String)| {
            let mut parts = types.iter().filter_map(|ty| part_of(&ty.schema, number, name, names.len()));
            let schema = parts.find(|schema| !schema.is_boolean()).map(|schema| self.schemas.inlined(schema));
            Parameter { name: name.clone(), schema: schema.unwrap_or_else(|| json!({ "type": "string" })) }
        };
        names.iter().enumerate().map(parameter).collect()
    }

    /// Returns the query string. If handlers read it as several types, it must fit all of them.
    pub(super) fn query(&mut self, handlers: &[Described]) -> Option<Payload> {
        let mut types = self.read(handlers, ParamSource::Query, "in a query");
        let first = types.pop()?;
        if types.is_empty() {
            return Some(first);
        }
        types.push(first);
        let is_required = types.iter().any(|ty| ty.is_required);
        let mut object = Map::from_iter([("type".to_owned(), json!("object"))]);
        let mut properties = Map::new();
        let mut required = Vec::new();
        for Payload { schema, is_required } in types {
            for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                properties.entry(name.clone()).or_insert_with(|| field.clone());
            }
            let names = schema.get("required").and_then(Value::as_array).filter(|_| is_required);
            required.extend(names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            if let Some(additional) = schema.get("additionalProperties") {
                object.insert("additionalProperties".to_owned(), additional.clone());
            }
        }
        required.sort_unstable();
        required.dedup();
        object.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        Some(Payload { schema: Value::Object(object), is_required })
    }

    /// Returns the types that handlers read from this place, each once and not as a reference.
    fn read(&mut self, handlers: &[Described], source: ParamSource, place: &str) -> Vec<Payload> {
        let mut types: Vec<Payload> = Vec::new();
        for handler in handlers {
            for param in handler.params().filter(|param| param.source == source) {
                let schema = self.known(&param.value, place, handler.location);
                let schema = self.schemas.inlined(&schema);
                let is_required = !param.is_optional;
                match types.iter_mut().find(|ty| ty.schema == schema) {
                    Some(ty) => ty.is_required |= is_required,
                    None => types.push(Payload { schema, is_required }),
                }
            }
        }
        types
    }
}

/// Returns the headers that handlers read. One is required if a handler requires it.
pub(super) fn headers(handlers: &[Described]) -> Vec<Header> {
    let mut headers: BTreeMap<&str, bool> = BTreeMap::new();
    for param in handlers.iter().flat_map(Described::params) {
        if let ParamSource::Header(name) = param.source {
            *headers.entry(name).or_default() |= !param.is_optional;
        }
    }
    headers.into_iter().map(|(name, is_required)| Header { name: name.to_owned(), is_required }).collect()
}

/// Returns the names of a path's parameters: `room` for `{room}`, `rest` for `{*rest}`.
fn parameter_names(path: &str) -> Vec<String> {
    // In a path, `{{` and `}}` stand for braces.
    let path = path.replace("{{", "").replace("}}", "");
    let parts = path.split('{').skip(1).filter_map(|part| part.split_once('}'));
    parts.map(|(name, _)| name.trim_start_matches('*').to_owned()).collect()
}

/// Returns the schema of one parameter inside the schema of `Path<T>`: a field by its name, an item
/// of a tuple by its position, or the schema itself for a path with one parameter.
fn part_of<'a>(schema: &'a Value, number: usize, name: &str, count: usize) -> Option<&'a Value> {
    if let Some(fields) = schema.get("properties") {
        return fields.get(name);
    }
    match schema.get("items") {
        Some(Value::Array(items)) => return items.get(number),
        Some(item) => return Some(item),
        None => {}
    }
    if schema.get("type") == Some(&json!("object")) {
        return schema.get("additionalProperties");
    }
    (count == 1).then_some(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_a_field_an_item_or_the_whole() {
        let (text, number) = (json!({ "type": "string" }), json!({ "type": "integer" }));
        let fields = json!({ "type": "object", "properties": { "a": text, "b": number } });
        assert_eq!(part_of(&fields, 0, "b", 2), Some(&number), "a struct");
        assert_eq!(part_of(&fields, 0, "c", 2), None);
        let items = json!({ "type": "array", "items": [text, number] });
        assert_eq!(part_of(&items, 1, "x", 2), Some(&number), "a tuple");
        assert_eq!(part_of(&items, 2, "x", 3), None);
        let list = json!({ "type": "array", "items": number });
        assert_eq!(part_of(&list, 1, "x", 2), Some(&number), "a list");
        let map = json!({ "type": "object", "additionalProperties": number });
        assert_eq!(part_of(&map, 1, "x", 2), Some(&number), "a map");
        assert_eq!(part_of(&number, 0, "x", 1), Some(&number), "a value");
        assert_eq!(part_of(&number, 0, "x", 2), None);
    }

    #[test]
    fn the_names_of_parameters_are_in_the_path() {
        assert_eq!(parameter_names("/a/{b}/c{d}/{*rest}"), ["b", "d", "rest"]);
        assert_eq!(parameter_names("/{{a}}/{b}"), ["b"]);
    }
}
