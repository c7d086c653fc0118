//! The checked model of the attribute and the signature of a middleware or an interceptor.
//!
//! A [`Layer`] has the right shape. rustc checks each of its types at the place of the type.

use std::collections::BTreeSet;

use syn::{Ident, LitStr, ReturnType, Signature, Type, ext::IdentExt as _};

use super::parse::{Arguments, Kind};
use crate::{errors::Errors, krate::Krate, signature, states::StateParam};

/// The contents of a registration.
pub(super) struct Layer {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    pub(super) scope: Scope,
    /// The places of a token that it accepts; `None` for an interceptor.
    pub(super) security: Option<Vec<Security>>,
    /// The type of the first parameter: the handshake or the callback.
    pub(super) subject: Type,
    /// The type of the parameter for the rest of the pipeline.
    pub(super) next: Type,
    /// The `State<T>` parameters.
    pub(super) extra: Vec<StateParam>,
    pub(super) output: Type,
}

/// The place where the function runs.
pub(super) enum Scope {
    /// On every request of a server; `None` stands for the default server.
    Server { server: Option<LitStr>, order: i32 },
    /// For the controllers that name it.
    Route,
}

/// A place of a token.
pub(super) enum Security {
    Bearer,
    Subprotocol,
    Cookie(String),
    Query(String),
}

impl Layer {
    /// Checks the parsed input; `None` if the signature lacks a part that the registration needs.
    pub(super) fn check(
        kind: &Kind,
        arguments: Arguments,
        signature: &Signature,
        errors: &mut Errors,
    ) -> Option<Self> {
        kind.card.check(signature, errors);
        check_values(kind, signature, errors);
        let scope = Scope::check(&arguments, errors);
        let security = arguments.security.map(|places| Security::check(&places, errors));
        let mut parameters = signature::typed(signature);
        let subject = parameters.next()?.ty.as_ref().clone();
        let next = parameters.next()?.ty.as_ref().clone();
        let extra = parameters.map(StateParam::new).collect();
        let ReturnType::Type(_, output) = &signature.output else { return None };
        let output = output.as_ref().clone();
        Some(Self {
            krate: arguments.krate,
            ident: signature.ident.clone(),
            scope,
            security,
            subject,
            next,
            extra,
            output,
        })
    }

    /// The name in logs and start errors.
    pub(super) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

impl Security {
    /// Reads the places and reports repetitions.
    fn check(places: &[LitStr], errors: &mut Errors) -> Vec<Self> {
        let mut seen = BTreeSet::new();
        let mut read = Vec::new();
        for place in places {
            let text = place.value();
            match Self::read(&text) {
                Some(security) => read.push(security),
                None => {
                    let fault = format!(
                        "`{text}` is not a place of a token; write `\"bearer\"`, `\"subprotocol\"`, `\"cookie:name\"` or \
                         `\"query:name\"`"
                    );
                    errors.add(place, fault);
                }
            }
            if !seen.insert(text.clone()) {
                errors.add(place, format_args!("`{text}` is listed twice; keep one"));
            }
        }
        read
    }

    fn read(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "bearer" => Some(Self::Bearer),
            None if text == "subprotocol" => Some(Self::Subprotocol),
            Some(("cookie", name)) if !name.is_empty() => Some(Self::Cookie(name.to_owned())),
            Some(("query", name)) if !name.is_empty() => Some(Self::Query(name.to_owned())),
            _ => None,
        }
    }
}

/// Checks that the first two parameters are values, because the function passes them on.
fn check_values(kind: &Kind, signature: &Signature, errors: &mut Errors) {
    let parameters = kind.card.parameters;
    for (parameter, usage) in signature::typed(signature).zip(parameters) {
        if matches!(*parameter.ty, Type::Reference(_)) {
            let fault =
                format!("{} takes this by value; write `{usage}`, and {}", kind.card.role, kind.passes_on);
            errors.add(&parameter.ty, fault);
        }
    }
}

impl Scope {
    fn check(arguments: &Arguments, errors: &mut Errors) -> Self {
        let order = arguments.order.as_ref().map_or(0, |order| order.order(errors));
        match &arguments.scope {
            None => Self::Server { server: arguments.server.clone(), order },
            Some(scope) if scope.value() == "route" => {
                for key in &arguments.server_wide {
                    errors.add(key, format_args!("`{key}` {}", Self::why_not(key)));
                }
                Self::Route
            }
            Some(scope) => {
                let fault = format!(
                    "unknown scope `{}`; write `\"route\"`, or leave `scope` out for every route of a server",
                    scope.value()
                );
                errors.add(scope, fault);
                Self::Route
            }
        }
    }

    /// Returns the fault of a key that has no effect with `scope = "route"`.
    fn why_not(key: &Ident) -> &'static str {
        if key == "order" {
            "has no effect with `scope = \"route\"`: the controller's list sets the order; remove one of the two"
        } else {
            "has no effect with `scope = \"route\"`: the function runs for the controllers that name it; remove one of the two"
        }
    }
}
