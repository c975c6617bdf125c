//! `[audit]`: where the log lies, what an answer waits for, who witnesses it, and what happens when it cannot be written.

use std::path::{Path, PathBuf};

use bascule_crypto::Secret;
use bascule_ledger::VerifierKey;
use bascule_ledger::note::KeyKind;
use bascule_policy::read::{Reader, Section, Word};
use bascule_store::log::Durability;

use super::ask::{choice, first, number, required_section, required_word};
use super::secret::pem_file;
use super::settings::{Audit, Emergency, Syslog, Witness};
use super::upstream::base_url;

/// Witnesses at most.
const WITNESSES_MAX: usize = 16;

/// Reads the section. `store` is the data folder.
pub(super) fn read(
    mut section: Section<'_>,
    base: &Path,
    store: Option<&Path>,
    reader: &mut Reader<'_>,
) -> Option<Audit> {
    let folder = required_word(&mut section, "folder", "\"data/audit\"", reader).map(|word| base.join(word.text));
    let node = section.word("node", reader).map_or_else(|| "gateway-1".to_owned(), |word| word.text);
    let origin = required_word(&mut section, "origin", "\"gateway.example/audit\"", reader).map(|word| word.text);
    if node.is_empty() || !node.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        reader.fault(
            first(&section),
            "`node` is part of a path and of the log's name",
            "use letters, digits and hyphens",
        );
    }
    let lock = required_word(&mut section, "lock", "\"lock/bascule-lock.db\"", reader);
    let lock = lock.map(|word| beside(word, "the lock", base, store, reader));
    let durability = read_durability(&mut section, reader);
    let grace_days = small(&mut section, "grace_days", 30, 1, 366, reader);
    let retention_years = small(&mut section, "retention_years", 6, 6, 100, reader);
    let witness_interval_seconds = small(&mut section, "witness_interval_seconds", 10, 1, 3_600, reader);
    let witnesses = read_witnesses(&mut section, base, reader);
    let emergency = read_emergency(&mut section, base, store, reader);
    let publish = section.flag("publish", reader).unwrap_or(false);
    let staff_by_name = section.flag("staff_by_name", reader).unwrap_or(false);
    let syslog = section.section("syslog", reader).map(|inner| read_syslog(inner, base, reader));
    section.finish(reader);
    let syslog = match syslog {
        None => None,
        Some(syslog) => Some(syslog?),
    };
    Some(Audit {
        syslog,
        publish,
        staff_by_name,
        folder: folder?,
        node,
        origin: origin?,
        lock: lock?,
        durability,
        grace_days,
        retention_years,
        witnesses,
        witness_interval_seconds,
        emergency,
    })
}

fn read_syslog(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<Syslog> {
    let address = required_word(&mut section, "address", "\"siem.hospital.example:6514\"", reader).and_then(|word| {
        let read = word.text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        if read.is_none() {
            reader.fault(word.span, "`address` is not a host and port", "write \"siem.hospital.example:6514\"");
        }
        read
    });
    let mut file = |key, reader: &mut Reader<'_>| match section.word(key, reader) {
        None => Some(None),
        Some(word) => pem_file(&word, base, reader).map(Some),
    };
    let (ca_pem, certificate, key) = (file("ca", reader), file("certificate", reader), file("key", reader));
    let place = first(&section);
    section.finish(reader);
    let identity = match (certificate?, key?) {
        (Some(certificate), Some(key)) => Some((certificate, Secret::new(key))),
        (None, None) => None,
        _ => {
            reader.fault(place, "`certificate` and `key` go together", "write both, or neither");
            return None;
        }
    };
    let (host, port) = address?;
    Some(Syslog { host, port, ca_pem: ca_pem?, identity })
}

/// A path that must not lie in the data folder.
fn beside(word: Word, what: &str, base: &Path, store: Option<&Path>, reader: &mut Reader<'_>) -> PathBuf {
    let path = base.join(&word.text);
    if store.is_some_and(|store| path.starts_with(store)) {
        let mend = "put it beside: a backup of the folder must not bring it back";
        reader.fault(word.span, format!("{what} stands in the data folder"), mend);
    }
    path
}

fn small(
    section: &mut Section<'_>,
    key: &'static str,
    default: u32,
    low: u32,
    high: u32,
    reader: &mut Reader<'_>,
) -> u32 {
    let read = number(section, key, u64::from(default), u64::from(low)..=u64::from(high), reader);
    u32::try_from(read).unwrap_or(high)
}

