//! UDAP (UD-1 to UD-25): discovery, registration by a software statement, and authentication by a certificate of a community,
//! which the test makes.

use std::sync::Arc;

use bascule_crypto::Secret;
use bascule_crypto::certificate::{Anchors, chain_from_pem};
use bascule_gateway::smart::{SmartLimits, UdapSettings};
use bascule_smart::SmartEvent;
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use bascule_smart::udap::Community;
use bascule_store::user::Status;
use bascule_wire::Identity;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::authority_of::Authority;
use crate::house::{Answer, BASE, Browser, House, TOKEN_URL, encode};

const APP: &str = "https://app.example/udap";
const ENDPOINT: &str = "https://bridge.example/oauth/udap/register";

/// Who signs with a certificate.
struct Member {
    key: SigningKey,
    chain: Vec<Vec<u8>>,
}

fn member(identity: &Identity) -> Member {
    let pem = Secret::new(identity.key_pem.clone());
    let key = SigningKey::from_pem(SigningAlgorithm::Es256, &pem).unwrap();
    Member { key, chain: chain_from_pem(&identity.certificate_pem).unwrap() }
}

impl Member {
    fn sign(&self, claims: &Value) -> String {
        self.key.sign_with_chain(claims, &self.chain).unwrap()
    }
}

fn house_with(authority: &Authority, change: impl FnOnce(&mut Community)) -> House {
    let house = House::with(|server| server.apis.truncate(1), SmartLimits::default());
    house.clock.store(authority.now.seconds(), std::sync::atomic::Ordering::Relaxed);
    // The keys of the house begin in the future of a clock that was set back.
    house.store.make_signing_key(SigningAlgorithm::Rs256, house.now(), house.now().plus_seconds(1)).unwrap();
    let mut community = Community {
        uri: Some("https://community.example".into()),
        anchors: Anchors::from_pem(&authority.pem).unwrap(),
        scope: "openid fhirUser launch/patient offline_access patient/*.rs system/Patient.rs".parse().unwrap(),
        approve: false,
        pkce_optional: false,
        roles: vec!["scheduler".into()],
        organization: None,
        certifications: Vec::new(),
    };
    change(&mut community);
    let own = member(&authority.of_uri(BASE, 1));
    let settings = UdapSettings { community, key: Arc::new(own.key), chain: own.chain, apis: vec!["ehr".into()] };
    drop(house.state.clone().with_udap(Some(settings)));
    house
}

fn statement(house: &House, change: impl FnOnce(&mut Value)) -> Value {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = house.now().seconds();
    let mut claims = json!({
        "iss": APP, "sub": APP, "aud": ENDPOINT, "iat": now, "exp": now + 300,
        "jti": format!("statement-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        "client_name": "A backend", "contacts": ["mailto:it@app.example"], "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt", "scope": "system/Patient.rs system/Observation.rs",
    });
    change(&mut claims);
    claims
}

fn app(claims: &mut Value) {
    claims["grant_types"] = json!(["authorization_code", "refresh_token"]);
    claims["response_types"] = json!(["code"]);
    claims["redirect_uris"] = json!(["https://app.example/back"]);
    claims["logo_uri"] = json!("https://app.example/logo.png");
    claims["scope"] = json!("openid fhirUser launch/patient patient/*.rs");
}

async fn register_token(house: &House, token: &str) -> Answer {
    let body = json!({"software_statement": token, "certifications": [], "udap": "1"}).to_string();
    let request = Request::post("/oauth/udap/register").header("content-type", "application/json");
    house.send(request.body(axum::body::Body::from(body)).unwrap()).await
}

async fn register(house: &House, by: &Member, change: impl FnOnce(&mut Value)) -> Answer {
    register_token(house, &by.sign(&statement(house, change))).await
}

fn assertion(house: &House, by: &Member, client: &str, change: impl FnOnce(&mut Value)) -> String {
    let id = bascule_store::random::id().unwrap();
    let mut claims = json!({
        "iss": client, "sub": client, "aud": TOKEN_URL, "jti": id, "exp": house.now().seconds() + 300,
        "extensions": {"hl7-b2b": {"version": "1", "subject_name": "A backend", "organization_name": "App Inc.",
            "organization_id": "https://app.example", "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#SYSDEV"]}},
    });
    change(&mut claims);
    by.sign(&claims)
}

