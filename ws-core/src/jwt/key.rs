//! [`Key`]: a key to verify signatures, with its one algorithm.
//!
//! The algorithm belongs to the key. A token's header must name the same algorithm and cannot
//! choose another, so a public key is never used as a secret. A faulty key must be found when it is
//! created, not when the first token is verified.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};

use super::KeyError;
use crate::error::Algorithm;

/// The minimum size of a secret for HS256, the size of its hash (RFC 7518 section 3.2), in bytes.
const LEAST_SECRET_BYTES: usize = 32;

/// The minimum size of a modulus for RS256, 2048 bits (RFC 7518 section 3.3), in bytes.
const LEAST_MODULUS_BYTES: usize = 256;

/// The size of an uncompressed point of P-256: 4, x, y (SEC 1 section 2.3.3), in bytes.
const P256_POINT_BYTES: usize = 65;

/// The size of a public key of Ed25519 (RFC 8032 section 5.1.5), in bytes.
const ED25519_BYTES: usize = 32;

/// A key to verify tokens: a secret or a public key, with its algorithm and, if a verifier has
/// several keys, its name.
///
/// The constructors check the key completely and return every fault. `Debug` does not show the
/// secret or the key.
///
/// ```
/// use ws_core::jwt::{JwtVerifier, Key};
///
/// let key = Key::hs256("a secret of at least 32 bytes...")?.kid("2026");
/// let verifier: JwtVerifier = JwtVerifier::new(key);
/// assert!(verifier.verify("not a token").is_err());
/// # Ok::<(), ws_core::jwt::KeyError>(())
/// ```
#[derive(Clone)]
pub struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<Box<str>>,
    pub(super) engine: DecodingKey,
}

impl Key {
    /// Creates a key from a shared secret for HS256: at least 32 random bytes.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`] for less than 32 bytes.
    pub fn hs256(secret: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let secret = secret.as_ref();
        if secret.len() < LEAST_SECRET_BYTES {
            return Err(KeyError::SecretTooShort { bytes: secret.len() });
        }
        Ok(Self { algorithm: Algorithm::Hs256, kid: None, engine: DecodingKey::from_secret(secret) })
    }

    /// Creates a key from a public key in PEM: `-----BEGIN PUBLIC KEY-----`, or
    /// `-----BEGIN RSA PUBLIC KEY-----` for RS256.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if it is not a public key for this algorithm,
    /// [`KeyError::RsaTooShort`] for an RSA key of less than 2048 bits, [`KeyError::Private`] for a
    /// private key, [`KeyError::NoPublicKey`] for HS256, which uses a secret.
    pub fn pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let pem = pem.as_ref();
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        let engine = match algorithm {
            Algorithm::Hs256 => return Err(KeyError::NoPublicKey),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::Es256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(pem),
        };
        Self::checked(algorithm, engine)
    }

    /// Creates a key from a public key in DER: a `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7),
    /// as `openssl pkey -pubout -outform DER` writes it.
    ///
    /// # Errors
    /// The errors of [`pem`](Self::pem).
    pub fn der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let base64 = STANDARD.encode(der);
        Self::pem(algorithm, format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n"))
    }

    /// Creates a key from a JSON Web Key (RFC 7517 section 4). `alg` may be missing, since `kty`
    /// and `crv` determine the algorithm.
    ///
    /// # Errors
    /// [`KeyError::Json`] if it is not a JSON Web Key, [`KeyError::Unsupported`] if it is for
    /// another algorithm or not for verifying signatures, and the errors of [`hs256`](Self::hs256)
    /// and [`pem`](Self::pem).
    pub fn jwk(json: impl AsRef<[u8]>) -> Result<Self, KeyError> {
        let jwk: Jwk = serde_json::from_slice(json.as_ref()).map_err(KeyError::Json)?;
        Self::from_jwk(&jwk)
    }

    /// Sets the name of the key. If a verifier has several keys, a token's `kid` must be the name
    /// of one.
    #[must_use]
    pub fn kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into().into());
        self
    }

    /// The algorithm of the key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        if !is_for_verifying(jwk) {
            return Err(KeyError::Unsupported);
        }
        let algorithm = algorithm_of(jwk).ok_or(KeyError::Unsupported)?;
        if let AlgorithmParameters::OctetKey(secret) = &jwk.algorithm {
            let bytes = base64_bytes(&secret.value);
            if bytes < LEAST_SECRET_BYTES {
                return Err(KeyError::SecretTooShort { bytes });
            }
        }
        let mut key = Self::checked(algorithm, DecodingKey::from_jwk(jwk))?;
        key.kid = jwk.common.key_id.as_deref().map(Into::into);
        Ok(key)
    }

    /// Checks the key. The engine itself would check it only when it verifies the first token,
    /// which is too late to report a fault.
    fn checked(
        algorithm: Algorithm,
        engine: jsonwebtoken::errors::Result<DecodingKey>,
    ) -> Result<Self, KeyError> {
        use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        let malformed = KeyError::Malformed { algorithm };
        let Ok(engine) = engine else { return Err(malformed) };
        match (algorithm, engine.kind()) {
            (Algorithm::Hs256, SecretOrDer(_)) => {}
            // The DER around the modulus takes at least 10 bytes.
            (Algorithm::Rs256, SecretOrDer(der)) if der.len() < LEAST_MODULUS_BYTES + 10 => {
                return Err(KeyError::RsaTooShort);
            }
            (Algorithm::Rs256, RsaModulusExponent { n, .. }) if n.len() < LEAST_MODULUS_BYTES => {
                return Err(KeyError::RsaTooShort);
            }
            (Algorithm::Rs256, _) => {}
            (Algorithm::Es256, SecretOrDer(point))
                if point.len() == P256_POINT_BYTES && point.first() == Some(&4) => {}
            (Algorithm::EdDsa, SecretOrDer(point)) if point.len() == ED25519_BYTES => {}
            _ => return Err(malformed),
        }
        Ok(Self { algorithm, kid: None, engine })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

/// Whether a JWK is for the verification of signatures (RFC 7517 sections 4.2 and 4.3).
fn is_for_verifying(jwk: &Jwk) -> bool {
    let by_use = jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
    let by_operations =
        jwk.common.key_operations.as_ref().is_none_or(|them| them.contains(&KeyOperations::Verify));
    by_use && by_operations
}

/// Returns the algorithm of a JWK by its type and curve. `None` if its `alg` differs, or if the
/// algorithm is not supported.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::OctetKey(_) => (Algorithm::Hs256, KeyAlgorithm::HS256),
        AlgorithmParameters::RSA(_) => (Algorithm::Rs256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::Es256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDsa, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    jwk.common.key_algorithm.is_none_or(|named| named == name).then_some(algorithm)
}

/// Returns the number of bytes that this base64url text encodes (RFC 4648 section 5, without
/// padding).
fn base64_bytes(text: &str) -> usize {
    text.trim_end_matches('=').len() * 3 / 4
}
