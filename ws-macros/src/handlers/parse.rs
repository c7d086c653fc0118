//! What stands there: an `impl` block, and the attributes of ours on its methods.
//!
//! Reading takes them off, so that what is left is the block as rustc shall see it. Whether the attributes go together, and
//! whether a method can be called, is the model's part.

use proc_macro2::TokenStream;
use syn::{
    Attribute, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Meta, Path, Signature, Token, Type,
    parenthesized,
    parse::{Parse, ParseStream},
};

use super::callback::Callback;
use crate::{
    args::{Args, Key},
    errors::Errors,
    functions,
    krate::Krate,
};

/// The events of the server itself. A client could not tell them from those of a handler.
const RESERVED: [&str; 4] = ["error", "end", "pong", "sync"];

/// The block, and those of its methods that carry something of ours.
pub(super) struct Block {
    pub(super) krate: Krate,
    /// As written, less our attributes.
    pub(super) item: ItemImpl,
    pub(super) methods: Vec<Method>,
}

/// A method with attributes of ours.
pub(super) struct Method {
    pub(super) signature: Signature,
    /// Those that are not ours.
    pub(super) attributes: Vec<Attribute>,
    /// One, if it is well written.
    pub(super) marks: Vec<Mark>,
    /// The functions of `#[guard(..)]`.
    pub(super) guards: Vec<Path>,
    /// Whether something was wrong with an attribute.
    pub(super) is_broken: bool,
}

/// A callback's attribute.
pub(super) struct Mark {
    pub(super) callback: Callback,
    /// The name of the event, where the callback has one.
    pub(super) event: Option<LitStr>,
    /// The types of `errors(..)`.
    pub(super) errors: Vec<Type>,
    pub(super) attribute: Attribute,
}

/// Reads the arguments of `#[ws_handlers]`, of which there is one.
pub(super) fn arguments(arguments: TokenStream, errors: &mut Errors) -> Krate {
    const KEYS: &[Key] = &[Krate::KEY];
    let starts_with_crate =
        arguments.clone().into_iter().next().is_none_or(|first| first.to_string() == "crate");
    if !starts_with_crate {
        let fault = "`#[ws_handlers]` takes only `crate = path::to::ws_core`; path, server and limits belong to \
                     `#[ws_controller(..)]`";
        errors.add(arguments, fault);
        return Krate::read(&Args::read(TokenStream::new(), KEYS, errors), errors);
    }
    Krate::read(&Args::read(arguments, KEYS, errors), errors)
}

impl Block {
    pub(super) fn read(item: TokenStream, krate: Krate, errors: &mut Errors) -> Option<Self> {
        let mut item: ItemImpl = match syn::parse2(item) {
            Ok(item) => item,
            Err(error) => {
                let fault = "handlers are methods of a controller; put `#[ws_handlers]` on its `impl` block";
                errors.add_at(error.span(), fault);
                return None;
            }
        };
        let methods = item
            .items
            .iter_mut()
            .filter_map(|item| match item {
                ImplItem::Fn(method) => Method::read(method, &krate, errors),
                _ => None,
            })
            .collect();
        Some(Self { krate, item, methods })
    }
}

impl Method {
    /// Takes our attributes off a method; none if there is none.
    fn read(method: &mut ImplItemFn, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let before = errors.len();
        let is_mark = |attribute: &mut Attribute| Callback::of(attribute, krate).is_some();
        let found: Vec<_> = method.attrs.extract_if(.., is_mark).collect();
        let marks = found.into_iter().filter_map(|attribute| Mark::read(attribute, krate, errors)).collect();
        let guards = functions::take_guards(&mut method.attrs, krate, errors);
        let read = Self {
            signature: method.sig.clone(),
            attributes: method.attrs.clone(),
            marks,
            guards,
            is_broken: errors.len() > before,
        };
        (read.is_broken || !read.marks.is_empty() || !read.guards.is_empty()).then_some(read)
    }
}

impl Mark {
    fn read(attribute: Attribute, krate: &Krate, errors: &mut Errors) -> Option<Self> {
        let callback = Callback::of(&attribute, krate)?;
        let mut failing = Vec::new();
        let event = if callback == Callback::Event {
            let OnEvent { name, errors: types } = Self::event(&attribute.meta, errors)?;
            failing = types;
            Some(name)
        } else {
            if !matches!(attribute.meta, Meta::Path(_)) {
                let fault = format!("`#[{}]` has no arguments", callback.name());
                errors.add(&attribute.meta, fault);
            }
            None
        };
        Some(Self { callback, event, errors: failing, attribute })
    }

    /// `on_event("say", errors(ChatError))`
    fn event(meta: &Meta, errors: &mut Errors) -> Option<OnEvent> {
        if let Meta::Path(path) = meta {
            errors.add(path, r#"the name of the event is missing; write `#[on_event("say")]`"#);
            return None;
        }
        let Ok(read) = meta.require_list().and_then(|list| list.parse_args::<OnEvent>()) else {
            let fault = r#"`#[on_event]` is written like this: `#[on_event("say")]`"#;
            match meta {
                Meta::List(list) if !list.tokens.is_empty() => errors.add(&list.tokens, fault),
                _ => errors.add(meta, fault),
            }
            return None;
        };
        let before = errors.len();
        check_event_name(&read.name, errors);
        (errors.len() == before).then_some(read)
    }
}

/// The arguments of `#[on_event(..)]`.
struct OnEvent {
    name: LitStr,
    errors: Vec<Type>,
}

impl Parse for OnEvent {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let mut errors = Vec::new();
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let key: Ident = input.parse()?;
            if key != "errors" {
                return Err(syn::Error::new(key.span(), "unknown argument"));
            }
            let types;
            parenthesized!(types in input);
            errors = types.parse_terminated(Type::parse, Token![,])?.into_iter().collect();
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(Self { name, errors })
    }
}

/// Finds out whether an event may have this name.
pub(crate) fn check_event_name(name: &LitStr, errors: &mut Errors) {
    if name.value().is_empty() {
        errors.add(name, r#"the name of the event is empty; write one, such as `"say"`"#);
    } else if RESERVED.contains(&name.value().as_str()) {
        let fault = format!(
            "`{}` is reserved: the server sends this event by itself; choose another name",
            name.value()
        );
        errors.add(name, fault);
    }
}
