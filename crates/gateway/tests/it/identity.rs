//! As whom the bridge comes to the system behind: by its own token, by one for each user, by the caller's where it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bascule_gateway::{
    ActingUserSettings, ApiSettings, ClientProof, ExchangeSettings, IssuerSettings, Limits, OauthSettings,
    UpstreamCredential, Verification,
};
use bascule_smart::jose::{self, SigningAlgorithm, SigningKey};
use http::HeaderName;
use serde_json::{Value, json};

use crate::authority::{Authority, key};
use crate::house::{House, hospital, now};
use crate::upstream::Toy;

fn token(value: &str, seconds: i64) -> (u16, Value) {
    (200, json!({"access_token": value, "token_type": "Bearer", "expires_in": seconds}))
}

fn client(proof: ClientProof) -> OauthSettings {
    OauthSettings {
        client_id: "bascule".into(),
        proof,
        scope: Some("system/*.rs".into()),
        assertion_audience: None,
        ca_pem: None,
    }
}

async fn before(toy: &Toy, change: impl FnOnce(&mut ApiSettings)) -> House {
    House::changed(&format!("http://{}/fhir", toy.address), Limits::default(), change).await
}

fn shown(toy: &Toy) -> Vec<String> {
    let asked = toy.asked();
    asked.iter().map(|one| one.headers["authorization"].to_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_one_token_is_fetched_for_a_crowd_and_kept() {
    let (toy, signing) = (Toy::start(hospital()).await, Arc::new(key()));
    let authority = Authority::start(|_| token("token-of-the-bridge", 300)).await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Service {
            token_url: authority.url("/token"),
            client: Box::new(client(ClientProof::Key(Arc::clone(&signing)))),
        };
    })
    .await;
    let patient = house.patient("a");
    let crowd = (0..8).map(|_| house.get(&patient, "/Patient/a"));
    for answer in futures_util::future::join_all(crowd).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(shown(&toy), vec!["Bearer token-of-the-bridge"; 8]);
    let asked = authority.asked();
    assert_eq!(asked.len(), 1, "one flight");
    assert_eq!(asked[0].value("grant_type"), "client_credentials");
    assert_eq!(asked[0].value("scope"), "system/*.rs");
    let keys = json!({"keys": [signing.public_jwk()]});
    let assertion = jose::verify_with_set(asked[0].value("client_assertion"), &keys, &SigningAlgorithm::ALL).unwrap();
    let claim = |name: &str| assertion.claims[name].clone();
    assert_eq!((claim("iss"), claim("sub")), (json!("bascule"), json!("bascule")));
    assert_eq!(claim("aud"), json!(authority.url("/token").as_str()));
    assert!(claim("exp").as_i64().unwrap() - claim("iat").as_i64().unwrap() <= 300);
    house.get(&patient, "/Patient/a").await;
    assert!(authority.asked().is_empty(), "it is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn service_an_ended_token_is_fetched_anew_and_a_refused_one_forgotten() {
    let toy = Toy::start(hospital()).await;
    let number = AtomicU32::new(0);
    let authority = Authority::start(move |_| token(&format!("t{}", number.fetch_add(1, Ordering::Relaxed)), 10)).await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Service {
            token_url: authority.url("/token"),
            client: Box::new(client(ClientProof::Secret(bascule_crypto::Secret::new("s3cret:+")))),
        };
    })
    .await;
    let patient = house.patient("a");
    house.get(&patient, "/Patient/a").await;
    house.get(&patient, "/Patient/a").await;
    assert_eq!(shown(&toy), ["Bearer t0", "Bearer t1"], "ten seconds are too few to be kept");
    let asked = authority.asked();
    // Both halves are form-encoded before they are put together (RFC 6749 section 2.3.1).
    assert_eq!(asked[0].authorization, "Basic YmFzY3VsZTpzM2NyZXQlM0ElMkI=");
    assert_eq!(asked[0].value("client_id"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_sent_and_no_secret_is_told() {
    let toy = Toy::start(hospital()).await;
    let authority =
        Authority::start(|_| (401, json!({"error": "invalid_client", "error_description": "secret s3cret is wrong"})))
            .await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Service {
            token_url: authority.url("/token"),
            client: Box::new(client(ClientProof::Secret(bascule_crypto::Secret::new("s3cret")))),
        };
    })
    .await;
    let patient = house.patient("a");
    for _ in 0..3 {
        let answer = house.get(&patient, "/Patient/a").await;
        assert_eq!(answer.status, 502, "{}", answer.text);
        assert!(!answer.text.contains("s3cret") && !answer.text.contains("invalid_client"), "{}", answer.text);
    }
    assert!(toy.asked().is_empty());
    assert_eq!(authority.asked().len(), 1, "a crowd does not knock again at once");
    let entries = house.entries().await;
    assert_eq!(entries.last().unwrap()["cause"], "no-upstream-token", "{entries:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_gives_each_user_a_token_of_the_own() {
    let toy = Toy::start(hospital()).await;
    let authority = Authority::start(|asked| {
        let subject = jose::unverified(asked.value("subject_token")).unwrap();
        token(&format!("for-{}", subject.claims["sub"].as_str().unwrap()), 300)
    })
    .await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Exchange(Box::new(ExchangeSettings {
            token_url: authority.url("/token"),
            client: client(ClientProof::Key(Arc::new(key()))),
            audience: Some("ehr".into()),
            resource: None,
        }));
    })
    .await;
    let (one, two) = (house.patients_grant("a"), house.patients_grant("b"));
    let (first, second) = (house.issue(&one), house.issue(&two));
    house.get(&first, "/Patient/a").await;
    house.get(&second, "/Patient/b").await;
    house.get(&first, "/Patient/a").await;
    let user = |grant: &bascule_smart::Grant| grant.user.clone().unwrap();
    let expected = [user(&one), user(&two), user(&one)].map(|user| format!("Bearer for-{user}"));
    assert_eq!(shown(&toy), expected);
    let asked = authority.asked();
    assert_eq!(asked.len(), 2, "kept by user");
    assert_eq!(asked[0].value("grant_type"), "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!(asked[0].value("audience"), "ehr");
    // What is said of the user is signed with a key that anybody finds at /oauth/jwks, for this endpoint only.
    let published = house.store.published_keys(now()).unwrap();
    let keys = json!({"keys": published.iter().map(|key| key.jwk.clone()).collect::<Vec<_>>()});
    let said = jose::verify_with_set(asked[0].value("subject_token"), &keys, &[SigningAlgorithm::Es384]).unwrap();
    assert_eq!(said.claims["aud"], json!(authority.url("/token").as_str()));
    assert_eq!(said.claims["iss"], "https://bridge.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn exchange_without_a_user_is_refused_before_anybody_is_asked() {
    let toy = Toy::start(hospital()).await;
    let authority = Authority::start(|_| token("t", 300)).await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Exchange(Box::new(ExchangeSettings {
            token_url: authority.url("/token"),
            client: client(ClientProof::Key(Arc::new(key()))),
            audience: None,
            resource: None,
        }));
    })
    .await;
    let metadata = json!({"grant_types": ["client_credentials"], "scope": "system/*.cruds",
        "token_endpoint_auth_method": "client_secret_basic", "bascule_roles": ["scheduler"]});
    let backend = bascule_store::client::Client {
        id: "backend".into(),
        organization: Some("clinic".into()),
        metadata: bascule_smart::ClientMetadata::parse(&metadata).unwrap(),
        status: bascule_store::user::Status::Active,
        created: now(),
    };
    house.store.add_client(&backend).unwrap();
    let grant = bascule_smart::Grant {
        client: "backend".into(),
        user: None,
        scopes: "system/*.rs".parse().unwrap(),
        context: bascule_smart::LaunchContext::default(),
        purpose: Some("HOPERAT".into()),
        ..house.patients_grant("a")
    };
    let answer = house.get(&house.issue(&grant), "/Appointment?_count=1").await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(authority.asked().is_empty() && toy.asked().is_empty());
    assert_eq!(house.entries().await.last().unwrap()["cause"], "no-user-for-upstream");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_acting_user_comes_in_a_signed_header_that_nobody_else_can_send() {
    let toy = Toy::start(hospital()).await;
    let house = before(&toy, |api| {
        let header = HeaderName::from_static("x-acting-user");
        api.upstream.acting_user = Some(ActingUserSettings { header, audience: "https://ehr.example".into() });
    })
    .await;
    let grant = house.patients_grant("a");
    let token = house.issue(&grant);
    let forged = [("x-acting-user", "forged")];
    house.ask(http::Method::GET, &token, "/Patient/a", &forged, "").await;
    let asked = toy.asked();
    let sent: Vec<_> = asked[0].headers.get_all("x-acting-user").iter().collect();
    assert_eq!(sent.len(), 1);
    let published = house.store.published_keys(now()).unwrap();
    let keys = json!({"keys": published.iter().map(|key| key.jwk.clone()).collect::<Vec<_>>()});
    let said = jose::verify_with_set(sent[0].to_str().unwrap(), &keys, &[SigningAlgorithm::Es384]).unwrap().claims;
    assert_eq!(said["sub"], json!(grant.user.unwrap()));
    assert_eq!(said["aud"], "https://ehr.example");
    assert_eq!(said["client_id"], "vendor-app");
    assert_eq!(said["jti"], json!(asked[0].headers["x-request-id"].to_str().unwrap()));
}

