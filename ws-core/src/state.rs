//! What `App::state` provides, found again by its type: in `#[state]` fields and in `State<T>` parameters.
//!
//! Everything that is asked for is listed by the entries of the registry, so that a missing value is a start
//! error; this module only keeps and hands out.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    ops::Deref,
    sync::Arc,
};

use crate::error::Error;

/// A value given to [`App::state`](crate::App::state), taken by a middleware as a parameter.
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
/// A missing value is found when the application starts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parameter of a middleware",
    label = "expected `State<T>` with `T: Clone + Send + Sync + 'static`",
    note = "a middleware is `async fn(Handshake, Next<'_>) -> Result<Response>`, with any number of `State<T>` behind these two"
)]
pub trait FromState: Sized {
    /// What has to be provided.
    fn key() -> StateKey;
    /// Takes the value out of the provided ones.
    ///
    /// # Errors
    /// When it was not provided; the check at start makes that unreachable.
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

/// Names one provided type: for the check at start.
#[derive(Clone, Copy, Debug)]
pub struct StateKey {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl StateKey {
    /// The key of `T`.
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
    /// A clone of the value of this type.
    ///
    /// # Errors
    /// When none was provided.
    pub fn get<T: Clone + 'static>(&self) -> Result<T, Error> {
        self.values
            .get(&TypeId::of::<T>())
            .and_then(|value| value.downcast_ref::<T>())
            .cloned()
            .ok_or_else(|| Error::new(format!("no state of type `{}`; add `.state(..)`", type_name::<T>())))
    }

    /// The value of this type itself, if one was provided.
    pub(crate) fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.values.get(&TypeId::of::<T>()).cloned()?.downcast().ok()
    }

    pub(crate) fn contains(&self, key: StateKey) -> bool {
        self.values.contains_key(&key.id)
    }

    /// Says whether a value of this type was there before.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.values.insert(TypeId::of::<T>(), Arc::new(value)).is_some()
    }
}
