//! The bridge as a SMART app of an EHR: it takes the EHR's launch and context, and makes its own for the app.

use std::sync::{Arc, Mutex};

use bascule_crypto::Secret;
use bascule_gateway::smart::federation::{EhrSettings, ProviderSettings, recheck};
use bascule_gateway::{ClientProof, OauthSettings};
use bascule_smart::federation::{ClaimsMap, PatientClaim, RecordClaim};
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::authority::{Asked, Authority, key};
use crate::house::{BASE, Browser, House, authorize_path, redeem};

struct Ehr {
    authority: Authority,
    context: Arc<Mutex<Value>>,
}

impl Ehr {
    async fn start(house: &House) -> Self {
        let key = Arc::new(key());
        let context = Arc::new(Mutex::new(json!({"patient": "p7", "encounter": "e7", "need_patient_banner": false,
            "refresh": "ok", "user": "Practitioner/dr1"})));
        let (told, base) = (Arc::clone(&context), Arc::new(Mutex::new(String::new())));
        let (own, clock) = (Arc::clone(&base), Arc::clone(&house.clock));
        let authority = Authority::start(move |asked| {
            let now = clock.load(std::sync::atomic::Ordering::Relaxed);
            answer(asked, &told.lock().unwrap(), &key, &own.lock().unwrap(), now)
        })
        .await;
        *base.lock().unwrap() = format!("{}/fhir", authority.issuer());
        Self { authority, context }
    }

    fn base(&self) -> String {
        format!("{}/fhir", self.authority.issuer())
    }

    fn settings(&self) -> ProviderSettings {
        let record = || RecordClaim { claim: "fhirUser".into(), base: Some(self.base()) };
        let role = |role: &str| vec![role.to_owned()];
        ProviderSettings {
            name: "epic".into(),
            title: "The EHR".into(),
            issuer: self.base(),
            client: OauthSettings {
                client_id: "bascule-app".into(),
                proof: ClientProof::Secret(Secret::new("s")),
                scope: Some("openid fhirUser launch/patient online_access user/*.rs".into()),
                assertion_audience: None,
                ca_pem: None,
            },
            algorithms: vec![SigningAlgorithm::Es384],
            claims: ClaimsMap {
                subject: "sub".into(),
                login: "sub".into(),
                name: "name".into(),
                email: "email".into(),
                role_claim: "fhirUser".into(),
                roles: [("Practitioner".to_owned(), role("physician")), ("Patient".to_owned(), role("patient"))].into(),
                practitioner: Some(record()),
                patient: Some(PatientClaim {
                    record: record(),
                    api: "ehr".into(),
                    assured: [("fhirUser".to_owned(), vec![])].into(),
                }),
                ..ClaimsMap::default()
            },
            userinfo: false,
            overage_url: None,
            acr_values: None,
            recheck_seconds: Some(300),
            offline_stands: false,
            ehr: Some(EhrSettings { base: self.base(), api: "ehr".into() }),
        }
    }
}

fn answer(asked: &Asked, context: &Value, key: &SigningKey, base: &str, now: i64) -> (u16, Value) {
    let endpoint = |name: &str| format!("{}/{name}", base.trim_end_matches("/fhir"));
    match asked.path.as_str() {
        "/fhir/.well-known/smart-configuration" => (
            200,
            json!({"authorization_endpoint": endpoint("authorize"),
            "token_endpoint": endpoint("token")}),
        ),
        "/fhir/.well-known/openid-configuration" => (200, json!({"issuer": base, "jwks_uri": endpoint("jwks")})),
        "/jwks" => (200, json!({"keys": [key.public_jwk()]})),
        "/token" if asked.value("grant_type") == "refresh_token" => match context["refresh"].as_str() {
            Some("ok") => (200, json!({"access_token": "ehr-token-2", "token_type": "Bearer", "expires_in": 3_600})),
            _ => (400, json!({"error": "invalid_grant"})),
        },
        "/token" => {
            let user = format!("{base}/{}", context["user"].as_str().unwrap());
            let claims = json!({"iss": base, "aud": "bascule-app", "nonce": asked.value("code"), "sub": "ehr-user",
                "name": "Dr. Amal", "fhirUser": user, "iat": now, "exp": now + 300});
            let mut said = json!({"access_token": "ehr-token-1", "token_type": "Bearer", "expires_in": 300,
                "refresh_token": "ehr-refresh", "id_token": key.sign(&claims, "JWT").unwrap()});
            for name in ["patient", "encounter", "need_patient_banner"] {
                if !context[name].is_null() {
                    said[name] = context[name].clone();
                }
            }
            (200, said)
        }
        _ => (404, json!({})),
    }
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn path(url: &Url) -> String {
    format!("{}?{}", url.path(), url.query().unwrap_or_default())
}

async fn house() -> (House, Ehr) {
    let house = House::new();
    let ehr = Ehr::start(&house).await;
    house.state.clone().with_providers(&[ehr.settings()]).unwrap();
    (house, ehr)
}

fn launch_of(ehr: &Ehr, app: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("iss", ehr.base().as_str()), ("launch", "ehr-launch-1")])
        .finish();
    format!("/oauth/ehr-launch/{app}?{query}")
}

