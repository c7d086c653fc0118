//! The names of an event's handler: literals, and any other constant of the type `&str`.
//!
//! A literal is judged here. What another expression is only rustc knows, so it is bound to a
//! constant, and the constant is judged by the rules of `ws_core`.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{Expr, ExprLit, Lit, LitStr, Meta, Token, Type, punctuated::Punctuated};

use super::slots::inferred;
use crate::errors::Errors;

/// The events of the server itself. A client could not tell them from those of a handler.
const RESERVED: [&str; 4] = ["error", "end", "pong", "sync"];

/// How the attribute is written.
const USAGE: &str = r#"`#[on_event]` is written like this: `#[on_event("say")]`, with one name or several"#;

/// The name of an event, as written in `#[on_event(..)]`.
pub(super) struct EventName(pub(super) Expr);

impl EventName {
    /// The names in the attribute; `None` if one of them cannot be one.
    pub(super) fn read(meta: &Meta, errors: &mut Errors) -> Option<Vec<Self>> {
        if let Meta::Path(path) = meta {
            errors.add(path, r#"the name of the event is missing; write `#[on_event("say")]`"#);
            return None;
        }
        let parse = Punctuated::<Expr, Token![,]>::parse_terminated;
        let read = meta.require_list().and_then(|list| list.parse_args_with(parse));
        let names: Vec<Self> = read.into_iter().flatten().map(Self).collect();
        if names.is_empty() {
            match meta {
                Meta::List(list) if !list.tokens.is_empty() => errors.add(&list.tokens, USAGE),
                _ => errors.add(meta, USAGE),
            }
            return None;
        }
        let before = errors.len();
        for (index, name) in names.iter().enumerate() {
            name.check(errors);
            let is_given = |earlier: &Self| earlier.text().is_some() && earlier.text() == name.text();
            if names.iter().take(index).any(is_given) {
                errors.add(&name.0, "this name is given twice; keep one");
            }
        }
        (errors.len() == before).then_some(names)
    }

    fn check(&self, errors: &mut Errors) {
        let Some(text) = self.text() else {
            if matches!(bare(&self.0), Expr::Lit(_) | Expr::Assign(_)) {
                errors.add(&self.0, USAGE);
            }
            return;
        };
        if text.is_empty() {
            errors.add(&self.0, r#"the name of the event is empty; write one, such as `"say"`"#);
        } else if RESERVED.contains(&text.as_str()) {
            let fault =
                format!("`{text}` is reserved: the server sends this event by itself; choose another name");
            errors.add(&self.0, fault);
        }
    }

    /// The name itself, if it is a literal.
    pub(super) fn literal(&self) -> Option<&LitStr> {
        match bare(&self.0) {
            Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
            _ => None,
        }
    }

    fn text(&self) -> Option<String> {
        self.literal().map(LitStr::value)
    }

    /// The expression, as code outside of the block names it.
    pub(super) fn value(&self, controller: &Type) -> TokenStream {
        inferred(self.0.to_token_stream(), &[], controller)
    }
}

/// An expression less the invisible groups of a macro.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => bare(&group.expr),
        other => other,
    }
}
