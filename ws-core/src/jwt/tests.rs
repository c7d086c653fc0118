//! Every algorithm, every claim, and what must not pass: as tables. The keys are made anew at each run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what it expects"
)]

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{EncodingKey, Header, get_current_timestamp as now};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::Error;

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
        Algorithm::Hs256 => panic!("a secret is no pair"),
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

/// The key as a JWK, with whatever else it says.
fn jwk(algorithm: Algorithm, more: &Value) -> Value {
    let base64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut jwk = match algorithm {
        Algorithm::Hs256 => json!({"kty": "oct", "k": base64(SECRET)}),
        Algorithm::Rs256 => {
            // PKCS #1 in DER: SEQUENCE (4 bytes of head) of INTEGER (4, and a zero) and INTEGER (2) 65537.
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

/// A token by hand: whatever the header says, signed with this secret as HS256 is.
fn forge(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// The name of the variant.
fn refusal(verifier: &JwtVerifier, token: &str) -> String {
    let error = verifier.verify(token).expect_err(token);
    let text = format!("{error:?}");
    text.split([' ', '(']).next().unwrap().to_owned()
}

#[test]
fn a_key_verifies_its_own_tokens_however_it_was_given() {
    for algorithm in ALL {
        let token = sign(algorithm, None, &good());
        let mut keys = vec![key(algorithm), Key::jwk(jwk(algorithm, &json!({})).to_string()).unwrap()];
        if algorithm != Algorithm::Hs256 {
            let pem = pair_of(algorithm).public_key_pem();
            let base64: String = pem.lines().filter(|line| !line.starts_with("--")).collect();
            keys.push(Key::der(algorithm, STANDARD.decode(base64).unwrap()).unwrap());
        }
        for key in keys {
            assert_eq!(key.algorithm(), algorithm);
            let claims = JwtVerifier::new(key).verify(&token).unwrap();
            assert_eq!(claims.subject(), Some("42"), "{algorithm}");
        }
    }
    let pkcs1 = format!("-----BEGIN RSA PUBLIC KEY-----\n{}\n-----END RSA PUBLIC KEY-----\n", {
        STANDARD.encode(RSA.public_key_raw())
    });
    let verifier = JwtVerifier::new(Key::pem(Algorithm::Rs256, pkcs1).unwrap());
    assert!(verifier.verify(sign(Algorithm::Rs256, None, &good())).is_ok());
}

#[test]
fn no_key_verifies_a_token_of_another_algorithm() {
    for ours in ALL {
        for theirs in ALL.into_iter().filter(|theirs| *theirs != ours) {
            let verifier = JwtVerifier::new(key(ours));
            assert_eq!(refusal(&verifier, &sign(theirs, None, &good())), "Algorithm", "{ours} <- {theirs}");
        }
    }
}

#[test]
fn a_public_key_is_never_a_secret() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let verifier = JwtVerifier::new(key(algorithm));
        let pair = pair_of(algorithm);
        for secret in [pair.public_key_pem().as_bytes(), pair.public_key_raw()] {
            for alg in ["HS256", algorithm.name()] {
                let token = forge(&json!({"alg": alg, "typ": "JWT"}), &good(), secret);
                let refused = refusal(&verifier, &token);
                assert!(["Algorithm", "Signature"].contains(&&*refused), "{algorithm} {alg}: {refused}");
            }
        }
    }
}

#[test]
fn a_header_chooses_no_algorithm() {
    let verifier = JwtVerifier::new(key(Algorithm::Hs256));
    for (header, expected) in [
        (json!({"alg": "none"}), "Algorithm"),
        (json!({"alg": "None"}), "Algorithm"),
        (json!({"alg": "hs256"}), "Algorithm"),
        (json!({"alg": "HS512"}), "Algorithm"),
        (json!({"alg": ""}), "Algorithm"),
        (json!({"alg": ["HS256"]}), "Malformed"),
        (json!({"alg": null}), "Malformed"),
        (json!({}), "Malformed"),
        (json!({"alg": "HS256", "crit": ["exp"], "exp": 1}), "Critical"),
        (json!({"alg": "HS256", "crit": ["b64"], "b64": false}), "Critical"),
    ] {
        let token = forge(&header, &good(), SECRET);
        assert_eq!(refusal(&verifier, &token), expected, "{header}");
        // With the signature left out, as `none` wants it.
        let unsigned = &token[..=token.rfind('.').unwrap()];
        assert_eq!(refusal(&verifier, unsigned), expected, "{header}");
    }
    let hs512 = jsonwebtoken::encode(
        &Header::new(jsonwebtoken::Algorithm::HS512),
        &good(),
        &EncodingKey::from_secret(SECRET),
    );
    assert_eq!(refusal(&verifier, &hs512.unwrap()), "Algorithm");
    // A key that comes along in the header is nobody's.
    let header = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(OTHER)}});
    assert_eq!(refusal(&verifier, &forge(&header, &good(), OTHER)), "Signature");
}

