//! The `State<T>` parameters of a function, after its required parameters.
//!
//! rustc checks at the parameter's place whether its type is `State<T>`.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::{Attribute, PatType, Type};

use crate::source::{self, start};

/// A parameter that is resolved from the state.
pub(crate) struct StateParam {
    ty: Type,
    conditions: Vec<Attribute>,
}

impl StateParam {
    pub(crate) fn new(parameter: &PatType) -> Self {
        Self { ty: parameter.ty.as_ref().clone(), conditions: source::conditions(&parameter.attrs) }
    }

    /// Returns the function that returns the key of its type.
    pub(crate) fn key(&self) -> TokenStream {
        let Self { ty, conditions } = self;
        quote_spanned!(start(ty)=> #(#conditions)* <#ty as __ws::__private::FromState>::key)
    }

    /// Returns its value, as a `Result`.
    pub(crate) fn value(&self, states: &Ident) -> TokenStream {
        let ty = &self.ty;
        quote_spanned!(start(ty)=> <#ty as __ws::__private::FromState>::from_states(#states))
    }

    /// The `#[cfg(..)]` of the parameter.
    pub(crate) fn conditions(&self) -> &[Attribute] {
        &self.conditions
    }
}
