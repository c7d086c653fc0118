//! `#[ws_middleware]`: registers an async function around the core step of the handshake.
//!
//! The way is [`parse`] (what stands there), [`model`] (what it means), [`expand`] (the registration). The function is
//! emitted as written and stays callable; the registration only if nothing was wrong. The function item's type is its
//! identity: a controller that names the function holds the same.

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
    let middleware =
        signature.and_then(|signature| model::Middleware::check(&arguments, &signature, &mut errors));
    match middleware {
        Some(middleware) if errors.is_empty() => {
            let registration = expand::registration(&middleware);
            quote!(#item #registration)
        }
        _ => quote!(#item #errors),
    }
}
