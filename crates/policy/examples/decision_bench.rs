//! How long a decision takes: 15 roles, 500 grants, a person with 1,000 identity links. A decision about named patients does not
//! know how many others there are; one that spans patients looks at what each of them filed, which the last lines show.
//!
//! `cargo run --release -p bascule-policy --example decision_bench [-- WORDS OF ONE LINE]`

#![expect(clippy::print_stdout, reason = "a bench speaks to a terminal")]
#![expect(clippy::expect_used, reason = "a bench may stop")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use bascule_fhir::{Id, Interaction, Parameter, Query, ResourceType, Timestamp, Within};
use bascule_policy::party::{Consent, Organization};
use bascule_policy::record::{Link, Links, Period};
use bascule_policy::{Api, ApiKind, Asked, Exposure, Fact, Facts, Mode, Policy, PolicyFile};
use bascule_smart::scope::{Context, Rights, Scope};
use bascule_smart::{Credentials, Principal, Scopes, TokenRecord, authenticate};

const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);
const ROLES: usize = 15;
const GRANTS: usize = 500;
const LINKS: usize = 1_000;
const BATCHES: usize = 200;
const ROUNDS: u32 = 1_000;

fn main() {
    let policy = policy();
    let grants: usize = policy.roles().map(|role| role.grants.len()).sum();
    println!("{} roles, {grants} grants, {LINKS} identity links", policy.roles().count());
    let facts = facts();
    for (name, roles, patient, asked) in [
        ("read, one role, every patient", 1..2, false, read("Observation")),
        ("read, one role, own record", 0..1, true, read("Observation")),
        (
            "search with three parameters, one role",
            1..2,
            false,
            search("Observation", &[("code", "x"), ("date", "ge2026"), ("_count", "10")]),
        ),
        (
            "search with an include, own record",
            0..1,
            true,
            search("Observation", &[("_include", "Observation:patient")]),
        ),
        ("read, all fifteen roles", 0..ROLES, true, read("Observation")),
        ("search, all fifteen roles", 0..ROLES, true, search("Observation", &[("code", "x"), ("date", "ge2026")])),
        ("refused, one role", 1..2, false, read("Group")),
    ] {
        if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
            continue;
        }
        let principal = principal(roles, patient);
        let nanos = measure(&policy, &principal, &asked, &facts);
        println!("{nanos:>8.0} ns  {name}");
    }
    for patients in [1_000, 10_000] {
        let facts = consented(patients);
        let asked = search("Observation", &[("code", "x")]);
        let micros = measure(&policy, &principal(1..2, false), &asked, &facts) / 1e3;
        println!("{micros:>8.1} us  search of every patient, {patients} of whom filed a consent");
    }
}

/// What so many patients filed: each permits treatment.
fn consented(patients: usize) -> Facts {
    let one = |number: usize| Consent {
        patient: Id::parse(&format!("p{number}")).expect("an id"),
        permit: true,
        actors: Vec::new(),
        from: Timestamp::from_seconds(0),
        until: None,
        types: Vec::new(),
        items: Vec::new(),
        purposes: vec!["TREAT".to_owned()],
        labels: Vec::new(),
        exceptions: Vec::new(),
    };
    Facts { consents: (0..patients).map(one).collect::<Vec<_>>().into(), ..facts() }
}

/// Nanoseconds of one decision, the copies that a decision consumes not counted.
fn measure(policy: &Policy, principal: &Principal, asked: &Asked, facts: &Facts) -> f64 {
    let api = Api {
        name: "ehr".to_owned(),
        kind: ApiKind::Fhir,
        service: "ehr".to_owned(),
        exposure: Exposure::ThirdParty,
        mode: Mode::Enforce,
    };
    let with = timed(|| drop(black_box(policy.decide(principal.clone(), asked.clone(), facts, &api, NOW))));
    let copies = timed(|| drop(black_box((principal.clone(), asked.clone()))));
    with - copies
}

/// The quickest of many batches: the others were disturbed by something else.
fn timed(mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    // What takes long is measured less often.
    let once = Instant::now();
    run();
    let batches = if once.elapsed().as_micros() > 20 { BATCHES / 40 } else { BATCHES };
    for _ in 0..batches {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
    }
    best
}

