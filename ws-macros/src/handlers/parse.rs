//! Reads an `impl` block, and the attributes of this crate on its methods.
//!
//! Reading removes the attributes, so that rustc gets the block without them. The bodies of methods
//! are passed on unread: rustc reads them anyway, and reading them here costs compile time. The
//! model checks the combination of attributes and the signatures.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, ImplItem, ItemImpl, Meta, Path, Signature, Token,
    parse::{Parse, ParseStream, discouraged::Speculative as _},
    parse_quote,
    punctuated::Punctuated,
};

use super::{callback::Callback, event::EventArguments};
use crate::{
    args::{Args, Key},
    errors::Errors,
    functions,
    krate::Krate,
    signature::Function,
};

/// The block, and the methods that have attributes of this crate.
pub(super) struct Block {
    pub(super) krate: Krate,
    /// The block without its content.
    pub(super) head: ItemImpl,
    /// The block without the attributes of this crate.
    pub(super) item: TokenStream,
    pub(super) methods: Vec<Method>,
}

/// The content of a block.
struct Content {
    /// Its inner attributes.
    attributes: Vec<Attribute>,
    items: Vec<Item>,
}

/// An item of a block. The body of a function is not read.
enum Item {
    Function(Box<Function>),
    Other(TokenStream),
}

/// A method that has attributes of this crate.
pub(super) struct Method {
    pub(super) signature: Signature,
    /// The other attributes.
    pub(super) attributes: Vec<Attribute>,
    /// The callbacks' attributes: one, if the method is correct.
    pub(super) marks: Vec<Mark>,
    /// The functions of `#[guard(..)]`.
    pub(super) guards: Vec<Path>,
    /// Whether an attribute has a mistake.
    pub(super) is_broken: bool,
}

/// A callback's attribute.
pub(super) struct Mark {
    pub(super) callback: Callback,
    /// The arguments of `#[on_event(..)]`; empty for other callbacks.
    pub(super) arguments: EventArguments,
    pub(super) attribute: Attribute,
}

/// Reads the arguments of `#[ws_handlers]`: `crate`, or none.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) -> Krate {
    const KEYS: &[Key] = &[Krate::KEY];
    let starts_with_crate =
        arguments.clone().into_iter().next().is_none_or(|first| first.to_string() == "crate");
    if !starts_with_crate {
        let fault = "`#[ws_handlers]` takes only `crate = path::to::ws_core`; write the other arguments in \
                     `#[ws_controller(..)]`";
        errors.add(arguments, fault);
        return Krate::read(&Args::read(TokenStream::new(), KEYS, errors), errors);
    }
    Krate::read(&Args::read(arguments, KEYS, errors), errors)
}

impl Block {
    pub(super) fn read(item: TokenStream, krate: Krate, errors: &mut Errors) -> Option<Self> {
        let mut header: Vec<TokenTree> = item.into_iter().collect();
        let is_block = header.iter().any(|tree| matches!(tree, TokenTree::Ident(word) if word == "impl"));
        let braces = match header.pop() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group),
            other => {
                header.extend(other);
                None
            }
        };
        let empty = braces.as_ref().map(|braces| around(braces, TokenStream::new()));
        let content = braces.as_ref().map(Group::stream).unwrap_or_default();
        let head = syn::parse2::<ItemImpl>(quote!(#(#header)* #empty));
        let read = head.and_then(|head| Ok((head, syn::parse2::<Content>(content)?)));
        let (head, mut content) = match read {
            Ok(read) => read,
            Err(error) if is_block => {
                errors.add_at(error.span(), format_args!("this block cannot be read: {error}"));
                return None;
            }
            Err(error) => {
                let fault =
                    "this is not an `impl` block; put `#[ws_handlers]` on the `impl` block of a controller";
                errors.add_at(error.span(), fault);
                return None;
            }
        };
        let functions = content.items.iter_mut().filter_map(|item| match item {
            Item::Function(function) => Some(function),
            Item::Other(_) => None,
        });
        let methods = functions.filter_map(|function| Method::read(function, &krate, errors)).collect();
        let braces = braces.map(|braces| around(&braces, content.to_token_stream()));
        Some(Self { krate, head, item: quote!(#(#header)* #braces), methods })
    }
}

/// Returns the same braces around other tokens.
fn around(braces: &Group, tokens: TokenStream) -> Group {
    let mut group = Group::new(Delimiter::Brace, tokens);
    group.set_span(braces.span());
    group
}

impl Parse for Content {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_inner)?;
        let mut items = Vec::new();
        while !input.is_empty() {
            items.push(input.parse()?);
        }
        Ok(Self { attributes, items })
    }
}

impl ToTokens for Content {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attributes, items } = self;
        tokens.extend(quote!(#(#attributes)* #(#items)*));
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ahead = input.fork();
        if let Ok(function) = ahead.parse() {
            input.advance_to(&ahead);
            return Ok(Self::Function(function));
        }
        input.parse().map(|item: ImplItem| Self::Other(item.into_token_stream()))
    }
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Function(function) => function.to_tokens(tokens),
            Self::Other(item) => item.to_tokens(tokens),
        }
    }
}

impl Method {
    /// Removes the attributes from a method; `None` if it has none.
    fn read(method: &mut Function, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let before = errors.len();
        refuse_conditional(&mut method.attributes, krate, errors);
        let is_mark = |attribute: &mut Attribute| Callback::of(attribute, krate).is_some();
        let found: Vec<_> = method.attributes.extract_if(.., is_mark).collect();
        let marks = found.into_iter().filter_map(|attribute| Mark::read(attribute, krate, errors)).collect();
        let guards = functions::take_guards(&mut method.attributes, krate, errors);
        let read = Self {
            signature: method.signature.clone(),
            attributes: method.attributes.clone(),
            marks,
            guards,
            is_broken: errors.len() > before,
        };
        (read.is_broken || !read.marks.is_empty() || !read.guards.is_empty()).then_some(read)
    }
}

/// Reports and removes attributes inside `cfg_attr`. rustc evaluates `cfg_attr` after this block is
/// read.
fn refuse_conditional(attributes: &mut Vec<Attribute>, krate: &Krate, errors: &mut Errors) {
    attributes.retain(|attribute| {
        let before = errors.len();
        if attribute.path().is_ident("cfg_attr")
            && let Ok(list) = attribute.meta.require_list()
            && let Ok(metas) = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        {
            metas.into_iter().for_each(|meta| check_conditional(meta, krate, errors));
        }
        errors.len() == before
    });
}

fn check_conditional(meta: Meta, krate: &Krate, errors: &mut Errors) {
    let attribute: Attribute = parse_quote!(#[#meta]);
    let name = match Callback::of(&attribute, krate) {
        Some(callback) => callback.name(),
        None if krate.exports(&attribute, "guard") => "guard",
        None => return,
    };
    let fault = format!(
        "`#[{name}]` is inside `cfg_attr`; write it alone, and the condition as `#[cfg(..)]` on the method"
    );
    errors.add(meta, fault);
}

impl Mark {
    fn read(attribute: Attribute, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let callback = Callback::of(&attribute, krate)?;
        let arguments = if callback == Callback::Event {
            EventArguments::read(&attribute.meta, errors)?
        } else {
            if !matches!(attribute.meta, Meta::Path(_)) {
                let fault = format!("`#[{}]` has no arguments", callback.name());
                errors.add(&attribute.meta, fault);
            }
            EventArguments::default()
        };
        Some(Self { callback, arguments, attribute })
    }
}
