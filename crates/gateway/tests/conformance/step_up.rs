//! A fresh second factor: asked for by an app (`acr_values`, `max_age`), by a role, and by changes of how one signs in.

use bascule_crypto::Secret;
use bascule_fhir::Timestamp;
use bascule_smart::authorize::{ACR_ONE_FACTOR, ACR_TWO_FACTORS};
use bascule_store::user::{NewUser, parse_reference};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::Value;

use crate::house::{Answer, Browser, House, PASSWORD, authorize_path, redeem};

const OTP_SECRET: &str = "12345678901234567890";
const STRONG: [(&str, &str); 1] = [("acr_values", ACR_TWO_FACTORS)];

/// At this second the digits are known (RFC 6238, appendix B).
fn at_known_digits(house: &House) -> &'static str {
    house.pass(2_000_000_000 - house.now().seconds());
    "279037"
}

fn with_second_factor(house: &House, user: &str) {
    house.store.set_second_factor(user, Some(&Secret::new(OTP_SECRET))).unwrap();
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Sends the one form of the page that has this field.
async fn enter(browser: &mut Browser<'_>, page: &Answer, field: &str, value: &str) -> Answer {
    assert!(page.text.contains(&format!("name=\"{field}\"")), "{} {}", page.status, page.text);
    browser.submit(page, &[(field, value)], |_| true).await
}

/// Consents, unless it was given before.
async fn allow(browser: &mut Browser<'_>, page: Answer) -> Answer {
    if page.status.is_redirection() {
        return page;
    }
    browser.submit(&page, &[("decision", "allow")], |name| !name.starts_with("kind")).await
}

#[tokio::test]
async fn an_app_learns_how_the_person_proved_themselves() {
    let house = House::new();
    let tokens = house.tokens(&[]).await;
    assert_eq!(claims(&tokens["id_token"])["acr"], ACR_ONE_FACTOR);
    with_second_factor(&house, "u-maria");
    let digits = at_known_digits(&house);
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &STRONG).await;
    let page = enter(&mut browser, &page, "otp", digits).await;
    let back = allow(&mut browser, page).await;
    let tokens = house.token(&redeem(&back.sent("code").unwrap())).await.json();
    let said = claims(&tokens["id_token"]);
    assert_eq!((said["acr"].as_str().unwrap(), said["auth_time"].as_i64().unwrap()), (ACR_TWO_FACTORS, 2_000_000_000));
    let discovery = house.get("/.well-known/openid-configuration", &[]).await.json();
    assert!(discovery["acr_values_supported"].as_array().unwrap().contains(&ACR_TWO_FACTORS.into()));
}

#[tokio::test]
async fn who_has_no_second_factor_cannot_show_one() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let back = browser.until_consent("maria", &STRONG).await;
    assert_eq!(back.sent("error").as_deref(), Some("unmet_authentication_requirements"), "{}", back.text);
    assert!(back.sent("code").is_none());
}

#[tokio::test]
async fn a_session_steps_up_and_what_it_gave_before_goes_on() {
    let house = House::new();
    with_second_factor(&house, "u-maria");
    let digits = at_known_digits(&house);
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    let page = enter(&mut browser, &page, "otp", digits).await;
    let back = allow(&mut browser, page).await;
    let tokens = house.token(&redeem(&back.sent("code").unwrap())).await.json();
    house.pass(700);
    let page = browser.go(Method::GET, &authorize_path(&[STRONG[0], ("max_age", "600")]), None).await;
    assert!(page.text.contains("Confirm that it is you") && !page.text.contains("name=\"password\""), "{}", page.text);
    let quiet = authorize_path(&[STRONG[0], ("max_age", "600"), ("prompt", "none")]);
    let answer = browser.go(Method::GET, &quiet, None).await;
    assert_eq!(answer.sent("error").as_deref(), Some("interaction_required"));
    // The digits of now are not among the published ones, so they are made as an authenticator app makes them.
    let digits = digits_at(house.now());
    let page = enter(&mut browser, &page, "otp", &digits).await;
    assert!(page.sent("code").is_some() || page.text.contains("value=\"allow\""), "{} {}", page.status, page.text);
    assert!(house.opens(&tokens["access_token"]), "the session is the same one");
}

