//! Dynamic registration: closed unless opened, and what is registered waits for an approval.

use axum::body::Body;
use bascule_gateway::smart::SmartLimits;
use bascule_store::user::Status;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::house::{Answer, Browser, House, authorize_path};

async fn register(house: &House, body: &Value) -> Answer {
    let request = Request::post("/oauth/register").header("content-type", "application/json");
    house.send(request.body(Body::from(body.to_string())).unwrap()).await
}

fn app() -> Value {
    json!({"client_name": "New", "redirect_uris": ["https://new.example/back"], "scope": "launch/patient patient/*.rs",
        "token_endpoint_auth_method": "client_secret_basic", "bascule_roles": ["physician"], "bascule_consent": false,
        "bascule_introspects": true})
}

#[tokio::test]
async fn it_is_closed_by_default() {
    let house = House::new();
    assert_eq!(register(&house, &app()).await.status, 404);
}

#[tokio::test]
async fn a_registered_client_waits_and_has_no_powers_that_it_gave_itself() {
    let house = House::with(|server| server.registration = true, SmartLimits::default());
    let answer = register(&house, &app()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let body = answer.json();
    let id = body["client_id"].as_str().unwrap();
    assert!(body["client_secret"].as_str().unwrap().len() == 43);
    let client = house.store.client(id).unwrap().unwrap();
    assert_eq!(client.status, Status::Waiting);
    assert!(client.metadata.roles.is_empty() && client.metadata.consent && !client.metadata.introspects);
    let path = authorize_path(&[("client_id", id), ("redirect_uri", "https://new.example/back")]);
    assert_eq!(Browser::new(&house).visit(Method::GET, &path, None).await.status, 400, "waiting");
    house.store.set_client_status(id, Status::Active, house.now()).unwrap();
    assert_eq!(Browser::new(&house).visit(Method::GET, &path, None).await.status, 303, "approved");
}

#[tokio::test]
async fn bad_metadata_is_named() {
    let house = House::with(|server| server.registration = true, SmartLimits::default());
    register(&house, &json!({"redirect_uris": ["http://evil.example"]})).await.refused(&[400], "invalid_redirect_uri");
    register(&house, &json!({"grant_types": ["implicit"]})).await.refused(&[400], "invalid_client_metadata");
    register(&house, &json!([])).await.refused(&[400], "invalid_client_metadata");
}
