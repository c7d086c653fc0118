//! Writes the registration of an error handler. It cannot fail.
//!
//! The call has the spans of the types on which it depends, so that rustc reports a wrong type
//! there.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::model::ErrorHandler;
use crate::{
    source::{answered, at, handed, placed, start},
    states::StateParam,
};

/// Writes the entry, beside the function.
pub(super) fn registration(handler: &ErrorHandler) -> TokenStream {
    let alias = handler.krate.alias();
    let name = handler.name();
    let error = &handler.error;
    let error_name = handler.error_name();
    let order = handler.order;
    let server = match &handler.server {
        Some(server) => quote!(::core::option::Option::Some(#server)),
        None => quote!(::core::option::Option::None),
    };
    let handled = quote_spanned!(start(error)=> <#error as __ws::__private::Handled>);
    let state = handler.extra.iter().map(StateParam::key);
    let call = call(handler, &handled);
    quote! {
        #[allow(deprecated)]
        const _: () = {
            #alias
            __ws::__private::submit! {
                __ws::__private::ErrorHandlerEntry {
                    name: #name,
                    location: __ws::__private::location!(),
                    server: #server,
                    order: #order,
                    error_type: #handled::error_type,
                    error_name: #error_name,
                    state: &[#(#state),*],
                    call: #call,
                }
            }
        };
    }
}

fn call(handler: &ErrorHandler, handled: &TokenStream) -> TokenStream {
    let ErrorHandler { ident, error, extra, output, .. } = handler;
    let function = placed(ident);
    let [any, scene, states] =
        ["__any", "__scene", "__states"].map(|name| Ident::new(name, Span::mixed_site()));
    let error = Ident::new("__error", start(error));
    let second = handed(&scene, &handler.scene);
    let values = extra.iter().enumerate().map(|(index, param)| {
        let (conditions, value) = (param.conditions(), param.value(&states));
        let name = format_ident!("__state{index}", span = Span::mixed_site());
        // The check at start makes a missing state unreachable.
        quote!(#(#conditions)* let #name = #value.ok()?;)
    });
    let arguments = extra.iter().enumerate().map(|(index, param)| {
        let (conditions, name) =
            (param.conditions(), format_ident!("__state{index}", span = Span::mixed_site()));
        quote!(#(#conditions)* #name)
    });
    let called = quote_spanned!(at(ident.span())=> #function(#error, #second, #(#arguments),*));
    let answered = answered(&called, output, &quote!(__ws::__private::ErrorHandlerEntry::answer));
    quote_spanned! {at(ident.span())=>
        |#any, #scene, #states| match #handled::of(#any) {
            ::core::option::Option::Some(#error) => {
                #(#values)*
                ::core::option::Option::Some(::std::boxed::Box::pin(async move #answered))
            }
            ::core::option::Option::None => ::core::option::Option::None,
        }
    }
}
