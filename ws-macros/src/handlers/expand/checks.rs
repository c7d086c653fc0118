//! The rules of a block that only rustc can check. For each handler, one constant has the facts and
//! another one checks them; each guard is checked by a constant of its own.
//!
//! A check has the span of the type that it is about; rustc reports the first rule that a handler
//! breaks. The rules and their messages are in `ws_core` (`handlers/rules.rs`).

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::entry;
use crate::{
    handlers::{
        callback::Callback,
        model::{Event, Handler, Handlers},
        slots::{Guard, Param, Slot, Source, any_of, owned},
    },
    source::{exact_ends, placed, start},
};

/// Returns the constant with the facts about a handler, by its index.
pub(super) fn facts(index: usize) -> Ident {
    format_ident!("__FACTS_{index}")
}

/// Writes the facts and the checks of all handlers.
pub(super) fn all(handlers: &Handlers) -> TokenStream {
    let controller = &handlers.controller;
    let all = || handlers.handlers.iter().enumerate();
    let facts = all().map(|(index, handler)| {
        let (conditions, facts) = (&handler.conditions, facts(index));
        let is = facts_of(handler, controller);
        quote!(#(#conditions)* const #facts: &__Facts = #is;)
    });
    let checks = all().map(|(index, handler)| of(handler, &self::facts(index)));
    quote!(#(#facts)* #(#checks)*)
}

fn facts_of(handler: &Handler, controller: &Type) -> TokenStream {
    let (on, shape, replies) = (on(handler), shape(handler, controller), replies(handler));
    let params = handler.params.iter().map(|Param { ty, conditions, .. }| {
        let inferred = &ty.inferred;
        let facts = quote_spanned!(ty.place()=> __Of::<#inferred>::FACTS);
        let facts = if handler.events.is_empty() {
            facts
        } else {
            quote!(__h::with_event(#facts, __Of::<#inferred>::EVENT, #replies))
        };
        // Only a type that contains `&str` has an owned form.
        let owned = if ty.text.contains("str") { owned(inferred.clone()) } else { None };
        match owned.map(|owned| owns(ty.ends, &owned)) {
            Some(owns) => quote!(#(#conditions)* { #owns #facts }),
            None => quote!(#(#conditions)* #facts),
        }
    });
    quote! {
        &__Facts {
            on: #on,
            route: <#controller>::__WS_PATH,
            params: &[#(#params),*],
            reply: #shape,
        }
    }
}

/// Writes the checks of a handler. Those of the parameters and of the return type are in one
/// constant, because each constant costs compile time; each guard has its own.
fn of(handler: &Handler, facts: &Ident) -> TokenStream {
    let conditions = &handler.conditions;
    let guards = handler.guards.iter().map(|Guard { path, .. }| {
        let guarded = quote_spanned!(start(path)=> __h::guarded(#path));
        let checked = check(exact_ends(path), "guard", &quote!(#facts, __TAKES, __NEEDS_PATH));
        quote! {
            #(#conditions)*
            const _: () = {
                const __TAKES: &[__ws::handlers::Takes] = #guarded.takes;
                const __NEEDS_PATH: bool = #guarded.needs_path;
                #checked
            };
        }
    });
    let params = handler.params.iter().enumerate().map(|(index, Param { ty, conditions, .. })| {
        let before = handler.params.iter().take(index).map(|before| match any_of_one(before) {
            Some(any) => quote!(+ ::core::cfg!(#any) as usize),
            None => quote!(+ 1),
        });
        let check = check(ty.ends, "param", &quote!(#facts, 0 #(#before)*));
        quote!(#(#conditions)* #check)
    });
    // Without a return type the event may declare a reply.
    let has_reply = handler.output.is_some() || !handler.events.is_empty();
    let reply = has_reply.then(|| check(ends_of_output(handler), "reply", facts));
    let checks: Vec<_> = params.chain(reply).collect();
    let checks = (!checks.is_empty()).then(|| quote!(#(#conditions)* const _: () = { #(#checks)* };));
    quote!(#(#guards)* #checks)
}

/// Returns the condition under which a parameter exists.
fn any_of_one(param: &Param) -> Option<TokenStream> {
    any_of(std::iter::once(param.conditions.as_slice()))
}

/// Writes the check that a slot's type does not borrow.
pub(super) fn of_slot(slot: &Slot) -> Option<TokenStream> {
    let Source::Param(ty) = &slot.source else { return None };
    let (owned, condition) = (owned(ty.clone())?, slot.condition());
    let owns = owns(exact_ends(ty), &owned);
    Some(quote!(#condition #owns))
}

/// Writes the check that a parameter does not borrow, given its owned form. The check is inside the
/// code that would fail to compile: rustc then reports only the check, and not the lifetime errors,
/// which would not help.
fn owns((first, last): (Span, Span), owned: &TokenStream) -> TokenStream {
    let (reference, end) = (quote_spanned!(first=> &), quote_spanned!(last=> >));
    quote! {
        let () = < #reference __rules::Is<{ !__Of::<#owned>::IS_PARSED } #end
            as __rules::OwnsItsData>::HOLDS;
    }
}

/// Writes the properties of the return type, which may have no name.
fn shape(handler: &Handler, controller: &Type) -> TokenStream {
    if let Some(ty) = handler.returned() {
        return quote!(__Of::<#ty>::SHAPE);
    }
    let call = entry::call(handler, controller);
    let (first, last) = ends_of_output(handler);
    let mut shape = quote_spanned!(first=> __h::shape_of);
    shape.extend(quote_spanned!(last=> (&#call)));
    shape
}

/// Writes the types of the messages that a handler returns. If the return type has no name,
/// [`entry`] checks them.
fn replies(handler: &Handler) -> TokenStream {
    let Some(ty) = handler.returned() else { return quote!(__h::Unknown::REPLIES) };
    let (first, last) = ends_of_output(handler);
    let start = quote_spanned!(first=> __Of);
    let end = quote_spanned!(last=> ::REPLIES);
    quote!(#start::<#ty>#end)
}

/// Writes the callback, with the names of an event.
fn on(handler: &Handler) -> TokenStream {
    let variant = Ident::new(handler.callback.variant(), Span::call_site());
    let names = handler.events.iter().map(Event::written);
    let names = (handler.callback == Callback::Event).then(|| quote!((&[#(#names),*])));
    quote!(__On::#variant #names)
}

/// Writes the call of a function of `rules`. It begins and ends at the user's tokens, so that rustc
/// underlines all of them.
pub(super) fn check((first, last): (Span, Span), rule: &str, arguments: &impl ToTokens) -> TokenStream {
    let rule = Ident::new(rule, Span::call_site());
    let check = quote_spanned!(first=> __rules::#rule);
    let arguments = quote_spanned!(last=> (#arguments));
    quote!(#check #arguments;)
}

/// Returns the ends of the return type, or those of the name if it has none.
pub(super) fn ends_of_output(handler: &Handler) -> (Span, Span) {
    match &handler.output {
        Some(output) => output.ends,
        None => exact_ends(&placed(&handler.ident)),
    }
}
