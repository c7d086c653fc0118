//! The rules of a block that only rustc can check. A constant has the facts about each handler, and
//! a constant for each type checks them.
//!
//! A check has the span of the type that it is about. The rules and their messages are in `ws_core`
//! (`handlers/rules.rs`).

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::entry;
use crate::{
    handlers::{
        callback::Callback,
        model::{Event, Handler, Handlers},
        slots::{Guard, Named, Param, Slot, Source, any_of, owned},
    },
    source::{self, at, placed, start},
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
        quote!(#(#conditions)* const #facts: __h::rules::Facts = #is;)
    });
    let checks = all().map(|(index, handler)| of(handler, &self::facts(index), controller));
    quote!(#(#facts)* #(#checks)*)
}

fn facts_of(handler: &Handler, controller: &Type) -> TokenStream {
    let (place, shape) = (place(handler.callback), shape(handler, controller));
    let names = handler.events.iter().map(Event::written);
    let params = handler.params.iter().map(|Param { ty, conditions, .. }| {
        let inferred = &ty.inferred;
        let facts = quote_spanned!(start(&ty.written)=> <#inferred as __h::Param<'_>>::FACTS);
        let facts = if handler.events.is_empty() {
            facts
        } else {
            quote!(__h::rules::ParamFacts { event: __h::Of::<#inferred>::EVENT, ..#facts })
        };
        match owned(inferred.clone()).map(|owned| owns(&ty.written, &owned)) {
            Some(owns) => quote!(#(#conditions)* { #owns #facts }),
            None => quote!(#(#conditions)* #facts),
        }
    });
    quote! {
        __h::rules::Facts {
            place: #place,
            names: &[#(#names),*],
            route: <#controller>::__WS_PATH,
            params: &[#(#params),*],
            reply: #shape,
        }
    }
}

fn of(handler: &Handler, facts: &Ident, controller: &Type) -> TokenStream {
    let of_handler = &handler.conditions;
    let guards = handler.guards.iter().map(|guard| {
        let check = of_guard(handler.callback, guard, controller);
        quote!(#(#of_handler)* const _: () = { #check };)
    });
    let params = handler.params.iter().enumerate().map(|(index, Param { ty, conditions, .. })| {
        let index = handler.params.iter().take(index).map(|before| match any_of_one(before) {
            Some(any) => quote!(::core::cfg!(#any) as usize),
            None => quote!(1),
        });
        let check = check(&ty.written, &quote!(#facts.of_param(0 #(+ #index)*)));
        quote!(#(#of_handler)* #(#conditions)* #check)
    });
    let reply = quote!(#facts.of_reply());
    let output = match &handler.output {
        Some(output) => Some(check(&output.written, &reply)),
        // The event may declare a reply.
        None if !handler.events.is_empty() => Some(check(&placed(&handler.ident), &reply)),
        None => None,
    };
    let output = output.map(|check| quote!(#(#of_handler)* #check));
    quote!(#(#guards)* #(#params)* #output)
}

/// Returns the condition under which a parameter exists.
fn any_of_one(param: &Param) -> Option<TokenStream> {
    any_of(std::iter::once(param.conditions.as_slice()))
}

fn of_guard(callback: Callback, Guard { path, .. }: &Guard, controller: &Type) -> TokenStream {
    let place = place(callback);
    let guarded = quote_spanned!(start(path)=> __h::guarded(#path));
    let takes = check(path, &quote!(#place.of_guard(__TAKES)));
    let needs_path =
        check(path, &quote!(__h::rules::has_path_parameters(<#controller>::__WS_PATH, __NEEDS_PATH)));
    quote! {
        const __TAKES: &[__ws::handlers::Takes] = #guarded.takes;
        const __NEEDS_PATH: bool = #guarded.needs_path;
        #takes
        #needs_path
    }
}

/// Writes the check that a slot's type does not borrow.
pub(super) fn of_slot(slot: &Slot) -> Option<TokenStream> {
    let Source::Param(ty) = &slot.source else { return None };
    let (owned, condition) = (owned(ty.clone())?, slot.condition());
    let owns = owns(ty, &owned);
    Some(quote!(#condition #owns))
}

/// Writes the check that a parameter does not borrow, given its owned form. The check is inside the
/// code that would fail to compile: rustc then reports only the check, and not the lifetime errors,
/// which would not help.
fn owns(ty: &impl ToTokens, owned: &TokenStream) -> TokenStream {
    let (first, last) = ends(ty);
    let (reference, end) = (quote_spanned!(first=> &), quote_spanned!(last=> >));
    quote! {
        let () = < #reference __h::rules::Is<{ !__h::Of::<#owned>::IS_PARSED } #end
            as __h::rules::OwnsItsData>::HOLDS;
    }
}

/// Writes the properties of the return type, which may have no name.
fn shape(handler: &Handler, controller: &Type) -> TokenStream {
    match &handler.output {
        None => quote!(<() as __ws::handlers::IntoReply>::SHAPE),
        Some(Named { inferred, .. }) if source::find_impl(inferred.clone()).is_none() => {
            quote!(<#inferred as __ws::handlers::IntoReply>::SHAPE)
        }
        Some(output) => {
            let call = entry::call(handler, controller);
            let (first, last) = ends(&output.written);
            let mut shape = quote_spanned!(first=> __h::shape_of);
            shape.extend(quote_spanned!(last=> (&#call)));
            shape
        }
    }
}

/// Writes the check that the reply is the declared reply of the event type, for the variable
/// `__carried`, which has the types that the handler sends. Every parameter is checked, because
/// only rustc knows which one is the data. The check is in the closure that describes the reply,
/// because each mention of a handler's output costs compile time.
pub(super) fn of_call(handler: &Handler) -> Option<TokenStream> {
    if handler.events.is_empty() || handler.params.is_empty() {
        return None;
    }
    let place = at(handler.ident.span());
    let (first, last) =
        handler.output.as_ref().map_or((place, place), |output| source::ends(&output.written));
    let mut sends = quote_spanned!(first=> &);
    let carried = Ident::new("__carried", last);
    sends.extend(quote_spanned!(last=> #carried.replies));
    let checks = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.inferred);
        quote!(#(#conditions)* __h::Of::<#ty>::check(#sends);)
    });
    Some(checks.collect())
}

fn place(callback: Callback) -> TokenStream {
    let place = Ident::new(callback.place(), Span::call_site());
    quote!(__h::rules::Place::#place)
}

/// Writes the check of a rule as a constant. It begins and ends at the user's tokens, so that rustc
/// underlines all of them.
pub(super) fn check(source: &impl ToTokens, broken: &TokenStream) -> TokenStream {
    let (first, last) = ends(source);
    let check = quote_spanned!(first=> __h::rules::check);
    let broken = quote_spanned!(last=> (#broken));
    quote!(const _: () = #check #broken;)
}

/// Returns the spans of the first and the last token, with the user's hygiene. With the hygiene of
/// the macro, rustc would mention the macro.
fn ends(source: &impl ToTokens) -> (Span, Span) {
    let tokens: Vec<_> = source.to_token_stream().into_iter().collect();
    let place = |tree: Option<&TokenTree>| tree.map_or_else(Span::call_site, TokenTree::span);
    (place(tokens.first()), place(tokens.last()))
}
