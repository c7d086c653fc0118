//! `#[ws_middleware]` and `#[ws_interceptor]`: register an async function that runs around the
//! handshake, or around the callbacks of controllers. The two differ only in their [`Kind`].
//!
//! The steps are [`parse`] (reads the syntax), [`model`] (checks it) and [`expand`] (writes the
//! registration). The function is emitted as written and can still be called. The registration is
//! emitted only without a mistake. The type of the function item identifies the function: a
//! controller that names the function refers to the same type.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use self::parse::{INTERCEPTOR, Kind, MIDDLEWARE};
use crate::errors::Errors;

/// Emits the function and its registration, or the function and the errors.
pub(crate) fn attribute(kind: &Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = parse::Arguments::read(kind, arguments, &mut errors);
    let signature = kind.card.read(item.clone(), &mut errors);
    let layer = signature.and_then(|signature| model::Layer::check(kind, arguments, &signature, &mut errors));
    match layer {
        Some(layer) if errors.is_empty() => {
            let registration = expand::registration(kind, &layer);
            quote!(#item #registration)
        }
        _ => quote!(#item #errors),
    }
}
