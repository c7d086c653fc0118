//! The callbacks that a method can be, one attribute each.
//!
//! The attributes are inert inside of a block under `#[ws_handlers]`, which takes them off. Anywhere else they are macros
//! that say where they belong: [`outside`].

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Attribute;

use crate::{errors::Errors, krate::Krate, signature::Function};

/// What a method is called for.
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

    /// The callback that an attribute stands for.
    pub(super) fn of(attribute: &Attribute, krate: &Krate) -> Option<Self> {
        Self::ALL.into_iter().find(|callback| krate.exports(attribute, callback.name()))
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

    /// Its `Place` in `ws_core`: what a parameter may take there.
    pub(super) fn place(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Text => "Text",
            Self::Binary | Self::Ping | Self::Pong => "Binary",
            Self::Message => "Message",
            Self::Event | Self::Unknown => "Event",
            Self::Close => "Close",
        }
    }
}

/// An attribute that stands where nothing takes it off: the item, and where it belongs.
pub(crate) fn outside(name: &str, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let place = if name == "guard" {
        "to a struct, below `#[ws_controller]`, or to a method of an `impl` block under `#[ws_handlers]`"
    } else {
        "to a method of an `impl` block under `#[ws_handlers]`"
    };
    // A block does not read it behind a path that is not the crate's.
    let is_method = syn::parse2::<Function>(item.clone()).is_ok_and(|it| it.signature.receiver().is_some());
    let path = if is_method { "; if it is in one, write it without a path" } else { "" };
    errors.add_at(Span::call_site(), format_args!("`#[{name}]` belongs {place}{path}"));
    quote!(#item #errors)
}
