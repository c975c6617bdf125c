//! Masks and the profiles of de-identification through the real binary: what stands in the place of values, what is refused
//! to who has no agreement for it, and that nothing can be searched by what is masked.

use serde_json::Value;

use crate::support::{Answer, Demo};

/// Two patients of whom every identifier can be told again: one of 90 years and more in an area of few people, one of neither.
const PATIENTS: &str = r#"{"resourceType":"Patient","id":"old-1","identifier":[{"system":"urn:walk:mrn","value":"WALK-1234-9876"}],"name":[{"family":"Abernathy-Walk","given":["Ottoline"]}],"telecom":[{"system":"phone","value":"555-0199"}],"gender":"female","birthDate":"1931-05-04","address":[{"line":["7 Walk Lane"],"city":"Walkton","state":"VT","postalCode":"05901","country":"US"}],"photo":[{"contentType":"image/png","data":"V0FMSw=="}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Ottoline</div>"}}
{"resourceType":"Patient","id":"young-1","identifier":[{"system":"urn:walk:mrn","value":"WALK-5555-1111"}],"name":[{"family":"Young-Walk","given":["Quentin"]}],"gender":"male","birthDate":"1990-06-07","deceasedDateTime":"2025-03-04T05:06:07Z","address":[{"line":["8 Walk Lane"],"city":"Tempe","state":"AZ","postalCode":"85281","country":"US"}]}
"#;

/// Words that tell who these are; none of them is a part of a word that may leave.
const TELLING: [&str; 12] = [
    "old-1",
    "WALK-",
    "Abernathy",
    "Ottoline",
    "555-0199",
    "05-04",
    "7 Walk",
    "Walkton",
    "05901",
    "V0FMSw",
    "1931-",
    "<div",
];

/// A demo with these patients, whose scheduling role has these grants of `Patient` and `Appointment` instead of its own.
fn demo(grants: &[(&str, &str)]) -> Demo {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("patients.ndjson");
    std::fs::write(&file, PATIENTS).unwrap();
    let mut demo = Demo::start(&["--patients", "12", "--load", &file.display().to_string()]);
    demo.kill();
    give(&demo, grants);
    demo.start_again();
    demo
}

fn give(demo: &Demo, grants: &[(&str, &str)]) {
    let file = demo.data().join("policy/scheduler.toml");
    let shipped = std::fs::read_to_string(&file).unwrap();
    let (role, _) = shipped.split_once("[[role.scheduler.grant]]").unwrap();
    let mut text = role.to_owned();
    for (resource, rest) in grants {
        text += &format!(
            "[[role.scheduler.grant]]\nresource = \"{resource}\"\ninteractions = [\"read\", \"search\"]\n{rest}\nbecause = \"a walk\"\n\n"
        );
    }
    std::fs::write(&file, text).unwrap();
}

