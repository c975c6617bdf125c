//! PK: PKCE.

use http::Method;

use crate::house::{BACK, Browser, CHALLENGE, House, VERIFIER, authorize_path};

#[tokio::test]
async fn pk_1_to_pk_4_a_code_without_its_verifier_gives_nothing() {
    let house = House::new();
    let wrong = "a".repeat(43);
    for (id, verifier) in
        [("PK-1", None), ("PK-2", Some("")), ("PK-3", Some(wrong.as_str())), ("PK-4", Some(CHALLENGE))]
    {
        let code = house.code(&[]).await;
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", BACK)];
        pairs.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        let answer = house.token(&pairs).await;
        assert!([400, 401].contains(&answer.status.as_u16()), "{id} {}", answer.text);
        assert_eq!(answer.json()["error"], "invalid_grant", "{id}");
    }
}

#[tokio::test]
async fn gp_9_a_request_without_s256_comes_back_with_an_error() {
    let house = House::new();
    for changes in [
        [("code_challenge", ""), ("code_challenge_method", "")],
        [("code_challenge", VERIFIER), ("code_challenge_method", "plain")],
        [("code_challenge", CHALLENGE), ("code_challenge_method", "")],
        [("code_challenge", "x"), ("code_challenge_method", "S256")],
    ] {
        let answer = Browser::new(&house).visit(Method::GET, &authorize_path(&changes), None).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "{changes:?}");
        assert_eq!(answer.sent("code"), None);
    }
}
