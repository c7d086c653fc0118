//! Writes the registration of a middleware or an interceptor. It cannot fail.
//!
//! The call passes each parameter at the place of its type, and takes the result at the place of
//! the return type. rustc reports a wrong type there.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Ident;

use super::{
    model::{Layer, Scope, Security},
    parse::Kind,
};
use crate::{
    source::{answered, at, handed, placed},
    states::StateParam,
};

/// Writes the entry, beside the function.
pub(super) fn registration(kind: &Kind, layer: &Layer) -> TokenStream {
    let alias = layer.krate.alias();
    let name = layer.name();
    let ident = &layer.ident;
    let scope = match &layer.scope {
        Scope::Route => quote!(Route),
        Scope::Server { server, order } => {
            let server = server.as_ref().map_or_else(|| quote!("ws"), ToTokens::to_token_stream);
            quote!(Server { server: #server, order: #order })
        }
    };
    let state = layer.extra.iter().map(StateParam::key);
    let security = layer.security.as_ref().map(|places| {
        let places = places.iter().map(|place| match place {
            Security::Bearer => quote!(Bearer),
            Security::Subprotocol => quote!(Subprotocol),
            Security::Cookie(name) => quote!(Cookie(#name)),
            Security::Query(name) => quote!(Query(#name)),
        });
        quote!(security: &[#(__ws::__private::Security::#places),*],)
    });
    let entry = Ident::new(kind.entry, Span::mixed_site());
    let call = call(&entry, layer);
    quote! {
        #[allow(deprecated)]
        const _: () = {
            #alias
            __ws::__private::submit! {
                __ws::__private::#entry {
                    layer: __ws::__private::Layer {
                        name: #name,
                        location: __ws::__private::location!(),
                        id: || __ws::__private::type_id_of(&#ident),
                        scope: __ws::__private::Scope::#scope,
                        state: &[#(#state),*],
                    },
                    #security
                    call: #call,
                }
            }
        };
    }
}

fn call(entry: &Ident, layer: &Layer) -> TokenStream {
    let Layer { ident, extra, output, .. } = layer;
    let function = placed(ident);
    let [subject, next, states] =
        ["__subject", "__next", "__states"].map(|name| Ident::new(name, Span::mixed_site()));
    let (first, second) = (handed(&subject, &layer.subject), handed(&next, &layer.next));
    let extra = extra.iter().map(|param| {
        let (conditions, value) = (param.conditions(), param.value(&states));
        quote!(#(#conditions)* #value?)
    });
    let called = quote_spanned!(at(ident.span())=> #function(#first, #second, #(#extra),*));
    let answered = answered(&called, output, &quote!(__ws::__private::#entry::answer));
    quote_spanned! {at(ident.span())=>
        |#subject, #next, #states| ::std::boxed::Box::pin(async move #answered)
    }
}
