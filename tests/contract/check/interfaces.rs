//! Every single mutation of an event or a route of the fixture's document, and other names.

use serde_json::{Value, json};
use ws_core::contract::{
    ChangeClass::{Breaking, Compatible, Risky, Unjudged},
    check,
};

use super::{
    changes, classes, fixture,
    mutations::{escaped, mutations, push_required, schemas, target},
};

/// Mutates each operation and each route of the fixture.
fn mutated_interfaces(document: &Value) -> Vec<(String, Value, &'static str)> {
    let mut found = Vec::new();
    let mut add = |name: String, class: &'static str, change: &dyn Fn(&mut Value)| {
        let mut mutated = document.clone();
        change(&mut mutated);
        found.push((name, mutated, class));
    };
    for (key, operation) in document["operations"].as_object().unwrap() {
        let at = |it: &mut Value, change: &dyn Fn(&mut Value)| change(&mut it["operations"][key]);
        let is_call = operation["action"] == "receive";
        add(format!("{key} removed"), "breaking", &|it| {
            drop(it["operations"].as_object_mut().unwrap().remove(key))
        });
        let added = if is_call || operation.get("reply").is_none() { "compatible" } else { "risky" };
        add(format!("{key} copied"), added, &|it| {
            let mut message =
                it.pointer(&target(it, &format!("/operations/{}/messages/0", escaped(key)))).unwrap().clone();
            message["name"] = json!("new event");
            it["components"]["messages"]["new"] = message;
            let mut copy = it["operations"][key].clone();
            copy["messages"] = json!([{ "$ref": "#/components/messages/new" }]);
            it["operations"]["new"] = copy;
        });
        add(format!("{key} code added"), "risky", &|it| at(it, &|it| it["x-ws-codes"]["new"] = json!("")));
        for code in operation["x-ws-codes"].as_object().into_iter().flatten() {
            add(format!("{key} code removed"), "risky", &|it| {
                at(it, &|it| drop(it["x-ws-codes"].as_object_mut().unwrap().remove(code.0)))
            });
        }
        if is_call {
            for form in ["none", "one", "optional", "many"] {
                if operation["x-ws-reply"] != form {
                    add(format!("{key} replies {form}"), "breaking", &|it| {
                        at(it, &|it| it["x-ws-reply"] = json!(form))
                    });
                }
            }
        } else if operation.get("reply").is_some() {
            add(format!("{key} answer removed"), "breaking", &|it| {
                at(it, &|it| drop(it.as_object_mut().unwrap().remove("reply")))
            });
        } else {
            add(format!("{key} answer added"), "breaking", &|it| {
                at(it, &|it| it["reply"] = json!({ "messages": it["messages"] }))
            });
        }
        for (index, reply) in operation["reply"]["messages"].as_array().into_iter().flatten().enumerate() {
            let reference = reply["$ref"].as_str().unwrap();
            if !reference.ends_with("/error") && !reference.ends_with("/end") {
                add(format!("{key} reply renamed"), "breaking", &|it| {
                    let mut message = it.pointer(&target(it, &reference[1..])).unwrap().clone();
                    message["name"] = json!("new reply");
                    it["components"]["messages"]["new"] = message;
                    at(it, &|it| it["reply"]["messages"][index]["$ref"] = json!("#/components/messages/new"));
                });
            }
        }
        let scheme = json!({ "type": "httpApiKey", "in": "query", "name": "key" });
        match operation["security"].as_array() {
            None => {
                add(format!("{key} token"), "breaking", &|it| at(it, &|it| it["security"] = json!([scheme])))
            }
            Some(list) => {
                add(format!("{key} no token"), "compatible", &|it| at(it, &|it| it["security"] = json!([])));
                add(format!("{key} other token"), "compatible", &|it| {
                    at(it, &|it| it["security"].as_array_mut().unwrap().push(scheme.clone()))
                });
                for index in 0..list.len() {
                    add(format!("{key} alternative"), "breaking", &|it| {
                        at(it, &|it| drop(it["security"].as_array_mut().unwrap().remove(index)))
                    });
                }
            }
        }
        add(format!("{key} unknown field"), "unjudged", &|it| at(it, &|it| it["traits"] = json!([])));
    }
    for (key, channel) in document["channels"].as_object().unwrap() {
        let at = |it: &mut Value, change: &dyn Fn(&mut Value)| change(&mut it["channels"][key]);
        let reference = json!({ "$ref": format!("#/channels/{key}") });
        add(format!("{key} removed"), "breaking", &|it| {
            it["channels"].as_object_mut().unwrap().remove(key);
            it["operations"]
                .as_object_mut()
                .unwrap()
                .retain(|_, operation| operation["channel"] != reference);
        });
        add(format!("{key} copied"), "compatible", &|it| {
            it["channels"]["New"] = it["channels"][key].clone();
            it["channels"]["New"]["address"] = json!("/new");
        });
        add(format!("{key} moved"), "breaking", &|it| at(it, &|it| it["address"] = json!("/moved/away")));
        add(format!("{key} untyped"), "breaking", &|it| {
            at(it, &|it| {
                let is_untyped = it["x-ws-untyped"] == true;
                it["x-ws-untyped"] = json!(!is_untyped);
            })
        });
        add(format!("{key} parameter"), "breaking", &|it| at(it, &|it| it["parameters"]["new"] = json!({})));
        for (name, parameter) in channel["parameters"].as_object().into_iter().flatten() {
            add(format!("{key} no parameter {name}"), "breaking", &|it| {
                at(it, &|it| drop(it["parameters"].as_object_mut().unwrap().remove(name)))
            });
            for mutation in mutations(&parameter["x-ws-schema"], false) {
                let class = match mutation.classes.0 {
                    Breaking => "breaking",
                    Unjudged => "unjudged",
                    Risky => "risky",
                    Compatible => "compatible",
                };
                add(format!("{key} parameter {name}: {}", mutation.name), class, &|it| {
                    at(it, &|it| it["parameters"][name] = json!({ "x-ws-schema": mutation.schema }))
                });
            }
        }
        for part in ["query", "headers"] {
            let field = json!({ "type": "string" });
            let put = |it: &mut Value| {
                it["bindings"]["ws"][part]["type"] = json!("object");
                it["bindings"]["ws"][part]["properties"]["new"] = field.clone();
            };
            add(format!("{key} optional {part}"), "compatible", &|it| at(it, &put));
            add(format!("{key} required {part}"), "breaking", &|it| {
                at(it, &|it| {
                    put(it);
                    push_required(&mut it["bindings"]["ws"][part], "new");
                })
            });
        }
        let pointer = "/bindings/ws/headers/properties/sec-websocket-protocol/enum";
        for index in 0..channel.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len) {
            add(format!("{key} subprotocol"), "breaking", &|it| {
                at(it, &|it| drop(it.pointer_mut(pointer).unwrap().as_array_mut().unwrap().remove(index)))
            });
            add(format!("{key} new subprotocol"), "compatible", &|it| {
                at(it, &|it| it.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(json!("new")))
            });
        }
    }
    found
}

