//! Reads an error type: its variants, and the `#[ws_error(..)]` on each.

use proc_macro2::TokenStream;
use syn::{Attribute, Data, DeriveInput, Fields, Ident, LitInt, LitStr};

use crate::{
    args::{Args, Key},
    errors::Errors,
    krate::Krate,
};

const KEYS: &[Key] = &[
    Key { name: "code", usage: r#"code = "too_long""# },
    Key { name: "status", usage: "status = 413" },
    Key { name: "close", usage: "close = 4003" },
    Krate::KEY,
];

/// An error type.
pub(super) struct Written {
    pub(super) item: DeriveInput,
    /// The arguments on the type itself.
    pub(super) own: Option<Arguments>,
    /// The variants of an enum.
    pub(super) variants: Vec<Variant>,
    pub(super) krate: Krate,
}

/// A variant of an enum.
pub(super) struct Variant {
    pub(super) ident: Ident,
    pub(super) attributes: Vec<Attribute>,
    pub(super) arguments: Option<Arguments>,
}

/// The arguments of one `#[ws_error(..)]`.
pub(super) struct Arguments {
    pub(super) code: Option<LitStr>,
    pub(super) status: Option<LitInt>,
    pub(super) close: Option<LitInt>,
    /// The keys of the attribute, without `crate`.
    pub(super) keys: Vec<Ident>,
}

impl Written {
    /// Reads the type; fails only if the item is not a type.
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> syn::Result<Self> {
        let item: DeriveInput = syn::parse2(item)?;
        let (own, krate) = match read(&item.attrs, errors) {
            Some(args) => {
                let krate = Krate::read(&args, errors);
                (Some(Arguments::of(&args, errors)).filter(|own| !own.keys.is_empty()), krate)
            }
            None => (None, Krate::at(None)),
        };
        let mut variants = Vec::new();
        match &item.data {
            Data::Enum(data) => {
                for variant in &data.variants {
                    check_fields(&variant.fields, errors);
                    let before = errors.len();
                    let args = read(&variant.attrs, errors);
                    if let Some(key) = args.as_ref().and_then(|args| args.given("crate")) {
                        errors.add(
                            key,
                            "`crate` is on a variant; write it in the `#[ws_error(..)]` of the type",
                        );
                    }
                    let args = args.filter(|_| errors.len() == before);
                    let arguments = args.map(|args| Arguments::of(&args, errors));
                    let (ident, attributes) = (variant.ident.clone(), variant.attrs.clone());
                    variants.push(Variant { ident, attributes, arguments });
                }
            }
            Data::Struct(data) => check_fields(&data.fields, errors),
            Data::Union(data) => {
                errors.add(data.union_token, "a union cannot be an error type; write a struct or an enum")
            }
        }
        Ok(Self { item, own, variants, krate })
    }
}

/// Reads the attribute of a type or a variant, and reports a second one.
fn read(attributes: &[Attribute], errors: &mut Errors) -> Option<Args> {
    let mut ours = attributes.iter().filter(|attribute| attribute.path().is_ident("ws_error"));
    let attribute = ours.next()?;
    for second in ours {
        errors.add(second.path(), "`#[ws_error]` is given twice; keep one");
    }
    match attribute.meta.require_list() {
        Ok(list) => Some(Args::read(list.tokens.clone(), KEYS, errors)),
        Err(_) => {
            let fault = r#"`#[ws_error]` is written like this: `#[ws_error(code = "too_long")]`"#;
            errors.add(&attribute.meta, fault);
            None
        }
    }
}

fn check_fields(fields: &Fields, errors: &mut Errors) {
    let attributes = fields.iter().flat_map(|field| &field.attrs);
    for attribute in attributes.filter(|attribute| attribute.path().is_ident("ws_error")) {
        errors.add(attribute.path(), "`#[ws_error]` is on a field; put it on the variant or the struct");
    }
}

impl Arguments {
    fn of(args: &Args, errors: &mut Errors) -> Self {
        Self {
            code: args.text("code", errors),
            status: args.value("status", errors),
            close: args.value("close", errors),
            keys: ["code", "status", "close"]
                .into_iter()
                .filter_map(|key| args.given(key).cloned())
                .collect(),
        }
    }
}
