//! [`JwtVerifier`]: verifies a token and returns its claims, or the reason for the refusal.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, crypto::aws_lc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Claims, JwtError, Keys, expiry};
use crate::{fixed, sync::RwLock};

/// The default allowance for the difference between two clocks.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// The largest leeway.
const MOST_LEEWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Verifies tokens (RFC 7519 section 7.2) and reads their claims as `T`. It is cheap to clone, so
/// it can be state for middleware and controllers.
///
/// A token must meet these conditions:
///
/// - The signature is by one of the keys, with the algorithm of that key.
/// - `exp` is present and in the future. `nbf` is in the past, if present.
/// - `iss` is one of the issuers, and `aud` has one of the audiences, if the verifier names any. If
///   the verifier does not name an audience, a token with `aud` is refused.
///
/// `T` is any type that implements `DeserializeOwned`, by default plain JSON. It is set once, in
/// the builder, so that calls of `verify` need no type annotation.
///
/// ```
/// use ws_core::jwt::{JwtVerifier, Key};
///
/// let verifier = JwtVerifier::builder(Key::hs256("a secret of at least 32 bytes...")?).audience("chat").build();
/// assert!(verifier.verify("not a token").is_err());
/// # Ok::<(), ws_core::jwt::KeyError>(())
/// ```
pub struct JwtVerifier<T = Value> {
    shared: Arc<Shared>,
    claims: PhantomData<fn() -> T>,
}

struct Shared {
    rules: Rules,
    keys: RwLock<Arc<Keys>>,
}

struct Rules {
    issuers: Vec<String>,
    audiences: Vec<String>,
    leeway: Duration,
    required: Vec<String>,
}

impl JwtVerifier {
    /// Creates a verifier with these keys and otherwise default settings.
    pub fn new(keys: impl Into<Keys>) -> Self {
        Self::builder(keys).build()
    }

    /// Creates a builder for a verifier with these keys: one [`Key`](super::Key), or several.
    pub fn builder(keys: impl Into<Keys>) -> JwtVerifierBuilder {
        let rules = Rules {
            issuers: Vec::new(),
            audiences: Vec::new(),
            leeway: DEFAULT_LEEWAY,
            required: vec!["exp".into()],
        };
        JwtVerifierBuilder { rules, keys: keys.into(), claims: PhantomData }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> JwtVerifier<T> {
    /// Verifies a token and returns its claims. The reason for a refusal is logged at debug level;
    /// the token is never logged.
    ///
    /// # Errors
    /// [`JwtError`]. If it is returned from a handshake, the response is 401.
    pub fn verify(&self, token: impl AsRef<str>) -> Result<Claims<T>, JwtError> {
        self.check(token.as_ref()).inspect_err(|error| tracing::debug!(%error, "a token was refused"))
    }

    fn check(&self, token: &str) -> Result<Claims<T>, JwtError> {
        // 1. The header chooses the key by name. It must not choose the algorithm.
        let header = Header::of(token)?;
        let keys = self.keys();
        let key = keys.find(header.kid.as_deref())?;
        let expected = key.algorithm;
        if header.alg != expected.name() {
            return Err(JwtError::Algorithm { expected });
        }
        if header.crit.is_some() {
            return Err(JwtError::Critical);
        }
        // 2. The signature, then the registered claims.
        let rules = &self.shared.rules;
        let json = jsonwebtoken::decode::<Value>(token, &key.engine, &rules.validation(expected.engine()))
            .map_err(|error| JwtError::of_engine(error, expected))?
            .claims;
        // 3. The claims that this application requires.
        if let Some(claim) = rules.required.iter().find(|name| json.get(name).is_none_or(Value::is_null)) {
            return Err(JwtError::Missing { claim: claim.clone() });
        }
        let custom = T::deserialize(&json).map_err(JwtError::Shape)?;
        Ok(Claims::new(&json, custom, rules.leeway))
    }
}

impl<T> JwtVerifier<T> {
    /// Replaces the keys of this verifier and all its clones. Claims that were verified before stay
    /// valid.
    ///
    /// ```
    /// # use ws_core::jwt::{JwtVerifier, KeyError, Keys};
    /// /// Called by a task that fetches the issuer's key set every few minutes.
    /// fn renew(verifier: &JwtVerifier, fetched: &str) -> Result<(), KeyError> {
    ///     verifier.replace_keys(Keys::jwks(fetched)?); // an invalid set changes nothing
    ///     Ok(())
    /// }
    /// ```
    pub fn replace_keys(&self, keys: impl Into<Keys>) {
        let keys = Arc::new(keys.into());
        *self.shared.keys.write() = keys;
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.shared.keys.read())
    }
}

impl Rules {
    /// Returns the settings for the engine. All of them are set here, so that a change of the
    /// engine's defaults has no effect.
    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.algorithms = vec![algorithm];
        validation.validate_exp = true;
        validation.validate_nbf = true;
        validation.validate_aud = true;
        validation.leeway = self.leeway.as_secs();
        validation.set_required_spec_claims(&self.required);
        // The engine accepts a token without the compared claim, so the claim is also required.
        if !self.issuers.is_empty() {
            validation.set_issuer(&self.issuers);
            validation.required_spec_claims.insert("iss".into());
        }
        if !self.audiences.is_empty() {
            validation.set_audience(&self.audiences);
            validation.required_spec_claims.insert("aud".into());
        }
        validation
    }
}

