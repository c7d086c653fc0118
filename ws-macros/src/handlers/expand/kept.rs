//! The values that are kept with a connection: one field for each slot, made before the 101.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::checks;
use crate::{
    handlers::{model::Handlers, slots::Source},
    source::start,
};

/// Returns the field of a slot.
pub(super) fn field(slot: usize) -> Ident {
    format_ident!("p{slot}")
}

/// Writes the type of the kept values. It is generic, and [`make`] determines the types of its
/// fields, so that rustc does not report a wrong parameter here.
pub(super) fn definition(handlers: &Handlers) -> TokenStream {
    let slots = || handlers.slots.iter().enumerate().map(|(index, slot)| (slot.condition(), index));
    let parameters = slots().map(|(condition, index)| {
        let parameter = format_ident!("P{index}");
        quote!(#condition #parameter)
    });
    let fields = slots().map(|(condition, index)| {
        let (field, parameter) = (field(index), format_ident!("P{index}"));
        quote!(#condition #field: #parameter)
    });
    quote!(struct __Kept<#(#parameters),*> { #(#fields),* })
}

/// Writes a closure that makes the kept values. The values for references are made first and passed
/// to the others: a `Path<T>` is copied from the value of `&Path<T>` instead of parsed again.
pub(super) fn make(handlers: &Handlers) -> TokenStream {
    let slots: Vec<_> = handlers
        .slots
        .iter()
        .enumerate()
        .map(|(index, slot)| (slot, field(index), Ident::new(&format!("__p{index}"), Span::mixed_site())))
        .collect();
    let keep = |is_reference| {
        let some = slots.iter().filter(move |(slot, ..)| slot.is_reference() == is_reference);
        some.map(|(slot, _, local)| {
            let (condition, check) = (slot.condition(), checks::of_slot(slot));
            let kept = match &slot.source {
                Source::Param(ty) => {
                    quote_spanned!(start(ty)=> let #local = __h::Of::<#ty>::keep(__setup)?;)
                }
                Source::Guard(path) => {
                    quote_spanned!(start(path)=> let #local = __h::guarded(#path).keep(__setup)?;)
                }
            };
            quote!(#check #condition #kept)
        })
    };
    let (references, values) = (keep(true), keep(false));
    let kept = slots.iter().filter(|(slot, ..)| slot.is_reference()).map(|(slot, _, local)| {
        let condition = slot.condition();
        quote_spanned!(Span::mixed_site()=> #condition &#local)
    });
    let fields = slots.iter().map(|(slot, field, local)| {
        let condition = slot.condition();
        quote!(#condition #field: #local)
    });
    quote_spanned! {Span::mixed_site()=>
        |__setup: &__h::Setup<'_>| -> __h::Result<_> {
            #(#references)*
            let __kept: &[&dyn ::core::any::Any] = &[#(#kept),*];
            let __setup = &__h::beside(__setup, __kept);
            #(#values)*
            ::core::result::Result::Ok(__Kept { #(#fields),* })
        }
    }
}

/// Writes the code that finds the kept values for a call.
pub(super) fn find(handlers: &Handlers) -> Option<TokenStream> {
    let make = make(handlers);
    let found = quote_spanned!(Span::mixed_site()=> let __kept = __h::kept(__conn, #make)?;);
    (!handlers.slots.is_empty()).then_some(found)
}
