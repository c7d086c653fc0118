//! Writes the `impl Controller` of a block, its checks and its registration. It cannot fail.
//!
//! What is written is what a person would: a match over the event's name, each parameter got by its type, the handler
//! called, its reply sent. Everything that depends on a parameter's type stands at that type's place, so that rustc's
//! own error does, too. All of it has the hygiene of `ours!`: the names in it cannot meet the user's.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Ident, ext::IdentExt as _};

use super::{
    callback::Callback,
    model::{Handler, Handlers, Param, Slot, place},
};
use crate::source::{self, at, placed, written_path};

/// Tokens whose local names are ours alone.
macro_rules! ours {
    ($($tokens:tt)*) => {
        quote_spanned!(Span::mixed_site()=> $($tokens)*)
    };
}

/// Everything beside the block.
pub(super) fn controller(handlers: &Handlers) -> TokenStream {
    let ty = &handlers.ty;
    let kept = kept(handlers);
    let states = states(handlers);
    let callbacks = [
        open(handlers),
        message(handlers),
        control(handlers, Callback::Ping),
        control(handlers, Callback::Pong),
        close(handlers),
    ];
    let checks = handlers.handlers.iter().map(|handler| checks(handlers, handler));
    let entry = entry(handlers);
    ours! {
        #[allow(deprecated, unused_mut, unused_variables, unreachable_code, unreachable_patterns)]
        const _: () = {
            use ::ws_core::__private::handlers as __h;
            use ::ws_core::__private::handlers::{Param as _, RouteOf as _};

            #kept

            #[automatically_derived]
            impl ::ws_core::Controller for #ty {
                const __TYPED: bool = true;

                #states

                #(#callbacks)*
            }

            #(#checks)*

            #entry
        };
    }
}