#[test]
fn what_is_no_token_is_malformed_or_badly_signed() {
    let verifier = JwtVerifier::new(key(Algorithm::Hs256));
    let token = sign(Algorithm::Hs256, None, &good());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("{token}") };
    for (text, expected) in [
        (String::new(), "Malformed"),
        (".".into(), "Malformed"),
        ("..".into(), "Malformed"),
        ("no token at all".into(), "Malformed"),
        (header.into(), "Malformed"),
        (format!("{header}.{claims}"), "Malformed"),
        (format!("{token}."), "Malformed"),
        (format!(" {token}"), "Malformed"),
        (format!("{header}.{claims}.{signature}="), "Malformed"),
        (format!("{header}.{claims}."), "Signature"),
        (format!("{header}.{claims}.AAAA"), "Signature"),
        (format!("{header}.e30.{signature}"), "Signature"),
        (format!("{}.{claims}.{signature}", "A".repeat(17 << 10)), "Malformed"),
    ] {
        assert_eq!(refusal(&verifier, &text), expected, "{text:.80}");
    }
    let other = JwtVerifier::new(Key::hs256(OTHER).unwrap());
    assert_eq!(refusal(&other, &token), "Signature");
    let long = sign(Algorithm::Hs256, None, &json!({"exp": now() + 60, "x": "x".repeat(17 << 10)}));
    assert_eq!(refusal(&verifier, &long), "Malformed", "over 16 KiB");
}

#[test]
fn the_kid_chooses_one_of_several_keys_and_nothing_else_does() {
    let keys = || ALL.map(|algorithm| key(algorithm).kid(algorithm.name()));
    let several = JwtVerifier::new(Keys::new(keys()).unwrap());
    for algorithm in ALL {
        assert!(several.verify(sign(algorithm, Some(algorithm.name()), &good())).is_ok(), "{algorithm}");
        assert_eq!(refusal(&several, &sign(algorithm, None, &good())), "KidMissing", "{algorithm}");
        assert_eq!(refusal(&several, &sign(algorithm, Some("x"), &good())), "UnknownKey", "{algorithm}");
        for other in ALL.into_iter().filter(|other| *other != algorithm) {
            let swapped = sign(algorithm, Some(other.name()), &good());
            assert_eq!(refusal(&several, &swapped), "Algorithm", "{algorithm} as {other}");
        }
    }
    // Two keys of one algorithm: the other one's signature is none.
    let (one, two) = (Key::hs256(SECRET).unwrap().kid("1"), Key::hs256(OTHER).unwrap().kid("2"));
    let twins = JwtVerifier::new(Keys::new([one.clone(), two]).unwrap());
    assert!(twins.verify(sign(Algorithm::Hs256, Some("1"), &good())).is_ok());
    assert_eq!(refusal(&twins, &sign(Algorithm::Hs256, Some("2"), &good())), "Signature");

    let named = JwtVerifier::new(one);
    assert!(named.verify(sign(Algorithm::Hs256, None, &good())).is_ok());
    assert_eq!(refusal(&named, &sign(Algorithm::Hs256, Some("2"), &good())), "UnknownKey");
    let nameless = JwtVerifier::new(key(Algorithm::Hs256));
    assert!(nameless.verify(sign(Algorithm::Hs256, Some("any"), &good())).is_ok());
}

#[test]
fn replaced_keys_count_at_once_and_in_every_clone() {
    let verifier = JwtVerifier::new(key(Algorithm::Hs256));
    let clone = verifier.clone();
    let (old, new) = (sign(Algorithm::Hs256, None, &good()), sign(Algorithm::EdDsa, Some("new"), &good()));
    assert!(clone.verify(&old).is_ok() && clone.verify(&new).is_err());
    verifier.replace_keys(key(Algorithm::EdDsa).kid("new"));
    assert!(clone.verify(&old).is_err() && clone.verify(&new).is_ok());
}

