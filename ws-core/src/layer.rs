//! [`Layer`]: the registration of a function that runs around something else.
//!
//! There are two kinds: middleware run around the handshake, interceptors around callbacks. A layer
//! has the place and the requirements of a function, and never its call: the modules `handshake`
//! and `handlers` add the call. A layer is a constant, so that an entry of the registry can hold
//! it.

use std::any::TypeId;

use crate::{
    place::{Location, Scope, short_name},
    state::StateKey,
};

/// The registration of a middleware or an interceptor, without its call.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// The function's name.
    pub name: &'static str,
    /// The place of the attribute, or of the call that registers the function.
    pub location: Location,
    /// Returns the type of the function item.
    pub id: fn() -> TypeId,
    /// The routes on which it runs.
    pub scope: Scope,
    /// The types of its `State<T>` parameters.
    pub state: &'static [fn() -> StateKey],
}

impl Layer {
    /// Makes the registration of a function given by hand. Its place is that of the caller.
    #[track_caller]
    pub(crate) fn by_hand<F: 'static>(scope: Scope, state: &'static [fn() -> StateKey]) -> Self {
        Self { name: short_name::<F>(), location: Location::caller(), id: TypeId::of::<F>, scope, state }
    }
}

/// A function named by `middleware(..)` or `interceptors(..)` of a controller.
#[derive(Clone, Copy, Debug)]
pub struct LayerRef {
    /// The name as written.
    pub name: &'static str,
    /// Returns the type of the function item.
    pub id: fn() -> TypeId,
}
