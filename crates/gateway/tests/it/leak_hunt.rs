//! The leak hunt: a mark in every element of every type, and a role to which all of them are hidden. Whatever leaves through
//! any road, body or header, is searched for a mark. A control sees them all, so that the hunt can fail.

use bascule_fhir::ResourceType;
use bascule_fhir::element::{Element, Type};
use http::Method;
use serde_json::{Map, Value, json};

use crate::house::{Answer, Caller, House, PUBLIC};
use crate::upstream::{Asked, Toy, reply};

/// In every text.
const MARK: &str = "ZQMARK";
/// In every number.
const NUMBER: u64 = 987_650_000_000;
/// Types that are made of envelopes, whose outer elements leave by rules of their own.
const ENVELOPES: [&str; 3] = ["Bundle", "Parameters", "OperationOutcome"];
/// Codes that say what kind of thing a resource is and nothing about anybody: what leaves has to keep them to be valid
/// (`lst-2`, `msq-3`, `que-1`), so that no mark stands in them.
const KINDS: [(&str, &str, &str); 3] = [
    ("List", "mode", "working"),
    ("MolecularSequence", "coordinateSystem", "0"),
    ("Questionnaire.item", "type", "group"),
];
const FHIR: (&str, &str) = ("content-type", "application/fhir+json");
const POLICY: &str = r#"
[role.blind]
title   = "Sees ids and nothing else"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.blind.grant]]
resource     = [TYPES]
interactions = ["read", "vread", "search", "history", "create", "update", "patch", "delete"]
operations   = ["everything", "export"]
elements     = ["id"]
writes       = ["id", "language"]

[role.seeing]
title   = "Sees everything"
purpose = ["HOPERAT"]
api     = "ehr"

[[role.seeing.grant]]
resource     = "*"
interactions = ["read"]
elements     = "*"
"#;

/// A resource with a mark in each element, four steps deep.
struct Marking {
    marks: u64,
}

impl Marking {
    fn resource(&mut self, kind: &Type) -> Value {
        let mut fields = Map::from_iter([("resourceType".to_owned(), json!(kind.name)), ("id".to_owned(), json!("x"))]);
        self.fill(kind, 4, &mut fields);
        Value::Object(fields)
    }

    fn fill(&mut self, kind: &Type, depth: usize, fields: &mut Map<String, Value>) {
        let mut stem = None;
        for element in kind.elements() {
            // Of a choice, one form stands for all: the first on the way down, the last of all at the top.
            let repeated = element.choice.is_some() && element.choice == stem && depth < 4;
            if fields.contains_key(element.name) || element.max == Some(0) || repeated {
                continue;
            }
            stem = element.choice;
            if let Some((.., code)) = KINDS.iter().find(|(of, name, _)| *of == kind.name && *name == element.name) {
                fields.insert(
                    element.name.to_owned(),
                    code.parse::<u8>().map_or_else(|_| json!(code), |number| json!(number)),
                );
                continue;
            }
            let Some(value) = self.value(element, depth) else { continue };
            let many = |value: Value| if element.is_array() { json!([value]) } else { value };
            fields.insert(element.name.to_owned(), many(value));
            if element.has_sibling() && depth > 2 {
                let extension = json!({ "extension": [{ "url": self.text(), "valueString": self.text() }] });
                fields.insert(format!("_{}", element.name), many(extension));
            }
        }
    }

    fn value(&mut self, element: &Element, depth: usize) -> Option<Value> {
        if element.type_name == "Resource" {
            return Some(json!({ "resourceType": "Condition", "id": "c", "code": { "text": self.text() } }));
        }
        let kind = element.kind()?;
        if !kind.primitive {
            let mut fields = Map::new();
            if depth > 0 {
                self.fill(kind, depth - 1, &mut fields);
            }
            return (!fields.is_empty()).then_some(Value::Object(fields));
        }
        Some(match element.type_name {
            "boolean" => json!(true),
            "integer" | "decimal" | "positiveInt" | "unsignedInt" => {
                self.marks += 1;
                json!(NUMBER + self.marks)
            }
            _ => json!(self.text()),
        })
    }

    fn text(&mut self) -> String {
        self.marks += 1;
        format!("{MARK}{}", self.marks)
    }
}

fn marks_in(text: &str) -> usize {
    text.matches(MARK).count() + text.matches("98765").count()
}

/// Marked resources of some types, at an upstream that leaves marks wherever it can.
async fn upstream(resources: Vec<Value>) -> Toy {
    Toy::answering(resources, |resources, asked, base| {
        let path = asked.address.split('?').next().unwrap().to_owned();
        let kind =
            path.trim_matches('/').split('/').find(|step| step.starts_with(|one: char| one.is_ascii_uppercase()));
        let of_kind: Vec<Value> =
            resources.iter().filter(|one| kind.is_none_or(|kind| one["resourceType"] == kind)).cloned().collect();
        answered(&of_kind, asked, &path, base)
    })
    .await
}

