//! Writes the registration of an error handler. It cannot fail.
//!
//! The call stands where the types stand that it depends on, so that a wrong one is rustc's own error there.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;

use super::model::ErrorHandler;
use crate::source::{answered, at, handed, placed, start};

/// The entry, beside the function.
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
                    call: #call,
                }
            }
        };
    }
}

fn call(handler: &ErrorHandler, handled: &TokenStream) -> TokenStream {
    let ErrorHandler { ident, error, output, .. } = handler;
    let function = placed(ident);
    let [any, scene] = ["__any", "__scene"].map(|name| Ident::new(name, Span::mixed_site()));
    let error = Ident::new("__error", start(error));
    let second = handed(&scene, &handler.scene);
    let called = quote_spanned!(at(ident.span())=> #function(#error, #second));
    let answered = answered(&called, output, &quote!(__ws::__private::ErrorHandlerEntry::answer));
    quote_spanned! {at(ident.span())=>
        |#any, #scene| match #handled::of(#any) {
            ::core::option::Option::Some(#error) => {
                ::core::option::Option::Some(::std::boxed::Box::pin(async move #answered))
            }
            ::core::option::Option::None => ::core::option::Option::None,
        }
    }
}
