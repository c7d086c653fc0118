//! What only rustc knows of a block, checked while compiling: constants that do not evaluate where a rule is broken.
//!
//! Each stands at the type that breaks the rule: a parameter that takes what its callback has not, a second one that takes
//! the message, a `Path<T>` on a route without parameters, a reply where nothing can be answered.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{Ident, Type};

use crate::{
    handlers::{
        callback::Callback,
        model::{Handler, Handlers},
        slots::{Named, Param},
    },
    source::start,
};

/// The checks of all handlers.
pub(super) fn all(handlers: &Handlers) -> TokenStream {
    handlers.handlers.iter().flat_map(|handler| of(handler, &handlers.controller)).collect()
}

fn of<'h>(handler: &'h Handler, controller: &'h Type) -> impl Iterator<Item = TokenStream> + 'h {
    let params = handler.params.iter().enumerate().map(move |(index, param)| {
        let before = handler.params.get(..index).unwrap_or_default();
        of_param(handler, before, param, controller)
    });
    params.chain(handler.nameable_output().into_iter().map(|output| of_output(handler, output)))
}

fn of_param(handler: &Handler, before: &[Param], param: &Param, controller: &Type) -> TokenStream {
    let place = Ident::new(handler.callback.place(), Span::call_site());
    let before = before.iter().map(|Param { ty, conditions, .. }| {
        let ty = &ty.inferred;
        quote_spanned!(start(ty)=> #(#conditions)* __h::Of::<#ty>::TAKES)
    });
    let (method, own, ty) = (&handler.conditions, &param.conditions, &param.ty.inferred);
    let span = start(&param.ty.written);
    quote_spanned! {span=>
        #(#method)*
        #(#own)*
        const _: () = __h::check_param::<#ty>();
        #(#method)*
        #(#own)*
        const _: () = __h::check_takes(__h::Place::#place, &[#(#before),*], __h::Of::<#ty>::TAKES);
        #(#method)*
        #(#own)*
        const _: () = __h::check_path(<#controller>::__WS_PATH, __h::Of::<#ty>::NEEDS_PATH);
    }
}

fn of_output(handler: &Handler, output: &Named) -> TokenStream {
    let (is_event, is_close) = (handler.callback.is_event(), handler.callback == Callback::Close);
    let (conditions, ty) = (&handler.conditions, &output.inferred);
    quote_spanned! {start(&output.written)=>
        #(#conditions)*
        const _: () = __h::check_reply(#is_event, #is_close, <#ty as ::ws_core::IntoReply>::SAYS);
    }
}