#[test]
fn each_mutation_of_a_route_or_an_event_has_one_class() {
    let document = fixture();
    let mutated = mutated_interfaces(&document);
    let mut faults = Vec::new();
    for (name, mutated, expected) in &mutated {
        let found = changes(&document, mutated);
        if classes(&found) != *expected {
            faults.push(format!("{name}: expected {expected}, found {found:#?}"));
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), mutated.len(), faults.join("\n"));
    assert!(
        mutated.len() > 200,
        "only {} mutations: the test does not find the document's parts",
        mutated.len()
    );
}

/// Gives each component the name of the next one, without sorting.
fn renamed(document: &Value, list: &str) -> Value {
    let components = document["components"][list].as_object().unwrap();
    let names: Vec<&String> = components.keys().collect();
    let next = |name: &str| {
        let index = names.iter().position(|it| *it == name).unwrap();
        names[(index + 1) % names.len()].clone()
    };
    fn refer(value: &mut Value, start: &str, next: &dyn Fn(&str) -> String) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value {
                        Value::String(text) if key == "$ref" => {
                            if let Some(name) = text.strip_prefix(start) {
                                *text = format!("{start}{}", next(name));
                            }
                        }
                        other => refer(other, start, next),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|it| refer(it, start, next)),
            _ => {}
        }
    }
    let mut document = document.clone();
    let moved = components.iter().map(|(name, value)| (next(name), value.clone())).collect();
    document["components"][list] = Value::Object(moved);
    refer(&mut document, &format!("#/components/{list}/"), &next);
    document
}

#[test]
fn names_of_components_do_not_count() {
    let document = fixture();
    for list in ["schemas", "messages", "securitySchemes"] {
        let renamed = renamed(&document, list);
        assert_ne!(renamed, document);
        assert_eq!(changes(&document, &renamed), vec![], "{list}");
    }
}

#[test]
fn equal_documents_have_no_change() {
    assert_eq!(changes(&fixture(), &fixture()), vec![]);
}

#[test]
fn documentation_in_schemas_does_not_count() {
    let document = fixture();
    let mut mutated = document.clone();
    for pointer in schemas(&document).into_keys() {
        if let Some(fields) = mutated.pointer_mut(&pointer).unwrap().as_object_mut() {
            for keyword in ["title", "description", "default", "$comment", "x-order"] {
                fields.insert(keyword.into(), json!("other"));
            }
            fields.insert("examples".into(), json!([1]));
        }
    }
    assert_ne!(mutated, document);
    assert_eq!(check(&document, &mutated), Ok(vec![]));
}
