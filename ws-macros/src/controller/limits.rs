//! `limits(..)`: the server's limits that a route changes, with the names and the syntax of the
//! configuration file.
//!
//! Each argument becomes an assignment to a field of `ws_core::config::Limits`. A value that would
//! refuse everything is an error here. The relation to the server's other limits is checked when
//! the application starts.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Ident, LitStr};

use crate::{
    args::{Args, Key},
    count::CountLiteral,
    errors::Errors,
    size::SizeLiteral,
    time,
};

const KEYS: &[Key] = &[
    Key { name: "message", usage: r#"message = "64KiB""# },
    Key { name: "frame", usage: r#"frame = "16KiB""# },
    Key { name: "fragments", usage: "fragments = 1024" },
    Key { name: "messages_per_second", usage: "messages_per_second = 20" },
    Key { name: "message_burst", usage: "message_burst = 50" },
    Key { name: "over_rate", usage: r#"over_rate = "refuse""# },
    Key { name: "outbox_messages", usage: "outbox_messages = 64" },
    Key { name: "outbox_bytes", usage: r#"outbox_bytes = "256KiB""# },
    Key { name: "rooms", usage: "rooms = 8" },
    Key { name: "tasks", usage: "tasks = 4" },
    Key { name: "inbox_messages", usage: "inbox_messages = 16" },
    Key { name: "inbox_bytes", usage: r#"inbox_bytes = "64KiB""# },
    Key { name: "overflow", usage: r#"overflow = "drop_oldest""# },
    Key { name: "handler_timeout", usage: r#"handler_timeout = "5s""# },
    Key { name: "lifetime", usage: r#"lifetime = "12h""# },
];

/// The changed fields, in the order of [`KEYS`].
#[derive(Default)]
pub(super) struct Limits(Changes);

/// Fields of a settings struct and their new values.
#[derive(Default)]
pub(super) struct Changes(Vec<(Ident, TokenStream)>);

impl Changes {
    pub(super) fn set(&mut self, name: &str, value: Option<TokenStream>) {
        self.0.extend(value.map(|value| (format_ident!("{name}"), value)));
    }

    /// Writes a closure that sets the fields.
    pub(super) fn closure(&self) -> TokenStream {
        if self.0.is_empty() {
            return quote!(__ws::__private::unchanged);
        }
        let settings = Ident::new("__settings", Span::mixed_site());
        let changes = self.0.iter().map(|(name, value)| quote!(#settings.#name = #value;));
        quote!(|#settings| { #(#changes)* })
    }
}

impl Limits {
    pub(super) fn read(args: &Args, errors: &mut Errors) -> Self {
        let written = args.nested("limits", KEYS, errors);
        let mut limits = Changes::default();
        limits.set("message", size(&written, "message", errors));
        limits.set("frame", size(&written, "frame", errors).map(some));
        limits.set("fragments", count(&written, "fragments", errors));
        limits.set("messages_per_second", count_or_off(&written, "messages_per_second", errors));
        limits.set("message_burst", count(&written, "message_burst", errors).map(some));
        limits.set("over_rate", over_rate(&written, errors));
        limits.set("outbox_messages", count(&written, "outbox_messages", errors));
        limits.set("outbox_bytes", size(&written, "outbox_bytes", errors));
        limits.set("rooms", count_or_none(&written, "rooms", errors));
        limits.set("tasks", count(&written, "tasks", errors));
        limits.set("inbox_messages", count(&written, "inbox_messages", errors));
        limits.set("inbox_bytes", size(&written, "inbox_bytes", errors));
        limits.set("overflow", overflow(&written, errors));
        limits.set("handler_timeout", time_or_off(&written, "handler_timeout", errors));
        limits.set("lifetime", time_or_off(&written, "lifetime", errors));
        Self(limits)
    }

    /// Writes a closure that changes the server's limits to those of the route.
    pub(super) fn change(&self) -> TokenStream {
        self.0.closure()
    }
}

pub(super) fn some(value: TokenStream) -> TokenStream {
    quote!(::core::option::Option::Some(#value))
}

fn none() -> TokenStream {
    quote!(::core::option::Option::None)
}

pub(super) fn size(written: &Args, name: &str, errors: &mut Errors) -> Option<TokenStream> {
    let literal: SizeLiteral = written.value(name, errors)?;
    literal.bytes().map_err(|error| errors.push(error)).ok().map(ToTokens::into_token_stream)
}

fn count(written: &Args, name: &str, errors: &mut Errors) -> Option<TokenStream> {
    let literal: CountLiteral = written.value(name, errors)?;
    literal.number().map_err(|error| errors.push(error)).ok().map(ToTokens::into_token_stream)
}

fn count_or_none(written: &Args, name: &str, errors: &mut Errors) -> Option<TokenStream> {
    let literal: CountLiteral = written.value(name, errors)?;
    literal.number_or_none().map_err(|error| errors.push(error)).ok().map(ToTokens::into_token_stream)
}

fn count_or_off(written: &Args, name: &str, errors: &mut Errors) -> Option<TokenStream> {
    let literal: CountLiteral = written.value(name, errors)?;
    let number = literal.number_or_off().map_err(|error| errors.push(error)).ok()?;
    Some(number.map_or_else(none, |number| some(number.into_token_stream())))
}

fn time_or_off(written: &Args, name: &str, errors: &mut Errors) -> Option<TokenStream> {
    let literal: LitStr = written.value(name, errors)?;
    match time::or_off(&literal.value()) {
        Ok(None) => Some(none()),
        Ok(Some(millis)) => Some(some(quote!(::core::time::Duration::from_millis(#millis)))),
        Err(fault) => {
            errors.add(&literal, fault);
            None
        }
    }
}

fn overflow(written: &Args, errors: &mut Errors) -> Option<TokenStream> {
    let policy: LitStr = written.value("overflow", errors)?;
    match policy.value().as_str() {
        "disconnect" => Some(quote!(__ws::__private::Overflow::Disconnect)),
        "drop_oldest" => Some(quote!(__ws::__private::Overflow::DropOldest)),
        "drop_newest" => Some(quote!(__ws::__private::Overflow::DropNewest)),
        other => {
            let fault = format!(
                "unknown value `{other}`; write `\"disconnect\"`, `\"drop_oldest\"` or `\"drop_newest\"`"
            );
            errors.add(policy, fault);
            None
        }
    }
}

fn over_rate(written: &Args, errors: &mut Errors) -> Option<TokenStream> {
    let policy: LitStr = written.value("over_rate", errors)?;
    match policy.value().as_str() {
        "close" => Some(quote!(__ws::__private::OverRate::Close)),
        "refuse" => Some(quote!(__ws::__private::OverRate::Refuse)),
        other => {
            errors.add(&policy, format_args!("unknown value `{other}`; write `\"close\"` or `\"refuse\"`"));
            None
        }
    }
}
