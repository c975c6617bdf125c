//! Client assertions and DPoP proofs, each signed by a real key and then spoilt in one place.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_smart::client_auth::{self, Proof, verify_assertion};
use bascule_smart::jose::{self, SigningAlgorithm, SigningKey};
use bascule_smart::{ClientMetadata, Parameters, Refusal, Server, dpop};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const TOKEN_URL: &str = "https://b.example/oauth/token";

fn pem(der: &[u8]) -> Secret {
    Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der)))
}

fn key(algorithm: SigningAlgorithm) -> SigningKey {
    let ec = |alg| EcdsaKeyPair::generate(alg).unwrap().to_pkcs8v1().unwrap().as_ref().to_vec();
    let der = match algorithm {
        SigningAlgorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        SigningAlgorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Rs384 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
            let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
            der.as_ref().to_vec()
        }
    };
    SigningKey::from_pem(algorithm, &pem(&der)).unwrap()
}

fn set(keys: &[&SigningKey]) -> Value {
    json!({"keys": keys.iter().map(|key| key.public_jwk().clone()).collect::<Vec<_>>()})
}

fn metadata(keys: &Value) -> ClientMetadata {
    let value = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        "jwks": keys, "scope": "system/*.rs"});
    ClientMetadata::parse(&value).unwrap()
}

fn claims() -> Map<String, Value> {
    let value = json!({"iss": "app", "sub": "app", "aud": TOKEN_URL, "exp": NOW.seconds() + 300, "jti": "j1"});
    value.as_object().unwrap().clone()
}

fn server() -> Server {
    Server::new("https://b.example", vec![])
}

fn verify(assertion: &str, keys: &Value) -> Result<client_auth::Assertion, Refusal> {
    verify_assertion(assertion, "app", &metadata(keys), keys, &server(), NOW)
}

/// The parts of a token with another header, signed by nobody.
fn with_header(token: &str, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut parts = token.splitn(2, '.');
    let header = URL_SAFE_NO_PAD.decode(parts.next().unwrap()).unwrap();
    let mut header: Map<String, Value> = serde_json::from_slice(&header).unwrap();
    change(&mut header);
    format!("{}.{}", URL_SAFE_NO_PAD.encode(Value::Object(header).to_string()), parts.next().unwrap())
}

#[test]
fn bs_5_gp_6_both_algorithms_of_smart_are_accepted_with_exp_exactly_300_ahead() {
    for algorithm in SigningAlgorithm::SMART {
        let key = key(algorithm);
        let assertion = key.sign(&Value::Object(claims()), "JWT").unwrap();
        let verified = verify(&assertion, &set(&[&key])).unwrap();
        assert_eq!(verified.jti, "j1");
        assert!(verified.remember_until > NOW.plus_seconds(300));
    }
}

#[test]
fn rs256_and_es256_are_accepted_by_setting_only() {
    for algorithm in [SigningAlgorithm::Rs256, SigningAlgorithm::Es256] {
        let key = key(algorithm);
        let keys = set(&[&key]);
        let assertion = key.sign(&Value::Object(claims()), "JWT").unwrap();
        assert!(verify(&assertion, &keys).is_err());
        let open = Server { assertion_algorithms: SigningAlgorithm::ALL.to_vec(), ..server() };
        assert!(verify_assertion(&assertion, "app", &metadata(&keys), &keys, &open, NOW).is_ok());
    }
}

