//! The function of a handler: its guards, its parameters, the method, its reply.
//!
//! A parameter has the span of its type, and rustc reports an error there. A future that is not
//! `Send` is reported at the name of the method. A wrong reply is reported by [`super::checks`].

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::{
    checks,
    kept::{self, field},
};
use crate::{
    handlers::{
        callback::Callback,
        model::{Handler, Handlers},
        slots::{Guard, Param},
    },
    source::{at, placed, start},
};

/// Writes the functions of all handlers. They are in one constant with the closure that makes the
/// kept values, from which rustc infers the types of these values. A parameter that borrows is
/// reported in this closure; rustc then reports no lifetime errors in the same constant.
pub(super) fn functions(handlers: &Handlers) -> TokenStream {
    let ty = &handlers.controller;
    let (need, keep) = (kept::need(handlers), kept::make(handlers));
    let functions = handlers.handlers.iter().enumerate().map(|(index, handler)| {
        let (conditions, on, run) = (&handler.conditions, on(index, handler), run(handler, ty));
        quote!(#(#conditions)* __h::HandlerFn { on: #on, run: #run })
    });
    quote! {
        const __FUNCTIONS: &dyn __h::Dispatch = &__h::HandlerFns::<#ty, _> {
            need: #need,
            keep: #keep,
            functions: &[#(#functions),*],
        };
    }
}

/// Writes the callback of a handler.
fn on(index: usize, handler: &Handler) -> TokenStream {
    let facts = checks::facts(index);
    let variant = format_ident!("{}", handler.callback.variant());
    match handler.callback {
        Callback::Event => quote!(__h::On::#variant(#facts.names)),
        _ => quote!(__h::On::#variant),
    }
}

/// Writes the closure that makes the parameters and calls the method. With guards, it does so in a
/// future, because a guard is awaited before the parameters are made.
fn run(handler: &Handler, controller: &Type) -> TokenStream {
    let place = at(handler.ident.span());
    let called = called(handler, controller);
    if handler.guards.is_empty() {
        return quote_spanned!(place=> |__this, __kept, __input| #called.boxed(__input));
    }
    let guards = handler.guards.iter().map(guarded);
    quote_spanned! {place=>
        |__this, __kept, __input| {
            let mut __input = __input.take();
            ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                let __input = &mut __input;
                #(#guards)*
                #called.answer(__input)?.await
            }))
        }
    }
}

/// Writes the call of a guard. It reads an event, but no other message; that is left to the
/// handler.
fn guarded(Guard { path, slot }: &Guard) -> TokenStream {
    let field = field(*slot);
    quote_spanned! {start(path)=>
        let __guard = __h::guarded(#path).start(&__kept.#field, __input.for_guard())?;
        __h::guard(__guard.await)?;
    }
}

/// The most parameters for which `ws_core` has a function that calls a method.
const MOST_PARAMS: usize = 4;

/// Writes the parameters and the call of the method, which makes its future.
fn called(handler: &Handler, controller: &Type) -> TokenStream {
    let method = placed(&handler.ident);
    let place = at(handler.ident.span());
    let params = || handler.params.iter().map(param);
    let has_conditions = handler.params.iter().any(|param| !param.conditions.is_empty());
    if has_conditions || handler.params.len() > MOST_PARAMS {
        let params = params().zip(&handler.params).map(|(made, Param { conditions, ty, .. })| {
            quote_spanned!(start(&ty.written)=> #(#conditions)* #made?)
        });
        return quote_spanned! {place=>
            __h::Handling((|| ::core::result::Result::Ok(<#controller>::#method(__this, #(#params),*)))())
        };
    }
    let (call, params) = (format_ident!("of_{}", handler.params.len()), params());
    quote_spanned!(place=> __h::Handling::#call(<#controller>::#method, __this, #(#params),*))
}

/// Writes the expression that makes a parameter.
fn param(Param { ty, slot, .. }: &Param) -> TokenStream {
    let (inferred, place) = (&ty.inferred, start(&ty.written));
    let kept = match slot.map(field) {
        Some(field) => quote_spanned!(place=> &__kept.#field),
        None => quote_spanned!(place=> &()),
    };
    quote_spanned!(place=> __h::Of::<#inferred>::get(#kept, __input))
}
