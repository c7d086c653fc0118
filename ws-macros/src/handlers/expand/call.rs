//! One call of a handler: its guards, its parameters, the method, its reply.
//!
//! A parameter has the span of its type, and the reply has the span of the return type. rustc
//! reports a wrong type there.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

use super::kept::field;
use crate::{
    handlers::{callback::Callback, model::Handler, slots::Guard},
    source::{at, ends, placed, start},
};

/// The code for the input and the replier of a callback.
pub(super) struct CallParts {
    /// The input that the parameters are read from.
    input: TokenStream,
    /// Creates the replier, if the callback has none yet.
    replier: Option<TokenStream>,
}

impl CallParts {
    /// `on_open`.
    pub(super) fn open() -> Self {
        Self::new(quote_spanned!(Span::mixed_site()=> __h::nothing(__conn))).with_replier()
    }

    /// A message or a frame.
    pub(super) fn message() -> Self {
        Self::new(quote_spanned!(Span::mixed_site()=> __h::message(__conn, &mut __message)))
    }

    /// An event.
    pub(super) fn event() -> Self {
        let input = quote_spanned!(Span::mixed_site()=> __h::event(__conn, &__message, &__envelope, &__to));
        Self::new(input)
    }

    /// `on_close`.
    pub(super) fn close() -> Self {
        let input = quote_spanned!(Span::mixed_site()=> __h::end(__conn, __reason));
        Self::new(input).with_replier()
    }

    fn new(input: TokenStream) -> Self {
        Self { input, replier: None }
    }

    fn with_replier(self) -> Self {
        let replier = quote_spanned!(Span::mixed_site()=> let __to = __h::reply_to(__conn););
        Self { replier: Some(replier), ..self }
    }
}

/// Writes the statements of one call. The last one is its result.
pub(super) fn body(handler: &Handler, parts: &CallParts) -> TokenStream {
    let replier = &parts.replier;
    let guards = handler.guards.iter().map(|guard| guarded(handler, guard));
    let called = called(handler, parts);
    let place = at(handler.ident.span());
    let (first, last) = handler.output.as_ref().map_or((place, place), |output| ends(&output.written));
    let converted = quote_spanned!(last=> __h::Returned(__future.await).converted());
    let awaited = quote_spanned!(last=> __h::Returned(#converted).converted_inside());
    let answer = quote_spanned!(first=> __h::Returned(#awaited).answer(&__to));
    quote_spanned! {place=>
        #replier
        #(#guards)*
        let __future = { #called };
        #answer.await
    }
}

/// Writes the call of a guard. It reads an event, but no other message; that is left to the
/// handler.
fn guarded(handler: &Handler, guard: &Guard) -> TokenStream {
    let (path, field) = (&guard.path, field(guard.slot));
    let CallParts { input, .. } = match handler.callback {
        Callback::Event | Callback::Unknown => CallParts::event(),
        _ => CallParts::open(),
    };
    quote_spanned! {start(path)=>
        let __guard = __h::guarded(#path).start(&__kept.#field, #input)?;
        __h::guard(__guard.await)?;
    }
}

/// Writes the method's future. The input of its parameters is dropped before it is awaited.
fn called(handler: &Handler, parts: &CallParts) -> TokenStream {
    let method = placed(&handler.ident);
    let place = at(handler.ident.span());
    let params = handler.params.iter().map(|param| {
        let (conditions, ty, field) = (&param.conditions, &param.ty, field(param.slot));
        let inferred = &ty.inferred;
        quote_spanned! {start(&ty.written)=>
            #(#conditions)*
            __h::Of::<#inferred>::get(&__kept.#field, __input)?
        }
    });
    let call = quote_spanned!(place=> Self::#method(self, #(#params),*));
    if handler.params.is_empty() {
        return call;
    }
    let input = &parts.input;
    quote_spanned! {place=>
        let __input = &mut #input;
        #call
    }
}
