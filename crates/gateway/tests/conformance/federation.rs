//! Any OpenID provider as the login: what must be true before somebody is let in, and what ends when the provider says so.

use std::sync::{Arc, Mutex};

use bascule_crypto::Secret;
use bascule_gateway::smart::SmartLimits;
use bascule_gateway::smart::federation::{ProviderSettings, recheck};
use bascule_gateway::{ClientProof, OauthSettings};
use bascule_smart::SmartEvent;
use bascule_smart::federation::{ClaimsMap, PatientClaim, RecordClaim};
use bascule_smart::jose::{SigningAlgorithm, SigningKey};
use bascule_store::user::Status;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::authority::{Asked, Authority, key};
use crate::house::{Answer, BACK, Browser, House, ISSUER, authorize_path, redeem};

/// What the provider will say next.
struct Says {
    claims: Value,
    userinfo: Value,
    groups: Value,
    refresh: (u16, Value),
    sign_with: Option<SigningKey>,
}

struct Provider {
    authority: Authority,
    says: Arc<Mutex<Says>>,
    key: Arc<SigningKey>,
}

fn list(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

impl Provider {
    async fn start(house: &House) -> Self {
        let key = Arc::new(key());
        let claims = json!({"sub": "sub-amal", "sid": "sid-1", "preferred_username": "amal@mercy.example",
            "name": "Amal Haddad", "groups": ["g-physicians"], "amr": ["pwd", "mfa"],
            "fhirUser": "Practitioner/dr7", "iat": house.now().seconds(), "exp": house.now().seconds() + 300});
        let says = Says {
            claims,
            userinfo: json!({}),
            groups: json!({"value": ["g-physicians"]}),
            refresh: (200, json!({"access_token": "at-2", "token_type": "Bearer", "refresh_token": "rt-2"})),
            sign_with: None,
        };
        let says = Arc::new(Mutex::new(says));
        let (told, signing) = (Arc::clone(&says), Arc::clone(&key));
        let issuer: Arc<Mutex<String>> = Arc::default();
        let own = Arc::clone(&issuer);
        let authority =
            Authority::start(move |asked| answer(asked, &told.lock().unwrap(), &signing, &own.lock().unwrap())).await;
        *issuer.lock().unwrap() = authority.issuer();
        Self { authority, says, key }
    }

    fn settings(&self) -> ProviderSettings {
        ProviderSettings {
            name: "mercy".into(),
            title: "Mercy account".into(),
            issuer: self.authority.issuer(),
            client: OauthSettings {
                client_id: "bascule".into(),
                proof: ClientProof::Secret(Secret::new("provider-secret")),
                scope: Some("openid profile offline_access".into()),
                assertion_audience: None,
                ca_pem: None,
            },
            algorithms: vec![SigningAlgorithm::Es384],
            claims: ClaimsMap {
                subject: "sub".into(),
                login: "preferred_username".into(),
                name: "name".into(),
                email: "email".into(),
                required: [("amr".to_owned(), list(&["mfa"]))].into(),
                role_claim: "groups".into(),
                roles: [("g-physicians".to_owned(), list(&["physician"])), ("g-people".to_owned(), list(&["patient"]))]
                    .into(),
                practitioner: Some(RecordClaim { claim: "fhirUser".into(), base: None }),
                patient: Some(PatientClaim {
                    record: RecordClaim { claim: "patient_id".into(), base: None },
                    api: "ehr".into(),
                    assured: [("acr".to_owned(), list(&["ial2"]))].into(),
                }),
            },
            userinfo: false,
            overage_url: None,
            acr_values: None,
            recheck_seconds: Some(300),
            offline_stands: false,
            ehr: None,
        }
    }

    fn say(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }
}

fn answer(asked: &Asked, says: &Says, key: &SigningKey, issuer: &str) -> (u16, Value) {
    match asked.path.as_str() {
        "/.well-known/openid-configuration" => (
            200,
            json!({"issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"), "jwks_uri": format!("{issuer}/jwks")}),
        ),
        "/jwks" => (200, json!({"keys": [key.public_jwk()]})),
        "/token" if asked.value("grant_type") == "refresh_token" => says.refresh.clone(),
        "/token" => {
            // The toy's code is the nonce that its id_token must carry.
            let mut claims = json!({"iss": issuer, "aud": "bascule", "nonce": asked.value("code")});
            for (name, value) in says.claims.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let signing = says.sign_with.as_ref().unwrap_or(key);
            (
                200,
                json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 300, "refresh_token": "rt-1",
                "id_token": signing.sign(&claims, "JWT").unwrap()}),
            )
        }
        "/userinfo" => (200, says.userinfo.clone()),
        "/groups" => (200, says.groups.clone()),
        _ => (404, json!({})),
    }
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// From the app's request to the provider: where the browser is sent.
async fn away(browser: &mut Browser<'_>) -> Url {
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    let at = page.text.find("/oauth/federate?").expect(&page.text);
    let link = page.text[at..].split('"').next().unwrap().replace("&amp;", "&");
    let answer = browser.come_back(&link).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    answer.location()
}

