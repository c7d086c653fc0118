//! Pairs of documents that differ in a route or an event.

use serde_json::{Value, json};

use super::{
    changes, classes,
    documents::{document, with},
};

/// A change of the small document, and the expected classes of it and of its reverse.
struct Case(&'static str, fn(&mut Value), &'static str, &'static str);

fn check_all(cases: &[Case]) {
    for Case(name, change, there, back) in cases {
        let (old, new) = (document(), with(change));
        let found = changes(&old, &new);
        assert_eq!(classes(&found), *there, "{name}: {found:#?}");
        let found = changes(&new, &old);
        assert_eq!(classes(&found), *back, "{name}, backwards: {found:#?}");
    }
}

fn room(document: &mut Value) -> &mut Value {
    &mut document["channels"]["Room"]
}

#[test]
fn routes_are_compared_by_server_and_address() {
    check_all(&[
        Case("address", |it| room(it)["address"] = json!("/r/{room}"), "breaking", "breaking"),
        Case(
            "route added",
            |it| it["channels"]["New"] = json!({ "address": "/new" }),
            "compatible",
            "breaking",
        ),
        Case(
            "controller renamed",
            |it| *it = serde_json::from_str(&it.to_string().replace("Room", "Chat")).unwrap(),
            "none",
            "none",
        ),
        Case(
            "server renamed",
            |it| {
                *it = serde_json::from_str(
                    &it.to_string()
                        .replace("servers/ws", "servers/wss")
                        .replace("\"ws\":{\"host", "\"wss\":{\"host"),
                )
                .unwrap()
            },
            "none",
            "none",
        ),
        Case(
            "moved to another server",
            |it| {
                it["servers"]["other"] = json!({ "host": "localhost:2", "protocol": "ws" });
                room(it)["servers"] = json!([{ "$ref": "#/servers/other" }]);
            },
            "breaking",
            "breaking",
        ),
        Case("parameter", |it| room(it)["parameters"]["seat"] = json!({}), "breaking", "breaking"),
        Case(
            "value of a parameter",
            |it| room(it)["parameters"]["room"]["x-ws-schema"]["maxLength"] = json!(8),
            "breaking",
            "compatible",
        ),
        Case(
            "values of a parameter",
            |it| room(it)["parameters"]["room"]["enum"] = json!(["a"]),
            "breaking",
            "compatible",
        ),
        Case("untyped", |it| room(it)["x-ws-untyped"] = json!(true), "breaking", "breaking"),
        Case("unknown field of a route", |it| room(it)["traits"] = json!([]), "unjudged", "unjudged"),
        Case(
            "unknown field of the document",
            |it| it["defaultContentType"] = json!("text/plain"),
            "unjudged",
            "unjudged",
        ),
    ]);
}

#[test]
fn the_handshake_is_compared() {
    fn ws(document: &mut Value) -> &mut Value {
        &mut room(document)["bindings"]["ws"]
    }
    check_all(&[
        Case("required query", |it| ws(it)["query"]["required"] = json!(["lang"]), "breaking", "compatible"),
        Case(
            "query added",
            |it| ws(it)["query"]["properties"]["page"] = json!({}),
            "compatible",
            "compatible",
        ),
        Case(
            "no query",
            |it| drop(ws(it).as_object_mut().unwrap().remove("query")),
            "compatible",
            "compatible",
        ),
        Case(
            "required header",
            |it| ws(it)["headers"]["required"] = json!(["user-agent"]),
            "breaking",
            "compatible",
        ),
        Case(
            "subprotocol",
            |it| ws(it)["headers"]["properties"]["sec-websocket-protocol"]["enum"] = json!(["v2"]),
            "breaking",
            "compatible",
        ),
        Case(
            "order of subprotocols",
            |it| ws(it)["headers"]["properties"]["sec-websocket-protocol"]["enum"] = json!(["v1", "v2"]),
            "none",
            "none",
        ),
        Case("method", |it| ws(it)["method"] = json!("POST"), "unjudged", "unjudged"),
        Case("another binding", |it| room(it)["bindings"]["http"] = json!({}), "unjudged", "unjudged"),
    ]);
}

#[test]
fn tokens_are_alternatives() {
    fn say(document: &mut Value) -> &mut Value {
        &mut document["operations"]["Room.say"]
    }
    check_all(&[
        Case("no token", |it| say(it)["security"] = json!([]), "compatible", "breaking"),
        Case(
            "alternative removed",
            |it| drop(say(it)["security"].as_array_mut().unwrap().pop()),
            "breaking",
            "compatible",
        ),
        Case("order", |it| say(it)["security"].as_array_mut().unwrap().reverse(), "none", "none"),
        Case(
            "other cookie",
            |it| it["components"]["securitySchemes"]["cookie"]["name"] = json!("id"),
            "breaking+compatible",
            "breaking+compatible",
        ),
        Case(
            "description",
            |it| it["components"]["securitySchemes"]["cookie"]["description"] = json!("x"),
            "none",
            "none",
        ),
    ]);
}

#[test]
fn events_are_compared_by_name_and_direction() {
    fn operation<'a>(document: &'a mut Value, name: &str) -> &'a mut Value {
        &mut document["operations"][name]
    }
    fn copied(document: &mut Value, from: &str, to: &str) {
        let mut copy = document["operations"][from].clone();
        let mut message = document["components"]["messages"]["say"].clone();
        message["name"] = json!(to);
        document["components"]["messages"][to] = message;
        copy["messages"] = json!([{ "$ref": format!("#/components/messages/{to}") }]);
        document["operations"][format!("Room.{to}")] = copy;
    }
    check_all(&[
        Case("handled event", |it| copied(it, "Room.say", "new"), "compatible", "breaking"),
        Case("pushed event", |it| copied(it, "Room.joined", "new"), "compatible", "breaking"),
        Case("question", |it| copied(it, "Room.confirm", "new"), "risky", "breaking"),
        Case(
            "identifier of an operation",
            |it| {
                let operation = it["operations"].as_object_mut().unwrap().remove("Room.say").unwrap();
                it["operations"]["Room.talk"] = operation;
            },
            "none",
            "none",
        ),
        Case(
            "number of replies",
            |it| operation(it, "Room.say")["x-ws-reply"] = json!("many"),
            "breaking",
            "breaking",
        ),
        Case(
            "optional reply",
            |it| operation(it, "Room.say")["x-ws-reply"] = json!("optional"),
            "breaking",
            "breaking",
        ),
        Case(
            "no reply",
            |it| drop(operation(it, "Room.say").as_object_mut().unwrap().remove("reply")),
            "breaking",
            "risky",
        ),
        Case(
            "name of the reply",
            |it| it["components"]["messages"]["said"]["name"] = json!("told"),
            "breaking",
            "breaking",
        ),
        Case(
            "second reply",
            |it| {
                operation(it, "Room.say")["reply"]["messages"] = json!([{ "$ref": "#/components/messages/said" }, { "$ref": "#/components/messages/joined" }])
            },
            "risky",
            "breaking",
        ),
        Case(
            "answer",
            |it| drop(operation(it, "Room.confirm").as_object_mut().unwrap().remove("reply")),
            "breaking",
            "breaking",
        ),
        Case("code", |it| operation(it, "Room.say")["x-ws-codes"]["late"] = json!(""), "risky", "risky"),
        Case(
            "codes as a list",
            |it| operation(it, "Room.say")["x-ws-codes"] = json!(["empty"]),
            "none",
            "none",
        ),
        Case(
            "code of a message",
            |it| it["components"]["messages"]["said"]["x-ws-codes"] = json!({ "late": "" }),
            "risky",
            "risky",
        ),
        Case(
            "unknown field of an event",
            |it| operation(it, "Room.say")["bindings"] = json!({}),
            "unjudged",
            "unjudged",
        ),
        Case(
            "unknown field of a reply",
            |it| operation(it, "Room.say")["reply"]["address"] = json!({}),
            "unjudged",
            "unjudged",
        ),
        Case(
            "unknown field of a message",
            |it| it["components"]["messages"]["say"]["contentType"] = json!("a/b"),
            "unjudged",
            "unjudged",
        ),
        Case(
            "unknown extension of ws-core",
            |it| operation(it, "Room.say")["x-ws-new"] = json!(1),
            "unjudged",
            "unjudged",
        ),
        Case(
            "the event is also a reply",
            |it| {
                let message = &mut it["components"]["messages"]["joined"];
                message["correlationId"] = json!({ "location": "$message.payload#/ref" });
                message["payload"]["properties"]["ref"] = json!({ "type": "string" });
            },
            "compatible",
            "breaking",
        ),
        Case(
            "required data",
            |it| it["components"]["messages"]["say"]["payload"]["required"] = json!(["event"]),
            "compatible",
            "breaking",
        ),
    ]);
}

