//! An entry as FHIR R4 `AuditEvent`s: one per patient, in the patterns of IHE BALP; a refusal in the pattern of FHIR core.
//!
//! BALP's roles flip: for a read the server is the source and the client the destination; for a query, a create or an
//! update the client is the source and the server the destination.

use bascule_fhir::Timestamp;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::clear::{Clear, Kind, Outcome};
use crate::opened::Opened;
use crate::parts::PatientPart;

const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const INTERACTION: &str = "http://hl7.org/fhir/restful-interaction";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const OBJECT_ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";
const BALP: &str = "https://profiles.ihe.net/ITI/BALP";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";
/// The extension that says where in the log the entry stands.
pub const POSITION_EXTENSION: &str = "urn:bascule:fhir:StructureDefinition:log-position";

/// The `AuditEvent`s of an entry. `server` is the bridge's own base URL, for the server's network address.
#[must_use]
pub fn audit_events(entry: &Opened, server: &str) -> Vec<Value> {
    if entry.clear.kind == Kind::System {
        return vec![of_system(entry, server)];
    }
    let known: Vec<&PatientPart> = entry.patients.iter().flatten().collect();
    if known.is_empty() {
        return vec![of_access(entry, None, 0, server)];
    }
    known.into_iter().enumerate().map(|(place, patient)| of_access(entry, Some(patient), place, server)).collect()
}

fn of_access(entry: &Opened, patient: Option<&PatientPart>, place: usize, server: &str) -> Value {
    let about = entry.about();
    let verb = Verb::of(about.interaction.as_deref().unwrap_or_default());
    let mut entities = Vec::new();
    entities.extend(patient.map(|patient| patient_entity(&patient.reference)));
    entities.extend(data_entities(entry, patient, verb));
    entities.extend(about.request.as_deref().map(request_entity));
    let mut event = json!({
        "resourceType": "AuditEvent",
        "id": format!("{}-{place}", entry.clear.id),
        "type": coding(EVENT_TYPE, "rest", "RESTful Operation"),
        "subtype": [json!({"system": INTERACTION, "code": verb.code, "display": verb.code})],
        "action": verb.action,
        "recorded": entry.at().to_instant(),
        "outcome": entry.clear.outcome.code().to_string(),
        "agent": agents(entry, verb, server),
        "source": source(&entry.position.origin),
        "entity": entities,
        "extension": [position(entry)],
    });
    set(&mut event, "meta", meta(entry, patient.is_some(), verb));
    set(&mut event, "period", period(about));
    set(&mut event, "outcomeDesc", outcome_desc(entry).map(Value::String));
    set(&mut event, "purposeOfEvent", purpose(about).map(|purpose| json!([purpose])));
    event
}

/// How FHIR names an interaction, and which action it is.
#[derive(Clone, Copy)]
struct Verb {
    code: &'static str,
    action: &'static str,
    profile: Option<&'static str>,
    /// For a read the server is the source; else the client.
    server_is_source: bool,
    is_query: bool,
}

impl Verb {
    fn of(interaction: &str) -> Self {
        let verb = |code, action, profile| Self {
            code,
            action,
            profile,
            server_is_source: matches!(profile, Some("Read")),
            is_query: matches!(profile, Some("Query")),
        };
        match interaction {
            "read" => verb("read", "R", Some("Read")),
            "vread" => verb("vread", "R", Some("Read")),
            "history" => verb("history", "R", None),
            "search" | "page" => verb("search", "E", Some("Query")),
            "create" => verb("create", "C", Some("Create")),
            "update" => verb("update", "U", Some("Update")),
            "patch" => verb("patch", "U", None),
            "delete" => verb("delete", "D", Some("Delete")),
            "capabilities" => verb("capabilities", "R", None),
            "batch" => verb("batch", "E", None),
            "transaction" => verb("transaction", "E", None),
            _ => verb("operation", "E", None),
        }
    }
}

