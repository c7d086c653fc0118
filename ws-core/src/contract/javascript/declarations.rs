//! The types of the channels in `client.d.ts`: a class, and maps of its events, asks, calls
//! and error codes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    names::{ChannelNames, is_method},
    text::{doc_comment, literal, paragraphs},
    types::{Types, docs, key},
};
use crate::contract::model::{COMMON_CODES, Channel, ClientEvent, ReplyForm};

/// Headers that a browser sends by itself.
const BROWSER_HEADERS: &[&str] = &[
    "accept-encoding",
    "accept-language",
    "cache-control",
    "cookie",
    "host",
    "origin",
    "pragma",
    "user-agent",
];

/// The longest line of a member, in bytes.
const LINE: usize = 100;

/// An event of the server.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    docs: &'a str,
    schemas: Vec<&'a Value>,
}

/// Returns the type of the error codes that every call may be refused with.
pub(super) fn common_codes() -> String {
    let code = |(code, text): &(&str, &str)| format!("{}  | {}\n", doc_comment(text, 2), literal(code));
    let codes: String = COMMON_CODES.iter().map(code).collect();
    let docs = doc_comment("The error codes that every call may be refused with.", 0);
    format!("\n{docs}export type CommonCode =\n{};\n", codes.trim_end())
}

/// Returns the types of a channel.
pub(super) fn channel(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    let query = channel.query.as_ref().map(|query| types.exported(&names.query, &query.schema));
    [
        class(channel, names, types),
        parameters(channel, names, types),
        query.unwrap_or_default(),
        event_types(channel, names, types),
        ask_types(channel, names, types),
        call_types(channel, names, types),
        code_types(channel, names),
    ]
    .concat()
}

/// Returns the events that arrive without a call: those that the server pushes, and the replies
/// that are events of their own, because a handler may also send them to others.
pub(super) fn events(channel: &Channel) -> BTreeMap<&str, Incoming<'_>> {
    let mut events: BTreeMap<&str, Incoming<'_>> = BTreeMap::new();
    let pushes = channel.pushes.iter().filter(|push| push.answer.is_none());
    let pushes = pushes.map(|push| (&*push.name, &*push.docs, &push.schema));
    let is_own = |event: &ClientEvent, name: &str| event.name != name;
    let replies = channel.events.iter().filter_map(|event| {
        let reply = event.reply.as_ref()?;
        let name = reply.name.as_deref().filter(|name| is_own(event, name))?;
        Some((name, &*reply.docs, &reply.schema))
    });
    for (name, docs, schema) in pushes.chain(replies) {
        let event = events.entry(name).or_insert_with(|| Incoming { docs, schemas: Vec::new() });
        if !event.schemas.contains(&schema) {
            event.schemas.push(schema);
        }
    }
    events
}

fn class(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    let ChannelNames { class, events, asks, calls, codes, .. } = names;
    let required = channel.headers.iter().filter(|header| header.is_required);
    let needs = required.filter(|header| !BROWSER_HEADERS.contains(&&*header.name));
    let needs = needs.map(|header| {
        format!("The handshake needs the header `{}`, which a browser cannot set.", header.name)
    });
    let needs: Vec<String> = needs.collect();
    let docs = paragraphs([&*channel.docs].into_iter().chain(needs.iter().map(String::as_str)));
    let arguments = arguments(channel, names);
    let methods: String = channel
        .events
        .iter()
        .filter(|event| is_method(&event.name))
        .map(|event| {
            let Signature { arguments, returns } = signature(event, types, 2);
            call_docs(event) + &member(&event.name, &arguments, &returns)
        })
        .collect();
    [
        "\n".to_owned(),
        doc_comment(&docs, 0),
        format!("export declare class {class} extends TypedChannel<\n  {events},\n  {asks},\n  {calls}\n> {{\n"),
        "  private constructor();\n".to_owned(),
        doc_comment(
            &format!(
                "Connects to `{}` and waits until the connection is open.\nThrows `ConnectFailed` if the first \
                 attempt fails; later ones are repeated.",
                channel.address
            ),
            2,
        ),
        member("static connect", &arguments, &format!("Promise<{class}>")),
        doc_comment("Begins to connect, and does not wait. A failed first attempt is repeated, too.", 2),
        member("static open", &arguments, class),
        doc_comment("Returns whether an error is the refusal of a call of this event.", 2),
        member(
            &format!("static refused<Name extends keyof {codes} & string>"),
            &["event: Name".to_owned(), "error: unknown".to_owned()],
            &format!("error is RefusedWith<{codes}[Name]>"),
        ),
        methods,
        "}\n".to_owned(),
    ]
    .concat()
}

