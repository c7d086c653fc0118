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
use syn::{Attribute, Ident, spanned::Spanned as _};

use self::call::CallParts;
use super::{
    callback::Callback,
    model::{Handler, Handlers},
    slots::{self, Source},
};
use crate::source::{at, start};

/// Writes the code beside the block.
pub(super) fn implementation(handlers: &Handlers) -> TokenStream {
    let alias = handlers.krate.alias();
    let names = events::names(handlers);
    let kept = (!handlers.slots.is_empty()).then(|| kept::definition(handlers));
    let controller = controller(handlers);
    let checks = checks::all(handlers);
    let entry = entry::registration(handlers);
    quote! {
        #[allow(deprecated, unused_imports, unused_mut)]
        const _: () = {
            #alias
            use __ws::__private::handlers::{
                self as __h, NoCodes as _, NoEvent as _, NoModel as _, NoParam as _, NoReply as _,
                RouteOf as _,
            };
            #names
            #kept
            #controller
            #checks
            #entry
        };
    }
}

fn controller(handlers: &Handlers) -> TokenStream {
    let ty = &handlers.controller;
    let typed = typed(handlers);
    let kept = kept::find(handlers);
    let message = message(handlers, kept.as_ref());
    let open = handlers.of(Callback::Open).map(|handler| {
        let body = call::body(handler, &CallParts::open());
        callback(handler, &quote!(), kept.as_ref(), &body)
    });
    let frames = [Callback::Ping, Callback::Pong].into_iter().flat_map(|callback| handlers.of(callback));
    let frames = frames.map(|handler| frame(handler, kept.as_ref()));
    let close = handlers.of(Callback::Close).map(|handler| {
        let reason = quote_spanned!(Span::mixed_site()=> , __reason: __ws::CloseReason);
        let body = call::body(handler, &CallParts::close());
        callback(handler, &reason, kept.as_ref(), &body)
    });
    // The implementation has the span of the type, so that rustc reports a conflicting one there.
    let place = at(ty.span());
    let [start, one_block, end] = [
        quote_spanned!(place=> impl),
        quote_spanned!(place=> {}),
        quote_spanned!(place=> {
            #typed
            #(#open)*
            #message
            #(#frames)*
            #(#close)*
        }),
    ];
    quote! {
        #start __h::rules::OneBlockOfHandlersPerController for #ty #one_block

        #[automatically_derived]
        #start __ws::Controller for #ty #end
    }
}

/// Writes the requirements of the handlers, and the values made before the 101.
fn typed(handlers: &Handlers) -> TokenStream {
    let answers_ping = events::answers_ping(handlers);
    let needs = handlers.slots.iter().map(|slot| {
        let condition = slot.condition();
        match &slot.source {
            Source::Param(ty) => {
                quote_spanned!(start(ty)=> #condition __h::Of::<#ty>::need(&mut __needs);)
            }
            Source::Guard(path) => {
                quote_spanned!(start(path)=> #condition __h::guarded(#path).need(&mut __needs);)
            }
        }
    });
    let keep = if handlers.slots.is_empty() {
        quote!(|_| ::core::result::Result::Ok(::core::option::Option::None))
    } else {
        let make = kept::make(handlers);
        quote_spanned! {Span::mixed_site()=>
            |__setup| {
                let __make = #make;
                __h::erase(__make(__setup)?)
            }
        }
    };
    quote_spanned! {Span::mixed_site()=>
        fn __typed() -> ::core::option::Option<&'static __h::Typed> {
            const __TYPED: __h::Typed = __h::Typed {
                answers_ping: #answers_ping,
                needs: || {
                    let mut __needs = <__h::Needs as ::core::default::Default>::default();
                    #(#needs)*
                    __needs
                },
                keep: #keep,
                handlers: __HANDLERS,
            };
            ::core::option::Option::Some(&__TYPED)
        }
    }
}

/// Writes a callback that calls one method.
fn callback(
    handler: &Handler,
    more: &TokenStream,
    kept: Option<&TokenStream>,
    body: &TokenStream,
) -> TokenStream {
    let conditions = &handler.conditions;
    let name = Ident::new(handler.callback.name(), at(handler.ident.span()));
    quote_spanned! {at(handler.ident.span())=>
        #(#conditions)*
        async fn #name(&self, __conn: &__ws::Connection #more) -> __ws::Result {
            #kept
            #body
        }
    }
}

