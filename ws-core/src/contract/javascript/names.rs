//! The names of both files: classes, the types of channels, the types of data, methods.

use std::collections::{BTreeMap, BTreeSet};

use super::{RUNTIME, RUNTIME_TYPES};
use crate::contract::model::Contract;

/// The global names that the runtime uses. A class or a type of the same name in the file would
/// take their place.
const GLOBALS: &[&str] = &[
    "AbortSignal",
    "Array",
    "AsyncIterableIterator",
    "CommonCode",
    "Error",
    "JSON",
    "Map",
    "Math",
    "Object",
    "Parameters",
    "Promise",
    "RangeError",
    "ReturnType",
    "Set",
    "String",
    "Symbol",
    "TextEncoder",
    "TypeError",
    "URL",
    "WebSocket",
    "btoa",
    "clearTimeout",
    "globalThis",
    "performance",
    "queueMicrotask",
    "setTimeout",
];

/// Words that cannot name a class or a type.
const KEYWORDS: &[&str] = &[
    "any",
    "arguments",
    "as",
    "async",
    "await",
    "bigint",
    "boolean",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "declare",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "infer",
    "instanceof",
    "interface",
    "is",
    "keyof",
    "let",
    "namespace",
    "never",
    "new",
    "null",
    "number",
    "object",
    "package",
    "private",
    "protected",
    "public",
    "readonly",
    "return",
    "static",
    "string",
    "super",
    "switch",
    "symbol",
    "this",
    "throw",
    "true",
    "try",
    "type",
    "typeof",
    "undefined",
    "unique",
    "unknown",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// The members that every channel has. An object with a method `then` is taken for a promise.
const MEMBERS: &[&str] = &[
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "__proto__",
    "answer",
    "call",
    "close",
    "constructor",
    "events",
    "hasOwnProperty",
    "isPrototypeOf",
    "on",
    "propertyIsEnumerable",
    "retryNow",
    "state",
    "then",
    "toJSON",
    "toLocaleString",
    "toString",
    "valueOf",
    "watch",
];

/// The names of a contract. They depend on nothing but the contract.
#[derive(Debug)]
pub(super) struct Names {
    /// The names of the typed channels, in their order.
    pub(super) channels: Vec<ChannelNames>,
    /// The names of the types of data, by the names of the components.
    pub(super) types: BTreeMap<String, String>,
}

/// The names of a channel's class and types.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ChannelNames {
    pub(super) class: String,
    /// The parameters of the path.
    pub(super) params: String,
    /// The values of the query.
    pub(super) query: String,
    /// The events of the server.
    pub(super) events: String,
    /// The asks of the server.
    pub(super) asks: String,
    /// The events of the client.
    pub(super) calls: String,
    /// The error codes of the calls.
    pub(super) codes: String,
}

impl Names {
    /// Names the classes first, so that a type of data changes its name rather than a class.
    pub(super) fn new(contract: &Contract) -> Self {
        let declared = declared(RUNTIME).chain(declared(RUNTIME_TYPES));
        let reserved = GLOBALS.iter().chain(KEYWORDS).copied().chain(declared);
        let mut taken: BTreeSet<String> = reserved.map(str::to_owned).collect();
        let classes: Vec<String> =
            contract.typed_channels().map(|channel| free(&mut taken, &channel.name, "Channel")).collect();
        let mut channels = Vec::new();
        for class in classes {
            let mut part = |part: &str| free(&mut taken, &format!("{class}{part}"), "Types");
            channels.push(ChannelNames {
                params: part("Params"),
                query: part("Query"),
                events: part("Events"),
                asks: part("Asks"),
                calls: part("Calls"),
                codes: part("Codes"),
                class,
            });
        }
        let types =
            contract.schemas.keys().map(|name| (name.clone(), free(&mut taken, name, "Data"))).collect();
        Self { channels, types }
    }
}

