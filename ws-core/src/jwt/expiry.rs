//! The expiry of claims closes connections: each verifier registers its type of claims, and
//! [`Connection::refresh`] replaces the claims of a connection.

use super::{Claims, JwtError};
use crate::connection::{Connection, register_expiring, valid_until};

/// Registers a type of claims: a connection closes when claims of this type in its context expire.
pub(super) fn register<T: Send + Sync + 'static>() {
    register_expiring::<Claims<T>>(|context| context.get::<Claims<T>>()?.valid_until());
}

/// Methods with feature `jwt`.
impl Connection {
    /// Replaces the claims in the context, and with them the time at which the connection closes
    /// (close code 4401).
    ///
    /// Call it when the client sends a new token as a message before the old one expires, or for
    /// the first token if that is verified in `on_open`. Claims of another type in the same context
    /// stay, and their expiry still closes the connection. If the connection is closing already,
    /// only the context changes.
    ///
    /// # Errors
    /// [`JwtError::OtherSubject`] if the old and the new claims differ in subject or issuer and at
    /// least one has a subject; then nothing is replaced. The rooms and the state of a connection
    /// belong to the subject that opened it.
    pub fn refresh<T: Send + Sync + 'static>(&self, claims: Claims<T>) -> Result<(), JwtError> {
        let context = self.context();
        if let Some(old) = context.get::<Claims<T>>()
            && (old.subject().is_some() || claims.subject().is_some())
            && (old.subject(), old.issuer()) != (claims.subject(), claims.issuer())
        {
            tracing::debug!(id = %self.id(), "a refresh with the claims of another subject was refused");
            return Err(JwtError::OtherSubject);
        }
        context.set(claims);
        self.set_expiry(valid_until(context));
        Ok(())
    }
}
