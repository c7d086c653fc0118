//! The registration of a block: what documents and clients are made from.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::{
    handlers::model::{Handler, Handlers},
    source::{written, written_path},
};

/// The entry.
pub(super) fn registration(handlers: &Handlers) -> TokenStream {
    let (ty, name) = (&handlers.controller, handlers.name());
    let infos = handlers.handlers.iter().map(info);
    quote! {
        __ws::__private::submit! {
            __ws::__private::HandlersEntry {
                controller: || ::core::any::TypeId::of::<#ty>(),
                name: #name,
                location: __ws::__private::location!(),
                handlers: &[#(#infos),*],
            }
        }
    }
}

fn info(handler: &Handler) -> TokenStream {
    let conditions = &handler.conditions;
    let callback = handler.callback.name();
    let events = handler.events.iter().map(|event| &event.constant);
    let method = handler.name();
    let params = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, written(&param.ty.written));
        quote!(#(#conditions)* #ty)
    });
    let guards = handler.guards.iter().map(written_path);
    let returns = handler.output.as_ref().map(|output| written(&output.written)).unwrap_or_default();
    let docs = &handler.docs;
    // The user's own hygiene: in ours the line would be that of `#[ws_handlers]`.
    let line = quote_spanned!(handler.attribute.path().span()=> ::core::line!());
    quote! {
        #(#conditions)*
        __ws::__private::HandlerInfo {
            callback: #callback,
            events: &[#(#events),*],
            method: #method,
            params: &[#(#params),*],
            guards: &[#(#guards),*],
            returns: #returns,
            docs: #docs,
            line: #line,
        }
    }
}