async fn token(house: &House, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let mut form =
        vec![("client_assertion_type", crate::house::ASSERTION_TYPE), ("client_assertion", assertion), ("udap", "1")];
    form.extend(more);
    house.post("/oauth/token", &[], &form).await
}

#[tokio::test]
async fn ud_1_to_ud_16_the_metadata_is_signed_in_the_name_of_the_base() {
    let authority = Authority::new();
    let house = house_with(&authority, |_| ());
    let answer = house.get("/fhir/.well-known/udap", &[("origin", "https://any.example")]).await;
    assert_eq!(answer.status, 200, "UD-1");
    assert!(answer.header("content-type").starts_with("application/json"));
    let said = answer.json();
    assert_eq!(said["udap_versions_supported"], json!(["1"]), "UD-2");
    for profile in ["udap_dcr", "udap_authn", "udap_authz"] {
        assert!(said["udap_profiles_supported"].as_array().unwrap().contains(&json!(profile)), "UD-3 {profile}");
    }
    assert_eq!(said["udap_authorization_extensions_supported"], json!(["hl7-b2b"]), "UD-4");
    assert!(said["udap_authorization_extensions_required"].is_array(), "UD-5");
    assert!(
        said["udap_certifications_supported"].is_array() && said["udap_certifications_required"].is_array(),
        "UD-6"
    );
    let grants = said["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!("authorization_code")) && grants.contains(&json!("client_credentials")), "UD-7");
    assert!(said["scopes_supported"].as_array().unwrap().iter().all(Value::is_string), "UD-8");
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        assert!(said[endpoint].as_str().unwrap().starts_with("https://bridge.example/oauth/"), "UD-9 UD-10 {endpoint}");
    }
    assert_eq!(said["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]), "UD-11");
    for list in
        ["token_endpoint_auth_signing_alg_values_supported", "registration_endpoint_jwt_signing_alg_values_supported"]
    {
        assert!(said[list].as_array().unwrap().contains(&json!("RS256")), "UD-12 UD-13 {list}");
    }
    let signed = said["signed_metadata"].as_str().unwrap();
    assert_eq!(signed.split('.').count(), 3, "UD-14");
    let anchors = Anchors::from_pem(&authority.pem).unwrap();
    let verified = bascule_smart::udap::verify(signed, &anchors, house.now()).expect("UD-15 UD-16");
    assert!(verified.certificate.uris.contains(&BASE.to_owned()), "UD-15");
    let claim = |name: &str| verified.claims[name].clone();
    assert_eq!((claim("iss"), claim("sub")), (json!(BASE), json!(BASE)), "UD-15");
    assert!(claim("exp").as_i64().unwrap() - claim("iat").as_i64().unwrap() <= 31_536_000, "UD-15");
    assert!(claim("jti").is_string());
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        assert_eq!(claim(endpoint), said[endpoint], "UD-15 {endpoint}");
    }
    let other = house.get("/fhir/.well-known/udap?community=https://other.example", &[]).await;
    assert_eq!(other.status, 204, "of another community");
    assert_eq!(house.get("/fhir/.well-known/udap?community=https://community.example", &[]).await.status, 200);
    assert_eq!(House::new().get("/fhir/.well-known/udap", &[]).await.status, 404, "of none");
}

#[tokio::test]
async fn ud_17_ud_18_a_statement_that_is_not_sound_registers_nobody() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let house = house_with(&authority, |_| ());
    let own = member(&authority.of_uri(APP, 7));
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 13] = [
        (
            "iss of somebody else",
            |c| {
                c["iss"] = json!("https://other.example");
                c["sub"] = c["iss"].clone();
            },
            "invalid_software_statement",
        ),
        ("sub", |c| c["sub"] = json!("https://other.example"), "invalid_software_statement"),
        ("aud", |c| c["aud"] = json!("https://other.example"), "invalid_software_statement"),
        ("expired", |c| c["exp"] = json!(1_000), "invalid_software_statement"),
        ("too long", |c| c["exp"] = json!(c["iat"].as_i64().unwrap() + 301), "invalid_software_statement"),
        ("no iat", |c| c["iat"] = json!(null), "invalid_software_statement"),
        ("no jti", |c| c["jti"] = json!(""), "invalid_software_statement"),
        ("no name", |c| c["client_name"] = json!(""), "invalid_client_metadata"),
        ("method", |c| c["token_endpoint_auth_method"] = json!("none"), "invalid_client_metadata"),
        (
            "both kinds",
            |c| c["grant_types"] = json!(["client_credentials", "authorization_code"]),
            "invalid_client_metadata",
        ),
        ("no grant types", |c| c["grant_types"] = json!(null), "invalid_client_metadata"),
        (
            "no redirect",
            |c| {
                app(c);
                c["redirect_uris"] = json!([]);
            },
            "invalid_client_metadata",
        ),
        ("nothing granted", |c| c["scope"] = json!("system/Observation.cud"), "invalid_client_metadata"),
    ];
    for (what, change, error) in cases {
        let answer = register(&house, &own, change).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].clone()),
            (400, json!(error)),
            "{what}: {}",
            answer.text
        );
    }
    // UD-18: signed by a key that is not the certificate's.
    let forger = Member { key: member(&authority.of_uri(APP, 8)).key, chain: own.chain.clone() };
    assert_eq!(register(&house, &forger, |_| ()).await.json()["error"], "invalid_software_statement");
    let unknown = member(&stranger.of_uri(APP, 9));
    assert_eq!(register(&house, &unknown, |_| ()).await.json()["error"], "unapproved_software_statement");
    let plain = own.key.sign(&statement(&house, |_| ()), "JWT").unwrap();
    assert_eq!(register_token(&house, &plain).await.json()["error"], "invalid_software_statement", "no x5c");
    assert_eq!(register_token(&house, "nonsense").await.json()["error"], "invalid_software_statement");
    let token = own.sign(&statement(&house, |_| ()));
    assert_eq!(register_token(&house, &token).await.status, 201);
    assert_eq!(register_token(&house, &token).await.json()["error"], "invalid_software_statement", "its jti twice");
    let form = house.post("/oauth/udap/register", &[], &[("software_statement", "x")]).await;
    assert_eq!(form.status, 400);
    let clients = house.store.clients().unwrap();
    assert_eq!(clients.iter().filter(|client| client.id.starts_with("udap-")).count(), 1);
}

