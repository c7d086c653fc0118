//! `#[derive(WsError)]`: declares which variants of an error type clients may see, and how.
//!
//! The steps are [`parse`] (reads the type and its `#[ws_error(..)]`), [`model`] (checks them) and
//! [`expand`] (writes the codes and the registration). After a mistake, only errors are emitted.

mod expand;
mod model;
mod parse;

use proc_macro2::TokenStream;
use quote::ToTokens as _;

use crate::errors::Errors;

/// Emits the codes and the registration, or the errors.
pub(crate) fn derive(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let written = match parse::Written::read(item, &mut errors) {
        Ok(written) => written,
        Err(error) => return error.into_compile_error(),
    };
    let error_type = model::ErrorType::check(written, &mut errors);
    if errors.is_empty() { expand::registration(&error_type) } else { errors.into_token_stream() }
}
