//! The AsyncAPI document.

use std::collections::BTreeSet;

use serde_json::Value;
use ws_core::{App, contract::Contract};

use crate::fixture::app;

#[test]
fn the_document_of_the_fixture_is_up_to_date() {
    ws_core::contract::assert_file("contract/snapshots/asyncapi.json", app().contract().asyncapi());
}

#[test]
fn equal_code_has_equal_documents() {
    let document = app().contract().asyncapi();
    assert_eq!(app().contract().asyncapi(), document);
    assert!(document.ends_with("}\n"));
}

#[test]
fn the_order_of_routes_by_hand_does_not_matter() {
    let route = |path: &str| ws_core::Route::new(path, Empty);
    let one = App::new().route(route("/x")).route(route("/y")).contract();
    let other = App::new().route(route("/y")).route(route("/x")).contract();
    assert_eq!(one.asyncapi(), other.asyncapi());
}

struct Empty;

impl ws_core::Controller for Empty {}

/// The text is compared, because a parsed document is sorted by `serde_json`.
#[test]
fn keys_and_required_fields_are_sorted() {
    let text = app().contract().asyncapi();
    let mut keys: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        keys.truncate(depth / 2 + 1);
        keys.resize(depth / 2 + 1, Vec::new());
        if let Some((key, _)) = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\": ")) {
            let before = &mut keys[depth / 2];
            assert!(before.last().is_none_or(|last| *last < key), "{key} after {before:?}");
            before.push(key);
        }
    }
    each_object(&serde_json::from_str(&text).unwrap(), &mut |object| {
        if let Some(Value::Array(required)) = object.get("required") {
            let names: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
            assert!(names.is_sorted() && !names.is_empty(), "{names:?}");
        }
    });
}

#[test]
fn every_reference_has_a_target_and_every_component_is_used() {
    let document = document(&app().contract());
    let mut used = BTreeSet::new();
    each_object(&document, &mut |object| {
        if let Some(Value::String(reference)) = object.get("$ref") {
            let pointer = reference.strip_prefix('#').expect("a reference into the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
            used.insert(pointer.to_owned());
        }
    });
    for kind in ["messages", "schemas", "securitySchemes", "correlationIds"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("/components/{kind}/{name}")), "{kind}/{name}");
        }
    }
}

#[test]
fn keys_have_the_letters_that_asyncapi_allows() {
    let document = document(&app().contract());
    let is_allowed = |key: &String| {
        let mut letters = key.chars();
        letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_'))
    };
    for place in [
        "/servers",
        "/channels",
        "/operations",
        "/components/messages",
        "/components/schemas",
        "/components/securitySchemes",
    ] {
        let keys = document.pointer(place).and_then(Value::as_object).unwrap().keys();
        let wrong: Vec<&String> = keys.filter(|key| !is_allowed(key)).collect();
        assert_eq!(wrong, [""; 0], "{place}");
    }
}

#[test]
fn names_that_have_one_key_stay_apart() {
    let document = document(&app().contract());
    let name = |key: &str| &document["components"]["messages"][key]["name"];
    assert_eq!(name("Names.names_say_it"), "names say it");
    assert_eq!(name("Names.names_say_it.2"), "names/say it");
    let scheme = |key: &str| &document["components"]["securitySchemes"][key]["name"];
    assert_eq!(scheme("query.access_token"), "access/token");
    assert_eq!(scheme("query.access_token.2"), "access_token");
}

#[test]
fn an_event_is_one_message_as_a_reply_and_as_a_push() {
    let document = document(&app().contract());
    let said = "#/channels/Names/messages/names_said_it";
    assert_eq!(document["operations"]["Names.names_say_it.2"]["reply"]["messages"][0]["$ref"], said);
    assert_eq!(document["operations"]["Names.names_said_it"]["messages"][0]["$ref"], said);
}

#[test]
fn an_operation_has_its_replies_its_codes_and_its_security() {
    let document = document(&app().contract());
    let operation = |name: &str| &document["operations"][name];
    let say = operation("Room.say");
    assert_eq!(say["action"], "receive");
    assert_eq!(say["x-ws-codes"]["too_long"], "The text is too long.");
    assert_eq!(say["security"].as_array().unwrap().len(), 4);
    let replies = |name: &str| -> Vec<&str> {
        let messages = operation(name)["reply"]["messages"].as_array().unwrap();
        messages.iter().map(|it| it["$ref"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
    };
    assert_eq!(replies("Room.say"), ["said", "error"]);
    assert_eq!(replies("Room.history"), ["history.reply", "end", "error"], "returned as `Data`");
    assert_eq!(replies("Room.typing"), ["end", "error"]);
    assert_eq!(replies("Room.find"), ["find.reply", "end", "error"]);
    assert_eq!(operation("Room.confirm")["action"], "send");
    assert_eq!(replies("Room.confirm"), ["confirm.answer", "error"]);
    assert_eq!(operation("Shop.order")["security"], Value::Null);
}

#[test]
fn channels_name_their_server_also_one_that_is_not_configured() {
    let document = document(&app().contract());
    assert_eq!(document["channels"]["Maps"]["servers"][0]["$ref"], "#/servers/admin");
    assert_eq!(document["channels"]["Raw.2"]["servers"], Value::Null);
    assert_eq!(document["channels"]["Raw.2"]["x-ws-server"], "elsewhere");
    assert_eq!(document["channels"]["Raw.2"]["x-ws-untyped"], true);
}

/// The file is committed, so a moved line must not change it.
#[test]
fn the_document_has_no_source_locations() {
    let text = app().contract().asyncapi();
    assert!(!text.contains(".rs"), "{text}");
}

fn document(contract: &Contract) -> Value {
    serde_json::from_str(&contract.asyncapi()).unwrap()
}

/// Calls the function for each object of a value.
fn each_object(value: &Value, each: &mut dyn FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            // The properties of a schema may have the name of a keyword.
            if !fields.values().all(Value::is_object) {
                each(fields);
            }
            fields.values().for_each(|value| each_object(value, each));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, each)),
        _ => {}
    }
}
