//! The classes of `client.js`: the description of a channel for the runtime, and a method for each
//! event.

use std::collections::BTreeSet;

use super::{
    TokenPlace, declarations,
    names::{self, ChannelNames},
    text::literal,
};
use crate::contract::model::{Channel, ClientEvent, ReplyForm};

/// Returns the class of a channel.
pub(super) fn class(channel: &Channel, names: &ChannelNames) -> String {
    let class = &names.class;
    let description = description(channel, class);
    let methods = channel.events.iter().filter(|event| names::is_method(&event.name)).map(method);
    format!("export class {class} extends TypedChannel {{\n{description}{}}}\n", methods.collect::<String>())
}

fn description(channel: &Channel, class: &str) -> String {
    let protocols = list(channel.offered());
    let token = match channel.token_place() {
        Some(TokenPlace::Subprotocol) => "\"subprotocol\"".to_owned(),
        Some(TokenPlace::Query(name)) => format!("{{ query: {} }}", literal(name)),
        None => "undefined".to_owned(),
    };
    let known: BTreeSet<&str> = declarations::events(channel).into_keys().collect();
    let calls: String = channel.events.iter().map(call).collect();
    let calls = if calls.is_empty() { "[]".to_owned() } else { format!("[\n{calls}    ]") };
    format!(
        "  static channel = {{\n    name: {name},\n    address: {address},\n    protocols: {protocols},\n    \
         tokenIn: {token},\n    events: {events},\n    calls: new Map({calls}),\n  }};\n",
        name = literal(class),
        address = literal(&channel.address),
        events = list(known),
    )
}

/// Returns the entry of an event in the description.
fn call(event: &ClientEvent) -> String {
    let reply = match (event.form, &event.reply) {
        // A reply without an envelope has no `ref`; the event `end` closes the call.
        (ReplyForm::None, _) | (_, None) => "none",
        (ReplyForm::Optional, _) => "optional",
        (ReplyForm::One, _) => "one",
        (ReplyForm::Many, _) => "many",
    };
    let name = literal(&event.name);
    format!("      [{name}, {{ reply: \"{reply}\", hasData: {} }}],\n", event.data.is_some())
}

fn method(event: &ClientEvent) -> String {
    let name = &event.name;
    format!("\n  {name}(...args) {{\n    return this.call({}, ...args);\n  }}\n", literal(name))
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(literal).collect();
    format!("[{}]", names.join(", "))
}
