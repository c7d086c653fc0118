//! The JavaScript client of a contract, and its TypeScript types.
//!
//! Both are one file without imports: a runtime that is the same for every application
//! (`runtime.js`, `runtime.d.ts`), and a class for each typed channel. `module` writes the classes,
//! `declarations` their types, `types` the types of data. They read the model and never the
//! registry.

mod declarations;
mod module;
mod names;
#[cfg(feature = "console")]
mod signatures;
mod text;
mod types;

use self::names::Names;
#[cfg(feature = "console")]
pub(crate) use self::signatures::ChannelSignatures;
use super::model::{Channel, Contract, Security};

/// The runtime of `client.js`.
const RUNTIME: &str = include_str!("runtime.js");
/// The types of the runtime.
const RUNTIME_TYPES: &str = include_str!("runtime.d.ts");

/// The subprotocol of MessagePack, which the client does not support.
const MSGPACK: &str = "msgpack";

impl Contract {
    /// Returns the client as a JavaScript module, ES2022, without imports: a class for each channel
    /// whose controller has `#[ws_handlers]`. Write it as `client.js`, beside the `client.d.ts` of
    /// [`typescript`](Self::typescript).
    ///
    /// It runs in browsers, in Node 22 and later, and in Node 20 with a WebSocket that the options
    /// name. A channel connects again after a loss; a call that was sent is not sent again.
    ///
    /// ```
    /// use ws_core::prelude::*;
    ///
    /// #[ws_controller(path = "/greetings")]
    /// struct Greetings;
    ///
    /// #[ws_handlers]
    /// impl Greetings {
    ///     /// Greets a user.
    ///     #[on_event("greet")]
    ///     async fn greet(&self, Data(name): Data<String>) -> Data<String> {
    ///         Data(format!("hello, {name}"))
    ///     }
    /// }
    ///
    /// # fn main() {
    /// let contract = App::new().contract();
    /// assert!(contract.javascript().contains("export class Greetings"));
    /// assert!(contract.typescript().contains("greet(data: string, "));
    /// # }
    /// ```
    pub fn javascript(&self) -> String {
        let mut file = text::header(self);
        file.push_str(RUNTIME);
        for (channel, name) in self.typed_channels().zip(&Names::new(self).channels) {
            file.push('\n');
            file.push_str(&module::class(channel, name));
        }
        file
    }

    /// Returns the types of [`javascript`](Self::javascript) as a TypeScript declaration file.
    /// Write it as `client.d.ts`.
    ///
    /// Events have the types of their schemas. A type without a schema is `unknown`.
    pub fn typescript(&self) -> String {
        let names = Names::new(self);
        let types = types::Types::new(&names);
        let mut file = text::header(self);
        file.push_str(RUNTIME_TYPES);
        file.push_str(&declarations::common_codes());
        for (channel, name) in self.typed_channels().zip(&names.channels) {
            file.push_str(&declarations::channel(channel, name, &types));
        }
        for (name, schema) in &self.schemas {
            file.push_str(&types.declaration(name, schema));
        }
        file
    }

    /// Returns the channels whose messages are known.
    fn typed_channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(|channel| channel.is_typed)
    }
}

/// The place of a token that the script of a page can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenPlace<'a> {
    Subprotocol,
    Query(&'a str),
}

impl Channel {
    /// Returns the subprotocols that the client offers.
    fn offered(&self) -> impl Iterator<Item = &str> {
        self.subprotocols.iter().map(String::as_str).filter(|name| *name != MSGPACK)
    }

    /// Returns the place of the token. The subprotocol is preferred, because proxies log a query. A
    /// browser fails the handshake unless one of its subprotocols is chosen, and a token is not, so
    /// there must be another one to offer. A middleware that declares nothing may accept it, too.
    fn token_place(&self) -> Option<TokenPlace<'_>> {
        let is_accepted = self.security.is_empty() || self.security.contains(&Security::Subprotocol);
        if is_accepted && self.offered().next().is_some() {
            return Some(TokenPlace::Subprotocol);
        }
        self.security.iter().find_map(|place| match place {
            Security::Query(name) => Some(TokenPlace::Query(name)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(subprotocols: &[&str], security: &[Security]) -> Channel {
        Channel {
            subprotocols: subprotocols.iter().map(|name| (*name).to_owned()).collect(),
            security: security.to_vec(),
            ..Channel::default()
        }
    }

    #[test]
    fn a_token_goes_where_a_page_can_put_it() {
        let query = || Security::Query("token".into());
        for (name, channel, expected) in [
            ("the subprotocol", channel(&["v1"], &[Security::Subprotocol]), Some(TokenPlace::Subprotocol)),
            (
                "it comes first",
                channel(&["v1"], &[query(), Security::Subprotocol]),
                Some(TokenPlace::Subprotocol),
            ),
            ("nothing declared", channel(&["v1"], &[]), Some(TokenPlace::Subprotocol)),
            ("nothing to offer beside it", channel(&[], &[Security::Subprotocol]), None),
            ("only a format to offer", channel(&[MSGPACK], &[Security::Subprotocol]), None),
            (
                "the query instead",
                channel(&[MSGPACK], &[Security::Subprotocol, query()]),
                Some(TokenPlace::Query("token")),
            ),
            ("the query alone", channel(&["v1"], &[query()]), Some(TokenPlace::Query("token"))),
            ("headers alone", channel(&["v1"], &[Security::Bearer, Security::Cookie("sid".into())]), None),
        ] {
            assert_eq!(channel.token_place(), expected, "{name}");
        }
    }
}
