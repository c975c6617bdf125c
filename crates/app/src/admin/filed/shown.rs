//! A record as a row of a list.

use bascule_fhir::Timestamp;
use bascule_store::filed::{Filed, Record};
use serde_json::{Value, json};

pub(super) fn row(filed: &Filed) -> Value {
    let period = filed.record.period();
    let mut row = json!({
        "id": filed.id,
        "patient": format!("{}/{}", filed.api, filed.record.patient()),
        "says": says(&filed.record),
        "from": period.from.to_instant(),
        "until": period.until.map(Timestamp::to_instant),
        "source": filed.source,
        "filed-by": filed.filed_by,
    });
    if let (Some(row), Some(ended)) = (row.as_object_mut(), &filed.ended) {
        row.insert("ended".to_owned(), format!("{} by {}: {}", ended.at.to_instant(), ended.by, ended.because).into());
    }
    row
}

/// What it says, in one phrase.
fn says(record: &Record) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut list = |what: &str, items: Vec<String>| {
        if !items.is_empty() {
            parts.push(format!("{what} {}", items.join(", ")));
        }
    };
    let names = |types: &[bascule_fhir::ResourceType]| types.iter().map(ToString::to_string).collect::<Vec<_>>();
    match record {
        Record::Consent(consent) => {
            list(if consent.permit { "permit" } else { "deny" }, vec!["access".to_owned()]);
            list("by", consent.actors.clone());
            list("to", names(&consent.types));
            list("for", consent.purposes.clone());
            list("labelled", consent.labels.iter().map(|label| label.code.clone()).collect());
            list("with", (1..=consent.exceptions.len()).map(|number| format!("exception {number}")).collect());
        }
        Record::Restriction(restriction) => {
            list("kept from", restriction.towards.clone());
            list("kept from", if restriction.health_plans { vec!["health plans".to_owned()] } else { Vec::new() });
            list("about", names(&restriction.types));
            list("for", restriction.purposes.clone());
            list("labelled", restriction.labels.iter().map(|label| label.code.clone()).collect());
        }
        Record::Authorization(authorization) => {
            list("to", vec![authorization.recipient.clone()]);
            list("psychotherapy", vec![(if authorization.psychotherapy_notes { "yes" } else { "no" }).to_owned()]);
        }
        Record::Representation(represented) => {
            let record = &represented.record;
            list("by", vec![record.user.clone()]);
            list("as", vec![record.basis.clone()]);
            list("shown by", vec![record.document.clone()]);
            list("verified by", vec![record.verified_by.clone()]);
            list("about", names(&record.scope));
            list("born", represented.born.iter().map(ToString::to_string).collect());
            list("now", if record.suspended { vec!["suspended".to_owned()] } else { Vec::new() });
        }
        Record::Hold(hold) => {
            list("withholds", vec![format!("{}/{}", hold.item.0, hold.item.1)]);
            list("on", vec![hold.ground.clone()]);
            list("by", vec![hold.by.clone()]);
            list("review", vec![hold.review.to_instant()]);
        }
    }
    parts.join("; ")
}
