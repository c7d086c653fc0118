//! The model that is collected from the registry.

use std::{fs, path::Path};

use serde_json::{Value, json};
use ws_core::contract::{Channel, ClientEvent, Contract, Gap, ReplyForm, Security, ServerEvent};

use crate::fixture::app;

#[test]
fn a_channel_has_the_documentation_and_the_handshake_of_its_route() {
    let contract = app().contract();
    assert_eq!((contract.title.as_str(), contract.version.as_str()), ("fixture", "1.2.3"));
    let room = channel(&contract, "Room");
    assert_eq!(room.address, "/rooms/{room}/seats/{seat}");
    assert_eq!(room.docs, "The rooms of the chat.\n\nEveryone in a room gets every line.");
    assert_eq!(room.subprotocols, ["chat.v2", "chat.v1"]);
    let security = [
        Security::Bearer,
        Security::Subprotocol,
        Security::Cookie("sid".into()),
        Security::Query("token".into()),
    ];
    assert_eq!(room.security, security);
    let query = room.query.as_ref().unwrap();
    assert!(!query.is_required, "the parameter is an `Option`");
    assert_eq!(query.schema["properties"]["lang"]["type"], json!(["string", "null"]));
    assert_eq!(headers(room), [("user-agent", true)]);
}

#[test]
fn parameters_are_fields_items_or_values_and_texts_if_no_handler_reads_them() {
    let contract = app().contract();
    let types = |name: &str| -> Vec<(String, Value)> {
        let parameters = &channel(&contract, name).parameters;
        parameters.iter().map(|it| (it.name.clone(), it.schema["type"].clone())).collect()
    };
    assert_eq!(types("Room"), [("room".into(), json!("string")), ("seat".into(), json!("integer"))]);
    assert_eq!(types("Shop"), [("item".into(), json!("integer"))]);
    assert_eq!(types("Maps"), [("first".into(), json!("integer")), ("second".into(), json!("integer"))]);
    let tables = &channel(&contract, "Tables & seats").parameters;
    let names: Vec<&str> = tables.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["table", "side", "rest"]);
    assert_eq!(tables[0].schema["type"], "string", "`try_from` reads a text");
    assert_eq!(tables[1].schema["oneOf"][1]["const"], "right");
}

#[test]
fn queries_of_several_handlers_are_one_and_keep_what_each_requires() {
    let contract = app().contract();
    let tables = channel(&contract, "Tables & seats");
    let query = tables.query.as_ref().unwrap();
    let names: Vec<&String> = query.schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["color", "hint", "page", "table"]);
    assert_eq!(query.schema["required"], json!(["page", "table"]), "`hint` is of an `Option`");
    assert!(query.is_required);
    assert_eq!(headers(tables), [("host", true), ("user-agent", false)]);
}

#[test]
fn middleware_of_the_server_protects_its_routes_and_no_others() {
    let contract = app().contract();
    for name in ["Tables & seats", "Maps"] {
        let security = &channel(&contract, name).security;
        let query = |name: &str| Security::Query(name.to_owned());
        assert_eq!(*security, [Security::Bearer, query("access/token"), query("access_token")], "{name}");
    }
    assert_eq!(channel(&contract, "Shop").security, []);
}

#[test]
fn servers_are_those_of_the_configuration_that_have_a_channel() {
    let contract = app().contract();
    let servers: Vec<(&str, &str, bool)> =
        contract.servers.iter().map(|it| (it.name.as_str(), it.host.as_str(), it.is_tls)).collect();
    assert_eq!(servers, [("ws", "127.0.0.1:9502", false), ("admin", "[::1]:9443", true)]);
    assert_eq!(channel(&contract, "Maps").server, "admin");
    assert_eq!(channel(&contract, "Raw.2").server, "elsewhere");
}