/// An issuer that the API takes tokens of, whose keys stand at its toy.
fn issuer(authority: &Authority, audience: &str) -> IssuerSettings {
    IssuerSettings {
        issuer: authority.issuer(),
        audiences: vec![audience.to_owned()],
        verification: Verification::Keys {
            jwks_url: Some(authority.url("/jwks")),
            algorithms: vec![SigningAlgorithm::Es384],
        },
        ca_pem: None,
        client_claim: "azp".into(),
        clients: [("their-app".to_owned(), "vendor-app".to_owned())].into(),
        scopes: [("launch.read".to_owned(), "patient/*.rs".parse().unwrap())].into(),
        users: true,
        patient_claim: Some("patient".into()),
    }
}

fn claims(authority: &Authority, audience: &str) -> Value {
    json!({"iss": authority.issuer(), "aud": audience, "azp": "their-app", "sub": "their-user", "patient": "a",
        "scope": "launch.read", "exp": now().seconds() + 300, "iat": now().seconds()})
}

fn add_user(house: &House, authority: &Authority) {
    let user = bascule_store::user::NewUser {
        login: "theirs".into(),
        roles: vec!["patient".into()],
        fhir_user: bascule_store::user::parse_reference("Patient/a"),
        external: Some((authority.issuer(), "their-user".into())),
        ..bascule_store::user::NewUser::default()
    };
    house.store.add_user(&user, None, now()).unwrap();
}