/// The digits at a time, found as a stranger would: by trying them all against the published check.
fn digits_at(now: Timestamp) -> String {
    let secret = Secret::new(OTP_SECRET);
    let of_now = |digits: &String| bascule_smart::totp::step(&secret, digits, now) == Some(now.seconds() / 30);
    (0..1_000_000).map(|number| format!("{number:06}")).find(of_now).unwrap()
}

#[tokio::test]
async fn an_administrator_gets_no_token_with_a_password_alone() {
    let house = House::new();
    let root = NewUser {
        id: Some("u-root".into()),
        login: "root".into(),
        name: "Root".into(),
        roles: vec!["administrator".into()],
        fhir_user: parse_reference("Practitioner/adm"),
        ..NewUser::default()
    };
    house.store.add_user(&root, Some(&Secret::new(PASSWORD)), house.now()).unwrap();
    let mut browser = Browser::new(&house);
    let back = browser.until_consent("root", &[("scope", "openid user/*.rs")]).await;
    assert_eq!(back.sent("error").as_deref(), Some("unmet_authentication_requirements"), "{}", back.text);
}

#[tokio::test]
async fn one_time_passwords_are_set_up_with_a_fresh_proof_only() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.go(Method::GET, "/oauth/account", None).await;
    let page = browser.submit(&page, &[("login", "maria"), ("password", PASSWORD)], |_| true).await;
    assert!(page.text.contains("How you sign in"), "{}", page.text);
    let form = |page: &Answer, action: &str| {
        let at = page.text.find(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("{action}: {}", page.text));
        let start = page.text[..at].rfind("<form").unwrap();
        Answer {
            text: page.text[start..at + page.text[at..].find("</form>").unwrap()].to_owned(),
            status: page.status,
            headers: page.headers.clone(),
        }
    };
    house.pass(601);
    let stale = browser.submit(&form(&page, "/oauth/account/otp/new"), &[], |_| true).await;
    assert!(stale.text.contains("name=\"password\""), "the password again");
    let page = browser.submit(&stale, &[("login", "maria"), ("password", PASSWORD)], |_| true).await;
    let page = browser.submit(&form(&page, "/oauth/account/otp/new"), &[], |_| true).await;
    assert!(page.text.contains("otpauth://totp/"), "{}", page.text);
    let wrong = browser.submit(&page, &[("otp", "000000")], |_| true).await;
    assert_eq!(wrong.status, 400);
    assert!(house.store.second_factor("u-maria").unwrap().is_none(), "nothing counts yet");
    let letters = wrong.text.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let secret = Secret::new(base32(letters));
    let digits = (0..1_000_000).map(|number| format!("{number:06}"));
    let digits = { digits }.find(|digits| bascule_smart::totp::step(&secret, digits, house.now()).is_some()).unwrap();
    let page = browser.submit(&wrong, &[("otp", &digits)], |_| true).await;
    assert!(page.text.contains("Set up in your authenticator app."), "{}", page.text);
    assert!(house.store.user("u-maria").unwrap().unwrap().second_factor);
    // The session was by password: to take it away again, the second factor is asked.
    let page = browser.submit(&form(&page, "/oauth/account/otp/remove"), &[], |_| true).await;
    assert!(page.text.contains("Confirm that it is you"), "{}", page.text);
    assert!(house.store.user("u-maria").unwrap().unwrap().second_factor);
    assert!(house.event_names().contains(&"record-changed"));
}

fn base32(letters: &str) -> Vec<u8> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = letters.chars().map(|c| format!("{:05b}", alphabet.find(c).unwrap())).collect();
    (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap()).collect()
}
