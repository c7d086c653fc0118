//! Writes the implementation. It cannot fail.
//!
//! All code is in one anonymous constant beside the block: the [`kept`] values, `impl Controller`,
//! the [`checks`] and the registration ([`entry`]). Locals have the hygiene of the macro and begin
//! with `__`, so that they cannot collide with the user's names or constants. Code that may fail to
//! compile has the span of the user's tokens from which it was made.

mod call;
mod checks;
mod entry;
mod events;
mod kept;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, spanned::Spanned as _};

use super::{
    callback::Callback,
    model::{Handler, Handlers},
};
use crate::source::at;

/// Writes the code beside the block.
pub(super) fn implementation(handlers: &Handlers) -> TokenStream {
    let alias = handlers.krate.alias();
    let names = events::names(handlers);
    let kept = (!handlers.slots.is_empty()).then(|| kept::definition(handlers));
    let functions = call::functions(handlers);
    let controller = controller(handlers);
    let checks = checks::all(handlers);
    let entry = entry::registration(handlers);
    quote! {
        #[allow(deprecated, unused_imports, unused_mut)]
        const _: () = {
            #alias
            use __ws::__private::handlers::{
                self as __h, Dispatch as _, NoCodes as _, NoEvent as _, NoModel as _, NoParam as _, NoReply as _,
                Of as __Of, RouteOf as _, rules::{self as __rules, HandlerCallback as __On, HandlerFacts as __Facts},
            };
            #names
            #kept
            #checks
            #functions
            #controller
            #entry
        };
    }
}

fn controller(handlers: &Handlers) -> TokenStream {
    let ty = &handlers.controller;
    let typed = typed(handlers);
    let rare = [Callback::Open, Callback::Ping, Callback::Pong, Callback::Close];
    let rare = rare.into_iter().flat_map(|callback| handlers.of(callback)).map(rare_callback);
    let message = quote!(__message: __ws::Message);
    let message = callback("on_message", Span::mixed_site(), &message);
    // The implementation has the span of the type, so that rustc reports a conflicting one there.
    let place = at(ty.span());
    let [start, one_block, end] = [
        quote_spanned!(place=> impl),
        quote_spanned!(place=> {}),
        quote_spanned!(place=> {
            #typed
            #message
            #(#rare)*
        }),
    ];
    quote! {
        #start __rules::OneBlockOfHandlersPerController for #ty #one_block

        #[automatically_derived]
        #start __ws::Controller for #ty #end
    }
}

/// Writes the description of the handlers.
fn typed(handlers: &Handlers) -> TokenStream {
    let answers_ping = events::answers_ping(handlers);
    quote_spanned! {Span::mixed_site()=>
        fn __typed() -> ::core::option::Option<&'static __h::Typed> {
            const __TYPED: __h::Typed = __h::Typed {
                answers_ping: #answers_ping,
                needs: || __FUNCTIONS.needs(),
                keep: |__setup| __FUNCTIONS.keep(__setup),
                handlers: __HANDLERS,
            };
            ::core::option::Option::Some(&__TYPED)
        }
    }
}

/// Writes a callback that is not a message; it calls one method.
fn rare_callback(handler: &Handler) -> TokenStream {
    let more = match handler.callback {
        Callback::Ping | Callback::Pong => quote!(__payload: __ws::Bytes),
        Callback::Close => quote!(__reason: __ws::CloseReason),
        _ => TokenStream::new(),
    };
    let conditions = &handler.conditions;
    let callback = callback(handler.callback.name(), at(handler.ident.span()), &more);
    quote!(#(#conditions)* #callback)
}

/// Writes a callback, given its parameter behind the connection.
fn callback(name: &str, place: Span, more: &TokenStream) -> TokenStream {
    let name = Ident::new(name, place);
    let argument = more.clone().into_iter().next();
    quote_spanned! {place=>
        fn #name(
            &self,
            __conn: &__ws::Connection,
            #more
        ) -> impl ::core::future::Future<Output = __ws::Result> + ::core::marker::Send {
            __h::#name(__FUNCTIONS, self, __conn, #argument)
        }
    }
}
