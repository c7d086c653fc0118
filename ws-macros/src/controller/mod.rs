//! `#[ws_controller]`: registers a struct under a path.
//!
//! The way is [`parse`] (what stands there), [`model`] (what it means, if it means anything), [`expand`] (the
//! registration). The struct is emitted in any case, less `#[guard(..)]` and `#[state]`; the registration only if nothing
//! was wrong. The trait carries the contract, so nothing here knows the callbacks.

mod expand;
mod limits;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// The struct and its registration, or the struct and what is wrong.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = parse::Arguments::read(arguments, &mut errors);
    let Some(written) = parse::Controller::read(item.clone(), &arguments.krate, &mut errors) else {
        return quote!(#item #errors);
    };
    let item = &written.item;
    match model::Controller::check(arguments, &written, &mut errors) {
        Some(controller) if errors.is_empty() => {
            let registration = expand::registration(&controller);
            quote!(#item #registration)
        }
        _ => quote!(#item #errors),
    }
}