/// Returns a member of a class. Arguments that do not fit into a line are one a line.
fn member(name: &str, arguments: &[String], returns: &str) -> String {
    let line = format!("  {name}({}): {returns};\n", arguments.join(", "));
    if line.len() <= LINE {
        return line;
    }
    let arguments: String = arguments.iter().map(|argument| format!("    {argument},\n")).collect();
    format!("  {name}(\n{arguments}  ): {returns};\n")
}

/// Returns the arguments of `connect` and `open`.
fn arguments(channel: &Channel, names: &ChannelNames) -> Vec<String> {
    let ChannelNames { params, query, .. } = names;
    let options = match &channel.query {
        Some(payload) if payload.is_required => format!("options: Options<{query}> & {{ query: {query} }}"),
        Some(_) => format!("options: Options<{query}>"),
        None => "options: Options".to_owned(),
    };
    let params = (!channel.parameters.is_empty()).then(|| format!("params: {params}"));
    params.into_iter().chain([options]).collect()
}

fn parameters(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    if channel.parameters.is_empty() {
        return String::new();
    }
    let fields = channel.parameters.iter().map(|parameter| {
        let docs = doc_comment(&docs(&parameter.schema), 2);
        format!("{docs}  {}: {};\n", key(&parameter.name, true), types.of(&parameter.schema, 2))
    });
    let comment = doc_comment(&format!("The parameters of the path `{}`.", channel.address), 0);
    format!("\n{comment}export interface {} {{\n{}}}\n", names.params, fields.collect::<String>())
}

fn event_types(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    let fields = events(channel).into_iter().map(|(name, event)| {
        let schema = match event.schemas.as_slice() {
            [one] => (*one).clone(),
            several => json!({ "anyOf": several }),
        };
        format!("{}  {}: {};\n", doc_comment(event.docs, 2), key(name, true), types.of(&schema, 2))
    });
    let docs = format!("The events of the server on `{}`, by name.", names.class);
    interface(&docs, &names.events, fields.collect())
}

fn ask_types(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    let fields = channel.pushes.iter().filter_map(|push| {
        let answer = types.of(push.answer.as_ref()?, 2);
        let (name, data) = (key(&push.name, true), types.of(&push.schema, 2));
        Some(format!("{}  {name}: {{ data: {data}; answer: {answer} }};\n", doc_comment(&push.docs, 2)))
    });
    let docs = format!("The asks of the server on `{}`, by name.", names.class);
    interface(&docs, &names.asks, fields.collect())
}

fn call_types(channel: &Channel, names: &ChannelNames, types: &Types<'_>) -> String {
    let fields = channel.events.iter().map(|event| {
        let name = key(&event.name, true);
        if is_method(&event.name) {
            return format!("  {name}: {}[{}];\n", names.class, literal(&event.name));
        }
        let Signature { arguments, returns } = signature(event, types, 2);
        format!("{}  {name}: ({}) => {returns};\n", call_docs(event), arguments.join(", "))
    });
    let docs = format!("The events of the client on `{}`, by name; for `call`.", names.class);
    interface(&docs, &names.calls, fields.collect())
}

