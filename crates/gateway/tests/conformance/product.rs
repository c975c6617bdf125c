//! The product of every request, every parameter and header of it, and every way to spoil one: missing, doubled, empty, of a wrong
//! kind, too long, in the wrong place, somebody else's. Nothing is ever granted by it that a sound request would not get, no
//! answer is a fault of ours, and each refusal has a code that the specifications know. `./test` takes a part of the product, `BASCULE_LONG=1` all.

use axum::body::Body;
use bascule_gateway::smart::SmartLimits;
use http::Request;

use crate::house::{
    ASSERTION_TYPE, Answer, BACK, Browser, House, SECRET, assertion, assertion_with, basic, encode, redeem, request,
};

/// Of so many cases one is taken, unless all are.
const SPARSE: usize = 7;

/// The codes of RFC 6749, 6750, 7009, 7591, 8707, 9126, 9449, 9470 and OpenID Connect that a refusal may bear.
const CODES: [&str; 21] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "unsupported_response_type",
    "invalid_scope",
    "access_denied",
    "login_required",
    "consent_required",
    "interaction_required",
    "request_not_supported",
    "invalid_request_uri",
    "unsupported_token_type",
    "invalid_dpop_proof",
    "invalid_token",
    "insufficient_scope",
    "slow_down",
    "invalid_redirect_uri",
    "invalid_client_metadata",
    "unmet_authentication_requirements",
];

type Pairs = Vec<(String, String)>;

