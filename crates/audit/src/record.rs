//! Reading an entry back out of its bytes, and opening its sealed parts.

use bascule_crypto::digest::{HmacKey, Sha256};
use bascule_crypto::{Secret, aead};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::clear::Clear;
use crate::parts::{AgentPart, Digests, PatientPart};
use crate::seal::{EntryId, KeyId, associated, keyed_digests, mask, part_key, patient_label};
use crate::{AuditError, SCHEMA_VERSION};

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default)]
    agent: Option<String>,
    #[serde(borrow)]
    clear: &'a RawValue,
    #[serde(borrow, default)]
    intent: Option<&'a RawValue>,
    #[serde(default)]
    keys: Option<String>,
    #[serde(default)]
    patients: Vec<String>,
    v: u64,
}

/// An entry as it was read: its clear part, and its sealed parts still sealed.
#[derive(Debug, Clone)]
pub struct Record {
    clear: Clear,
    id: EntryId,
    clear_bytes: Vec<u8>,
    agent: Option<String>,
    keys: Option<String>,
    patients: Vec<String>,
    intent: Option<Box<Record>>,
}

impl Record {
    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// `Malformed` if they are not an entry of schema 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuditError> {
        Self::parse_within(bytes, true)
    }

    fn parse_within(bytes: &[u8], outermost: bool) -> Result<Self, AuditError> {
        let malformed = |error: serde_json::Error| AuditError::Malformed(error.to_string());
        let wire: Wire<'_> = serde_json::from_slice(bytes).map_err(malformed)?;
        if wire.v != SCHEMA_VERSION {
            return Err(AuditError::Malformed(format!("schema {} is not known here", wire.v)));
        }
        let clear: Clear = serde_json::from_str(wire.clear.get()).map_err(malformed)?;
        let id = EntryId::parse(&clear.id).ok_or_else(|| AuditError::Malformed("no entry id".to_owned()))?;
        let intent = match wire.intent {
            Some(_) if !outermost => return Err(AuditError::Malformed("an intent within an intent".to_owned())),
            Some(raw) => Some(Box::new(Self::parse_within(raw.get().as_bytes(), false)?)),
            None => None,
        };
        Ok(Self {
            clear,
            id,
            clear_bytes: wire.clear.get().as_bytes().to_vec(),
            agent: wire.agent,
            keys: wire.keys,
            patients: wire.patients,
            intent,
        })
    }

    /// The clear part.
    #[must_use]
    pub const fn clear(&self) -> &Clear {
        &self.clear
    }

    /// The entry's random name.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        self.id
    }

    /// The intent that an entry of unknown outcome encloses.
    #[must_use]
    pub fn intent(&self) -> Option<&Self> {
        self.intent.as_deref()
    }

    /// The record that says what was asked: the enclosed intent if there is one, else this one.
    #[must_use]
    pub fn about(&self) -> &Self {
        self.intent().unwrap_or(self)
    }

    /// How many patients have a sealed part here.
    #[must_use]
    pub const fn patients(&self) -> usize {
        self.patients.len()
    }

    /// The names of the patients' keys, in order. `hints` is the month's key.
    ///
    /// # Errors
    /// `Broken` if the part is no base64. Under another key the names are of no key.
    pub fn key_ids(&self, hints: &Secret) -> Result<Vec<KeyId>, AuditError> {
        let Some(part) = &self.keys else { return Ok(Vec::new()) };
        let mut names = STANDARD.decode(part).map_err(|_| AuditError::Broken("keys"))?;
        mask(&HmacKey::new(hints), self.id, &mut names);
        let (names, _) = names.as_chunks::<16>();
        Ok(names.iter().copied().map(KeyId).collect())
    }

    /// Who asked. `staff` is the month's staff key.
    ///
    /// # Errors
    /// `Broken` if the part is not of this entry or key.
    pub fn open_agent(&self, staff: &Secret) -> Result<Option<AgentPart>, AuditError> {
        let Some(part) = &self.agent else { return Ok(None) };
        self.open(part, &part_key(staff, self.id, "agent"), "agent").map(Some)
    }

    /// The patient at `place`. `base` is the key of patient and month together.
    ///
    /// # Errors
    /// `NoKey` if there is none at `place`, `Broken` if the part is not of this entry or key.
    pub fn open_patient(&self, place: usize, base: &Secret) -> Result<PatientPart, AuditError> {
        let part = self.patients.get(place).ok_or(AuditError::NoKey("patient"))?;
        let label = patient_label(place);
        self.open(part, &part_key(base, self.id, &label), &label)
    }

    /// Which of the bodies that passed has this SHA-256: `received`, `released`, `sent`. `base` is the key of the entry's one
    /// patient and its month; of an entry of none or several, the month's staff key.
    #[must_use]
    pub fn bodies_with(&self, digest: Sha256, base: &Secret) -> Vec<&'static str> {
        let all = Digests { received: Some(digest), released: Some(digest), sent: Some(digest) };
        let (Some(said), given) = (&self.clear.digests, keyed_digests(base, self.id, &all)) else { return Vec::new() };
        let same = |said: &Option<String>, given: &Option<String>| said.is_some() && said == given;
        [
            ("received", same(&said.received, &given.received)),
            ("released", same(&said.released, &given.released)),
            ("sent", same(&said.sent, &given.sent)),
        ]
        .into_iter()
        .filter_map(|(name, is_it)| is_it.then_some(name))
        .collect()
    }

    fn open<T: DeserializeOwned>(&self, part: &str, key: &Secret, label: &str) -> Result<T, AuditError> {
        let plain = self.open_bytes(part, key, label)?;
        serde_json::from_slice(&plain).map_err(|error| AuditError::Malformed(error.to_string()))
    }

    fn open_bytes(&self, part: &str, key: &Secret, label: &str) -> Result<Vec<u8>, AuditError> {
        let broken = || AuditError::Broken(if label.starts_with('p') { "patient" } else { "agent" });
        let sealed = STANDARD.decode(part).map_err(|_| broken())?;
        let (nonce, sealed) = sealed.split_first_chunk::<{ aead::NONCE_BYTES }>().ok_or_else(broken)?;
        aead::open(key, *nonce, &associated(&self.clear_bytes, label), sealed).map_err(|_| broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{AccessFacts, Entry};
    use crate::seal::{PartKeys, enclose, seal};
    use bascule_crypto::digest::sha256;
    use bascule_fhir::Timestamp;
    use std::sync::Arc;

    fn random() -> impl FnMut(&mut [u8]) {
        let mut next = 0_u8;
        move |bytes: &mut [u8]| {
            bytes.iter_mut().for_each(|byte| {
                next = next.wrapping_add(37);
                *byte = next;
            });
        }
    }

    fn secret(byte: u8) -> Secret {
        Secret::new([byte; 32])
    }

    fn facts() -> AccessFacts {
        let patient = |name: &str| PatientPart { reference: format!("Patient/{name}"), ..PatientPart::default() };
        AccessFacts {
            request_id: "r-1".into(),
            api: "ehr".into(),
            interaction: "search".into(),
            resource: Some("Observation".into()),
            status: 200,
            client: Some("scheduler-app".into()),
            withheld: vec!["Observation.note".into()],
            agent: AgentPart {
                subject: Some("dr-amal".into()),
                address: Some("192.0.2.7".into()),
                ..AgentPart::default()
            },
            patients: vec![patient("anna"), patient("bela")],
            ..AccessFacts::default()
        }
    }

    fn sealed(entry: &Entry) -> Vec<u8> {
        let ready = |byte| HmacKey::new(&secret(byte));
        let patients = [(KeyId([1; 16]), Arc::new(ready(11))), (KeyId([2; 16]), Arc::new(ready(12)))];
        let patients = &patients[..entry.patients().count()];
        let keys = PartKeys { epoch: "2026-11", agent: &ready(1), hints: &ready(2), patients };
        seal(&mut entry.clone(), None, &keys, &mut random()).unwrap().into_bytes()
    }

    #[test]
    fn an_entry_goes_round() {
        let bytes = sealed(&Entry::disclosure(facts(), Timestamp::from_seconds(5)));
        let record = Record::parse(&bytes).unwrap();
        assert_eq!(record.clear().at, 5_000_000);
        assert_eq!(record.clear().patients, 2);
        assert_eq!(record.key_ids(&secret(2)).unwrap(), [KeyId([1; 16]), KeyId([2; 16])]);
        assert_ne!(record.key_ids(&secret(3)).unwrap(), [KeyId([1; 16]), KeyId([2; 16])], "another key shows no names");
        assert_eq!(record.open_agent(&secret(1)).unwrap().unwrap().subject.as_deref(), Some("dr-amal"));
        assert_eq!(record.open_patient(1, &secret(12)).unwrap().reference, "Patient/bela");
        assert_eq!(record.open_patient(1, &secret(11)), Err(AuditError::Broken("patient")));
        assert_eq!(record.open_patient(2, &secret(11)), Err(AuditError::NoKey("patient")));
    }

    #[test]
    fn the_bytes_are_canonical_and_name_no_person() {
        let bytes = sealed(&Entry::disclosure(facts(), Timestamp::from_seconds(5)));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.is_ascii());
        for name in ["amal", "192.0.2.7", "anna", "bela", "Patient/"] {
            assert!(!text.contains(name), "{name}");
        }
        fn sorted(value: &serde_json::Value) -> bool {
            match value {
                serde_json::Value::Object(fields) => fields.keys().is_sorted() && fields.values().all(sorted),
                serde_json::Value::Array(items) => items.iter().all(sorted),
                _ => true,
            }
        }
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(sorted(&value), "{text}");
        assert_eq!(value.to_string(), text, "no white space, no other spelling");
    }

    #[test]
    fn a_part_moved_to_another_place_or_entry_does_not_open() {
        let bytes = sealed(&Entry::disclosure(facts(), Timestamp::from_seconds(5)));
        let other = sealed(&Entry::disclosure(AccessFacts { status: 404, ..facts() }, Timestamp::from_seconds(5)));
        let (record, foreign) = (Record::parse(&bytes).unwrap(), Record::parse(&other).unwrap());
        let mut swapped = record.clone();
        swapped.patients.swap(0, 1);
        assert_eq!(swapped.open_patient(0, &secret(12)), Err(AuditError::Broken("patient")));
        let mut moved = record;
        moved.agent = foreign.agent;
        assert_eq!(moved.open_agent(&secret(1)), Err(AuditError::Broken("agent")));
    }

    #[test]
    fn one_part_can_be_opened_without_any_other_key() {
        let record = Record::parse(&sealed(&Entry::disclosure(facts(), Timestamp::from_seconds(5)))).unwrap();
        let handed_out = part_key(&secret(11), record.id(), "patient/0");
        let part: PatientPart = record.open(&record.patients[0], &handed_out, "patient/0").unwrap();
        assert_eq!(part.reference, "Patient/anna");
        assert!(record.open::<PatientPart>(&record.patients[1], &handed_out, "patient/1").is_err());
    }

    #[test]
    fn an_intent_without_an_end_stands_inside_the_entry_that_says_so() {
        let intent = sealed(&Entry::intent(facts(), Timestamp::from_seconds(5)));
        let id = Record::parse(&intent).unwrap().id();
        let mut entry = Entry::unknown(&id.to_hex(), Timestamp::from_seconds(9));
        let bytes = enclose(&mut entry, &intent, "2026-11", &mut random()).unwrap().into_bytes();
        let record = Record::parse(&bytes).unwrap();
        assert_eq!(record.clear().intent.as_deref(), Some(id.to_hex().as_str()));
        assert_eq!(record.about().open_patient(0, &secret(11)).unwrap().reference, "Patient/anna");
        let nested = enclose(&mut entry, &bytes, "2026-11", &mut random()).unwrap().into_bytes();
        assert!(Record::parse(&nested).is_err());
    }

    #[test]
    fn only_the_body_that_passed_has_the_digest_that_was_kept() {
        let digests = Digests { received: Some(sha256(b"came")), released: Some(sha256(b"left")), sent: None };
        let both = AccessFacts { digests: Some(digests), ..facts() };
        let record = Record::parse(&sealed(&Entry::disclosure(both, Timestamp::from_seconds(5)))).unwrap();
        let staff = secret(1);
        assert_eq!(record.bodies_with(sha256(b"came"), &staff), ["received"]);
        assert_eq!(record.bodies_with(sha256(b"left"), &staff), ["released"]);
        assert!(record.bodies_with(sha256(b"lefu"), &staff).is_empty());
        assert!(record.bodies_with(sha256(b"left"), &secret(11)).is_empty(), "another key tells nothing");
    }

    #[test]
    fn of_one_patient_query_and_digests_go_with_the_patients_key() {
        let mut one = facts();
        one.patients.truncate(1);
        one.agent.query = Some("GET /Patient/anna".into());
        one.digests = Some(Digests { released: Some(sha256(b"left")), ..Digests::default() });
        let record = Record::parse(&sealed(&Entry::disclosure(one, Timestamp::from_seconds(5)))).unwrap();
        assert_eq!(record.open_agent(&secret(1)).unwrap().unwrap().query, None);
        assert_eq!(record.open_patient(0, &secret(11)).unwrap().query.as_deref(), Some("GET /Patient/anna"));
        assert_eq!(record.bodies_with(sha256(b"left"), &secret(11)), ["released"]);
        assert!(record.bodies_with(sha256(b"left"), &secret(1)).is_empty());
    }

    #[test]
    fn the_same_body_has_another_digest_in_each_entry() {
        let keyed = |entropy: u8| {
            let digests = Some(Digests { released: Some(sha256(b"left")), ..Digests::default() });
            let mut entry =
                Entry::disclosure(AccessFacts { digests, ..AccessFacts::default() }, Timestamp::from_seconds(5));
            let ready = HmacKey::new(&secret(1));
            let keys = PartKeys { epoch: "2026-11", agent: &ready, hints: &ready, patients: &[] };
            let sealed = seal(&mut entry, None, &keys, &mut |bytes: &mut [u8]| bytes.fill(entropy)).unwrap();
            Record::parse(sealed.bytes()).unwrap().clear().digests.clone().unwrap().released.unwrap()
        };
        assert_ne!(keyed(1), keyed(2));
        assert_eq!(keyed(1).len(), 44);
    }

    #[test]
    fn strangers_bytes_never_stop_the_house() {
        for bytes in [
            &b""[..],
            b"{",
            b"null",
            b"[]",
            b"{\"v\":1}",
            b"{\"clear\":{},\"v\":1}",
            b"{\"clear\":{},\"v\":2}",
            b"\xff",
        ] {
            assert!(Record::parse(bytes).is_err());
        }
    }
}
