//! What only rustc knows of a block, checked while compiling: constants that do not evaluate where a rule is broken.
//!
//! Each stands at the type that breaks the rule: a parameter that takes what its callback has not, a second one that takes
//! the message, a `Path<T>` on a route without parameters, a reply where nothing can be answered.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Type};

use crate::{
    handlers::{
        callback::Callback,
        model::{Handler, Handlers},
        slots::{Named, Param},
    },
    source::ends,
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
        quote!(#(#conditions)* __h::Of::<#ty>::TAKES)
    });
    let (method, own, ty) = (&handler.conditions, &param.conditions, &param.ty.inferred);
    let takes = quote!(__h::Place::#place, &[#(#before),*], __h::Of::<#ty>::TAKES);
    let path = quote!(<#controller>::__WS_PATH, __h::Of::<#ty>::NEEDS_PATH);
    let checks = [
        quote!(__h::check_param::<#ty>()),
        check(&param.ty, &format_ident!("check_takes"), &takes),
        check(&param.ty, &format_ident!("check_path"), &path),
    ];
    let conditions = quote!(#(#method)* #(#own)*);
    quote!(#(#conditions const _: () = #checks;)*)
}

fn of_output(handler: &Handler, output: &Named) -> TokenStream {
    let (is_event, is_close) = (handler.callback.is_event(), handler.callback == Callback::Close);
    let (conditions, ty) = (&handler.conditions, &output.inferred);
    let reply = quote!(<#ty as __ws::handlers::IntoReply>);
    let model = quote!(#is_event, #is_close, #reply::FORM, #reply::NAME);
    let check = check(output, &format_ident!("check_reply"), &model);
    quote!(#(#conditions)* const _: () = #check;)
}

/// A call that stands where the whole type does.
fn check(ty: &Named, function: &Ident, arguments: &TokenStream) -> TokenStream {
    let (first, last) = ends(&ty.written);
    let mut call = quote_spanned!(first=> __h::#function);
    call.extend(quote_spanned!(last=> (#arguments)));
    call
}