#[tokio::test]
async fn ud_19_ud_20_a_sound_statement_registers_once_and_is_echoed() {
    let authority = Authority::new();
    let house = house_with(&authority, |_| ());
    let own = member(&authority.of_uri(APP, 7));
    let token = own.sign(&statement(&house, |_| ()));
    let answer = register_token(&house, &token).await;
    assert_eq!(answer.status, 201, "UD-19 {}", answer.text);
    let said = answer.json();
    let id = said["client_id"].as_str().unwrap().to_owned();
    assert_eq!(said["software_statement"], json!(token), "UD-20");
    assert_eq!(said["scope"], "system/Patient.rs", "UD-20: what is offered of it");
    assert_eq!(said["grant_types"], json!(["client_credentials"]), "UD-20");
    assert_eq!(said["token_endpoint_auth_method"], "private_key_jwt", "UD-20");
    assert_eq!(said["client_name"], "A backend", "UD-20");
    assert!(!answer.text.contains("bascule_"));
    // Again with another certificate of the same URI: the same client, changed.
    let again = register(&house, &member(&authority.of_uri(APP, 8)), app).await;
    assert_eq!((again.status.as_u16(), again.json()["client_id"].clone()), (200, json!(id)));
    assert_eq!(again.json()["redirect_uris"], json!(["https://app.example/back"]), "UD-20");
    assert_eq!(again.json()["response_types"], json!(["code"]), "UD-20");
    // Cancelled, and back.
    let cancelled = register(&house, &own, |claims| claims["grant_types"] = json!([])).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()["grant_types"].clone()), (200, json!([])));
    assert_eq!(house.store.client(&id).unwrap().unwrap().status, Status::Waiting);
    register(&house, &own, |_| ()).await;
    assert_eq!(house.store.client(&id).unwrap().unwrap().status, Status::Active);
    // Whom an administrator ended stays out.
    house.store.set_client_status(&id, Status::Disabled, house.now()).unwrap();
    assert_eq!(register(&house, &own, |_| ()).await.json()["error"], "unapproved_software_statement");
    let changed = house
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| matches!(event, SmartEvent::RecordChanged { what: "UDAP registration", .. }));
    assert!(changed);
}

