//! The checked model of a controller's attribute.
//!
//! A [`Controller`] can always be registered. Everything that can be checked without types is
//! checked here. rustc checks that the middleware exist, that fields have a default, and that the
//! struct implements the trait.

use std::collections::BTreeSet;

use syn::{Attribute, Ident, LitStr, Member, Path, Type, ext::IdentExt as _};

use super::{
    compression::Compression,
    limits::Limits,
    parse::{Arguments, Controller as Written, RoutePath, Source},
};
use crate::{errors::Errors, krate::Krate, route_path, source};

/// The contents of a registration.
pub(super) struct Controller {
    pub(super) krate: Krate,
    pub(super) ident: Ident,
    pub(super) docs: String,
    pub(super) path: RoutePath,
    /// `None` stands for the struct's identifier.
    pub(super) name: Option<LitStr>,
    /// `None` stands for the default server.
    pub(super) server: Option<LitStr>,
    pub(super) middleware: Vec<Path>,
    pub(super) interceptors: Vec<Path>,
    /// Called in the handshake, in this order.
    pub(super) guards: Vec<Path>,
    pub(super) subprotocols: Vec<LitStr>,
    pub(super) subprotocol_mismatch: Mismatch,
    /// `None` keeps the server's setting.
    pub(super) trailing_slash: Option<TrailingSlash>,
    /// The event types that it sends unasked.
    pub(super) emits: Vec<Type>,
    pub(super) limits: Limits,
    pub(super) compression: Compression,
    pub(super) shape: Shape,
    pub(super) fields: Vec<Field>,
}

/// The treatment of a client that offers only subprotocols that the route does not support.
#[derive(Clone, Copy)]
pub(super) enum Mismatch {
    Accept,
    Refuse,
}

/// Whether a trailing `/` makes another path.
#[derive(Clone, Copy)]
pub(super) enum TrailingSlash {
    Exact,
    Either,
}

/// The syntax that constructs the struct.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Unit,
    Tuple,
    Named,
}

/// A field and the source of its value.
pub(super) struct Field {
    pub(super) member: Member,
    pub(super) ty: Type,
    pub(super) source: Source,
    pub(super) conditions: Vec<Attribute>,
}

impl Controller {
    /// Checks the parsed input; `None` without a path.
    pub(super) fn check(arguments: Arguments, written: &Written, errors: &mut Errors) -> Option<Self> {
        let item = &written.item;
        if !item.generics.params.is_empty() {
            let fault = "a controller is registered as one type, so it cannot be generic; \
                         name the types of its fields";
            errors.add(&item.generics, fault);
        }
        check_subprotocols(&arguments.subprotocols, errors);
        check_emits(&arguments.emits, errors);
        let subprotocol_mismatch = Mismatch::of(arguments.subprotocol_mismatch.as_ref(), errors);
        let trailing_slash = TrailingSlash::of(arguments.trailing_slash.as_ref(), errors);
        let path = arguments.path?;
        // A constant is checked when the application starts, like the path of a route added by
        // hand.
        if let RoutePath::Literal(literal) = &path {
            for fault in route_path::faults(&literal.value()) {
                errors.add(literal, fault);
            }
        }
        Some(Self {
            krate: arguments.krate,
            ident: item.ident.clone(),
            docs: source::docs(&item.attrs),
            path,
            name: arguments.name,
            server: arguments.server,
            middleware: arguments.middleware,
            interceptors: arguments.interceptors,
            guards: written.guards.clone(),
            subprotocols: arguments.subprotocols,
            subprotocol_mismatch,
            trailing_slash,
            emits: arguments.emits,
            limits: arguments.limits,
            compression: arguments.compression,
            shape: Shape::of(&item.fields),
            fields: fields(written),
        })
    }

    /// The name in logs, in start errors and for rooms.
    pub(super) fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| self.ident.unraw().to_string(), LitStr::value)
    }
}

impl Mismatch {
    fn of(written: Option<&LitStr>, errors: &mut Errors) -> Self {
        let Some(written) = written else { return Self::Accept };
        match written.value().as_str() {
            "accept" => Self::Accept,
            "refuse" => Self::Refuse,
            other => {
                errors.add(
                    written,
                    format_args!("unknown value `{other}`; write `\"accept\"` or `\"refuse\"`"),
                );
                Self::Accept
            }
        }
    }
}

impl TrailingSlash {
    fn of(written: Option<&LitStr>, errors: &mut Errors) -> Option<Self> {
        let written = written?;
        match written.value().as_str() {
            "exact" => Some(Self::Exact),
            "either" => Some(Self::Either),
            other => {
                let fault = format_args!("unknown value `{other}`; write `\"exact\"` or `\"either\"`");
                errors.add(written, fault);
                None
            }
        }
    }
}

impl Shape {
    fn of(fields: &syn::Fields) -> Self {
        match fields {
            syn::Fields::Unit => Self::Unit,
            syn::Fields::Unnamed(_) => Self::Tuple,
            syn::Fields::Named(_) => Self::Named,
        }
    }
}

/// Checks that each subprotocol is a token and is listed once (RFC 6455 section 4.1, point 10).
fn check_subprotocols(subprotocols: &[LitStr], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for literal in subprotocols {
        let name = literal.value();
        if name.is_empty() {
            errors.add(literal, "a subprotocol has a name; write one, such as `\"chat.v1\"`");
        } else if let Some(foreign) = name.chars().find(|character| !is_token(*character)) {
            let fault = format!(
                "`{}` in a subprotocol; write letters, digits and any of !#$%&'*+-.^_`|~ only",
                foreign.escape_debug()
            );
            errors.add(literal, fault);
        } else if seen.contains(&name) {
            errors.add(literal, format_args!("subprotocol `{name}` is listed twice; keep one"));
        }
        seen.insert(name);
    }
}

/// Checks that each event type is listed once.
fn check_emits(emits: &[Type], errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for event in emits {
        let name = source::written(event);
        if !seen.insert(name.clone()) {
            errors.add(event, format_args!("event type `{name}` is listed twice; keep one"));
        }
    }
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

fn fields(written: &Written) -> Vec<Field> {
    written
        .item
        .fields
        .iter()
        .zip(&written.sources)
        .zip(written.item.fields.members())
        .map(|((field, source), member)| Field {
            member,
            ty: field.ty.clone(),
            source: *source,
            conditions: source::conditions(&field.attrs),
        })
        .collect()
}
