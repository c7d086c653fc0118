//! [`JwtVerifier`]: from a token to its claims, or to the reason why not.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Validation, crypto::aws_lc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Claims, JwtError, Keys, expiry};
use crate::{fixed, sync::RwLock};

/// How far the clocks of two machines may differ.
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);

/// More than this is no leeway.
const MOST_LEEWAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Verifies tokens (RFC 7519 section 7.2) and reads their claims as `T`. Cheap to clone: state for middleware and
/// controllers.
///
/// What it wants of a token: a signature by one of its keys, with that key's algorithm; `exp`, in the future; `nbf`, if
/// it is there, in the past; `iss` and `aud` among those that were named. A token that names an audience is refused by a
/// verifier that names none.
///
/// `T` is anything that deserialises, plain JSON by default. It is said once, where the keys are, so that `verify` needs
/// no annotation.
///
/// ```
/// use ws_core::jwt::{JwtVerifier, Key};
///
/// let verifier = JwtVerifier::builder(Key::hs256("a secret of no less than 32 bytes")?).audience("chat").build();
/// assert!(verifier.verify("no token at all").is_err());
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
    /// A verifier with these keys, and everything else by default.
    pub fn new(keys: impl Into<Keys>) -> Self {
        Self::builder(keys).build()
    }

    /// A verifier with these keys: one [`Key`](super::Key), or several.
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
    /// What a token says. Why one is refused goes to the log at level debug; the token never does.
    ///
    /// # Errors
    /// [`JwtError`], which answers a handshake with 401.
    pub fn verify(&self, token: impl AsRef<str>) -> Result<Claims<T>, JwtError> {
        self.judge(token.as_ref()).inspect_err(|error| tracing::debug!(%error, "a token was refused"))
    }

    fn judge(&self, token: &str) -> Result<Claims<T>, JwtError> {
        // 1. The header chooses the key by name, and no more than that.
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
        // 2. The signature, then the claims that every token has.
        let rules = &self.shared.rules;
        let json = jsonwebtoken::decode::<Value>(token, &key.engine, &rules.validation(expected.engine()))
            .map_err(|error| JwtError::of_engine(error, expected))?
            .claims;
        // 3. The claims that this application asks for.
        if let Some(claim) = rules.required.iter().find(|name| json.get(name).is_none_or(Value::is_null)) {
            return Err(JwtError::Missing { claim: claim.clone() });
        }
        let custom = T::deserialize(&json).map_err(JwtError::Shape)?;
        Ok(Claims::new(&json, custom, rules.leeway))
    }
}

impl<T> JwtVerifier<T> {
    /// Verifies with these keys from now on, in all clones. Claims that were verified before stay good.
    ///
    /// ```
    /// # use ws_core::jwt::{JwtVerifier, KeyError, Keys};
    /// /// What a task does that fetches the issuer's set every few minutes.
    /// fn renew(verifier: &JwtVerifier, fetched: &str) -> Result<(), KeyError> {
    ///     verifier.replace_keys(Keys::jwks(fetched)?); // a faulty set changes nothing
    ///     Ok(())
    /// }
    /// ```
    pub fn replace_keys(&self, keys: impl Into<Keys>) {
        let keys = Arc::new(keys.into());
        *self.shared.keys.write() = keys;
    }

    fn keys(&self) -> Arc<Keys> {
        // Nothing panics while it is locked.
        Arc::clone(&self.shared.keys.read())
    }
}

impl Rules {
    /// All of it said here, none of it left to the engine's defaults.
    fn validation(&self, algorithm: jsonwebtoken::Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.algorithms = vec![algorithm];
        validation.validate_exp = true;
        validation.validate_nbf = true;
        validation.validate_aud = true;
        validation.leeway = self.leeway.as_secs();
        validation.set_required_spec_claims(&self.required);
        // The engine lets a claim that is not there pass: what is compared has to be there.
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

/// The part of a token's header (RFC 7515 section 4.1) that is looked at before the signature.
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

/// What a [`JwtVerifier`] is going to want of a token.
#[must_use]
pub struct JwtVerifierBuilder<T = Value> {
    rules: Rules,
    keys: Keys,
    claims: PhantomData<fn() -> T>,
}

impl<T> JwtVerifierBuilder<T> {
    /// Trusts this issuer (`iss`). Called more than once: any of them.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.rules.issuers.push(issuer.into());
        self
    }

    /// Takes tokens for this audience (`aud`). Called more than once: for any of them.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.rules.audiences.push(audience.into());
        self
    }

    /// How far the issuer's clock may differ from this one, in whole seconds: for `exp`, for `nbf`, and for the end of
    /// connections. Default 5 s; more than a day counts as a day.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.rules.leeway = Duration::from_secs(leeway.min(MOST_LEEWAY).as_secs());
        self
    }

    /// Wants this claim to be there, whatever it says.
    pub fn require(mut self, claim: impl Into<String>) -> Self {
        self.rules.required.push(claim.into());
        self
    }

    /// Takes tokens without `exp` as well, which never end. One that has it still expires.
    pub fn allow_without_expiry(mut self) -> Self {
        self.rules.required.retain(|claim| claim != "exp");
        self
    }

    /// Reads the claims as this type.
    pub fn claims<C>(self) -> JwtVerifierBuilder<C> {
        JwtVerifierBuilder { rules: self.rules, keys: self.keys, claims: PhantomData }
    }

    /// The verifier.
    pub fn build(self) -> JwtVerifier<T>
    where
        T: Send + Sync + 'static,
    {
        // The engine takes its cryptography from the features of all that is linked, and panics at the first token if
        // they contradict; once it is named here they no longer count. It may be named already.
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
