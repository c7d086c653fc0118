//! Tests of every algorithm, every claim, and of tokens that must be refused, as tables.
//!
//! This module has the shared helpers: keys, which are generated at each run, and valid and forged
//! tokens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by a panic"
)]

mod keys;
mod tokens;

use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, get_current_timestamp as now};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret of no less than 32 bytes";
const OTHER: &[u8] = b"another secret of at least 32 bytes";

static RSA: LazyLock<KeyPair> = LazyLock::new(|| pair(&PKCS_RSA_SHA256));
static EC: LazyLock<KeyPair> = LazyLock::new(|| pair(&PKCS_ECDSA_P256_SHA256));
static ED: LazyLock<KeyPair> = LazyLock::new(|| pair(&PKCS_ED25519));

const ALL: [Algorithm; 4] = [Algorithm::Hs256, Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

fn pair(algorithm: &'static rcgen::SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}

fn pair_of(algorithm: Algorithm) -> &'static KeyPair {
    match algorithm {
        Algorithm::Hs256 => panic!("a secret is not a key pair"),
        Algorithm::Rs256 => &RSA,
        Algorithm::Es256 => &EC,
        Algorithm::EdDsa => &ED,
    }
}

fn signing(algorithm: Algorithm) -> EncodingKey {
    let private = |algorithm| pair_of(algorithm).serialize_pem();
    match algorithm {
        Algorithm::Hs256 => EncodingKey::from_secret(SECRET),
        Algorithm::Rs256 => EncodingKey::from_rsa_pem(private(algorithm).as_bytes()).unwrap(),
        Algorithm::Es256 => EncodingKey::from_ec_pem(private(algorithm).as_bytes()).unwrap(),
        Algorithm::EdDsa => EncodingKey::from_ed_pem(private(algorithm).as_bytes()).unwrap(),
    }
}

fn key(algorithm: Algorithm) -> Key {
    match algorithm {
        Algorithm::Hs256 => Key::hs256(SECRET).unwrap(),
        other => Key::pem(other, pair_of(other).public_key_pem()).unwrap(),
    }
}

/// Returns the key as a JWK, with these additional fields.
fn jwk(algorithm: Algorithm, more: &Value) -> Value {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match algorithm {
        Algorithm::Hs256 => json!({"kty": "oct", "k": base64(SECRET)}),
        Algorithm::Rs256 => {
            // PKCS #1 in DER: SEQUENCE (4 bytes of head) of INTEGER (4, and a zero) and INTEGER (2)
            // 65537.
            let der = RSA.public_key_raw();
            json!({"kty": "RSA", "n": base64(&der[9..9 + 256]), "e": base64(&der[der.len() - 3..])})
        }
        Algorithm::Es256 => {
            let point = EC.public_key_raw();
            json!({"kty": "EC", "crv": "P-256", "x": base64(&point[1..33]), "y": base64(&point[33..])})
        }
        Algorithm::EdDsa => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(ED.public_key_raw())}),
    };
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    jwk
}

fn good() -> Value {
    json!({"sub": "42", "exp": now() + 60})
}

fn sign(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm.engine());
    header.kid = kid.map(Into::into);
    jsonwebtoken::encode(&header, claims, &signing(algorithm)).unwrap()
}

/// Returns a token with any header, signed with this secret by HS256.
fn forge(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// Returns the name of the [`JwtError`] variant with which the token is refused.
fn refusal(verifier: &JwtVerifier, token: &str) -> String {
    let error = verifier.verify(token).expect_err(token);
    let text = format!("{error:?}");
    text.split([' ', '(']).next().unwrap().to_owned()
}
