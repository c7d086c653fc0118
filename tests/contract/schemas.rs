//! The schemas of the contract, against the values that serde writes and accepts.

use std::collections::{BTreeMap, BTreeSet};

use jsonschema::Validator;
use proptest::{collection, prelude::*};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use ws_core::contract::{ClientEvent, Contract};

use crate::fixture::{
    app,
    forms::{
        Adjacent, Closed, Everything, External, Id, Open, Options, Pair, Rest, Shape, Tree, Unit, Untagged,
    },
};

/// The schemas of an event of the controller `Forms`, which takes and returns one type.
struct Schemas {
    contract: Contract,
    received: Value,
    sent: Value,
}

impl Schemas {
    fn of(event: &str) -> Self {
        let contract = app().contract();
        let forms = contract.channels.iter().find(|channel| channel.name == "Forms").unwrap();
        let ClientEvent { data, reply, .. } = forms.events.iter().find(|it| it.name == event).unwrap();
        let (received, sent) =
            (data.as_ref().unwrap().schema.clone(), reply.as_ref().unwrap().schema.clone());
        Self { contract, received, sent }
    }

    fn validator(&self, schema: &Value) -> Validator {
        let root = json!({ "allOf": [schema], "components": { "schemas": self.contract.schemas } });
        jsonschema::draft7::new(&root).unwrap()
    }

    /// Returns values that the schema accepts.
    fn values(&self, schema: &Value) -> BoxedStrategy<Value> {
        Values { schemas: &self.contract.schemas }.of(schema, 0)
    }
}

/// Asserts that the schema of sent data accepts what serde writes.
fn check_sent<T: Serialize + std::fmt::Debug>(event: &str, values: impl Strategy<Value = T>) {
    let schemas = Schemas::of(event);
    let validator = schemas.validator(&schemas.sent);
    proptest!(|(value in values)| {
        let written = serde_json::to_value(&value).unwrap();
        let faults: Vec<String> = validator.iter_errors(&written).map(|fault| fault.to_string()).collect();
        prop_assert!(faults.is_empty(), "{written}: {faults:?}");
    });
}

/// Asserts that serde accepts what the schema of received data accepts.
fn check_received<T: DeserializeOwned>(event: &str) {
    let schemas = Schemas::of(event);
    let validator = schemas.validator(&schemas.received);
    proptest!(|(value in schemas.values(&schemas.received))| {
        prop_assert!(validator.is_valid(&value), "the generator of this test: {value}");
        let read = serde_json::from_value::<T>(value.clone());
        prop_assert!(read.is_ok(), "{value}: {}", read.err().unwrap());
    });
}

#[test]
fn what_serde_writes_fits_the_schema_of_sent_data() {
    check_sent("everything", everything());
    check_sent("options", options());
    check_sent("open", open());
    check_sent("closed", any::<bool>());
}

#[test]
fn serde_accepts_what_fits_the_schema_of_received_data() {
    check_received::<Everything>("everything");
    check_received::<Options>("options");
    check_received::<Open>("open");
    check_received::<Closed>("closed");
}

#[test]
fn a_schema_refuses_what_serde_refuses() {
    for (event, value) in [
        ("closed", json!({ "only": true, "more": 1 })),
        ("closed", json!({})),
        ("open", json!({ "id": 1, "other": "no" })),
        ("open", json!({ "id": 256 })),
        ("options", json!({ "type": "nothing" })),
    ] {
        let schemas = Schemas::of(event);
        assert!(!schemas.validator(&schemas.received).is_valid(&value), "{event}: {value}");
        let is_read = match event {
            "closed" => serde_json::from_value::<Closed>(value).is_ok(),
            "open" => serde_json::from_value::<Open>(value).is_ok(),
            _ => serde_json::from_value::<Options>(value).is_ok(),
        };
        assert!(!is_read, "{event}");
    }
}

#[test]
fn examples_fit_their_schema_and_serde_accepts_them() {
    let contract = app().contract();
    let document: Value = serde_json::from_str(&contract.asyncapi()).unwrap();
    let mut count = 0;
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let root = json!({ "allOf": [message["payload"]], "components": document["components"] });
        let validator = jsonschema::draft7::new(&root).unwrap();
        for example in message["examples"].as_array().into_iter().flatten() {
            let payload = &example["payload"];
            let faults: Vec<String> = validator.iter_errors(payload).map(|fault| fault.to_string()).collect();
            assert_eq!(faults, [""; 0], "{name}: {payload}");
            let data = payload["data"].clone();
            let fault = match name.as_str() {
                "Forms.everything" => serde_json::from_value::<Everything>(data).err(),
                "Forms.options" => serde_json::from_value::<Options>(data).err(),
                "Forms.open" => serde_json::from_value::<Open>(data).err(),
                "Forms.closed" => serde_json::from_value::<Closed>(data).err(),
                _ => continue,
            };
            assert!(fault.is_none(), "{name}: {payload}: {fault:?}");
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        (-1e9..1e9).prop_map(|radius| Shape::Circle { radius }),
        ((-1e9..1e9), any::<Option<String>>()).prop_map(|(side, label)| Shape::Square { side, label }),
        Just(Shape::Nothing),
    ]
}

