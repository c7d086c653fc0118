//! The names of a block's events: a constant for each name, and the checks of names that are not
//! literals.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Attribute;

use super::checks::bound;
use crate::{
    handlers::{
        callback::Callback,
        model::{Event, Handler, Handlers},
        slots,
    },
    source::start,
};

/// Writes the constants. They are the patterns of the dispatch. rustc reports a name that does not
/// exist; as a pattern, it would match every event.
pub(super) fn names(handlers: &Handlers) -> Option<TokenStream> {
    handlers.of(Callback::Event).chain(handlers.of(Callback::Unknown)).next()?;
    let constants = each(handlers).map(|(Handler { conditions, .. }, Event { name, constant })| {
        let value = name.value(&handlers.controller);
        let value = quote_spanned!(start(&name.0)=> const #constant: &str = #value;);
        quote!(#(#conditions)* #value)
    });
    let all = each(handlers)
        .map(|(Handler { conditions, .. }, Event { constant, .. })| quote!(#(#conditions)* #constant));
    let checks: Vec<_> = each(handlers).filter_map(|(handler, event)| check(handler, event)).collect();
    let hashes = (!checks.is_empty()).then(|| {
        quote!(
            const __HASHES: &[u64] = &__h::rules::hashes::<{ __EVENTS.len() }>(__EVENTS);
        )
    });
    Some(quote! {
        #(#constants)*
        const __EVENTS: &[&str] = &[#(#all),*];
        #hashes
        #(#checks)*
    })
}

/// Writes the checks of a name that only rustc can evaluate, or whose handler has a `#[cfg(..)]`.
fn check(handler: &Handler, Event { name, constant }: &Event) -> Option<TokenStream> {
    let conditions: &[Attribute] = &handler.conditions;
    let is_literal = name.literal().is_some();
    let unique = ("IsHandledOnce", quote!(__h::rules::is_handled_once(__EVENTS, __HASHES, #constant)));
    let rules = if is_literal && conditions.is_empty() {
        return None;
    } else if is_literal {
        vec![unique]
    } else {
        vec![("HasFreeName", quote!(__h::rules::has_free_name(#constant))), unique]
    };
    let checks = rules.iter().map(|(rule, holds)| {
        let bound = bound(&name.0, &format_ident!("{rule}"), holds);
        quote!(#(#conditions)* const _: () = #bound;)
    });
    Some(checks.collect())
}

/// Writes whether `ping` is answered without a handler: there are handlers of events, and none for
/// `ping`.
pub(super) fn answers_ping(handlers: &Handlers) -> TokenStream {
    let mut all = handlers.of(Callback::Event).chain(handlers.of(Callback::Unknown)).peekable();
    if all.peek().is_none() {
        return quote!(false);
    }
    let has_events = match slots::any_of(all.map(|handler| handler.conditions.as_slice())) {
        Some(any) => quote!(::core::cfg!(#any)),
        None => quote!(true),
    };
    quote!(#has_events && !__h::rules::is_among(__EVENTS, "ping"))
}

/// Returns the names with their handlers, in source order.
fn each(handlers: &Handlers) -> impl Iterator<Item = (&Handler, &Event)> {
    handlers.handlers.iter().flat_map(|handler| handler.events.iter().map(move |event| (handler, event)))
}
