//! `compression(..)`: the server's compression that a route changes, with the names and the syntax
//! of the configuration file.

use proc_macro2::TokenStream;
use quote::quote;
use syn::LitStr;

use super::limits::{Changes, count, size, some};
use crate::{
    args::{Args, Key},
    errors::Errors,
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
        changes.set("level", count(&written, "level", errors).map(|level| quote!(#level as u32)));
        changes.set("window", size(&written, "window", errors));
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
