//! `#[ws_handlers]`: writes `impl Controller` for a block of methods.
//!
//! The way is [`parse`] (the block and our attributes on its methods), [`model`] (what they mean), [`slots`] (what is kept
//! with a connection), [`expand`] (the implementation, the checks that only rustc can do, the registration). The block is
//! emitted in any case, less our attributes. A method with a mistake is left out of the implementation, and the others
//! are not, so that rustc's errors about them are told as well.

mod callback;
mod event;
mod expand;
mod model;
mod parse;
mod slots;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use self::{callback::outside, event::check_name as check_event_name};
use crate::errors::Errors;

/// The block and its implementation, and what is wrong.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let krate = parse::arguments(arguments, &mut errors);
    let Some(block) = parse::Block::read(item.clone(), krate, &mut errors) else {
        return quote!(#item #errors);
    };
    let item = block.item.clone();
    let handlers = model::Handlers::check(block, &mut errors);
    let implementation = handlers.as_ref().map(expand::implementation);
    quote!(#item #errors #implementation)
}
