//! The registration of a block, which documents and clients are made from.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned as _};

use super::checks;
use crate::{
    handlers::{
        model::{Handler, Handlers},
        slots::Named,
    },
    source::{at, find_impl, placed, start, written, written_path},
};

/// Writes the entry and the descriptions of the handlers.
pub(super) fn registration(handlers: &Handlers) -> TokenStream {
    let (ty, name) = (&handlers.controller, handlers.name());
    let infos = handlers.handlers.iter().enumerate().map(|(index, handler)| info(index, handler, ty));
    quote! {
        #[allow(elided_lifetimes_in_paths)]
        const __HANDLERS: &[__ws::__private::HandlerInfo] = &[#(#infos),*];
        __ws::__private::submit! {
            __ws::__private::HandlersEntry {
                controller: ::core::any::TypeId::of::<#ty>,
                name: #name,
                location: __ws::__private::location!(),
                handlers: __HANDLERS,
            }
        }
    }
}

/// Writes a closure that calls the method and is never run. Its type contains the return type,
/// which may have no name.
pub(super) fn call(handler: &Handler, controller: &Type) -> TokenStream {
    let method = placed(&handler.ident);
    let place = at(handler.ident.span());
    let any = Ident::new("__any", Span::mixed_site());
    let arguments = handler.params.iter().map(|param| {
        let conditions = &param.conditions;
        quote!(#(#conditions)* #any.value())
    });
    quote_spanned! {place=>
        |#any: __h::Unmade| <#controller>::#method(#any.value(), #(#arguments),*)
    }
}

/// Writes the return type of the method as a value of `Output`. The type is named if it has a name:
/// a call costs more time to compile.
fn output(handler: &Handler, controller: &Type) -> TokenStream {
    match &handler.output {
        None => quote!(__h::output_of::<()>()),
        Some(Named { inferred, .. }) if find_impl(inferred.clone()).is_none() => {
            quote!(__h::output_of::<#inferred>())
        }
        Some(_) => {
            let call = call(handler, controller);
            quote!(__h::output(&#call))
        }
    }
}

fn info(index: usize, handler: &Handler, controller: &Type) -> TokenStream {
    let conditions = &handler.conditions;
    let callback = handler.callback.name();
    let facts = checks::facts(index);
    let method = handler.name();
    let params = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, written(&param.ty.written));
        quote!(#(#conditions)* #ty)
    });
    let errors = handler.errors.iter().map(|ty| {
        let codes = quote_spanned!(start(ty)=> __h::codes_of::<#ty>);
        quote!(#codes())
    });
    let errors = (!handler.errors.is_empty()).then(|| quote!(errors: &[#(#errors),*],));
    let of_output = output(handler, controller);
    let carried = Ident::new("__carried", Span::mixed_site());
    let check = checks::of_call(handler);
    let describe = describe(handler, &of_output);
    let guards = handler.guards.iter().map(|guard| written_path(&guard.path));
    let guards = (!handler.guards.is_empty()).then(|| quote!(guards: &[#(#guards),*],));
    let returns = handler.output.as_ref().map(|output| written(&output.written)).unwrap_or_default();
    let docs = &handler.docs;
    // With the hygiene of the macro, this would be the line of `#[ws_handlers]`.
    let line = quote_spanned!(handler.attribute.path().span()=> ::core::line!());
    quote! {
        #(#conditions)*
        __ws::__private::HandlerInfo {
            callback: #callback,
            events: #facts.names,
            method: #method,
            params: &[#(#params),*],
            data: #facts.event(),
            #guards
            returns: #returns,
            reply: || {
                let #carried = (&#of_output).carried();
                #check
                #carried.error.describe()
            },
            #describe
            #errors
            docs: #docs,
            line: #line,
            ..__h::HandlerInfo::EMPTY
        }
    }
}

/// Writes the description of the types. In a build without documents it is empty: tokens that
/// rustc only reads and drops cost time, too.
fn describe(handler: &Handler, of_output: &TokenStream) -> Option<TokenStream> {
    if !cfg!(feature = "asyncapi") {
        return None;
    }
    let schemas = Ident::new("__schemas", Span::mixed_site());
    let params = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.inferred);
        quote_spanned! {Span::mixed_site()=>
            #(#conditions)*
            {
                let __part = __h::PartOf::<#ty>::new();
                let (__source, __is_optional) = __part.source();
                let __value = __part.value().get(#schemas, __h::Direction::Received);
                __h::ParamTypes { source: __source, is_optional: __is_optional, value: __value }
            }
        }
    });
    Some(quote_spanned! {Span::mixed_site()=>
        describe: __ws::__private::describe!(|#schemas| {
            use __h::{NoPart as _, NoSchema as _, NotAnEvent as _};
            let __replies = (&#of_output).carried().replies;
            __h::HandlerTypes {
                params: ::std::vec![#(#params),*],
                reply: __replies.data().get(#schemas, __h::Direction::Sent),
                reply_event: __replies.event().event(),
            }
        }),
    })
}