/// Returns the names that a file of the runtime declares.
fn declared(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter_map(|line| {
        let mut words = line
            .split(|c: char| !is_part(c))
            .skip_while(|word| ["export", "declare", "abstract"].contains(word));
        let is_declaration = ["class", "const", "function", "interface", "type"].contains(&words.next()?);
        words.next().filter(|_| is_declaration)
    })
}

/// Returns an identifier that is not taken: the wanted one, or with the suffix, or with a number.
fn free(taken: &mut BTreeSet<String>, wanted: &str, suffix: &str) -> String {
    let wanted = identifier(wanted);
    let with_suffix = format!("{wanted}{suffix}");
    let numbered = (2..).map(|number| format!("{with_suffix}{number}"));
    let mut candidates = [wanted, with_suffix.clone()].into_iter().chain(numbered);
    let found = candidates.find(|name| taken.insert(name.clone()));
    found.unwrap_or_default()
}

/// Returns the words of a name as an identifier: `TablesSeats` for `Tables & seats`.
fn identifier(name: &str) -> String {
    let mut identifier = String::new();
    for word in name.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
        let mut chars = word.chars();
        match chars.next().filter(|_| !identifier.is_empty()) {
            Some(first) => identifier.extend([first.to_ascii_uppercase()].into_iter().chain(chars)),
            None => identifier.push_str(word),
        }
    }
    if !is_identifier(&identifier) {
        identifier.insert(0, '_');
    }
    identifier
}

/// Returns whether a character can be in a name. Only ASCII counts.
fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$')
}

/// Returns whether this is a name in JavaScript.
pub(super) fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit()) && name.chars().all(is_part)
}

/// Returns whether an event gets a method of its name. Others are called through `call`.
pub(super) fn is_method(event: &str) -> bool {
    is_identifier(event) && !MEMBERS.contains(&event)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::model::Channel;

    #[test]
    fn an_event_is_a_method_if_its_name_can_be_one() {
        for event in ["say", "stopped_typing", "delete", "$x", "_", "catch"] {
            assert!(is_method(event), "{event}");
        }
        for event in
            ["", "chat.say", "chat:say", "chat-say", "2nd", "说", "on", "then", "toString", "__proto__"]
        {
            assert!(!is_method(event), "{event}");
        }
    }

    #[test]
    fn names_that_are_taken_change() {
        let channel = |name: &str| Channel { name: name.into(), is_typed: true, ..Channel::default() };
        let untyped = Channel { name: "Raw".into(), ..Channel::default() };
        let schemas = [
            "Room",
            "RoomData",
            "RoomEvents",
            "Promise",
            "Page<Said>",
            "Tables & seats",
            "type",
            "2nd",
            "Raw",
        ];
        let names = Names::new(&Contract {
            channels: vec![channel("Error"), untyped, channel("Room")],
            schemas: schemas.iter().map(|name| ((*name).to_owned(), true.into())).collect(),
            ..Contract::default()
        });
        let classes: Vec<&str> = names.channels.iter().map(|channel| &*channel.class).collect();
        assert_eq!(classes, ["ErrorChannel", "Room"]);
        assert_eq!(names.channels[0].events, "ErrorChannelEvents");
        let types: Vec<(&str, &str)> = names.types.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(
            types,
            [
                ("2nd", "_2nd"),
                ("Page<Said>", "PageSaid"),
                ("Promise", "PromiseData"),
                ("Raw", "Raw"),
                ("Room", "RoomData"),
                ("RoomData", "RoomDataData"),
                ("RoomEvents", "RoomEventsData"),
                ("Tables & seats", "TablesSeats"),
                ("type", "typeData"),
            ]
        );
    }

    #[test]
    fn the_names_of_the_runtime_are_reserved() {
        let names: Vec<&str> = declared(RUNTIME).chain(declared(RUNTIME_TYPES)).collect();
        for name in ["CallLost", "Feed", "OPEN", "Options", "RefusedWith", "State", "TypedChannel", "read"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
    }
}
