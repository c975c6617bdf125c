//! Every parameter missing, doubled, too long, of a wrong kind or in the wrong place: only the refusals that the
//! specifications ask for, and never a fault of ours.

use axum::body::Body;
use bascule_gateway::smart::SmartLimits;
use http::{Method, Request};

use crate::house::{Browser, House, SECRET, authorize_path, basic, redeem, request};

const ENDPOINTS: [&str; 5] = ["/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/par", "/oauth/launch"];

#[tokio::test]
async fn spoilt_authorization_requests_never_give_a_code_or_a_fault() {
    let house = House::new();
    let names: Vec<String> = request(&[]).into_iter().map(|(name, _)| name).collect();
    let long = "x".repeat(30_000);
    for name in &names {
        for value in ["", "\u{0}", "%", "' OR 1=1 --", "<script>", "null", "[]", "a b", "\u{202e}", long.as_str()] {
            let changed = authorize_path(&[(name, value)]);
            let answer = Browser::new(&house).visit(Method::GET, &changed, None).await;
            let code = answer.status.as_u16();
            assert!(code < 500 && answer.sent("code").is_none(), "{name}={value:.20}: {code}");
            if let Some(error) = answer.sent("error") {
                assert!(answer.header("location").starts_with("https://portal.example/back?"), "{error}");
            }
        }
        let doubled = format!("{}&{name}=again", authorize_path(&[]));
        let answer = Browser::new(&house).visit(Method::GET, &doubled, None).await;
        assert!(answer.status == 400 || answer.sent("error").as_deref() == Some("invalid_request"), "{name} doubled");
    }
}

#[tokio::test]
async fn spoilt_token_requests_are_refused() {
    let house = House::with(|_| (), SmartLimits { sign_ins_per_minute: 1_000, ..SmartLimits::default() });
    let long = "x".repeat(30_000);
    for at in 0..4 {
        for value in ["", "\u{0}", "%00", "<x>", "null", long.as_str()] {
            let code = house.code(&[]).await;
            let mut pairs = redeem(&code);
            pairs[at].1 = value;
            let answer = house.token(&pairs).await;
            assert!([400, 401].contains(&answer.status.as_u16()), "{} {value:.10}: {}", pairs[at].0, answer.status);
            assert!(answer.json()["error"].is_string());
        }
        let code = house.code(&[]).await;
        let mut pairs = redeem(&code).to_vec();
        pairs.push(pairs[at]);
        house.token(&pairs).await.refused(&[400], "invalid_request");
    }
}

#[tokio::test]
async fn secrets_in_the_wrong_place_do_not_count() {
    let house = House::new();
    let code = house.code(&[]).await;
    let pairs = redeem(&code);
    let query = format!("/oauth/token?client_id=portal&client_secret={SECRET}");
    house.post(&query, &[], &pairs).await.refused(&[401], "invalid_client");
    let bearer = format!("Bearer {SECRET}");
    house.post("/oauth/token", &[("authorization", &bearer)], &pairs).await.refused(&[401], "invalid_client");
    let twice = [("authorization", basic("portal", SECRET)), ("authorization", basic("other", SECRET))];
    let twice: Vec<(&str, &str)> = twice.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let answer = house.post("/oauth/token", &twice, &pairs).await;
    answer.refused(&[400], "invalid_request");
    let tokens = house.token(&pairs).await.json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(house.get(&format!("/oauth/userinfo?access_token={access}"), &[]).await.status, 401);
}

#[tokio::test]
async fn bodies_that_are_no_forms_are_refused_everywhere() {
    let house = House::new();
    for path in ENDPOINTS {
        for body in [vec![], vec![0xff, 0xfe, 0x00], b"{\"a\":".to_vec(), b"&&&===".to_vec(), vec![b'a'; 70_000]] {
            for kind in ["application/x-www-form-urlencoded", "application/json", "application/xml", "x"] {
                let request = Request::post(path).header("content-type", kind).body(Body::from(body.clone())).unwrap();
                let answer = house.send(request).await;
                assert!(answer.status.is_client_error(), "{path} {kind}: {}", answer.status);
            }
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused() {
    let house = House::new();
    for path in ENDPOINTS {
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = house.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.status, 405, "{path}");
        }
    }
}

#[tokio::test]
async fn no_answer_and_no_event_repeats_a_secret() {
    let house = House::new();
    let code = house.code(&[]).await;
    let tokens = house.token(&redeem(&code)).await.json();
    house.token(&redeem(&code)).await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    house.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh), ("scope", "user/*.*")]).await;
    let told = format!("{:?}", house.events.lock().unwrap());
    for secret in [code.as_str(), refresh, tokens["access_token"].as_str().unwrap(), SECRET, crate::house::PASSWORD] {
        assert!(!told.contains(secret));
    }
}
