//! The arguments of an attribute: `key = value` and `key(list)`, separated by commas.
//!
//! The reader gets a list of keys and their usage. It reports unknown and repeated keys when it
//! splits the arguments, missing keys and values of the wrong form when they are read. One broken
//! argument does not hide the others. This module does not interpret values.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    LitInt, LitStr, Token,
    ext::IdentExt as _,
    parse::{Parse, ParseStream, Parser as _},
};

use crate::errors::Errors;

/// An argument that an attribute takes.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// An example of its use.
    pub(crate) usage: &'static str,
}

/// The arguments between the attribute's parentheses.
pub(crate) struct Args {
    keys: &'static [Key],
    given: Vec<Argument>,
}

struct Argument {
    key: Ident,
    value: Value,
}

enum Value {
    /// `key`
    Missing,
    /// `key = value`
    Single(TokenStream),
    /// `key(list)`
    List(Group),
}

impl Args {
    /// Splits the arguments and checks their keys.
    pub(crate) fn read(tokens: TokenStream, keys: &'static [Key], errors: &mut Errors) -> Self {
        let mut given: Vec<Argument> = Vec::new();
        for part in split(tokens) {
            let Some(argument) = Argument::read(&part) else {
                let (names, usage) = (names(keys), first_usage(keys));
                let message = format_args!("expected an argument; write one of {names}, such as {usage}");
                errors.add(TokenStream::from_iter(part), message);
                continue;
            };
            let name = argument.name();
            if !keys.iter().any(|key| key.name == name) {
                let message = match keys.iter().find(|key| is_close(key.name, &name)) {
                    Some(key) => format!("unknown argument `{name}`; did you mean `{}`?", key.name),
                    None => format!("unknown argument `{name}`; expected one of {}", names(keys)),
                };
                errors.add(&argument.key, message);
            } else if given.iter().any(|earlier| earlier.name() == name) {
                errors.add(&argument.key, format_args!("`{name}` is given twice; keep one"));
            } else {
                given.push(argument);
            }
        }
        Self { keys, given }
    }

    /// The key as written, if it is present.
    pub(crate) fn given(&self, name: &str) -> Option<&Ident> {
        self.find(name).map(|argument| &argument.key)
    }

    /// Returns the value of `name = ..`; reports a missing key.
    pub(crate) fn required<T: Parse>(&self, name: &str, errors: &mut Errors) -> Option<T> {
        if self.find(name).is_none() {
            let usage = self.usage(name);
            errors.add_at(Span::call_site(), format_args!("missing argument `{name}`; add `{usage}`"));
        }
        self.value(name, errors)
    }

    /// Returns the value of `name = ..`, if the key is present.
    pub(crate) fn value<T: Parse>(&self, name: &str, errors: &mut Errors) -> Option<T> {
        let argument = self.find(name)?;
        let Value::Single(tokens) = &argument.value else {
            self.wrong_form(argument, argument.tokens(), errors);
            return None;
        };
        let parser = |input: ParseStream<'_>| Ok((input.parse::<T>()?, input.parse::<TokenStream>()?));
        match parser.parse2(tokens.clone()) {
            Ok((value, rest)) if rest.is_empty() => Some(value),
            Ok((_, rest)) => {
                errors.add(rest, format_args!("expected a `,` after the value of `{name}`"));
                None
            }
            Err(_) => {
                self.wrong_form(argument, tokens.clone(), errors);
                None
            }
        }
    }

    /// Returns the text of `name = ".."`, which must not be empty.
    pub(crate) fn text(&self, name: &str, errors: &mut Errors) -> Option<LitStr> {
        let text: LitStr = self.value(name, errors)?;
        if text.value().trim().is_empty() {
            let usage = self.usage(name);
            errors.add(
                &text,
                format_args!("`{name}` is empty; write a name, such as `{usage}`, or leave it out"),
            );
        }
        Some(text)
    }

