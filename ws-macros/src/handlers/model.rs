//! What the callbacks of a block mean: each with its parameters, and what is kept for them.
//!
//! A [`Handlers`] that exists can be written down as an `impl Controller`. Whether the parameters' types are parameters,
//! and what is returned is a reply, is left to rustc, which is asked at the place of each.

use std::collections::HashMap;

use proc_macro2::{Group, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, GenericParam, Ident, ItemImpl, LitStr, PatType, Path, ReceiverKind, ReturnType, Safety,
    Signature, Type, spanned::Spanned as _,
};

use super::{
    callback::Callback,
    parse::{Block, Method},
};
use crate::{errors::Errors, signature, source};

/// An `impl Controller` to be written.
pub(super) struct Handlers {
    pub(super) ty: Type,
    pub(super) handlers: Vec<Handler>,
    /// What is kept with a connection, one for each distinct type.
    pub(super) slots: Vec<Slot>,
}

/// One callback.
pub(super) struct Handler {
    pub(super) callback: Callback,
    /// That of `#[on_event(..)]`.
    pub(super) event: Option<LitStr>,
    pub(super) method: Ident,
    pub(super) guards: Vec<Path>,
    pub(super) conditions: Vec<Attribute>,
    pub(super) docs: String,
    pub(super) params: Vec<Param>,
    /// What it returns; `None` for nothing.
    pub(super) output: Option<Type>,
}

/// A parameter of a callback.
pub(super) struct Param {
    pub(super) ty: Type,
    /// The same where the method's own lifetimes are not known.
    pub(super) elided_ty: TokenStream,
    pub(super) conditions: Vec<Attribute>,
    /// Its place among the slots.
    pub(super) slot: usize,
}

/// What is kept for parameters of one type.
pub(super) struct Slot {
    /// The type as written, for its place.
    pub(super) ty: Type,
    /// The same where no lifetime can be elided.
    pub(super) static_ty: TokenStream,
    pub(super) conditions: Vec<Attribute>,
}

impl Slot {
    pub(super) fn field(number: usize) -> Ident {
        format_ident!("p{number}", span = proc_macro2::Span::mixed_site())
    }
}

impl Handlers {
    /// Judges what was read; callbacks that are broken are left out.
    pub(super) fn check(block: &Block, errors: &mut Errors) -> Self {
        check_block(&block.item, errors);
        let ty = block.item.self_ty.as_ref().clone();
        let mut slots = Slots::default();
        let handlers =
            block.methods.iter().filter_map(|method| handler(method, &ty, &mut slots, errors)).collect();
        let handlers = Self { ty, handlers, slots: slots.list };
        handlers.check_repeated(errors);
        handlers.check_left_over(errors);
        handlers
    }

    pub(super) fn of(&self, callback: Callback) -> impl Iterator<Item = &Handler> {
        self.handlers.iter().filter(move |handler| handler.callback == callback)
    }

    /// Each callback stands once, each event once. Two under `#[cfg(..)]` may exclude each other.
    fn check_repeated(&self, errors: &mut Errors) {
        let mut seen: HashMap<String, &Ident> = HashMap::new();
        for handler in self.handlers.iter().filter(|handler| handler.conditions.is_empty()) {
            let (key, what) = match &handler.event {
                Some(event) => (format!("event {}", event.value()), format!("event `{}`", event.value())),
                None => (handler.callback.name().to_owned(), format!("`#[{}]`", handler.callback.name())),
            };
            if let Some(first) = seen.get(&key) {
                let fault = format!("{what} is handled by `{first}` already; keep one");
                match &handler.event {
                    Some(event) => errors.add(event, fault),
                    None => errors.add(&handler.method, fault),
                }
            } else {
                seen.insert(key, &handler.method);
            }
        }
    }

    /// `#[on_message]` gets what the more special ones leave.
    fn check_left_over(&self, errors: &mut Errors) {
        let has = |callback| self.of(callback).any(|handler| handler.conditions.is_empty());
        if has(Callback::Text)
            && has(Callback::Binary)
            && let Some(message) = self.of(Callback::Message).next()
        {
            errors.add(
                &message.method,
                "nothing is left for `#[on_message]` beside `#[on_text]` and `#[on_binary]`; leave one of the three out",
            );
        }
    }
}

fn check_block(item: &ItemImpl, errors: &mut Errors) {
    if let Some((path, _)) = &item.trait_ {
        errors.add(
            path,
            "`#[ws_handlers]` writes `impl Controller` by itself; put it on an `impl` block without a trait",
        );
    }
    if !item.generics.params.is_empty() {
        errors
            .add(&item.generics, "a controller is registered as one type, so its handlers cannot be generic");
    }
}

fn handler(method: &Method, ty: &Type, slots: &mut Slots, errors: &mut Errors) -> Option<Handler> {
    let Some(mark) = method.marks.first() else {
        errors.add(
            &method.signature.ident,
            "a guard goes with a callback; add one, such as `#[on_event(\"say\")]`, or take the guard away",
        );
        return None;
    };
    if let Some(second) = method.marks.get(1) {
        let fault = format!(
            "this method is `#[{}]` already; write another method for `#[{}]`",
            mark.callback.name(),
            second.callback.name()
        );
        errors.add(&second.attribute.meta, fault);
    }
    check_signature(&method.signature, mark.callback, errors);
    if mark.callback == Callback::Event && mark.event.is_none() {
        return None;
    }
    let params = signature::typed(&method.signature).map(|param| {
        let conditions = source::conditions(&param.attrs);
        let slot = slots.of(&param.ty, ty, &method.conditions, &conditions);
        let elided_ty = with_lifetimes(param.ty.to_token_stream(), ty, "'_");
        Param { ty: param.ty.as_ref().clone(), elided_ty, conditions, slot }
    });
    Some(Handler {
        callback: mark.callback,
        event: mark.event.clone(),
        method: method.signature.ident.clone(),
        guards: method.guards.clone(),
        conditions: method.conditions.clone(),
        docs: method.docs.clone(),
        params: params.collect(),
        output: match &method.signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, output) => Some(output.as_ref().clone()),
        },
    })
}

