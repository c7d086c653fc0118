//! What stands there: the `impl` block and the callback attributes on its methods.
//!
//! Reading takes our attributes off, so that what is left is the block as rustc shall see it. What the attributes mean
//! together is the model's part.

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ExprLit, ImplItem, ImplItemFn, ItemImpl, Lit, Meta, Path, Signature};

use super::callback::{Mark, is_ours};
use crate::{errors::Errors, source};

/// The block and its callbacks.
pub(super) struct Block {
    /// As written, less our attributes.
    pub(super) item: ItemImpl,
    pub(super) methods: Vec<Method>,
}

/// A method with at least one of our attributes.
pub(super) struct Method {
    /// One, if all is well.
    pub(super) marks: Vec<Mark>,
    pub(super) guards: Vec<Path>,
    /// `#[cfg(..)]`.
    pub(super) conditions: Vec<Attribute>,
    pub(super) docs: String,
    pub(super) signature: Signature,
}

impl Block {
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> Option<Self> {
        let mut item: ItemImpl = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) => {
                errors.add_at(
                    error.span(),
                    "handlers are methods of an `impl` block; put `#[ws_handlers]` on one",
                );
                return None;
            }
        };
        let methods = item.items.iter_mut().filter_map(|item| match item {
            ImplItem::Fn(function) => Method::take(function, errors),
            _ => None,
        });
        let methods = methods.collect();
        Some(Self { item, methods })
    }
}

impl Method {
    /// Takes our attributes off a method; `None` if it had none.
    fn take(function: &mut ImplItemFn, errors: &mut Errors) -> Option<Self> {
        let mut marks = Vec::new();
        let mut guards = Vec::new();
        let mut is_ours_at_all = false;
        function.attrs.retain(|attribute| {
            if let Some(mark) = Mark::read(attribute, errors) {
                marks.push(mark);
            } else if is_guard(attribute) {
                guards.extend(guard(attribute, errors));
            } else {
                return true;
            }
            is_ours_at_all = true;
            false
        });
        is_ours_at_all.then(|| Self {
            marks,
            guards,
            conditions: source::conditions(&function.attrs),
            docs: docs(&function.attrs),
            signature: function.sig.clone(),
        })
    }
}

/// Whether it is `#[guard(..)]`.
pub(crate) fn is_guard(attribute: &Attribute) -> bool {
    is_ours(attribute.path(), "guard")
}

/// The path of `#[guard(path::to::function)]`.
pub(crate) fn guard(attribute: &Attribute, errors: &mut Errors) -> Option<Path> {
    let path = match &attribute.meta {
        Meta::List(list) => list.parse_args_with(Path::parse_mod_style).ok(),
        _ => None,
    };
    if path.is_none() {
        errors.add(&attribute.meta, "a guard is one function; write `#[guard(path::to::function)]`");
    }
    path
}

/// The text of the documentation comments.
fn docs(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    lines.join("\n").trim().to_owned()
}
