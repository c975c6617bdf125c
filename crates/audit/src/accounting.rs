//! Accounting of disclosures (45 CFR 164.528): to whom a patient's data went, in the six years before a request.
//!
//! Only entries that carry the disclosure flag count: what is exempt (treatment, payment, operations, to the individual,
//! by authorization, …) was decided when the data left, by policy, and stands in the entry.

use std::collections::BTreeMap;

use bascule_fhir::Timestamp;
use serde::Serialize;

use crate::opened::Opened;

/// Purposes of use whose disclosures the accounting leaves out (45 CFR 164.528(a)(1)): (i) treatment, payment and health care
/// operations, (ii) to the individual or (v) to who is involved in the individual's care. Everything else counts, legal proceedings,
/// research, public health and threats among it.
const EXEMPT_PURPOSES: [&str; 18] = [
    "TREAT",
    "ETREAT",
    "BTG",
    "CAREMGT",
    "COC",
    "HPAYMT",
    "CLMATTCH",
    "COVERAGE",
    "ELIGDTRM",
    "REMITADV",
    "HOPERAT",
    "PATADMIN",
    "HQUALIMP",
    "HCOMPL",
    "HSYSADMIN",
    "PATRQT",
    "FAMRQT",
    "PWATRNY",
];

/// What is known when something leaves that may have to be accounted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaving<'a> {
    /// Whether it leaves the organization. What the workforce sees is a use, and no disclosure.
    pub to_another: bool,
    /// Purpose of use.
    pub purpose: &'a str,
    /// Whether the individual, or who stands for the individual, asked (164.528(a)(1)(ii)).
    pub to_individual: bool,
    /// Whether an authorization of the individual covers it (164.528(a)(1)(iv)).
    pub authorized: bool,
    /// Whether it is a limited data set (164.528(a)(1)(viii)), or de-identified and so no health information of anybody.
    pub without_identifiers: bool,
}

impl Leaving<'_> {
    /// Whether the accounting tells of it.
    #[must_use]
    pub fn is_accounted(&self) -> bool {
        let exempt = self.to_individual || self.authorized || self.without_identifiers;
        self.to_another && !exempt && !EXEMPT_PURPOSES.contains(&self.purpose)
    }
}

/// An agency has asked in writing that an accounting be suspended (164.528(a)(2)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// The recipient whose disclosures are left out.
    pub recipient: String,
    /// The first instant at which they are told again.
    pub until: Timestamp,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountingRequest {
    /// The API that the patient is of; another's `Patient/1` is somebody else.
    pub api: String,
    /// `Patient/1`
    pub patient: String,
    /// First instant of the period.
    pub from: Timestamp,
    /// First instant after it.
    pub until: Timestamp,
    /// Suspensions on file.
    pub suspensions: Vec<Suspension>,
    /// When it is asked.
    pub now: Timestamp,
}

/// One line: a disclosure, or several of the same kind to the same recipient for one purpose (164.528(b)(3)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disclosure {
    /// Date of the first.
    pub date: String,
    /// Date of the last.
    pub last_date: String,
    /// How many.
    pub times: u64,
    /// To whom.
    pub recipient: String,
    /// Their address, if known.
    pub recipient_address: Option<String>,
    /// What, briefly.
    pub description: String,
    /// For what.
    pub purpose: String,
    /// Where each stands in the log: origin and index.
    pub entries: Vec<String>,
}

/// The disclosures of `entries` that the request asks for, the oldest first.
pub fn account<'a>(request: &AccountingRequest, entries: impl Iterator<Item = &'a Opened>) -> Vec<Disclosure> {
    let mut lines: BTreeMap<(String, String, String), Disclosure> = BTreeMap::new();
    for entry in entries.filter(|entry| counts(request, entry)) {
        let disclosure = line_of(request, entry);
        let key = (disclosure.recipient.clone(), disclosure.purpose.clone(), disclosure.description.clone());
        match lines.get_mut(&key) {
            None => {
                lines.insert(key, disclosure);
            }
            Some(line) => {
                line.times += 1;
                line.date = line.date.clone().min(disclosure.date);
                line.last_date = line.last_date.clone().max(disclosure.last_date);
                line.entries.extend(disclosure.entries);
            }
        }
    }
    let mut lines: Vec<_> = lines.into_values().collect();
    lines.sort_by(|left, right| (&left.date, &left.recipient).cmp(&(&right.date, &right.recipient)));
    lines
}

