//! Reads an `impl` block, and the attributes of this crate on its methods.
//!
//! Reading removes the attributes, so that rustc gets the block without them. The model checks the
//! combination of attributes and the signatures.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, ImplItemFn, ItemImpl, Meta, Path, Signature, Token, parse_quote,
    punctuated::Punctuated,
};

use super::{callback::Callback, event::EventArguments};
use crate::{
    args::{Args, Key},
    errors::Errors,
    functions,
    krate::Krate,
};

/// The block, and the methods that have attributes of this crate.
pub(super) struct Block {
    pub(super) krate: Krate,
    /// The block without these attributes.
    pub(super) item: ItemImpl,
    pub(super) methods: Vec<Method>,
}

/// A method that has attributes of this crate.
pub(super) struct Method {
    pub(super) signature: Signature,
    /// The other attributes.
    pub(super) attributes: Vec<Attribute>,
    /// The callbacks' attributes: one, if the method is correct.
    pub(super) marks: Vec<Mark>,
    /// The functions of `#[guard(..)]`.
    pub(super) guards: Vec<Path>,
    /// Whether an attribute has a mistake.
    pub(super) is_broken: bool,
}

/// A callback's attribute.
pub(super) struct Mark {
    pub(super) callback: Callback,
    /// The arguments of `#[on_event(..)]`; empty for other callbacks.
    pub(super) arguments: EventArguments,
    pub(super) attribute: Attribute,
}

/// Reads the arguments of `#[ws_handlers]`: `crate`, or none.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) -> Krate {
    const KEYS: &[Key] = &[Krate::KEY];
    let starts_with_crate =
        arguments.clone().into_iter().next().is_none_or(|first| first.to_string() == "crate");
    if !starts_with_crate {
        let fault = "`#[ws_handlers]` takes only `crate = path::to::ws_core`; write the other arguments in \
                     `#[ws_controller(..)]`";
        errors.add(arguments, fault);
        return Krate::read(&Args::read(TokenStream::new(), KEYS, errors), errors);
    }
    Krate::read(&Args::read(arguments, KEYS, errors), errors)
}

impl Block {
    pub(super) fn read(item: TokenStream, krate: Krate, errors: &mut Errors) -> Option<Self> {
        let is_impl = |tree: TokenTree| matches!(tree, TokenTree::Ident(word) if word == "impl");
        let is_block = item.clone().into_iter().any(is_impl);
        let mut item: ItemImpl = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) if is_block => {
                errors.add_at(error.span(), format_args!("this block cannot be read: {error}"));
                return None;
            }
            Err(error) => {
                let fault =
                    "this is not an `impl` block; put `#[ws_handlers]` on the `impl` block of a controller";
                errors.add_at(error.span(), fault);
                return None;
            }
        };
        let methods = item
            .items
            .iter_mut()
            .filter_map(|item| match item {
                ImplItem::Fn(method) => Method::read(method, &krate, errors),
                _ => None,
            })
            .collect();
        Some(Self { krate, item, methods })
    }
}

impl Method {
    /// Removes the attributes from a method; `None` if it has none.
    fn read(method: &mut ImplItemFn, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let before = errors.len();
        refuse_conditional(&mut method.attrs, krate, errors);
        let is_mark = |attribute: &mut Attribute| Callback::of(attribute, krate).is_some();
        let found: Vec<_> = method.attrs.extract_if(.., is_mark).collect();
        let marks = found.into_iter().filter_map(|attribute| Mark::read(attribute, krate, errors)).collect();
        let guards = functions::take_guards(&mut method.attrs, krate, errors);
        let read = Self {
            signature: method.sig.clone(),
            attributes: method.attrs.clone(),
            marks,
            guards,
            is_broken: errors.len() > before,
        };
        (read.is_broken || !read.marks.is_empty() || !read.guards.is_empty()).then_some(read)
    }
}

/// Reports and removes attributes inside `cfg_attr`. rustc evaluates `cfg_attr` after this block is
/// read.
fn refuse_conditional(attributes: &mut Vec<Attribute>, krate: &Krate, errors: &mut Errors) {
    attributes.retain(|attribute| {
        let before = errors.len();
        if attribute.path().is_ident("cfg_attr")
            && let Ok(list) = attribute.meta.require_list()
            && let Ok(metas) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        {
            metas.into_iter().for_each(|meta| check_conditional(meta, krate, errors));
        }
        errors.len() == before
    });
}

fn check_conditional(meta: Meta, krate: &Krate, errors: &mut Errors) {
    let attribute: Attribute = parse_quote!(#[#meta]);
    let name = match Callback::of(&attribute, krate) {
        Some(callback) => callback.name(),
        None if krate.exports(&attribute, "guard") => "guard",
        None => return,
    };
    let fault = format!(
        "`#[{name}]` is inside `cfg_attr`; write it alone, and the condition as `#[cfg(..)]` on the method"
    );
    errors.add(meta, fault);
}

impl Mark {
    fn read(attribute: Attribute, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let callback = Callback::of(&attribute, krate)?;
        let arguments = if callback == Callback::Event {
            EventArguments::read(&attribute.meta, errors)?
        } else {
            if !matches!(attribute.meta, Meta::Path(_)) {
                let fault = format!("`#[{}]` has no arguments", callback.name());
                errors.add(&attribute.meta, fault);
            }
            EventArguments::default()
        };
        Some(Self { callback, arguments, attribute })
    }
}
