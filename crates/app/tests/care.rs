//! The drill: emergency access at the bedside, as a clinician does it with a browser and two taps, and what the privacy
//! officer sees of it afterwards.

use http::Method;
use serde_json::Value;

use crate::policy_change::Change;
use crate::support::{Answer, Demo};

const CLINICIAN: &str = "dr.halvorsen";
const OFFICER: &str = "privacy.osei";

/// A browser that keeps cookies and sends forms, without scripts.
struct Browser<'a> {
    demo: &'a Demo,
    cookies: Vec<String>,
}

impl Browser<'_> {
    async fn open(&mut self, address: &str) -> Answer {
        let cookies = self.cookies.join("; ");
        let answer = self.demo.send(Method::GET, address, &[("cookie", &cookies), ("accept", "text/html")], None).await;
        self.keep(&answer);
        answer
    }

    /// Sends the page's form by one of its buttons, with what was typed.
    async fn press(&mut self, page: &Answer, action: &str, typed: &[(&str, &str)]) -> Answer {
        let text = String::from_utf8_lossy(&page.body).into_owned();
        let mut fields: Vec<(String, String)> = hidden(&text);
        fields.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let cookies = self.cookies.join("; ");
        let headers = [
            ("cookie", cookies.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
        ];
        let answer = self.demo.send(Method::POST, action, &headers, Some(body.into_bytes())).await;
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            let name = pair.split('=').next().unwrap().to_owned();
            self.cookies.retain(|kept| !kept.starts_with(&format!("{name}=")));
            self.cookies.push(pair);
        }
    }
}

