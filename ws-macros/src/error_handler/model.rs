//! The checked model of an error handler's attribute and signature.
//!
//! Both parameters are shared references. The type behind the first one is the handled type; rustc
//! checks that it is an error.

use quote::quote;
use syn::{Ident, LitStr, PatType, ReturnType, Signature, Type, TypeReference, ext::IdentExt as _};

use super::parse::{Arguments, CARD};
use crate::{errors::Errors, krate::Krate, signature, source, states::StateParam};

/// The contents of a registration.
pub(super) struct ErrorHandler {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    /// `None` stands for all servers.
    pub(super) server: Option<LitStr>,
    pub(super) order: i32,
    /// The handled type.
    pub(super) error: Type,
    /// The type of the second parameter.
    pub(super) scene: Type,
    /// The `State<T>` parameters.
    pub(super) extra: Vec<StateParam>,
    pub(super) output: Type,
}

impl ErrorHandler {
    /// Checks the parsed input; `None` if the signature lacks a part that the registration needs.
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
            errors.add(object, "an error handler cannot handle a trait object; write one type, or `ws_core::Error` to catch all");
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

/// Returns `T` of `&T`; reports any other type.
fn behind_reference<'p>(parameter: &'p PatType, errors: &mut Errors) -> Option<&'p Type> {
    match bare(&parameter.ty) {
        Type::Reference(TypeReference { mutability: None, elem, .. }) => Some(bare(elem)),
        Type::Reference(TypeReference { and_token, mutability, elem, .. }) => {
            let fault = format!(
                "an error handler takes this by shared reference; write `&{}`",
                source::written(elem)
            );
            errors.add(quote!(#and_token #mutability), fault);
            None
        }
        other => {
            let fault = format!(
                "an error handler takes this by shared reference; write `&{}`",
                source::written(other)
            );
            errors.add(other, fault);
            None
        }
    }
}

/// Returns a type without its parentheses and the invisible groups of a macro.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}
