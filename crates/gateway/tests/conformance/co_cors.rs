//! CO: browsers of other origins.

use axum::body::Body;
use http::Request;

use crate::house::{Answer, House};

async fn preflight(house: &House, path: &str, origin: &str) -> Answer {
    let request = Request::options(path)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn gp_21_a_preflight_of_a_registered_origin_is_answered() {
    let house = House::new();
    for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/oauth/par"] {
        let answer = preflight(&house, path, "https://native.example").await;
        assert_eq!(answer.status, 204, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "https://native.example", "{path}");
        assert!(answer.header("access-control-allow-methods").contains("POST"));
        assert!(answer.header("access-control-allow-headers").contains("authorization"));
    }
}

#[tokio::test]
async fn others_get_nothing() {
    let house = House::new();
    for origin in [
        "https://evil.example",
        "null",
        "https://native.example.evil.example",
        "http://native.example",
        "https://xnative.example",
        "https://portal.example",
    ] {
        let answer = preflight(&house, "/oauth/token", origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        let answer = house.post("/oauth/token", &[("origin", origin)], &[]).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn co_3_a_refusal_can_be_read_by_the_app_too() {
    let house = House::new();
    let pairs = [("grant_type", "authorization_code"), ("code", "x"), ("client_id", "native")];
    let answer = house.post("/oauth/token", &[("origin", "https://native.example")], &pairs).await;
    answer.refused(&[400], "invalid_grant");
    assert_eq!(answer.header("access-control-allow-origin"), "https://native.example");
}

#[tokio::test]
async fn public_documents_are_everybodys() {
    let house = House::new();
    for path in ["/oauth/jwks", "/.well-known/openid-configuration", "/fhir/.well-known/smart-configuration"] {
        assert_eq!(
            house.get(path, &[("origin", "https://x.example")]).await.header("access-control-allow-origin"),
            "*"
        );
        let answer = preflight(&house, path, "https://x.example").await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
}
