//! Writes the registration of a controller. It cannot fail.
//!
//! Code that rustc may reject has the span of its source: the struct's name for the trait, a
//! field's type for its default or its state, a path for the middleware that it names.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Ident, Path};

use super::{
    model::{Controller, Field, Mismatch, Shape, TrailingSlash},
    parse::Source,
};
use crate::source::{at, placed, start, written_path};

/// Writes the entry, beside the struct.
pub(super) fn registration(controller: &Controller) -> TokenStream {
    let alias = controller.krate.alias();
    let name = controller.name();
    let docs = &controller.docs;
    let ident = placed(&controller.ident);
    let server = controller.server.as_ref().map_or_else(|| quote!("ws"), ToTokens::to_token_stream);
    let middleware = controller.middleware.iter().map(function_ref);
    let interceptors = controller.interceptors.iter().map(function_ref);
    let guards = controller.guards.iter().map(guard_ref);
    let path_constant = path_constant(controller);
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
            quote!(::core::option::Option::Some(__ws::__private::TrailingSlash::#rule))
        }
    };
    let emits = controller.emits.iter().map(|event| {
        let of = quote_spanned!(start(event)=> __ws::__private::EventInfo::of::<#event>);
        quote!(#of())
    });
    let limits = controller.limits.change();
    let compression = controller.compression.change();
    let state = controller.fields.iter().filter(|field| field.source == Source::State).map(state_key);
    let build = build(controller);
    quote! {
        #[allow(elided_lifetimes_in_paths)]
        const _: () = {
            #alias
            #path_constant
            __ws::__private::submit! {
                __ws::__private::ControllerEntry {
                    spec: __ws::__private::RouteSpec {
                        path: ::std::borrow::Cow::Borrowed(__ws::__private::path_of(#ident::__WS_PATH)),
                        server: ::std::borrow::Cow::Borrowed(#server),
                        name: #name,
                        location: __ws::__private::location!(),
                        docs: #docs,
                        controller: ::core::any::TypeId::of::<#ident>,
                        middleware: &[#(#middleware),*],
                        interceptors: &[#(#interceptors),*],
                        guards: &[#(#guards),*],
                        subprotocols: &[#(#subprotocols),*],
                        subprotocol_mismatch: __ws::__private::SubprotocolMismatch::#subprotocol_mismatch,
                        trailing_slash: #trailing_slash,
                        emits: ::std::borrow::Cow::Borrowed(&[#(#emits),*]),
                        state: &[#(#state),*],
                    },
                    limits: #limits,
                    compression: #compression,
                    build: #build,
                }
            }
        };
    }
}

/// Names a function by its path, so that rustc reports a missing one there.
fn function_ref(path: &Path) -> TokenStream {
    let name = written_path(path);
    quote_spanned! {start(path)=>
        __ws::__private::LayerRef { name: #name, id: || __ws::__private::type_id_of(&#path) }
    }
}

/// Calls a guard at the place of its path, so that rustc reports a wrong signature there.
fn guard_ref(path: &Path) -> TokenStream {
    let name = written_path(path);
    let [handshake, states] = ["__handshake", "__states"].map(|name| Ident::new(name, Span::mixed_site()));
    quote_spanned! {start(path)=>
        __ws::__private::GuardRef {
            name: #name,
            state: || __ws::__private::GuardRef::state(&#path),
            call: |#handshake, #states| __ws::__private::GuardRef::call(&#path, #handshake, #states),
        }
    }
}

/// Writes the path as a constant, which `#[ws_handlers]` uses to check `Path<T>`. It is inside an
/// `impl`, so that the path may contain `Self`.
fn path_constant(controller: &Controller) -> TokenStream {
    let Controller { ident, path, .. } = controller;
    let value = quote_spanned!(start(path)=> {
        let __path: &'static str = #path;
        __path
    });
    quote! {
        impl #ident {
            #[doc(hidden)]
            #[allow(dead_code)]
            pub(crate) const __WS_PATH: ::core::option::Option<&'static str> = ::core::option::Option::Some(#value);
        }
    }
}

fn state_key(field: &Field) -> TokenStream {
    let Field { ty, conditions, .. } = field;
    quote_spanned!(start(ty)=> #(#conditions)* __ws::__private::StateKey::of::<#ty>)
}

/// Makes the instance. The trait bound is checked at the struct's name.
fn build(controller: &Controller) -> TokenStream {
    let ident = placed(&controller.ident);
    let states = Ident::new("__states", Span::mixed_site());
    let values = controller.fields.iter().map(|Field { member, ty, source, conditions }| {
        let value = match source {
            Source::State => quote_spanned!(start(ty)=> #states.get::<#ty>()?),
            Source::Default => {
                quote_spanned!(start(ty)=> <#ty as __ws::__private::FieldDefault>::field_default())
            }
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
    let erased = quote_spanned!(place=> __ws::__private::erase(#instance));
    quote!(|#states| ::core::result::Result::Ok(#erased))
}