async fn got(demo: &Demo, token: &str, road: &str) -> Value {
    let answer = demo.get(token, &format!("/fhir{road}")).await;
    assert_eq!(answer.status, 200, "{road}: {}", text(&answer));
    assert_eq!(answer.headers["cache-control"], "no-store", "{road}");
    answer.json()
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// Nobody finds somebody by what is masked.
async fn refused(demo: &Demo, token: &str, searches: &[&str]) {
    for search in searches {
        let answer = demo.get(token, &format!("/fhir/Patient?{search}")).await;
        assert_eq!(answer.status, 403, "{search}: {}", text(&answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mask_puts_something_in_the_place_of_a_value() {
    let masks = "elements = [\"id\", \"gender\"]\nmasks = { birthDate = \"pooled-year\", \"address.postalCode\" = \"zip3\", \"identifier.value\" = \"last-four\", \"name.family\" = \"code\" }";
    let mut demo = demo(&[("Patient", masks)]);
    let token = demo.token("scheduler-app");
    demo.settled(&token, "/fhir/Patient/young-1").await;
    let old = got(&demo, &token, "/Patient/old-1").await;
    let young = got(&demo, &token, "/Patient/young-1").await;
    assert_eq!(old["birthDate"], "1936", "of 90 and more one year: the year that is 90 years ago");
    assert_eq!(young["birthDate"], "1990");
    assert_eq!(old["address"][0]["postalCode"], "000", "an area of 20,000 people or fewer");
    assert_eq!(young["address"][0]["postalCode"], "852");
    assert!(old["identifier"][0]["value"].as_str().unwrap().ends_with("9876"), "{old}");
    let families = [&old, &young].map(|one| one["name"][0]["family"].as_str().unwrap().to_owned());
    assert!(families[0] != families[1] && families.iter().all(|code| !code.contains("Walk")), "{families:?}");
    let again = got(&demo, &token, "/Patient/old-1").await;
    assert_ne!(again["name"][0]["family"], old["name"][0]["family"], "a random code is another one in another answer");
    for hidden in ["WALK-", "Abernathy", "Ottoline", "555-0199", "05-04", "Walkton", "05901", "1931-", "06-07", "85281"]
    {
        assert!(!old.to_string().contains(hidden) && !young.to_string().contains(hidden), "{hidden}: {old} {young}");
    }
    let hidden = [
        "birthdate=1990",
        "address-postalcode=05901",
        "identifier=WALK-1234-9876",
        "family=Young-Walk",
        "_sort=birthdate",
    ];
    refused(&demo, &token, &hidden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn safe_harbor_takes_every_identifier_out_and_lets_nobody_search_for_one() {
    let mut demo = demo(&[("Patient", "elements = \"*\"\nprofile = \"safe-harbor\"")]);
    let token = demo.token("scheduler-app");
    demo.settled(&token, "/fhir/Patient/young-1").await;
    let old = got(&demo, &token, "/Patient/old-1").await;
    assert_eq!(old["gender"], "female");
    assert_eq!(old["birthDate"], "1936");
    assert_eq!(old["address"][0], serde_json::json!({ "state": "VT", "postalCode": "000", "country": "US" }));
    assert!(old["id"].as_str().is_some_and(|code| code.len() == 32), "{old}");
    let answer = demo.get(&token, "/fhir/Patient/old-1").await;
    let told = TELLING.iter().find(|word| text(&answer).contains(**word));
    assert_eq!(told, None, "{}", text(&answer));
    for name in ["etag", "last-modified", "location", "content-location"] {
        assert!(!answer.headers.contains_key(name), "{name}");
    }
    let men = got(&demo, &token, "/Patient?gender=male").await;
    let young =
        men["entry"].as_array().unwrap().iter().find(|one| one["resource"]["address"][0]["postalCode"] == "852");
    assert_eq!(young.unwrap()["resource"]["deceasedDateTime"], "2025");
    assert!(men["entry"].as_array().unwrap().iter().all(|one| one.get("fullUrl").is_none()), "{men}");
    let hidden = [
        "birthdate=1990",
        "birthdate=gt1990-01-01",
        "address-postalcode=05901",
        "address-city=Walkton",
        "_id=old-1",
        "identifier=WALK-1234-9876",
        "family=Abernathy-Walk",
        "_sort=birthdate",
        "_lastUpdated=gt2020",
        "general-practitioner=halvorsen",
    ];
    refused(&demo, &token, &hidden).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limited_data_set_and_an_experts_data_need_what_the_rule_names_on_file() {
    let mut demo = demo(&[
        ("Patient", "elements = \"*\"\nprofile = \"limited-data-set\""),
        ("Appointment", "elements = \"*\"\nprofile = \"expert\""),
    ]);
    let token = demo.token("scheduler-app");
    demo.settled(&token, "/fhir/Patient/young-1").await;
    for (road, kind) in [("/Patient/old-1", "data-use"), ("/Appointment?_count=1", "expert-determination")] {
        let refused = demo.get(&token, &format!("/fhir{road}")).await;
        assert_eq!(refused.status, 403, "{road}");
        assert!(text(&refused).contains(kind), "{road}: {}", text(&refused));
    }
    let config = demo.config();
    for (id, kind) in [("dua", "data-use"), ("determined", "expert-determination")] {
        let words = ["agreement", "add", id, "--organization", "farsight", "--kind", kind, "--from", "2026-01-01"];
        let (status, _, error) = demo.run(&[&words[..], &["--purpose", "HOPERAT", "--config", &config]].concat());
        assert_eq!(status, 0, "{error}");
    }
    let old = got(&demo, &token, "/Patient/old-1").await;
    assert_eq!(old["birthDate"], "1931-05-04", "dates stay in a limited data set");
    assert_eq!(old["address"][0]["city"], "Walkton");
    for direct in ["old-1", "WALK-", "Abernathy", "Ottoline", "555-0199", "7 Walk", "V0FMSw", "<div"] {
        assert!(!old.to_string().contains(direct), "{direct}: {old}");
    }
    let keyed = |bundle: &Value| bundle["entry"][0]["resource"]["participant"][0]["actor"]["reference"].clone();
    let first = keyed(&got(&demo, &token, "/Appointment?_count=1").await);
    let second = keyed(&got(&demo, &token, "/Appointment?_count=1").await);
    assert!(first.as_str().is_some_and(|code| code.starts_with("Patient/") && !code.contains("p00")), "{first}");
    assert_eq!(first, second, "a keyed code is the same for the same recipient");
}
