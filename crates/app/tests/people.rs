//! People and those who look after them, against the real binary: what ends access ends it on the next request, and no secret
//! is in any log.

use http::Method;
use serde_json::{Value, json};

use crate::support::Demo;
use crate::visit::{Visitor, totp};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// One demo for all, since each costs seconds: the claims follow one another.
#[tokio::test(flavor = "multi_thread")]
async fn people_leave_are_stopped_and_are_linked_and_nothing_secret_is_logged() {
    let mut demo = Demo::start(&["--patients", "20"]);
    let mut secrets = Vec::new();
    administration_asks_for_a_role_and_a_fresh_second_factor(&demo, &mut secrets).await;
    a_killed_client_is_stopped_on_the_next_request_and_its_evidence_is_held(&mut demo).await;
    break_glass_by_an_app_tells_how_its_user_had_proved_themselves(&demo, &mut secrets).await;
    a_registered_app_waits_until_somebody_answers_for_it(&demo, &mut secrets).await;
    a_person_is_linked_by_a_code_on_paper(&demo, &mut secrets).await;
    a_feed_disables_who_left(&demo, &mut secrets).await;
    a_directory_deactivates_and_the_next_request_is_refused(&demo, &mut secrets).await;
    sealed_accounts_are_made_opened_and_reviewed(&demo, &mut secrets).await;
    reading_the_configuration_again_forgives_nobody(&demo).await;
    nothing_secret_is_in_a_log(&demo, &secrets);
}

fn run(demo: &Demo, words: &[&str]) -> (i32, Value, String) {
    let config = demo.config();
    let mut arguments = words.to_vec();
    arguments.extend(["--config", &config, "--json"]);
    let (status, out, error) = demo.run(&arguments);
    (status, serde_json::from_str(&out).unwrap_or_default(), error)
}

fn done(demo: &Demo, words: &[&str]) -> Value {
    let (status, value, error) = run(demo, words);
    assert_eq!(status, 0, "{words:?}: {error}");
    value
}

async fn act(demo: &Demo, token: &str, act: &Value) -> crate::support::Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    demo.send(Method::POST, "/admin/act", &headers, Some(act.to_string().into_bytes())).await
}

async fn administration_asks_for_a_role_and_a_fresh_second_factor(demo: &Demo, secrets: &mut Vec<String>) {
    let made = done(demo, &["user", "add", "root", "--role", "administrator", "--fhir-user", "Practitioner/root"]);
    let password = made["password"].as_str().unwrap().to_owned();
    let metadata = json!({
        "client_name": "Administration", "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1:8446/back"], "scope": "openid bascule/administer user/*.rs",
        "grant_types": ["authorization_code"], "bascule_apis": ["ehr"],
    });
    let file = demo.folder.path().join("administration.json");
    std::fs::write(&file, metadata.to_string()).unwrap();
    done(demo, &["client", "add", file.to_str().unwrap(), "--id", "administration", "--organization", "mercy"]);
    // With a password alone an administrator gets nothing.
    let mut visitor = Visitor::new(demo, "administration", "http://127.0.0.1:8446/back");
    let refused = visitor.sign_in("root", &password, "openid bascule/administer").await.unwrap_err();
    assert!(refused.contains("unmet_authentication_requirements"), "{refused}");
    let secret = visitor.set_up_one_time_passwords().await;
    let digits = totp(&secret, 1);
    let token = visitor.step_up("openid bascule/administer", &digits).await.unwrap();
    let list = act(demo, &token, &json!({"act": "client-list"})).await;
    assert_eq!(list.status, 200, "{}", String::from_utf8_lossy(&list.body));
    assert!(list.json()["done"].as_array().unwrap().len() > 3);
    let rotated = act(demo, &token, &json!({"act": "user-reset", "name": "amelie"})).await;
    secrets.push(rotated.json()["done"]["password"].as_str().unwrap().to_owned());
    // Over the command line, elsewhere.
    let token_file = demo.folder.path().join("token");
    std::fs::write(&token_file, &token).unwrap();
    let (issuer, ca) = (demo.state["issuer"].as_str().unwrap(), demo.state["ca"].as_str().unwrap());
    let far = ["user", "list", "--json", "--server", issuer, "--ca", ca, "--token-file", token_file.to_str().unwrap()];
    let (status, out, error) = demo.run(&far);
    assert_eq!(status, 0, "{error}");
    assert!(out.contains("amelie"));
    // Who may not.
    for other in [String::new(), "x".repeat(43), demo_token(demo, "scheduler-app"), demo_token(demo, "amelie-is-gone")]
    {
        let answer = act(demo, &other, &json!({"act": "client-list"})).await;
        assert!([401, 403].contains(&answer.status.as_u16()), "{}", answer.status);
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    for (bad, status) in [(json!({"act": "log-shred"}), 400), (json!(1), 400), (json!({"act": "log-flush"}), 403)] {
        assert_eq!(act(demo, &token, &bad).await.status, status, "{bad}");
    }
    let (_, found, _) = run(demo, &["audit", "search", "--limit", "1000"]);
    assert!(found.to_string().contains("insufficient_scope"), "{found}");
    let said = entries(demo);
    assert!(said.contains("user-reset") && said.contains("by administration"), "{said}");
    secrets.extend([password, token, secret, digits]);
}

