//! `#[ws_error_handler]`: registers an async function that answers errors of one type.
//!
//! The way is [`parse`] (what stands there), [`model`] (what it means), [`expand`] (the registration). The function is
//! emitted as written and stays callable; the registration only if nothing was wrong. Which handler an error finds is
//! decided at run time, by the type that stands behind the first `&`.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

use crate::errors::Errors;

/// The function and its registration, or the function and what is wrong.
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