fn counts(request: &AccountingRequest, entry: &Opened) -> bool {
    let suspended = request
        .suspensions
        .iter()
        .any(|suspension| request.now < suspension.until && recipient(entry).0 == suspension.recipient);
    entry.about().disclosure
        && entry.may_have_shown()
        && (request.from..request.until).contains(&entry.at())
        && entry.about().api.as_ref() == Some(&request.api)
        && entry.is_about(&request.patient)
        && !suspended
}

fn recipient(entry: &Opened) -> (String, Option<String>) {
    let agent = entry.agent.as_ref();
    let told = agent.and_then(|agent| agent.recipient.clone());
    match told {
        Some(recipient) => (recipient.name, recipient.address),
        None => {
            let organization = agent.and_then(|agent| agent.organization.clone());
            (organization.or_else(|| entry.about().client.clone()).unwrap_or_else(|| "not recorded".to_owned()), None)
        }
    }
}

fn line_of(request: &AccountingRequest, entry: &Opened) -> Disclosure {
    let (recipient, recipient_address) = recipient(entry);
    let date: String = entry.at().to_instant().chars().take(10).collect();
    let own = entry.patients.iter().flatten().filter(|patient| patient.reference == request.patient);
    let mut types: Vec<String> = own
        .flat_map(|patient| &patient.resources)
        .filter_map(|resource| resource.reference.split('/').next().map(ToOwned::to_owned))
        .collect();
    types.sort();
    types.dedup();
    if types.is_empty() {
        types.extend(entry.about().resource.clone());
    }
    let what = if types.is_empty() { "health record".to_owned() } else { types.join(", ") };
    let certain = if entry.clear.kind == crate::Kind::Unknown {
        " (may have been disclosed; the outcome is not known)"
    } else {
        ""
    };
    Disclosure {
        last_date: date.clone(),
        date,
        times: 1,
        recipient,
        recipient_address,
        description: format!("{what}{certain}"),
        purpose: entry.about().purpose.clone().unwrap_or_else(|| "as requested".to_owned()),
        entries: vec![format!("{} {}", entry.position.origin, entry.position.index)],
    }
}