/// `strict` (default) or `overlap`. `async` stands under `[dangerous]`.
fn read_durability(section: &mut Section<'_>, reader: &mut Reader<'_>) -> Durability {
    if section.value("durability").is_none() {
        return Durability::Strict;
    }
    let words = [("strict", Durability::Strict), ("overlap", Durability::Overlap)];
    choice(section, "durability", &words, reader).unwrap_or_default()
}

fn read_witnesses(section: &mut Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Vec<Witness> {
    let sections = section.sections("witness", reader);
    if let Some(one_too_many) = sections.get(WITNESSES_MAX) {
        reader.fault(first(one_too_many), "there are too many witnesses", format!("name {WITNESSES_MAX} at most"));
    }
    sections.into_iter().filter_map(|section| read_witness(section, base, reader)).collect()
}

fn read_witness(mut section: Section<'_>, base: &Path, reader: &mut Reader<'_>) -> Option<Witness> {
    let url = required_word(&mut section, "url", "\"https://witness.auditor.example\"", reader)
        .and_then(|word| base_url(&word, reader));
    let name = section.word("name", reader);
    let key = required_word(&mut section, "key", "\"witness.auditor.example+1a2b3c4d+…\"", reader)
        .and_then(|word| witness_key(&word, reader));
    if let (Some(name), Some(key)) = (name, &key)
        && name.text != key.name()
    {
        let mend = format!("write name = \"{}\", or leave it out", key.name());
        reader.fault(name.span, format!("`key` is of `{}`", key.name()), mend);
    }
    let ca_pem = match section.word("ca", reader) {
        None => Some(None),
        Some(word) => pem_file(&word, base, reader).map(Some),
    };
    section.finish(reader);
    Some(Witness { url: url?, key: key?, ca_pem: ca_pem? })
}

/// The key as the witness publishes it; one that signs logs is none that cosigns.
fn witness_key(word: &Word, reader: &mut Reader<'_>) -> Option<VerifierKey> {
    match VerifierKey::parse(&word.text) {
        Ok(key) if key.kind() == KeyKind::CosignatureEd25519 => Some(key),
        Ok(_) => {
            let mend = "take the key that the witness publishes (kind 0x04)";
            reader.fault(word.span.clone(), "`key` signs logs and cosigns nothing", mend);
            None
        }
        Err(error) => {
            let mend = "copy the verifier key as the witness publishes it";
            reader.fault(word.span.clone(), format!("`key`: {error}"), mend);
            None
        }
    }
}

/// `"deny"`, or `{ file, hours, accesses_per_hour }`. `None`: nobody has decided.
fn read_emergency(
    section: &mut Section<'_>,
    base: &Path,
    store: Option<&Path>,
    reader: &mut Reader<'_>,
) -> Option<Emergency> {
    section.value("emergency")?;
    if !section.value("emergency").is_some_and(|value| value.get_ref().is_table()) {
        return choice(section, "emergency", &[("deny", ())], reader).map(|()| Emergency::Deny);
    }
    let mut reserve = required_section(section, "emergency", reader)?;
    let file = required_word(&mut reserve, "file", "\"reserve/emergency\"", reader)
        .map(|word| beside(word, "the emergency reserve", base, store, reader));
    let hours = small(&mut reserve, "hours", 24, 1, 720, reader);
    let accesses_per_hour = small(&mut reserve, "accesses_per_hour", 1_000, 10, 1_000_000, reader);
    reserve.finish(reader);
    file.map(|file| Emergency::Reserve { file, hours, accesses_per_hour })
}

/// Whether somebody has decided what happens to clinical care while the log cannot be written.
pub(super) fn decided(
    audit: Option<&Audit>,
    apis: &[bascule_gateway::ApiSettings],
    top: &Section<'_>,
    reader: &mut Reader<'_>,
) {
    let clinical = apis.iter().find(|entry| is_clinical(&entry.api.service));
    if let (Some(Audit { emergency: None, .. }), Some(entry)) = (audit, clinical) {
        let name = &entry.api.name;
        reader.fault(
            first(top),
            format!(
                "`{name}` is clinical, and [audit] does not say what happens to care while the log cannot be written"
            ),
            "write emergency = { file = \"reserve/emergency\", hours = 24 } under [audit], or emergency = \"deny\"",
        );
    }
}

/// Whether care depends on a service (45 CFR 164.312(a)(2)(ii)).
fn is_clinical(service: &str) -> bool {
    matches!(service, "ehr" | "telemedicine" | "imaging" | "laboratory" | "prescriptions")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn care_depends_on_the_clinical_services_only() {
        let clinical = ["ehr", "telemedicine", "imaging", "laboratory", "prescriptions"];
        assert!(clinical.into_iter().all(is_clinical));
        assert!(!["billing", "scheduling", "messaging"].into_iter().any(is_clinical));
    }
}
