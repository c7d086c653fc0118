//! Functions named by their paths: `middleware(..)`, `interceptors(..)` and `#[guard(..)]`.
//!
//! A path is emitted as it was written, without type arguments. rustc reports at the path a
//! function that does not exist or does not fit. Each function is listed once.

use std::collections::BTreeSet;

use syn::{
    Attribute, Path,
    parse::{Parse, ParseStream, Parser as _},
};

use crate::{args::Args, errors::Errors, krate::Krate, source};

/// The functions that `name(..)` lists, outermost first.
pub(crate) fn listed(args: &Args, name: &'static str, errors: &mut Errors) -> Vec<Path> {
    let paths: Vec<Path> = args.list(name, errors).into_iter().map(|ModPath(path)| path).collect();
    check_once(name.trim_end_matches('s'), &paths, errors);
    paths
}

/// Removes the guards from a struct or a method and returns them in order.
pub(crate) fn take_guards(attributes: &mut Vec<Attribute>, krate: &Krate, errors: &mut Errors) -> Vec<Path> {
    let mut guards = Vec::new();
    for mark in attributes.extract_if(.., |attribute| krate.exports(attribute, "guard")) {
        let path = mark.meta.require_list().and_then(|list| ModPath::parse.parse2(list.tokens.clone()));
        match path {
            Ok(ModPath(path)) => guards.push(path),
            Err(_) => {
                let fault =
                    "`#[guard]` is written like this: `#[guard(path::to::function)]`, one function in each";
                errors.add(&mark.meta, fault);
            }
        }
    }
    check_once("guard", &guards, errors);
    guards
}

/// Reports a path that is listed twice. Two paths to one function are found when the application
/// starts.
fn check_once(what: &str, paths: &[Path], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for path in paths {
        let name = source::written_path(path);
        if !seen.insert(name.clone()) {
            errors.add(path, format_args!("{what} `{name}` is listed twice; keep one"));
        }
    }
}

/// A path without type arguments.
pub(crate) struct ModPath(pub(crate) Path);

impl Parse for ModPath {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        input.call(Path::parse_mod_style).map(Self)
    }
}
