//! [`Keys`]: one key, or several that go by their names.

use std::collections::HashSet;

use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use serde::Deserialize;

use super::{JwtError, Key, KeyError};

/// The keys of a verifier. A single [`Key`] converts into them.
///
/// With several, each has a name, and a token says in its header (`kid`) which one signed it. That is how keys are
/// changed without refusing anybody: publish the new one beside the old one, sign with it, take the old one away when
/// its last token has expired.
#[derive(Clone, Debug)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Several keys.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] without any, [`KeyError::KidMissing`] when one of several has no name,
    /// [`KeyError::KidTwice`] when two have the same.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Result<Self, KeyError> {
        let keys: Vec<Key> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        let mut kids = HashSet::new();
        for key in keys.iter().filter(|_| keys.len() > 1) {
            let kid = key.kid.as_deref().ok_or(KeyError::KidMissing)?;
            if !kids.insert(kid) {
                return Err(KeyError::KidTwice { kid: kid.into() });
            }
        }
        Ok(Self(keys))
    }

    /// A JSON Web Key Set (RFC 7517 section 5), as an issuer publishes it: `{"keys": [..]}`.
    ///
    /// Keys for other uses and algorithms are passed over, as section 5 wants it. Fetching the set is the
    /// application's business: over HTTP every few minutes, say, and then
    /// [`JwtVerifier::replace_keys`](super::JwtVerifier::replace_keys).
    ///
    /// ```
    /// use ws_core::jwt::{JwtVerifier, Keys};
    ///
    /// let published = r#"{"keys": [
    ///     {"kty": "OKP", "crv": "Ed25519", "kid": "2026-11", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ///     {"kty": "RSA", "use": "enc", "kid": "not-for-signatures", "n": "AQAB", "e": "AQAB"}
    /// ]}"#;
    /// let verifier = JwtVerifier::new(Keys::jwks(published)?);
    /// # Ok::<(), ws_core::jwt::KeyError>(())
    /// ```
    ///
    /// # Errors
    /// [`KeyError::Json`] when it is none, [`KeyError::NoKey`] when no key of it can be used here, a key's own fault,
    /// and those of [`new`](Self::new).
    pub fn jwks(json: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let set: Set = serde_json::from_slice(json.as_ref()).map_err(KeyError::Json)?;
        let mut keys = Vec::new();
        for jwk in set.keys.iter().filter(|jwk| verifies(jwk)) {
            match Key::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(KeyError::Unsupported) => {
                    tracing::debug!(kid = ?jwk.common.key_id, "a key of the set is not of use here");
                }
                Err(fault) => return Err(fault),
            }
        }
        Self::new(keys)
    }

    /// The key that a token names. A single key serves tokens that name none, and if it has no name itself, all.
    pub(super) fn find(&self, kid: Option<&str>) -> Result<&Key, JwtError> {
        match (self.0.as_slice(), kid) {
            ([only], None) => Ok(only),
            ([only], Some(_)) if only.kid.is_none() => Ok(only),
            (_, None) => Err(JwtError::KidMissing),
            (keys, Some(kid)) => {
                keys.iter().find(|key| key.kid.as_deref() == Some(kid)).ok_or(JwtError::UnknownKey)
            }
        }
    }
}

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}

/// Whether a key of a set is there to verify signatures with (RFC 7517 sections 4.2 and 4.3).
fn verifies(jwk: &Jwk) -> bool {
    let by_use = jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    let by_operation =
        jwk.common.key_operations.as_ref().is_none_or(|them| them.contains(&KeyOperations::Verify));
    by_use && by_operation
}
