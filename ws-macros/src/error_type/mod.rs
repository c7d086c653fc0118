//! `#[derive(WsError)]`: declares which variants of an error type clients may see, and how.
//!
//! The way is [`parse`] (the type and its `#[ws_error(..)]`), [`model`] (what they mean) and
//! [`expand`] (the codes and the registration). Nothing is written if something was wrong.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::errors::Errors;

/// Writes the codes and the registration, or what is wrong.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let written = match parse::Written::read(item, &mut errors) {
        Ok(written) => written,
        Err(error) => return error.into_compile_error(),
    };
    let error_type = model::ErrorType::check(written, &mut errors);
    if errors.is_empty() { expand::registration(&error_type) } else { errors.into_token_stream() }
}
