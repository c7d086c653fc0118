//! Tests of keys: their formats, the choice of the key for a token, and refused keys.

use base64::engine::general_purpose::STANDARD;
use rcgen::PKCS_ECDSA_P384_SHA384;

use super::*;

#[test]
fn a_key_verifies_its_own_tokens_in_every_format() {
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
fn only_the_kid_chooses_one_of_several_keys() {
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
    // Two keys of one algorithm: a signature by the other key is refused.
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
fn replaced_keys_take_effect_at_once_in_every_clone() {
    let verifier = JwtVerifier::new(key(Algorithm::Hs256));
    let clone = verifier.clone();
    let (old, new) = (sign(Algorithm::Hs256, None, &good()), sign(Algorithm::EdDsa, Some("new"), &good()));
    assert!(clone.verify(&old).is_ok() && clone.verify(&new).is_err());
    verifier.replace_keys(key(Algorithm::EdDsa).kid("new"));
    assert!(clone.verify(&old).is_err() && clone.verify(&new).is_ok());
}

#[test]
fn a_set_of_keys_skips_unusable_keys() {
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
        ("none usable", unusable.to_vec(), "NoKey"),
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
fn an_unusable_key_is_refused_when_it_is_made() {
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
        ("for encryption", Key::jwk(jwk(Algorithm::Rs256, &json!({"use": "enc"})).to_string()), "Unsuppor"),
        (
            "for signing alone",
            Key::jwk(jwk(Algorithm::Rs256, &json!({"key_ops": ["sign"]})).to_string()),
            "Unsuppor",
        ),
        ("short RSA", Key::jwk(json!({"kty": "RSA", "n": "wAAA", "e": "AQAB"}).to_string()), "RsaTooShort"),
    ] {
        let error = format!("{:?}", made.expect_err(name));
        assert!(error.starts_with(expected), "{name}: {error}");
    }
}

#[test]
fn no_output_contains_a_secret() {
    let verifier =
        JwtVerifier::new(Key::jwk(jwk(Algorithm::Hs256, &json!({"kid": "k"})).to_string()).unwrap());
    let printed = format!("{verifier:?}");
    assert!(printed.contains("Hs256") && printed.contains("\"k\""), "{printed}");
    for secret in ["a secret", "97, 32, 115", &URL_SAFE_NO_PAD.encode(SECRET)] {
        assert!(!printed.contains(secret), "{printed}");
    }
}
