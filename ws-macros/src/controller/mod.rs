//! `#[ws_controller]`: registers a struct under a path.
//!
//! The steps are [`parse`] (reads the syntax), [`model`] (checks it) and [`expand`] (writes the
//! registration). The struct is always emitted, without `#[guard(..)]` and `#[state]`. The
//! registration is emitted only without a mistake. The callbacks are the concern of the trait;
//! nothing here names them.

mod compression;
mod expand;
mod limits;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Emits the struct and its registration, or the struct and the errors.
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
