//! NG: invalid audience, code and client.

use http::Method;

use crate::house::{Browser, House, SECRET, authorize_path, basic, redeem};

#[tokio::test]
async fn ng_1_gp_15_a_foreign_aud_gives_no_code() {
    let house = House::new();
    for aud in
        ["https://inferno.healthit.gov/invalid_aud", "", "https://bridge.example", "https://bridge.example/fhirx"]
    {
        let answer = Browser::new(&house).visit(Method::GET, &authorize_path(&[("aud", aud)]), None).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "{aud}");
        assert_eq!(answer.sent("code"), None);
    }
}

#[tokio::test]
async fn ng_2_a_bad_code_is_exactly_400() {
    let answer = House::new().token(&redeem("BAD_CODE")).await;
    answer.refused(&[400], "invalid_grant");
}

#[tokio::test]
async fn ng_3_a_bad_client_id_is_refused() {
    let house = House::new();
    let code = house.code(&[]).await;
    let header = basic("BAD_CLIENT_ID", SECRET);
    let answer = house.post("/oauth/token", &[("authorization", &header)], &redeem(&code)).await;
    answer.refused(&[400, 401], "invalid_client");
    assert!(answer.header("www-authenticate").starts_with("Basic"));
}
