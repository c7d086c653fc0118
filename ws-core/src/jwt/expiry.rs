//! Claims end connections: verifiers register their type of claims, and [`Connection::refresh`]
//! replaces them.

use super::{Claims, JwtError};
use crate::connection::{Connection, register_expiring, valid_until};

/// From now on claims of this type end the connections that have them in their context.
pub(super) fn register<T: Send + Sync + 'static>() {
    register_expiring::<Claims<T>>(|context| context.get::<Claims<T>>()?.valid_until());
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
        self.set_expiry(valid_until(context));
        Ok(())
    }
}