/// The fields of a token's header (RFC 7515 section 4.1) that are read before the signature is
/// verified.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

impl Header {
    fn of(token: &str) -> Result<Self, JwtError> {
        let encoded = token.split('.').next().filter(|_| token.len() <= fixed::TOKEN_BYTES);
        let json = encoded.and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
        json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or(JwtError::Malformed)
    }
}

impl<T> Clone for JwtVerifier<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), claims: PhantomData }
    }
}

impl<T> fmt::Debug for JwtVerifier<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("issuers", &self.shared.rules.issuers)
            .field("audiences", &self.shared.rules.audiences)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// Builds a [`JwtVerifier`]. Returned by [`JwtVerifier::builder`].
///
/// ```
/// use std::time::Duration;
/// use ws_core::jwt::{JwtVerifier, Key};
///
/// let verifier: JwtVerifier = JwtVerifier::builder(Key::hs256([7; 32])?)
///     .issuer("https://login.example.com")
///     .audience("chat")
///     .leeway(Duration::from_secs(2))
///     .build();
/// # Ok::<(), ws_core::jwt::KeyError>(())
/// ```
#[must_use]
pub struct JwtVerifierBuilder<T = Value> {
    rules: Rules,
    keys: Keys,
    claims: PhantomData<fn() -> T>,
}

impl<T> JwtVerifierBuilder<T> {
    /// Accepts only tokens of this issuer (`iss`). Several calls accept any of the issuers.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.rules.issuers.push(issuer.into());
        self
    }

    /// Accepts only tokens for this audience (`aud`). Several calls accept any of the audiences.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// Sets how far the issuer's clock may differ from the local clock, in whole seconds. It
    /// applies to `exp`, to `nbf`, and to the time at which connections close. The default is 5 s,
    /// the maximum one day; a larger value is reduced to it.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = Duration::from_secs(leeway.min(MOST_LEEWAY).as_secs());
        self
    }

    /// Requires this claim to be present and not `null`, with any value.
    pub fn require(mut self, claim: impl Into<String>) -> Self {
        self.rules.required.push(claim.into());
        self
    }

    /// Accepts tokens without `exp` as well, which never expire. A token with `exp` still expires.
    pub fn allow_without_expiry(mut self) -> Self {
        self.rules.required.retain(|claim| claim != "exp");
        self
    }

    /// Reads the claims as this type.
    pub fn claims<C>(self) -> JwtVerifierBuilder<C> {
        JwtVerifierBuilder { rules: self.rules, keys: self.keys, claims: PhantomData }
    }

    /// Builds the verifier.
    pub fn build(self) -> JwtVerifier<T>
    where
        T: Send + Sync + 'static,
    {
        // The engine chooses its cryptography by the features of all linked crates, and panics at
        // the first token if they conflict. Installing a provider avoids this. The call fails if
        // one is installed already.
        let _ = aws_lc::DEFAULT_PROVIDER.install_default();
        expiry::register::<T>();
        let keys = RwLock::new(Arc::new(self.keys));
        JwtVerifier { shared: Arc::new(Shared { rules: self.rules, keys }), claims: PhantomData }
    }
}

impl<T> fmt::Debug for JwtVerifierBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifierBuilder").field("keys", &self.keys).finish_non_exhaustive()
    }
}
