//! The values given to `App::state`, found by their type: for `#[state]` fields and `State<T>`
//! parameters.
//!
//! The entries of the registry list the types that they need, so that a missing value is a start
//! error. This module only stores the values and returns them.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    ops::Deref,
    sync::Arc,
};

use crate::error::Error;

/// A value given to [`App::state`](crate::App::state), as a parameter of a handler, a middleware, an
/// interceptor, a guard or an error handler.
///
/// ```
/// use ws_core::prelude::*;
///
/// #[derive(Clone)]
/// struct Banned(Vec<String>);
///
/// #[ws_middleware]
/// async fn refuse_banned(handshake: Handshake, next: Next<'_>, State(banned): State<Banned>) -> Result<Response> {
///     if banned.0.iter().any(|name| Some(name.as_str()) == handshake.query_param("name").as_deref()) {
///         return Err(Error::new("banned").status(403).public("go away"));
///     }
///     next.run(handshake).await
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct State<T>(pub T);

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// A parameter that is resolved from the application's state: [`State<T>`].
///
/// A missing value is a start error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of this function",
    label = "expected `State<T>` with `T: Clone + Send + Sync + 'static`",
    note = "a middleware, an interceptor and an error handler take any number of `State<T>` behind their first two parameters"
)]
pub trait FromState: Sized {
    /// Returns the type that must be provided.
    fn key() -> StateKey;
    /// Returns the value from the provided ones.
    ///
    /// # Errors
    /// If it was not provided. The check at start makes this unreachable.
    fn from_states(states: &States) -> Result<Self, Error>;
}

impl<T: Clone + Send + Sync + 'static> FromState for State<T> {
    fn key() -> StateKey {
        StateKey::of::<T>()
    }

    fn from_states(states: &States) -> Result<Self, Error> {
        states.get().map(State)
    }
}

/// The key of one provided type, for the check at start.
#[derive(Clone, Copy, Debug)]
pub struct StateKey {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl StateKey {
    /// Returns the key of `T`.
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }
}

/// The values given to [`App::state`](crate::App::state), by type.
#[derive(Default)]
pub struct States {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl States {
    /// Returns a clone of the value of this type.
    ///
    /// # Errors
    /// If none was provided.
    pub fn get<T: Clone + 'static>(&self) -> Result<T, Error> {
        self.values
            .get(&TypeId::of::<T>())
            .and_then(|value| value.downcast_ref::<T>())
            .cloned()
            .ok_or_else(|| Error::new(format!("no state of type `{}`; add `.state(..)`", type_name::<T>())))
    }

    /// Returns the value of this type without a clone, if one was provided.
    pub(crate) fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }

    pub(crate) fn contains(&self, key: StateKey) -> bool {
        self.values.contains_key(&key.id)
    }

    /// Stores a value; returns whether a value of this type was already stored.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.values.insert(TypeId::of::<T>(), Arc::new(value)).is_some()
    }
}