/// Emergency access is given either way; without a fresh second factor it is the one that is looked at first.
async fn break_glass_by_an_app_tells_how_its_user_had_proved_themselves(demo: &Demo, secrets: &mut Vec<String>) {
    let made = done(demo, &["user", "add", "on.call", "--role", "physician", "--fhir-user", "Practitioner/on-call"]);
    let password = made["password"].as_str().unwrap().to_owned();
    let scope = "openid user/*.rs";
    let mut visitor = Visitor::new(demo, "administration", "http://127.0.0.1:8446/back");
    let plain = visitor.sign_in("on.call", &password, scope).await.unwrap();
    let secret = visitor.set_up_one_time_passwords().await;
    let proved = visitor.step_up(scope, &totp(&secret, 1)).await.unwrap();
    let open = |token: String, body: &'static [u8]| async move {
        let headers = [("authorization", format!("Bearer {token}")), (FORM.0, FORM.1.to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        demo.send(Method::POST, "/oauth/emergency", &headers, Some(body.to_vec())).await
    };
    for (token, patient, stepped_up) in [
        (&plain, &b"api=ehr&patient=p0003&reason=life-threatening"[..], false),
        (&proved, b"api=ehr&patient=p0004&reason=life-threatening", true),
    ] {
        let opened = open(token.clone(), patient).await;
        assert_eq!((opened.status.as_u16(), &opened.json()["stepped_up"]), (201, &json!(stepped_up)));
    }
    let rows = done(demo, &["review", "list"]);
    let flagged = |patient: &str| {
        rows.as_array().unwrap().iter().find(|row| row["patient"] == patient).map(|row| row["flagged"] == true)
    };
    assert_eq!((flagged("p0003"), flagged("p0004")), (Some(true), Some(false)), "{rows}");
    secrets.extend([password, plain, secret, proved]);
}

async fn a_registered_app_waits_until_somebody_answers_for_it(demo: &Demo, secrets: &mut Vec<String>) {
    let metadata = json!({
        "client_name": "Of a stranger", "grant_types": ["client_credentials"], "scope": "system/Appointment.rs",
        "token_endpoint_auth_method": "client_secret_basic", "bascule_roles": ["physician"],
    });
    let register = || async {
        let body = metadata.to_string().into_bytes();
        demo.send(Method::POST, "/oauth/register", &[("content-type", "application/json")], Some(body)).await
    };
    assert_eq!(register().await.status, 404, "closed unless it is opened");
    let config = demo.config();
    let before = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{before}\n[sign_in]\nregistration = true\n")).unwrap();
    crate::reload::hang_up(demo).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let answer = register().await;
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        made.push((text("client_id"), text("client_secret")));
    }
    let token = |(id, secret): (String, String)| async move {
        let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{secret}"));
        let headers = [("authorization", format!("Basic {basic}")), (FORM.0, FORM.1.to_owned())];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let asked = b"grant_type=client_credentials&scope=system/Appointment.rs".to_vec();
        demo.send(Method::POST, "/oauth/token", &headers, Some(asked)).await
    };
    let [wanted, unwanted] = [made[0].clone(), made[1].clone()];
    assert_eq!(token(wanted.clone()).await.status, 401, "it waits");
    assert_eq!(done(demo, &["client", "pending"]).as_array().unwrap().len(), 2);
    let approve = ["client", "approve", &wanted.0, "--organization", "farsight", "--role", "scheduler"];
    let (status, _, error) = run(demo, &["client", "approve", "nobody", "--organization", "farsight"]);
    assert_eq!((status, error.contains("waits for an approval")), (64, true), "{error}");
    done(demo, &approve);
    assert_eq!(run(demo, &approve).0, 64, "once");
    let given = token(wanted.clone()).await;
    assert_eq!(given.status, 200, "{}", String::from_utf8_lossy(&given.body));
    let given = given.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(demo.get(&given, "/fhir/Appointment?_count=1").await.status, 200);
    assert_eq!(
        demo.get(&given, "/fhir/Patient/p0001").await.status,
        403,
        "a role that it gave itself is worth nothing"
    );
    done(demo, &["client", "refuse", &unwanted.0, "--reason", "nobody knows it"]);
    assert_eq!(token(unwanted.clone()).await.status, 401);
    assert_eq!(done(demo, &["client", "pending"]).as_array().unwrap().len(), 0);
    assert_eq!(run(demo, &["client", "approve", &unwanted.0, "--organization", "farsight"]).0, 64, "a refusal stays");
    let said = entries(demo);
    assert!(said.contains("client-approve") && said.contains("client-refuse"), "{said}");
    std::fs::write(&config, before).unwrap();
    crate::reload::hang_up(demo).await;
    assert_eq!(register().await.status, 404);
    secrets.extend([wanted.1, unwanted.1, given]);
}