/// Back from the provider, with the code that makes its toy answer with the right nonce.
async fn back(browser: &mut Browser<'_>, sent: &Url) -> Answer {
    let code = parameter(sent, "nonce");
    browser.come_back(&format!("/oauth/federated?code={code}&state={}", parameter(sent, "state"))).await
}

async fn sign_in(house: &House) -> Answer {
    let mut browser = Browser::new(house);
    let sent = away(&mut browser).await;
    back(&mut browser, &sent).await
}

async fn house_with(change: impl FnOnce(&Provider, &mut ProviderSettings)) -> (House, Provider) {
    let house = House::with(|_| (), SmartLimits::default());
    let provider = Provider::start(&house).await;
    let mut settings = provider.settings();
    change(&provider, &mut settings);
    house.state.clone().with_providers(&[settings]).unwrap();
    (house, provider)
}

#[tokio::test]
async fn somebody_signs_in_elsewhere_and_an_app_gets_its_tokens() {
    let (house, provider) = house_with(|_, _| ()).await;
    let mut browser = Browser::new(&house);
    let sent = away(&mut browser).await;
    assert!(sent.as_str().starts_with(&format!("{}/authorize?", provider.authority.issuer())), "{sent}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "bascule"),
        ("redirect_uri", "https://bridge.example/oauth/federated"),
        ("scope", "openid profile offline_access"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&sent, name), value);
    }
    assert!(parameter(&sent, "nonce").len() >= 43 && parameter(&sent, "state").len() >= 43);
    let answer = back(&mut browser, &sent).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let asked = provider.authority.asked();
    let token = asked.iter().find(|one| one.path == "/token").unwrap();
    assert_eq!(token.authorization, crate::house::basic("bascule", "provider-secret"));
    let verifier = bascule_crypto::digest::sha256(token.value("code_verifier").as_bytes());
    use base64::Engine as _;
    assert_eq!(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(verifier), parameter(&sent, "code_challenge"));
    // She is a physician here, and names a patient like any other.
    let path = answer.location();
    let page = browser.go(Method::GET, &format!("{}?{}", path.path(), path.query().unwrap()), None).await;
    let page = browser.submit(&page, &[("patient", "p1")], |_| true).await;
    assert!(page.text.contains("Amal Haddad") && page.text.contains("value=\"allow\""), "{}", page.text);
    let end = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&end.sent("code").unwrap())).await.json();
    let record = house.record(&tokens["access_token"]).unwrap();
    assert_eq!(record.roles, ["physician"]);
    assert_eq!(record.fhir_user.unwrap().1.as_str(), "dr7");
    let signed_in = house
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| matches!(event, SmartEvent::SignedIn { method: "federated", .. }));
    assert!(signed_in);
    assert!(end.location().as_str().starts_with(BACK));
}

