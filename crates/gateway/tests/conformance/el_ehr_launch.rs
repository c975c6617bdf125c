//! EL: EHR launch. The EHR puts the context ready, the app brings its name.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use url::Url;

use crate::house::{ASSERTION_TYPE, assertion};
use crate::house::{Answer, BASE, Browser, House, authorize_path, redeem, scope_set};

/// What the EHR says to `POST /oauth/launch`.
async fn make(house: &House, token: &str, body: Value) -> Answer {
    let request = Request::post("/oauth/launch")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    house.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// An access token of the EHR.
async fn ehr_token(house: &House, scope: &str) -> String {
    let key = house.add_backend("ehr-system", "smart/orchestrate_launch system/Patient.rs");
    let proof = assertion(house, &key, "ehr-system");
    let pairs = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", proof.as_str()),
    ];
    house.post("/oauth/token", &[], &pairs).await.json()["access_token"].as_str().unwrap().to_owned()
}

fn context() -> Value {
    json!({"client_id": "portal", "patient": "p5", "encounter": "e5", "need_patient_banner": false,
        "intent": "reconcile-medications", "fhirContext": [{"reference": "ImagingStudy/i1"}]})
}

const SCOPE: &str = "openid fhirUser launch offline_access user/*.rs patient/Patient.rs";

#[tokio::test]
async fn el_1_el_2_the_browser_is_sent_with_iss_and_launch() {
    let house = House::new();
    let token = ehr_token(&house, "smart/orchestrate_launch").await;
    let answer = make(&house, &token, context()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let address = Url::parse(answer.json()["launch_uri"].as_str().unwrap()).unwrap();
    let value = |name: &str| address.query_pairs().find(|(n, _)| n == name).map(|(_, v)| v.into_owned()).unwrap();
    assert!(address.as_str().starts_with("https://portal.example/launch?"));
    assert_eq!(value("iss"), BASE);
    assert_eq!(answer.json()["launch"], value("launch"));
}

#[tokio::test]
async fn el_4_to_el_13_the_context_arrives_with_the_token() {
    let house = House::new();
    let token = ehr_token(&house, "smart/orchestrate_launch").await;
    let launch = make(&house, &token, context()).await.json()["launch"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&house);
    let answer = browser.launch("amal", &[("launch", &launch), ("scope", SCOPE)], |_| true).await;
    assert!(answer.sent("state").is_some());
    let answer = house.token(&redeem(&answer.sent("code").unwrap())).await;
    assert!(answer.header("cache-control").contains("no-store") && answer.header("pragma").contains("no-cache"));
    let tokens = answer.json();
    assert_eq!(scope_set(&tokens["scope"]), scope_set(&json!(SCOPE)));
    assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!("p5"), &json!("e5")));
    assert_eq!(tokens["need_patient_banner"], false);
    assert_eq!(tokens["intent"], "reconcile-medications");
    assert_eq!(tokens["fhirContext"], json!([{"reference": "ImagingStudy/i1"}]));
    let style = Url::parse(tokens["smart_style_url"].as_str().unwrap()).unwrap();
    let style = house.get(style.path(), &[]).await;
    assert!(style.status == 200 && style.json()["color_text"].is_string());
    let record = house.record(&tokens["access_token"]).unwrap();
    assert_eq!(record.encounter.unwrap().as_str(), "e5");
}

#[tokio::test]
async fn gp_22_an_unknown_used_expired_or_foreign_launch_gives_no_code() {
    let house = House::new();
    let token = ehr_token(&house, "smart/orchestrate_launch").await;
    let fresh = || async { make(&house, &token, context()).await.json()["launch"].as_str().unwrap().to_owned() };
    let refused = |launch: String| {
        let house = &house;
        async move {
            let mut browser = Browser::new(house);
            let answer = browser.until_consent("amal", &[("launch", &launch), ("scope", SCOPE)]).await;
            assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "{}", answer.text);
            assert_eq!(answer.sent("code"), None);
        }
    };
    refused("unknown".into()).await;
    let used = fresh().await;
    Browser::new(&house).launch("amal", &[("launch", &used), ("scope", SCOPE)], |_| true).await;
    refused(used).await;
    let mut foreign = context();
    foreign["client_id"] = json!("other");
    refused(make(&house, &token, foreign).await.json()["launch"].as_str().unwrap().to_owned()).await;
    let mut of_another = context();
    of_another["user"] = json!("u-maria");
    refused(make(&house, &token, of_another).await.json()["launch"].as_str().unwrap().to_owned()).await;
    let late = fresh().await;
    house.pass(301);
    refused(late).await;
}

#[tokio::test]
async fn a_launch_without_its_scope_is_refused_and_a_malformed_one_too() {
    let house = House::new();
    let without = ehr_token(&house, "system/Patient.rs").await;
    assert_eq!(make(&house, &without, context()).await.status, 403);
    assert_eq!(make(&house, "nonsense", context()).await.status, 401);
    let house = House::new();
    let token = ehr_token(&house, "smart/orchestrate_launch").await;
    for (name, value) in [
        ("client_id", json!("nobody")),
        ("client_id", Value::Null),
        ("patient", json!("../x")),
        ("patient", json!(7)),
        ("api", json!("nothing")),
        ("api", json!("lab")),
        ("need_patient_banner", json!("no")),
        ("fhirContext", json!({})),
        ("fhirContext", json!(["ImagingStudy/1"])),
        ("fhirContext", json!([{"reference": "https://x.example/Patient/1"}])),
        ("fhirContext", json!([{}])),
        ("fhirContext", json!([{"canonical": "relative"}])),
        ("intent", json!("x".repeat(257))),
    ] {
        let mut body = context();
        body[name] = value.clone();
        let answer = make(&house, &token, body).await;
        assert_eq!(answer.status, 400, "{name} {value}: {}", answer.text);
    }
    assert_eq!(make(&house, &token, json!([])).await.status, 400);
}

#[tokio::test]
async fn the_launch_scope_means_nothing_without_a_launch() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let answer = browser.visit(Method::GET, &authorize_path(&[("scope", "launch")]), None).await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_scope"));
}