/// Everything that the log says, in clear, as strangers' tools read it.
fn entries(demo: &Demo) -> String {
    let out = demo.folder.path().join("events.ndjson");
    let _shown = run(demo, &["audit", "export", "--out", out.to_str().unwrap()]);
    std::fs::read_to_string(&out).unwrap()
}

/// A token of a client of the demo; nonsense for a name that is none.
fn demo_token(demo: &Demo, name: &str) -> String {
    let data = demo.data().display().to_string();
    let (status, out, _) = demo.run(&["demo", "token", name, "--data", &data]);
    if status == 0 { out.trim().to_owned() } else { "nonsense".to_owned() }
}

async fn a_killed_client_is_stopped_on_the_next_request_and_its_evidence_is_held(demo: &mut Demo) {
    let token = demo_token(demo, "scheduler-app");
    assert_eq!(demo.get(&token, "/fhir/Appointment?_count=1").await.status, 200);
    let killed = done(demo, &["kill", "client", "scheduler-app", "--reason", "took more than it was given"]);
    assert!(killed["entries"].as_u64().unwrap() >= 1, "{killed}");
    assert_eq!(demo.get(&token, "/fhir/Appointment?_count=1").await.status, 401);
    assert_eq!(demo_token(demo, "scheduler-app"), "nonsense");
    let month = killed["months-held"][0].as_str().unwrap().to_owned();
    let kept = done(demo, &["preserved"]);
    assert_eq!(kept[0]["what"], "client scheduler-app");
    let (status, _, error) = run(demo, &["audit", "shred", "--month", &month, "--reason", "to hide it"]);
    assert_ne!(status, 0);
    assert!(error.contains("kept") || error.contains("retention") || error.contains("held"), "{error}");
    let (status, _, error) = run(demo, &["kill", "client", "nobody", "--reason", "x"]);
    assert_eq!(status, 64, "{error}");
    // A person's tokens and sessions, and they do not come in again.
    let password = done(demo, &["user", "reset", "amelie"])["password"].as_str().unwrap().to_owned();
    let redirect = demo.state["clients"]["experiment"]["redirect_uri"].as_str().unwrap().to_owned();
    let patient_scope = "launch/patient patient/*.rs";
    let mut visitor = Visitor::new(demo, "experiment", &redirect);
    let person = visitor.sign_in("amelie", &password, patient_scope).await.unwrap();
    let own = format!("/fhir/Patient/{}", demo.state["users"]["amelie"]["patient"].as_str().unwrap());
    assert_eq!(demo.get(&person, &own).await.status, 200);
    done(demo, &["kill", "user", "amelie", "--reason", "the telephone was stolen"]);
    assert_eq!(demo.get(&person, &own).await.status, 401);
    assert!(visitor.account().await.contains("name=\"password\""), "the session has ended too");
    assert!(Visitor::new(demo, "experiment", &redirect).sign_in("amelie", &password, patient_scope).await.is_err());
    done(demo, &["user", "enable", "amelie"]);
    visitor.sign_in("amelie", &password, patient_scope).await.unwrap();
    // An organization's: those of every client of it.
    let theirs = demo_token(demo, "auditor-counts");
    assert_ne!(demo.get(&theirs, "/fhir/Patient?_summary=count").await.status, 401);
    let killed = done(demo, &["kill", "organization", "mercy", "--reason", "a breach there"]);
    assert_eq!(demo.get(&theirs, "/fhir/Patient?_summary=count").await.status, 401, "{killed}");
    assert_eq!(demo_token(demo, "auditor-counts"), "nonsense");
    let kept = done(demo, &["preserved"]).to_string();
    assert!(kept.contains("the telephone was stolen") && kept.contains("organization mercy"), "{kept}");
    done(demo, &["organization", "enable", "mercy"]);
    // An organization's clients stop with it.
    let other = demo_token(demo, "auditor-counts");
    let before = demo.get(&other, "/fhir/Patient?_summary=count").await.status;
    done(demo, &["organization", "disable", "mercy"]);
    assert_eq!(demo.get(&other, "/fhir/Patient?_summary=count").await.status, 401, "before: {before}");
    done(demo, &["organization", "enable", "mercy"]);
}

