//! `#[derive(WsEvent)]`: gives a type the name of its event, and makes it a reply of handlers.
//!
//! The way is [`parse`] (the type and its `#[ws_event(..)]`), [`model`] (what they mean) and
//! [`expand`] (the implementations). Nothing is written if something was wrong.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::errors::Errors;

/// Writes the implementations, or what is wrong.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let written = match parse::Written::read(item, &mut errors) {
        Ok(written) => written,
        Err(error) => return error.into_compile_error(),
    };
    match model::Event::check(written, &mut errors) {
        Some(event) if errors.is_empty() => expand::implementations(&event),
        _ => errors.into_token_stream(),
    }
}
