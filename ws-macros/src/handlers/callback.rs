//! The callbacks of a method, each with its own attribute.
//!
//! `#[ws_handlers]` removes these attributes from its block. Anywhere else they are macros that
//! report the right place: [`outside`].

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Attribute;

use crate::{errors::Errors, krate::Krate, signature::Function};

/// The callback of a method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Callback {
    Open,
    Text,
    Binary,
    Message,
    Event,
    Unknown,
    Ping,
    Pong,
    Close,
}

impl Callback {
    const ALL: [Self; 9] = [
        Self::Open,
        Self::Text,
        Self::Binary,
        Self::Message,
        Self::Event,
        Self::Unknown,
        Self::Ping,
        Self::Pong,
        Self::Close,
    ];

    /// Returns the callback of an attribute.
    pub(super) fn of(attribute: &Attribute, krate: &Krate) -> Option<Self> {
        // Each comparison with an identifier copies its text.
        let last = attribute.path().segments.last()?.ident.to_string();
        let callback = Self::ALL.into_iter().find(|callback| callback.name() == last)?;
        krate.exports(attribute, callback.name()).then_some(callback)
    }

    /// The attribute's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Text => "on_text",
            Self::Binary => "on_binary",
            Self::Message => "on_message",
            Self::Event => "on_event",
            Self::Unknown => "on_unknown",
            Self::Ping => "on_ping",
            Self::Pong => "on_pong",
            Self::Close => "on_close",
        }
    }

    /// Its variant of `HandlerCallback` in `ws_core`.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Text => "Text",
            Self::Binary => "Binary",
            Self::Message => "Message",
            Self::Event => "Event",
            Self::Unknown => "Unknown",
            Self::Ping => "Ping",
            Self::Pong => "Pong",
            Self::Close => "Close",
        }
    }
}

/// Reports an attribute in a wrong place, and emits the item.
pub(crate) fn outside(name: &str, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let place = if name == "guard" {
        "on a struct, below `#[ws_controller]`, or on a method of an `impl` block under `#[ws_handlers]`"
    } else {
        "on a method of an `impl` block under `#[ws_handlers]`"
    };
    // `#[ws_handlers]` does not recognise it after another path than that of the crate.
    let is_method = syn::parse2::<Function>(item.clone()).is_ok_and(|it| it.signature.receiver().is_some());
    let path = if is_method { "; inside such a block, write it without a path" } else { "" };
    errors.add_at(Span::call_site(), format_args!("`#[{name}]` is in the wrong place; put it {place}{path}"));
    quote!(#item #errors)
}
