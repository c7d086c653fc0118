//! The function of a handler: its guards, its parameters, the method, its reply.
//!
//! rustc reports a type that is not a parameter or not a reply at the user's type, and a future
//! that is not `Send` at the name of the method. [`super::checks`] reports rules that are broken.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::{
    checks,
    kept::{self, field},
};
use crate::{
    handlers::{
        model::{Handler, Handlers},
        slots::{Guard, Named, Param},
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
        let (conditions, facts, run) = (&handler.conditions, checks::facts(index), run(handler, ty));
        quote!(#(#conditions)* __h::HandlerFn { on: #facts.on, run: #run })
    });
    quote! {
        const __FUNCTIONS: &dyn __h::Dispatch = &__h::HandlerFns::<#ty, _> {
            need: #need,
            keep: #keep,
            functions: &[#(#functions),*],
        };
    }
}

/// Writes the closure that makes the parameters and calls the method. With guards, it does so in a
/// future, because a guard is awaited before the parameters are made.
fn run(handler: &Handler, controller: &Type) -> TokenStream {
    let place = at(handler.ident.span());
    let reply = handler.returned().unwrap_or_else(|| {
        let place = handler.output.as_ref().map_or(place, Named::place);
        quote_spanned!(place=> _)
    });
    if !handler.guards.is_empty() {
        let (guards, called) = (handler.guards.iter().map(guarded), called(handler, controller));
        return quote_spanned! {place=>
            |__this, __kept, __input| {
                let mut __input = __input.take();
                ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                    let __input = &mut __input;
                    #(#guards)*
                    __h::reply_future::<#reply, _>(#called, __input)?.await
                }))
            }
        };
    }
    let has_conditions = handler.params.iter().any(|param| !param.conditions.is_empty());
    if has_conditions || handler.params.len() > MOST_PARAMS {
        let called = called(handler, controller);
        return quote_spanned!(place=> |__this, __kept, __input| __h::boxed::<#reply, _>(#called, __input));
    }
    // rustc infers the types of the kept values, of the controller and of the future.
    let (method, run) = (placed(&handler.ident), format_ident!("run_{}", handler.params.len()));
    let types = handler.params.iter().map(|param| &param.ty.inferred);
    let kept = handler.params.iter().map(kept);
    let unknown = handler.params.iter().map(|_| quote!(_));
    quote_spanned! {place=>
        |__this, __kept, __input| {
            __h::#run::<#(#types,)* #reply, #(#unknown,)* _, _>(<#controller>::#method, __this, #(#kept,)* __input)
        }
    }
}

/// The most parameters for which `ws_core` has a function that calls a method.
const MOST_PARAMS: usize = 4;

/// Writes the call of a guard. It reads an event, but no other message; that is left to the
/// handler.
fn guarded(Guard { path, slot }: &Guard) -> TokenStream {
    let field = field(*slot);
    quote_spanned! {start(path)=>
        let __guard = __h::guarded(#path).start(&__kept.#field, __input.for_guard())?;
        __h::guard(__guard.await)?;
    }
}

/// Writes the parameters and the call of the method, which makes its future. The result is the
/// future or the error of a parameter.
fn called(handler: &Handler, controller: &Type) -> TokenStream {
    let method = placed(&handler.ident);
    let params = handler.params.iter().map(|param| {
        let (ty, conditions) = (&param.ty, &param.conditions);
        let kept = kept(param);
        let inferred = &ty.inferred;
        quote_spanned!(ty.place()=> #(#conditions)* __h::make_param::<#inferred>(#kept, __input)?)
    });
    quote_spanned! {at(handler.ident.span())=>
        (|| ::core::result::Result::Ok(<#controller>::#method(__this, #(#params),*)))()
    }
}

/// Writes the kept value of a parameter.
fn kept(Param { ty, slot, .. }: &Param) -> TokenStream {
    let place = ty.place();
    match slot.map(field) {
        Some(field) => quote_spanned!(place=> &__kept.#field),
        None => quote_spanned!(place=> &()),
    }
}