fn policy() -> Policy {
    let clinical: Vec<&str> = [
        "Observation",
        "Condition",
        "Procedure",
        "Encounter",
        "DiagnosticReport",
        "MedicationRequest",
        "AllergyIntolerance",
        "Immunization",
        "CarePlan",
        "Goal",
        "ImagingStudy",
    ]
    .to_vec();
    let mut text = String::new();
    for role in 0..ROLES {
        let _ = writeln!(text, "[role.r{role}]\ntitle = \"R\"\npurpose = [\"TREAT\"]\napi = \"ehr\"");
        for grant in 0..GRANTS / ROLES + usize::from(role < GRANTS % ROLES) {
            let resource = clinical.get(grant % clinical.len()).copied().unwrap_or("Patient");
            let patients = if role == 0 { "own" } else { "everyone" };
            let interaction = ["read", "search", "vread"].get(grant / clinical.len()).copied().unwrap_or("history");
            let _ = writeln!(
                text,
                "[[role.r{role}.grant]]\nresource = \"{resource}\"\npatients = \"{patients}\"\ninteractions = [\"{interaction}\"]\nelements = \"*\""
            );
        }
    }
    let patient = "[role.r-patient]\ntitle = \"R\"\npurpose = [\"TREAT\"]\napi = \"ehr\"\n[[role.r-patient.grant]]\nresource = \"Patient\"\ninteractions = [\"read\"]\nelements = [\"name\"]\n";
    let text = text.replacen("[[role.r0.grant]]", "[[role.r0.grant]]\nresource = \"Patient\"\npatients = \"own\"\ninteractions = [\"read\", \"search\"]\nelements = \"*\"\n[[role.r0.grant]]", 1);
    let files = [PolicyFile { name: "bench.toml".to_owned(), text: format!("{text}{patient}") }];
    Policy::load(&files).expect("the policy of the bench loads")
}

fn facts() -> Facts {
    let mut links: BTreeMap<String, Vec<Link>> = BTreeMap::new();
    for number in 0..LINKS {
        let link = Link {
            id: Id::parse(&format!("p{number}")).expect("an id"),
            source: "table".to_owned(),
            period: Period { from: Timestamp::from_seconds(0), until: None },
        };
        links.entry(format!("api-{number}")).or_default().push(link);
    }
    let organization = Organization {
        id: "house".to_owned(),
        name: "House".to_owned(),
        address: None,
        class: Some("workforce".to_owned()),
        verified: None,
    };
    Facts {
        organization: Fact::Known(Some(organization)),
        links: Fact::Known(Links(links)),
        ..Facts::nothing_on_file()
    }
}

fn principal(roles: std::ops::Range<usize>, patient: bool) -> Principal {
    let rights = Rights { read: true, search: true, ..Rights::default() };
    let scope = Scope::Resource { context: Context::User, resource: None, rights, narrowing: Vec::new(), v1: false };
    let id = Id::parse("a").expect("an id");
    let token = TokenRecord {
        token_id: "t".to_owned(),
        client: "app".to_owned(),
        organization: Some("house".to_owned()),
        apis: vec!["ehr".to_owned()],
        scopes: Scopes(vec![scope]),
        roles: roles.map(|role| format!("r{role}")).collect(),
        user: Some("user".to_owned()),
        fhir_user: None,
        patient: patient.then_some(id),
        encounter: None,
        purpose: None,
        expires: NOW.plus_seconds(60),
        active: true,
        origin: bascule_smart::Origin::default(),
    };
    let credentials =
        Credentials { token: Some(token), presented: true, address: String::new(), user_agent: String::new() };
    authenticate(credentials, "ehr", NOW).expect("a principal")
}

fn read(resource: &str) -> Asked {
    let resource = ResourceType::parse(resource).expect("a type");
    let id = Id::parse("1").expect("an id");
    Asked { api: "ehr".to_owned(), interaction: Interaction::Read { resource, id, query: Query::default() } }
}

fn search(resource: &str, parameters: &[(&str, &str)]) -> Asked {
    let resource = ResourceType::parse(resource).expect("a type");
    let parameters = parameters
        .iter()
        .map(|(name, value)| Parameter { name: (*name).to_owned(), value: (*value).to_owned() })
        .collect();
    Asked {
        api: "ehr".to_owned(),
        interaction: Interaction::Search { within: Within::Type(resource), query: Query { parameters } },
    }
}