#[tokio::test]
async fn a_registration_waits_for_a_person_where_that_is_the_setting() {
    let authority = Authority::new();
    let house = house_with(&authority, |community| community.approve = true);
    let own = member(&authority.of_uri(APP, 7));
    let id = register(&house, &own, |_| ()).await.json()["client_id"].as_str().unwrap().to_owned();
    let asked = [("grant_type", "client_credentials")];
    token(&house, &assertion(&house, &own, &id, |_| ()), &asked).await.refused(&[401], "invalid_client");
    house.store.set_client_status(&id, Status::Active, house.now()).unwrap();
    assert_eq!(token(&house, &assertion(&house, &own, &id, |_| ()), &asked).await.status, 200);
}

#[tokio::test]
async fn ud_23_ud_24_a_backend_gets_a_token_by_its_certificate_and_says_for_whom() {
    let authority = Authority::new();
    let house = house_with(&authority, |_| ());
    let own = member(&authority.of_uri(APP, 7));
    let id = register(&house, &own, |_| ()).await.json()["client_id"].as_str().unwrap().to_owned();
    let asked = [("grant_type", "client_credentials")];
    let answer = token(&house, &assertion(&house, &own, &id, |_| ()), &asked).await;
    assert_eq!(answer.status, 200, "UD-23 {}", answer.text);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"), "UD-24");
    let said = answer.json();
    assert_eq!(
        (said["scope"].clone(), said["token_type"].clone()),
        (json!("system/Patient.rs"), json!("Bearer")),
        "UD-24"
    );
    let record = house.record(&said["access_token"]).unwrap();
    assert_eq!(record.purpose.as_deref(), Some("SYSDEV"));
    assert!(said["expires_in"].as_i64().unwrap() <= 3_600, "UD-25");
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &str); 7] = [
        ("another audience", |c| c["aud"] = json!("https://other.example"), "invalid_client"),
        ("another client", |c| c["iss"] = json!("other"), "invalid_client"),
        ("expired", |c| c["exp"] = json!(1_000), "invalid_client"),
        ("no jti", |c| c["jti"] = json!(""), "invalid_client"),
        ("no extension", |c| c["extensions"] = json!({}), "invalid_grant"),
        ("no purpose", |c| c["extensions"]["hl7-b2b"]["purpose_of_use"] = json!([]), "invalid_grant"),
        ("another version", |c| c["extensions"]["hl7-b2b"]["version"] = json!("2"), "invalid_grant"),
    ];
    for (what, change, error) in cases {
        let answer = token(&house, &assertion(&house, &own, &id, change), &asked).await;
        assert_eq!(answer.json()["error"], error, "{what}");
    }
    let once = assertion(&house, &own, &id, |_| ());
    assert_eq!(token(&house, &once, &asked).await.status, 200);
    token(&house, &once, &asked).await.refused(&[401], "invalid_client");
    let other = member(&authority.of_uri("https://other.example/udap", 9));
    token(&house, &assertion(&house, &other, &id, |_| ()), &asked).await.refused(&[401], "invalid_client");
    let without_udap = [
        ("client_assertion_type", crate::house::ASSERTION_TYPE),
        ("grant_type", "client_credentials"),
        ("client_assertion", &assertion(&house, &own, &id, |_| ())),
    ];
    house.post("/oauth/token", &[], &without_udap).await.refused(&[400], "invalid_request");
}

