//! The types of single events, for the console.

use std::collections::BTreeMap;

use super::{declarations::signature, names::Names, types::Types};
use crate::contract::model::Contract;

/// The TypeScript types of a contract, part by part.
#[derive(Debug)]
pub(crate) struct Signatures {
    /// The types of the channels, in the order of the model; `None` for a channel that is not
    /// typed.
    pub(crate) channels: Vec<Option<ChannelSignatures>>,
    /// The declarations of the named types, by the names of the schemas.
    pub(crate) types: BTreeMap<String, String>,
}

/// The types of a channel.
#[derive(Debug)]
pub(crate) struct ChannelSignatures {
    /// The name of its class.
    pub(crate) class: String,
    /// The methods of its events, in the order of the model.
    pub(crate) events: Vec<String>,
    /// The ways to receive the events of the server, in the order of the model.
    pub(crate) pushes: Vec<String>,
}

impl Contract {
    /// Returns the types of each event as the generated client has them.
    pub(crate) fn signatures(&self) -> Signatures {
        let names = Names::new(self);
        let types = Types::new(&names);
        let mut typed = names.channels.iter();
        let channels = self.channels.iter().map(|channel| {
            let names = if channel.is_typed { typed.next() } else { None }?;
            let events = channel.events.iter().map(|event| {
                let signature = signature(event, &types, 0);
                format!("{}({}): {}", event.name, signature.arguments.join(", "), signature.returns)
            });
            let pushes = channel.pushes.iter().map(|push| {
                let data = types.of(&push.schema, 0);
                match &push.answer {
                    Some(answer) => {
                        format!("answer(\"{}\", (data: {data}) => {})", push.name, types.of(answer, 0))
                    }
                    None => format!("on(\"{}\", (data: {data}) => void)", push.name),
                }
            });
            Some(ChannelSignatures {
                class: names.class.clone(),
                events: events.collect(),
                pushes: pushes.collect(),
            })
        });
        let channels = channels.collect();
        let declaration =
            |(name, schema)| (String::clone(name), types.declaration(name, schema).trim().to_owned());
        Signatures { channels, types: self.schemas.iter().map(declaration).collect() }
    }
}
