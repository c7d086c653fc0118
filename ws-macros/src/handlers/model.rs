//! The checked model of a block of handlers: the methods and their callbacks.
//!
//! A [`Handler`] has the right shape, and no other method has its callback. A handler with a fault
//! is left out, so that rustc still checks the others. rustc checks the types of parameters and
//! replies.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};
use syn::{Attribute, Ident, Receiver, ReceiverKind, ReturnType, Signature, Type, ext::IdentExt as _};

use super::{
    callback::Callback,
    event::EventName,
    parse::{Block, Mark, Method},
    slots::{Guard, Named, Param, Slots},
};
use crate::{
    errors::Errors,
    krate::Krate,
    signature::{self, Faults},
    source,
};

/// The contents of an implementation.
pub(super) struct Handlers {
    pub(super) krate: Krate,
    pub(super) controller: Type,
    pub(super) handlers: Vec<Handler>,
    /// The values that are kept with a connection.
    pub(super) slots: Slots,
}

/// A method that handles a callback.
pub(super) struct Handler {
    pub(super) ident: Ident,
    pub(super) callback: Callback,
    /// The names of the event; empty for other callbacks.
    pub(super) events: Vec<Event>,
    /// The callback's attribute.
    pub(super) attribute: Attribute,
    pub(super) conditions: Vec<Attribute>,
    /// The types of `errors(..)`.
    pub(super) errors: Vec<Type>,
    pub(super) guards: Vec<Guard>,
    pub(super) params: Vec<Param>,
    /// The return type; `None` stands for `()`.
    pub(super) output: Option<Named>,
    pub(super) docs: String,
}

/// The name of an event, and the constant that holds it if it is not a literal.
pub(super) struct Event {
    pub(super) name: EventName,
    /// The value of a literal.
    text: Option<String>,
    pub(super) constant: Ident,
}

impl Event {
    /// Writes the name as a literal or as its constant. A constant for each literal would cost
    /// compile time.
    pub(super) fn written(&self) -> TokenStream {
        match self.name.literal() {
            Some(literal) => literal.to_token_stream(),
            None => self.constant.to_token_stream(),
        }
    }
}

impl Handlers {
    /// Checks the parsed input; `None` if the block does not belong to a controller.
    pub(super) fn check(block: Block, errors: &mut Errors) -> Option<Self> {
        let head = &block.head;
        if let Some((path, _)) = &head.trait_ {
            let fault = "this `impl` block implements a trait; put `#[ws_handlers]` on an `impl` block without a trait";
            errors.add(path, fault);
            return None;
        }
        if !head.generics.params.is_empty() {
            let fault = "a controller is registered as one type, so it cannot be generic";
            errors.add(&head.generics, fault);
            return None;
        }
        if block.methods.is_empty() {
            let fault = r#"this block has no handler; write `#[on_event("say")]` or the like on a method"#;
            errors.add(&head.self_ty, fault);
        }
        let controller = head.self_ty.as_ref().clone();
        let mut this = Self { krate: block.krate, controller, handlers: Vec::new(), slots: Slots::default() };
        for method in block.methods {
            this.add(method, errors);
        }
        this.check_messages(errors);
        Some(this)
    }

