//! The names of an event's handler: literals, and any other constant of the type `&str`.
//!
//! A literal is checked here. Only rustc can evaluate another expression, so a constant is
//! generated for it, and the rules of `ws_core` check the constant.

use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Meta, Token, Type, parenthesized,
    parse::{Parse, ParseStream},
    token,
};

use super::slots::inferred;
use crate::errors::Errors;

/// The events of the server itself. A client could not distinguish them from those of a handler.
const RESERVED: [&str; 4] = ["error", "end", "pong", "sync"];

/// The usage of the attribute.
const USAGE: &str = r#"`#[on_event]` is written like this: `#[on_event("say")]`, with one name or several, and `errors(ChatError)` after them"#;

/// The arguments of `#[on_event(..)]`.
#[derive(Default)]
pub(super) struct EventArguments {
    pub(super) names: Vec<EventName>,
    /// The types of `errors(..)`.
    pub(super) errors: Vec<Type>,
}

impl Parse for EventArguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut this = Self::default();
        while !input.is_empty() {
            if input.peek(Ident) && input.peek2(token::Paren) && input.fork().parse::<Ident>()? == "errors" {
                input.parse::<Ident>()?;
                let types;
                parenthesized!(types in input);
                this.errors.extend(types.parse_terminated(Type::parse, Token![,])?);
            } else {
                this.names.push(EventName(input.parse()?));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(this)
    }
}

impl EventArguments {
    /// Reads the attribute; `None` if one of its names is invalid.
    pub(super) fn read(meta: &Meta, errors: &mut Errors) -> Option<Self> {
        if let Meta::Path(path) = meta {
            errors.add(path, r#"the name of the event is missing; write `#[on_event("say")]`"#);
            return None;
        }
        let read = meta.require_list().and_then(|list| list.parse_args::<Self>());
        let Some(this) = read.ok().filter(|this| !this.names.is_empty()) else {
            match meta {
                Meta::List(list) if !list.tokens.is_empty() => errors.add(&list.tokens, USAGE),
                _ => errors.add(meta, USAGE),
            }
            return None;
        };
        let before = errors.len();
        for (index, name) in this.names.iter().enumerate() {
            name.check(errors);
            let is_given = |earlier: &EventName| earlier.text().is_some() && earlier.text() == name.text();
            if this.names.iter().take(index).any(is_given) {
                errors.add(&name.0, "this name is given twice; keep one");
            }
        }
        (errors.len() == before).then_some(this)
    }
}

/// The name of an event, as written in `#[on_event(..)]`.
pub(super) struct EventName(pub(super) Expr);

impl EventName {
    fn check(&self, errors: &mut Errors) {
        match self.literal() {
            Some(name) => check_name(name, errors),
            None if matches!(bare(&self.0), Expr::Lit(_) | Expr::Assign(_)) => {
                errors.add(&self.0, USAGE);
            }
            None => {}
        }
    }

    /// Returns the name, if it is a literal.
    pub(super) fn literal(&self) -> Option<&LitStr> {
        match bare(&self.0) {
            Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal),
            _ => None,
        }
    }

    /// Returns the value of a literal.
    pub(super) fn text(&self) -> Option<String> {
        self.literal().map(LitStr::value)
    }

    /// Returns the expression as code outside of the block can name it.
    pub(super) fn value(&self, controller: &Type) -> TokenStream {
        inferred(self.0.to_token_stream(), &[], controller)
    }
}

/// Checks that an event may have this name.
pub(crate) fn check_name(name: &LitStr, errors: &mut Errors) {
    let text = name.value();
    if text.is_empty() {
        errors.add(name, r#"the name of the event is empty; write one, such as `"say"`"#);
    } else if RESERVED.contains(&text.as_str()) {
        let fault = format!("`{text}` is reserved: the server itself sends this event; choose another name");
        errors.add(name, fault);
    }
}

/// Returns an expression without the invisible groups of a macro.
fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => bare(&group.expr),
        other => other,
    }
}
