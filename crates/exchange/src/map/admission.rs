//! ADT: the visit, and what an admission says beside it: relatives, allergies, diagnoses, procedures, insurance.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept, concept_of, fixed};
use super::draft::Draft;
use super::fault::MapFault;
use super::identifier::{Identifier, cx_json, of_cx, one_cx};
use super::insurance;
use super::object::Object;
use super::partner::Partner;
use super::person::{addresses, date_time, names, place, practitioner, telecoms};
use super::result::loose;

/// Everything but the patient.
pub(crate) fn map(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Result<(), MapFault> {
    for name in ["EVN", "PV2"] {
        if message.first(name).is_some() {
            draft.took(name);
        }
    }
    let visit = visit(message, subject, draft);
    let names = ["NK1", "AL1", "DG1", "PR1", "IN1", "OBX"];
    beside(message, &names, subject, visit.as_ref(), draft);
    Ok(())
}

/// What stands beside the message's main matter, of the segments named.
pub(crate) fn beside(
    message: &Message<'_>,
    names: &[&str],
    subject: &Value,
    visit: Option<&Value>,
    draft: &mut Draft<'_>,
) {
    let patient = patient_number(message, draft.partner);
    for (place, segment) in message.segments().iter().enumerate().filter(|(_, segment)| names.contains(&segment.name()))
    {
        match segment.name() {
            "NK1" => relative(segment, subject, &patient, draft),
            "AL1" => allergy(segment, subject, &patient, draft),
            "DG1" => diagnosis(segment, subject, visit, &patient, draft),
            "PR1" => procedure(segment, subject, visit, &patient, draft),
            "IN1" => insurance::coverage(segment, subject, &patient, draft),
            "OBX" => loose(message, place, subject, draft),
            _ => {}
        }
    }
}

/// The patient's first number, as part of identities that the sender does not number.
fn patient_number(message: &Message<'_>, partner: &Partner) -> String {
    let pid = message.first("PID");
    let first = pid.and_then(|pid| of_cx(pid.field(3), partner).into_iter().next());
    first.map(|number| number.value).unwrap_or_default()
}

/// The visit, if the message numbers it: a visit without a number could not be found again and is left out.
fn visit(message: &Message<'_>, subject: &Value, draft: &mut Draft<'_>) -> Option<Value> {
    let pv1 = message.first("PV1")?;
    let event = message.header(9, 2).unwrap_or_default();
    let number = one_cx(pv1.field(19).first(), draft.partner)?;
    if matches!(event.as_str(), "A28" | "A31") {
        return Some(json!({ "type": "Encounter", "identifier": number.to_json() }));
    }
    let partner = draft.partner;
    let period = Object::default()
        .with("start", date_time(pv1.text(44, 1), partner))
        .with("end", date_time(pv1.text(45, 1), partner));
    let pv2 = message.first("PV2");
    let reason = pv2.and_then(|pv2| concept(pv2.field(3).first(), partner));
    let stay = Object::default()
        .with("preAdmissionIdentifier", cx_json(pv1.field(5).first(), partner))
        .with("admitSource", concept_of(pv1.field(14).first(), partner, Some("HL70023")))
        .with("reAdmission", concept_of(pv1.field(13).first(), partner, Some("HL70092")))
        .with("dischargeDisposition", concept_of(pv1.field(36).first(), partner, Some("HL70112")));
    let status = status(&event, pv1);
    let resource = Object::resource("Encounter")
        .list("identifier", cx_json(pv1.field(19).first(), partner))
        .with("status", Value::from(status))
        .with("class", class(pv1))
        .list("type", concept_of(pv1.field(4).first(), partner, Some("HL70007")))
        .with("serviceType", concept_of(pv1.field(10).first(), partner, Some("HL70069")))
        .with("subject", subject.clone())
        .list("participant", participants(pv1, partner))
        .with("period", period.some())
        .list("reasonCode", reason)
        .with("hospitalization", stay.some())
        .list("location", locations(pv1, status))
        .done();
    draft.took("PV1");
    Some(draft.put(resource, &number))
}

fn status(event: &str, pv1: &Segment<'_>) -> &'static str {
    match event {
        "A03" => "finished",
        "A05" => "planned",
        "A11" => "cancelled",
        "A04" | "A08" if pv1.text(45, 1).is_some() => "finished",
        _ if pv1.text(2, 1).as_deref() == Some("P") => "planned",
        _ => "in-progress",
    }
}

fn class(pv1: &Segment<'_>) -> Value {
    const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    let act = |code: &str| json!({ "system": ACT, "code": code });
    match pv1.text(2, 1).as_deref() {
        Some("E") => act("EMER"),
        Some("I") => act("IMP"),
        Some("O" | "R") => act("AMB"),
        Some("P") => act("PRENC"),
        Some(other) => match super::object::token(other) {
            Some(code) => json!({ "system": "http://terminology.hl7.org/CodeSystem/v2-0004", "code": code }),
            None => act("AMB"),
        },
        None => json!({ "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "code": "UNK" }),
    }
}

fn participants(pv1: &Segment<'_>, partner: &Partner) -> Vec<Value> {
    let roles = [(7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM")];
    let each = roles.into_iter().flat_map(|(field, code)| pv1.field(field).repetitions().map(move |xcn| (xcn, code)));
    each.filter_map(|(xcn, code)| {
        let who = practitioner(xcn, partner)?;
        let kind = fixed("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code);
        Some(json!({ "type": [kind], "individual": who }))
    })
    .collect()
}

fn locations(pv1: &Segment<'_>, status: &str) -> Vec<Value> {
    let now = if matches!(status, "finished" | "cancelled") { "completed" } else { "active" };
    [(3, now), (6, "completed")]
        .into_iter()
        .filter_map(|(field, status)| Some(json!({ "location": place(pv1.field(field).first())?, "status": status })))
        .collect()
}

fn relative(nk1: &Segment<'_>, subject: &Value, patient: &str, draft: &mut Draft<'_>) {
    let partner = draft.partner;
    let own = of_cx(nk1.field(33), partner).into_iter().next();
    let key = format!("{patient}/{}", nk1.text(1, 1).unwrap_or_default());
    let identity = own.unwrap_or_else(|| Identifier::own(partner, "relative", &key));
    let resource = Object::resource("RelatedPerson")
        .list("identifier", [identity.to_json()])
        .with("patient", subject.clone())
        .list("relationship", [3, 7].into_iter().filter_map(|field| relationship(nk1, field, partner)))
        .list("name", names(nk1.field(2)))
        .list("telecom", telecoms(nk1.field(5), "home").into_iter().chain(telecoms(nk1.field(6), "work")))
        .list("address", addresses(nk1.field(4)));
    draft.took("NK1");
    draft.put(resource.done(), &identity);
}

fn relationship(nk1: &Segment<'_>, field: usize, partner: &Partner) -> Option<Value> {
    concept_of(nk1.field(field).first(), partner, Some(if field == 3 { "HL70063" } else { "HL70131" }))
}

fn allergy(al1: &Segment<'_>, subject: &Value, patient: &str, draft: &mut Draft<'_>) {
    let partner = draft.partner;
    let Some(code) = concept(al1.field(3).first(), partner) else { return };
    let what = al1.text(3, 1).or_else(|| al1.text(3, 2)).unwrap_or_default();
    let identity = Identifier::own(partner, "allergy", &format!("{patient}/{}", what.trim()));
    let category = match al1.text(2, 1).as_deref() {
        Some("DA" | "MA" | "DRUG") => Some("medication"),
        Some("FA") => Some("food"),
        Some("EA" | "AA" | "PA" | "LA") => Some("environment"),
        _ => None,
    };
    let criticality = match al1.text(4, 1).as_deref() {
        Some("SV") => Some("high"),
        Some("MO" | "MI") => Some("low"),
        Some("U") => Some("unable-to-assess"),
        _ => None,
    };
    let reactions: Vec<Value> =
        al1.field(5).repetitions().filter_map(|text| text.text(1)).map(|text| json!({ "text": text })).collect();
    let reaction = (!reactions.is_empty()).then(|| json!({ "manifestation": reactions }));
    let resource = Object::resource("AllergyIntolerance")
        .list("identifier", [identity.to_json()])
        .with("clinicalStatus", fixed("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active"))
        .with(
            "verificationStatus",
            fixed("http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "unconfirmed"),
        )
        .list("category", category.map(Value::from))
        .with("criticality", criticality.map(Value::from))
        .with("code", code)
        .with("patient", subject.clone())
        .with("onsetDateTime", date_time(al1.text(6, 1), partner))
        .list("reaction", reaction);
    let identity = draft.free("AllergyIntolerance", identity);
    draft.took("AL1");
    draft.put(resource.done(), &identity);
}

fn diagnosis(dg1: &Segment<'_>, subject: &Value, visit: Option<&Value>, patient: &str, draft: &mut Draft<'_>) {
    let partner = draft.partner;
    let code = concept(dg1.field(3).first(), partner).or_else(|| dg1.text(4, 1).map(|text| json!({ "text": text })));
    let Some(code) = code else { return };
    let what = dg1.text(3, 1).or_else(|| dg1.text(3, 2)).or_else(|| dg1.text(4, 1)).unwrap_or_default();
    let number = super::identifier::of_ei(dg1.field(20), partner, "diagnosis");
    let identity =
        number.unwrap_or_else(|| Identifier::own(partner, "diagnosis", &format!("{patient}/{}", what.trim())));
    let identity = draft.free("Condition", identity);
    let verification = if dg1.text(6, 1).as_deref() == Some("F") { "confirmed" } else { "provisional" };
    let resource = Object::resource("Condition")
        .list("identifier", [identity.to_json()])
        .with("clinicalStatus", fixed("http://terminology.hl7.org/CodeSystem/condition-clinical", "active"))
        .with("verificationStatus", fixed("http://terminology.hl7.org/CodeSystem/condition-ver-status", verification))
        .list("category", [fixed("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis")])
        .with("code", code)
        .with("subject", subject.clone())
        .with("encounter", visit.cloned())
        .with("onsetDateTime", date_time(dg1.text(5, 1), partner))
        .with("recordedDate", date_time(dg1.text(19, 1), partner))
        .with("asserter", practitioner(dg1.field(16).first(), partner));
    draft.took("DG1");
    draft.put(resource.done(), &identity);
}

fn procedure(pr1: &Segment<'_>, subject: &Value, visit: Option<&Value>, patient: &str, draft: &mut Draft<'_>) {
    let partner = draft.partner;
    let code = concept(pr1.field(3).first(), partner).or_else(|| pr1.text(4, 1).map(|text| json!({ "text": text })));
    let Some(code) = code else { return };
    let what = pr1.text(3, 1).or_else(|| pr1.text(4, 1)).unwrap_or_default();
    let when = pr1.text(5, 1).unwrap_or_default();
    let number = super::identifier::of_ei(pr1.field(19), partner, "procedure");
    let identity =
        number.unwrap_or_else(|| Identifier::own(partner, "procedure", &format!("{patient}/{}/{when}", what.trim())));
    let identity = draft.free("Procedure", identity);
    let performer = practitioner(pr1.field(11).first(), partner).map(|who| json!({ "actor": who }));
    let resource = Object::resource("Procedure")
        .list("identifier", [identity.to_json()])
        .with("status", Value::from("completed"))
        .with("code", code)
        .with("subject", subject.clone())
        .with("encounter", visit.cloned())
        .with("performedDateTime", date_time(pr1.text(5, 1), partner))
        .list("performer", performer);
    draft.took("PR1");
    draft.put(resource.done(), &identity);
}