fn meta(entry: &Opened, with_patient: bool, verb: Verb) -> Option<Value> {
    // BALP's patterns are for success only.
    let success = entry.clear.kind == Kind::Access && entry.clear.outcome.code() == 0;
    let named = verb.profile.filter(|_| success).map(|profile| {
        let patient = if with_patient { "Patient" } else { "" };
        format!("{BALP}/StructureDefinition/IHE.BasicAudit.{patient}{profile}")
    });
    let about = entry.about();
    let redacted = !about.withheld.is_empty() || about.withheld_unnamed > 0 || about.withheld_resources > 0;
    let label = redacted.then(|| coding(OBSERVATION_VALUE, "REDACTED", "redacted"));
    match (named, label) {
        (None, None) => None,
        (Some(profile), None) => Some(json!({"profile": [profile]})),
        (None, Some(label)) => Some(json!({"security": [label]})),
        (Some(profile), Some(label)) => Some(json!({"profile": [profile], "security": [label]})),
    }
}

fn agents(entry: &Opened, verb: Verb, server: &str) -> Vec<Value> {
    let about = entry.about();
    let (source, destination) =
        (coding(DICOM, "110153", "Source Role ID"), coding(DICOM, "110152", "Destination Role ID"));
    let (server_role, client_role) = if verb.server_is_source { (source, destination) } else { (destination, source) };
    let has_user = entry.agent.as_ref().is_some_and(|agent| agent.subject.is_some());
    let address = entry.agent.as_ref().and_then(|agent| agent.address.clone());
    let network =
        address.map_or_else(|| json!({"address": "unknown", "type": "1"}), |ip| json!({"address": ip, "type": "2"}));
    let client = about.client.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut agents = vec![
        json!({
            "type": {"coding": [client_role]}, "requestor": !has_user, "network": network,
            "who": {"identifier": {"value": client}},
        }),
        json!({
            "type": {"coding": [server_role]}, "requestor": false,
            "who": {"identifier": {"value": entry.position.origin}},
            "network": {"address": server, "type": "5"},
        }),
    ];
    agents.extend(user_agent(entry));
    agents
}

fn user_agent(entry: &Opened) -> Option<Value> {
    let agent = entry.agent.as_ref()?;
    let subject = agent.subject.as_ref()?;
    let mut identifier = json!({"value": subject});
    set(&mut identifier, "system", agent.issuer.clone().map(Value::String));
    let mut who = json!({"identifier": identifier});
    set(&mut who, "display", agent.name.clone().map(Value::String));
    set(&mut who, "reference", agent.fhir_user.clone().map(Value::String));
    let mut user = json!({
        "type": {"coding": [
            {"system": PARTICIPATION, "code": "IRCP", "display": "information recipient"},
            {"system": format!("{BALP}/CodeSystem/UserAgentTypes"), "code": "UserOauthAgent", "display": "User OAuth Agent participant"},
        ]},
        "who": who,
        "requestor": true,
    });
    set(
        &mut user,
        "policy",
        agent.token_id.as_ref().map(|token| json!([format!("urn:ietf:params:oauth:jti:{token}")])),
    );
    let roles: Vec<Value> = agent.roles.iter().map(|role| json!({"text": role})).collect();
    set(&mut user, "role", (!roles.is_empty()).then(|| Value::Array(roles)));
    set(&mut user, "purposeOfUse", purpose(entry.about()).map(|purpose| json!([purpose])));
    Some(user)
}

fn data_entities(entry: &Opened, patient: Option<&PatientPart>, verb: Verb) -> Vec<Value> {
    let about = entry.about();
    let details = details(entry);
    if verb.is_query {
        let own = patient.and_then(|patient| patient.query.as_deref());
        let query = own.or_else(|| entry.agent.as_ref()?.query.as_deref()).unwrap_or_default();
        return vec![json!({
            "type": coding(ENTITY_TYPE, "2", "System Object"),
            "role": coding(OBJECT_ROLE, "24", "Query"),
            "query": STANDARD.encode(query),
        })]
        .into_iter()
        // BALP forbids details on the query's entity, so what policy said stands on one of its own.
        .chain((!details.is_empty()).then(|| policy_entity(about, details)))
        .collect();
    }
    let references: Vec<String> = patient.map_or_else(Vec::new, |patient| {
        let versioned = |resource: &crate::parts::ResourceVersion| match &resource.version {
            Some(version) => format!("{}/_history/{version}", resource.reference),
            None => resource.reference.clone(),
        };
        patient.resources.iter().map(versioned).collect()
    });
    let data = references.into_iter().map(|reference| {
        json!({
            "what": {"reference": reference},
            "type": coding(ENTITY_TYPE, "2", "System Object"),
            "role": coding(OBJECT_ROLE, "4", "Domain Resource"),
        })
    });
    data.chain((!details.is_empty()).then(|| policy_entity(about, details))).collect()
}

