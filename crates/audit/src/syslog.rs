//! An entry as syslog (RFC 5424) with a DICOM audit message (PS3.15 A.5) in it, as audit repositories take it.
//!
//! Syslog has no acknowledgement of its own and receivers may cut long messages silently: this is an export, never the
//! record. The door that sends frames by octet counting (RFC 5425) and goes on from a cursor.

use crate::accounting::escape;
use crate::clear::Kind;
use crate::opened::Opened;
use crate::parts::PatientPart;

/// Facility 10 (security), severity 5 (notice).
const PRIORITY: u8 = 10 * 8 + 5;
/// Bytes that every receiver of DICOM audit messages must take (PS3.15 A.6).
pub const MESSAGE_BYTES_MAX: usize = 32_768;

/// The messages of an entry: one per patient, each at most [`MESSAGE_BYTES_MAX`] bytes, resources left out where it would
/// be longer. `host` is the bridge's name on the network.
#[must_use]
pub fn syslog_messages(entry: &Opened, host: &str) -> Vec<String> {
    let known: Vec<&PatientPart> = entry.patients.iter().flatten().collect();
    if known.is_empty() {
        return vec![message(entry, None, host)];
    }
    known.into_iter().map(|patient| message(entry, Some(patient), host)).collect()
}

/// A message as it goes over TLS: its length in bytes, a space, the message (RFC 5425 section 4.3).
#[must_use]
pub fn frame(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

fn message(entry: &Opened, patient: Option<&PatientPart>, host: &str) -> String {
    let whole = with_resources(entry, patient, host, usize::MAX);
    if whole.len() <= MESSAGE_BYTES_MAX { whole } else { with_resources(entry, patient, host, 0) }
}

fn with_resources(entry: &Opened, patient: Option<&PatientPart>, host: &str, resources: usize) -> String {
    let at = entry.at().to_instant();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    let xml = audit_message(entry, patient, &at, resources);
    format!("<{PRIORITY}>1 {at} {host} bascule - IHE+RFC-3881 - \u{feff}{xml}")
}

fn audit_message(entry: &Opened, patient: Option<&PatientPart>, at: &str, resources: usize) -> String {
    let about = entry.about();
    let (code, name) = event_of(entry);
    let action = match about.interaction.as_deref() {
        Some("create") => "C",
        Some("read" | "vread" | "history" | "capabilities") => "R",
        Some("update" | "patch") => "U",
        Some("delete") => "D",
        _ => "E",
    };
    let outcome = entry.clear.outcome.code();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage><EventIdentification EventActionCode=\"{action}\" \
         EventDateTime=\"{at}\" EventOutcomeIndicator=\"{outcome}\"><EventID csd-code=\"{code}\" \
         codeSystemName=\"DCM\" originalText=\"{name}\"/></EventIdentification>"
    );
    xml.push_str(&participants(entry));
    xml.push_str(&format!("<AuditSourceIdentification AuditSourceID=\"{}\"/>", escape(&entry.position.origin)));
    if let Some(patient) = patient {
        xml.push_str(&object("1", "1", "2", "Patient Number", &patient.reference));
        for resource in patient.resources.iter().take(resources) {
            xml.push_str(&object("2", "4", "10", "Search Criteria", &resource.reference));
        }
    }
    let position = format!("{} {} {}", entry.position.origin, entry.position.index, entry.position.leaf_hash);
    xml.push_str(&object("2", "13", "12", "URI", &position));
    xml.push_str("</AuditMessage>");
    xml
}

fn event_of(entry: &Opened) -> (&'static str, &'static str) {
    let event = entry.clear.system.as_ref().and_then(|system| system.get("event")?.as_str());
    match (entry.clear.kind, event) {
        (Kind::System, Some("start" | "stop")) => ("110100", "Application Activity"),
        (Kind::System, Some("read")) => ("110101", "Audit Log Used"),
        (Kind::System | Kind::Refusal, _) => ("110113", "Security Alert"),
        _ if entry.about().interaction.as_deref() == Some("search") => ("110112", "Query"),
        _ => ("110110", "Patient Record"),
    }
}

fn participants(entry: &Opened) -> String {
    let about = entry.about();
    let mut xml = String::new();
    let agent = entry.agent.as_ref();
    let has_user = agent.is_some_and(|agent| agent.subject.is_some());
    if let Some(client) = &about.client {
        let network = agent.and_then(|agent| agent.address.as_deref()).map_or_else(String::new, |address| {
            format!(" NetworkAccessPointID=\"{}\" NetworkAccessPointTypeCode=\"2\"", escape(address))
        });
        xml.push_str(&format!(
            "<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"{}\"{network}/>",
            escape(client),
            !has_user
        ));
    }
    if let Some(subject) = agent.and_then(|agent| agent.subject.as_deref()) {
        xml.push_str(&format!("<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"true\"/>", escape(subject)));
    }
    if about.client.is_none() && !has_user {
        let origin = escape(&entry.position.origin);
        xml.push_str(&format!("<ActiveParticipant UserID=\"{origin}\" UserIsRequestor=\"true\"/>"));
    }
    xml
}

fn object(kind: &str, role: &str, id_type: &str, id_name: &str, id: &str) -> String {
    format!(
        "<ParticipantObjectIdentification ParticipantObjectID=\"{}\" ParticipantObjectTypeCode=\"{kind}\" \
         ParticipantObjectTypeCodeRole=\"{role}\"><ParticipantObjectIDTypeCode csd-code=\"{id_type}\" \
         codeSystemName=\"RFC-3881\" originalText=\"{id_name}\"/></ParticipantObjectIdentification>",
        escape(id)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::tests::opened;
    use crate::entry::{AccessFacts, Entry};
    use crate::parts::{AgentPart, ResourceVersion};
    use bascule_fhir::Timestamp;

    fn facts(resources: usize) -> AccessFacts {
        let resource = |number| ResourceVersion { reference: format!("Observation/{number:0100}"), version: None };
        let patient = |name: &str| PatientPart {
            reference: format!("Patient/{name}"),
            resources: (0..resources).map(resource).collect(),
            ..PatientPart::default()
        };
        AccessFacts {
            status: 200,
            interaction: "search".into(),
            client: Some("portal".into()),
            agent: AgentPart { subject: Some("o'<b>".into()), ..AgentPart::default() },
            patients: vec![patient("a"), patient("b")],
            ..AccessFacts::default()
        }
    }

    #[test]
    fn one_message_per_patient_and_each_names_only_its_own() {
        let messages = syslog_messages(&opened(3, &Entry::disclosure(facts(1), Timestamp::from_seconds(9))), "gw");
        assert_eq!(messages.len(), 2);
        assert!(messages[0].starts_with("<85>1 1970-01-01T00:00:09.000Z gw bascule - IHE+RFC-3881 - "));
        assert!(messages[0].contains("Patient/a") && !messages[0].contains("Patient/b"));
        assert!(messages[0].contains("o'&lt;b&gt;") && !messages[0].contains("<b>"));
        assert!(messages[0].contains("csd-code=\"110112\""));
    }

    #[test]
    fn no_message_is_longer_than_a_receiver_must_take() {
        let messages = syslog_messages(&opened(3, &Entry::disclosure(facts(1000), Timestamp::from_seconds(9))), "gw");
        assert!(messages.iter().all(|message| message.len() <= MESSAGE_BYTES_MAX));
    }

    #[test]
    fn a_frame_counts_bytes_not_letters() {
        assert_eq!(frame("\u{e9}"), "2 \u{e9}".as_bytes());
    }
}
