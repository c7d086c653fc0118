//! The names of a block's events: a constant for each name, and the checks of names that are not
//! literals.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Attribute;

use super::checks;
use crate::{
    handlers::{
        callback::Callback,
        model::{Event, Handler, Handlers},
        slots,
    },
    source::{exact_ends, start},
};

/// Writes the constants. rustc reports a name that does not exist.
pub(super) fn names(handlers: &Handlers) -> Option<TokenStream> {
    handlers.of(Callback::Event).chain(handlers.of(Callback::Unknown)).next()?;
    if are_known(handlers) {
        return None;
    }
    let constants = each(handlers).filter(|(_, event)| event.name.literal().is_none());
    let constants = constants.map(|(Handler { conditions, .. }, Event { name, constant, .. })| {
        let value = name.value(&handlers.controller);
        let value = quote_spanned!(start(&name.0)=> const #constant: &str = #value;);
        quote!(#(#conditions)* #value)
    });
    let all = each(handlers).map(|(Handler { conditions, .. }, event)| {
        let name = event.written();
        quote!(#(#conditions)* #name)
    });
    let checks: Vec<_> = each(handlers).filter_map(|(handler, event)| check(handler, event)).collect();
    let hashes = (!checks.is_empty()).then(|| {
        quote!(
            const __HASHES: &[u64] = &__rules::hashes::<{ __EVENTS.len() }>(__EVENTS);
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
fn check(handler: &Handler, event: &Event) -> Option<TokenStream> {
    let conditions: &[Attribute] = &handler.conditions;
    let (name, written) = (&event.name, event.written());
    let is_literal = name.literal().is_some();
    if is_literal && conditions.is_empty() {
        return None;
    }
    let is_free = (!is_literal)
        .then(|| checks::check(exact_ends(&name.0), "check", &quote!(__rules::has_free_name(#written))));
    let is_unique = checks::check(
        exact_ends(&name.0),
        "check",
        &quote!(__rules::is_handled_once(__EVENTS, __HASHES, #written)),
    );
    let of_each = is_free.into_iter().chain([is_unique]);
    Some(of_each.map(|check| quote!(#(#conditions)* const _: () = { #check };)).collect())
}

/// Writes whether `ping` is answered without a handler: there are handlers of events, and none for
/// `ping`.
pub(super) fn answers_ping(handlers: &Handlers) -> TokenStream {
    let mut all = handlers.of(Callback::Event).chain(handlers.of(Callback::Unknown)).peekable();
    if all.peek().is_none() {
        return quote!(false);
    }
    if are_known(handlers) {
        let mut names = each(handlers).filter_map(|(_, event)| event.name.literal());
        return if names.any(|name| name.value() == "ping") { quote!(false) } else { quote!(true) };
    }
    let has_events = match slots::any_of(all.map(|handler| handler.conditions.as_slice())) {
        Some(any) => quote!(::core::cfg!(#any)),
        None => quote!(true),
    };
    quote!(#has_events && !__rules::is_among(__EVENTS, "ping"))
}

/// Returns whether all names are literals whose handlers have no `#[cfg(..)]`: then the macro
/// itself has checked them.
fn are_known(handlers: &Handlers) -> bool {
    let has_conditions = handlers.handlers.iter().any(|handler| !handler.conditions.is_empty());
    !has_conditions && each(handlers).all(|(_, event)| event.name.literal().is_some())
}

/// Returns the names with their handlers, in source order.
fn each(handlers: &Handlers) -> impl Iterator<Item = (&Handler, &Event)> {
    handlers.handlers.iter().flat_map(|handler| handler.events.iter().map(move |event| (handler, event)))
}
