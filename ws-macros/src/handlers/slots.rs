//! The values that are kept with a connection. Each parameter type of a block has a slot, and so
//! has each of its guards. The slots are filled once, before the 101.
//!
//! Parameters of one type share a slot. `T` and `&T` have separate slots, because a type may be a
//! parameter in both forms and keep a different value for each. The slots of references are filled
//! first, so that values can be copied from them. Types are named in expressions only, where rustc
//! infers lifetimes, so that little of them must be rewritten: [`inferred`]. `Data<T>` has no slot.

use std::collections::VecDeque;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, GenericParam, Lifetime, Path, Signature, Type, TypeReference};

use crate::{signature, source};

/// A parameter of a handler.
pub(super) struct Param {
    pub(super) ty: Named,
    pub(super) conditions: Vec<Attribute>,
    /// The index of its slot; `None` for a type that keeps nothing.
    pub(super) slot: Option<usize>,
}

/// A guard of a handler.
pub(super) struct Guard {
    pub(super) path: Path,
    /// The index of its slot.
    pub(super) slot: usize,
}

/// A type of a method's signature. All of this is found at once, because each reading of a type
/// costs compile time.
pub(super) struct Named {
    /// The type as written.
    pub(super) text: String,
    /// The spans of its first and its last token.
    pub(super) ends: (Span, Span),
    /// The type as code outside of the method can name it.
    pub(super) inferred: TokenStream,
    /// Whether the type contains `impl Trait`, so that it has no name.
    pub(super) contains_impl: bool,
}

/// All slots of a block.
#[derive(Default)]
pub(super) struct Slots(Vec<Slot>);

/// The kept value for the parameters of one type, or for those of one guard.
pub(super) struct Slot {
    key: String,
    pub(super) source: Source,
    /// The conditions of each parameter, or of each method with the guard.
    users: Vec<Vec<Attribute>>,
}

/// The origin of a slot's type.
pub(super) enum Source {
    /// The type of the first parameter, as [`Named::inferred`].
    Param(TokenStream),
    /// The function's path; rustc infers the types of its parameters.
    Guard(Path),
}

impl Slots {
    /// Assigns a slot to each parameter of a method.
    pub(super) fn place(
        &mut self,
        signature: &Signature,
        conditions: &[Attribute],
        controller: &Type,
    ) -> Vec<Param> {
        let params = signature::typed(signature).map(|parameter| {
            let ty = Named::new(&parameter.ty, signature, controller);
            let own = source::conditions(&parameter.attrs);
            let conditions = conditions.iter().chain(&own).cloned().collect();
            let slot = (!keeps_nothing(&parameter.ty))
                .then(|| self.slot(ty.key(), || Source::Param(ty.inferred.clone()), conditions));
            Param { ty, conditions: own, slot }
        });
        params.collect()
    }

    /// Assigns a slot to a guard of a method.
    pub(super) fn place_guard(&mut self, path: Path, conditions: &[Attribute]) -> Guard {
        let key = format!("fn {}", source::written_path(&path));
        let slot = self.slot(key, || Source::Guard(path.clone()), conditions.to_vec());
        Guard { path, slot }
    }

