//! What stands there: an `impl` block, and the attributes of ours on its methods.
//!
//! Reading takes them off, so that what is left is the block as rustc shall see it. Whether the attributes go together, and
//! whether a method can be called, is the model's part.

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

/// The block, and those of its methods that carry something of ours.
pub(super) struct Block {
    pub(super) krate: Krate,
    /// As written, less our attributes.
    pub(super) item: ItemImpl,
    pub(super) methods: Vec<Method>,
}

/// A method with attributes of ours.
pub(super) struct Method {
    pub(super) signature: Signature,
    /// Those that are not ours.
    pub(super) attributes: Vec<Attribute>,
    /// One, if it is well written.
    pub(super) marks: Vec<Mark>,
    /// The functions of `#[guard(..)]`.
    pub(super) guards: Vec<Path>,
    /// Whether something was wrong with an attribute.
    pub(super) is_broken: bool,
}

/// A callback's attribute.
pub(super) struct Mark {
    pub(super) callback: Callback,
    /// The arguments of `#[on_event(..)]`; empty for other callbacks.
    pub(super) arguments: EventArguments,
    pub(super) attribute: Attribute,
}

/// Reads the arguments of `#[ws_handlers]`, of which there is one.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) -> Krate {
    const KEYS: &[Key] = &[Krate::KEY];
    let starts_with_crate =
        arguments.clone().into_iter().next().is_none_or(|first| first.to_string() == "crate");
    if !starts_with_crate {
        let fault = "`#[ws_handlers]` takes only `crate = path::to::ws_core`; path, server and limits belong to \
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
                let fault = "handlers are methods of a controller; put `#[ws_handlers]` on its `impl` block";
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
    /// Takes our attributes off a method; none if there is none.
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

/// Takes our attributes in `cfg_attr` off a method. rustc has not evaluated them yet when this block
/// is read.
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
        "`#[{name}]` is not read in `cfg_attr`; write it by itself, and the condition as `#[cfg(..)]` on the method"
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
