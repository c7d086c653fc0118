//! Reads the arguments of `#[ws_error_handler]`, and defines the signature of an error handler.
//!
//! [`Arguments`] are read by key. The [`CARD`] is the signature that errors suggest. The model
//! checks the function's signature and finds its error type.

use proc_macro2::TokenStream;
use syn::LitStr;

use crate::{
    args::{Args, Integer, Key},
    errors::Errors,
    krate::Krate,
    signature::Card,
};

/// The signature of an error handler.
pub(super) const CARD: Card = Card {
    role: "an error handler",
    parameters: &["error: &ChatError", "scene: &Scene"],
    output: "Recovery",
    more: Some("with any number of `State(value): State<T>` after `scene`"),
};

const KEYS: &[Key] = &[
    Key { name: "server", usage: r#"server = "ws""# },
    Key { name: "order", usage: "order = 10" },
    Krate::KEY,
];

/// The attribute's arguments.
pub(super) struct Arguments {
    pub(super) krate: Krate,
    pub(super) server: Option<LitStr>,
    pub(super) order: Option<Integer>,
}

impl Arguments {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let args = Args::read(tokens, KEYS, errors);
        Self {
            krate: Krate::read(&args, errors),
            server: args.text("server", errors),
            order: args.value("order", errors),
        }
    }
}