/// Writes `on_ping` or `on_pong`.
fn frame(handler: &Handler, kept: Option<&TokenStream>) -> TokenStream {
    let payload = quote_spanned!(Span::mixed_site()=> , __payload: __ws::Bytes);
    let body = call::body(handler, &CallParts::message());
    let body = quote_spanned! {at(handler.ident.span())=>
        let mut __message = __ws::Message::Binary(__payload);
        let __to = __h::reply_to(__conn);
        let __result = async { #body }.await;
        __h::settle(&__to, __result)
    };
    callback(handler, &payload, kept, &body)
}

/// Writes `on_message`: first the events, then all other messages.
fn message(handlers: &Handlers, kept: Option<&TokenStream>) -> TokenStream {
    let mut all = handlers.of(Callback::Event).chain(handlers.of(Callback::Unknown)).peekable();
    let has_events = all.peek().is_some();
    let any = slots::any_of(all.map(|handler| handler.conditions.as_slice())).filter(|_| has_events);
    let is_there = any.as_ref().map(|any| quote!(#[cfg(#any)]));
    let is_not_there = any.as_ref().map(|any| quote!(#[cfg(not(#any))]));
    let events = has_events.then(|| dispatch(handlers, is_there.as_ref()));
    let texts = handlers.of(Callback::Text).map(|it| arm(it, &quote!(__ws::Message::Text(_))));
    let binaries = handlers.of(Callback::Binary).map(|it| arm(it, &quote!(__ws::Message::Binary(_))));
    let rest = handlers.of(Callback::Message).map(|it| arm(it, &quote!(_)));
    let no_event = quote_spanned! {Span::mixed_site()=>
        #is_there
        #[allow(unreachable_patterns)]
        _ => __h::no_event(__conn, &__message, __fault),
    };
    let no_event = has_events.then_some(no_event);
    let unsupported = quote_spanned! {Span::mixed_site()=>
        #is_not_there
        #[allow(unreachable_patterns)]
        _ => ::core::result::Result::Err(::core::convert::From::from(__h::unsupported(&__message))),
    };
    let unsupported = (!has_events || any.is_some()).then_some(unsupported);
    quote_spanned! {Span::mixed_site()=>
        // Boxed, because the future of the largest handler would take room in each idle connection.
        fn on_message(
            &self,
            __conn: &__ws::Connection,
            mut __message: __ws::Message,
        ) -> impl ::core::future::Future<Output = __ws::Result> + ::core::marker::Send {
            ::std::boxed::Box::pin(async move {
                #kept
                #events
                let __to = __h::reply_to(__conn);
                let __result = match __message {
                    #(#texts)*
                    #(#binaries)*
                    #(#rest)*
                    #no_event
                    #unsupported
                };
                __h::settle(&__to, __result)
            })
        }
    }
}

/// Writes the dispatch of an event. A message that is not an event continues after it, with the
/// fault.
fn dispatch(handlers: &Handlers, is_there: Option<&TokenStream>) -> TokenStream {
    let arms = handlers.of(Callback::Event).map(|handler| {
        let names = handler.events.iter().map(|event| &event.constant);
        event_arm(handler, &quote!(#(#names)|*), &quote_spanned!(Span::mixed_site()=> __envelope.event()))
    });
    let unknown = handlers.of(Callback::Unknown).map(|handler| {
        let name = Ident::new("__event", Span::mixed_site());
        event_arm(handler, &quote!(#name), &quote!(#name))
    });
    quote_spanned! {Span::mixed_site()=>
        #is_there
        let __fault = match __h::read(__conn, &__message) {
            __h::Read::Event(__envelope) => {
                let __to = __h::reply_to_event(__conn, &__envelope);
                let __result = match __envelope.event() {
                    #(#arms)*
                    #[allow(unreachable_patterns)]
                    "ping" => __h::pong(&__to).await,
                    #(#unknown)*
                    #[allow(unreachable_patterns)]
                    __event => __h::unknown_event(__event),
                };
                return __h::finish(&__to, __result).await;
            }
            __h::Read::Raw(__fault) => __fault,
        };
    }
}

fn event_arm(handler: &Handler, pattern: &TokenStream, name: &TokenStream) -> TokenStream {
    let kind = quote!(__h::CallbackKind::Event(#name));
    intercepted(handler, pattern, &kind, &call::body(handler, &CallParts::event()))
}

fn arm(handler: &Handler, pattern: &TokenStream) -> TokenStream {
    intercepted(
        handler,
        pattern,
        &quote!(__h::CallbackKind::Message),
        &call::body(handler, &CallParts::message()),
    )
}

/// Writes one arm of a dispatch: the call inside the interceptors.
fn intercepted(
    handler: &Handler,
    pattern: &TokenStream,
    kind: &TokenStream,
    body: &TokenStream,
) -> TokenStream {
    let conditions: &[Attribute] = &handler.conditions;
    quote_spanned! {at(handler.ident.span())=>
        #(#conditions)*
        #pattern => {
            // Pinned here, because it may be large and must not be moved again.
            let __call = ::core::pin::pin!(async { #body });
            __h::intercepted(__h::invocation(__conn, #kind), __call).await
        }
    }
}
