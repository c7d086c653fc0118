//! `#[ws_error_handler]`: registers an async function that handles errors of one type.
//!
//! The steps are [`parse`] (reads the syntax), [`model`] (checks it) and [`expand`] (writes the
//! registration). The function is emitted as written and can still be called. The registration is
//! emitted only without a mistake. At run time, the type behind the first `&` selects the
//! handler of an error.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// Emits the function and its registration, or the function and the errors.
pub(crate) fn attribute(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = parse::Arguments::read(arguments, &mut errors);
    let signature = parse::CARD.read(item.clone(), &mut errors);
    let handler =
        signature.and_then(|signature| model::ErrorHandler::check(arguments, &signature, &mut errors));
    match handler {
        Some(handler) if errors.is_empty() => {
            let registration = expand::registration(&handler);
            quote!(#item #registration)
        }
        _ => quote!(#item #errors),
    }
}
