//! The values given to `App::state`, found by their type: for `#[state]` fields and `State<T>`
//! parameters.
//!
//! The entries of the registry list the types that they need, so that a missing value is a start
//! error. This module only stores the values and returns them.

use std::{
    any::{Any, TypeId, type_name},
    collections::{HashMap, HashSet},
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{error::Error, place::Location};

/// A value given to [`App::state`](crate::App::state), as a parameter of a handler, a middleware,
/// an interceptor, a guard or an error handler.
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
///
/// ```
/// use ws_core::{App, Handshake, Next, Response, Result, State};
///
/// #[derive(Clone)]
/// struct Salt(u64);
///
/// async fn salted(handshake: Handshake, next: Next<'_>, State(salt): State<Salt>) -> Result<Response> {
///     println!("{}", salt.0);
///     next.run(handshake).await
/// }
/// let app = App::without_registry().state(Salt(7)).middleware("ws", 0, salted);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a parameter of this function",
    label = "expected `State<T>` with `T: Clone + Send + Sync + 'static`",
    note = "a middleware, an interceptor and an error handler take any number of `State<T>` after their first two parameters"
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

/// The default of a controller's field without `#[state]`. It is a trait of its own, so that its
/// message can suggest `#[state]`, which is missing more often than a `Default`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the field of type `{Self}` has no value",
    label = "put `#[state]` on the field, or give `{Self}` a `Default`",
    note = "`#[state]` takes the value given to `App::state`"
)]
pub trait FieldDefault: Sized {
    /// Makes the value.
    fn field_default() -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Default> FieldDefault for T {
    fn field_default() -> Self {
        T::default()
    }
}

/// The key of one type that is taken from the state, for the check at start.
#[derive(Clone, Copy, Debug)]
pub struct StateKey {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
    /// Whether the value may be missing.
    pub(crate) is_optional: bool,
}

impl StateKey {
    /// Returns the key of `T`.
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>(), is_optional: false }
    }
}

/// A value given to [`App::state`](crate::App::state).
pub(crate) struct Provided {
    pub(crate) name: &'static str,
    /// The place of the call.
    pub(crate) location: Location,
    value: Arc<dyn Any + Send + Sync>,
    is_read_at_start: AtomicBool,
}

/// The values given to [`App::state`](crate::App::state), by type.
#[derive(Default)]
pub struct States {
    values: HashMap<TypeId, Provided>,
}

impl States {
    /// Returns a clone of the value of this type.
    ///
    /// # Errors
    /// If none was provided.
    pub fn get<T: Clone + 'static>(&self) -> Result<T, Error> {
        self.values
            .get(&TypeId::of::<T>())
            .and_then(|provided| provided.value.downcast_ref::<T>())
            .cloned()
            .ok_or_else(|| Error::new(format!("no state of type `{}`; add `.state(..)`", type_name::<T>())))
    }

    /// Returns a clone of the value for a start hook, and records that it was read.
    pub(crate) fn read_at_start<T: Clone + 'static>(&self) -> Option<T> {
        let provided = self.values.get(&TypeId::of::<T>())?;
        provided.is_read_at_start.store(true, Ordering::Relaxed);
        provided.value.downcast_ref::<T>().cloned()
    }

    /// Returns the value of this type without a clone, if one was provided.
    pub(crate) fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.values.get(&TypeId::of::<T>())?.value).downcast().ok()
    }

    pub(crate) fn contains(&self, key: StateKey) -> bool {
        self.values.contains_key(&key.id)
    }

    /// Stores a value; returns whether a value of this type was already stored.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T, location: Location) -> bool {
        let provided = Provided {
            name: type_name::<T>(),
            location,
            value: Arc::new(value),
            is_read_at_start: AtomicBool::new(false),
        };
        self.values.insert(TypeId::of::<T>(), provided).is_some()
    }

    /// Returns the provided type that was probably meant: the missing type with or without a
    /// pointer around it, or a type of the same name in another module.
    pub(crate) fn similar(&self, missing: StateKey) -> Option<&'static str> {
        let asked = pointee(missing.name);
        let is_similar =
            |name: &&str| *name != missing.name && without_modules(pointee(name)) == without_modules(asked);
        let names = self.values.values().map(|provided| provided.name);
        names.filter(is_similar).min_by_key(|name| (pointee(name) != asked, *name))
    }

    /// Returns the values, by place, that are not among the used types and were not read by a start
    /// hook.
    pub(crate) fn unused(&self, used: &HashSet<TypeId>) -> Vec<&Provided> {
        let unused = self.values.iter().filter(|(id, provided)| {
            !used.contains(*id) && !provided.is_read_at_start.load(Ordering::Relaxed)
        });
        let mut unused: Vec<_> = unused.map(|(_, provided)| provided).collect();
        unused.sort_by_key(|provided| (provided.location, provided.name));
        unused
    }
}

/// Removes the pointers around a type's name: `Arc`, `Box`, `&`.
fn pointee(name: &str) -> &str {
    let inner = ["alloc::sync::Arc<", "alloc::boxed::Box<"]
        .into_iter()
        .find_map(|pointer| name.strip_prefix(pointer)?.strip_suffix('>'))
        .or_else(|| name.strip_prefix('&'));
    inner.map_or(name, pointee)
}

/// Removes the modules in front of each type in a type's name.
fn without_modules(name: &str) -> String {
    let is_end = |it: char| !(it.is_alphanumeric() || it == '_' || it == ':');
    name.split_inclusive(is_end).map(|part| part.rsplit("::").next().unwrap_or(part)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    mod other {
        pub(super) struct Names;
    }

    struct Names;

    fn check<Asked: 'static, Given: Send + Sync + 'static>(given: Given, is_similar: bool) {
        let mut states = States::default();
        states.insert(given, Location::caller());
        states.insert(7_u8, Location::caller());
        let expected = is_similar.then(type_name::<Given>);
        assert_eq!(states.similar(StateKey::of::<Asked>()), expected, "{}", type_name::<Asked>());
    }

    #[test]
    fn a_type_is_similar_in_a_pointer_and_in_another_module() {
        check::<Names, _>(Arc::new(Names), true);
        check::<Arc<Names>, _>(Names, true);
        check::<Arc<Names>, _>(Box::new(Names), true);
        check::<Names, &'static Names>(&Names, true);
        check::<Arc<Vec<Names>>, _>(vec![other::Names], true);
        check::<Names, _>(other::Names, true);
        check::<Names, _>(Arc::new(other::Names), true);
        check::<Vec<Names>, _>(Names, false);
        check::<Names, _>(Some(Names), false);
        check::<&'static str, _>(String::new(), false);
    }

    #[test]
    fn the_same_type_in_a_pointer_is_preferred_to_one_of_another_module() {
        let mut states = States::default();
        states.insert(other::Names, Location::caller());
        states.insert(Arc::new(Names), Location::caller());
        assert_eq!(states.similar(StateKey::of::<Names>()), Some(type_name::<Arc<Names>>()));
    }
}