    /// Returns the valid elements of `name(..)`; none if the key is absent.
    pub(crate) fn list<T: Parse>(&self, name: &str, errors: &mut Errors) -> Vec<T> {
        let Some((argument, group)) = self.group(name, errors) else { return Vec::new() };
        let mut elements = Vec::new();
        for part in split(group.stream()) {
            let tokens = TokenStream::from_iter(part);
            match syn::parse2(tokens.clone()) {
                Ok(element) => elements.push(element),
                Err(_) => self.wrong_form(argument, tokens, errors),
            }
        }
        elements
    }

    /// Returns the arguments inside `name(..)`; none if the key is absent.
    pub(crate) fn nested(&self, name: &str, keys: &'static [Key], errors: &mut Errors) -> Self {
        match self.group(name, errors) {
            Some((_, group)) => Self::read(group.stream(), keys, errors),
            None => Self { keys, given: Vec::new() },
        }
    }

    fn group(&self, name: &str, errors: &mut Errors) -> Option<(&Argument, &Group)> {
        let argument = self.find(name)?;
        match &argument.value {
            Value::List(group) if group.stream().is_empty() => {
                let usage = self.usage(name);
                errors.add(
                    argument.tokens(),
                    format_args!("`{name}` is an empty list; write `{usage}`, or leave it out"),
                );
                None
            }
            Value::List(group) => Some((argument, group)),
            _ => {
                self.wrong_form(argument, argument.tokens(), errors);
                None
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Argument> {
        self.given.iter().find(|argument| argument.name() == name)
    }

    fn wrong_form(&self, argument: &Argument, tokens: TokenStream, errors: &mut Errors) {
        let name = argument.name();
        let usage = self.usage(&name);
        errors.add(tokens, format_args!("`{name}` is written like this: `{usage}`"));
    }

    fn usage(&self, name: &str) -> &'static str {
        self.keys.iter().find(|key| key.name == name).map_or("", |key| key.usage)
    }
}

impl Argument {
    /// `key`, `key = value` or `key(list)`.
    fn read(part: &[TokenTree]) -> Option<Self> {
        let (TokenTree::Ident(key), rest) = part.split_first()? else { return None };
        let value = match rest {
            [] => Value::Missing,
            [TokenTree::Group(group)] if group.delimiter() == proc_macro2::Delimiter::Parenthesis => {
                Value::List(group.clone())
            }
            [TokenTree::Punct(equals), value @ ..] if equals.as_char() == '=' && !value.is_empty() => {
                Value::Single(value.iter().cloned().collect())
            }
            _ => return None,
        };
        Some(Self { key: key.clone(), value })
    }

    fn name(&self) -> String {
        self.key.unraw().to_string()
    }

    /// Returns key and value, for the span of a message.
    fn tokens(&self) -> TokenStream {
        let mut tokens = self.key.to_token_stream();
        match &self.value {
            Value::Missing => {}
            Value::Single(value) => value.to_tokens(&mut tokens),
            Value::List(group) => group.to_tokens(&mut tokens),
        }
        tokens
    }
}

/// A whole number that may be negative.
pub(crate) struct Integer {
    minus: Option<Token![-]>,
    digits: LitInt,
}

impl Parse for Integer {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Self { minus: input.parse()?, digits: input.parse()? })
    }
}