fn answered(resources: &[Value], asked: &Asked, path: &str, base: &str) -> http::Response<bascule_wire::Body> {
    let marked = [
        ("etag", "W/\"ZQMARKetag\""),
        ("last-modified", "ZQMARK"),
        ("warning", "199 - ZQMARK"),
        ("x-upstream", "ZQMARK"),
        ("x-progress", "ZQMARK"),
        ("content-location", "http://elsewhere.example/ZQMARK"),
    ];
    let outcome = json!({ "resourceType": "OperationOutcome", "issue": [{ "severity": "error", "code": "invalid",
        "diagnostics": "ZQMARK", "details": { "text": "ZQMARK" } }] });
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (asked.method.as_str(), steps.as_slice()) {
        ("GET", [.., "$export"]) => {
            reply(202, outcome, &[("content-location", &format!("{base}/jobs/1")), ("x-progress", "ZQMARK")])
        }
        ("GET", ["jobs", "1"]) => {
            let names = resources.iter().map(|one| one["resourceType"].as_str().unwrap());
            let output =
                names.map(|kind| json!({ "type": kind, "url": format!("{base}/jobs/1/{kind}"), "count": 9876599 }));
            let output: Vec<Value> = output.collect();
            reply(
                200,
                json!({ "transactionTime": "2026-01-01T00:00:00Z", "request": "ZQMARK", "output": output,
                "error": [{ "type": "OperationOutcome", "url": "http://elsewhere.example/ZQMARK" }], "extension": "ZQMARK" }),
                &marked,
            )
        }
        ("GET", ["jobs", "1", _]) => {
            let lines: String = resources.iter().map(|one| format!("{one}\n")).collect();
            http::Response::builder()
                .header("content-type", "application/fhir+ndjson")
                .header("x-upstream", "ZQMARK")
                .body(bascule_wire::full(lines))
                .unwrap()
        }
        (_, [_, "gone", ..]) => reply(404, outcome, &marked),
        (_, [_, "bad", ..]) => reply(422, outcome, &marked),
        (_, [_, "broken", ..]) => reply(500, outcome, &marked),
        ("GET", [_, "x"] | [_, "x", "_history", _]) | ("PUT" | "PATCH", [_, "x"]) | ("POST", [_]) if steps != [""] => {
            reply(200, resources.first().cloned().unwrap_or(outcome), &marked)
        }
        ("POST", [""]) => {
            let bundle: Value = serde_json::from_str(&asked.body).unwrap();
            let entry = json!({ "resource": resources.first(), "response": { "status": "200 ZQMARK", "etag": "W/\"ZQMARK\"",
                "lastModified": "ZQMARK", "outcome": outcome } });
            let entries = vec![entry; bundle["entry"].as_array().unwrap().len()];
            reply(200, json!({ "resourceType": "Bundle", "type": "transaction-response", "entry": entries }), &marked)
        }
        _ => {
            let entry = |one: &Value| {
                json!({ "fullUrl": format!("{base}/{}/x", one["resourceType"].as_str().unwrap()),
                "resource": one, "search": { "mode": "match", "score": 0.98765 }, "extension": [{ "url": "ZQMARK" }],
                "request": { "method": "PUT", "url": format!("{}/x", one["resourceType"].as_str().unwrap()), "ifMatch": "ZQMARK" } })
            };
            let entries: Vec<Value> = resources.iter().map(entry).collect();
            let next = json!([{ "relation": "next", "url": format!("{base}?_getpages=ZQMARK&page=2") },
                { "relation": "elsewhere", "url": "http://elsewhere.example/ZQMARK" }]);
            reply(
                200,
                json!({ "resourceType": "Bundle", "id": "b1", "type": "searchset", "identifier": { "value": "ZQMARK" },
                "link": next, "entry": entries, "signature": { "data": "ZQMARK" } }),
                &marked,
            )
        }
    }
}

fn caller<'a>(role: &'a [&'a str], scopes: &'a str) -> Caller<'a> {
    Caller { roles: role, scopes, patient: None, fhir_user: None, purpose: "HOPERAT" }
}

struct Hunt<'a> {
    house: &'a House,
    token: String,
    answers: usize,
    bytes: usize,
    came: usize,
}

