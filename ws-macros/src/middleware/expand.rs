//! Writes the registration of a middleware. It cannot fail.
//!
//! The call hands each parameter over at the place of its type, and takes the result at the place of the return type: a
//! wrong type is rustc's own error, there.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Ident;

use super::model::{Middleware, Parameter, Scope};
use crate::source::{answered, at, placed, start};

/// The entry, beside the function.
pub(super) fn registration(middleware: &Middleware) -> TokenStream {
    let name = middleware.name();
    let ident = &middleware.ident;
    let scope = match &middleware.scope {
        Scope::Route => quote!(Route),
        Scope::Server { server, order } => {
            let server = server.as_ref().map_or_else(|| quote!("ws"), ToTokens::to_token_stream);
            quote!(Server { server: #server, order: #order })
        }
    };
    let state = middleware.extra.iter().map(|Parameter { ty, conditions }| {
        quote_spanned!(start(ty)=> #(#conditions)* <#ty as ::ws_core::__private::FromState>::key)
    });
    let call = call(middleware);
    quote! {
        #[allow(deprecated)]
        const _: () = {
            ::ws_core::__private::submit! {
                ::ws_core::__private::MiddlewareEntry {
                    name: #name,
                    location: ::ws_core::__private::location!(),
                    id: || ::ws_core::__private::type_id_of(&#ident),
                    scope: ::ws_core::__private::Scope::#scope,
                    state: &[#(#state),*],
                    call: #call,
                }
            }
        };
    }
}

fn call(middleware: &Middleware) -> TokenStream {
    let Middleware { ident, handshake, next, extra, output, .. } = middleware;
    let function = placed(ident);
    let handshake = Ident::new("__handshake", start(handshake));
    let next = Ident::new("__next", start(next));
    let states = Ident::new("__states", Span::mixed_site());
    let extra = extra.iter().map(|Parameter { ty, conditions }| {
        quote_spanned!(start(ty)=> #(#conditions)* <#ty as ::ws_core::__private::FromState>::from_states(#states)?)
    });
    let called = quote_spanned!(at(ident.span())=> #function(#handshake, #next, #(#extra),*));
    let answered = answered(&called, output, &quote!(::ws_core::__private::MiddlewareEntry::answer));
    quote_spanned! {at(ident.span())=>
        |#handshake, #next, #states| ::std::boxed::Box::pin(async move #answered)
    }
}