fn policy_entity(about: &Clear, details: Vec<Value>) -> Value {
    json!({
        "what": {"identifier": {"value": about.rule.clone().unwrap_or_else(|| "default".to_owned())}},
        "type": coding(ENTITY_TYPE, "2", "System Object"),
        "role": coding(OBJECT_ROLE, "13", "Security Resource"),
        "detail": details,
    })
}

fn details(entry: &Opened) -> Vec<Value> {
    let about = entry.about();
    let mut details = Vec::new();
    let mut say = |kind: &str, value: Option<String>| {
        details.extend(value.map(|value| json!({"type": kind, "valueString": value})));
    };
    say("rule", about.rule.clone());
    say("policy", about.policy.clone());
    say("agreement", about.agreement.clone());
    say("refused", about.cause.clone());
    say("would-refuse", about.observed.clone());
    say("break-glass", about.break_glass.then(|| "yes".to_owned()));
    about.withheld.iter().for_each(|path| say("withheld", Some(path.clone())));
    say("withheld-resources", (about.withheld_resources > 0).then(|| about.withheld_resources.to_string()));
    say("times", (about.times > 0).then(|| about.times.to_string()));
    say("withheld-more", (about.withheld_unnamed > 0).then(|| about.withheld_unnamed.to_string()));
    let recipient = entry.agent.as_ref().and_then(|agent| agent.recipient.as_ref());
    say("recipient", recipient.map(|recipient| recipient.name.clone()));
    about.inner.iter().for_each(|inner| {
        let resource = inner.resource.as_deref().unwrap_or("-");
        say("entry", Some(format!("{} {} {resource} {}", inner.index, inner.interaction, inner.status)));
    });
    details
}

fn patient_entity(reference: &str) -> Value {
    json!({
        "what": {"reference": reference},
        "type": coding(ENTITY_TYPE, "1", "Person"),
        "role": coding(OBJECT_ROLE, "1", "Patient"),
    })
}

fn request_entity(request: &str) -> Value {
    json!({
        "what": {"identifier": {"value": request}},
        "type": {"system": format!("{BALP}/CodeSystem/BasicAuditEntityType"), "code": "XrequestId"},
    })
}

fn of_system(entry: &Opened, server: &str) -> Value {
    let system = entry.clear.system.clone().unwrap_or_default();
    let event = system.get("event").and_then(Value::as_str).unwrap_or_default();
    let (code, display) = match event {
        "start" | "stop" => ("110100", "Application Activity"),
        "read" => ("110101", "Audit Log Used"),
        _ => ("110113", "Security Alert"),
    };
    let subtype = match event {
        "start" => Some(coding(DICOM, "110120", "Application Start")),
        "stop" => Some(coding(DICOM, "110121", "Application Stop")),
        _ => None,
    };
    let fields = system.as_object().into_iter().flatten().filter(|(name, value)| *name != "event" && !value.is_null());
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let details: Vec<Value> = fields
        .map(|(name, value)| (name, text(value)))
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| json!({"type": name, "valueString": text}))
        .collect();
    let mut entity = json!({
        "what": {"identifier": {"value": event}},
        "type": coding(ENTITY_TYPE, "2", "System Object"),
        "role": coding(OBJECT_ROLE, "13", "Security Resource"),
    });
    set(&mut entity, "detail", (!details.is_empty()).then(|| Value::Array(details)));
    let mut out = json!({
        "resourceType": "AuditEvent",
        "id": format!("{}-0", entry.clear.id),
        "type": coding(DICOM, code, display),
        "action": "E",
        "recorded": entry.at().to_instant(),
        "outcome": entry.clear.outcome.code().to_string(),
        "agent": [{
            "type": {"coding": [coding(DICOM, "110150", "Application")]},
            "who": {"identifier": {"value": entry.position.origin}},
            "requestor": true,
            "network": {"address": server, "type": "5"},
        }],
        "source": source(&entry.position.origin),
        "entity": [entity],
        "extension": [position(entry)],
    });
    set(&mut out, "subtype", subtype.map(|subtype| json!([subtype])));
    out
}