impl Integer {
    /// Returns the value as an order among functions of one kind.
    pub(crate) fn order(&self, errors: &mut Errors) -> i32 {
        let sign = if self.minus.is_some() { "-" } else { "" };
        format!("{sign}{}", self.digits.base10_digits()).parse().unwrap_or_else(|_| {
            let Self { minus, digits } = self;
            let message =
                format!("`{sign}{digits}` is out of range; an order is from {} to {}", i32::MIN, i32::MAX);
            errors.add(quote!(#minus #digits), message);
            0
        })
    }
}

/// Splits at commas. A trailing comma does not start a part. An empty part is represented by its
/// comma.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    for tree in tokens {
        match &tree {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                if part.is_empty() {
                    part.push(tree);
                }
                parts.push(std::mem::take(&mut part));
            }
            _ => part.push(tree),
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Whether a name is probably a misspelt key: at most one letter in three differs.
fn is_close(key: &str, written: &str) -> bool {
    distance(key, written) * 3 <= key.len().max(written.len())
}

/// The number of letters to change, add or remove (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.bytes().enumerate() {
        let mut before = index;
        let mut last = index + 1;
        for (cell, with) in row.iter_mut().skip(1).zip(other.bytes()) {
            let changed = before + usize::from(letter != with);
            before = *cell;
            last = changed.min(*cell + 1).min(last + 1);
            *cell = last;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| format!("`{}`", key.name)).collect::<Vec<_>>().join(", ")
}

/// The usage of the first key.
fn first_usage(keys: &[Key]) -> String {
    keys.first().map(|key| format!("`{}`", key.usage)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use syn::Path;

    use super::*;

    const KEYS: &[Key] = &[
        Key { name: "path", usage: "path = \"/echo\"" },
        Key { name: "middleware", usage: "middleware(a, b)" },
        Key { name: "order", usage: "order = 10" },
    ];

    fn said(text: &str) -> Vec<String> {
        let mut errors = Errors::default();
        let args = Args::read(text.parse().expect("tokens"), KEYS, &mut errors);
        args.required::<LitStr>("path", &mut errors);
        args.list::<Path>("middleware", &mut errors);
        if let Some(order) = args.value::<Integer>("order", &mut errors) {
            order.order(&mut errors);
        }
        errors.messages()
    }

    #[test]
    fn valid_arguments_report_no_error() {
        for text in [
            r#"path = "/""#,
            r#"path = "/","#,
            r#"path = r"/", middleware(a, b::c,), order = -5"#,
            r#"order = 2147483647, r#path = "/""#,
        ] {
            assert_eq!(said(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_mistake_names_what_to_write() {
        for (text, message) in [
            ("", "missing argument `path`; add `path = \"/echo\"`"),
            (r#"path = "/", pth = "/""#, "unknown argument `pth`; did you mean `path`?"),
            (
                r#"path = "/", scope = "route""#,
                "unknown argument `scope`; expected one of `path`, `middleware`, `order`",
            ),
            (r#"path = "/", midlewares(a)"#, "unknown argument `midlewares`; did you mean `middleware`?"),
            (r#"path = "/", path = "/""#, "`path` is given twice; keep one"),
            ("path", "`path` is written like this: `path = \"/echo\"`"),
            ("path = 5", "`path` is written like this: `path = \"/echo\"`"),
            (r#"path("/")"#, "`path` is written like this: `path = \"/echo\"`"),
            (r#"path = "/" order = 1"#, "expected a `,` after the value of `path`"),
            (r#"path = "/", middleware = a"#, "`middleware` is written like this: `middleware(a, b)`"),
            (r#"path = "/", middleware("a")"#, "`middleware` is written like this: `middleware(a, b)`"),
            (
                r#"path = "/", middleware()"#,
                "`middleware` is an empty list; write `middleware(a, b)`, or leave it out",
            ),
            (r#"path = "/", order = 1.5"#, "`order` is written like this: `order = 10`"),
            (
                r#"path = "/", order = 2147483648"#,
                "`2147483648` is out of range; an order is from -2147483648 to 2147483647",
            ),
            (
                r#"path = "/", "x""#,
                "expected an argument; write one of `path`, `middleware`, `order`, such as `path = \"/echo\"`",
            ),
            (
                r#"path = "/",, order = 1"#,
                "expected an argument; write one of `path`, `middleware`, `order`, such as `path = \"/echo\"`",
            ),
        ] {
            assert_eq!(said(text), [message], "{text}");
        }
    }

    #[test]
    fn one_mistake_does_not_hide_another() {
        assert_eq!(said("path = 5, middleware(1, a, 2), order = x, what").len(), 5);
    }
}
