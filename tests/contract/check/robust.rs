//! Documents that are damaged.

use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};
use ws_core::contract::check;

use super::{
    documents::{document, with},
    fixture,
};

#[test]
fn a_damaged_document_is_an_error_with_a_place() {
    let cases: [(Value, &str); 12] = [
        (json!(null), "`asyncapi` is missing"),
        (json!({ "asyncapi": "2.6.0" }), "expected AsyncAPI 3"),
        (json!({ "asyncapi": "3.0.0", "channels": {} }), "`operations` is missing"),
        (with(|it| it["channels"] = json!([])), "`#/channels`: expected an object"),
        (
            with(|it| it["channels"]["Room"]["address"] = json!(1)),
            "`#/channels/Room/address`: expected a text",
        ),
        (
            with(|it| it["operations"]["Room.say"]["channel"] = json!({})),
            "expected a reference to one of `#/channels`",
        ),
        (
            with(|it| it["operations"]["Room.say"]["channel"]["$ref"] = json!("#/channels/No")),
            "leads nowhere",
        ),
        (with(|it| it["operations"]["Room.say"]["messages"] = json!([])), "has no message"),
        (
            with(|it| it["operations"]["Again"] = it["operations"]["Room.say"].clone()),
            "`say` has two operations",
        ),
        (
            with(|it| it["components"]["messages"]["say"] = json!({ "$ref": "#/components/messages/say" })),
            "leads to itself",
        ),
        (
            with(|it| it["components"]["messages"]["say"] = json!({ "$ref": "https://example.com" })),
            "inside of the document",
        ),
        (
            with(|it| it["components"]["messages"]["say"]["payload"] = json!({ "type": "text" })),
            "expected a type",
        ),
    ];
    for (damaged, expected) in cases {
        let error = check(&damaged, &document()).unwrap_err().to_string();
        assert!(error.starts_with("the committed document") && error.contains(expected), "{error}");
        let error = check(&document(), &damaged).unwrap_err().to_string();
        assert!(error.starts_with("the document of this build") && error.contains(expected), "{error}");
    }
}

fn with_payload(payload: Value) -> Value {
    with(|document| document["components"]["messages"]["say"]["payload"] = payload)
}

#[test]
fn a_schema_that_is_only_itself_is_an_error() {
    let here = json!({ "$ref": "#/components/messages/say/payload" });
    for payload in [here.clone(), json!({ "allOf": [here.clone()] }), json!({ "oneOf": [true, here] })] {
        let error = check(&with_payload(payload), &document()).unwrap_err().to_string();
        assert!(error.contains("contains itself"), "{error}");
    }
}

#[test]
fn a_schema_that_grows_while_it_is_read_is_an_error() {
    // Each level adds one more part to the type of the next level.
    let document = with_payload(json!({ "properties": { "a": { "allOf": [
        { "$ref": "#/components/messages/say/payload" },
        { "properties": { "a": { "properties": { "b": { "minimum": 1 } } } } },
    ] } } }));
    let other = with_payload(json!({}));
    for (old, new) in [(&document, &document), (&document, &other), (&other, &document)] {
        let _ = check(old, new);
    }
}

#[test]
fn alternatives_that_multiply_are_an_error() {
    let seven: Vec<Value> = (0..7)
        .map(|index| json!({ "type": "string", "minLength": index + 1, "pattern": index.to_string() }))
        .collect();
    let payload = json!({ "allOf": vec![json!({ "anyOf": seven }); 8] });
    let document = with_payload(payload);
    let error = check(&document, &with_payload(json!({}))).unwrap_err().to_string();
    assert!(error.contains("too many alternatives"), "{error}");
}

