//! The callback attributes: `#[on_open]`, `#[on_event("say")]` and the others, and what each has for arguments.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, LitStr, Meta, Path};

use crate::errors::Errors;

/// Which callback a method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    Open,
    Event,
    Unknown,
    Text,
    Binary,
    Message,
    Ping,
    Pong,
    Close,
}

impl Callback {
    const ALL: [Self; 9] = [
        Self::Open,
        Self::Event,
        Self::Unknown,
        Self::Text,
        Self::Binary,
        Self::Message,
        Self::Ping,
        Self::Pong,
        Self::Close,
    ];

    /// The attribute's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "on_open",
            Self::Event => "on_event",
            Self::Unknown => "on_unknown",
            Self::Text => "on_text",
            Self::Binary => "on_binary",
            Self::Message => "on_message",
            Self::Ping => "on_ping",
            Self::Pong => "on_pong",
            Self::Close => "on_close",
        }
    }

    /// How the attribute is written.
    pub(crate) fn usage(self) -> String {
        match self {
            Self::Event => r#"#[on_event("say")]"#.to_owned(),
            other => format!("#[{}]", other.name()),
        }
    }

    /// What this attribute is, by its own name or as `ws_core::name`.
    pub(super) fn of(path: &Path) -> Option<Self> {
        Self::ALL.into_iter().find(|callback| is_ours(path, callback.name()))
    }

    /// Whether it is for events.
    pub(super) fn is_event(self) -> bool {
        matches!(self, Self::Event | Self::Unknown)
    }
}

/// Whether a path is one of our attributes, written by its name or behind `ws_core::`.
pub(super) fn is_ours(path: &Path, name: &str) -> bool {
    let mut segments = path.segments.iter().rev();
    let last = segments.next().is_some_and(|segment| segment.ident == name);
    last && segments.all(|segment| segment.ident == "ws_core")
}

/// A callback attribute as it stands there.
pub(super) struct Mark {
    pub(super) callback: Callback,
    /// The event's name; `None` for the other callbacks, and where it is missing.
    pub(super) event: Option<LitStr>,
    pub(super) attribute: Attribute,
}

impl Mark {
    /// Reads the attribute, if it is one of these.
    pub(super) fn read(attribute: &Attribute, errors: &mut Errors) -> Option<Self> {
        let callback = Callback::of(attribute.path())?;
        let event = if callback == Callback::Event {
            event_name(attribute, errors)
        } else {
            if !matches!(attribute.meta, Meta::Path(_)) {
                let name = callback.name();
                errors.add(&attribute.meta, format_args!("`{name}` has no arguments; write `#[{name}]`"));
            }
            None
        };
        Some(Self { callback, event, attribute: attribute.clone() })
    }
}

/// The one argument of `#[on_event(..)]`.
fn event_name(attribute: &Attribute, errors: &mut Errors) -> Option<LitStr> {
    let usage = Callback::Event.usage();
    let Meta::List(list) = &attribute.meta else {
        errors.add(&attribute.meta, format_args!("`on_event` names its event; write `{usage}`"));
        return None;
    };
    match syn::parse2::<LitStr>(list.tokens.clone()) {
        Ok(name) if name.value().is_empty() => {
            errors.add(&name, format_args!("an event has a name; write one, such as `{usage}`"));
            None
        }
        Ok(name) => Some(name),
        Err(_) if list.tokens.is_empty() => {
            errors.add(&attribute.meta, format_args!("`on_event` names its event; write `{usage}`"));
            None
        }
        Err(_) => {
            errors.add(&list.tokens, format_args!("`on_event` takes one name; write `{usage}`"));
            None
        }
    }
}

/// An attribute that stands where it means nothing: the item as it is, and where it belongs.
pub(crate) fn misplaced(usage: &str, belongs: &str, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    errors.add_at(proc_macro2::Span::call_site(), format_args!("`{usage}` belongs {belongs}"));
    quote!(#item #errors)
}
