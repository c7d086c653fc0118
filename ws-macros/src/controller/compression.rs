//! `compression(..)`: the server's compression that a route changes, with the names and the syntax
//! of the configuration file.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::LitStr;

use super::limits::{Changes, size, some};
use crate::{
    args::{Args, Key},
    count::CountLiteral,
    errors::Errors,
    size::SizeLiteral,
};

const KEYS: &[Key] = &[
    Key { name: "mode", usage: r#"mode = "per_message""# },
    Key { name: "threshold", usage: r#"threshold = "256B""# },
    Key { name: "level", usage: "level = 1" },
    Key { name: "window", usage: r#"window = "4KiB""# },
];

/// The changed fields and their values.
#[derive(Default)]
pub(super) struct Compression(Changes);

impl Compression {
    pub(super) fn read(args: &Args, errors: &mut Errors) -> Self {
        let written = args.nested("compression", KEYS, errors);
        let mut changes = Changes::default();
        changes.set("mode", mode(&written, errors));
        changes.set("threshold", size(&written, "threshold", errors).map(some));
        changes.set("level", level(&written, errors));
        changes.set("window", window(&written, errors));
        Self(changes)
    }

    /// Writes a closure that changes the server's compression to that of the route.
    pub(super) fn change(&self) -> TokenStream {
        self.0.closure()
    }
}

fn mode(written: &Args, errors: &mut Errors) -> Option<TokenStream> {
    let mode: LitStr = written.value("mode", errors)?;
    match mode.value().as_str() {
        "off" => Some(quote!(__ws::__private::CompressionMode::Off)),
        "per_message" => Some(quote!(__ws::__private::CompressionMode::PerMessage)),
        "window" => Some(quote!(__ws::__private::CompressionMode::Window)),
        other => {
            let fault =
                format!("unknown value `{other}`; write `\"per_message\"`, `\"window\"` or `\"off\"`");
            errors.add(mode, fault);
            None
        }
    }
}

/// Returns the level. The start checks it as well, for a level that is set in another way.
fn level(written: &Args, errors: &mut Errors) -> Option<TokenStream> {
    let literal: CountLiteral = written.value("level", errors)?;
    let level = literal.number_or_none().map_err(|error| errors.push(error)).ok()?;
    if !level.base10_parse().is_ok_and(|level: u32| (1..=9).contains(&level)) {
        errors.add(&level, format_args!("`{level}` is not a level; write a number from 1 to 9"));
        return None;
    }
    Some(level.into_token_stream())
}

fn window(written: &Args, errors: &mut Errors) -> Option<TokenStream> {
    let literal: SizeLiteral = written.value("window", errors)?;
    let bytes = literal.bytes().map_err(|error| errors.push(error)).ok()?;
    let is_window = |bytes: u64| bytes.is_power_of_two() && (512..=32 << 10).contains(&bytes);
    if !bytes.base10_parse().is_ok_and(is_window) {
        let text = match &literal {
            SizeLiteral::Text(text) => text.value(),
            SizeLiteral::Number(number) => number.to_string(),
        };
        let fault = format!("`{text}` is not a window; write a power of two from `\"512B\"` to `\"32KiB\"`");
        errors.add(&bytes, fault);
        return None;
    }
    Some(bytes.into_token_stream())
}
