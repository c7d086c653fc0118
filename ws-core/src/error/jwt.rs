//! Errors of tokens and keys, and the algorithm that they name. They stand here because an
//! [`Error`](super::Error) has a public face for a refused token.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;

/// Why a token was refused. As an [`Error`](crate::Error) it answers a handshake with 401, closes an open connection with
/// 4401, and tells neither of them which of these it was.
///
/// No text of it holds the token or a part of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// It is no JSON Web Token (RFC 7515 section 3.1), or longer than 16 KiB.
    #[error("the token is no JWT")]
    Malformed,
    /// Its header names another algorithm than its key's, `none` included.
    #[error("the token is not signed with {}, the algorithm of its key", .expected.name())]
    Algorithm {
        /// The key's.
        expected: Algorithm,
    },
    /// Its header names extensions that have to be understood (`crit`, RFC 7515 section 4.1.11); none is.
    #[error("the token's header has critical extensions")]
    Critical,
    /// Its header names no key (`kid`), and there are several.
    #[error("the token names no key (`kid`), and there are several")]
    KidMissing,
    /// No key has the name that its header gives (`kid`).
    #[error("the token names a key (`kid`) that is not known")]
    UnknownKey,
    /// The signature is not by the key.
    #[error("the token's signature is not by its key")]
    Signature,
    /// A claim that is asked for is missing, or of the wrong type.
    #[error("the token has no claim `{claim}`, or one of the wrong type")]
    Missing {
        /// Its name.
        claim: String,
    },
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is still to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is none of those that are trusted.
    #[error("the token is by another issuer")]
    Issuer,
    /// `aud` names others, or anybody at all where the verifier names no audience (RFC 7519 section 4.1.3).
    #[error("the token is for another audience")]
    Audience,
    /// The claims do not fit the verifier's type.
    #[error("the token's claims are of another shape")]
    Shape(#[source] serde_json::Error),
    /// The claims that a connection was to be refreshed with are somebody else's.
    #[error("the token is of another subject than the connection")]
    OtherSubject,
}

impl JwtError {
    /// What the engine says about a token whose key and algorithm are settled.
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

/// Why a key cannot be used. No text of it holds the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A secret that can be guessed.
    #[error("the secret has {bytes} bytes; HS256 needs at least 32 (RFC 7518 section 3.2)")]
    SecretTooShort {
        /// How long it is.
        bytes: usize,
    },
    /// An RSA key of less than 2048 bits.
    #[error("the RSA key is shorter than 2048 bits (RFC 7518 section 3.3)")]
    RsaTooShort,
    /// It is no public key of this algorithm.
    #[error("this is no public key for {algorithm}")]
    Malformed {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// A private key, where the public one belongs.
    #[error("this is a private key; a verifier needs the public one")]
    Private,
    /// HS256 with a public key.
    #[error("HS256 has no public key; use `Key::hs256(secret)`")]
    NoPublicKey,
    /// No JSON Web Key, or no set of them.
    #[error("this is no JSON Web Key or set of them")]
    Json(#[source] serde_json::Error),
    /// A JSON Web Key for another algorithm than these four.
    #[error("the key is for none of HS256, RS256, ES256 and EdDSA")]
    Unsupported,
    /// A set without a key that can be used.
    #[error("there is no key that can be used")]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256: one secret, for whoever signs and whoever verifies.
    Hs256,
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// As a token's header writes it.
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