/// A callback is `async fn name(&self, ..)`.
fn check_signature(signature: &Signature, callback: Callback, errors: &mut Errors) {
    let name = &signature.ident;
    let usage = format!("write `async fn {name}(&self, ..)`");
    if signature.asyncness.is_none() {
        errors.add(signature.fn_token, format_args!("`{name}` is not `async`; {usage}"));
    }
    if let Safety::Unsafe(token) = &signature.safety {
        errors.add(token, "a handler is not `unsafe`");
    }
    if let Some(abi) = &signature.abi {
        errors.add(abi, "a handler has no other ABI than Rust's");
    }
    match signature.receiver() {
        None => errors.add(
            name,
            format_args!(
                "`{name}` does not take `&self`, the controller that serves all connections; {usage}"
            ),
        ),
        Some(receiver) => match &receiver.kind {
            ReceiverKind::Reference(_, _, None) => {}
            _ => errors.add(
                receiver,
                format_args!("one controller serves all connections, so a handler takes `&self`; {usage}"),
            ),
        },
    }
    for parameter in &signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let fault = format!("what `#[{}]` calls cannot be generic; name the type", callback.name());
            errors.add(parameter, fault);
        }
    }
    for PatType { ty, .. } in signature::typed(signature) {
        if let Some(place) = source::find_impl(ty.to_token_stream()) {
            errors.add_at(place, "a handler cannot be generic; name the type of this parameter");
        }
    }
}

/// What is kept, one slot for each type. `&T` and `T` share one; so do only those that come and go together.
#[derive(Default)]
struct Slots {
    list: Vec<Slot>,
    by_type: HashMap<String, usize>,
}

impl Slots {
    fn of(&mut self, ty: &Type, this: &Type, method: &[Attribute], own: &[Attribute]) -> usize {
        let behind = match ty {
            Type::Reference(reference) => reference.elem.to_token_stream(),
            other => other.to_token_stream(),
        };
        let conditions: Vec<Attribute> = method.iter().chain(own).cloned().collect();
        let key = quote!(#behind #(#conditions)*).to_string();
        if let Some(slot) = self.by_type.get(&key) {
            return *slot;
        }
        let slot = self.list.len();
        let static_ty = with_lifetimes(ty.to_token_stream(), this, "'static");
        self.list.push(Slot { ty: ty.clone(), static_ty, conditions });
        self.by_type.insert(key, slot);
        slot
    }
}

/// The type with this lifetime for each of its own, and the controller for `Self`: as a type that is named outside of the
/// method. What stands behind `fn`, `Fn` and `for` has lifetimes of its own and stays.
fn with_lifetimes(tokens: TokenStream, this: &Type, lifetime: &str) -> TokenStream {
    let mut written = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let at = |place| syn::Lifetime::new(lifetime, place).to_token_stream();
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Punct(tick) if tick.as_char() == '\'' => {
                written.extend(at(tokens.next().map_or(tick.span(), |name| name.span())));
            }
            TokenTree::Punct(and) if and.as_char() == '&' => {
                let place = and.span();
                written.extend([TokenTree::Punct(and)]);
                if !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'') {
                    written.extend(at(place));
                }
            }
            TokenTree::Ident(ident) if ident == "Self" => written.extend(this.to_token_stream()),
            TokenTree::Ident(ident) if has_lifetimes_of_its_own(&ident) => {
                written.extend([TokenTree::Ident(ident)]);
                written.extend(tokens);
                return written;
            }
            TokenTree::Group(group) => {
                let inner = with_lifetimes(group.stream(), this, lifetime);
                let mut inner = Group::new(group.delimiter(), inner);
                inner.set_span(group.span());
                written.extend([TokenTree::Group(inner)]);
            }
            other => written.extend([other]),
        }
    }
    written
}

fn has_lifetimes_of_its_own(ident: &Ident) -> bool {
    ["fn", "Fn", "FnMut", "FnOnce", "AsyncFn", "AsyncFnMut", "AsyncFnOnce", "for"]
        .iter()
        .any(|name| ident == name)
}

/// Where something of the user's begins.
pub(super) fn place(tokens: &impl ToTokens) -> proc_macro2::Span {
    source::at(tokens.span())
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn a_type_outlasts_its_method() {
        let this: Type = parse_quote!(Room);
        for (written, kept) in [
            (quote!(&Path<RoomId>), quote!(&'static Path<RoomId>)),
            (quote!(&'a Path<&'b str>), quote!(&'static Path<&'static str>)),
            (quote!(Data<Say<'_>>), quote!(Data<Say<'static>>)),
            (quote!(Option<(&str, [&u8; 2])>), quote!(Option<(&'static str, [&'static u8; 2])>)),
            (quote!(Context<Self>), quote!(Context<Room>)),
            (
                quote!(State<Arc<dyn Fn(&str) -> &str + Send>>),
                quote!(State<Arc<dyn Fn(&str) -> &str + Send>>),
            ),
        ] {
            assert_eq!(with_lifetimes(written, &this, "'static").to_string(), kept.to_string());
        }
    }
}