#[test]
fn an_event_has_its_documentation_its_data_and_its_codes() {
    let contract = app().contract();
    let say = event(&contract, "Room", "say");
    assert_eq!(say.docs, "The other members receive it through the room.", "the handler's own");
    assert_eq!(event(&contract, "Room", "history").docs, "Asks for the last lines.", "the event type's");
    let data = say.data.as_ref().unwrap();
    assert!(data.is_required);
    assert_eq!(data.schema, json!({ "$ref": "#/components/schemas/Say" }));
    assert_eq!(contract.schemas["Say"]["required"], json!(["text"]), "`mood` has a default");
    assert_eq!(contract.schemas["Say"]["properties"]["text"]["maxLength"], 500);
    let codes: Vec<(&str, &str)> =
        say.codes.iter().map(|it| (it.code.as_str(), it.description.as_str())).collect();
    assert_eq!(codes, [("empty", "The text is empty."), ("too_long", "The text is too long.")]);
    assert_eq!(event(&contract, "Room", "who").codes, say.codes, "those of `errors(..)`");
    let note = event(&contract, "Lobby", "note");
    assert!(!note.data.as_ref().unwrap().is_required, "`Option<Data<T>>`");
    assert_eq!(event(&contract, "Room", "typing").data, None);
    let present = event(&contract, "Tables & seats", "present").data.as_ref().unwrap();
    assert_eq!(present.schema["format"], "uint8", "a parameter under `cfg`");
    assert!(!channel(&contract, "Tables & seats").events.iter().any(|event| event.name == "absent"));
}

#[test]
fn a_reply_has_the_form_and_the_name_that_the_handler_or_its_event_declares() {
    let contract = app().contract();
    for (channel, name, form, reply) in [
        ("Room", "say", ReplyForm::One, Some(Some("said"))),
        ("Room", "history", ReplyForm::Many, Some(Some("history"))),
        ("Room", "who", ReplyForm::One, Some(Some("who"))),
        ("Room", "typing", ReplyForm::None, None),
        ("Room", "stopped_typing", ReplyForm::None, None),
        ("Room", "find", ReplyForm::Optional, Some(Some("find"))),
        ("Room", "slow", ReplyForm::Many, Some(None)),
        ("Names", "names/say it", ReplyForm::One, Some(Some("names/said it"))),
        ("Names", "pulse", ReplyForm::One, Some(Some("pulse"))),
        ("Names", "texts", ReplyForm::Optional, Some(Some("texts"))),
    ] {
        let event = event(&contract, channel, name);
        assert_eq!(event.form, form, "{name}");
        assert_eq!(event.reply.as_ref().map(|it| it.name.as_deref()), reply, "{name}");
    }
    let reply = event(&contract, "Room", "say").reply.as_ref().unwrap();
    assert_eq!(reply.docs, "A user said something.");
    let numbers = event(&contract, "Names", "numbers").reply.as_ref().unwrap();
    let listed = numbers.schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(contract.schemas[listed]["properties"]["items"]["items"]["format"], "uint32");
}

#[test]
fn pushed_events_are_those_of_emits_and_those_that_on_open_returns() {
    let contract = app().contract();
    let names = |name: &str| -> Vec<&str> {
        channel(&contract, name).pushes.iter().map(|push| push.name.as_str()).collect()
    };
    assert_eq!(names("Room"), ["closing", "confirm", "joined", "welcome"]);
    assert_eq!(names("Lobby"), [""; 0]);
    assert_eq!(names("Lobby2"), ["closing"], "`emits` of a route by hand");
    let confirm = push(&contract, "Room", "confirm");
    assert_eq!(confirm.answer, Some(json!({ "type": "boolean" })));
    assert_eq!(confirm.docs, "Asks whether to pay.");
    assert_eq!(push(&contract, "Room", "welcome").answer, None);
}

