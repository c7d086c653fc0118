//! `#[ws_handlers]`: writes `impl Controller` for a block of methods.
//!
//! The steps are [`parse`] (reads the block and the attributes of its methods), [`model`] (checks
//! them), [`slots`] (plans the values kept with a connection) and [`expand`] (writes the
//! implementation, the checks for rustc and the registration). The block is always emitted, without
//! the attributes. A method with a mistake is left out of the implementation. The others stay, so
//! that rustc reports their errors as well.

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

/// Emits the block, its implementation and the errors.
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
