//! Reads the arguments of `#[ws_middleware]` and `#[ws_interceptor]`, and defines the signatures of
//! such functions.
//!
//! [`Arguments`] are read by key. A [`Kind`] has the signature that errors suggest. The model
//! checks the combination of the arguments, and the function's signature.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr};

use crate::{
    args::{Args, Integer, Key},
    errors::Errors,
    krate::Krate,
    signature::Card,
};

/// The kind of a wrapping function: middleware around the handshake, interceptors around callbacks.
pub(crate) struct Kind {
    /// The signature.
    pub(super) card: Card,
    /// The usage of the function's `next`.
    pub(super) passes_on: &'static str,
    /// The type of its entry in the registry.
    pub(super) entry: &'static str,
    keys: &'static [Key],
}

/// `#[ws_middleware]`.
pub(crate) const MIDDLEWARE: Kind = Kind {
    card: Card {
        role: "a middleware",
        parameters: &["handshake: Handshake", "next: Next<'_>"],
        output: "Result<Response>",
        more: Some("with any number of `State(value): State<T>` after `next`"),
    },
    passes_on: "pass the handshake on with `next.run(handshake).await`",
    entry: "MiddlewareEntry",
    keys: &[SERVER, ORDER, SCOPE, SECURITY, Krate::KEY],
};

/// `#[ws_interceptor]`.
pub(crate) const INTERCEPTOR: Kind = Kind {
    card: Card {
        role: "an interceptor",
        parameters: &["callback: Callback<'_>", "next: NextHandler<'_>"],
        output: "Result",
        more: Some("with any number of `State(value): State<T>` after `next`"),
    },
    passes_on: "pass the callback on with `next.run(callback).await`",
    entry: "InterceptorEntry",
    keys: &[SERVER, ORDER, SCOPE, Krate::KEY],
};

const SERVER: Key = Key { name: "server", usage: r#"server = "ws""# };
const ORDER: Key = Key { name: "order", usage: "order = 10" };
const SCOPE: Key = Key { name: "scope", usage: r#"scope = "route""# };
const SECURITY: Key = Key { name: "security", usage: r#"security("bearer", "cookie:sid")"# };

/// The attribute's arguments.
pub(super) struct Arguments {
    pub(super) krate: Krate,
    pub(super) server: Option<LitStr>,
    pub(super) order: Option<Integer>,
    pub(super) scope: Option<LitStr>,
    /// The places of a token that it accepts; `None` for an interceptor.
    pub(super) security: Option<Vec<LitStr>>,
    /// The keys that belong to a server-wide middleware only.
    pub(super) server_wide: Vec<Ident>,
}

impl Arguments {
    pub(super) fn read(kind: &Kind, tokens: TokenStream, errors: &mut Errors) -> Self {
        let args = Args::read(tokens, kind.keys, errors);
        let has_security = kind.keys.iter().any(|key| key.name == SECURITY.name);
        Self {
            krate: Krate::read(&args, errors),
            server: args.text("server", errors),
            order: args.value("order", errors),
            scope: args.value("scope", errors),
            security: has_security.then(|| args.list("security", errors)),
            server_wide: ["server", "order"].into_iter().filter_map(|key| args.given(key).cloned()).collect(),
        }
    }
}
