//! The rules of a block that only rustc can check: trait bounds that do not hold where a rule is broken.
//!
//! Each stands at the type that breaks the rule. The rules and their words are in `ws_core`
//! (`handlers/rules.rs`).

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use crate::{
    handlers::{
        callback::Callback,
        model::{Handler, Handlers},
        slots::{Named, Param, Slot, owned},
    },
    source::{self, placed, start},
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
const OF_REPLIES: [(&str, &str); 2] =
    [("answers_an_event", "AnswersAnEvent"), ("sends_nothing", "SendsNothing")];

/// The checks of all handlers.
pub(super) fn all(handlers: &Handlers) -> TokenStream {
    handlers.handlers.iter().map(|handler| of(handler, &handlers.controller)).collect()
}

fn of(handler: &Handler, controller: &Type) -> TokenStream {
    let conditions = &handler.conditions;
    let params = (0..handler.params.len()).map(|index| of_param(handler, index, controller));
    let output = handler.output.as_ref().map(|output| of_output(handler, output, controller));
    quote! {
        #(#conditions)*
        const _: () = {
            #(#params)*
            #output
        };
    }
}

/// The constant with what a parameter takes.
fn takes(index: usize) -> Ident {
    format_ident!("__TAKES_{index}")
}

fn of_param(handler: &Handler, index: usize, controller: &Type) -> TokenStream {
    let Some(Param { ty, conditions, .. }) = handler.params.get(index) else { return TokenStream::new() };
    let (it, inferred) = (takes(index), &ty.inferred);
    let is_param = quote_spanned!(start(&ty.written)=> <#inferred as __h::Param<'_>>::TAKES);
    let owned = owned(inferred.clone());
    let owns = owned.as_ref().map(|owned| owns(ty, owned));
    let mut checks = of_place(handler.callback, &it, &OF_PARAMS, ty);
    if index > 0 {
        let before =
            handler.params.iter().take(index).enumerate().map(|(index, Param { conditions, .. })| {
                let it = takes(index);
                quote!(#(#conditions)* #it)
            });
        let holds = quote!(__h::rules::takes_one_message(&[#(#before),*], #it));
        checks.extend(check(ty, "TakesOneMessage", &holds));
    }
    let path = owned.as_ref().unwrap_or(inferred);
    let holds = quote! {
        __h::rules::has_path_parameters(<#controller>::__WS_PATH, __h::Of::<#path>::NEEDS_PATH)
    };
    checks.extend(check(ty, "HasPathParameters", &holds));
    quote! {
        #(#conditions)*
        const #it: __ws::handlers::Takes = {
            #owns
            #is_param
        };
        #(#conditions)*
        const _: () = {
            #checks
        };
    }
}

/// The check that a slot does not borrow what is kept.
pub(super) fn of_slot(slot: &Slot) -> Option<TokenStream> {
    let (owned, condition) = (owned(slot.ty.inferred.clone())?, slot.condition());
    let owns = owns(&slot.ty, &owned);
    Some(quote!(#condition #owns))
}

/// The check that a parameter does not borrow what is kept, given its owned form. It stands in front
/// of the code that is wrong if it does: rustc says no more about a body whose types are wrong, and
/// what it says about lifetimes would not help.
fn owns(ty: &Named, owned: &TokenStream) -> TokenStream {
    let bound = bound(&ty.written, &format_ident!("OwnsItsData"), &quote!(!__h::Of::<#owned>::IS_PARSED));
    quote!(let () = #bound;)
}

fn of_output(handler: &Handler, output: &Named, controller: &Type) -> TokenStream {
    let ty = &output.inferred;
    let says = if source::find_impl(ty.clone()).is_none() {
        quote!(<#ty as __ws::handlers::IntoReply>::SAYS)
    } else {
        let method = placed(&handler.ident);
        let params =
            handler.params.iter().map(|Param { conditions, .. }| quote!(#(#conditions)* __h::rules::never()));
        let (first, last) = ends(&output.written);
        let mut says = quote_spanned!(first=> __h::rules::says_of);
        let call = quote!(<#controller>::#method(__h::rules::never(), #(#params),*));
        says.extend(quote_spanned!(last=> (&|| #call)));
        says
    };
    let it = format_ident!("__SAYS");
    let checks = of_place(handler.callback, &it, &OF_REPLIES, output);
    quote! {
        const #it: __h::Says = #says;
        #checks
    }
}

/// The checks of a constant by the rules of its place.
fn of_place(callback: Callback, it: &Ident, rules: &[(&str, &str)], ty: &Named) -> TokenStream {
    let place = Ident::new(callback.place(), Span::call_site());
    rules
        .iter()
        .map(|(condition, rule)| {
            let condition = format_ident!("{condition}");
            check(ty, rule, &quote!(__h::rules::Place::#place.#condition(#it)))
        })
        .collect()
}

/// The bound of a rule, in a body of its own.
fn check(ty: &Named, rule: &str, holds: &TokenStream) -> TokenStream {
    let bound = bound(&ty.written, &format_ident!("{rule}"), holds);
    quote!(const _: () = #bound;)
}

/// The bound of a rule. Its self type begins and ends at the user's tokens, so that rustc underlines
/// all of them.
pub(super) fn bound(source: &impl ToTokens, rule: &Ident, holds: &TokenStream) -> TokenStream {
    let (first, last) = ends(source);
    let (reference, end) = (quote_spanned!(first=> &), quote_spanned!(last=> >));
    quote!(< #reference __h::rules::Is<{ #holds } #end as __h::rules::#rule>::HOLDS)
}

/// The spans of the first and the last token. They are the user's own, not ours: rustc
/// then does not mention the macro.
fn ends(source: &impl ToTokens) -> (Span, Span) {
    let tokens: Vec<_> = source.to_token_stream().into_iter().collect();
    let place = |tree: Option<&TokenTree>| tree.map_or_else(Span::call_site, TokenTree::span);
    (place(tokens.first()), place(tokens.last()))
}