impl Hunt<'_> {
    async fn tries(&mut self, method: Method, address: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let said = format!("{method} {address}");
        let answer = self.house.ask(method, &self.token, address, headers, body).await;
        let all = format!("{:?} {}", answer.headers, answer.text);
        assert_eq!(marks_in(&all), 0, "{said}: {} {all}", answer.status);
        assert_eq!(answer.headers["cache-control"], "no-store", "{said}");
        self.answers += 1;
        self.bytes += all.len();
        self.came += answer.text.matches("\"id\":\"x\"").count();
        answer
    }

    async fn gets(&mut self, address: &str) -> Answer {
        self.tries(Method::GET, address, &[], "").await
    }

    /// Every road on which a type is read.
    async fn reads(&mut self, kind: &str) {
        for address in [
            format!("/{kind}/x"),
            format!("/{kind}/x?_summary=true"),
            format!("/{kind}/x/_history/1"),
            format!("/{kind}/x/_history"),
            format!("/{kind}/gone"),
            format!("/{kind}/bad"),
            format!("/{kind}/broken"),
        ] {
            self.gets(&address).await;
        }
        let found = self.gets(&format!("/{kind}?_id=x")).await;
        if let Some(next) = found.link("next") {
            self.gets(next.strip_prefix(PUBLIC).unwrap()).await;
        }
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.tries(Method::POST, &format!("/{kind}/_search"), &form, "_id=x&_count=1").await;
        for bundle in ["batch", "transaction"] {
            let entry = |url: String| json!({ "request": { "method": "GET", "url": url } });
            let entries = [entry(format!("{kind}/x")), entry(format!("{kind}?_id=x")), entry(format!("{kind}/bad"))];
            let body = json!({ "resourceType": "Bundle", "type": bundle, "entry": entries });
            self.tries(Method::POST, "", &[FHIR], &body.to_string()).await;
        }
    }

    /// Every road on which a type is written: what comes back is filtered too.
    async fn writes(&mut self, kind: &str) {
        let body = json!({ "resourceType": kind, "id": "x", "language": "de" }).to_string();
        self.tries(Method::POST, &format!("/{kind}"), &[FHIR], &body).await;
        self.tries(Method::POST, &format!("/{kind}"), &[FHIR, ("if-none-exist", "_id=x")], &body).await;
        self.tries(Method::PUT, &format!("/{kind}/x"), &[FHIR], &body).await;
        self.tries(Method::PUT, &format!("/{kind}?_id=x"), &[FHIR], &body).await;
        let patch = [("content-type", "application/json-patch+json")];
        let operations = r#"[{"op":"replace","path":"/language","value":"de"}]"#;
        self.tries(Method::PATCH, &format!("/{kind}/x"), &patch, operations).await;
        let path = format!("{kind}.language");
        let parameters = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
            { "name": "type", "valueCode": "replace" }, { "name": "path", "valueString": path },
            { "name": "value", "valueCode": "de" } ] }] });
        self.tries(Method::PATCH, &format!("/{kind}/x"), &[FHIR], &parameters.to_string()).await;
        for id in ["x", "gone", "bad"] {
            self.tries(Method::DELETE, &format!("/{kind}/{id}"), &[], "").await;
        }
    }

    /// An export and every file of it.
    async fn exports(&mut self) {
        let headers = [("accept", "application/fhir+json"), ("prefer", "respond-async")];
        let kicked = self.tries(Method::GET, "/$export", &headers, "").await;
        let place = kicked.headers["content-location"].to_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
        let manifest = self.gets(&place).await.json();
        let files = manifest["output"].as_array().unwrap();
        assert!(files.len() > 2);
        for file in files {
            let url = file["url"].as_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
            let file = self.gets(&url).await;
            assert_eq!(file.status, 200, "{}", file.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lesson_11_no_hidden_value_leaves_by_any_road() {
    let step = if std::env::var_os("BASCULE_LONG").is_some() { 1 } else { 12 };
    let mut marking = Marking { marks: 0 };
    let in_part = |kind: &ResourceType| !bascule_policy::is_definition(*kind);
    let types = ResourceType::all().filter(|kind| !ENVELOPES.contains(&kind.name())).filter(in_part);
    let types: Vec<&Type> = types.filter_map(Type::of).step_by(step).collect();
    let resources: Vec<Value> = types.iter().map(|kind| marking.resource(kind)).collect();
    let toy = upstream(resources).await;
    let house = House::before(toy.address).await;
    let named: Vec<String> = ResourceType::all().filter(in_part).map(|kind| format!("\"{kind}\"")).collect();
    house.add_policy(&POLICY.replace("TYPES", &named.join(", ")));
    let seeing = house.token(&caller(&["seeing"], "user/*.rs"));
    let mut seen = 0;
    for kind in &types {
        let answer = house.get(&seeing, &format!("/{}/x", kind.name)).await;
        assert_eq!(answer.status, 200, "{}: {}", kind.name, answer.text);
        seen += marks_in(&answer.text);
    }
    assert!(seen as u64 >= marking.marks, "the control sees every mark: {seen} of {}", marking.marks);
    let mut hunt = Hunt { house: &house, token: String::new(), answers: 0, bytes: 0, came: 0 };
    for kind in &types {
        // A token of each type's own: none ends before the hunt.
        hunt.token = house.token(&caller(&["blind"], "user/*.cruds"));
        hunt.reads(kind.name).await;
        hunt.writes(kind.name).await;
    }
    for address in
        ["/Patient/x/$everything", "/Patient/x/Observation", "/Patient/x/*?_type=Observation", "/$graphql", "/_history"]
    {
        hunt.gets(address).await;
    }
    hunt.token = house.backend(&caller(&["blind"], "system/*.rs"));
    hunt.exports().await;
    assert!(hunt.came > types.len() * 4, "something comes, by many roads: {}", hunt.came);
    println!("{} marks in {} types, {} answers, {} bytes: none", marking.marks, types.len(), hunt.answers, hunt.bytes);
}