    fn slot(&mut self, key: String, source: impl FnOnce() -> Source, conditions: Vec<Attribute>) -> usize {
        if let Some((index, slot)) = self.0.iter_mut().enumerate().find(|(_, slot)| slot.key == key) {
            slot.users.push(conditions);
            return index;
        }
        self.0.push(Slot { key, source: source(), users: vec![conditions] });
        self.0.len() - 1
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Slot {
    /// Returns the `#[cfg(..)]` of a slot, which exists if one of its parameters exists.
    pub(super) fn condition(&self) -> Option<TokenStream> {
        any_of(self.users.iter().map(Vec::as_slice)).map(|any| quote!(#[cfg(#any)]))
    }

    /// Whether the parameters are references.
    pub(super) fn is_reference(&self) -> bool {
        self.key.starts_with('&')
    }
}

impl Named {
    /// Returns the place of its first token, with the hygiene of the macro.
    pub(super) fn place(&self) -> Span {
        source::at(self.ends.0)
    }

    /// Creates it for a type in a signature, in a block of this controller.
    pub(super) fn new(ty: &Type, signature: &Signature, controller: &Type) -> Self {
        let own = signature.generics.params.iter().filter_map(|parameter| match parameter {
            GenericParam::Lifetime(parameter) => Some(&parameter.lifetime.ident),
            _ => None,
        });
        let own: Vec<&Ident> = own.collect();
        let tokens = ty.to_token_stream();
        let (text, ends) = (source::written(&tokens), source::exact_ends(&tokens));
        let has_own_names = text.contains('\'') || text.contains("Self");
        let inferred = if has_own_names { inferred(tokens, &own, controller) } else { tokens };
        let contains_impl = text.contains("impl") && source::find_impl(inferred.clone()).is_some();
        Self { text, ends, inferred, contains_impl }
    }

    /// Returns the key of the slot. References that differ in lifetimes have the same key.
    fn key(&self) -> String {
        match syn::parse2(self.inferred.clone()) {
            Ok(Type::Reference(TypeReference { mutability: None, elem, .. })) => {
                format!("&{}", source::written(elem))
            }
            _ => source::written(&self.inferred),
        }
    }
}

/// Returns whether a type is written as `Data<..>`. It keeps nothing, and most handlers take one,
/// so its slot would cost compile time for nothing. rustc reports another type of this name that
/// keeps a value.
fn keeps_nothing(ty: &Type) -> bool {
    let Type::Path(ty) = ty else { return false };
    ty.path.segments.last().is_some_and(|last| last.ident == "Data" && !last.arguments.is_none())
}

/// Replaces each `&str` inside the type by `String`; `None` if there is none. A reference around
/// the type stays.
pub(super) fn owned(tokens: TokenStream) -> Option<TokenStream> {
    fn replaced(tokens: TokenStream, count: &mut usize) -> TokenStream {
        let mut tokens: VecDeque<TokenTree> = tokens.into_iter().collect();
        let mut written = TokenStream::new();
        while let Some(tree) = tokens.pop_front() {
            match tree {
                TokenTree::Punct(and) if and.as_char() == '&' => {
                    let name = if is_tick(tokens.front()) { 2 } else { 0 };
                    if matches!(tokens.get(name), Some(TokenTree::Ident(name)) if name == "str") {
                        tokens.drain(..=name);
                        *count += 1;
                        written.extend(quote!(::std::string::String));
                    } else {
                        and.to_tokens(&mut written);
                    }
                }
                TokenTree::Group(group) => {
                    Group::new(group.delimiter(), replaced(group.stream(), count)).to_tokens(&mut written);
                }
                other => other.to_tokens(&mut written),
            }
        }
        written
    }
    let mut count = 0;
    let owned = replaced(tokens, &mut count);
    (count > 0 && source::written(&owned) != "::std::string::String").then_some(owned)
}

fn is_tick(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Punct(tick)) if tick.as_char() == '\'')
}

/// Returns a predicate that is true if one of these lists of `#[cfg(..)]` is; `None` if one of them
/// is empty.
pub(super) fn any_of<'c>(users: impl Iterator<Item = &'c [Attribute]>) -> Option<TokenStream> {
    let all = users.map(|conditions| {
        let predicates = conditions.iter().filter_map(|it| Some(&it.meta.require_list().ok()?.tokens));
        (!conditions.is_empty()).then(|| quote!(all(#(#predicates),*)))
    });
    let all: Option<Vec<TokenStream>> = all.collect();
    all.map(|all| quote!(any(#(#all),*)))
}

/// Replaces the names that are valid only in the method's signature: its own lifetimes, and `Self`.
pub(super) fn inferred(tokens: TokenStream, own: &[&Ident], controller: &Type) -> TokenStream {
    let mut written = TokenStream::new();
    let mut tokens = tokens.into_iter();
    while let Some(tree) = tokens.next() {
        match tree {
            TokenTree::Punct(tick) if tick.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(name)) if own.contains(&&name) => {
                    Lifetime::new("'_", name.span()).to_tokens(&mut written);
                }
                name => written.extend([Some(TokenTree::Punct(tick)), name].into_iter().flatten()),
            },
            TokenTree::Ident(name) if name == "Self" => controller.to_tokens(&mut written),
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), inferred(group.stream(), own, controller));
                inner.set_span(group.span());
                written.extend([TokenTree::Group(inner)]);
            }
            other => written.extend([other]),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn named(ty: &Type) -> Named {
        Named::new(ty, &parse_quote!(fn say<'a>(&self)), &parse_quote!(Room))
    }

    #[test]
    fn only_names_of_the_signature_are_replaced() {
        for (written, inferred) in [
            (parse_quote!(&'a Path<(&'a str, &u8)>), "&'_ Path<(&'_ str, &u8)>"),
            (parse_quote!(&'static str), "&'static str"),
            (parse_quote!(State<fn(&str) -> Self>), "State<fn(&str)->Room>"),
            (parse_quote!(Data<<Self as Talks>::Say<'_>>), "Data<<Room as Talks>::Say<'_>>"),
            (parse_quote!(State<Arc<dyn for<'b> Fn(&'b str)>>), "State<Arc<dyn for<'b>Fn(&'b str)>>"),
        ] {
            assert_eq!(source::written(named(&written).inferred), inferred);
        }
    }

    #[test]
    fn only_a_str_inside_of_a_type_has_an_owned_form() {
        for (written, owning) in [
            (quote!(&'_ str), None),
            (quote!(&Path<String>), None),
            (quote!(Data<Say<'_>>), None),
            (quote!(Path<&str>), Some("Path<::std::string::String>")),
            (quote!(&'_ Path<(&'static str, u8)>), Some("&'_ Path<(::std::string::String, u8)>")),
        ] {
            assert_eq!(owned(written).map(source::written).as_deref(), owning);
        }
    }

    #[test]
    fn parameters_of_one_type_share_a_slot_and_a_reference_is_another_type() {
        let signature: Signature = parse_quote! {
            fn say<'a>(
                &self, a: &'a Path<u8>, b: Path<u8>, c: &Path<u8>, d: Option<Path<u8>>, e: Path<u8>, f: Data<u8>,
            )
        };
        let params = Slots::default().place(&signature, &[], &parse_quote!(Room));
        assert_eq!(
            params.iter().map(|param| param.slot).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(0), Some(2), Some(1), None]
        );
    }

    #[test]
    fn a_slot_exists_if_one_of_its_parameters_exists() {
        let (room, mut slots) = (parse_quote!(Room), Slots::default());
        let signature: Signature = parse_quote!(fn say(&self, #[cfg(a)] id: Path<u8>));
        let mut condition = |conditions: &[Attribute]| {
            slots.place(&signature, conditions, &room);
            slots.0[0].condition().map(|condition| condition.to_string())
        };
        assert_eq!(condition(&[]), Some(quote!(#[cfg(any(all(a)))]).to_string()));
        let both = quote!(#[cfg(any(all(a), all(b, a)))]).to_string();
        assert_eq!(condition(&[parse_quote!(#[cfg(b)])]), Some(both));
        slots.place(&parse_quote!(fn leave(&self, id: Path<u8>)), &[], &room);
        assert_eq!(slots.0[0].condition().map(|condition| condition.to_string()), None);
    }
}