#[test]
fn gp_2_bt_10_bt_11_each_claim_missing_or_wrong_is_refused_as_invalid_client() {
    let key = key(SigningAlgorithm::Es384);
    let keys = set(&[&key]);
    let now = NOW.seconds();
    let spoilt: Vec<(&str, Option<Value>)> = vec![
        ("iss", None),
        ("iss", Some(json!("other"))),
        ("iss", Some(json!(["app"]))),
        ("sub", None),
        ("sub", Some(json!("other"))),
        ("aud", None),
        ("aud", Some(json!("https://b.example"))),
        ("aud", Some(json!("https://b.example/oauth/token/"))),
        ("aud", Some(json!([]))),
        ("aud", Some(json!([TOKEN_URL, "https://evil.example/token"]))),
        ("aud", Some(json!({"x": 1}))),
        ("exp", None),
        ("exp", Some(json!(now - 31))),
        ("exp", Some(json!(now + 331))),
        ("exp", Some(json!(now + 3_600))),
        ("exp", Some(json!((now + 300).to_string()))),
        ("exp", Some(json!(-1))),
        ("exp", Some(json!(1e300))),
        ("nbf", Some(json!(now + 31))),
        ("nbf", Some(json!("soon"))),
        ("iat", Some(json!(now + 31))),
        ("jti", None),
        ("jti", Some(json!(""))),
        ("jti", Some(json!(7))),
        ("jti", Some(json!("x".repeat(257)))),
    ];
    for (name, value) in spoilt {
        let mut claims = claims();
        claims.remove(name);
        claims.extend(value.clone().map(|value| (name.to_owned(), value)));
        let assertion = key.sign(&Value::Object(claims), "JWT").unwrap();
        let refusal = verify(&assertion, &keys).expect_err(&format!("{name} {value:?}"));
        assert_eq!(refusal.error.code(), "invalid_client", "{name} {value:?}");
    }
}

#[test]
fn sound_variants_are_accepted() {
    let key = key(SigningAlgorithm::Es384);
    let keys = set(&[&key]);
    let now = NOW.seconds();
    for (name, value) in [
        ("aud", json!([TOKEN_URL])),
        ("exp", json!(now + 329)),
        ("exp", json!(now - 29)),
        ("nbf", json!(now)),
        ("iat", json!(now - 5)),
        ("exp", serde_json::from_str("1800000100.5").unwrap()),
    ] {
        let mut claims = claims();
        claims.insert(name.into(), value.clone());
        let assertion = key.sign(&Value::Object(claims), "JWT").unwrap();
        assert!(verify(&assertion, &keys).is_ok(), "{name} {value}");
    }
}

#[test]
fn bt_15_the_wrong_key_and_every_broken_signature_are_refused() {
    let (key, other) = (key(SigningAlgorithm::Es384), self::key(SigningAlgorithm::Es384));
    let keys = set(&[&key]);
    let assertion = key.sign(&Value::Object(claims()), "JWT").unwrap();
    assert!(verify(&other.sign(&Value::Object(claims()), "JWT").unwrap(), &keys).is_err());
    let forged = with_header(&other.sign(&Value::Object(claims()), "JWT").unwrap(), |header| {
        header.insert("kid".into(), json!(key.id()));
    });
    assert!(verify(&forged, &keys).is_err());
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    for broken in [
        format!("{signed}."),
        format!("{signed}.{}", "A".repeat(signature.len())),
        signed.to_owned(),
        format!("{assertion}.x"),
        String::new(),
        "..".into(),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
    ] {
        assert!(verify(&broken, &keys).is_err(), "{broken}");
    }
}

#[test]
fn none_hmac_and_pointing_headers_are_refused() {
    let key = key(SigningAlgorithm::Es384);
    let keys = set(&[&key]);
    let assertion = key.sign(&Value::Object(claims()), "JWT").unwrap();
    for name in ["none", "None", "NONE", "HS256", "HS384", "EdDSA", "PS256", "ES256", "RS384", ""] {
        let spoilt = with_header(&assertion, |header| drop(header.insert("alg".into(), json!(name))));
        assert!(verify(&spoilt, &keys).is_err(), "{name}");
    }
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks")),
        ("jwk", key.public_jwk().clone()),
        ("x5u", json!("https://evil.example")),
        ("crit", json!(["exp"])),
        ("b64", json!(false)),
        ("kid", json!(7)),
        ("kid", json!("unknown")),
    ] {
        let spoilt = with_header(&assertion, |header| drop(header.insert(name.into(), value)));
        assert!(verify(&spoilt, &keys).is_err(), "{name}");
    }
}