/// What is kept with a connection, in one allocation.
fn kept(handlers: &Handlers) -> TokenStream {
    let fields = handlers.slots.iter().enumerate().map(|(number, slot)| {
        let Slot { ty, static_ty, conditions } = slot;
        let field = Slot::field(number);
        quote_spanned!(place(ty)=> #(#conditions)* #field: <#static_ty as __h::Param<'static>>::Kept)
    });
    ours!(struct __Kept { #(#fields),* })
}

fn states(handlers: &Handlers) -> TokenStream {
    let states = handlers.slots.iter().map(|Slot { ty, static_ty, conditions }| {
        quote_spanned!(place(ty)=> #(#conditions)* <#static_ty as __h::Param<'static>>::states(&mut __keys);)
    });
    let kept = handlers.slots.iter().enumerate().map(|(number, slot)| {
        let Slot { ty, static_ty, conditions } = slot;
        let field = Slot::field(number);
        quote_spanned! {place(ty)=>
            #(#conditions)* #field: __h::keep(<#static_ty as __h::Param<'static>>::keep(__setup))?
        }
    });
    ours! {
        fn __states() -> ::std::vec::Vec<__h::StateKey> {
            let mut __keys = ::std::vec::Vec::new();
            #(#states)*
            __keys
        }

        fn __keep(&self, __setup: &__h::Setup<'_>) -> __h::Result<::core::option::Option<__h::Kept>> {
            __h::erase(__Kept { #(#kept),* })
        }
    }
}

fn open(handlers: &Handlers) -> TokenStream {
    let calls = handlers.of(Callback::Open).map(|handler| {
        let conditions = &handler.conditions;
        let call = call(handler, &ours!(__h::nothing(__conn)));
        ours!(#(#conditions)* return #call;)
    });
    method(&format_ident!("on_open"), &ours!(), calls.collect(), &ours!(::core::result::Result::Ok(())))
}

fn control(handlers: &Handlers, callback: Callback) -> TokenStream {
    let calls = handlers.of(callback).map(|handler| {
        let conditions = &handler.conditions;
        let call = call(handler, &ours!(__h::message(__conn, &mut __message)));
        ours! {
            #(#conditions)*
            {
                let mut __message = ::ws_core::Message::Binary(__payload);
                return #call;
            }
        }
    });
    method(
        &format_ident!("{}", callback.name()),
        &ours!(__payload: ::ws_core::Bytes),
        calls.collect(),
        &ours!(::core::result::Result::Ok(())),
    )
}

fn close(handlers: &Handlers) -> TokenStream {
    let calls = handlers.of(Callback::Close).map(|handler| {
        let conditions = &handler.conditions;
        let call = call(handler, &ours!(__h::end(__conn, __reason)));
        ours!(#(#conditions)* return #call;)
    });
    method(
        &format_ident!("on_close"),
        &ours!(__reason: ::ws_core::CloseReason),
        calls.collect(),
        &ours!(::core::result::Result::Ok(())),
    )
}

/// A callback of the trait, if anything stands in it.
fn method(
    name: &Ident,
    parameter: &TokenStream,
    calls: Vec<TokenStream>,
    otherwise: &TokenStream,
) -> TokenStream {
    if calls.is_empty() {
        return TokenStream::new();
    }
    ours! {
        async fn #name(&self, __conn: &::ws_core::Connection, #parameter) -> __h::Result {
            let __kept = __h::kept::<__Kept>(__conn)?;
            let __to = __h::reply_to(__conn);
            #(#calls)*
            #otherwise
        }
    }
}

/// Messages: events first, then what takes them as they are. What nobody takes is answered.
fn message(handlers: &Handlers) -> TokenStream {
    let events = events(handlers);
    let raw = [Callback::Text, Callback::Binary, Callback::Message]
        .into_iter()
        .flat_map(|callback| handlers.of(callback).map(move |handler| raw(handler, callback)));
    let fault = if events.is_empty() { ours!(__h::unsupported(&__message)) } else { ours!(__fault) };
    ours! {
        async fn on_message(
            &self,
            __conn: &::ws_core::Connection,
            mut __message: ::ws_core::Message,
        ) -> __h::Result {
            let __kept = __h::kept::<__Kept>(__conn)?;
            #events
            let __to = __h::reply_to(__conn);
            #(#raw)*
            __h::settle(&__to, ::core::result::Result::Err(#fault.into()))
        }
    }
}

/// `#[on_text]`, `#[on_binary]` and `#[on_message]`.
fn raw(handler: &Handler, callback: Callback) -> TokenStream {
    let conditions = &handler.conditions;
    let call = call(handler, &ours!(__h::message(__conn, &mut __message)));
    let fits = match callback {
        Callback::Text => ours!(__h::is_text(&__message)),
        Callback::Binary => ours!(!__h::is_text(&__message)),
        _ => ours!(true),
    };
    ours! {
        #(#conditions)*
        if #fits {
            let __call = __h::invocation(__conn, __h::CallKind::Message);
            let __result = __h::intercepted(__call, async { #call }).await;
            return __h::settle(&__to, __result);
        }
    }
}

/// The match over the event's name; nothing without events.
fn events(handlers: &Handlers) -> TokenStream {
    if !handlers.handlers.iter().any(|handler| handler.callback.is_event()) {
        return TokenStream::new();
    }
    let arms = handlers.of(Callback::Event).map(|handler| {
        let name = &handler.event;
        event(handler, &ours!(#name))
    });
    let unknown = handlers.of(Callback::Unknown).map(|handler| event(handler, &ours!(_)));
    ours! {
        let __fault = match __h::read(__conn, &__message) {
            __h::Read::Event(__envelope) => {
                let __to = __h::reply_to_event(__conn, &__envelope);
                let __result = match __envelope.event() {
                    #(#arms)*
                    #(#unknown)*
                    __name => __h::unknown_event(__name),
                };
                return __h::settle(&__to, __result);
            }
            __h::Read::Raw(__fault) => __fault,
        };
    }
}

/// One arm of the match.
fn event(handler: &Handler, pattern: &TokenStream) -> TokenStream {
    let conditions = &handler.conditions;
    let call = call(handler, &ours!(__h::event(__conn, &__message, &__envelope)));
    ours! {
        #(#conditions)*
        #pattern => {
            let __call = __h::invocation(__conn, __h::CallKind::Event(__envelope.event()));
            __h::intercepted(__call, async { #call }).await
        }
    }
}

/// Asks the guards, gets the parameters, calls the handler and sends its reply: an expression of `Result`.
fn call(handler: &Handler, input: &TokenStream) -> TokenStream {
    let method = placed(&handler.method);
    let place = at(handler.method.span());
    let guards = handler
        .guards
        .iter()
        .map(|guard| quote_spanned!(source::start(guard)=> __h::guard(#guard(__conn.handshake()).await)?;));
    let names: Vec<Ident> = (0..handler.params.len())
        .map(|number| format_ident!("__a{number}", span = Span::mixed_site()))
        .collect();
    let gets = handler.params.iter().zip(&names).map(|(param, name)| get(param, name));
    let conditions = handler.params.iter().map(|param| &param.conditions);
    let is_event = handler.callback.is_event();
    let is_close = handler.callback == Callback::Close;
    let arguments = conditions.zip(&names).map(|(conditions, name)| ours!(#(#conditions)* #name));
    // That it is a reply is asked for at the return type.
    let output = handler.output.as_ref().map_or(place, source::start);
    let answer = quote_spanned!(output=> __h::answer::<_, #is_event, #is_close>);
    // The input is gone before the handler runs.
    let called = quote_spanned!(place=> Self::#method(self, #(#arguments),*).await);
    ours! {{
        #(#guards)*
        let mut __input = #input;
        #(#gets)*
        ::core::mem::drop(__input);
        #answer(#called, &__to).await
    }}
}

fn get(param: &Param, name: &Ident) -> TokenStream {
    let Param { ty, elided_ty, conditions, slot } = param;
    let field = Slot::field(*slot);
    quote_spanned! {place(ty)=>
        #(#conditions)*
        let #name = __h::got(
            <#elided_ty as __h::Param<'_>>::get(&__kept.#field, &mut __input),
            <#elided_ty as __h::Param<'_>>::TAKES,
        )?;
    }
}

/// What can be known of a handler's parameters while compiling.
fn checks(handlers: &Handlers, handler: &Handler) -> TokenStream {
    let this = &handlers.ty;
    let conditions = &handler.conditions;
    let callback = match handler.callback {
        Callback::Open => ours!(Open),
        Callback::Event | Callback::Unknown => ours!(Event),
        Callback::Text => ours!(Text),
        Callback::Binary | Callback::Ping | Callback::Pong => ours!(Binary),
        Callback::Message => ours!(Message),
        Callback::Close => ours!(Close),
    };
    let static_ty = |param: &Param| handlers.slots.get(param.slot).map(|slot| slot.static_ty.clone());
    let takes = handler.params.iter().map(|param| {
        let (ty, conditions) = (static_ty(param), &param.conditions);
        quote_spanned!(place(&param.ty)=> #(#conditions)* <#ty as __h::Param<'static>>::TAKES)
    });
    let paths = handler.params.iter().map(|param| {
        let ty = static_ty(param);
        let of_param = &param.conditions;
        quote_spanned! {place(&param.ty)=>
            #(#conditions)* #(#of_param)*
            const _: () = __h::check_path(<#this>::__WS_PATH, <#ty as __h::Param<'static>>::NEEDS_PATH);
        }
    });
    let check =
        quote_spanned!(at(handler.method.span())=> __h::check_takes(__h::Place::#callback, &[#(#takes),*]));
    ours! {
        #(#conditions)*
        const _: () = #check;
        #(#paths)*
    }
}

/// The registration: what documents and clients will be made from.
fn entry(handlers: &Handlers) -> TokenStream {
    let ty = &handlers.ty;
    let name = source::written(ty);
    let infos = handlers.handlers.iter().map(|handler| {
        let callback = handler.callback.name();
        let event = match &handler.event {
            Some(event) => ours!(::core::option::Option::Some(#event)),
            None => ours!(::core::option::Option::None),
        };
        let method = handler.method.unraw().to_string();
        let params = handler.params.iter().map(|param| source::written(&param.ty));
        let guards = handler.guards.iter().map(written_path);
        let returns = handler.output.as_ref().map(source::written).unwrap_or_default();
        let Handler { docs, conditions, .. } = handler;
        let line = u32::try_from(handler.method.span().unwrap().line()).unwrap_or_default();
        ours! {
            #(#conditions)*
            ::ws_core::__private::HandlerInfo {
                callback: #callback,
                event: #event,
                method: #method,
                params: &[#(#params),*],
                guards: &[#(#guards),*],
                returns: #returns,
                docs: #docs,
                line: #line,
            }
        }
    });
    ours! {
        ::ws_core::__private::submit! {
            ::ws_core::__private::HandlersEntry {
                controller: || ::core::any::TypeId::of::<#ty>(),
                name: #name,
                location: ::ws_core::__private::location!(),
                handlers: &[#(#infos),*],
            }
        }
    }
}
