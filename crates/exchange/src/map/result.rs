//! OBR and OBX of results (ORU, OUL): a DiagnosticReport with its Observations, specimens and documents.

use bascule_hl7::{Message, Segment};
use serde_json::{Value, json};

use super::code::{concept, concept_of, concepts, fixed};
use super::draft::Draft;
use super::fault::{MapFault, content};
use super::identifier::Identifier;
use super::note;
use super::object::Object;
use super::order::{Numbers, answered, section};
use super::partner::Partner;
use super::person::{date_time, encounter, organization, practitioner};
use super::value::{range, text, value};
use super::walk::Known;

const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
const INTERPRETATION: &str = "HL70078";

/// One report with what belongs to it, by the segments' places in the message.
struct Group<'m> {
    orc: Option<&'m Segment<'m>>,
    obr: (usize, &'m Segment<'m>),
    observations: Vec<(usize, &'m Segment<'m>)>,
    specimens: Vec<(usize, &'m Segment<'m>)>,
}

/// Observations of this message by report, code and sub-id, for those that point to a parent.
type Written = Vec<(String, String, String, Value)>;

/// Results of a message.
pub(crate) fn map(
    message: &Message<'_>,
    subject: &Value,
    known: &Known,
    draft: &mut Draft<'_>,
) -> Result<(), MapFault> {
    let groups = groups(message);
    if groups.is_empty() {
        return Err(content("OBR", "the message has no OBR segment; say what was examined"));
    }
    let mut written = Written::new();
    for group in &groups {
        report(message, group, subject, known, draft, &mut written)?;
    }
    Ok(())
}

fn groups<'m>(message: &'m Message<'_>) -> Vec<Group<'m>> {
    let mut all: Vec<Group<'m>> = Vec::new();
    let (mut orc, mut waiting) = (None, Vec::new());
    for (place, segment) in message.segments().iter().enumerate() {
        match (segment.name(), all.last_mut()) {
            ("ORC", _) => orc = Some(segment),
            ("OBR", _) => all.push(Group {
                orc: orc.take(),
                obr: (place, segment),
                observations: Vec::new(),
                specimens: std::mem::take(&mut waiting),
            }),
            ("OBX", Some(group)) => group.observations.push((place, segment)),
            ("SPM", Some(group)) if !is_specimen_first(message) => group.specimens.push((place, segment)),
            ("SPM", _) => waiting.push((place, segment)),
            _ => {}
        }
    }
    all
}

/// In OUL the specimen stands before the order, in ORU after it.
fn is_specimen_first(message: &Message<'_>) -> bool {
    message.header(9, 1).as_deref() == Some("OUL")
}

fn report(
    message: &Message<'_>,
    group: &Group<'_>,
    subject: &Value,
    known: &Known,
    draft: &mut Draft<'_>,
    written: &mut Written,
) -> Result<(), MapFault> {
    let (place, obr) = group.obr;
    let partner = draft.partner;
    let numbers = Numbers::of(Some(obr), group.orc, partner);
    let number = numbers.filler.clone().or_else(|| numbers.placer.clone());
    let number = number.ok_or(content("OBR-3", "no filler order number; send the number of the examination"))?;
    let examined = obr.text(4, 1).or_else(|| obr.text(4, 2)).unwrap_or_default();
    let identity = Identifier { system: number.system.clone(), value: format!("{}/{}", number.value, examined.trim()) };
    let identity = draft.free("DiagnosticReport", identity);
    let specimens: Vec<Value> = group.specimens.iter().map(|spm| specimen(spm.1, &identity, subject, draft)).collect();
    let context = Context {
        subject,
        order: answered(&numbers, known),
        specimen: specimens.first().cloned(),
        obr,
        report: &identity,
    };
    let results: Vec<Value> = group
        .observations
        .iter()
        .filter_map(|(place, obx)| observation(message, *place, obx, &context, draft, written))
        .collect();
    let forms: Vec<Value> = group.observations.iter().filter_map(|(_, obx)| form(obx)).collect();
    group.observations.iter().for_each(|_| draft.took("OBX"));
    let (notes, count) = note::after(message, place);
    (0..count).for_each(|_| draft.took("NTE"));
    draft.took("OBR");
    group.orc.iter().for_each(|_| draft.took("ORC"));
    let conclusion: Vec<String> =
        notes.iter().filter_map(|note| note.get("text")?.as_str().map(str::to_owned)).collect();
    let visit = message.first("PV1").and_then(|pv1| encounter(pv1.field(19), partner));
    let resource = Object::resource("DiagnosticReport")
        .list("identifier", [identity.to_json()].into_iter().chain(numbers.to_json()))
        .list("basedOn", context.order.clone())
        .with("status", Value::from(report_status(obr)))
        .list("category", section(obr))
        .with("code", concept(obr.field(4).first(), partner).or_else(|| Some(json!({ "text": "unnamed examination" }))))
        .with("subject", subject.clone())
        .with("encounter", visit)
        .with("effectiveDateTime", date_time(obr.text(7, 1), partner))
        .with("issued", issued(obr, partner))
        .list("resultsInterpreter", interpreter(obr, partner))
        .list("specimen", specimens)
        .list("result", results)
        .text("conclusion", Some(conclusion.join("\n")))
        .list("presentedForm", forms)
        .done();
    draft.put(resource, &identity);
    Ok(())
}