#[test]
fn types_of_one_name_are_components_of_their_own() {
    let contract = app().contract();
    let member = |name: &str| contract.schemas[name]["properties"].as_object().unwrap().len();
    assert_eq!((member("RoomMember"), member("ShopMember")), (2, 1), "the last segment of the module");
    assert!(!contract.schemas.contains_key("Member"));
    assert_eq!(contract.schemas["Order"]["required"], json!(["count", "item"]), "sent");
    assert_eq!(contract.schemas["OrderInput"]["required"], json!(["item"]), "received");
    let inside = ["Inside", "Inside2"].map(|name| contract.schemas[name]["required"].clone());
    assert_eq!(inside, [json!(["a"]), json!(["b"])], "types in functions");
    assert!(contract.schemas.contains_key("Odd___type__1_"), "characters that a key cannot have");
    assert!(!contract.schemas.contains_key("TreeInput"), "its two schemas are equal");
    let said = event(&contract, "Names", "names/say it").reply.as_ref().unwrap().schema["$ref"].clone();
    let said = said.as_str().unwrap().rsplit('/').next().unwrap();
    assert_eq!(contract.schemas[said]["properties"]["$schema"], json!({ "type": "string" }));
}

#[test]
fn a_gap_names_the_type_and_the_line_to_look_at() {
    let contract = app().contract();
    let gaps: Vec<(&str, String)> =
        contract.gaps.iter().map(|gap| (gap.what.as_str(), line_of(gap))).collect();
    for (what, line) in [
        (
            "the schema of `contract::fixture::shop::Secret` in `redeem`; derive `JsonSchema`",
            r#"#[on_event("redeem")]"#,
        ),
        (
            "the schema of `contract::fixture::shop::Restocked` in `restocked`; derive `JsonSchema`",
            r#"#[ws_controller(path = "/shop/{item}", emits(Restocked))]"#,
        ),
        ("the reply to `slow`, which the handler sends later", r#"#[on_event("slow")]"#),
        ("the messages that `text` handles", "#[on_text]"),
        ("the messages of `Raw`, which has no `#[ws_handlers]`", r#".controller("/raw", Raw)"#),
        (
            "the messages of `Raw.2`, which has no `#[ws_handlers]`",
            r#".route(Route::new("/elsewhere", Raw).server("elsewhere").name("Raw.2"))"#,
        ),
    ] {
        let found = gaps.iter().find(|gap| gap.0 == what).unwrap_or_else(|| panic!("{what}: {gaps:#?}"));
        assert_eq!(found.1, line, "{what}");
    }
    assert_eq!(gaps.len(), 6, "{gaps:#?}");
}

#[test]
fn a_strict_contract_is_refused_with_all_gaps() {
    let contract = app().contract();
    let gaps = contract.gaps.clone();
    let fault = contract.strict().unwrap_err();
    assert_eq!(fault.0, gaps);
    let text = fault.to_string();
    assert!(text.starts_with("6 parts of the contract are not known:\n  "), "{text}");
    let line = format!("\n  {}", gaps[5]);
    assert!(text.ends_with(&line), "{text}");
    let mut complete = app().contract();
    complete.gaps.clear();
    assert_eq!(complete.clone().strict(), Ok(complete));
}

fn channel<'a>(contract: &'a Contract, name: &str) -> &'a Channel {
    contract.channels.iter().find(|it| it.name == name).unwrap_or_else(|| panic!("no channel {name}"))
}

fn event<'a>(contract: &'a Contract, in_channel: &str, name: &str) -> &'a ClientEvent {
    let mut events = channel(contract, in_channel).events.iter();
    events.find(|it| it.name == name).unwrap_or_else(|| panic!("no event {name}"))
}

fn push<'a>(contract: &'a Contract, in_channel: &str, name: &str) -> &'a ServerEvent {
    let mut pushes = channel(contract, in_channel).pushes.iter();
    pushes.find(|it| it.name == name).unwrap_or_else(|| panic!("no event {name}"))
}

fn headers(channel: &Channel) -> Vec<(&str, bool)> {
    channel.headers.iter().map(|it| (it.name.as_str(), it.is_required)).collect()
}

/// Returns the source line that a gap names.
fn line_of(gap: &Gap) -> String {
    // The paths of rustc begin at the workspace.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = fs::read_to_string(root.join(gap.location.file)).unwrap();
    let number = usize::try_from(gap.location.line).unwrap();
    source.lines().nth(number - 1).unwrap().trim().to_owned()
}
