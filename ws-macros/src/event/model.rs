//! The checked model of an event type and its attribute.
//!
//! rustc checks a name that is not a literal, and the types of replies and answers.

use syn::{Data, Expr, ExprLit, GenericParam, Generics, Ident, Lit, Type};

use super::parse::{Arguments, Given, Written};
use crate::{errors::Errors, handlers, krate::Krate, source};

/// The contents of the implementations.
pub(super) struct Event {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    /// The generics, which are lifetimes only.
    pub(super) generics: Generics,
    pub(super) name: Expr,
    pub(super) docs: String,
    pub(super) reply: Option<Reply>,
    pub(super) answer: Option<Type>,
}

/// The declared replies to the event.
pub(super) enum Reply {
    One(Type),
    Many(Type),
}

impl Event {
    /// Checks the parsed input.
    pub(super) fn check(written: Written, errors: &mut Errors) -> Option<Self> {
        let Written { item, arguments } = written;
        if let Data::Union(data) = &item.data {
            errors.add(data.union_token, "a union cannot be an event; write a struct or an enum");
        }
        for parameter in &item.generics.params {
            if !matches!(parameter, GenericParam::Lifetime(_)) {
                let fault = "an event has one type of data, so its type cannot be generic; name the types of its \
                             fields";
                errors.add(parameter, fault);
            }
        }
        let Arguments { name, reply, stream, answer, krate } = arguments?;
        let Some(name) = name else {
            let fault = r#"the name of the event is missing; write it first: `#[ws_event("name")]`"#;
            errors.add(&item.ident, fault);
            return None;
        };
        if let Expr::Lit(ExprLit { lit, .. }) = &name {
            match lit {
                Lit::Str(name) => handlers::check_event_name(name, errors),
                other => {
                    errors.add(other, r#"the name of an event must be a string; write one, such as `"say"`"#)
                }
            }
        }
        let reply = match (reply, stream) {
            (Some(_), Some(Given { key, .. })) => {
                errors.add(
                    key,
                    "`stream` cannot be used with `reply`: an event has one reply or many; keep one",
                );
                None
            }
            (reply, stream) => {
                let one = reply.map(|given| Reply::One(given.value));
                one.or(stream.map(|given| Reply::Many(given.value)))
            }
        };
        Some(Self {
            krate: Krate::at(krate.map(|given| given.value)),
            docs: source::docs(&item.attrs),
            ident: item.ident,
            generics: item.generics,
            name,
            reply,
            answer: answer.map(|given| given.value),
        })
    }
}