#[test]
fn a_set_of_keys_passes_over_what_it_cannot_use() {
    let set = |keys: &[Value]| Keys::jwks(json!({ "keys": keys }).to_string());
    let usable = ALL.map(|it| jwk(it, &json!({"kid": it.name(), "alg": it.name(), "use": "sig"})));
    let unusable = [
        jwk(Algorithm::Rs256, &json!({"kid": "a", "use": "enc"})),
        jwk(Algorithm::Rs256, &json!({"kid": "b", "alg": "RS512"})),
        jwk(Algorithm::Rs256, &json!({"kid": "c", "alg": "HS256"})),
        jwk(Algorithm::Hs256, &json!({"kid": "d", "alg": "RS256"})),
        jwk(Algorithm::Es256, &json!({"kid": "e", "key_ops": ["sign"]})),
        json!({"kty": "EC", "crv": "P-384", "kid": "f", "x": "AA", "y": "AA"}),
        json!({"kty": "new", "kid": "g"}),
    ];
    let verifier = JwtVerifier::new(set(&[&usable[..], &unusable].concat()).unwrap());
    for algorithm in ALL {
        assert!(verifier.verify(sign(algorithm, Some(algorithm.name()), &good())).is_ok(), "{algorithm}");
    }
    assert_eq!(refusal(&verifier, &sign(Algorithm::Hs256, Some("c"), &good())), "UnknownKey");

    let short = json!({"kty": "oct", "kid": "s", "k": "c2hvcnQ"});
    let off_the_curve = json!({"kty": "EC", "crv": "P-256", "kid": "p", "x": "AA", "y": "AA"});
    for (name, keys, expected) in [
        ("none", vec![], "NoKey"),
        ("none of use", unusable.to_vec(), "NoKey"),
        ("nameless", ALL.map(|it| jwk(it, &json!({}))).to_vec(), "KidMissing"),
        ("twins", vec![usable[0].clone(), usable[0].clone()], "KidTwice"),
        ("short", vec![short], "SecretTooShort"),
        ("no point", vec![off_the_curve], "Malformed"),
    ] {
        let error = format!("{:?}", set(&keys).unwrap_err());
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    for no_set in ["", "[]", "{}", r#"{"keys": [1]}"#] {
        assert!(matches!(Keys::jwks(no_set), Err(KeyError::Json(_))), "{no_set}");
    }
}

#[test]
fn a_key_that_cannot_serve_is_refused_when_it_is_made() {
    let p384 = pair(&PKCS_ECDSA_P384_SHA384);
    for (name, made, expected) in [
        ("short secret", Key::hs256([0; 31]), "SecretTooShort { bytes: 31 }"),
        ("HS256 with a public key", Key::pem(Algorithm::Hs256, RSA.public_key_pem()), "NoPublicKey"),
        ("private RSA key", Key::pem(Algorithm::Rs256, RSA.serialize_pem()), "Private"),
        ("private EC key", Key::pem(Algorithm::Es256, EC.serialize_pem()), "Private"),
        ("private key in DER", Key::der(Algorithm::EdDsa, ED.serialize_der()), "Malformed"),
        ("EC for RSA", Key::pem(Algorithm::Rs256, EC.public_key_pem()), "Malformed"),
        ("RSA for EC", Key::pem(Algorithm::Es256, RSA.public_key_pem()), "Malformed"),
        ("EC for Ed", Key::pem(Algorithm::EdDsa, EC.public_key_pem()), "Malformed"),
        ("P-384 for ES256", Key::pem(Algorithm::Es256, p384.public_key_pem()), "Malformed"),
        ("no PEM", Key::pem(Algorithm::Rs256, "a secret"), "Malformed"),
        ("no DER", Key::der(Algorithm::Rs256, b"a secret"), "Malformed"),
        ("no JSON", Key::jwk("a secret"), "Json"),
        (
            "another algorithm",
            Key::jwk(jwk(Algorithm::Rs256, &json!({"alg": "PS256"})).to_string()),
            "Unsuppor",
        ),
        ("short RSA", Key::jwk(json!({"kty": "RSA", "n": "wAAA", "e": "AQAB"}).to_string()), "RsaTooShort"),
    ] {
        let error = format!("{:?}", made.expect_err(name));
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn the_registered_claims_are_judged() {
    let verifier = || JwtVerifier::builder(key(Algorithm::Hs256));
    let plain = verifier().build();
    let strict = verifier().issuer("a").issuer("b").audience("chat").audience("talk").require("jti").build();
    let endless = verifier().allow_without_expiry().build();
    let now = now();
    let full = |more: Value| {
        let mut claims = json!({"exp": now + 60, "iss": "a", "aud": "chat", "jti": "1"});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        claims
    };
    for (name, verifier, claims, expected) in [
        ("good", &plain, json!({"exp": now + 60}), "ok"),
        ("a fraction", &plain, json!({"exp": now as f64 + 60.5}), "ok"),
        ("within the leeway", &plain, json!({"exp": now - 2}), "ok"),
        ("past the leeway", &plain, json!({"exp": now - 60}), "Expired"),
        ("exp of zero", &plain, json!({"exp": 0}), "Expired"),
        ("no exp", &plain, json!({"sub": "42"}), "Missing"),
        ("exp of null", &plain, json!({"exp": null}), "Missing"),
        ("exp as text", &plain, json!({"exp": "9999999999"}), "Missing"),
        ("exp below zero", &plain, json!({"exp": -1}), "Missing"),
        ("the largest exp", &plain, json!({"exp": u64::MAX}), "ok"),
        ("nbf has come", &plain, json!({"exp": now + 60, "nbf": now}), "ok"),
        ("nbf within the leeway", &plain, json!({"exp": now + 60, "nbf": now + 3}), "ok"),
        ("nbf is to come", &plain, json!({"exp": now + 60, "nbf": now + 30}), "NotYetValid"),
        ("nbf as text", &plain, json!({"exp": now + 60, "nbf": "now"}), "Missing"),
        ("an audience that nobody named", &plain, json!({"exp": now + 60, "aud": "chat"}), "Audience"),
        ("an issuer that nobody asked for", &plain, json!({"exp": now + 60, "iss": "a"}), "ok"),
        ("no claims", &plain, json!([]), "Malformed"),
        ("endless", &endless, json!({"sub": "42"}), "ok"),
        ("it ends all the same", &endless, json!({"exp": now - 60}), "Expired"),
        ("all of it", &strict, full(json!({})), "ok"),
        ("the other ones", &strict, full(json!({"iss": "b", "aud": ["x", "talk"]})), "ok"),
        ("another issuer", &strict, full(json!({"iss": "c"})), "Issuer"),
        ("no issuer", &strict, full(json!({"iss": null})), "Missing"),
        ("a number for an issuer", &strict, full(json!({"iss": 1})), "Missing"),
        ("another audience", &strict, full(json!({"aud": ["x", "y"]})), "Audience"),
        ("no audience", &strict, full(json!({"aud": null})), "Missing"),
        ("an empty audience", &strict, full(json!({"aud": []})), "Audience"),
        ("no jti", &strict, full(json!({"jti": null})), "Missing"),
    ] {
        let token = sign(Algorithm::Hs256, None, &claims);
        match verifier.verify(&token) {
            Ok(_) => assert_eq!("ok", expected, "{name}: {claims}"),
            Err(_) => assert_eq!(refusal(verifier, &token), expected, "{name}: {claims}"),
        }
    }
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    let twice = URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{},"exp":1}}"#, now + 60));
    let message = format!("{header}.{twice}");
    let signature = jsonwebtoken::crypto::sign(
        message.as_bytes(),
        &EncodingKey::from_secret(SECRET),
        jsonwebtoken::Algorithm::HS256,
    );
    assert_eq!(refusal(&plain, &format!("{message}.{}", signature.unwrap())), "Malformed", "exp twice");
}

#[test]
fn claims_are_read_as_the_verifiers_type() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Nested {
        data: Data,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Data {
        uid: u64,
    }
    let verifier = JwtVerifier::builder(key(Algorithm::Hs256)).audience("a").claims::<Nested>().build();
    let exp = now() + 60;
    let mut json =
        json!({"iss": "i", "sub": "s", "aud": ["a", "b"], "jti": "j", "exp": exp, "nbf": 1, "iat": 2});
    json["data"] = json!({"uid": 7});
    let claims = verifier.verify(sign(Algorithm::Hs256, None, &json)).unwrap();
    assert_eq!(*claims, Nested { data: Data { uid: 7 } });
    assert_eq!((claims.issuer(), claims.subject(), claims.id()), (Some("i"), Some("s"), Some("j")));
    assert_eq!(claims.audience().collect::<Vec<_>>(), ["a", "b"]);
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!((claims.expires_at(), claims.not_before(), claims.issued_at()), (at(exp), at(1), at(2)));
    assert_eq!(claims.valid_until(), at(exp + 5), "the leeway is on top");

    json["data"] = json!({"uid": "seven"});
    let error = verifier.verify(sign(Algorithm::Hs256, None, &json)).unwrap_err();
    assert!(matches!(error, JwtError::Shape(_)), "{error:?}");
    assert!(!error.to_string().contains("seven"), "{error}");
}

#[test]
fn a_refused_token_is_a_401_a_4401_and_no_reason() {
    let error = Error::from(JwtError::Expired);
    assert_eq!((error.http_status().as_u16(), error.ws_close_code()), (401, 4401));
    assert_eq!(error.public_text().as_deref(), Some("the token is not accepted"));
    let error = error.status(403).close_code(4403).public("go away");
    assert_eq!((error.http_status().as_u16(), error.ws_close_code()), (403, 4403));
}

#[test]
fn nothing_that_is_printed_shows_a_secret() {
    let verifier =
        JwtVerifier::new(Key::jwk(jwk(Algorithm::Hs256, &json!({"kid": "k"})).to_string()).unwrap());
    let printed = format!("{verifier:?}");
    assert!(printed.contains("Hs256") && printed.contains("\"k\""), "{printed}");
    for secret in ["a secret", "97, 32, 115", &URL_SAFE_NO_PAD.encode(SECRET)] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
