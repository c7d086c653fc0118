//! The checked model of an error type: the public parts of its variants.
//!
//! Only a variant with a code is public. rustc checks that the type is an error.

use std::collections::BTreeSet;

use syn::{Attribute, Data, Expr, ExprLit, Ident, Lit, LitInt, LitStr, Meta, ext::IdentExt as _};

use super::parse::{Arguments, Variant, Written};
use crate::{errors::Errors, krate::Krate, source};

/// The contents of a registration.
pub(super) struct ErrorType {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    pub(super) parts: Vec<PublicPart>,
}

/// The public part of one variant, or of a struct.
pub(super) struct PublicPart {
    /// `None` for a struct.
    pub(super) variant: Option<Ident>,
    pub(super) conditions: Vec<Attribute>,
    pub(super) code: LitStr,
    pub(super) status: Option<u16>,
    pub(super) close: Option<u16>,
    pub(super) description: String,
    /// Whether no earlier variant has the same code.
    pub(super) is_first: bool,
}

impl ErrorType {
    /// Checks the parsed input.
    pub(super) fn check(written: Written, errors: &mut Errors) -> Self {
        let Written { item, own, variants, krate } = written;
        if !item.generics.params.is_empty() {
            let fault = "an error type is registered as one type, so it cannot be generic; name the types of its \
                         fields";
            errors.add(&item.generics, fault);
        }
        let before = errors.len();
        let mut parts = Vec::new();
        match (&item.data, own) {
            (Data::Enum(_), Some(own)) => {
                for key in own.keys {
                    errors.add(&key, format_args!("`{key}` is on the enum; put it on a variant"));
                }
            }
            (_, Some(own)) => parts.extend(PublicPart::check(None, &item.attrs, own, errors)),
            (_, None) => {}
        }
        for Variant { ident, attributes, arguments } in variants {
            if let Some(arguments) = arguments {
                parts.extend(PublicPart::check(Some(ident), &attributes, arguments, errors));
            }
        }
        if parts.is_empty() && errors.len() == before {
            let place = if matches!(item.data, Data::Enum(_)) { "a variant" } else { "the type" };
            let fault = format!("this error has no code; write `#[ws_error(code = \"..\")]` on {place}");
            errors.add(&item.ident, fault);
        }
        let mut seen = BTreeSet::new();
        for part in &mut parts {
            part.is_first = seen.insert(part.code.value());
        }
        Self { krate, ident: item.ident, parts }
    }

    /// The name in the registry.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

impl PublicPart {
    fn check(
        variant: Option<Ident>,
        attributes: &[Attribute],
        arguments: Arguments,
        errors: &mut Errors,
    ) -> Option<Self> {
        let Arguments { code, status, close, keys } = arguments;
        let Some(code) = code else {
            for key in keys.iter().filter(|key| *key != "code") {
                let fault = format!(
                    "`{key}` has no effect without `code`, because an error without a code is not public; add `code = \
                     \"..\"`"
                );
                errors.add(key, fault);
            }
            if keys.is_empty()
                && let Some(variant) = &variant
            {
                errors.add(variant, "`#[ws_error]` on this variant has no `code`; add `code = \"..\"`");
            }
            return None;
        };
        let status = status.and_then(|literal| {
            let fault = "is not an error status; write a number from 400 to 599";
            number(&literal, |status| (400..=599).contains(&status), fault, errors)
        });
        let close = close.and_then(|literal| {
            let fault = "is not a close code that may be sent (RFC 6455 section 7.4); write a number from 4000 to 4999";
            number(&literal, may_be_sent, fault, errors)
        });
        let docs = source::docs(attributes);
        let description = if docs.is_empty() { text(attributes).unwrap_or_default() } else { docs };
        let conditions = source::conditions(attributes);
        Some(Self { variant, conditions, code, status, close, description, is_first: true })
    }
}

fn number(literal: &LitInt, is_valid: impl Fn(u16) -> bool, fault: &str, errors: &mut Errors) -> Option<u16> {
    let number = literal.base10_parse().ok().filter(|number| is_valid(*number));
    if number.is_none() {
        errors.add(literal, format_args!("`{literal}` {fault}"));
    }
    number
}

/// Whether an endpoint may send this close code. `ws_core` has the same rule.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Returns the text of `#[error("..")]`, as it is written.
fn text(attributes: &[Attribute]) -> Option<String> {
    let error = attributes.iter().find(|attribute| attribute.path().is_ident("error"))?;
    let Meta::List(list) = &error.meta else { return None };
    let first = list.tokens.clone().into_iter().next()?;
    match syn::parse2(first.into()) {
        Ok(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Some(text.value()),
        _ => None,
    }
}
