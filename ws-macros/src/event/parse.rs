//! Reads a type and its `#[ws_event(..)]`. The model checks the combination of the arguments.

use proc_macro2::TokenStream;
use syn::{
    Attribute, DeriveInput, Expr, Ident, Path, Token, Type,
    ext::IdentExt as _,
    parse::{Parse, ParseStream},
};

use crate::errors::Errors;

/// The usage of the attribute.
const USAGE: &str = r#"`#[ws_event]` is written like this: `#[ws_event("say", reply = Said)]`"#;

/// A type and its attribute.
pub(super) struct Written {
    pub(super) item: DeriveInput,
    pub(super) arguments: Option<Arguments>,
}

/// The arguments of `#[ws_event(..)]`.
#[derive(Default)]
pub(super) struct Arguments {
    /// The first argument, a constant expression.
    pub(super) name: Option<Expr>,
    pub(super) reply: Option<Given<Type>>,
    pub(super) stream: Option<Given<Type>>,
    pub(super) answer: Option<Given<Type>>,
    pub(super) krate: Option<Given<Path>>,
}

/// A value and its key.
pub(super) struct Given<T> {
    pub(super) key: Ident,
    pub(super) value: T,
}

impl Written {
    /// Reads the type; fails only if the item is not a type.
    pub(super) fn read(item: TokenStream, errors: &mut Errors) -> syn::Result<Self> {
        let item: DeriveInput = syn::parse2(item)?;
        let mut attributes = item.attrs.iter().filter(|attribute| attribute.path().is_ident("ws_event"));
        let arguments = match attributes.next() {
            Some(attribute) => Arguments::read(attribute, errors),
            None => {
                let fault = r#"the name of the event is missing; write `#[ws_event("name")]` on the type"#;
                errors.add(&item.ident, fault);
                None
            }
        };
        for second in attributes {
            errors.add(second.path(), "`#[ws_event]` is given twice; keep one");
        }
        Ok(Self { item, arguments })
    }
}

impl Arguments {
    fn read(attribute: &Attribute, errors: &mut Errors) -> Option<Self> {
        let Ok(list) = attribute.meta.require_list() else {
            errors.add(&attribute.meta, USAGE);
            return None;
        };
        match syn::parse2(list.tokens.clone()) {
            Ok(Parsed { arguments, faults }) => {
                faults.into_iter().for_each(|fault| errors.push(fault));
                Some(arguments)
            }
            Err(_) => {
                errors.add(&list.tokens, USAGE);
                None
            }
        }
    }
}

/// The arguments, and the faults of unknown or repeated keys.
struct Parsed {
    arguments: Arguments,
    faults: Vec<syn::Error>,
}

impl Parse for Parsed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut arguments, mut faults) = (Arguments::default(), Vec::new());
        let is_key = |input: ParseStream<'_>| input.peek(Ident::peek_any) && input.peek2(Token![=]);
        if !input.is_empty() && !is_key(input) {
            arguments.name = Some(input.parse()?);
            end_of_argument(input)?;
        }
        while !input.is_empty() {
            let key = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            let name = key.to_string();
            let is_second = match name.as_str() {
                "reply" => put(&mut arguments.reply, &key, input)?,
                "stream" => put(&mut arguments.stream, &key, input)?,
                "answer" => put(&mut arguments.answer, &key, input)?,
                "crate" => put(&mut arguments.krate, &key, input)?,
                _ => {
                    input.parse::<Type>()?;
                    let fault = format!(
                        "unknown argument `{name}`; expected one of `reply`, `stream`, `answer`, `crate`"
                    );
                    faults.push(syn::Error::new(key.span(), fault));
                    false
                }
            };
            if is_second {
                faults.push(syn::Error::new(key.span(), format!("`{name}` is given twice; keep one")));
            }
            end_of_argument(input)?;
        }
        Ok(Self { arguments, faults })
    }
}

/// Reads a value. Returns whether the argument is a repetition.
fn put<T: Parse>(slot: &mut Option<Given<T>>, key: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    let value = input.parse()?;
    let is_second = slot.is_some();
    slot.get_or_insert(Given { key: key.clone(), value });
    Ok(is_second)
}

fn end_of_argument(input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    Ok(())
}