#[test]
fn documentation_does_not_count() {
    check_all(&[
        Case("info", |it| it["info"] = json!({ "title": "other", "version": "9" }), "none", "none"),
        Case("servers", |it| it["servers"] = json!({}), "none", "none"),
        Case("title and docs", |it| room(it)["title"] = json!("x"), "none", "none"),
        Case("docs of an event", |it| it["operations"]["Room.say"]["summary"] = json!("x"), "none", "none"),
        Case("examples", |it| it["components"]["messages"]["say"]["examples"] = json!([{}]), "none", "none"),
        Case("extension of others", |it| it["x-owner"] = json!("me"), "none", "none"),
    ]);
}

#[test]
fn changes_are_listed_worst_first_and_once() {
    let new = with(|it| {
        it["operations"]["Room.say"]["x-ws-codes"] = json!({});
        it["operations"].as_object_mut().unwrap().remove("Room.joined");
        room(it)["traits"] = json!([]);
        room(it)["bindings"]["ws"]["query"]["properties"]["page"] = json!({});
    });
    let lines: Vec<String> = changes(&document(), &new).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "breaking: Room.joined: the event that the server sends was removed",
            "unjudged: Room: `traits` differs",
            "risky: Room.say: the error code `empty` was removed",
            "compatible: Room query page: an optional field was added",
        ]
    );
}
