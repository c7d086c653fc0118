//! Writes the registration of a controller. It cannot fail.
//!
//! What rustc may find fault with stands at the place of what it was made from: the struct's name for the trait, a
//! field's type for its default or its state, a path for the middleware that it names.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Path};

use super::{
    model::{Controller, Field, Mismatch, Shape, TrailingSlash},
    parse::Source,
};
use crate::source::{at, placed, start, written_path};

/// The entry, beside the struct.
pub(super) fn registration(controller: &Controller) -> TokenStream {
    let name = controller.name();
    let ident = placed(&controller.ident);
    let path = &controller.path;
    let server = controller.server.as_ref().map_or_else(|| quote!("ws"), ToTokens::to_token_stream);
    let middleware = controller.middleware.iter().map(function_ref);
    let interceptors = controller.interceptors.iter().map(function_ref);
    let guards = controller.guards.iter().map(guard_ref);
    let told_path = told_path(controller);
    let subprotocols = &controller.subprotocols;
    let subprotocol_mismatch = match controller.subprotocol_mismatch {
        Mismatch::Accept => quote!(Accept),
        Mismatch::Refuse => quote!(Refuse),
    };
    let trailing_slash = match controller.trailing_slash {
        None => quote!(::core::option::Option::None),
        Some(rule) => {
            let rule = match rule {
                TrailingSlash::Exact => quote!(Exact),
                TrailingSlash::Either => quote!(Either),
            };
            quote!(::core::option::Option::Some(::ws_core::__private::TrailingSlash::#rule))
        }
    };
    let limits = controller.limits.change();
    let state = controller.fields.iter().filter(|field| field.source == Source::State).map(state_key);
    let build = build(controller);
    quote! {
        const _: () = {
            #told_path
            ::ws_core::__private::submit! {
                ::ws_core::__private::ControllerEntry {
                    name: #name,
                    controller: || ::core::any::TypeId::of::<#ident>(),
                    location: ::ws_core::__private::location!(),
                    server: #server,
                    path: #path,
                    middleware: &[#(#middleware),*],
                    subprotocols: &[#(#subprotocols),*],
                    subprotocol_mismatch: ::ws_core::__private::SubprotocolMismatch::#subprotocol_mismatch,
                    trailing_slash: #trailing_slash,
                    limits: #limits,
                    interceptors: &[#(#interceptors),*],
                    guards: &[#(#guards),*],
                    state: &[#(#state),*],
                    build: #build,
                }
            }
        };
    }
}

/// A function by its path: rustc says at the path if there is none.
fn function_ref(path: &Path) -> TokenStream {
    let name = written_path(path);
    quote_spanned! {start(path)=>
        ::ws_core::__private::MiddlewareRef { name: #name, id: || ::ws_core::__private::type_id_of(&#path) }
    }
}

/// A guard is called where it is named, so that rustc says there if it is none.
fn guard_ref(path: &Path) -> TokenStream {
    let name = written_path(path);
    let handshake = Ident::new("__handshake", Span::mixed_site());
    quote_spanned! {start(path)=>
        ::ws_core::__private::GuardRef {
            name: #name,
            call: |#handshake| ::std::boxed::Box::pin(async move {
                ::ws_core::__private::handlers::guard(#path(#handshake).await)
            }),
        }
    }
}

/// What `#[ws_handlers]` asks for where it checks a `Path<T>`.
fn told_path(controller: &Controller) -> TokenStream {
    let Controller { ident, path, .. } = controller;
    quote! {
        impl #ident {
            #[doc(hidden)]
            #[allow(dead_code)]
            pub(crate) const __WS_PATH: ::core::option::Option<&'static str> = ::core::option::Option::Some(#path);
        }
    }
}

fn state_key(field: &Field) -> TokenStream {
    let Field { ty, conditions, .. } = field;
    quote_spanned!(start(ty)=> #(#conditions)* ::ws_core::__private::StateKey::of::<#ty>)
}

/// Makes the instance. That the struct implements the trait is asked for at its name.
fn build(controller: &Controller) -> TokenStream {
    let ident = placed(&controller.ident);
    let states = Ident::new("__states", Span::mixed_site());
    let values = controller.fields.iter().map(|Field { member, ty, source, conditions }| {
        let value = match source {
            Source::State => quote_spanned!(start(ty)=> #states.get::<#ty>()?),
            Source::Default => quote_spanned!(start(ty)=> <#ty as ::core::default::Default>::default()),
        };
        match controller.shape {
            Shape::Named => quote!(#(#conditions)* #member: #value),
            Shape::Unit | Shape::Tuple => quote!(#(#conditions)* #value),
        }
    });
    let place = at(ident.span());
    let instance = match controller.shape {
        Shape::Unit => quote!(#ident),
        Shape::Tuple => quote_spanned!(place=> #ident(#(#values),*)),
        Shape::Named => quote_spanned!(place=> #ident { #(#values),* }),
    };
    let erased = quote_spanned!(place=> ::ws_core::__private::erase(#instance));
    quote!(|#states| ::core::result::Result::Ok(#erased))
}
