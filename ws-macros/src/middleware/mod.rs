//! `#[ws_middleware]` and `#[ws_interceptor]`: register an async function around the core step of
//! the handshake, or around the callbacks of controllers. The two differ in a [`Kind`] only.
//!
//! The way is [`parse`] (what stands there), [`model`] (what it means), [`expand`] (the registration). The function is
//! emitted as written and stays callable; the registration only if nothing was wrong. The function item's type is its
//! identity: a controller that names the function holds the same.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::quote;

pub(crate) use self::parse::{INTERCEPTOR, Kind, MIDDLEWARE};
use crate::errors::Errors;

/// The function and its registration, or the function and what is wrong.
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