    /// Adds a method, unless it has a mistake.
    fn add(&mut self, method: Method, errors: &mut Errors) {
        let before = errors.len();
        let Method { signature, attributes, marks, guards, is_broken } = method;
        let mut marks = marks.into_iter();
        let Some(Mark { callback, arguments, attribute }) = marks.next() else {
            if let Some(guard) = guards.first().filter(|_| !is_broken) {
                let fault = r#"this method is not a handler; write `#[on_event("say")]` or the like beside the guard"#;
                errors.add(guard, fault);
            }
            return;
        };
        for second in marks {
            let fault = format!(
                "this method is `#[{}]` already, and a method has one callback; keep one",
                callback.name()
            );
            errors.add(&second.attribute.meta, fault);
        }
        if let Some(guard) = guards.first().filter(|_| callback == Callback::Close) {
            errors.add(guard, "`#[on_close]` cannot be refused; remove the guard");
        }
        check_signature(&signature, errors);
        let conditions = source::conditions(&attributes);
        self.check_rivals(callback, &arguments.names, &attribute, &conditions, errors);
        if is_broken || errors.len() > before {
            return;
        }
        let guards = guards.into_iter().map(|path| self.slots.place_guard(path, &conditions)).collect();
        let params = self.slots.place(&signature, &conditions, &self.controller);
        let output = match &signature.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(Named::new(ty, &signature, &self.controller)),
        };
        let count = self.handlers.iter().map(|handler| handler.events.len()).sum::<usize>();
        let events = arguments.names.into_iter().zip(count..);
        let events = events.map(|(name, number)| {
            let (text, constant) = (name.text(), format_ident!("__EVENT_{number}"));
            Event { name, text, constant }
        });
        let events = events.collect();
        let docs = source::docs(&attributes);
        let ident = signature.ident;
        self.handlers.push(Handler {
            ident,
            callback,
            events,
            attribute,
            conditions,
            errors: arguments.errors,
            guards,
            params,
            output,
            docs,
        });
    }

    /// Checks that no other method has the same callback or event. Where `#[cfg(..)]` or constants
    /// decide, rustc checks it.
    fn check_rivals(
        &self,
        callback: Callback,
        events: &[EventName],
        attribute: &Attribute,
        conditions: &[Attribute],
        errors: &mut Errors,
    ) {
        let mut rivals = self.handlers.iter().filter(|other| {
            other.callback == callback && (other.conditions.is_empty() || conditions.is_empty())
        });
        if callback != Callback::Event {
            if let Some(Handler { ident, .. }) = rivals.next() {
                let fault = format!("`#[{}]` is on `{ident}` already; keep one", callback.name());
                errors.add(&attribute.meta, fault);
            }
            return;
        }
        let rivals: Vec<_> = rivals.collect();
        for literal in events.iter().filter_map(EventName::literal) {
            let text = literal.value();
            let is_same = |other: &Event| other.text.as_ref() == Some(&text);
            if let Some(Handler { ident, .. }) = rivals.iter().find(|other| other.events.iter().any(is_same))
            {
                errors.add(literal, format!("event `{text}` is handled by `{ident}` already; keep one"));
            }
        }
    }

    /// Checks that `on_message` can be called.
    fn check_messages(&self, errors: &mut Errors) {
        let always = |callback| {
            let mut all = self.handlers.iter();
            all.any(|handler| handler.callback == callback && handler.conditions.is_empty())
        };
        if !always(Callback::Text) || !always(Callback::Binary) {
            return;
        }
        for handler in self.handlers.iter().filter(|handler| handler.callback == Callback::Message) {
            let fault = "`#[on_message]` is never called beside `#[on_text]` and `#[on_binary]`; remove one of the three";
            errors.add(&handler.attribute.meta, fault);
        }
    }

    /// Returns the handlers of a callback, in order.
    pub(super) fn of(&self, callback: Callback) -> impl Iterator<Item = &Handler> {
        self.handlers.iter().filter(move |handler| handler.callback == callback)
    }

    /// The name in logs and documents.
    pub(super) fn name(&self) -> String {
        match &self.controller {
            Type::Path(ty) if ty.path.segments.len() == 1 => source::written_path(&ty.path),
            other => source::written(other),
        }
    }
}

impl Handler {
    /// The return type; `None` if it has no name.
    pub(super) fn returned(&self) -> Option<TokenStream> {
        match &self.output {
            None => Some(quote!(())),
            Some(output) if output.contains_impl => None,
            Some(output) => Some(output.inferred.clone()),
        }
    }

    /// The method's name.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

fn check_signature(signature: &Signature, errors: &mut Errors) {
    let usage = format!("a handler is `async fn {}(&self, ..)`", signature.ident);
    let mut faults = Faults::new("a handler", &usage, errors);
    faults.of_qualifiers(signature);
    faults.of_generics(signature);
    match signature.receiver() {
        Some(Receiver { mutability: None, kind: ReceiverKind::Reference(_, _, None), .. }) => {}
        Some(receiver) => {
            let fault = "a handler takes `&self`, because one instance serves all connections";
            faults.add(receiver, fault.to_owned());
        }
        None => {
            let place = signature::typed(signature).next().map_or_else(
                || signature.paren_token.span.join(),
                |first| syn::spanned::Spanned::span(&first.pat),
            );
            faults.add_at(place, "`&self` is missing".to_owned());
        }
    }
}