struct Context<'c> {
    subject: &'c Value,
    order: Option<Value>,
    specimen: Option<Value>,
    obr: &'c Segment<'c>,
    report: &'c Identifier,
}

fn observation(
    message: &Message<'_>,
    place: usize,
    obx: &Segment<'_>,
    context: &Context<'_>,
    draft: &mut Draft<'_>,
    written: &mut Written,
) -> Option<Value> {
    if is_document(obx) {
        return None;
    }
    let partner = draft.partner;
    let code = obx.text(3, 1).or_else(|| obx.text(3, 2)).unwrap_or_default();
    let sub = obx.text(4, 1).unwrap_or_default();
    let value_of = format!("{}/{}/{}", context.report.value, code.trim(), sub.trim());
    let identity = draft.free("Observation", Identifier::own(partner, "observation", &value_of));
    let (notes, count) = note::after(message, place);
    (0..count).for_each(|_| draft.took("NTE"));
    let status = observation_status(obx);
    let value = value(obx, partner);
    let absent =
        value.is_none().then(|| fixed(ABSENT, if status == "cancelled" { "not-performed" } else { "unknown" }));
    let when = date_time(obx.text(14, 1), partner).or_else(|| date_time(context.obr.text(7, 1), partner));
    let parent = parent(context.obr, written);
    let resource = Object::resource("Observation")
        .list("identifier", [identity.to_json()])
        .list("basedOn", context.order.clone())
        .with("status", Value::from(status))
        .list(
            "category",
            [fixed("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory")]
                .into_iter()
                .filter(|_| is_laboratory(context.obr)),
        )
        .with("code", concept(obx.field(3).first(), partner).or_else(|| Some(json!({ "text": "unnamed observation" }))))
        .with("subject", context.subject.clone())
        .with("effectiveDateTime", when)
        .list("performer", observer(obx, partner))
        .with(
            value.as_ref().map_or("dataAbsentReason", |(name, _)| name),
            value.as_ref().map(|(_, value)| value.clone()).or(absent),
        )
        .list("interpretation", concepts(obx.field(8), partner, Some(INTERPRETATION)))
        .list("note", notes)
        .with("method", concept(obx.field(17).first(), partner))
        .with("specimen", context.specimen.clone())
        .list("referenceRange", range(obx, partner))
        .list("derivedFrom", parent)
        .done();
    let reference = draft.put(resource, &identity);
    let filler = context.obr.text(3, 1).unwrap_or_default();
    written.push((filler, code, sub, reference.clone()));
    Some(reference)
}

/// OBR-26 and OBR-29: the observation of another report of this message out of which this one came, as an isolate's
/// susceptibility out of its culture.
fn parent(obr: &Segment<'_>, written: &Written) -> Option<Value> {
    let pointer = obr.field(26).first();
    let (code, sub) = (pointer.sub(1, 1)?, pointer.text(2).unwrap_or_default());
    let filler = obr.field(29).first().sub(2, 1);
    written
        .iter()
        .find(|(of, found, under, _)| {
            *found == code && *under == sub && filler.as_ref().is_none_or(|filler| filler == of)
        })
        .map(|(_, _, _, reference)| reference.clone())
}

fn is_laboratory(obr: &Segment<'_>) -> bool {
    !matches!(
        obr.text(24, 1).as_deref(),
        Some("RAD" | "RX" | "CT" | "NMR" | "US" | "XRC" | "CUS" | "NMS" | "EC" | "EN" | "PHY")
    )
}

fn is_document(obx: &Segment<'_>) -> bool {
    matches!(obx.text(2, 1).as_deref(), Some("ED" | "RP"))
}

/// OBX of type ED: a document inside the message, usually a PDF.
fn form(obx: &Segment<'_>) -> Option<Value> {
    if !is_document(obx) {
        return None;
    }
    super::document::embedded(obx)
}

