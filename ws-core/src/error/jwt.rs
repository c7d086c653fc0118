//! Errors of tokens and keys, and the signature algorithms. They belong to this module because
//! [`Error`](super::Error) has a public face for refused tokens. No text here may contain a token,
//! a key or a part of one.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;

/// Why a token was refused. As an [`Error`](crate::Error) it refuses a handshake with 401 and
/// closes an open connection with 4401. The client does not see which variant it was.
///
/// Its texts never contain the token or a part of it.
///
/// ```
/// use ws_core::jwt::JwtError;
///
/// /// Whether the client should fetch a new token.
/// fn needs_new_token(error: &JwtError) -> bool {
///     matches!(error, JwtError::Expired)
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// The text is not a JSON Web Token (RFC 7515 section 3.1), or it is longer than 16 KiB.
    #[error("the token is not a JWT")]
    Malformed,
    /// The header names a different algorithm than the key's; `none` is also refused.
    #[error("the token is not signed with {}, the algorithm of its key", .expected.name())]
    Algorithm {
        /// The algorithm of the key.
        expected: Algorithm,
    },
    /// The header lists critical extensions (`crit`, RFC 7515 section 4.1.11); none is supported.
    #[error("the token's header has critical extensions")]
    Critical,
    /// The header names no key (`kid`), and there are several keys.
    #[error("the token names no key (`kid`), and there are several")]
    KidMissing,
    /// No key has the name (`kid`) that the header gives.
    #[error("the token names a key (`kid`) that is not known")]
    UnknownKey,
    /// The key does not verify the signature.
    #[error("the token's signature does not match its key")]
    Signature,
    /// A required claim is missing or has the wrong type.
    #[error("the token has no claim `{claim}`, or one of the wrong type")]
    Missing {
        /// The name of the claim.
        claim: String,
    },
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is not a trusted issuer.
    #[error("the token's issuer is not trusted")]
    Issuer,
    /// `aud` does not name the verifier's audience, or it is present and the verifier has no
    /// audience (RFC 7519 section 4.1.3).
    #[error("the token is for another audience")]
    Audience,
    /// The claims do not fit the verifier's type.
    #[error("the token's claims are of another shape")]
    Shape(#[source] serde_json::Error),
    /// The new claims of a refreshed connection have a different subject.
    #[error("the token's subject differs from that of the connection")]
    OtherSubject,
}

impl JwtError {
    /// Converts an error of the engine, for a token whose key and algorithm are known.
    pub(crate) fn of_engine(error: jsonwebtoken::errors::Error, expected: Algorithm) -> Self {
        match error.into_kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidAlgorithm => Self::Algorithm { expected },
            ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
                Self::Missing { claim }
            }
            _ => Self::Malformed,
        }
    }
}

/// Why a key cannot be used. Its texts never contain the key.
///
/// ```
/// use ws_core::jwt::{Key, KeyError};
///
/// let error = Key::hs256("too short").unwrap_err();
/// assert!(matches!(error, KeyError::SecretTooShort { bytes: 9 }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret is too short and could be guessed.
    #[error("the secret has {bytes} bytes; HS256 needs at least 32 (RFC 7518 section 3.2)")]
    SecretTooShort {
        /// The length of the secret in bytes.
        bytes: usize,
    },
    /// An RSA key of less than 2048 bits.
    #[error("the RSA key is shorter than 2048 bits (RFC 7518 section 3.3)")]
    RsaTooShort,
    /// The text is not a public key of this algorithm.
    #[error("not a public key for {algorithm}")]
    Malformed {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The key is a private key; the public key is required.
    #[error("a private key was given; write the public key")]
    Private,
    /// HS256 with a public key.
    #[error("HS256 has no public key; use `Key::hs256(secret)`")]
    NoPublicKey,
    /// The text is not a JSON Web Key or a set of them.
    #[error("not a JSON Web Key or a set of them")]
    Json(#[source] serde_json::Error),
    /// The JSON Web Key is for an unsupported algorithm, or not for verifying signatures (RFC 7517
    /// sections 4.2 and 4.3).
    #[error("the key is not for verifying signatures by HS256, RS256, ES256 or EdDSA")]
    Unsupported,
    /// The set has no usable key.
    #[error("the set has no key that can be used")]
    NoKey,
    /// One of several keys has no name.
    #[error("one of several keys has no name (`kid`)")]
    KidMissing,
    /// Two keys have one name.
    #[error("two keys are named `{kid}`")]
    KidTwice {
        /// The name.
        kid: String,
    },
}

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1).
///
/// ```
/// use ws_core::jwt::{Algorithm, Key};
///
/// let key = Key::hs256([7; 32])?;
/// assert_eq!(key.algorithm(), Algorithm::Hs256);
/// assert_eq!(Algorithm::EdDsa.name(), "EdDSA");
/// # Ok::<(), ws_core::jwt::KeyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: signer and verifier share one secret.
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// Returns the name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(crate) fn engine(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
