//! The path of `ws_core` in the user's crate.
//!
//! Generated code names everything through the alias `__ws`, which each expansion defines once.
//! `crate = path::to::ws_core` sets its target, for a renamed dependency and for a crate that
//! exports `ws_core` to its users.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Attribute, Path, parse_quote, spanned::Spanned as _};

use crate::{
    args::{Args, Key},
    errors::Errors,
    functions::ModPath,
    source::written_path,
};

/// The path of `ws_core`.
pub(crate) struct Krate(Path);

impl Krate {
    /// The argument of every attribute.
    pub(crate) const KEY: Key = Key { name: "crate", usage: "crate = path::to::ws_core" };

    /// Reads the argument; the default is `::ws_core`.
    pub(crate) fn read(args: &Args, errors: &mut Errors) -> Self {
        Self::at(args.value("crate", errors).map(|ModPath(path)| path))
    }

    /// Creates the path; `::ws_core` if there is none.
    pub(crate) fn at(path: Option<Path>) -> Self {
        Self(path.unwrap_or_else(|| parse_quote!(::ws_core)))
    }

    /// Defines the alias, with the span of the path, so that rustc reports a wrong path there.
    pub(crate) fn alias(&self) -> TokenStream {
        let path = &self.0;
        let alias = quote_spanned!(Span::mixed_site().located_at(path.span())=> use #path as __ws;);
        quote!(#[allow(unused_imports)] #alias)
    }

    /// Whether an attribute is the attribute of this name: written alone, or after the path of the
    /// crate.
    pub(crate) fn exports(&self, attribute: &Attribute, name: &str) -> bool {
        if attribute.path().segments.last().is_none_or(|last| last.ident != name) {
            return false;
        }
        let written = written_path(attribute.path());
        let written = written.trim_start_matches("::");
        let Some(parent) = written.strip_suffix(name) else { return false };
        let own = written_path(&self.0);
        parent.is_empty()
            || parent.strip_suffix("::").is_some_and(|parent| parent == own.trim_start_matches("::"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_with_and_without_the_path_of_the_crate() {
        let renamed = Krate(parse_quote!(crate::net::ws));
        for (attribute, krate, is_ours) in [
            (parse_quote!(#[on_open]), &Krate(parse_quote!(::ws_core)), true),
            (parse_quote!(#[ws_core::on_open]), &Krate(parse_quote!(::ws_core)), true),
            (parse_quote!(#[::ws_core::on_open]), &Krate(parse_quote!(::ws_core)), true),
            (parse_quote!(#[other::on_open]), &Krate(parse_quote!(::ws_core)), false),
            (parse_quote!(#[not_on_open]), &Krate(parse_quote!(::ws_core)), false),
            (parse_quote!(#[crate::net::ws::on_open]), &renamed, true),
            (parse_quote!(#[ws_core::on_open]), &renamed, false),
        ] {
            assert_eq!(krate.exports(&attribute, "on_open"), is_ours, "{}", quote!(#attribute));
        }
    }
}
