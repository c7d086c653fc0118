//! The rules of a block that only rustc can check. Each check is a trait bound, which does not hold
//! if the rule is broken.
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
        model::{Handler, Handlers},
        slots::{Guard, Named, Param, Slot, Source, owned},
    },
    source::{self, at, start},
};

/// A rule that depends on the callback.
struct Rule {
    /// The method of `Place` that is its condition.
    condition: &'static str,
    /// The trait with its message.
    name: &'static str,
}

impl Rule {
    const fn new(condition: &'static str, name: &'static str) -> Self {
        Self { condition, name }
    }
}

/// Returns the rules for a parameter that this callback can break. Each rule costs compile time for
/// each parameter, so the others are left out.
fn rules_of_params(callback: Callback) -> Vec<Rule> {
    if callback.is_event() {
        return vec![Rule::new("has_close_reason", "HasCloseReason")];
    }
    let mut rules = vec![
        Rule::new("has_event_data", "HasEventData"),
        Rule::new("has_event_name", "HasEventName"),
        Rule::new("has_reply", "HasReply"),
    ];
    if matches!(callback, Callback::Open | Callback::Close) {
        rules.push(Rule::new("has_message", "HasMessage"));
    }
    if matches!(callback, Callback::Binary | Callback::Ping | Callback::Pong) {
        rules.push(Rule::new("has_text", "HasText"));
    }
    if callback != Callback::Close {
        rules.push(Rule::new("has_close_reason", "HasCloseReason"));
    }
    rules
}

/// Returns the rule for a return value that this callback can break.
fn rule_of_replies(callback: Callback) -> Rule {
    match callback {
        Callback::Event | Callback::Unknown => Rule::new("answers_in_an_envelope", "AnswersInAnEnvelope"),
        Callback::Close => Rule::new("sends_nothing", "SendsNothing"),
        _ => Rule::new("answers_an_event", "AnswersAnEvent"),
    }
}

/// Writes the checks of all handlers.
pub(super) fn all(handlers: &Handlers) -> TokenStream {
    handlers.handlers.iter().map(|handler| of(handler, &handlers.controller)).collect()
}

fn of(handler: &Handler, controller: &Type) -> TokenStream {
    let conditions = &handler.conditions;
    let params = (0..handler.params.len()).map(|index| of_param(handler, index, controller));
    let output = handler.output.as_ref().map(|output| of_output(handler, output, controller));
    let guards = handler.guards.iter().map(|guard| of_guard(handler.callback, guard, controller));
    quote! {
        #(#conditions)*
        const _: () = {
            #(#guards)*
            #(#params)*
            #output
        };
    }
}

/// Returns the name of the constant that describes the input of a parameter.
fn takes(index: usize) -> Ident {
    format_ident!("__TAKES_{index}")
}