#[tokio::test]
async fn ud_25_a_revoked_or_expired_certificate_opens_nothing() {
    let authority = Authority::new();
    let revoked = authority.revokes(&[8]);
    let house = house_with(&authority, |community| {
        community.anchors = community.anchors.clone().with_revoked(&revoked).unwrap();
    });
    let (own, gone) = (member(&authority.of_uri(APP, 7)), member(&authority.of_uri(APP, 8)));
    assert_eq!(register(&house, &gone, |_| ()).await.json()["error"], "invalid_software_statement");
    let id = register(&house, &own, |_| ()).await.json()["client_id"].as_str().unwrap().to_owned();
    let asked = [("grant_type", "client_credentials")];
    assert_eq!(token(&house, &assertion(&house, &own, &id, |_| ()), &asked).await.status, 200);
    token(&house, &assertion(&house, &gone, &id, |_| ()), &asked).await.refused(&[401], "invalid_client");
    // The list itself ends after a week: then nobody can say, and unknown is no.
    house.pass(8 * 86_400);
    token(&house, &assertion(&house, &own, &id, |_| ()), &asked).await.refused(&[401], "invalid_client");
}

/// An app's authorization without PKCE, as UDAP's own tests send it.
async fn authorized(house: &House, id: &str, more: &[(&str, &str)]) -> Answer {
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", "https://app.example/back"),
        ("scope", "openid launch/patient patient/*.rs"),
        ("state", "s-1"),
    ];
    pairs.extend(more);
    let mut browser = Browser::new(house);
    let page = browser.go(Method::GET, &format!("/oauth/authorize?{}", encode(&pairs)), None).await;
    if !page.text.contains("name=\"password\"") {
        return page;
    }
    let page = browser.submit(&page, &[("login", "maria"), ("password", crate::house::PASSWORD)], |_| true).await;
    if page.status.is_redirection() {
        // What she allowed before is not asked again.
        return page;
    }
    browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await
}

#[tokio::test]
async fn ud_21_ud_22_an_app_gets_its_tokens_by_code_and_certificate() {
    let authority = Authority::new();
    let house = house_with(&authority, |community| community.pkce_optional = true);
    let own = member(&authority.of_uri(APP, 7));
    let id = register(&house, &own, app).await.json()["client_id"].as_str().unwrap().to_owned();
    let end = authorized(&house, &id, &[]).await;
    assert_eq!(end.sent("state").as_deref(), Some("s-1"), "UD-21 {}", end.text);
    let code = end.sent("code").expect("UD-21");
    let redeem =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", "https://app.example/back")];
    // A verifier that belongs to no challenge is refused.
    let mut with_verifier = redeem.to_vec();
    with_verifier.push(("code_verifier", crate::house::VERIFIER));
    token(&house, &assertion(&house, &own, &id, |_| ()), &with_verifier).await.refused(&[400], "invalid_grant");
    let answer = token(&house, &assertion(&house, &own, &id, |_| ()), &redeem).await;
    assert_eq!(answer.status, 200, "UD-22 {}", answer.text);
    assert_eq!(answer.json()["patient"], "p1");
    let by_nobody =
        house.post("/oauth/token", &[], &[("client_id", &id), ("udap", "1"), redeem[0], redeem[1], redeem[2]]).await;
    by_nobody.refused(&[401], "invalid_client");
    // With PKCE it works as for everybody, and then the verifier is needed.
    let challenge = [("code_challenge", crate::house::CHALLENGE), ("code_challenge_method", "S256")];
    let code = authorized(&house, &id, &challenge).await.sent("code").unwrap();
    let redeem =
        [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", "https://app.example/back")];
    token(&house, &assertion(&house, &own, &id, |_| ()), &redeem).await.refused(&[400], "invalid_grant");
    // Where the community does not let it, PKCE is asked for.
    let strict = house_with(&authority, |_| ());
    let id = register(&strict, &own, app).await.json()["client_id"].as_str().unwrap().to_owned();
    let refused = authorized(&strict, &id, &[]).await;
    assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"), "{}", refused.text);
}