fn pairs(of: &[(&str, &str)]) -> Pairs {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Every spoilt form of one parameter of a request, with a word for it.
fn spoilt(sound: &Pairs, name: &str) -> Vec<(String, Pairs)> {
    let long = "x".repeat(25_000);
    let values = [
        "",
        " ",
        "\u{0}",
        "%",
        "null",
        "true",
        "0",
        "-1",
        "[]",
        "{}",
        "<script>",
        "' OR 1=1 --",
        "\u{202e}",
        "../..",
        "https://evil.example",
        "a b",
        "\r\nset-cookie: x",
        long.as_str(),
    ];
    let with = |value: &str| -> Pairs {
        let change = |(known, old): &(String, String)| {
            (known.clone(), if known == name { value.to_owned() } else { old.clone() })
        };
        sound.iter().map(change).collect()
    };
    let mut all: Vec<(String, Pairs)> = values
        .iter()
        .map(|value| (format!("{name}={}", value.chars().take(20).collect::<String>()), with(value)))
        .collect();
    let without: Pairs = sound.iter().filter(|(known, _)| known != name).cloned().collect();
    all.push((format!("no {name}"), without.clone()));
    let value = sound.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default();
    for other in [value.clone(), "another".to_owned()] {
        let mut doubled = sound.clone();
        doubled.push((name.to_owned(), other));
        all.push((format!("{name} twice"), doubled));
    }
    for wrong in [name.to_uppercase(), format!("{name}[]"), format!(" {name}")] {
        let mut renamed = without.clone();
        renamed.push((wrong.clone(), value.clone()));
        all.push((format!("{name} as {wrong}"), renamed));
    }
    all
}

fn taken<T>(cases: Vec<T>) -> Vec<T> {
    let every = if std::env::var_os("BASCULE_LONG").is_some() { 1 } else { SPARSE };
    cases.into_iter().enumerate().filter(|(at, _)| at % every == 0).map(|(_, case)| case).collect()
}

fn borrowed(pairs: &Pairs) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Never a fault of ours; a refusal bears a known code; what is granted is at most what was asked soundly.
#[track_caller]
fn judge(what: &str, answer: &Answer) {
    assert!(answer.status.as_u16() < 500, "{what}: {} {}", answer.status, answer.text);
    assert!(answer.status != 429, "{what}: throttled, so that nothing is tested");
    if answer.header("content-type").starts_with("application/json") && answer.status.is_client_error() {
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(CODES.contains(&error.as_str()), "{what}: `{error}` is no code of a specification");
        assert!(answer.header("cache-control").contains("no-store"), "{what}");
    }
    assert!(!answer.headers.contains_key("set-cookie") || !answer.header("set-cookie").contains("set-cookie: x"));
}

fn house() -> House {
    let many = 1_000_000;
    House::with(
        |server| server.registration = true,
        SmartLimits {
            sign_ins_per_minute: many,
            address_sign_ins_per_minute: many,
            client_requests_per_minute: many,
            client_failures_per_minute: many,
            authorizations_per_minute: many,
            user_tokens_per_minute: many,
        },
    )
}

#[tokio::test]
async fn spoilt_authorization_requests_by_get_by_post_and_pushed() {
    let house = house();
    let mut sound = request(&[("prompt", "consent"), ("max_age", "60"), ("acr_values", "urn:bascule:acr:1")]);
    sound.push(("login_hint".into(), "maria".into()));
    let names: Vec<String> = sound.iter().map(|(name, _)| name.clone()).collect();
    let cases = taken(names.iter().flat_map(|name| spoilt(&sound, name)).collect());
    assert!(cases.len() > 30);
    for (what, spoilt) in cases {
        let form = encode(&borrowed(&spoilt));
        let path = format!("/oauth/authorize?{form}");
        for (how, answer) in [
            ("get", house.get(&path, &[]).await),
            ("post", house.post("/oauth/authorize", &[], &borrowed(&spoilt)).await),
            ("par", house.post("/oauth/par", &[("authorization", &basic("portal", SECRET))], &borrowed(&spoilt)).await),
        ] {
            let what = format!("{how}: {what}");
            judge(&what, &answer);
            assert!(how == "par" || answer.sent("code").is_none(), "{what}");
            if answer.status.is_redirection() && answer.header("location").starts_with("https://") {
                assert!(answer.header("location").starts_with(BACK), "{what}: {}", answer.header("location"));
                let error = answer.sent("error").unwrap_or_default();
                assert!(CODES.contains(&error.as_str()), "{what}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn spoilt_token_requests_of_every_grant_and_proof() {
    let house = house();
    let key = house.add_backend("backend", "system/*.rs");
    let tokens = house.tokens(&[]).await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    let signed = || assertion(&house, &key, "backend");
    let code = "a-code-that-is-none-but-looks-like-one-00000000";
    let kinds: Vec<(&str, Option<String>, Pairs)> = vec![
        ("code", Some(basic("portal", SECRET)), pairs(&redeem(code))),
        (
            "refresh",
            Some(basic("other", &format!("{SECRET}-2"))),
            pairs(&[("grant_type", "refresh_token"), ("refresh_token", &refresh), ("scope", "openid")]),
        ),
        (
            "backend",
            None,
            pairs(&[
                ("grant_type", "client_credentials"),
                ("scope", "system/*.rs"),
                ("client_assertion_type", ASSERTION_TYPE),
                ("client_assertion", "to be signed"),
            ]),
        ),
    ];
    for (kind, authorization, sound) in kinds {
        let names: Vec<String> = sound.iter().map(|(name, _)| name.clone()).collect();
        for (what, mut spoilt) in taken(names.iter().flat_map(|name| spoilt(&sound, name)).collect()) {
            for pair in &mut spoilt {
                if pair.1 == "to be signed" {
                    pair.1 = signed();
                }
            }
            let headers: Vec<(&str, &str)> =
                authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            let answer = house.post("/oauth/token", &headers, &borrowed(&spoilt)).await;
            judge(&format!("{kind}: {what}"), &answer);
            // Only a backend whose request is sound as it stands gets anything.
            assert!(answer.status.is_client_error() || kind == "backend", "{kind}: {what} {}", answer.text);
        }
    }
    assert!(house.opens(&tokens["access_token"]), "another client's tries do no harm");
}

#[tokio::test]
async fn spoilt_assertions_claim_by_claim() {
    let house = house();
    let key = house.add_backend("backend", "system/*.rs");
    let other = house.add_backend("other-backend", "system/*.rs");
    let values = || {
        use serde_json::json;
        vec![
            json!(null),
            json!(true),
            json!(-1),
            json!(0),
            json!(1e300),
            json!(""),
            json!("x"),
            json!("x".repeat(5_000)),
            json!([]),
            json!(["backend", "other-backend"]),
            json!({}),
            json!({"a": [1]}),
            json!("https://evil.example"),
        ]
    };
    let claims = ["iss", "sub", "aud", "exp", "jti", "iat", "nbf"];
    let all: Vec<(&str, Option<serde_json::Value>)> = claims
        .iter()
        .flat_map(|claim| values().into_iter().map(move |value| (*claim, Some(value))).chain([(*claim, None)]))
        .collect();
    for (claim, value) in taken(all) {
        let change = |claims: &mut serde_json::Value| match &value {
            Some(value) => claims[claim] = value.clone(),
            None => drop(claims.as_object_mut().unwrap().remove(claim)),
        };
        let answer = ask(&house, &assertion_with(&house, &key, "backend", change)).await;
        judge(&format!("{claim}: {value:?}"), &answer);
        let harmless = matches!(claim, "iat" | "nbf" | "jti") || value.is_none() && claim == "iat";
        assert!(harmless || answer.status == 401, "{claim} {value:?}: {} {}", answer.status, answer.text);
    }
    // Swapped: another's key, another's name, a proof that was shown.
    let foreign = ask(&house, &assertion(&house, &other, "backend")).await;
    foreign.refused(&[401], "invalid_client");
    let shown = assertion(&house, &key, "backend");
    assert_eq!(ask(&house, &shown).await.status, 200);
    ask(&house, &shown).await.refused(&[401], "invalid_client");
    for cut in [0, 1, shown.len() / 2, shown.len() - 1] {
        ask(&house, &shown[..cut]).await.refused(&[400, 401], "invalid_client");
    }
}

async fn ask(house: &House, assertion: &str) -> Answer {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "system/*.rs"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    house.post("/oauth/token", &[], &form).await
}

#[tokio::test]
async fn swapped_codes_clients_verifiers_and_addresses() {
    let house = house();
    house.add_client(
        "third",
        serde_json::json!({"redirect_uris": [BACK], "scope": "openid launch/patient patient/*.rs",
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"]}),
    );
    let other = basic("other", &format!("{SECRET}-2"));
    let code = house.code(&[]).await;
    let right = redeem(&code);
    let with = |at: usize, value: &'static str| {
        let mut pairs = right;
        pairs[at].1 = value;
        pairs
    };
    house.post("/oauth/token", &[("authorization", &other)], &right).await.refused(&[400], "invalid_grant");
    let mut public = right.to_vec();
    public.push(("client_id", "third"));
    house.post("/oauth/token", &[], &public).await.refused(&[400], "invalid_grant");
    let challenge = crate::house::CHALLENGE;
    house.token(&with(3, challenge)).await.refused(&[400], "invalid_grant");
    house.token(&with(2, "https://portal.example/elsewhere")).await.refused(&[400], "invalid_grant");
    let mut mixed = right.to_vec();
    mixed.push(("client_id", "other"));
    house.token(&mixed).await.refused(&[400, 401], "invalid_client");
    // None of these tries used the code up for its own client.
    let answer = house.token(&right).await;
    assert!(answer.status == 200 || answer.json()["error"] == "invalid_grant", "{}", answer.text);
}

#[tokio::test]
async fn spoilt_headers_everywhere() {
    let house = house();
    let tokens = house.tokens(&[]).await;
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    let long = format!("Bearer {}", "x".repeat(8_000));
    let authorizations = [
        "",
        "Bearer",
        "Bearer ",
        "Basic",
        "Basic !!!",
        "Basic OjpvOg==",
        "Basic cG9ydGFs",
        "Digest x",
        "Bearer a b c",
        "DPoP x",
        long.as_str(),
        "\u{e9}",
    ];
    let others = [
        ("content-type", "application/json"),
        ("content-type", ""),
        ("content-type", "multipart/form-data; boundary=x"),
        ("dpop", "x"),
        ("dpop", "a.b.c"),
        ("accept", "text/html"),
        ("origin", "null"),
        ("cookie", "__Host-bascule-session=x"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-http-method-override", "DELETE"),
        ("transfer-encoding", "identity"),
    ];
    for path in [
        "/oauth/token",
        "/oauth/introspect",
        "/oauth/revoke",
        "/oauth/par",
        "/oauth/launch",
        "/oauth/register",
        "/oauth/userinfo",
    ] {
        for authorization in authorizations {
            let Ok(value) = http::HeaderValue::from_bytes(authorization.as_bytes()) else { continue };
            let request = Request::post(path)
                .header("authorization", value)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::from(format!("token={access}")))
                .unwrap();
            let answer = house.send(request).await;
            judge(&format!("{path} {authorization:.20}"), &answer);
            assert!(answer.status.is_client_error(), "{path} {authorization:.20}: {}", answer.status);
        }
        for (name, value) in others {
            let request = Request::post(path)
                .header("authorization", format!("Bearer {access}"))
                .header(name, value)
                .body(Body::from("token=x&grant_type=client_credentials"))
                .unwrap();
            judge(&format!("{path} {name}: {value}"), &house.send(request).await);
        }
    }
    assert!(house.opens(&tokens["access_token"]), "nothing of it ended anything");
}

#[tokio::test]
async fn spoilt_registrations_and_launches() {
    use serde_json::{Value, json};
    let house = house();
    let sound = json!({"client_name": "New", "redirect_uris": ["https://new.example/back"], "scope": "patient/*.rs",
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"], "response_types": ["code"],
        "jwks_uri": "https://new.example/keys", "contacts": ["a@new.example"], "logo_uri": "https://new.example/l.png"});
    let values =
        [json!(null), json!(1), json!(true), json!("x"), json!([]), json!([1]), json!({}), json!("x".repeat(30_000))];
    let names: Vec<String> = sound.as_object().unwrap().keys().cloned().collect();
    for name in &names {
        for value in &values {
            let mut spoilt = sound.clone();
            spoilt[name] = value.clone();
            let answer = post_json(&house, "/oauth/register", None, &spoilt).await;
            judge(&format!("register {name}: {value:.40}"), &answer);
        }
    }
    for client in house.store.clients().unwrap() {
        let own = ["portal", "native", "other"].contains(&client.id.as_str());
        assert!(own || client.status != bascule_store::user::Status::Active, "nobody registers into acting");
    }
    let mut browser = Browser::new(&house);
    let answer = browser.launch("amal", &[("scope", "openid user/*.rs smart/orchestrate_launch")], |_| true).await;
    let token = answer.sent("code");
    let token = match token {
        Some(code) => house.token(&redeem(&code)).await.json()["access_token"].as_str().unwrap_or_default().to_owned(),
        None => String::new(),
    };
    let sound = json!({"client_id": "portal", "api": "ehr", "patient": "p1", "encounter": "e1", "fhirContext": [], "need_patient_banner": true});
    let names: Vec<String> = sound.as_object().unwrap().keys().cloned().collect();
    for name in &names {
        for value in &values {
            let mut spoilt: Value = sound.clone();
            spoilt[name] = value.clone();
            judge(
                &format!("launch {name}: {value:.40}"),
                &post_json(&house, "/oauth/launch", Some(&token), &spoilt).await,
            );
        }
    }
}

async fn post_json(house: &House, path: &str, token: Option<&str>, body: &serde_json::Value) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    house.send(request.body(Body::from(body.to_string())).unwrap()).await
}

/// A request that is spoilt on the way through the pages never becomes a code either.
#[tokio::test]
async fn spoilt_forms_of_the_pages() {
    let house = house();
    let mut browser = Browser::new(&house);
    let consent = browser.until_consent("maria", &[]).await;
    for form in
        ["", "form=x", "form=x&request=y&decision=allow", "decision=allow", "form=&request=", "%%%", "a=1&a=2&form=3"]
    {
        for path in [
            "/oauth/login",
            "/oauth/consent",
            "/oauth/patient",
            "/oauth/second-factor",
            "/oauth/apps/end",
            "/oauth/logout",
            "/oauth/link",
            "/oauth/passkey/ask",
            "/oauth/passkey/answer",
            "/oauth/account/passkey/new",
            "/oauth/account/passkey/keep",
            "/oauth/account/passkey/remove",
            "/oauth/account/otp/new",
            "/oauth/account/otp/keep",
            "/oauth/account/otp/remove",
        ] {
            let answer = browser.visit(http::Method::POST, path, Some(form.to_owned())).await;
            assert_eq!(answer.status, 400, "{path} {form}");
        }
    }
    let back = browser.submit(&consent, &[("decision", "allow")], |name| !name.starts_with("kind")).await;
    assert!(back.sent("code").is_some(), "the sound form still counts");
}