fn outcome_desc(entry: &Opened) -> Option<String> {
    match entry.clear.kind {
        Kind::Unknown => Some("the outcome is not known: the bridge ended before the request did".to_owned()),
        Kind::BrokenOff => Some("the answer was broken off; some of it may have left".to_owned()),
        Kind::Refusal => Some(format!("refused: {}", entry.clear.cause.as_deref().unwrap_or("by default"))),
        _ if entry.clear.outcome == Outcome::Success => None,
        _ => Some(entry.clear.cause.as_deref().map_or_else(
            || format!("permitted, and answered with {}", entry.clear.status),
            |cause| format!("permitted, and not done: {cause}"),
        )),
    }
}

fn period(about: &Clear) -> Option<Value> {
    let length = i64::try_from(about.duration_us).ok().filter(|length| *length > 0)?;
    let end = Timestamp::from_micros(about.at.saturating_add(length));
    Some(json!({"start": Timestamp::from_micros(about.at).to_instant(), "end": end.to_instant()}))
}

fn purpose(about: &Clear) -> Option<Value> {
    about.purpose.as_ref().map(|code| json!({"coding": [{"system": ACT_REASON, "code": code}]}))
}

fn source(origin: &str) -> Value {
    json!({
        "observer": {"identifier": {"value": origin}},
        "type": [coding("http://terminology.hl7.org/CodeSystem/security-source-type", "4", "Application Server")],
    })
}

