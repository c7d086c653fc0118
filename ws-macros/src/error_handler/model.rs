//! What an error handler's attribute and signature mean.
//!
//! Both parameters are shared references; the type behind the first is what the handler is for. Whether it is an error
//! is left to rustc.

use quote::quote;
use syn::{Ident, LitStr, PatType, ReturnType, Signature, Type, TypeReference, ext::IdentExt as _};

use super::parse::{Arguments, CARD};
use crate::{errors::Errors, krate::Krate, signature, source, states::StateParam};

/// A registration to be written.
pub(super) struct ErrorHandler {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    /// `None` serves all.
    pub(super) server: Option<LitStr>,
    pub(super) order: i32,
    /// What the handler is for.
    pub(super) error: Type,
    /// The type of the second parameter.
    pub(super) scene: Type,
    /// What is resolved from the state.
    pub(super) extra: Vec<StateParam>,
    pub(super) output: Type,
}

impl ErrorHandler {
    /// Judges what was read; `None` if the signature has not the parts that a registration speaks of.
    pub(super) fn check(arguments: Arguments, signature: &Signature, errors: &mut Errors) -> Option<Self> {
        CARD.check(signature, errors);
        let order = arguments.order.as_ref().map_or(0, |order| order.order(errors));
        let mut parameters = signature::typed(signature);
        let error = parameters.next().map(|parameter| behind_reference(parameter, errors));
        let scene =
            parameters.next().map(|parameter| behind_reference(parameter, errors).map(|_| &*parameter.ty));
        let extra = parameters.map(StateParam::new).collect();
        let error = error??.clone();
        if let Type::TraitObject(object) = &error {
            errors.add(object, "an error handler is for one type; to catch all, write `ws_core::Error`");
        }
        let ReturnType::Type(_, output) = &signature.output else { return None };
        Some(Self {
            krate: arguments.krate,
            ident: signature.ident.clone(),
            server: arguments.server,
            order,
            error,
            scene: scene??.clone(),
            extra,
            output: output.as_ref().clone(),
        })
    }

    /// The name in logs and start errors.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    /// The handled type as written.
    pub(super) fn error_name(&self) -> String {
        source::written(&self.error)
    }
}

/// `T` of `&T`.
fn behind_reference<'p>(parameter: &'p PatType, errors: &mut Errors) -> Option<&'p Type> {
    match bare(&parameter.ty) {
        Type::Reference(TypeReference { mutability: None, elem, .. }) => Some(bare(elem)),
        Type::Reference(TypeReference { and_token, mutability, elem, .. }) => {
            let fault = format!("an error handler only reads; write `&{}`", source::written(elem));
            errors.add(quote!(#and_token #mutability), fault);
            None
        }
        other => {
            let fault = format!("an error handler borrows what it gets; write `&{}`", source::written(other));
            errors.add(other, fault);
            None
        }
    }
}

/// A type less its parentheses and the invisible ones of a macro.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}
