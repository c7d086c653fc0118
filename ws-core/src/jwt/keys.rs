//! [`Keys`]: one key, or several with names.
//!
//! A token's header chooses the key by its name. This module never fetches a key set.

use std::collections::HashSet;

use jsonwebtoken::jwk::Jwk;
use serde::Deserialize;

use super::{JwtError, Key, KeyError};

/// The keys of a verifier. A single [`Key`] converts into them.
///
/// If there are several keys, each has a name, and a token names its key in the header (`kid`).
/// So keys can be changed without refusing valid tokens: publish the new key beside the old one,
/// sign with the new key, and remove the old key after its last token has expired.
///
/// ```
/// use ws_core::jwt::{Key, Keys};
///
/// let keys = Keys::new([Key::hs256([1; 32])?.kid("old"), Key::hs256([2; 32])?.kid("new")])?;
/// # Ok::<(), ws_core::jwt::KeyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// Creates a set of keys.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] if there are none, [`KeyError::KidMissing`] if one of several has no
    /// name, [`KeyError::KidTwice`] if two have the same name.
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

    /// Creates the keys from a JSON Web Key Set (RFC 7517 section 5), as an issuer publishes it:
    /// `{"keys": [..]}`.
    ///
    /// Keys for other uses and algorithms are ignored, as section 5 requires. The application must
    /// fetch the set, for example over HTTP every few minutes, and then call
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
    /// [`KeyError::Json`] if it is not a JSON Web Key Set, [`KeyError::NoKey`] if none of its keys
    /// can be used, the errors of [`Key::jwk`] for a faulty key, and the errors of
    /// [`new`](Self::new).
    pub fn jwks(json: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Jwk>,
        }
        let set: Set = serde_json::from_slice(json.as_ref()).map_err(KeyError::Json)?;
        let mut keys = Vec::new();
        for jwk in &set.keys {
            match Key::from_jwk(jwk) {
                Ok(key) => keys.push(key),
                Err(KeyError::Unsupported) => {
                    tracing::debug!(kid = ?jwk.common.key_id, "a key of the set is not supported");
                }
                Err(fault) => return Err(fault),
            }
        }
        Self::new(keys)
    }

    /// Returns the key that a token names. A single key also serves tokens without a name, and if
    /// it has no name itself, all tokens.
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