fn code_types(channel: &Channel, names: &ChannelNames) -> String {
    let fields = channel.events.iter().map(|event| {
        let own = event.codes.iter().filter(|own| COMMON_CODES.iter().all(|(common, _)| *common != own.code));
        let codes: String = own.map(|own| literal(&own.code) + " | ").collect();
        format!("  {}: {codes}CommonCode;\n", key(&event.name, true))
    });
    let docs = format!("The error codes of the calls on `{}`, by event.", names.class);
    interface(&docs, &names.codes, fields.collect())
}

fn interface(docs: &str, name: &str, fields: String) -> String {
    let body = if fields.is_empty() { "{}".to_owned() } else { format!("{{\n{fields}}}") };
    format!("\n{}export interface {name} {body}\n", doc_comment(docs, 0))
}

/// The types of a call.
pub(super) struct Signature {
    pub(super) arguments: Vec<String>,
    pub(super) returns: String,
}

/// Returns the types of a call, for use in a line with this indentation.
pub(super) fn signature(event: &ClientEvent, types: &Types<'_>, indent: usize) -> Signature {
    let data = event.data.as_ref().map(|data| {
        let mark = if data.is_required { "" } else { "?" };
        format!("data{mark}: {}", types.of(&data.schema, indent))
    });
    let reply = event.reply.as_ref().map(|reply| types.of(&reply.schema, indent));
    let returns = match (event.form, reply) {
        (ReplyForm::None, _) | (_, None) => "Promise<void>".to_owned(),
        (ReplyForm::One, Some(reply)) => format!("Promise<{reply}>"),
        (ReplyForm::Optional, Some(reply)) => format!("Promise<{reply} | undefined>"),
        (ReplyForm::Many, Some(reply)) => format!("AsyncIterableIterator<{reply}>"),
    };
    Signature { arguments: data.into_iter().chain(["options?: CallOptions".to_owned()]).collect(), returns }
}

/// Returns the doc comment of a call, with its error codes.
fn call_docs(event: &ClientEvent) -> String {
    let codes: Vec<String> =
        event.codes.iter().map(|code| format!("- `{}`: {}", code.code, code.description)).collect();
    let codes = if codes.is_empty() { String::new() } else { format!("Refused with:\n{}", codes.join("\n")) };
    doc_comment(&paragraphs([&event.docs, &*codes]), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::model::{Contract, Header};

    fn event(name: &str) -> ClientEvent {
        ClientEvent {
            name: name.into(),
            docs: String::new(),
            data: None,
            form: ReplyForm::None,
            reply: None,
            codes: Vec::new(),
        }
    }

    fn written(channel: Channel) -> Contract {
        Contract {
            channels: vec![Channel { name: "Room".into(), is_typed: true, ..channel }],
            ..Contract::default()
        }
    }

    #[test]
    fn an_event_that_cannot_be_a_method_is_called_by_name() {
        let contract = written(Channel {
            events: vec![event("chat.say"), event("then"), event("ok")],
            ..Channel::default()
        });
        let (types, module) = (contract.typescript(), contract.javascript());
        for expected in [
            "\n  \"chat.say\": (options?: CallOptions) => Promise<void>;\n",
            "\n  then: (options?: CallOptions) => Promise<void>;\n",
            "\n  ok: Room[\"ok\"];\n",
            "\n  ok(options?: CallOptions): Promise<void>;\n",
        ] {
            assert!(types.contains(expected), "{types}");
        }
        assert!(module.contains("[\"then\", { reply: \"none\"") && !module.contains("\n  then("), "{module}");
    }

    #[test]
    fn a_header_that_a_browser_cannot_set_is_noted() {
        let header = |name: &str, is_required| Header { name: name.into(), is_required };
        let headers =
            vec![header("user-agent", true), header("x-key", true), header("x-may-be-absent", false)];
        let types = written(Channel { headers, ..Channel::default() }).typescript();
        assert!(types.contains("needs the header `x-key`"), "{types}");
        assert!(!types.contains("header `user-agent`") && !types.contains("x-may-be-absent"), "{types}");
    }
}