async fn a_person_is_linked_by_a_code_on_paper(demo: &Demo, secrets: &mut Vec<String>) {
    let patient = demo.state["users"]["amelie"]["patient"].as_str().unwrap().to_owned();
    let made = done(demo, &["user", "add", "newcomer", "--role", "patient"]);
    let password = made["password"].as_str().unwrap().to_owned();
    let code = done(demo, &["user", "link-code", &patient, "--hours", "1"])["code"].as_str().unwrap().to_owned();
    let redirect = demo.state["clients"]["experiment"]["redirect_uri"].as_str().unwrap().to_owned();
    let mut visitor = Visitor::new(demo, "experiment", &redirect);
    let refused = visitor.sign_in("newcomer", &password, "launch/patient patient/*.rs").await.unwrap_err();
    assert!(refused.contains("access_denied"), "{refused}");
    assert!(visitor.link("AAAA-BBBB-CCCC-DDDD").await.contains("not known"));
    assert!(visitor.link(&code).await.contains("Your account is linked"));
    let token = visitor.go_on("launch/patient patient/*.rs").await.unwrap();
    assert_eq!(demo.get(&token, &format!("/fhir/Patient/{patient}")).await.status, 200);
    // A parent's code files that they stand for the child, until the child comes of age.
    let child = &["user", "link-code", "p0007", "--kind", "parent", "--label", "Tomas, my son"];
    let (status, _, error) = run(demo, child);
    assert_eq!((status, error.contains("--document")), (64, true), "{error}");
    let paper = ["--document", "birth certificate", "--born", "2020-05-01"];
    let second = done(demo, &[&child[..], &paper[..]].concat())["code"].as_str().unwrap().to_owned();
    let page = visitor.link(&second).await;
    assert!(page.contains("Tomas, my son") && page.contains("parent"), "{page}");
    let filed = done(demo, &["representation", "list"]);
    assert!(filed.to_string().contains("birth certificate"), "{filed}");
    let row = filed.as_array().unwrap().iter().find(|row| row.to_string().contains("birth certificate"));
    let number = row.unwrap()["id"].as_str().unwrap();
    done(demo, &["representation", "end", number, "--because", "a test"]);
    let (status, _, error) = run(demo, &["user", "link-code", "not an id"]);
    assert_eq!((status, error.contains("FHIR id")), (64, true), "{error}");
    secrets.extend([password, code, second, token]);
}