#[tokio::test]
async fn an_ehr_launches_an_app_through_the_bridge_with_its_context() {
    let (house, ehr) = house().await;
    let mut browser = Browser::new(&house);
    let answer = browser.come_back(&launch_of(&ehr, "portal")).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let sent = answer.location();
    for (name, value) in [
        ("launch", "ehr-launch-1"),
        ("aud", ehr.base().as_str()),
        ("client_id", "bascule-app"),
        ("scope", "openid fhirUser online_access user/*.rs launch"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&sent, name), value);
    }
    let back = format!("/oauth/federated?code={}&state={}", parameter(&sent, "nonce"), parameter(&sent, "state"));
    let answer = browser.come_back(&back).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    // The app is launched by the bridge, as if it were the EHR.
    let app = answer.location();
    assert_eq!(app.host_str(), Some("portal.example"), "{app}");
    assert_eq!(parameter(&app, "iss"), BASE);
    let launch = parameter(&app, "launch");
    assert_ne!(launch, "ehr-launch-1");
    let asked = [("scope", "openid fhirUser launch user/*.rs online_access"), ("launch", launch.as_str())];
    let page = browser.go(Method::GET, &authorize_path(&asked), None).await;
    assert!(page.text.contains("value=\"allow\""), "signed in already: {} {}", page.status, page.text);
    let end = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&end.sent("code").unwrap())).await.json();
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("p7"), &json!("e7")), "{tokens}");
    assert_eq!(tokens["need_patient_banner"], false);
    let record = house.record(&tokens["access_token"]).unwrap();
    assert_eq!(record.roles, ["physician"]);
    // Behind its token stands the EHR's, which is renewed in time and goes when the EHR says so.
    let behind = || {
        let token = house.store.launched_token(&record.token_id, "epic", house.now()).unwrap();
        token.map(|token| String::from_utf8(token.expose().to_vec()).unwrap())
    };
    assert_eq!(behind().as_deref(), Some("ehr-token-1"));
    house.pass(200);
    recheck(&house.state).await.unwrap();
    assert_eq!(behind().as_deref(), Some("ehr-token-2"));
    house.pass(3_500);
    ehr.context.lock().unwrap()["refresh"] = json!("gone");
    recheck(&house.state).await.unwrap();
    assert_eq!(behind(), None);
    assert!(!house.opens(&tokens["access_token"]), "and so does ours");
    assert!(house.event_names().contains(&"launch-made") && house.event_names().contains(&"provider-ended"));
}

#[tokio::test]
async fn a_standalone_launch_is_about_the_patient_that_the_ehr_chose() {
    let (house, ehr) = house().await;
    ehr.context.lock().unwrap()["user"] = json!("Patient/p7");
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    let at = page.text.find("/oauth/federate?").unwrap();
    let link = page.text[at..].split('"').next().unwrap().replace("&amp;", "&");
    let sent = browser.come_back(&link).await.location();
    assert_eq!(parameter(&sent, "launch"), "");
    assert!(parameter(&sent, "scope").contains("launch/patient"));
    let back = format!("/oauth/federated?code={}&state={}", parameter(&sent, "nonce"), parameter(&sent, "state"));
    let on = browser.come_back(&back).await.location();
    let page = browser.go(Method::GET, &path(&on), None).await;
    let end = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&end.sent("code").unwrap())).await.json();
    assert_eq!(tokens["patient"], "p7");
}

#[tokio::test]
async fn a_launch_that_cannot_be_followed_goes_nowhere() {
    let (house, ehr) = house().await;
    let mut browser = Browser::new(&house);
    let base = ehr.base();
    for (what, address) in [
        ("an unknown EHR", "/oauth/ehr-launch/portal?iss=https://evil.example/fhir&launch=x".to_owned()),
        ("no iss", "/oauth/ehr-launch/portal?launch=x".to_owned()),
        ("no launch", format!("/oauth/ehr-launch/portal?iss={base}")),
        ("an unknown app", launch_of(&ehr, "nobody")),
        ("an app that is not launched", launch_of(&ehr, "native")),
        ("twice", format!("/oauth/ehr-launch/portal?iss={base}&iss={base}&launch=x")),
        ("too long", format!("/oauth/ehr-launch/portal?iss={base}&launch={}", "x".repeat(5_000))),
    ] {
        let answer = browser.come_back(&address).await;
        assert_eq!(answer.status, 400, "{what}");
        assert_eq!(answer.header("location"), "", "{what}");
    }
    assert!(ehr.authority.asked().is_empty());
    // A launch that we made is for the person who came with it.
    let sent = browser.come_back(&launch_of(&ehr, "portal")).await.location();
    let back = format!("/oauth/federated?code={}&state={}", parameter(&sent, "nonce"), parameter(&sent, "state"));
    let launch = parameter(&browser.come_back(&back).await.location(), "launch");
    let mut other = Browser::new(&house);
    let asked = [("scope", "openid launch user/*.rs"), ("launch", launch.as_str())];
    let page = other.until_consent("amal", &asked).await;
    assert!(page.status.is_redirection(), "{}", page.text);
    assert_eq!(page.sent("error").as_deref(), Some("invalid_request"));
}
