//! The registration of a block, which documents and clients are made from.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Type, spanned::Spanned as _};

use super::checks;
use crate::{
    handlers::model::{Handler, Handlers},
    source::{at, placed, start, written_path},
};

/// Writes the entry and the descriptions of the handlers.
pub(super) fn registration(handlers: &Handlers) -> TokenStream {
    let (ty, name) = (&handlers.controller, handlers.name());
    let infos = handlers.handlers.iter().enumerate().map(|(index, handler)| info(index, handler, ty));
    quote! {
        #[allow(elided_lifetimes_in_paths)]
        const __HANDLERS: &[__h::HandlerInfo] = &[#(#infos),*];
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

/// Writes the function that returns the error codes of the return type. If this type has no name,
/// the function also checks that the messages are the replies that the event declares.
fn reply_errors(handler: &Handler, controller: &Type) -> TokenStream {
    if let Some(ty) = handler.returned() {
        return quote!(__Of::<#ty>::codes);
    }
    let call = call(handler, controller);
    let (first, last) = checks::ends_of_output(handler);
    let (first, last) = (at(first), at(last));
    let returned = Ident::new("__returned", first);
    let replies = quote_spanned!(last=> .replies());
    let params = if handler.events.is_empty() { &[][..] } else { &handler.params[..] };
    let checks = params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.inferred);
        quote!(#(#conditions)* __h::with_event(__Of::<#ty>::FACTS, __Of::<#ty>::EVENT, #returned #replies);)
    });
    quote! {
        || {
            let #returned = __h::output(&#call);
            #(#checks)*
            #returned.error_codes()
        }
    }
}

fn info(index: usize, handler: &Handler, controller: &Type) -> TokenStream {
    let conditions = &handler.conditions;
    let facts = checks::facts(index);
    let method = handler.name();
    let params = handler.params.iter().map(|param| {
        let (conditions, ty) = (&param.conditions, &param.ty.text);
        quote!(#(#conditions)* #ty)
    });
    let errors = handler.errors.iter().map(|ty| {
        let codes = quote_spanned!(start(ty)=> __h::codes_of::<#ty>);
        quote!(#codes())
    });
    let errors = (!handler.errors.is_empty()).then(|| quote!(errors: &[#(#errors),*],));
    let reply_errors = reply_errors(handler, controller);
    let describe = describe(handler, controller);
    let guards = handler.guards.iter().map(|guard| written_path(&guard.path));
    let guards = (!handler.guards.is_empty()).then(|| quote!(guards: &[#(#guards),*],));
    let returns = handler.output.as_ref().map(|output| &output.text).map(|text| quote!(returns: #text,));
    let docs = Some(&handler.docs).filter(|docs| !docs.is_empty()).map(|docs| quote!(docs: #docs,));
    // With the hygiene of the macro, this would be the line of `#[ws_handlers]`.
    let line = quote_spanned!(handler.attribute.path().span()=> ::core::line!());
    quote! {
        #(#conditions)*
        __h::HandlerInfo {
            facts: #facts,
            method: #method,
            params: &[#(#params),*],
            #guards
            #returns
            reply_errors: #reply_errors,
            #describe
            #errors
            #docs
            line: #line,
            ..__h::HandlerInfo::EMPTY
        }
    }
}

/// Writes the description of the types. In a build without documents it is empty: tokens that
/// rustc only reads and drops cost time, too.
fn describe(handler: &Handler, controller: &Type) -> Option<TokenStream> {
    if !cfg!(feature = "asyncapi") {
        return None;
    }
    let replies = match handler.returned() {
        Some(ty) => quote!(__Of::<#ty>::REPLIES),
        None => {
            let call = call(handler, controller);
            quote!(__h::output(&#call).replies())
        }
    };
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
            let __replies = #replies;
            __h::HandlerTypes {
                params: ::std::vec![#(#params),*],
                reply: __replies.data().get(#schemas, __h::Direction::Sent),
                reply_event: __replies.event().event(),
            }
        }),
    })
}