async fn a_feed_disables_who_left(demo: &Demo, secrets: &mut Vec<String>) {
    let redirect = demo.state["clients"]["experiment"]["redirect_uri"].as_str().unwrap().to_owned();
    let password = done(demo, &["user", "reset", "newcomer"])["password"].as_str().unwrap().to_owned();
    let mut visitor = Visitor::new(demo, "experiment", &redirect);
    let token = visitor.sign_in("newcomer", &password, "launch/patient patient/*.rs").await.unwrap();
    let file = demo.folder.path().join("feed.csv");
    std::fs::write(&file, "userName,externalId,active\nnewcomer,e-1,true\nsomebody.new,e-2,true\n").unwrap();
    let fed = done(demo, &["user", "import", "--csv", file.to_str().unwrap(), "--complete"]);
    assert_eq!((&fed["added"], &fed["updated"], &fed["disabled"]), (&json!(1), &json!(1), &json!(0)), "{fed}");
    std::fs::write(&file, "userName,externalId\nsomebody.new,e-2\n").unwrap();
    let fed = done(demo, &["user", "import", "--csv", file.to_str().unwrap(), "--complete"]);
    assert_eq!(fed["disabled"], 1, "{fed}");
    let patient = demo.state["users"]["amelie"]["patient"].as_str().unwrap().to_owned();
    assert_eq!(demo.get(&token, &format!("/fhir/Patient/{patient}")).await.status, 401);
    std::fs::write(&file, "name\nx\n").unwrap();
    let (status, _, error) = run(demo, &["user", "import", "--csv", file.to_str().unwrap()]);
    assert_eq!((status, error.contains("no column `name`")), (64, true), "{error}");
    done(demo, &["user", "enable", "newcomer"]);
    secrets.extend([password, token]);
}

async fn scim(demo: &Demo, token: &str, method: Method, path: &str, body: Option<Value>) -> crate::support::Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/scim+json")];
    demo.send(method, &format!("/scim/v2/{path}"), &headers, body.map(|body| body.to_string().into_bytes())).await
}