/// Each type has two fields of the next one: 2^40 places.
#[test]
fn types_that_are_used_again_and_again_are_compared_once() {
    let chain = |last: &str| {
        let mut components = serde_json::Map::new();
        for index in 0..40 {
            let next = json!({ "$ref": format!("#/components/schemas/T{}", index + 1) });
            components.insert(format!("T{index}"), json!({ "properties": { "a": next, "b": next } }));
        }
        components.insert("T40".into(), json!({ "type": last }));
        let mut document = with_payload(json!({ "$ref": "#/components/schemas/T0" }));
        document["components"]["schemas"] = Value::Object(components);
        document
    };
    assert!(check(&chain("string"), &chain("string")).unwrap().is_empty());
    let found = check(&chain("string"), &chain("integer")).unwrap();
    assert!((1..1000).contains(&found.len()), "{}", found.len());
}

/// One damage: at a place, a value of the same document, or one of these.
#[derive(Clone, Debug)]
enum Damage {
    Remove(Index),
    Copy(Index, Index),
    Refer(Index, Index),
    Put(Index, Value),
}

fn damage() -> impl Strategy<Value = Damage> {
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("string"),
        json!([]),
        json!({}),
        json!([null]),
        json!({ "$ref": 1 }),
        json!({ "$ref": "#" }),
        json!({ "$ref": "#/nowhere" }),
        json!({ "oneOf": [] }),
        json!({ "allOf": [false, true] }),
        json!({ "items": [true], "minItems": -1 }),
        json!({ "type": [] }),
        json!({ "enum": [] }),
        json!({ "multipleOf": 0 }),
        json!({ "format": "int999" }),
    ];
    let place = any::<Index>;
    prop_oneof![
        place().prop_map(Damage::Remove),
        (place(), place()).prop_map(|(to, from)| Damage::Copy(to, from)),
        (place(), place()).prop_map(|(to, from)| Damage::Refer(to, from)),
        (place(), prop::sample::select(values.to_vec())).prop_map(|(to, value)| Damage::Put(to, value)),
    ]
}

/// Returns the pointers of all values inside of a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                pointers(value, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn apply(document: &mut Value, damage: &Damage) {
    let mut all = Vec::new();
    pointers(document, "", &mut all);
    let at = |index: &Index| &*all[index.index(all.len())];
    match damage {
        Damage::Remove(from) => {
            let pointer = at(from);
            let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
            let name = name.replace("~1", "/").replace("~0", "~");
            match document.pointer_mut(parent) {
                Some(Value::Object(fields)) => drop(fields.remove(&name)),
                Some(Value::Array(list)) if !list.is_empty() => drop(list.remove(0)),
                _ => {}
            }
        }
        Damage::Copy(to, from) => {
            let copy = document.pointer(at(from)).unwrap().clone();
            *document.pointer_mut(at(to)).unwrap() = copy;
        }
        Damage::Refer(to, from) => {
            *document.pointer_mut(at(to)).unwrap() = json!({ "$ref": format!("#{}", at(from)) });
        }
        Damage::Put(to, value) => *document.pointer_mut(at(to)).unwrap() = value.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// A damaged document is compared or refused, and equals itself if it is compared.
    #[test]
    fn no_damage_panics(damages in prop::collection::vec(damage(), 1..5)) {
        let committed = fixture();
        let mut damaged = committed.clone();
        for damage in &damages {
            apply(&mut damaged, damage);
        }
        let _ = check(&committed, &damaged);
        let _ = check(&damaged, &committed);
        if let Ok(changes) = check(&damaged, &damaged) {
            prop_assert_eq!(changes, vec![]);
        }
    }

    /// The same for the small document, where several damages meet more often.
    #[test]
    fn no_damage_of_a_small_document_panics(damages in prop::collection::vec(damage(), 1..9)) {
        let mut damaged = document();
        for damage in &damages {
            apply(&mut damaged, damage);
        }
        let _ = check(&document(), &damaged);
        if let Ok(changes) = check(&damaged, &damaged) {
            prop_assert_eq!(changes, vec![]);
        }
    }

    /// A text that is cut off is not JSON, so it never reaches the comparison.
    #[test]
    fn a_text_that_is_cut_off_is_not_a_document(at in any::<Index>()) {
        let text = document().to_string();
        let cut: String = text.chars().take(at.index(text.chars().count() - 1)).collect();
        prop_assert!(serde_json::from_str::<Value>(&cut).is_err());
    }
}