#[test]
fn hmac_with_the_public_key_is_not_a_signature() {
    let key = key(SigningAlgorithm::Rs384);
    let keys = set(&[&key]);
    let header = json!({"alg": "HS384", "kid": key.id(), "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&Value::Object(claims())));
    let secret =
        aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA384, key.public_jwk()["n"].as_str().unwrap().as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&secret, signed.as_bytes()));
    assert!(verify(&format!("{signed}.{signature}"), &keys).is_err());
}

#[test]
fn gp_3_without_a_kid_the_key_must_be_the_only_one_that_fits() {
    let (one, two) = (key(SigningAlgorithm::Es384), key(SigningAlgorithm::Es384));
    let rsa = key(SigningAlgorithm::Rs384);
    let claims = Value::Object(claims());
    let signed = |key: &SigningKey| key.sign(&claims, "JWT").unwrap();
    let verify = |token: &str, keys: &Value| jose::verify_with_set(token, keys, &SigningAlgorithm::SMART);
    assert!(verify(&signed(&one), &set(&[&one, &two, &rsa])).is_ok());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "ES384", "typ": "JWT"})), part(&claims));
    let nameless = format!("{message}.{}", one.sign_bytes(message.as_bytes()).unwrap());
    assert!(verify(&nameless, &set(&[&one, &rsa])).is_ok());
    assert_eq!(verify(&nameless, &set(&[&one, &two])).unwrap_err(), jose::JoseError::ManyKeys);
    let mut twins = set(&[&one, &two]);
    twins["keys"][1]["kid"] = twins["keys"][0]["kid"].clone();
    let refused = verify(&signed(&one), &twins);
    assert_eq!(refused.unwrap_err(), jose::JoseError::ManyKeys);
    let mut encryption = set(&[&one]);
    encryption["keys"][0]["use"] = json!("enc");
    assert!(verify(&signed(&one), &encryption).is_err());
}

#[test]
fn a_registered_jku_is_allowed_and_no_other() {
    let key = key(SigningAlgorithm::Es384);
    let keys = set(&[&key]);
    let value = json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://app.example/jwks", "scope": "system/*.rs"});
    let metadata = ClientMetadata::parse(&value).unwrap();
    let plain = key.sign(&Value::Object(claims()), "JWT").unwrap();
    assert!(verify_assertion(&plain, "app", &metadata, &keys, &server(), NOW).is_ok());
    let spoilt = with_header(&plain, |header| drop(header.insert("jku".into(), json!("https://app.example/other"))));
    let refusal = verify_assertion(&spoilt, "app", &metadata, &keys, &server(), NOW).unwrap_err();
    assert!(refusal.said.contains("jku"));
}