fn encoded(value: &str) -> String {
    value.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn hidden(page: &str) -> Vec<(String, String)> {
    let attribute = |tag: &str, name: &str| {
        let from = tag.split_once(&format!("{name}=\""))?.1;
        Some(from.split_once('"')?.0.to_owned())
    };
    let tags = page.split("<input ").skip(1).filter(|tag| tag.starts_with("type=\"hidden\""));
    tags.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
}

fn link(answer: &Answer, kind: &str) -> String {
    let extensions = answer.json()["issue"][0]["extension"].as_array().cloned().unwrap_or_default();
    let found = extensions.iter().find(|one| one["url"].as_str().is_some_and(|url| url.ends_with(kind)));
    found.and_then(|one| one["valueUrl"].as_str()).unwrap_or_else(|| panic!("no link: {}", answer.json())).to_owned()
}

fn rows(demo: &Demo, arguments: &[&str]) -> Value {
    let config = demo.config();
    let mut all = arguments.to_vec();
    all.extend(["--json", "--config", &config]);
    let (status, out, error) = demo.run(&all);
    assert_eq!(status, 0, "{arguments:?}: {error}");
    serde_json::from_str(&out).unwrap()
}

fn review(demo: &Demo, who: &str, number: &str, note: &str) -> (i32, String) {
    let password = demo.state["users"][who]["password"].as_str().unwrap();
    let file = demo.data().join(format!("{who}.password"));
    std::fs::write(&file, password).unwrap();
    let (config, file) = (demo.config(), file.display().to_string());
    let arguments = [
        "review",
        "close",
        number,
        "--note",
        note,
        "--as",
        who,
        "--password-file",
        &file,
        "--json",
        "--config",
        &config,
    ];
    let (status, out, error) = demo.run(&arguments);
    (status, out + &error)
}

#[tokio::test(flavor = "multi_thread")]
async fn drill_break_glass_in_two_taps_and_the_officer_sees_it() {
    let mut demo = Demo::start(&["--patients", "24"]);
    let token = demo.token(CLINICIAN);
    let strangers = demo.unrelated(&token, 3).await;
    let [first, second, third] = [0, 1, 2].map(|number| format!("/fhir/Patient/{}", strangers[number]));
    let password = demo.state["users"][CLINICIAN]["password"].as_str().unwrap().to_owned();

    // The app shows the refusal's link. First tap: the link. Second tap: a button.
    let refused = demo.get(&token, &first).await;
    assert_eq!(refused.status, 403);
    let mut browser = Browser { demo: &demo, cookies: Vec::new() };
    let page = browser.open(&link(&refused, "emergency-access")).await;
    assert_eq!(page.status, 200);
    let typed = [("login", CLINICIAN), ("password", "wrong"), ("reason", "life-threatening")];
    let again = browser.press(&page, "/oauth/emergency", &typed).await;
    assert_eq!(again.status, 401, "{}", String::from_utf8_lossy(&again.body));
    assert_eq!(demo.get(&token, &first).await.status, 403);
    let typed = [("login", CLINICIAN), ("password", password.as_str()), ("reason", "life-threatening")];
    let opened = browser.press(&page, "/oauth/emergency", &typed).await;
    assert_eq!(opened.status, 200, "{}", String::from_utf8_lossy(&opened.body));
    let answer = demo.get(&token, &first).await;
    assert_eq!(answer.status, 200, "{}", answer.json());
    assert_eq!(demo.get(&token, &second).await.status, 403, "it is for one patient");

    // The person is signed in here now: a reason for another patient is the link and one button.
    let refused = demo.get(&token, &second).await;
    let page = browser.open(&link(&refused, "access-reason")).await;
    assert!(!String::from_utf8_lossy(&page.body).contains("password"), "who is signed in types nothing");
    assert_eq!(browser.press(&page, "/oauth/access", &[("reason", "consult")]).await.status, 200);
    assert_eq!(demo.get(&token, &second).await.status, 200);

    // A form that is not of this browser opens nothing.
    let mut stranger = Browser { demo: &demo, cookies: Vec::new() };
    assert_eq!(stranger.press(&page, "/oauth/emergency", &[("reason", "urgent")]).await.status, 400);

    // The officer: an alert, the digest, the queue, and a sign-off that is kept.
    let alerts = rows(&demo, &["alert", "list"]).to_string();
    assert!(alerts.contains("emergency-access") && alerts.contains("without a second proof"), "{alerts}");
    let digest = rows(&demo, &["review", "digest"]);
    assert_eq!((&digest["emergencies"][0]["user"], &digest["without_second_proof"]), (&CLINICIAN.into(), &1.into()));
    let queue = rows(&demo, &["review", "list"]);
    let queue = queue.as_array().unwrap();
    assert!(queue[0]["flagged"] == true && queue[0]["kind"] == "emergency", "the flagged one stands first: {queue:?}");
    assert!(queue.iter().any(|row| row["kind"] == "no-relation" && row["patient"] == strangers[1].as_str()));
    let number = queue[0]["number"].to_string();
    assert_eq!(review(&demo, CLINICIAN, &number, "my own").0, 64, "who does not keep the reviews signs nothing off");
    assert_eq!(review(&demo, OFFICER, &number, " ").0, 64, "a sign-off says what was found");
    let (status, said) = review(&demo, OFFICER, &number, "resuscitation on the ward");
    assert_eq!(status, 0, "{said}");
    assert!(said.contains(OFFICER) && said.contains("resuscitation"));
    assert_eq!(review(&demo, OFFICER, &number, "again").0, 64);
    let all = rows(&demo, &["review", "list", "--all"]).to_string();
    assert!(all.contains("resuscitation on the ward"));

    // It ends, by itself or by the clinician.
    let ended = browser.press(&opened, "/oauth/emergency/end", &[]).await;
    assert_eq!(ended.status, 200, "{}", String::from_utf8_lossy(&ended.body));
    assert_eq!(demo.get(&token, &first).await.status, 403);
    ends_by_itself(&demo, &token, &third).await;
}

/// With a policy that lets emergency access last a minute, it is over after a minute.
async fn ends_by_itself(demo: &Demo, token: &str, third: &str) {
    let folder = crate::policy_change::variant(
        demo,
        "short",
        "elements.toml",
        "[elements]",
        "[care]\nemergency-minutes-max = 1\n\n[elements]",
    );
    let folder = folder.display().to_string();
    let change = Change { demo };
    change.done("admin.castell", &["apply", &folder, "--emergency", "--reason", "a drill"]);
    let headers = [
        ("authorization", format!("Bearer {token}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
    let patient = third.rsplit('/').next().unwrap();
    let body = format!("patient={patient}&reason=urgent").into_bytes();
    assert_eq!(demo.send(Method::POST, "/oauth/emergency", &headers, Some(body)).await.status, 201);
    assert_eq!(demo.get(token, third).await.status, 200);
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    assert_eq!(demo.get(token, third).await.status, 403, "it ends by itself");
}