fn position(entry: &Opened) -> Value {
    json!({"url": POSITION_EXTENSION, "extension": [
        {"url": "origin", "valueString": entry.position.origin},
        {"url": "index", "valueString": entry.position.index.to_string()},
        {"url": "leafHash", "valueString": entry.position.leaf_hash},
    ]})
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({"system": system, "code": code, "display": display})
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(fields), Some(value)) = (object.as_object_mut(), value) {
        fields.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{AccessFacts, Entry};
    use crate::opened::Position;
    use crate::parts::{AgentPart, ResourceVersion};
    use crate::system::SystemEvent;

    fn opened(entry: &Entry) -> Opened {
        Opened {
            position: Position { origin: "gw/audit/n/2026q4".into(), index: 7, leaf_hash: "aGFzaA==".into() },
            clear: Clear { id: "00000000000000000000000000000001".into(), ..entry.clear.clone() },
            asked: None,
            agent: entry.agent.clone(),
            patients: entry.patients.iter().cloned().map(Some).collect(),
        }
    }

    fn facts(interaction: &str) -> AccessFacts {
        let patient = |name: &str| PatientPart {
            reference: format!("Patient/{name}"),
            resources: vec![ResourceVersion { reference: format!("Observation/{name}-1"), version: Some("3".into()) }],
            query: Some("code=1234".into()),
            ..PatientPart::default()
        };
        AccessFacts {
            request_id: "r-1".into(),
            api: "ehr".into(),
            interaction: interaction.into(),
            status: 200,
            duration_us: 1500,
            client: Some("portal".into()),
            purpose: Some("TREAT".into()),
            rule: Some("physician.grant[0]".into()),
            withheld: vec!["Observation.note".into()],
            agent: AgentPart {
                subject: Some("amal".into()),
                address: Some("192.0.2.1".into()),
                token_id: Some("t-1".into()),
                ..AgentPart::default()
            },
            patients: vec![patient("a"), patient("b")],
            ..AccessFacts::default()
        }
    }

    #[test]
    fn there_is_one_event_per_patient_and_each_names_only_its_own() {
        let events =
            audit_events(&opened(&Entry::disclosure(facts("search"), Timestamp::from_seconds(9))), "https://gw");
        assert_eq!(events.len(), 2);
        assert!(!events[0].to_string().contains("Patient/b") && events[1].to_string().contains("Patient/b"));
        assert_ne!(events[0]["id"], events[1]["id"]);
        assert_eq!(events[0]["meta"]["profile"][0], format!("{BALP}/StructureDefinition/IHE.BasicAudit.PatientQuery"));
    }

    #[test]
    fn roles_flip_between_read_and_query() {
        let role = |interaction: &str, place: usize| {
            let events = audit_events(&opened(&Entry::disclosure(facts(interaction), Timestamp::from_seconds(9))), "s");
            events[0]["agent"][place]["type"]["coding"][0]["code"].as_str().unwrap().to_owned()
        };
        assert_eq!([role("read", 0), role("read", 1)], ["110152", "110153"]);
        assert_eq!([role("search", 0), role("search", 1)], ["110153", "110152"]);
        assert_eq!([role("create", 0), role("create", 1)], ["110153", "110152"]);
    }

    #[test]
    fn a_query_entity_bears_the_query_and_nothing_else() {
        let events = audit_events(&opened(&Entry::disclosure(facts("search"), Timestamp::from_seconds(9))), "s");
        let entities = events[0]["entity"].as_array().unwrap();
        let query = entities.iter().find(|entity| entity["role"]["code"] == "24").unwrap();
        assert_eq!(query["query"], STANDARD.encode("code=1234"));
        assert!(query.get("what").is_none() && query.get("detail").is_none());
        let policy = entities.iter().find(|entity| entity["role"]["code"] == "13").unwrap();
        assert!(policy["detail"].to_string().contains("Observation.note"));
    }

    #[test]
    fn a_refusal_claims_no_success_pattern() {
        let refused = AccessFacts { status: 403, cause: Some("scope-missing".into()), ..facts("read") };
        let events = audit_events(&opened(&Entry::refusal(refused, Timestamp::from_seconds(9))), "s");
        assert_eq!(events[0]["outcome"], "4");
        assert_eq!(events[0]["outcomeDesc"], "refused: scope-missing");
        assert!(events[0]["meta"].get("profile").is_none());
    }

    #[test]
    fn what_was_permitted_and_not_done_says_why() {
        let said = |facts| {
            let events = audit_events(&opened(&Entry::disclosure(facts, Timestamp::from_seconds(9))), "s");
            events[0]["outcomeDesc"].clone()
        };
        let absent = AccessFacts { status: 404, cause: Some("not-found".into()), ..facts("read") };
        assert_eq!(said(absent), "permitted, and not done: not-found");
        assert_eq!(said(AccessFacts { status: 404, cause: None, ..facts("read") }), "permitted, and answered with 404");
        assert!(said(facts("read")).is_null());
    }

    #[test]
    fn each_event_has_exactly_one_requestor() {
        let no_user = AccessFacts { agent: AgentPart::default(), ..facts("read") };
        for facts in [facts("read"), no_user] {
            for event in audit_events(&opened(&Entry::disclosure(facts, Timestamp::from_seconds(9))), "s") {
                let agents = event["agent"].as_array().unwrap();
                assert_eq!(agents.iter().filter(|agent| agent["requestor"] == true).count(), 1);
            }
        }
    }

    #[test]
    fn the_bridge_itself_is_an_application() {
        let start = SystemEvent::Start { version: "1".into(), recovered: 0, torn_bytes: 0 };
        let events = audit_events(&opened(&Entry::system(&start, Timestamp::from_seconds(9))), "s");
        assert_eq!(events[0]["type"]["code"], "110100");
        assert_eq!(events[0]["subtype"][0]["code"], "110120");
    }
}