#[test]
fn what_a_client_sends_is_read_once() {
    let of = |pairs: &[(&str, &str)]| Parameters::of(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    // oauth4webapi and openid-client percent-encode both halves.
    let presented = client_auth::read(Some(&basic("conf%2Dapp:s%2Fecret")), &of(&[])).unwrap();
    assert_eq!(presented.client.as_deref(), Some("conf-app"));
    assert!(matches!(presented.proof, Proof::Secret(secret) if secret.matches(b"s/ecret")));
    let form = client_auth::read(None, &of(&[("client_id", "app"), ("client_secret", "s")])).unwrap();
    assert!(matches!(form.proof, Proof::Secret(_)) && !form.in_header);
    let public = client_auth::read(None, &of(&[("client_id", "app")])).unwrap();
    assert!(matches!(public.proof, Proof::None));
    let refused = |header: Option<String>, pairs: &[(&str, &str)]| {
        client_auth::read(header.as_deref(), &of(pairs)).unwrap_err().error.code()
    };
    assert_eq!(refused(Some(basic("app:s")), &[("client_secret", "s"), ("client_id", "app")]), "invalid_request");
    assert_eq!(refused(Some(basic("app:s")), &[("client_id", "other")]), "invalid_client");
    assert_eq!(refused(Some(basic("app")), &[]), "invalid_client");
    assert_eq!(refused(Some("Bearer x".into()), &[]), "invalid_client");
    assert_eq!(refused(Some("Basic ***".into()), &[]), "invalid_client");
    assert_eq!(refused(None, &[("client_assertion", "x")]), "invalid_client");
    assert_eq!(
        refused(None, &[("client_assertion_type", "not_an_assertion_type"), ("client_assertion", "x")]),
        "invalid_client"
    );
    assert_eq!(refused(None, &[("client_assertion_type", client_auth::ASSERTION_TYPE)]), "invalid_client");
}

mod proofs {
    use super::*;

    fn proof(key: &SigningKey, change: impl FnOnce(&mut Map<String, Value>)) -> String {
        let mut claims = json!({"htm": "POST", "htu": TOKEN_URL, "iat": NOW.seconds(), "jti": "p1"});
        change(claims.as_object_mut().unwrap());
        sign(key, &json!({"typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": bare(key)}), &claims)
    }

    fn bare(key: &SigningKey) -> Value {
        let mut jwk = key.public_jwk().clone();
        for name in ["kid", "use", "alg"] {
            jwk.as_object_mut().unwrap().remove(name);
        }
        jwk
    }

    /// Signs with any header, which [`SigningKey::sign`] does not.
    fn sign(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        format!("{message}.{}", key.sign_bytes(message.as_bytes()).unwrap())
    }

    fn verify(proof: &str) -> Result<dpop::DpopProof, dpop::DpopError> {
        dpop::verify(proof, "POST", TOKEN_URL, None, NOW)
    }

    #[test]
    fn a_sound_proof_names_its_key() {
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Rs256] {
            let key = key(algorithm);
            let found = verify(&proof(&key, |_| ())).unwrap();
            assert_eq!(found.key, jose::thumbprint(key.public_jwk()).unwrap());
        }
    }

    #[test]
    fn a_proof_is_for_one_method_address_time_and_token() {
        let key = key(SigningAlgorithm::Es256);
        let spoil =
            |name: &'static str, value: Value| proof(&key, move |claims| drop(claims.insert(name.into(), value)));
        assert!(verify(&spoil("htm", json!("GET"))).is_err());
        assert!(verify(&spoil("htu", json!("https://b.example/oauth/other"))).is_err());
        assert!(verify(&spoil("htu", json!("https://evil.example/oauth/token"))).is_err());
        assert!(verify(&spoil("htu", json!("https://b.example:443/oauth/token?x=1#y"))).is_ok());
        assert!(verify(&spoil("iat", json!(NOW.seconds() - 61))).is_err());
        assert!(verify(&spoil("iat", json!(NOW.seconds() + 61))).is_err());
        assert!(verify(&spoil("iat", json!("now"))).is_err());
        assert!(verify(&spoil("jti", json!(""))).is_err());
        let at = |proof: &str, token: &[u8]| dpop::verify(proof, "POST", TOKEN_URL, Some(token), NOW);
        let ath = URL_SAFE_NO_PAD.encode(bascule_crypto::digest::sha256(b"token"));
        assert!(at(&spoil("ath", json!(ath)), b"token").is_ok());
        assert!(at(&spoil("ath", json!(ath)), b"other").is_err());
        assert!(at(&proof(&key, |_| ()), b"token").is_err());
    }

    #[test]
    fn a_proof_carries_the_public_key_that_signed_it() {
        let (key, other) = (key(SigningAlgorithm::Es256), self::key(SigningAlgorithm::Es256));
        let claims = json!({"htm": "POST", "htu": TOKEN_URL, "iat": NOW.seconds(), "jti": "p1"});
        let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": bare(&key)});
        assert!(verify(&sign(&key, &header, &claims)).is_ok());
        assert!(verify(&sign(&other, &header, &claims)).is_err());
        let spoil = |name: &str, value: Value| {
            let mut header = header.clone();
            header[name] = value;
            verify(&sign(&key, &header, &claims))
        };
        assert!(spoil("typ", json!("JWT")).is_err());
        assert!(spoil("alg", json!("none")).is_err());
        assert!(spoil("jwk", json!({"kty": "oct", "k": "AAAA"})).is_err());
        let mut private = bare(&key);
        private["d"] = json!("AAAA");
        assert!(spoil("jwk", private).is_err());
    }
}