#[tokio::test]
async fn whoever_the_provider_does_not_vouch_for_is_not_let_in() {
    type Change = fn(&mut Says);
    let cases: [(&str, Change, &str); 12] = [
        ("another nonce", |says| says.claims["nonce"] = json!("other"), "provider-not-believed"),
        ("another audience", |says| says.claims["aud"] = json!("other"), "provider-not-believed"),
        ("another issuer", |says| says.claims["iss"] = json!("https://other.example"), "provider-not-believed"),
        ("expired", |says| says.claims["exp"] = json!(1_700_000_000), "provider-not-believed"),
        ("old", |says| says.claims["iat"] = json!(1_700_000_000), "provider-not-believed"),
        ("another key", |says| says.sign_with = Some(key()), "provider-not-believed"),
        (
            "another algorithm",
            |says| says.sign_with = Some(crate::house::key(SigningAlgorithm::Es256)),
            "provider-not-believed",
        ),
        ("no group", |says| says.claims["groups"] = json!([]), "claim-missing"),
        ("unknown group", |says| says.claims["groups"] = json!(["g-other"]), "no-role"),
        ("one factor", |says| says.claims["amr"] = json!(["pwd"]), "claim-required"),
        ("no login", |says| says.claims["preferred_username"] = json!(null), "claim-missing"),
        ("a local login", |says| says.claims["preferred_username"] = json!("amal"), "login-taken"),
    ];
    let (house, provider) = house_with(|_, _| ()).await;
    let sound = provider.says.lock().unwrap().claims.clone();
    for (what, change, because) in cases {
        provider.say(|says| {
            says.claims = sound.clone();
            says.sign_with = None;
            change(says);
        });
        house.events.lock().unwrap().clear();
        let answer = sign_in(&house).await;
        assert!(matches!(answer.status.as_u16(), 403 | 502), "{what}: {} {}", answer.status, answer.text);
        assert!(
            !answer.headers.get_all("set-cookie").iter().any(|set| set.to_str().unwrap().contains("session")),
            "{what}"
        );
        let events = house.events.lock().unwrap().clone();
        let [SmartEvent::SignInRefused { because: said, .. }] = events.as_slice() else { panic!("{what}: {events:?}") };
        assert_eq!(*said, because, "{what}");
    }
    assert!(house.store.user_by_external(&provider.authority.issuer(), "sub-amal").unwrap().is_none());
}

#[tokio::test]
async fn a_state_belongs_to_one_browser_and_one_return() {
    let (house, _provider) = house_with(|_, _| ()).await;
    let (mut browser, mut thief) = (Browser::new(&house), Browser::new(&house));
    let sent = away(&mut browser).await;
    thief.go(Method::GET, "/oauth/login", None).await;
    assert_eq!(back(&mut thief, &sent).await.status, 400, "another browser");
    assert_eq!(browser.come_back("/oauth/federated?code=x&state=guessed").await.status, 400);
    assert_eq!(browser.come_back("/oauth/federated?code=x").await.status, 400);
    assert_eq!(back(&mut browser, &sent).await.status, 303);
    assert_eq!(back(&mut browser, &sent).await.status, 400, "twice");
    let sent = away_again(&mut browser).await;
    house.pass(901);
    assert_eq!(back(&mut browser, &sent).await.status, 400, "too late");
}

