//! SC: v1, v2 and granular scopes, and the person who narrows them.

use bascule_smart::consent::{Choice, choices};
use serde_json::{Value, json};

use crate::house::{Browser, House, US_CORE, redeem, scope_set};

async fn granted(house: &House, scope: &str, keep: impl Fn(&str) -> bool, kinds: &[&str]) -> Value {
    let mut browser = Browser::new(house);
    let page = browser.until_consent("maria", &[("scope", scope)]).await;
    let answer = browser
        .submit(&page, &[("decision", "allow")], |name| {
            if name.starts_with("kind") { kinds.contains(&name) } else { keep(name) }
        })
        .await;
    let code = answer.sent("code").unwrap_or_else(|| panic!("{}", answer.location()));
    house.token(&redeem(&code)).await.json()["scope"].clone()
}

#[tokio::test]
async fn sc_1_sc_2_sc_3_only_what_the_person_ticks_is_granted() {
    let house = House::new();
    let types: Vec<String> = US_CORE.iter().map(|name| format!("patient/{name}.rs")).collect();
    let asked = format!("openid fhirUser launch/patient offline_access {}", types.join(" "));
    let lines = choices(&asked.parse().unwrap());
    let wanted = ["patient/Patient.rs", "patient/Condition.rs", "patient/Observation.rs"];
    let names: Vec<String> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| wanted.contains(&line.scope.to_string().as_str()))
        .map(|(index, _)| Choice::keep_name(index))
        .collect();
    let scope = granted(&house, &asked, |name| names.iter().any(|kept| kept == name), &[]).await;
    let expected = format!("openid fhirUser launch/patient {}", wanted.join(" "));
    assert_eq!(scope_set(&scope), scope_set(&json!(expected)));
}

#[tokio::test]
async fn sc_6_v1_scopes_are_granted_as_asked() {
    let house = House::new();
    let types: Vec<String> = US_CORE.iter().map(|name| format!("patient/{name}.read")).collect();
    let asked = format!("openid fhirUser launch/patient offline_access {}", types.join(" "));
    assert_eq!(scope_set(&granted(&house, &asked, |_| true, &[]).await), scope_set(&json!(asked)));
}

#[tokio::test]
async fn sc_8_sc_9_sc_12_a_person_narrows_types_to_kinds() {
    let house = House::new();
    let asked = "launch/patient patient/Patient.rs patient/Condition.rs patient/Observation.rs";
    let scope = granted(&house, asked, |_| true, &["kind.2.1", "kind.2.2", "kind.3.0", "kind.3.2"]).await;
    let scope = scope_set(&scope);
    for one in [
        "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
        "patient/Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
        "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
        "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|social-history",
        "patient/Patient.rs",
    ] {
        assert!(scope.contains(one), "{one}: {scope:?}");
    }
    assert!(!scope.contains("patient/Condition.rs") && !scope.contains("patient/Observation.rs"));
}

#[tokio::test]
async fn sc_10_sc_11_sc_18_granular_scopes_are_granted_verbatim() {
    let house = House::new();
    let observation = "http://terminology.hl7.org/CodeSystem/observation-category";
    let condition = "http://terminology.hl7.org/CodeSystem/condition-category";
    let core = "http://hl7.org/fhir/us/core/CodeSystem";
    let sets = [
        format!(
            "launch/patient patient/Condition.rs?category={condition}|encounter-diagnosis \
            patient/Condition.rs?category={core}/condition-category|health-concern \
            patient/Observation.rs?category={observation}|laboratory patient/Observation.rs?category={observation}|social-history"
        ),
        format!(
            "launch/patient patient/Condition.rs?category={condition}|problem-list-item \
            patient/Observation.rs?category={observation}|vital-signs patient/Observation.rs?category={observation}|survey \
            patient/Observation.rs?category={core}/us-core-category|sdoh \
            patient/Observation.rs?category={core}/us-core-category|clinical-test"
        ),
    ];
    for asked in sets {
        let asked = asked.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(scope_set(&granted(&house, &asked, |_| true, &[]).await), scope_set(&json!(asked)));
    }
}

#[tokio::test]
async fn sc_19_the_person_is_told_of_lasting_access_and_can_leave_it_out() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    assert!(page.text.contains("keep its access for months"), "{}", page.text);
    let lines = choices(&crate::house::FULL.parse().unwrap());
    let offline = lines.iter().position(|line| line.scope.to_string() == "offline_access").unwrap();
    let left_out = Choice::keep_name(offline);
    let answer =
        browser.submit(&page, &[("decision", "allow")], |name| name != left_out && !name.starts_with("kind")).await;
    let tokens = house.token(&redeem(&answer.sent("code").unwrap())).await.json();
    assert_eq!(tokens.get("refresh_token"), None);
    assert!(!scope_set(&tokens["scope"]).contains("offline_access"));
}

#[tokio::test]
async fn nothing_ticked_is_a_no() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[]).await;
    let answer = browser.submit(&page, &[("decision", "allow")], |_| false).await;
    assert_eq!(answer.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn ticks_that_were_not_offered_give_nothing() {
    let house = House::new();
    let mut browser = Browser::new(&house);
    let page = browser.until_consent("maria", &[("scope", "launch/patient patient/Patient.r")]).await;
    let forged =
        [("decision", "allow"), ("keep.7", "1"), ("change.1", "1"), ("kind.1.0", "1"), ("scope", "user/*.cruds")];
    let answer = browser.submit(&page, &forged, |_| true).await;
    let tokens = house.token(&redeem(&answer.sent("code").unwrap())).await.json();
    assert_eq!(tokens["scope"], "launch/patient patient/Patient.r");
}
