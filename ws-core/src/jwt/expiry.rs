//! Claims end connections: which types of claims there are, and [`Connection::refresh`].
//!
//! A context keeps values by their types and cannot know that one of them is somebody's `Claims<T>`. But claims are
//! made by verifiers alone, so each verifier leaves its type here, and whoever opens a connection asks for all of them:
//! a middleware that puts claims into the context has done everything there is to do.

use std::{any::TypeId, time::SystemTime};

use super::{Claims, JwtError};
use crate::{connection::Connection, request::ContextMap, sync::RwLock};

/// Until when the claims of one type are good, if there are any in a context.
type ValidUntil = fn(&ContextMap) -> Option<SystemTime>;

/// The types of claims that verifiers were built for; never more than a program has.
static TYPES: RwLock<Vec<(TypeId, ValidUntil)>> = RwLock::new(Vec::new());

/// From now on claims of this type end the connections that they are in the context of.
pub(super) fn ends_connections<T: Send + Sync + 'static>() {
    let id = TypeId::of::<T>();
    let mut types = TYPES.write();
    if types.iter().all(|(known, _)| *known != id) {
        types.push((id, |context| context.get::<Claims<T>>()?.valid_until()));
    }
}

/// When the first of the claims in a context ends.
pub(crate) fn valid_until(context: &ContextMap) -> Option<SystemTime> {
    let types = TYPES.read();
    types.iter().filter_map(|(_, valid_until)| valid_until(context)).min()
}

/// With feature `jwt`.
impl Connection {
    /// Replaces the claims in the context, and with them the time at which the connection ends (close code 4401).
    ///
    /// For a token that a client sends in-band before its old one expires, and for the first one where it is checked in
    /// `on_open`. Claims of another type in the same context stay, and so does the end that they set. On a connection that
    /// is closing already it changes nothing but the context.
    ///
    /// # Errors
    /// [`JwtError::OtherSubject`], and nothing is replaced, unless the old and the new claims have the same subject of the
    /// same issuer, or neither has a subject: what a connection has joined and seen belongs to who opened it.
    pub fn refresh<T: Send + Sync + 'static>(&self, claims: Claims<T>) -> Result<(), JwtError> {
        let context = self.context();
        if let Some(old) = context.get::<Claims<T>>()
            && (old.subject().is_some() || claims.subject().is_some())
            && (old.subject(), old.issuer()) != (claims.subject(), claims.issuer())
        {
            tracing::debug!(id = %self.id(), "a connection was to be refreshed with another subject's claims");
            return Err(JwtError::OtherSubject);
        }
        context.set(claims);
        self.ends_at(valid_until(context));
        Ok(())
    }
}