fn external() -> impl Strategy<Value = External> {
    prop_oneof![
        Just(External::Unit),
        any::<String>().prop_map(External::Newtype),
        any::<(u8, bool)>().prop_map(|(a, b)| External::Tuple(a, b)),
        any::<i32>().prop_map(|a| External::Struct { a }),
    ]
}

fn adjacent() -> impl Strategy<Value = Adjacent> {
    prop_oneof![any::<i64>().prop_map(Adjacent::A), any::<String>().prop_map(|x| Adjacent::B { x })]
}

fn untagged() -> impl Strategy<Value = Untagged> {
    prop_oneof![any::<String>().prop_map(Untagged::Text), any::<Vec<String>>().prop_map(Untagged::Many)]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<i32>().prop_map(|value| Tree { value, children: Vec::new() });
    leaf.prop_recursive(3, 10, 3, |inner| {
        let children = collection::vec(inner, 0..3);
        (any::<i32>(), children).prop_map(|(value, children)| Tree { value, children })
    })
}

fn everything() -> impl Strategy<Value = Everything> {
    let enums = (shape(), external(), adjacent(), untagged());
    let others = (
        any::<(String, u8)>(),
        any::<BTreeMap<String, Vec<i32>>>(),
        any::<Option<Option<bool>>>(),
        any::<Option<char>>(),
    );
    (enums, tree(), others).prop_map(|((shape, external, adjacent, untagged), tree, others)| {
        let (pair, map, nested, more) = others;
        Everything {
            shape,
            external,
            adjacent,
            untagged,
            tree,
            pair,
            map,
            unit: (),
            nested,
            rest: Rest { more },
        }
    })
}

fn options() -> impl Strategy<Value = Options> {
    let lists = (any::<Vec<String>>(), any::<[u8; 20]>(), any::<BTreeSet<u16>>());
    let others = (any::<(i8, Option<char>)>(), any::<u64>(), any::<std::net::IpAddr>(), -1e9_f32..1e9);
    let numbers = (any::<u32>(), any::<std::num::NonZero<u8>>(), any::<i64>());
    (any::<Option<String>>(), lists, others, numbers, shape()).prop_map(
        |(sent_if_there, (required, bytes, set), (pair, id, address, float), numbers, shape)| {
            let (with_default, number, large) = numbers;
            Options {
                with_default,
                sent_if_there,
                required,
                hidden: 1,
                number,
                bytes,
                none: [],
                set,
                pair: Pair(pair.0, pair.1),
                id: Id(id),
                nothing: Unit,
                address,
                float,
                large,
                shape,
            }
        },
    )
}

fn open() -> impl Strategy<Value = Open> {
    let others = collection::btree_map("[a-z]{3,6}", any::<bool>(), 0..3);
    (any::<u8>(), others).prop_map(|(id, others)| Open { id, others })
}

/// Makes values of a schema. It follows the keywords that the fixture's types have, and panics at
/// another one.
struct Values<'a> {
    schemas: &'a BTreeMap<String, Value>,
}