fn published(key: &SigningKey) -> (u16, Value) {
    (200, json!({"keys": [key.public_jwk()]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_shows_the_callers_own_token_and_no_other() {
    let toy = Toy::start(hospital()).await;
    let upstream = format!("http://{}/fhir", toy.address);
    let signing = Arc::new(key());
    let keys = Arc::clone(&signing);
    let authority = Authority::start(move |_| published(&keys)).await;
    let house = before(&toy, |api| {
        api.upstream.credential = UpstreamCredential::Relay { issuer: authority.issuer() };
        api.issuers = vec![issuer(&authority, &upstream)];
    })
    .await;
    add_user(&house, &authority);
    let theirs = signing.sign(&claims(&authority, &upstream), "at+jwt").unwrap();
    let answer = house.get(&theirs, "/Patient/a").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(shown(&toy), [format!("Bearer {theirs}")]);
    // Our own token is never shown to anybody.
    let answer = house.get(&house.patient("a"), "/Patient/a").await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(toy.asked().is_empty());
    assert_eq!(house.entries().await.last().unwrap()["cause"], "token-not-relayable");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_token_is_worth_what_it_is_mapped_to() {
    let toy = Toy::start(hospital()).await;
    let signing = Arc::new(key());
    let keys = Arc::clone(&signing);
    let authority = Authority::start(move |_| published(&keys)).await;
    let house = before(&toy, |api| api.issuers = vec![issuer(&authority, "https://bridge.example/fhir")]).await;
    add_user(&house, &authority);
    let sign = |change: fn(&mut Value)| {
        let mut claims = claims(&authority, "https://bridge.example/fhir");
        change(&mut claims);
        signing.sign(&claims, "at+jwt").unwrap()
    };
    let answer = house.get(&sign(|_| ()), "/Patient/a").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(shown(&toy), ["Bearer upstream-secret"], "their token stays here");
    assert_eq!(house.get(&sign(|_| ()), "/Patient/b").await.status, 403, "another patient");
    type Change = fn(&mut Value);
    let refusals: [(&str, Change); 7] = [
        ("audience", |c| c["aud"] = json!("https://other.example")),
        ("no audience", |c| drop(c.as_object_mut().unwrap().remove("aud"))),
        ("expired", |c| c["exp"] = json!(now().seconds() - 60)),
        ("issuer", |c| c["iss"] = json!("https://other.example")),
        ("client", |c| c["azp"] = json!("stranger")),
        ("scope", |c| c["scope"] = json!("admin")),
        ("user", |c| c["sub"] = json!("stranger")),
    ];
    for (what, change) in refusals {
        let answer = house.get(&sign(change), "/Patient/a").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"), "{what}");
    }
    assert!(toy.asked().is_empty());
    assert_eq!(house.entries().await.last().unwrap()["cause"], "token-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_token_that_is_not_really_signed_is_refused() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let toy = Toy::start(hospital()).await;
    let signing = Arc::new(key());
    let keys = Arc::clone(&signing);
    let authority = Authority::start(move |_| published(&keys)).await;
    let house = before(&toy, |api| api.issuers = vec![issuer(&authority, "https://bridge.example/fhir")]).await;
    add_user(&house, &authority);
    let claims = claims(&authority, "https://bridge.example/fhir");
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(&json!({"alg": "none", "kid": signing.id()})), part(&claims));
    // HMAC with the public key as the secret: the oldest trick.
    let message = format!("{}.{}", part(&json!({"alg": "HS256", "kid": signing.id()})), part(&claims));
    let public = bascule_crypto::Secret::new(signing.public_jwk().to_string());
    let hmac = bascule_crypto::digest::hmac_sha256(&public, message.as_bytes());
    let hmac = format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac));
    let other = key().sign(&claims, "at+jwt").unwrap();
    let sound = signing.sign(&claims, "at+jwt").unwrap();
    let cut = sound.rsplit_once('.').unwrap().0.to_owned() + ".";
    let wrong_kind = signing.sign(&claims, "logout+jwt").unwrap();
    for (what, token) in
        [("none", none), ("hmac", hmac), ("other key", other), ("no signature", cut), ("another kind", wrong_kind)]
    {
        assert_eq!(house.get(&token, "/Patient/a").await.status, 401, "{what}");
    }
    assert_eq!(house.get(&sound, "/Patient/a").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_an_issuer_is_noticed_and_unknown_ones_do_not_make_us_knock() {
    let toy = Toy::start(hospital()).await;
    let (old, new) = (Arc::new(key()), Arc::new(key()));
    let rotated = Arc::new(AtomicU32::new(0));
    let (keys, later, turned) = (Arc::clone(&old), Arc::clone(&new), Arc::clone(&rotated));
    let authority = Authority::start(move |_| match turned.load(Ordering::Relaxed) {
        0 => published(&keys),
        _ => (200, json!({"keys": [keys.public_jwk(), later.public_jwk()]})),
    })
    .await;
    let house = before(&toy, |api| api.issuers = vec![issuer(&authority, "https://bridge.example/fhir")]).await;
    add_user(&house, &authority);
    let claims = claims(&authority, "https://bridge.example/fhir");
    let sign = |key: &SigningKey| key.sign(&claims, "at+jwt").unwrap();
    assert_eq!(house.get(&sign(&old), "/Patient/a").await.status, 200);
    assert_eq!(authority.asked().len(), 1);
    // Strangers' kids within the pause: nobody is asked again.
    for _ in 0..20 {
        assert_eq!(house.get(&sign(&key()), "/Patient/a").await.status, 401);
    }
    assert!(authority.asked().len() <= 1);
    rotated.store(1, Ordering::Relaxed);
    // After the pause the new key is found, and the old one still counts.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(house.get(&sign(&new), "/Patient/a").await.status, 200);
    assert_eq!(house.get(&sign(&old), "/Patient/a").await.status, 200);
    assert_eq!(authority.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opaque_external_token_is_asked_about_each_time() {
    let toy = Toy::start(hospital()).await;
    let active = Arc::new(AtomicU32::new(1));
    let now_active = Arc::clone(&active);
    let authority = Authority::start(move |asked| {
        let sound = asked.value("token") == "opaque-1" && now_active.load(Ordering::Relaxed) == 1;
        let said = json!({"active": true, "aud": "https://bridge.example/fhir", "azp": "their-app", "sub": "their-user",
            "patient": "a", "scope": "launch.read", "exp": now().seconds() + 300});
        (200, if sound { said } else { json!({"active": false}) })
    })
    .await;
    let house = before(&toy, |api| {
        let client = Box::new(client(ClientProof::Secret(bascule_crypto::Secret::new("s"))));
        let verification = Verification::Introspection { url: authority.url("/introspect"), client };
        api.issuers = vec![IssuerSettings { verification, ..issuer(&authority, "https://bridge.example/fhir") }];
    })
    .await;
    add_user(&house, &authority);
    assert_eq!(house.get("opaque-1", "/Patient/a").await.status, 200);
    assert_eq!(house.get("opaque-2", "/Patient/a").await.status, 401);
    active.store(0, Ordering::Relaxed);
    assert_eq!(house.get("opaque-1", "/Patient/a").await.status, 401, "ended there, ended here on the next request");
    assert_eq!(authority.asked().iter().filter(|one| one.path == "/introspect").count(), 3);
}