/// Returns a slice of these constants for the first parameters.
fn all_take(handler: &Handler, count: usize) -> TokenStream {
    let all = handler.params.iter().take(count).enumerate().map(|(index, Param { conditions, .. })| {
        let it = takes(index);
        quote!(#(#conditions)* #it)
    });
    quote!(&[#(#all),*])
}

fn of_param(handler: &Handler, index: usize, controller: &Type) -> TokenStream {
    let Some(Param { ty, conditions, .. }) = handler.params.get(index) else { return TokenStream::new() };
    let (it, inferred) = (takes(index), &ty.inferred);
    let is_param = quote_spanned!(start(&ty.written)=> <#inferred as __h::Param<'_>>::TAKES);
    let owned = owned(inferred.clone());
    let owns = owned.as_ref().map(|owned| owns(&ty.written, owned));
    let mut checks = of_place(handler.callback, &it, &rules_of_params(handler.callback), ty);
    if index > 0 {
        let before = all_take(handler, index);
        for (condition, rule) in
            [("takes_one_message", "TakesOneMessage"), ("takes_one_reply", "TakesOneReply")]
        {
            let condition = format_ident!("{condition}");
            checks.extend(check(&ty.written, rule, &quote!(__h::rules::#condition(#before, #it))));
        }
    }
    let path = owned.as_ref().unwrap_or(inferred);
    let holds = quote! {
        __h::rules::has_path_parameters(<#controller>::__WS_PATH, __h::Of::<#path>::NEEDS_PATH)
    };
    checks.extend(check(&ty.written, "HasPathParameters", &holds));
    if !handler.events.is_empty() {
        let names = handler.events.iter().map(|event| &event.constant);
        let holds = quote!(__h::rules::is_of_this_event(&[#(#names),*], __h::Of::<#inferred>::EVENT));
        checks.extend(check(&ty.written, "IsOfThisEvent", &holds));
    }
    quote! {
        #(#conditions)*
        const #it: __ws::handlers::Takes = {
            #owns
            #is_param
        };
        #(#conditions)*
        { #checks }
    }
}

fn of_guard(callback: Callback, Guard { path, .. }: &Guard, controller: &Type) -> TokenStream {
    let place = Ident::new(callback.place(), Span::call_site());
    let guarded = quote_spanned!(start(path)=> __h::guarded(#path));
    let checks: TokenStream = [
        ("GuardTakesNoMessage", quote!(__h::rules::Place::#place.guard_takes_no_message(__TAKES))),
        ("GuardTakesOneMessage", quote!(__h::rules::guard_takes_one_message(__TAKES))),
        (
            "HasPathParameters",
            quote!(__h::rules::has_path_parameters(<#controller>::__WS_PATH, __NEEDS_PATH)),
        ),
    ]
    .into_iter()
    .map(|(rule, holds)| check(path, rule, &holds))
    .collect();
    quote! {
        {
            const __TAKES: &[__ws::handlers::Takes] = #guarded.takes;
            const __NEEDS_PATH: bool = #guarded.needs_path;
            #checks
        }
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
    let bound = bound(ty, &format_ident!("OwnsItsData"), &quote!(!__h::Of::<#owned>::IS_PARSED));
    quote!(let () = #bound;)
}

fn of_output(handler: &Handler, output: &Named, controller: &Type) -> TokenStream {
    let ty = &output.inferred;
    let shape = if source::find_impl(ty.clone()).is_none() {
        quote!(<#ty as __ws::handlers::IntoReply>::SHAPE)
    } else {
        let call = entry::call(handler, controller);
        let (first, last) = ends(&output.written);
        let mut shape = quote_spanned!(first=> __h::shape_of);
        shape.extend(quote_spanned!(last=> (&#call)));
        shape
    };
    let it = format_ident!("__SHAPE");
    let mut checks = of_place(handler.callback, &it, &[rule_of_replies(handler.callback)], output);
    if handler.callback.is_event() && !handler.params.is_empty() {
        let takes = all_take(handler, handler.params.len());
        let holds = quote!(__h::rules::leaves_the_reply(#takes, #it));
        checks.extend(check(&output.written, "LeavesTheReply", &holds));
    }
    quote! {
        const #it: __h::ReplyShape = #shape;
        #checks
    }
}

/// Writes the check that the reply is the declared reply of the event type, given the variable with
/// the types that the handler sends. Every parameter is checked, because only rustc knows which one
/// is the data. The check is in the closure that describes the reply, because each mention of a
/// handler's output costs compile time.
pub(super) fn of_call(handler: &Handler, carried: &Ident) -> Option<TokenStream> {
    if handler.events.is_empty() || handler.params.is_empty() {
        return None;
    }
    let takes = handler.params.iter().map(|Param { conditions, ty, .. }| {
        // A type that borrows is reported by its own check.
        let ty = owned(ty.inferred.clone()).unwrap_or_else(|| ty.inferred.clone());
        quote!(#(#conditions)* <#ty as __h::Param<'_>>::TAKES)
    });
    let place = at(handler.ident.span());
    let (first, last) = handler.output.as_ref().map_or((place, place), |output| ends(&output.written));
    let local = Ident::new("__sends", last);
    let mut sends = quote_spanned!(first=> &);
    local.to_tokens(&mut sends);
    let checks = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.inferred);
        quote!(#(#conditions)* __h::Of::<#ty>::call().check(#sends);)
    });
    Some(quote! {
        let #local = #carried.replies.unless::<{ __h::rules::take_reply(&[#(#takes),*]) }>();
        #(#checks)*
    })
}

/// Writes the checks of a constant by the rules of the callback.
fn of_place(callback: Callback, it: &Ident, rules: &[Rule], ty: &Named) -> TokenStream {
    let place = Ident::new(callback.place(), Span::call_site());
    rules
        .iter()
        .map(|Rule { condition, name }| {
            let condition = format_ident!("{condition}");
            check(&ty.written, name, &quote!(__h::rules::Place::#place.#condition(#it)))
        })
        .collect()
}

/// Writes the bound of a rule, as a statement. A constant for each bound would cost more time to
/// compile.
fn check(source: &impl ToTokens, rule: &str, holds: &TokenStream) -> TokenStream {
    let bound = bound(source, &format_ident!("{rule}"), holds);
    quote!(let () = #bound;)
}

/// Writes the bound of a rule. Its self type begins and ends at the user's tokens, so that rustc
/// underlines all of them.
pub(super) fn bound(source: &impl ToTokens, rule: &Ident, holds: &TokenStream) -> TokenStream {
    let (first, last) = ends(source);
    let (reference, end) = (quote_spanned!(first=> &), quote_spanned!(last=> >));
    quote!(< #reference __h::rules::Is<{ #holds } #end as __h::rules::#rule>::HOLDS)
}

/// Returns the spans of the first and the last token, with the user's hygiene. With the hygiene of
/// the macro, rustc would mention the macro.
fn ends(source: &impl ToTokens) -> (Span, Span) {
    let tokens: Vec<_> = source.to_token_stream().into_iter().collect();
    let place = |tree: Option<&TokenTree>| tree.map_or_else(Span::call_site, TokenTree::span);
    (place(tokens.first()), place(tokens.last()))
}
