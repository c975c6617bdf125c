//! The portal over TLS against a bridge that speaks SMART: signing in, reading, being refused, leaving.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is not as it should be"
)]

mod bridge;
mod browser;

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use bascule_demo::{Portal, PortalSettings};
use bascule_wire::ReloadableTls;
use bascule_wire::tls::development::ensure;
use tokio::net::TcpListener;

use bridge::{Bridge, Fault};
use browser::Browser;

struct Scene {
    bridge: Arc<Bridge>,
    browser: Browser,
    portal_url: String,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let tls = ensure(folder.path(), &["localhost"]).unwrap();
    let bridge = Bridge::start(&tls).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let portal_url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let mut settings = PortalSettings::new(&portal_url, &format!("{}/fhir", bridge.url), "portal");
    settings.ca_pem = Some(tls.ca_pem.clone());
    let portal = Portal::new(settings).unwrap();
    let serving = ReloadableTls::load(tls.files()).unwrap();
    tokio::spawn(portal.serve(listener, serving, std::future::pending()));
    let browser = Browser::new(&tls.ca_pem, &portal_url);
    Scene { bridge, browser, portal_url, _folder: folder }
}

#[tokio::test]
async fn a_patient_signs_in_and_reads_results_medicines_and_appointments() {
    let Scene { bridge, mut browser, portal_url, .. } = scene().await;
    assert!(browser.get("/").await.text.contains("Sign in"));
    assert_eq!(browser.sign_in().await.to.as_deref(), Some("/"));
    let asked = bridge.seen.lock().unwrap().authorize.clone();
    assert_eq!(asked["aud"], format!("{}/fhir", bridge.url));
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], format!("{portal_url}/signed-in"));
    assert_eq!(asked["scope"], "launch/patient patient/*.rs patient/Communication.c patient/Appointment.u");
    for (path, words) in [
        ("/", "Hello, <bdi lang=\"fr\">Amélie</bdi>"),
        ("/results", "Hemoglobin A1c"),
        ("/medicines", "Metformin 500 mg tablet"),
        ("/appointments", "Dr. Niamh Brennan"),
        ("/health", "Type 2 diabetes"),
        ("/documents", "Progress note"),
        ("/messages", "Care team"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.text.contains(words), "{path} lacks {words}");
        assert!(page.policy.unwrap().starts_with("default-src 'none'"));
    }
}

#[tokio::test]
async fn further_pages_of_a_search_are_read_too() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    let page = browser.get("/results").await;
    let searches = bridge.seen.lock().unwrap().searches.clone();
    assert!(searches.iter().any(|search| search.contains("page=2")), "{searches:?}");
    // The oldest value stands on the last page.
    assert!(page.text.contains("All 7 values"));
}

#[tokio::test]
async fn a_link_to_elsewhere_gets_no_token() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    bridge.fault(Fault::StrayLink);
    let page = browser.get("/results").await;
    assert!(page.text.contains("its next page is at another address"));
}

#[tokio::test]
async fn a_note_is_read_from_its_binary() {
    let Scene { mut browser, .. } = scene().await;
    browser.sign_in().await;
    let list = browser.get("/documents").await.text;
    let at = list.find("Consultation note").unwrap();
    let link = list[..at].rfind("/documents/").unwrap();
    let path = list[link..].split('"').next().unwrap().to_owned();
    assert!(browser.get(&path).await.text.contains("Retinas examined after drops"));
}

