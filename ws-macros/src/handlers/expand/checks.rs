//! The rules of a block that only rustc can check: trait bounds that do not hold where a rule is broken.
//!
//! Each stands at the type that breaks the rule. The rules and their words are in `ws_core`
//! (`handlers/rules.rs`).

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use super::entry;
use crate::{
    handlers::{
        callback::Callback,
        model::{Handler, Handlers},
        slots::{Named, Param},
    },
    source::{self, at, start},
};

/// The rules for what a parameter takes: each is a method of `Place`, and a trait.
const OF_PARAMS: [(&str, &str); 5] = [
    ("has_event_data", "HasEventData"),
    ("has_event_name", "HasEventName"),
    ("has_message", "HasMessage"),
    ("has_text", "HasText"),
    ("has_close_reason", "HasCloseReason"),
];

/// The rules for what a reply sends, in the same form.
const OF_REPLIES: [(&str, &str); 3] = [
    ("answers_an_event", "AnswersAnEvent"),
    ("answers_in_an_envelope", "AnswersInAnEnvelope"),
    ("sends_nothing", "SendsNothing"),
];

/// The checks of all handlers.
pub(super) fn all(handlers: &Handlers) -> TokenStream {
    handlers.handlers.iter().map(|handler| of(handler, &handlers.controller)).collect()
}

fn of(handler: &Handler, controller: &Type) -> TokenStream {
    let conditions = &handler.conditions;
    let params = handler.params.iter().enumerate().map(|(index, param)| {
        let before = handler.params.get(..index).unwrap_or_default();
        of_param(handler, before, param, controller)
    });
    let output = handler.output.as_ref().map(|output| of_output(handler, output, controller));
    let call = of_call(handler, controller);
    params.chain(output).chain(call).map(|check| quote!(#(#conditions)* #check)).collect()
}

fn of_param(handler: &Handler, before: &[Param], param: &Param, controller: &Type) -> TokenStream {
    let Param { ty, conditions, .. } = param;
    let inferred = &ty.inferred;
    let is_param = quote_spanned!(start(&ty.written)=> <#inferred as __h::Param<'_>>::TAKES);
    let mut checks = of_place(handler.callback, &OF_PARAMS, ty);
    if !before.is_empty() {
        let before = before.iter().map(|Param { ty, conditions, .. }| {
            let ty = &ty.inferred;
            quote!(#(#conditions)* __h::Of::<#ty>::TAKES)
        });
        let holds = quote!(__h::rules::takes_one_message(&[#(#before),*], __IT));
        checks.extend(check(ty, "TakesOneMessage", &holds));
    }
    let holds = quote! {
        __h::rules::has_path_parameters(<#controller>::__WS_PATH, __h::Of::<#inferred>::NEEDS_PATH)
    };
    checks.extend(check(ty, "HasPathParameters", &holds));
    if let Some(event) = &handler.event {
        let holds = quote!(__h::rules::is_of_this_event(#event, __h::Of::<#inferred>::EVENT));
        checks.extend(check(ty, "IsOfThisEvent", &holds));
    }
    quote! {
        #(#conditions)*
        const _: () = {
            const _: __ws::handlers::Takes = #is_param;
            const __IT: __ws::handlers::Takes = __h::Of::<#inferred>::TAKES;
            #checks
        };
    }
}

fn of_output(handler: &Handler, output: &Named, controller: &Type) -> TokenStream {
    let ty = &output.inferred;
    let says = if source::find_impl(ty.clone()).is_none() {
        quote!(<#ty as __ws::handlers::IntoReply>::SAYS)
    } else {
        let call = entry::call(handler, controller);
        let (first, last) = ends(&output.written);
        let mut says = quote_spanned!(first=> __h::says_of);
        says.extend(quote_spanned!(last=> (&#call)));
        says
    };
    let checks = of_place(handler.callback, &OF_REPLIES, output);
    quote! {
        const _: () = {
            const __IT: __h::Says = #says;
            #checks
        };
    }
}

/// Checks that the reply is the one that the type of the event declares. Every parameter is asked,
/// since only rustc knows which of them is the data.
fn of_call(handler: &Handler, controller: &Type) -> Option<TokenStream> {
    handler.event.as_ref().filter(|_| !handler.params.is_empty())?;
    let place = at(handler.ident.span());
    let (first, last) = handler.output.as_ref().map_or((place, place), |output| ends(&output.written));
    let call = entry::call(handler, controller);
    let local = Ident::new("__sends", last);
    let mut sends = quote_spanned!(first=> &);
    local.to_tokens(&mut sends);
    let checks = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.inferred);
        quote!(#(#conditions)* __h::Of::<#ty>::call().check(#sends);)
    });
    Some(quote! {
        const _: fn() = || {
            let #local = __h::output(&#call).replies();
            #(#checks)*
        };
    })
}

/// The checks of `__IT` by the rules of its place.
fn of_place(callback: Callback, rules: &[(&str, &str)], ty: &Named) -> TokenStream {
    let place = Ident::new(callback.place(), Span::call_site());
    rules
        .iter()
        .map(|(condition, rule)| {
            let condition = format_ident!("{condition}");
            check(ty, rule, &quote!(__h::rules::Place::#place.#condition(__IT)))
        })
        .collect()
}

/// The bound of a rule. Its brackets have the spans of the type's first and last token, so that rustc
/// underlines the whole type.
fn check(ty: &Named, rule: &str, holds: &TokenStream) -> TokenStream {
    let rule = format_ident!("{rule}");
    let (first, last) = ends(&ty.written);
    let is = quote_spanned!(first=> &__h::rules::Is<{ #holds });
    let is_end = quote_spanned!(last=> >);
    quote!(const _: () = < #is #is_end as __h::rules::#rule>::HOLDS;)
}

/// The spans of the first and the last token of a type. They are the user's own, not ours: rustc
/// then does not mention the macro.
fn ends(ty: &Type) -> (Span, Span) {
    let tokens: Vec<_> = ty.to_token_stream().into_iter().collect();
    let place = |tree: Option<&TokenTree>| tree.map_or_else(Span::call_site, TokenTree::span);
    (place(tokens.first()), place(tokens.last()))
}
