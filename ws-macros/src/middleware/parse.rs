//! What stands there: the arguments of `#[ws_middleware]`, and how a middleware is written.
//!
//! [`Arguments`] are read by themselves, each by its key; the [`CARD`] is the rule that a wrong signature is answered
//! with. What the arguments mean together, and whether the function is one, is the
//! model's part.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr};

use crate::{
    args::{Args, Integer, Key},
    errors::Errors,
    signature::Card,
};

/// How a middleware is written.
pub(super) const CARD: Card = Card {
    role: "a middleware",
    parameters: &["handshake: Handshake", "next: Next<'_>"],
    output: "Result<Response>",
    more: Some("with any number of `State(value): State<T>` behind `next`"),
};

const KEYS: &[Key] = &[
    Key { name: "server", usage: r#"server = "ws""# },
    Key { name: "order", usage: "order = 10" },
    Key { name: "scope", usage: r#"scope = "route""# },
];

/// The attribute's arguments.
pub(super) struct Arguments {
    pub(super) server: Option<LitStr>,
    pub(super) order: Option<Integer>,
    pub(super) scope: Option<LitStr>,
    /// The keys that belong to a server-wide middleware only.
    pub(super) server_wide: Vec<Ident>,
}

impl Arguments {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let args = Args::read(tokens, KEYS, errors);
        Self {
            server: args.text("server", errors),
            order: args.value("order", errors),
            scope: args.value("scope", errors),
            server_wide: ["server", "order"].into_iter().filter_map(|key| args.given(key).cloned()).collect(),
        }
    }
}