impl Values<'_> {
    fn of(&self, schema: &Value, depth: usize) -> BoxedStrategy<Value> {
        let Value::Object(fields) = schema else { panic!("{schema}") };
        if let Some(Value::String(reference)) = fields.get("$ref") {
            let name = reference.rsplit('/').next().unwrap();
            return self.of(&self.schemas[name], depth + 1);
        }
        if let Some(only) = fields.get("const") {
            return Just(only.clone()).boxed();
        }
        if let Some(Value::Array(names)) = fields.get("enum") {
            return proptest::sample::select(names.clone()).boxed();
        }
        if let Some(branches) = fields.get("oneOf").or_else(|| fields.get("anyOf")) {
            let branches = branches.as_array().unwrap().iter().map(|branch| self.of(branch, depth + 1));
            let branch = proptest::strategy::Union::new(branches);
            if !fields.contains_key("properties") {
                return branch.boxed();
            }
            return (branch, self.object(fields, depth))
                .prop_map(|(branch, own)| {
                    let (Value::Object(mut branch), Value::Object(own)) = (branch, own) else { panic!() };
                    branch.extend(own);
                    Value::Object(branch)
                })
                .boxed();
        }
        if let Some(Value::Array(all)) = fields.get("allOf") {
            let [only] = all.as_slice() else { panic!("{schema}") };
            return self.of(only, depth + 1);
        }
        match &fields["type"] {
            Value::Array(names) => {
                let types = names.iter().map(|name| self.of_type(name.as_str().unwrap(), fields, depth));
                proptest::strategy::Union::new(types).boxed()
            }
            name => self.of_type(name.as_str().unwrap(), fields, depth),
        }
    }

    fn of_type(&self, name: &str, fields: &Map<String, Value>, depth: usize) -> BoxedStrategy<Value> {
        match name {
            "null" => Just(Value::Null).boxed(),
            "boolean" => any::<bool>().prop_map(Value::from).boxed(),
            "string" if fields.contains_key("format") => {
                assert_eq!(fields["format"], "ip");
                any::<std::net::IpAddr>().prop_map(|address| json!(address)).boxed()
            }
            "string" if fields.contains_key("maxLength") => {
                assert_eq!((&fields["minLength"], &fields["maxLength"]), (&json!(1), &json!(1)));
                any::<char>().prop_map(|letter| json!(letter)).boxed()
            }
            "string" => any::<String>().prop_map(Value::from).boxed(),
            "number" => (-1e9..1e9).prop_map(|number: f64| json!(number)).boxed(),
            "integer" => integer(fields),
            "array" => self.array(fields, depth),
            "object" => self.object(fields, depth),
            other => panic!("{other}"),
        }
    }

    fn array(&self, fields: &Map<String, Value>, depth: usize) -> BoxedStrategy<Value> {
        let size =
            |key: &str| fields.get(key).and_then(Value::as_u64).map(|size| usize::try_from(size).unwrap());
        match fields.get("items") {
            Some(Value::Array(items)) => {
                let items: Vec<_> = items.iter().map(|item| self.of(item, depth + 1)).collect();
                items.prop_map(Value::from).boxed()
            }
            Some(item) if fields.get("uniqueItems") == Some(&Value::Bool(true)) => {
                let items = collection::vec(self.of(item, depth + 1), 0..4);
                items
                    .prop_map(|mut items| {
                        items.sort_by_key(Value::to_string);
                        items.dedup();
                        Value::from(items)
                    })
                    .boxed()
            }
            // Each level makes fewer of its own kind, so that a tree ends.
            Some(_) if depth > 8 && size("minItems").is_none() => Just(json!([])).boxed(),
            Some(item) => {
                let least = size("minItems").unwrap_or(0);
                let most = size("maxItems").unwrap_or(3);
                collection::vec(self.of(item, depth + 1), least..=most).prop_map(Value::from).boxed()
            }
            None => Just(json!([])).boxed(),
        }
    }

    /// Makes an object with all required fields, some of the others, and some that are not known.
    fn object(&self, fields: &Map<String, Value>, depth: usize) -> BoxedStrategy<Value> {
        let required: Vec<&Value> =
            fields.get("required").and_then(Value::as_array).into_iter().flatten().collect();
        let properties = fields.get("properties").and_then(Value::as_object).into_iter().flatten();
        let properties: Vec<_> = properties
            .map(|(name, schema)| {
                let value = self.of(schema, depth + 1);
                let value = if required.contains(&&json!(name)) {
                    value.prop_map(Some).boxed()
                } else {
                    proptest::option::of(value).boxed()
                };
                (Just(name.clone()), value)
            })
            .collect();
        let others = match fields.get("additionalProperties") {
            Some(Value::Bool(false)) => Just(BTreeMap::new()).boxed(),
            Some(schema) => collection::btree_map("[a-z]{7}", self.of(schema, depth + 1), 0..3).boxed(),
            None => collection::btree_map("[a-z]{7}", Just(json!("unknown")), 0..2).boxed(),
        };
        (properties, others)
            .prop_map(|(properties, others)| {
                let given = properties.into_iter().filter_map(|(name, value)| Some((name, value?)));
                Value::Object(given.chain(others).collect())
            })
            .boxed()
    }
}

/// Makes integers of the range that the format names, within the limits.
fn integer(fields: &Map<String, Value>) -> BoxedStrategy<Value> {
    let limit = |key: &str| fields.get(key).and_then(Value::as_i64);
    match fields["format"].as_str().unwrap() {
        "uint64" => any::<u64>().prop_map(Value::from).boxed(),
        format => {
            let (least, most) = match format {
                "int8" => (i64::from(i8::MIN), i64::from(i8::MAX)),
                "int32" => (i64::from(i32::MIN), i64::from(i32::MAX)),
                "int64" => (i64::MIN, i64::MAX),
                "uint8" => (0, i64::from(u8::MAX)),
                "uint16" => (0, i64::from(u16::MAX)),
                "uint32" => (0, i64::from(u32::MAX)),
                other => panic!("{other}"),
            };
            let least = limit("minimum").unwrap_or(least);
            let most = limit("maximum").unwrap_or(most);
            (least..=most).prop_map(Value::from).boxed()
        }
    }
}