#[tokio::test]
async fn leaving_ends_the_session_and_revokes_the_token() {
    let Scene { bridge, mut browser, portal_url, .. } = scene().await;
    browser.sign_in().await;
    let key = browser.cookies.clone();
    assert_eq!(browser.post("/sign-out", &portal_url).await.to.as_deref(), Some("/signed-out"));
    assert_eq!(bridge.seen.lock().unwrap().revoked, ["token-0"]);
    assert!(browser.cookies.is_empty());
    browser.cookies = key;
    assert_eq!(browser.get("/results").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_form_of_another_site_signs_nobody_out() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    let url = bridge.url.clone();
    assert_eq!(browser.post("/sign-out", &url).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/results").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_message_is_written_to_the_own_doctor() {
    let Scene { bridge, mut browser, portal_url, .. } = scene().await;
    browser.sign_in().await;
    assert!(browser.get("/messages").await.text.contains("Write to <bdi>Dr. Ingrid Halvorsen-Mbeki</bdi>"));
    let page = browser.send("/messages", &portal_url, "topic=report-labs&text=What+is+HbA1c%3F").await;
    assert_eq!(page.to.as_deref(), Some("/messages?sent=yes"));
    let (to, body) = bridge.seen.lock().unwrap().writes.pop().unwrap();
    assert_eq!(to, "POST /fhir/Communication");
    assert_eq!(body["recipient"][0]["reference"], "Practitioner/halvorsen");
    assert_eq!(body["payload"][0]["contentString"], "What is HbA1c?");
}

#[tokio::test]
async fn an_appointment_is_cancelled_after_asking_once_more() {
    let Scene { bridge, mut browser, portal_url, .. } = scene().await;
    browser.sign_in().await;
    let list = browser.get("/appointments").await.text;
    let at = list.find("/cancel\"").unwrap();
    let path = list[list[..at].rfind('"').unwrap() + 1..at + "/cancel".len()].to_owned();
    assert!(browser.get(&path).await.text.contains("Yes, cancel it"));
    assert!(bridge.seen.lock().unwrap().writes.is_empty());
    assert_eq!(browser.post(&path, &portal_url).await.to.as_deref(), Some("/appointments?cancelled=yes"));
    let (to, body) = bridge.seen.lock().unwrap().writes.pop().unwrap();
    assert!(to.starts_with("PATCH /fhir/Appointment/p0001-"), "{to}");
    assert_eq!(body[0]["value"], "cancelled");
}

#[tokio::test]
async fn a_form_of_another_site_writes_nothing() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    let url = bridge.url.clone();
    assert_eq!(browser.send("/messages", &url, "topic=report-labs&text=hi").await.status, StatusCode::FORBIDDEN);
    assert!(bridge.seen.lock().unwrap().writes.is_empty());
}

#[tokio::test]
async fn who_grants_reading_alone_is_offered_no_writing() {
    let Scene { bridge, mut browser, .. } = scene().await;
    bridge.fault(Fault::ReadOnly);
    browser.sign_in().await;
    assert!(!browser.get("/messages").await.text.contains("Write to"));
    assert!(!browser.get("/appointments").await.text.contains("Cancel this appointment"));
}

#[tokio::test]
async fn a_sign_in_begun_in_another_browser_is_not_finished_here() {
    let Scene { mut browser, .. } = scene().await;
    let to_bridge = browser.get("/sign-in").await.to.unwrap();
    let back = browser.ask(Method::GET, &to_bridge, None).await.to.unwrap();
    browser.cookies.clear();
    let page = browser.ask(Method::GET, &back, None).await;
    assert_eq!((page.status, browser.cookies.len()), (StatusCode::BAD_REQUEST, 0));
}

#[tokio::test]
async fn an_answer_is_taken_once() {
    let Scene { mut browser, .. } = scene().await;
    let to_bridge = browser.get("/sign-in").await.to.unwrap();
    let back = browser.ask(Method::GET, &to_bridge, None).await.to.unwrap();
    let cookies = browser.cookies.clone();
    assert_eq!(browser.ask(Method::GET, &back, None).await.status, StatusCode::SEE_OTHER);
    browser.cookies = cookies;
    assert_eq!(browser.ask(Method::GET, &back, None).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_answer_in_anothers_name_signs_nobody_in() {
    let Scene { bridge, mut browser, .. } = scene().await;
    bridge.fault(Fault::WrongIssuer);
    let page = browser.sign_in().await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.text.contains("it is from somebody else") && browser.cookies.is_empty());
}

#[tokio::test]
async fn a_person_who_says_no_is_told_so() {
    let Scene { bridge, mut browser, .. } = scene().await;
    bridge.fault(Fault::Denied);
    assert!(browser.sign_in().await.text.contains("access was not granted"));
}

#[tokio::test]
async fn a_part_that_is_refused_leaves_the_others_readable() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    bridge.fault(Fault::Refuses("AllergyIntolerance"));
    let page = browser.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for words in ["grants no search here", "request-7", "Metformin 500 mg tablet"] {
        assert!(page.text.contains(words), "no {words}");
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_elsewhere_ends_the_session() {
    let Scene { bridge, mut browser, .. } = scene().await;
    browser.sign_in().await;
    bridge.end_all_tokens();
    let page = browser.get("/medicines").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.text.contains("You have been signed out") && browser.cookies.is_empty());
}

#[tokio::test]
async fn a_bridge_that_is_away_is_a_page_and_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let tls = ensure(folder.path(), &["localhost"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let portal_url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let mut settings = PortalSettings::new(&portal_url, "https://localhost:9/fhir", "portal");
    settings.ca_pem = Some(tls.ca_pem.clone());
    let serving = ReloadableTls::load(tls.files()).unwrap();
    tokio::spawn(Portal::new(settings).unwrap().serve(listener, serving, std::future::pending()));
    let page = Browser::new(&tls.ca_pem, &portal_url).get("/sign-in").await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(page.text.contains("cannot be reached right now") && page.text.contains("name the number"));
}

#[tokio::test]
async fn an_unknown_address_is_a_page_of_the_portal() {
    let Scene { mut browser, .. } = scene().await;
    let page = browser.get("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("There is no such page"));
}