async fn a_directory_deactivates_and_the_next_request_is_refused(demo: &Demo, secrets: &mut Vec<String>) {
    let metadata =
        json!({"client_name": "Directory", "grant_types": ["client_credentials"], "scope": "bascule/provision"});
    let file = demo.folder.path().join("directory.json");
    std::fs::write(&file, metadata.to_string()).unwrap();
    let made = done(demo, &["client", "add", file.to_str().unwrap(), "--id", "directory", "--organization", "mercy"]);
    let secret = made["client_secret"].as_str().unwrap().to_owned();
    let basic = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("directory:{secret}"));
    let asked = b"grant_type=client_credentials&scope=bascule/provision".to_vec();
    let headers = [("authorization", format!("Basic {basic}")), (FORM.0, FORM.1.to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let given = demo.send(Method::POST, "/oauth/token", &headers, Some(asked)).await.json();
    let feed = given["access_token"].as_str().unwrap().to_owned();
    assert_eq!(scim(demo, "nonsense", Method::GET, "Users", None).await.status, 401);

    let found = scim(demo, &feed, Method::GET, "Users?filter=userName%20eq%20%22newcomer%22", None).await.json();
    let id = found["Resources"][0]["id"].as_str().unwrap().to_owned();
    let group = json!({"displayName": "Patients", "members": [{"value": id}]});
    let group = scim(demo, &feed, Method::POST, "Groups", Some(group)).await;
    assert_eq!(group.status, 201, "{}", String::from_utf8_lossy(&group.body));
    let password = done(demo, &["user", "reset", "newcomer"])["password"].as_str().unwrap().to_owned();
    let redirect = demo.state["clients"]["experiment"]["redirect_uri"].as_str().unwrap().to_owned();
    let mut visitor = Visitor::new(demo, "experiment", &redirect);
    let token = visitor.sign_in("newcomer", &password, "launch/patient patient/*.rs").await.unwrap();
    let patient = demo.state["users"]["amelie"]["patient"].as_str().unwrap().to_owned();
    let path = format!("/fhir/Patient/{patient}");
    assert_eq!(demo.get(&token, &path).await.status, 200);
    let off = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "replace", "value": {"active": false}}]});
    let answer = scim(demo, &feed, Method::PATCH, &format!("Users/{id}"), Some(off)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["active"]), (200, &json!(false)));
    assert_eq!(demo.get(&token, &path).await.status, 401, "on the next request");
    assert!(visitor.account().await.contains("name=\"password\""), "the session has ended too");
    for (method, path, body, status) in [
        (Method::POST, "Users".to_owned(), Some(json!({"userName": "newcomer"})), 409),
        (Method::POST, "Users".to_owned(), Some(json!({})), 400),
        (Method::GET, "Users/nobody".to_owned(), None, 404),
        (Method::GET, "Users?filter=nonsense".to_owned(), None, 400),
        (Method::PATCH, format!("Users/{id}"), Some(json!({"Operations": []})), 400),
        (Method::GET, "Nothing".to_owned(), None, 404),
    ] {
        let answer = scim(demo, &feed, method, &path, body).await;
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.json()["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    }
    assert_eq!(scim(demo, &feed, Method::DELETE, &format!("Users/{id}"), None).await.status, 204);
    assert_eq!(scim(demo, &feed, Method::GET, &format!("Users/{id}"), None).await.status, 404);
    secrets.extend([secret, feed, token, password]);
}

async fn sealed_accounts_are_made_opened_and_reviewed(demo: &Demo, secrets: &mut Vec<String>) {
    let first = done(demo, &["emergency", "seal", "sealed-1", "--role", "physician"]);
    assert_eq!(first["still-missing"], 1);
    done(demo, &["emergency", "seal", "sealed-2", "--role", "administrator"]);
    let secret = first["secret"].as_str().unwrap().to_owned();
    let redirect = demo.state["clients"]["experiment"]["redirect_uri"].as_str().unwrap().to_owned();
    let mut visitor = Visitor::new(demo, "experiment", &redirect);
    let token = visitor.sign_in("sealed-1", &secret, "openid user/*.rs").await.unwrap();
    let alerts = done(demo, &["alert", "list"]);
    assert!(alerts.to_string().contains("sealed-account-opened"), "{alerts}");
    let listed = done(demo, &["emergency", "list"]).to_string();
    assert!(listed.contains("opened: seal it anew") && listed.contains("a review is due"), "{listed}");
    done(demo, &["emergency", "review", "1", "--note", "a drill without an announcement"]);
    let anew = done(demo, &["emergency", "reseal", "sealed-1"])["secret"].as_str().unwrap().to_owned();
    assert_ne!(anew, secret);
    let refused = Visitor::new(demo, "experiment", &redirect).sign_in("sealed-1", &secret, "openid user/*.rs").await;
    assert!(refused.is_err(), "the old secret is worth nothing");
    assert_eq!(run(demo, &["emergency", "drill", "amelie"]).0, 64);
    secrets.extend([secret, anew, token]);
}

async fn reading_the_configuration_again_forgives_nobody(demo: &Demo) {
    let guess = || async {
        let body = b"grant_type=client_credentials&client_id=nobody&client_secret=wrong".to_vec();
        demo.send(Method::POST, "/oauth/token", &[FORM], Some(body)).await
    };
    let mut last = guess().await;
    for _ in 0..40 {
        last = guess().await;
    }
    assert_eq!(last.status, 429);
    assert!(last.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let signal = std::process::Command::new("kill").args(["-HUP", &demo.process().to_string()]).status().unwrap();
    assert!(signal.success());
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert!(demo.log().contains("are in force"), "{}", demo.log());
    // A try or two may have come back meanwhile; a throttle that began anew would let all of these through.
    let mut held = false;
    for _ in 0..5 {
        held |= guess().await.status == 429;
    }
    assert!(held, "after SIGHUP too");
}

fn nothing_secret_is_in_a_log(demo: &Demo, secrets: &[String]) {
    let (status, entries, error) = run(demo, &["audit", "search", "--limit", "10000"]);
    assert_eq!(status, 0, "{error}");
    let (entries, process) = (entries.to_string(), demo.log());
    let events = self::entries(demo);
    assert!(events.len() > 1_000 && process.contains("\"level\""));
    for secret in secrets.iter().filter(|secret| secret.len() > 6) {
        for (place, text) in [("the log's entries", &entries), ("the process's log", &process), ("events", &events)] {
            assert!(!text.contains(secret.as_str()), "{place} holds a secret");
        }
    }
}