async fn away_again(browser: &mut Browser<'_>) -> Url {
    browser.come_back("/oauth/federate?provider=mercy").await.location()
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_not_mixed_up_and_a_refusal_is_told() {
    let (house, provider) = house_with(|_, _| ()).await;
    let mut browser = Browser::new(&house);
    let sent = away(&mut browser).await;
    let state = parameter(&sent, "state");
    let answer = browser.come_back(&format!("/oauth/federated?code=c&state={state}&iss=https://evil.example")).await;
    assert_eq!(answer.status, 403);
    let sent = away_again(&mut browser).await;
    let answer =
        browser.come_back(&format!("/oauth/federated?error=access_denied&state={}", parameter(&sent, "state"))).await;
    assert_eq!(answer.status, 403);
    assert!(!provider.authority.asked().iter().any(|one| one.path == "/token"), "no code went anywhere");
    assert_eq!(house.event_names().iter().filter(|name| **name == "sign-in-refused").count(), 2);
    assert_eq!(browser.come_back("/oauth/federate?provider=nobody").await.status, 400);
}

#[tokio::test]
async fn a_disabled_person_stays_out_whatever_the_provider_says() {
    let (house, provider) = house_with(|_, _| ()).await;
    assert_eq!(sign_in(&house).await.status, 303);
    let user = house.store.user_by_external(&provider.authority.issuer(), "sub-amal").unwrap().unwrap();
    house.store.set_user_status(&user.id, Status::Disabled, house.now()).unwrap();
    assert_eq!(sign_in(&house).await.status, 403);
}

#[tokio::test]
async fn a_role_that_is_taken_away_there_is_gone_here_at_the_next_sign_in() {
    let (house, provider) = house_with(|_, _| ()).await;
    sign_in(&house).await;
    provider.say(|says| says.claims["groups"] = json!(["g-people"]));
    sign_in(&house).await;
    let user = house.store.user_by_external(&provider.authority.issuer(), "sub-amal").unwrap().unwrap();
    assert_eq!(user.roles, ["patient"]);
}

#[tokio::test]
async fn a_patient_is_linked_by_an_assured_claim_and_by_no_other() {
    let (house, provider) = house_with(|_, _| ()).await;
    provider.say(|says| {
        says.claims["groups"] = json!(["g-people"]);
        says.claims["fhirUser"] = json!(null);
        says.claims["patient_id"] = json!("p1");
        says.claims["acr"] = json!("ial1");
    });
    sign_in(&house).await;
    let user = || house.store.user_by_external(&provider.authority.issuer(), "sub-amal").unwrap().unwrap();
    assert!(user().patients.is_empty() && user().fhir_user.is_none());
    provider.say(|says| says.claims["acr"] = json!("ial2"));
    sign_in(&house).await;
    assert_eq!(user().patients[0].patient.as_str(), "p1");
}

#[tokio::test]
async fn userinfo_fills_in_what_the_id_token_leaves_out_for_the_same_person_only() {
    let (house, provider) = house_with(|_, settings| settings.userinfo = true).await;
    provider.say(|says| {
        says.claims.as_object_mut().unwrap().remove("groups");
        says.userinfo = json!({"sub": "somebody-else", "groups": ["g-physicians"]});
    });
    assert_eq!(sign_in(&house).await.status, 502);
    provider.say(|says| says.userinfo["sub"] = json!("sub-amal"));
    assert_eq!(sign_in(&house).await.status, 303);
    // What the id_token says cannot be overruled there.
    provider.say(|says| {
        says.claims["groups"] = json!(["g-other"]);
        says.userinfo["amr"] = json!(["mfa"]);
    });
    assert_eq!(sign_in(&house).await.status, 403);
}

#[tokio::test]
async fn too_many_groups_are_asked_for_where_the_configuration_says() {
    let overage = |says: &mut Says| {
        says.claims.as_object_mut().unwrap().remove("groups");
        says.claims["_claim_names"] = json!({"groups": "src1"});
        says.claims["_claim_sources"] = json!({"src1": {"endpoint": "http://127.0.0.1:1/evil"}});
    };
    let (house, provider) = house_with(|_, _| ()).await;
    provider.say(overage);
    assert_eq!(sign_in(&house).await.status, 403, "nobody is asked where the token says");
    let (house, provider) =
        house_with(|provider, settings| settings.overage_url = Some(provider.authority.url("/groups"))).await;
    provider.say(overage);
    assert_eq!(sign_in(&house).await.status, 303);
    let asked = provider.authority.asked();
    assert_eq!(asked.iter().find(|one| one.path == "/groups").unwrap().authorization, "Bearer at-1");
    provider.say(|says| says.groups = json!({"value": []}));
    assert_eq!(sign_in(&house).await.status, 403);
}

/// A session at the provider with an app's tokens in it.
async fn with_tokens(house: &House) -> Value {
    let mut browser = Browser::new(house);
    let sent = away(&mut browser).await;
    let path = back(&mut browser, &sent).await.location();
    let page = browser.go(Method::GET, &format!("{}?{}", path.path(), path.query().unwrap()), None).await;
    let page = browser.submit(&page, &[("patient", "p1")], |_| true).await;
    let end = browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    house.token(&redeem(&end.sent("code").unwrap())).await.json()
}

fn logout_token(house: &House, provider: &Provider, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({"iss": provider.authority.issuer(), "aud": "bascule", "iat": house.now().seconds(),
        "exp": house.now().seconds() + 120, "jti": "logout-1", "sid": "sid-1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
    change(&mut claims);
    provider.key.sign(&claims, "logout+jwt").unwrap()
}

#[tokio::test]
async fn a_back_channel_logout_ends_sessions_and_tokens_on_the_next_request() {
    let (house, provider) = house_with(|_, _| ()).await;
    let tokens = with_tokens(&house).await;
    assert!(house.opens(&tokens["access_token"]));
    let send = |token: String| {
        let house = &house;
        async move { house.post("/oauth/backchannel-logout", &[], &[("logout_token", &token)]).await }
    };
    type Change = fn(&mut Value);
    let refusals: [(&str, Change); 5] = [
        ("unknown issuer", |c| c["iss"] = json!("https://other.example")),
        ("another audience", |c| c["aud"] = json!("other")),
        ("no event", |c| c["events"] = json!({})),
        ("a nonce", |c| c["nonce"] = json!("n")),
        ("expired", |c| c["exp"] = json!(1_700_000_000)),
    ];
    for (what, change) in refusals {
        let answer = send(logout_token(&house, &provider, change)).await;
        answer.refused(&[400], "invalid_request");
        assert!(house.opens(&tokens["access_token"]), "{what}");
    }
    let forged = key().sign(&json!({"iss": provider.authority.issuer()}), "logout+jwt").unwrap();
    send(forged).await.refused(&[400], "invalid_request");
    assert_eq!(house.post("/oauth/backchannel-logout", &[], &[]).await.status, 400);
    let answer = send(logout_token(&house, &provider, |_| ())).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!house.opens(&tokens["access_token"]));
    let refreshed = house
        .token(&[("grant_type", "refresh_token"), ("refresh_token", tokens["refresh_token"].as_str().unwrap())])
        .await;
    refreshed.refused(&[400], "invalid_grant");
    send(logout_token(&house, &provider, |_| ())).await.refused(&[400], "invalid_request");
    let ended = house
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| matches!(event, SmartEvent::ProviderEnded { sessions: 1, grants: 1, .. }));
    assert!(ended);
}

#[tokio::test]
async fn what_lasts_beyond_a_session_stands_after_a_logout_if_that_is_the_setting() {
    let (house, provider) = house_with(|_, settings| settings.offline_stands = true).await;
    let tokens = with_tokens(&house).await;
    let token = logout_token(&house, &provider, |_| ());
    assert_eq!(house.post("/oauth/backchannel-logout", &[], &[("logout_token", &token)]).await.status, 200);
    assert!(house.opens(&tokens["access_token"]), "it was granted with offline_access");
}

#[tokio::test]
async fn a_failed_refresh_at_the_provider_ends_everything_and_a_bad_day_there_nothing() {
    let (house, provider) = house_with(|_, _| ()).await;
    let tokens = with_tokens(&house).await;
    recheck(&house.state).await.unwrap();
    assert!(!provider.authority.asked().iter().any(|one| one.value("grant_type") == "refresh_token"), "not yet due");
    house.pass(301);
    provider.say(|says| says.refresh = (503, json!({"error": "server_error"})));
    recheck(&house.state).await.unwrap();
    provider.say(|says| says.refresh = (401, json!({"error": "invalid_client"})));
    recheck(&house.state).await.unwrap();
    assert!(house.opens(&tokens["access_token"]), "a bad day ends nothing");
    provider.say(|says| {
        says.refresh = (200, json!({"access_token": "a", "token_type": "Bearer", "refresh_token": "rt-2"}))
    });
    recheck(&house.state).await.unwrap();
    house.pass(301);
    provider.say(|says| says.refresh = (400, json!({"error": "invalid_grant"})));
    recheck(&house.state).await.unwrap();
    let asked = provider.authority.asked();
    let shown: Vec<&str> =
        asked.iter().map(|one| one.value("refresh_token")).filter(|token| !token.is_empty()).collect();
    assert_eq!(shown, ["rt-1", "rt-1", "rt-1", "rt-2"], "the rotated one is shown next");
    assert!(!house.opens(&tokens["access_token"]));
    assert!(house.event_names().contains(&"provider-ended"));
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_and_the_password_stays_offered() {
    let house = House::new();
    let provider = Provider::start(&house).await;
    let settings = ProviderSettings { issuer: "http://127.0.0.1:1".into(), ..provider.settings() };
    house.state.clone().with_providers(&[settings]).unwrap();
    let mut browser = Browser::new(&house);
    let answer = browser.come_back("/oauth/federate?provider=mercy").await;
    assert_eq!(answer.status, 502, "{}", answer.text);
    let page = browser.go(Method::GET, &authorize_path(&[]), None).await;
    assert!(page.text.contains("name=\"password\"") && page.text.contains("Mercy account"));
    assert!(page.text.contains(ISSUER) || !page.text.contains("127.0.0.1"), "no inner address is shown");
}
