//! Spans for generated tokens, and source text for names and messages.
//!
//! Generated code that may fail to compile has the span of the user's tokens, so that rustc reports
//! its error there. It keeps the hygiene of the macro: lints treat it as generated code, and its
//! locals cannot collide with the user's names.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::{Attribute, Expr, ExprLit, Lit, Meta, Path, Type, ext::IdentExt as _, spanned::Spanned as _};

/// The hygiene of the macro at the user's place.
pub(crate) fn at(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// Formats tokens as hand-written code: `ws_core::Error`, `Vec<u8>`.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let mut text = String::new();
    for tree in tokens.into_token_stream() {
        let next = match &tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                format!("{open}{}{close}", written(group.stream()))
            }
            other => other.to_string(),
        };
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let words = text.ends_with(is_word) && next.starts_with(is_word);
        if words || text.ends_with([',', ';', '+', '=']) || next.starts_with(['+', '=']) {
            text.push(' ');
        }
        text.push_str(&next);
    }
    text
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    }
}

/// Formats a path without `r#`.
pub(crate) fn written_path(path: &Path) -> String {
    let segments: Vec<String> =
        path.segments.iter().map(|segment| segment.ident.unraw().to_string()).collect();
    let leading = if path.leading_colon.is_some() { "::" } else { "" };
    format!("{leading}{}", segments.join("::"))
}

/// The `#[cfg(..)]` of a field or a parameter, for the code that is generated for it.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// Returns the text of `///` comments.
pub(crate) fn docs(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned())
        .collect();
    lines.join("\n")
}

/// Finds the first `impl` in a type: `impl Trait` is a generic parameter in another form.
pub(crate) fn find_impl(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "impl" => Some(ident.span()),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

/// Awaits a call and passes its output to `check`, at the place of the return type.
pub(crate) fn answered(call: &TokenStream, output: &Type, check: &TokenStream) -> TokenStream {
    let (first, last) = ends(output);
    let future = Ident::new("__future", first);
    let awaited = quote_spanned!(last=> .await);
    quote_spanned! {first=> {
        let #future = #call;
        #check(#future #awaited)
    }}
}

/// Passes a value to a parameter, at the place of its type.
pub(crate) fn handed(value: &Ident, ty: &Type) -> TokenStream {
    let (first, last) = ends(ty);
    let mut call = quote_spanned!(first=> __ws::__private::exactly);
    call.extend(quote_spanned!(last=> (#value)));
    call
}

/// Copies a user's identifier: the same name and place, with the hygiene of the macro.
pub(crate) fn placed(ident: &Ident) -> Ident {
    let mut ident = ident.clone();
    ident.set_span(at(ident.span()));
    ident
}

/// Returns the spans of the first and the last token. rustc underlines an expression that begins
/// and ends there as a whole.
pub(crate) fn ends(tokens: &impl ToTokens) -> (Span, Span) {
    let (first, last) = exact_ends(tokens);
    (at(first), at(last))
}

/// Returns the same spans with the user's hygiene. With the hygiene of the macro, rustc would
/// mention the macro.
pub(crate) fn exact_ends(tokens: &impl ToTokens) -> (Span, Span) {
    let mut spans = tokens.to_token_stream().into_iter().map(|tree| tree.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    (first, spans.last().unwrap_or(first))
}

/// Returns the span of the first token.
pub(crate) fn start(tokens: &impl ToTokens) -> Span {
    at(tokens.span())
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn types_are_written_like_hand_written_code() {
        for (tokens, text) in [
            (quote!(ChatError), "ChatError"),
            (quote!(ws_core::Error), "ws_core::Error"),
            (quote!(crate::error::Chat<u8, Vec<u8>>), "crate::error::Chat<u8, Vec<u8>>"),
            (quote!((u8, [u8; 4])), "(u8, [u8; 4])"),
            (quote!(&'static str), "&'static str"),
            (quote!(Box<dyn Error + Send + 'static>), "Box<dyn Error + Send + 'static>"),
        ] {
            assert_eq!(written(tokens), text);
        }
    }
}
