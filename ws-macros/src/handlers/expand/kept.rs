//! The values that are kept with a connection: one field for each slot, made before the 101.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::Ident;

use super::checks;
use crate::{
    handlers::{
        model::Handlers,
        slots::{Slot, Source},
    },
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

/// Writes a closure that adds the requirements of the handlers.
pub(super) fn need(handlers: &Handlers) -> TokenStream {
    if handlers.slots.is_empty() {
        return quote!(|_| {});
    }
    let needs = handlers.slots.iter().map(|slot| {
        let condition = slot.condition();
        match &slot.source {
            Source::Param(ty) => quote_spanned!(start(ty)=> #condition __Of::<#ty>::need(__needs);),
            Source::Guard(path) => {
                quote_spanned!(start(path)=> #condition __h::guarded(#path).need(__needs);)
            }
        }
    });
    quote_spanned!(Span::mixed_site()=> |__needs| { #(#needs)* })
}

/// Writes a closure that makes the kept values. The values for references are made first and passed
/// to the others: a `Path<T>` is copied from the value of `&Path<T>` instead of parsed again.
pub(super) fn make(handlers: &Handlers) -> TokenStream {
    if handlers.slots.is_empty() {
        return quote!(|_| ::core::result::Result::Ok(()));
    }
    let local = |index| Ident::new(&format!("__p{index}"), Span::mixed_site());
    let slots = || handlers.slots.iter().enumerate();
    let references = || slots().filter(|(_, slot)| slot.is_reference());
    let first = references().map(|(index, slot)| {
        let (local, condition, kept) = (local(index), slot.condition(), keep(slot));
        quote!(#condition let #local = #kept;)
    });
    let lent = references().map(|(index, slot)| {
        let (local, condition) = (local(index), slot.condition());
        quote_spanned!(Span::mixed_site()=> #condition &#local)
    });
    let lend = references().next().map(|_| {
        quote_spanned! {Span::mixed_site()=>
            let __lent: &[&dyn ::core::any::Any] = &[#(#lent),*];
            let __setup = &__h::beside(__setup, __lent);
        }
    });
    let fields = |is_reference: bool| {
        let some = slots().filter(move |(_, slot)| slot.is_reference() == is_reference);
        some.map(move |(index, slot)| {
            let (field, condition) = (field(index), slot.condition());
            let kept = if is_reference { local(index).to_token_stream() } else { keep(slot) };
            quote!(#condition #field: #kept)
        })
    };
    let (values, references) = (fields(false), fields(true));
    let checks = slots().map(|(_, slot)| checks::of_slot(slot));
    quote_spanned! {Span::mixed_site()=>
        |__setup| {
            #(#checks)*
            #(#first)*
            #lend
            ::core::result::Result::Ok(__Kept { #(#values,)* #(#references),* })
        }
    }
}

/// Writes the expression that makes the value of a slot.
fn keep(slot: &Slot) -> TokenStream {
    match &slot.source {
        Source::Param(ty) => quote_spanned!(start(ty)=> __Of::<#ty>::keep(__setup)?),
        Source::Guard(path) => quote_spanned!(start(path)=> __h::guarded(#path).keep(__setup)?),
    }
}
