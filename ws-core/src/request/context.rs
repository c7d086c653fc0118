//! [`ContextMap`]: typed values that belong to one connection and are dropped after its `on_close`.

use http::Extensions;

use crate::{
    caught::drop_caught,
    sync::{Mutex, MutexGuard},
};

/// A map from type to value that belongs to one connection.
///
/// | Hyperf's `Context` | here |
/// |---|---|
/// | `set($id, $value)` | [`set`](Self::set): the type is the key |
/// | `get($id, $default)` | [`get`](Self::get)`().unwrap_or(default)` |
/// | `has($id)` | [`has`](Self::has) |
/// | `destroy($id)` | [`remove`](Self::remove) |
/// | `getOrSet($id, $value)` | [`get_or_insert_with`](Self::get_or_insert_with) |
/// | `override($id, $closure)` | [`update`](Self::update) |
/// | `copy($fromFd)` | [`copy_from`](Self::copy_from) |
/// | `get($id, $default, $fd)` | `conn.hub().get_local(id)`, then its context |
/// | `release($fd)` | not needed: the context is emptied after `on_close` |
///
/// Middleware fills it during the handshake; callbacks read and change it until `on_close` has run.
/// Then it is emptied, even if a handle of the connection still exists, because a value may hold
/// such a handle. Values are cloned on reading, so the caller holds no lock; wrap values that are
/// shared or expensive to clone in an `Arc`. A value's `Clone` runs under the context's lock: it
/// must not use the same context.
///
/// ```
/// use ws_core::connection::ContextMap;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Uid(u64);
///
/// let context = ContextMap::default();
/// assert_eq!(context.set(Uid(1)), None);
/// assert_eq!(context.update(|uid: &mut Uid| uid.0 += 1), Some(()));
/// assert_eq!(context.get::<Uid>(), Some(Uid(2)));
/// assert_eq!(context.remove::<Uid>(), Some(Uid(2)));
/// assert!(!context.has::<Uid>());
/// ```
#[derive(Debug, Default)]
pub struct ContextMap(Mutex<Extensions>);

impl ContextMap {
    /// Returns a clone of the value of this type.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.lock().get().cloned()
    }

    /// Stores a value and returns the previous value of this type.
    pub fn set<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.lock().insert(value)
    }

    /// Returns whether there is a value of this type.
    pub fn has<T: Send + Sync + 'static>(&self) -> bool {
        self.lock().get::<T>().is_some()
    }

    /// Removes and returns the value of this type.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.lock().remove()
    }

    /// Returns a clone of the value of this type; calls `make` to create it if there is none.
    ///
    /// `make` runs under the context's lock: it must not use the same context.
    pub fn get_or_insert_with<T: Clone + Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> T {
        self.lock().get_or_insert_with(make).clone()
    }

    /// Changes the value of this type in place and returns the result of `change`; returns `None`
    /// without a value.
    ///
    /// `change` runs under the context's lock: it must not use the same context.
    pub fn update<T: Send + Sync + 'static, R>(&self, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lock().get_mut().map(change)
    }

    /// Copies the value of this type from another connection's context. Returns false, and changes
    /// nothing, if the other context has none.
    ///
    /// The two contexts are not locked at the same time.
    ///
    /// ```no_run
    /// # use ws_core::{Connection, ConnectionId};
    /// # #[derive(Clone)] struct Cart(Vec<u32>);
    /// fn take_over(conn: &Connection, previous: ConnectionId) -> bool {
    ///     let other = conn.hub().get_local(previous);
    ///     other.is_some_and(|other| conn.context().copy_from::<Cart>(other.context()))
    /// }
    /// ```
    pub fn copy_from<T: Clone + Send + Sync + 'static>(&self, other: &Self) -> bool {
        other.get::<T>().map(|value| self.set(value)).is_some()
    }

    /// Drops all values. A value may hold the connection itself, which would otherwise keep the
    /// context and the connection alive for ever.
    pub(crate) fn clear(&self) {
        let values = std::mem::take(&mut *self.lock());
        drop_caught("the values of a context", values);
    }

    fn lock(&self) -> MutexGuard<'_, Extensions> {
        // The map stays consistent if `make` or `change` panics.
        self.0.lock()
    }
}

/// Dropping a user value may panic; the panic is caught and logged here. The values of this context
/// that were not dropped yet are leaked.
impl Drop for ContextMap {
    fn drop(&mut self) {
        let values = std::mem::take(self.0.get_mut());
        drop_caught("the values of a context", values);
    }
}

impl From<Extensions> for ContextMap {
    fn from(extensions: Extensions) -> Self {
        // An empty map that once had entries would keep its table.
        Self(Mutex::new(if extensions.is_empty() { Extensions::new() } else { extensions }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once() {
        let context = ContextMap::default();
        assert_eq!(context.get_or_insert_with(|| 1_u8), 1);
        assert_eq!(context.get_or_insert_with(|| 2_u8), 1);
    }

    #[test]
    fn a_panic_in_update_leaves_the_context_usable() {
        let context = ContextMap::default();
        context.set(1_u8);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            context.update(|value: &mut u8| {
                *value = 2;
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(context.get::<u8>(), Some(2));
    }
}