/// As comma-separated values (RFC 4180). A cell that a spreadsheet would take for a formula is quoted as text.
#[must_use]
pub fn to_csv(lines: &[Disclosure]) -> String {
    let mut csv = String::from("date,last date,times,recipient,address,description,purpose,log entries\r\n");
    for line in lines {
        let cells = [
            line.date.clone(),
            line.last_date.clone(),
            line.times.to_string(),
            line.recipient.clone(),
            line.recipient_address.clone().unwrap_or_default(),
            line.description.clone(),
            line.purpose.clone(),
            line.entries.join("; "),
        ];
        csv.push_str(&cells.map(|text| cell(&text)).join(","));
        csv.push_str("\r\n");
    }
    csv
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// As a page that prints well, without scripts or anything fetched.
#[must_use]
pub fn to_html(request: &AccountingRequest, lines: &[Disclosure]) -> String {
    let day = |instant: Timestamp| instant.to_instant().chars().take(10).collect::<String>();
    let row = |line: &Disclosure| {
        let dates = if line.times == 1 {
            escape(&line.date)
        } else {
            format!("{} to {}, {} times", escape(&line.date), escape(&line.last_date), line.times)
        };
        let address = line.recipient_address.as_deref().map(|text| format!("<br>{}", escape(text))).unwrap_or_default();
        format!(
            "<tr><td>{dates}</td><td>{}{address}</td><td>{}</td><td>{}</td></tr>\n",
            escape(&line.recipient),
            escape(&line.description),
            escape(&line.purpose)
        )
    };
    let rows: String = lines.iter().map(row).collect();
    let none = if lines.is_empty() {
        "<p>No disclosure that must be accounted for was made in this period.</p>\n"
    } else {
        ""
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Accounting of disclosures</title>\n\
         <style>body{{font:11pt serif;margin:2cm}}table{{border-collapse:collapse;width:100%}}\
         th,td{{border-bottom:1px solid #999;padding:4pt;text-align:left;vertical-align:top}}</style></head><body>\n\
         <h1>Accounting of disclosures</h1>\n<p>Of {}, from {} until {} (45 CFR 164.528). Made on {}.</p>\n{none}\
         <table><thead><tr><th>Date</th><th>To whom</th><th>What</th><th>For what purpose</th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table>\n</body></html>\n",
        escape(&request.patient),
        day(request.from),
        day(request.until),
        day(request.now),
    )
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::entry::{AccessFacts, Entry};
    use crate::opened::Position;
    use crate::parts::{AgentPart, PatientPart, Recipient};

    pub(crate) fn opened(index: u64, entry: &Entry) -> Opened {
        Opened {
            position: Position { origin: "log".into(), index, leaf_hash: String::new() },
            clear: entry.clear.clone(),
            asked: None,
            agent: entry.agent.clone(),
            patients: entry.patients.iter().cloned().map(Some).collect(),
        }
    }

    fn facts(recipient: &str, disclosure: bool) -> AccessFacts {
        AccessFacts {
            status: 200,
            api: "ehr".into(),
            resource: Some("Observation".into()),
            purpose: Some("PUBHLTH".into()),
            disclosure,
            agent: AgentPart {
                recipient: Some(Recipient { name: recipient.into(), address: Some("1 Main St".into()) }),
                ..AgentPart::default()
            },
            patients: vec![PatientPart { reference: "Patient/1".into(), ..PatientPart::default() }],
            ..AccessFacts::default()
        }
    }

    fn request() -> AccountingRequest {
        AccountingRequest {
            api: "ehr".into(),
            patient: "Patient/1".into(),
            from: Timestamp::from_seconds(0),
            until: Timestamp::from_seconds(1_000_000),
            suspensions: vec![],
            now: Timestamp::from_seconds(1_000_000),
        }
    }

    #[test]
    fn only_what_counts_is_told_and_repeats_are_one_line() {
        let at = Timestamp::from_seconds;
        let refused = AccessFacts { status: 403, ..facts("Registry", true) };
        let other = AccessFacts {
            patients: vec![PatientPart { reference: "Patient/2".into(), ..PatientPart::default() }],
            ..facts("Registry", true)
        };
        let entries = [
            opened(1, &Entry::disclosure(facts("Registry", true), at(100))),
            opened(2, &Entry::disclosure(facts("Registry", true), at(200_000))),
            opened(3, &Entry::disclosure(facts("Clinic", false), at(100))),
            opened(4, &Entry::refusal(refused, at(100))),
            opened(5, &Entry::disclosure(other, at(100))),
            opened(6, &Entry::disclosure(facts("Registry", true), at(2_000_000))),
            opened(7, &Entry::disclosure(AccessFacts { api: "lab".into(), ..facts("Registry", true) }, at(100))),
        ];
        let lines = account(&request(), entries.iter());
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].times, lines[0].date.as_str(), lines[0].last_date.as_str()),
            (2, "1970-01-01", "1970-01-03")
        );
        assert_eq!(lines[0].entries, ["log 1", "log 2"]);
        assert_eq!(lines[0].recipient_address.as_deref(), Some("1 Main St"));
    }

    #[test]
    fn what_the_rule_exempts_is_not_accounted_and_everything_else_is() {
        let leaving = |purpose| Leaving {
            to_another: true,
            purpose,
            to_individual: false,
            authorized: false,
            without_identifiers: false,
        };
        for (purpose, meaning) in bascule_policy::purpose::PURPOSES {
            let counts = ["HLEGAL", "HRESCH", "CLINTRCH", "PUBHLTH", "DISASTER", "THREAT"].contains(&purpose);
            assert_eq!(leaving(purpose).is_accounted(), counts, "{purpose}, {meaning}");
        }
        assert!(leaving("a purpose of tomorrow").is_accounted());
        let research = leaving("HRESCH");
        assert!(!Leaving { to_another: false, ..research }.is_accounted());
        assert!(!Leaving { to_individual: true, ..research }.is_accounted());
        assert!(!Leaving { authorized: true, ..research }.is_accounted());
        assert!(!Leaving { without_identifiers: true, ..research }.is_accounted());
    }

    #[test]
    fn a_suspension_hides_its_recipient_until_it_ends() {
        let entry = opened(1, &Entry::disclosure(facts("Agency", true), Timestamp::from_seconds(100)));
        let suspended = |until| AccountingRequest {
            suspensions: vec![Suspension { recipient: "Agency".into(), until: Timestamp::from_seconds(until) }],
            ..request()
        };
        assert!(account(&suspended(2_000_000), [&entry].into_iter()).is_empty());
        assert_eq!(account(&suspended(1_000_000), [&entry].into_iter()).len(), 1);
    }

    #[test]
    fn cells_and_pages_hold_what_a_recipient_wrote_as_text() {
        let lines = account(
            &request(),
            [&opened(1, &Entry::disclosure(facts("=cmd|'<b>\"x\"", true), Timestamp::from_seconds(100)))].into_iter(),
        );
        assert!(to_csv(&lines).contains("\"'=cmd|'<b>\"\"x\"\"\""));
        let page = to_html(&request(), &lines);
        assert!(page.contains("&lt;b&gt;&quot;x&quot;") && !page.contains("<b>"));
        assert!(to_html(&request(), &[]).contains("No disclosure"));
    }
}