fn observation_status(obx: &Segment<'_>) -> &'static str {
    match obx.text(11, 1).as_deref() {
        Some("F" | "U") => "final",
        Some("C") => "corrected",
        Some("P" | "R" | "S") => "preliminary",
        Some("I" | "O") => "registered",
        Some("X") => "cancelled",
        Some("D" | "W") => "entered-in-error",
        Some("A" | "B") => "amended",
        _ => "unknown",
    }
}

fn report_status(obr: &Segment<'_>) -> &'static str {
    match obr.text(25, 1).as_deref() {
        Some("F") => "final",
        Some("C") => "corrected",
        Some("P") => "preliminary",
        Some("A" | "R" | "M") => "partial",
        Some("O" | "I" | "S") => "registered",
        Some("X") => "cancelled",
        _ => "unknown",
    }
}

/// `issued` is an instant: it is only said if the second is known.
fn issued(obr: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let time = bascule_hl7::Timestamp::read(obr.text(22, 1)?.trim())?;
    time.to_instant(partner.offset_minutes).map(Value::from)
}

/// OBR-32 is an NDL, whose first component is the person.
fn interpreter(obr: &Segment<'_>, partner: &Partner) -> Option<Value> {
    let ndl = obr.field(32).first();
    let number = ndl.sub(1, 1).map(|value| Identifier { system: partner.own("practitioner"), value }.to_json());
    let display = [ndl.sub(1, 3), ndl.sub(1, 2)].into_iter().flatten().collect::<Vec<_>>().join(" ");
    Object::default().with("identifier", number).text("display", Some(display)).some()
}

fn observer(obx: &Segment<'_>, partner: &Partner) -> Vec<Value> {
    let people = obx.field(16).repetitions().filter_map(|xcn| practitioner(xcn, partner));
    let laboratory = organization(obx.field(23).first(), partner);
    let producer = obx.text(15, 2).or_else(|| obx.text(15, 1)).map(|display| json!({ "display": display }));
    people.chain(laboratory.or(producer)).collect()
}

fn specimen(spm: &Segment<'_>, report: &Identifier, subject: &Value, draft: &mut Draft<'_>) -> Value {
    let partner = draft.partner;
    let number = specimen_number(spm, partner);
    let otherwise =
        || Identifier::own(partner, "specimen", &format!("{}/{}", report.value, spm.text(1, 1).unwrap_or_default()));
    let identity = number.clone().unwrap_or_else(otherwise);
    let collection = Object::default()
        .with("collectedDateTime", date_time(spm.text(17, 1), partner))
        .with("method", concept_of(spm.field(7).first(), partner, Some("HL70488")))
        .with("bodySite", concept(spm.field(8).first(), partner));
    let resource = Object::resource("Specimen")
        .list("identifier", [identity.to_json()])
        .with("type", concept_of(spm.field(4).first(), partner, Some("HL70487")))
        .with("subject", subject.clone())
        .with("receivedTime", date_time(spm.text(18, 1), partner))
        .with("collection", collection.some());
    draft.took("SPM");
    draft.put(resource.done(), &identity)
}

/// SPM-2: an EIP, two entity identifiers as components; the filler's is the laboratory's own.
fn specimen_number(spm: &Segment<'_>, partner: &Partner) -> Option<Identifier> {
    let eip = spm.field(2).first();
    [2, 1].into_iter().find_map(|component| {
        let value = eip.sub(component, 1)?;
        let (namespace, id, kind) = (eip.sub(component, 2), eip.sub(component, 3), eip.sub(component, 4));
        let system = match (&namespace, &id) {
            (None, None) => partner.own("specimen"),
            _ => partner.authority(namespace.as_deref(), id.as_deref(), kind.as_deref()),
        };
        Some(Identifier { system, value })
    })
}

/// Observations outside a report, as ADT messages carry them.
pub(crate) fn loose(message: &Message<'_>, place: usize, subject: &Value, draft: &mut Draft<'_>) {
    let Some(obx) = message.segments().get(place).filter(|obx| !is_document(obx)) else { return };
    let partner = draft.partner;
    let key = [message.control_id().ok(), obx.text(3, 1), obx.text(4, 1)].map(Option::unwrap_or_default).join("/");
    let identity = draft.free("Observation", Identifier::own(partner, "observation", &key));
    let value = value(obx, partner);
    let absent = value.is_none().then(|| fixed(ABSENT, "unknown"));
    let resource = Object::resource("Observation")
        .list("identifier", [identity.to_json()])
        .with("status", Value::from(observation_status(obx)))
        .with("code", concept(obx.field(3).first(), partner).or_else(|| Some(json!({ "text": "unnamed observation" }))))
        .with("subject", subject.clone())
        .with("effectiveDateTime", date_time(obx.text(14, 1), partner))
        .with(
            value.as_ref().map_or("dataAbsentReason", |(name, _)| name),
            value.as_ref().map(|(_, value)| value.clone()).or(absent),
        )
        .list("referenceRange", range(obx, partner));
    draft.took("OBX");
    draft.put(resource.done(), &identity);
}

/// A report's text for documents: every OBX that is text, as one.
pub(crate) fn all_text(message: &Message<'_>) -> Option<String> {
    let lines: Vec<String> = message
        .segments()
        .iter()
        .filter(|segment| segment.name() == "OBX" && !is_document(segment))
        .filter_map(text)
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The order that a document belongs to.
pub(crate) fn order_of(message: &Message<'_>, known: &Known, partner: &Partner) -> Option<Value> {
    let (obr, orc) = (message.first("OBR"), message.first("ORC"));
    if obr.is_none() && orc.is_none() {
        return None;
    }
    answered(&Numbers::of(obr, orc, partner), known)
}
