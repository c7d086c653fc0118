//! `#[ws_handlers]`: writes the `impl Controller` of a block of methods.
//!
//! The way is [`parse`] (the block and its [`callback`] attributes), [`model`] (what they mean), [`expand`] (the impl). The
//! block is emitted as written, less our attributes, and its methods stay callable. What depends on a broken callback is left out; if
//! anything was wrong, an empty impl stands in, so that nobody is told that the controller is none.

mod callback;
mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use self::{
    callback::{Callback, misplaced},
    parse::{guard, is_guard},
};
use crate::errors::Errors;

/// The block and its controller, or the block and what is wrong.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    if !arguments.is_empty() {
        errors.add(&arguments, "`ws_handlers` has no arguments; what a method is for says its own attribute");
    }
    let Some(block) = parse::Block::read(item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    let handlers = model::Handlers::check(&block, &mut errors);
    let item = &block.item;
    if errors.is_empty() {
        let controller = expand::controller(&handlers);
        return quote!(#item #controller);
    }
    let ty = &item.self_ty;
    let is_plain = item.trait_.is_none() && item.generics.params.is_empty();
    let stand_in = is_plain.then(|| quote!(impl ::ws_core::Controller for #ty {}));
    quote!(#item #stand_in #errors)
}
