//! Tests of tokens: which are accepted, and which must be refused.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::*;
use crate::Error;

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
fn a_header_does_not_choose_the_algorithm() {
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
        // Without a signature, as `none` requires.
        let unsigned = &token[..=token.rfind('.').unwrap()];
        assert_eq!(refusal(&verifier, unsigned), expected, "{header}");
    }
    let hs512 = jsonwebtoken::encode(
        &Header::new(jsonwebtoken::Algorithm::HS512),
        &good(),
        &EncodingKey::from_secret(SECRET),
    );
    assert_eq!(refusal(&verifier, &hs512.unwrap()), "Algorithm");
    // A key in the token's header is never used.
    let header = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(OTHER)}});
    assert_eq!(refusal(&verifier, &forge(&header, &good(), OTHER)), "Signature");
}

#[test]
fn text_that_is_not_a_token_is_malformed_or_has_a_wrong_signature() {
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
fn the_registered_claims_are_checked() {
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
        ("nbf is now", &plain, json!({"exp": now + 60, "nbf": now}), "ok"),
        ("nbf within the leeway", &plain, json!({"exp": now + 60, "nbf": now + 3}), "ok"),
        ("nbf is later", &plain, json!({"exp": now + 60, "nbf": now + 30}), "NotYetValid"),
        ("nbf as text", &plain, json!({"exp": now + 60, "nbf": "now"}), "Missing"),
        ("an unexpected audience", &plain, json!({"exp": now + 60, "aud": "chat"}), "Audience"),
        ("an unexpected issuer", &plain, json!({"exp": now + 60, "iss": "a"}), "ok"),
        ("no claims", &plain, json!([]), "Malformed"),
        ("without exp", &endless, json!({"sub": "42"}), "ok"),
        ("with exp it still expires", &endless, json!({"exp": now - 60}), "Expired"),
        ("all claims", &strict, full(json!({})), "ok"),
        ("other accepted values", &strict, full(json!({"iss": "b", "aud": ["x", "talk"]})), "ok"),
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
fn a_refused_token_is_a_401_or_4401_without_a_reason() {
    let error = Error::from(JwtError::Expired);
    assert_eq!((error.http_status().as_u16(), error.ws_close_code()), (401, 4401));
    assert_eq!(error.public_text().as_deref(), Some("the token is not accepted"));
    assert_eq!(error.event_code(), "forbidden");
    assert_eq!(Error::from(JwtError::Expired).or_forbidden().http_status(), 401, "a guard's, too");
    let error = error.status(403).close_code(4403).public("go away");
    assert_eq!((error.http_status().as_u16(), error.ws_close_code()), (403, 4403));
}
