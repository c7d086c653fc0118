//! `#[derive(WsEvent)]`: gives a type the name of its event, and makes it a reply of handlers.
//!
//! The steps are [`parse`] (reads the type and its `#[ws_event(..)]`), [`model`] (checks them) and
//! [`expand`] (writes the implementations). After a mistake, only errors are emitted.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::errors::Errors;

/// Emits the implementations, or the errors.
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
