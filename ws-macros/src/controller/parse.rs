//! Reads the arguments of `#[ws_controller]`, and the struct with its guards and its `#[state]`
//! fields.
//!
//! Reading removes `#[guard(..)]` and `#[state]`, so that rustc gets the struct without them.
//! Values are checked by the model.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Expr, ExprLit, Field, ItemStruct, Lit, LitStr, Meta, Path, Type,
    parse::{Parse, ParseStream},
};

use super::{compression::Compression, limits::Limits};
use crate::{
    args::{Args, Key},
    errors::Errors,
    functions,
    krate::Krate,
};

const KEYS: &[Key] = &[
    Key { name: "path", usage: r#"path = "/rooms/{room}""# },
    Key { name: "name", usage: r#"name = "chat""# },
    Key { name: "server", usage: r#"server = "ws""# },
    Key { name: "middleware", usage: "middleware(require_jwt, throttle)" },
    Key { name: "interceptors", usage: "interceptors(timing, audit)" },
    Key { name: "subprotocols", usage: r#"subprotocols("chat.v2", "chat.v1")"# },
    Key { name: "subprotocol_mismatch", usage: r#"subprotocol_mismatch = "refuse""# },
    Key { name: "trailing_slash", usage: r#"trailing_slash = "either""# },
    Key { name: "emits", usage: "emits(Joined, Left)" },
    Key { name: "limits", usage: r#"limits(message = "64KiB", frame = "16KiB")"# },
    Key { name: "compression", usage: r#"compression(mode = "per_message")"# },
    Krate::KEY,
];

/// The attribute's arguments.
pub(super) struct Arguments {
    pub(super) krate: Krate,
    pub(super) path: Option<RoutePath>,
    pub(super) name: Option<LitStr>,
    pub(super) server: Option<LitStr>,
    pub(super) middleware: Vec<Path>,
    pub(super) interceptors: Vec<Path>,
    pub(super) subprotocols: Vec<LitStr>,
    pub(super) subprotocol_mismatch: Option<LitStr>,
    pub(super) trailing_slash: Option<LitStr>,
    /// The event types of `emits(..)`.
    pub(super) emits: Vec<Type>,
    pub(super) limits: Limits,
    pub(super) compression: Compression,
}

/// The path: a literal, or another constant of the type `&str`.
pub(super) enum RoutePath {
    Literal(LitStr),
    Constant(Expr),
}

impl Parse for RoutePath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        match input.parse()? {
            Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Ok(Self::Literal(literal)),
            other @ Expr::Lit(_) => Err(syn::Error::new_spanned(other, "expected a path")),
            Expr::Group(group) => syn::parse2(group.expr.into_token_stream()),
            other => Ok(Self::Constant(other)),
        }
    }
}

impl ToTokens for RoutePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Literal(literal) => literal.to_tokens(tokens),
            Self::Constant(constant) => constant.to_tokens(tokens),
        }
    }
}

impl Arguments {
    pub(super) fn read(tokens: TokenStream, errors: &mut Errors) -> Self {
        let args = Args::read(tokens, KEYS, errors);
        let krate = Krate::read(&args, errors);
        let path = args.required("path", errors);
        let name = args.text("name", errors);
        let server = args.text("server", errors);
        let middleware = functions::listed(&args, "middleware", errors);
        let interceptors = functions::listed(&args, "interceptors", errors);
        let subprotocols = args.list("subprotocols", errors);
        let subprotocol_mismatch = args.value("subprotocol_mismatch", errors);
        let trailing_slash = args.value("trailing_slash", errors);
        let emits = args.list("emits", errors);
        let limits = Limits::read(&args, errors);
        let compression = Compression::read(&args, errors);
        Self {
            krate,
            path,
            name,
            server,
            middleware,
            interceptors,
            subprotocols,
            subprotocol_mismatch,
            trailing_slash,
            emits,
            limits,
            compression,
        }
    }
}

/// The struct, its guards and the sources of its fields.
pub(super) struct Controller {
    /// The struct without `#[guard]` and `#[state]`.
    pub(super) item: ItemStruct,
    /// The functions of `#[guard(..)]`.
    pub(super) guards: Vec<Path>,
    /// One for each field, in their order.
    pub(super) sources: Vec<Source>,
}

/// The source of a field's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// A value given to the application (`#[state]`).
    State,
    /// The default of the field's type.
    Default,
}

impl Controller {
    pub(super) fn read(item: TokenStream, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let mut item: ItemStruct = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) => {
                errors.add_at(error.span(), "this is not a struct; put `#[ws_controller(..)]` on a struct");
                return None;
            }
        };
        let guards = functions::take_guards(&mut item.attrs, krate, errors);
        if let Some(second) = item.attrs.iter().find(|attribute| krate.exports(attribute, "ws_controller")) {
            errors.add(
                second.path(),
                "this struct is registered twice; write another struct for the second path",
            );
        }
        let sources = item.fields.iter_mut().map(|field| Source::take(field, errors)).collect();
        Some(Self { item, guards, sources })
    }
}

impl Source {
    /// Removes `#[state]` from a field.
    fn take(field: &mut Field, errors: &mut Errors) -> Self {
        let marks: Vec<_> =
            field.attrs.extract_if(.., |attribute| attribute.path().is_ident("state")).collect();
        for mark in &marks {
            if !matches!(mark.meta, Meta::Path(_)) {
                errors.add(
                    &mark.meta,
                    "`#[state]` has no arguments; write `#[state]`, the type of the field selects the value",
                );
            }
        }
        if let Some(second) = marks.get(1) {
            errors.add(second, "`#[state]` is given twice; keep one");
        }
        if marks.is_empty() { Self::Default } else { Self::State }
    }
}
