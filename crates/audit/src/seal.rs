//! Sealing: an entry becomes the bytes that the log keeps.
//!
//! ```text
//! {"agent":"…","clear":{…},"keys":"…","patients":["…"],"v":1}
//! ```
//!
//! Each sealed part is base64 of nonce and AES-256-GCM ciphertext. Its key is HMAC-SHA-256 of the entry's random id and
//! the part's label under a base key: the month's staff key for `agent`, the month's key for `keys` (which patient key
//! opens which part), patient key and month key together for each of `patients`. The associated data is the clear part
//! and the label, so parts cannot be moved between entries or places. One part's key can be handed out alone.

use bascule_crypto::Secret;
use bascule_crypto::aead;
use bascule_crypto::digest::hmac_sha256;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::clear::Clear;
use crate::entry::Entry;
use crate::{AuditError, SCHEMA_VERSION};

/// Bytes of the longest entry that a log can hold.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Bytes of the longest sealed entry: an intent must still fit into the entry that tells of its unknown end.
pub const SEALED_BYTES_MAX: usize = ENTRY_BYTES_MAX - 1_024;

/// The random name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 16]);

impl EntryId {
    /// In hex.
    #[must_use]
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// Out of hex.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
        Some(Self(number.to_be_bytes()))
    }
}

/// The random name of a patient's key. It says nothing about the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// The base keys that seal one entry.
#[derive(Debug)]
pub struct PartKeys<'a> {
    /// Which month: `2026-11`.
    pub epoch: &'a str,
    /// The month's staff key.
    pub agent: &'a Secret,
    /// The month's key, for the part that names patient keys.
    pub hints: &'a Secret,
    /// For each patient of the entry, in order: the key's name and the base key of patient and month together.
    pub patients: &'a [(KeyId, Secret)],
}

/// The bytes of an entry. Only [`seal`] and [`enclose`] make them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    id: EntryId,
    bytes: Vec<u8>,
}

impl Sealed {
    /// The entry's random name.
    #[must_use]
    pub const fn id(&self) -> EntryId {
        self.id
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, kept.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    clear: &'a serde_json::value::RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    intent: Option<&'a serde_json::value::RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patients: Vec<String>,
    v: u64,
}

/// Seals `entry`. `closes` is the intent that it ends; `random` fills a slice with fresh random bytes.
///
/// # Errors
/// `NoKey` if there are fewer patient keys than patients, `TooLong`, or what the library refuses.
pub fn seal(
    entry: &Entry,
    closes: Option<EntryId>,
    keys: &PartKeys<'_>,
    random: &mut impl FnMut(&mut [u8]),
) -> Result<Sealed, AuditError> {
    if keys.patients.len() != entry.patients.len() {
        return Err(AuditError::NoKey("patient"));
    }
    let id = fresh_id(random);
    let clear = clear_bytes(entry, closes, id, keys.epoch)?;
    let mut sealer = Sealer { id, clear: clear.get().as_bytes(), random };
    let agent = entry.agent.as_ref().map(|agent| sealer.seal(keys.agent, "agent", &json(agent)?)).transpose()?;
    let names: Vec<u8> = keys.patients.iter().flat_map(|(key, _)| key.0).collect();
    let hints = (!names.is_empty()).then(|| sealer.seal(keys.hints, "keys", &names)).transpose()?;
    let patients = entry
        .patients
        .iter()
        .zip(keys.patients)
        .enumerate()
        .map(|(place, (patient, (_, key)))| sealer.seal(key, &patient_label(place), &json(patient)?));
    let patients = patients.collect::<Result<Vec<_>, _>>()?;
    finish(id, &Wire { agent, clear: &clear, intent: None, keys: hints, patients, v: SCHEMA_VERSION }, SEALED_BYTES_MAX)
}

/// The end of an intent that nobody closed: `intent`, the bytes of its record, stands inside as it was written.
///
/// # Errors
/// `Malformed` if `intent` is no record, `TooLong`.
pub fn enclose(
    entry: &Entry,
    intent: &[u8],
    epoch: &str,
    random: &mut impl FnMut(&mut [u8]),
) -> Result<Sealed, AuditError> {
    let id = fresh_id(random);
    let clear = clear_bytes(entry, None, id, epoch)?;
    let intent: &serde_json::value::RawValue =
        serde_json::from_slice(intent).map_err(|error| AuditError::Malformed(error.to_string()))?;
    let wire =
        Wire { agent: None, clear: &clear, intent: Some(intent), keys: None, patients: vec![], v: SCHEMA_VERSION };
    finish(id, &wire, ENTRY_BYTES_MAX)
}

struct Sealer<'a, R> {
    id: EntryId,
    clear: &'a [u8],
    random: &'a mut R,
}

impl<R: FnMut(&mut [u8])> Sealer<'_, R> {
    fn seal(&mut self, base: &Secret, label: &str, plain: &[u8]) -> Result<String, AuditError> {
        let mut nonce = [0; aead::NONCE_BYTES];
        (self.random)(&mut nonce);
        let sealed = aead::seal(&part_key(base, self.id, label), nonce, &associated(self.clear, label), plain)?;
        Ok(STANDARD.encode([nonce.as_slice(), sealed.as_slice()].concat()))
    }
}

/// The key of one sealed part. It opens this part of this entry, and nothing else.
#[must_use]
pub fn part_key(base: &Secret, id: EntryId, label: &str) -> Secret {
    Secret::new(hmac_sha256(base, &[id.0.as_slice(), label.as_bytes()].concat()))
}

pub(crate) fn patient_label(place: usize) -> String {
    format!("patient/{place}")
}

pub(crate) fn associated(clear: &[u8], label: &str) -> Vec<u8> {
    [clear, b"\n", label.as_bytes()].concat()
}

fn fresh_id(random: &mut impl FnMut(&mut [u8])) -> EntryId {
    let mut id = [0; 16];
    random(&mut id);
    EntryId(id)
}

fn clear_bytes(
    entry: &Entry,
    closes: Option<EntryId>,
    id: EntryId,
    epoch: &str,
) -> Result<Box<serde_json::value::RawValue>, AuditError> {
    let mut clear: Clear = entry.clear.clone();
    clear.id = id.to_hex();
    epoch.clone_into(&mut clear.epoch);
    clear.intent = closes.map(EntryId::to_hex).or(clear.intent);
    serde_json::value::to_raw_value(&clear).map_err(|error| AuditError::Malformed(error.to_string()))
}

fn json(part: &impl Serialize) -> Result<Vec<u8>, AuditError> {
    serde_json::to_vec(part).map_err(|error| AuditError::Malformed(error.to_string()))
}

fn finish(id: EntryId, wire: &Wire<'_>, bytes_max: usize) -> Result<Sealed, AuditError> {
    let bytes = json(wire)?;
    if bytes.len() > bytes_max {
        return Err(AuditError::TooLong(bytes.len()));
    }
    Ok(Sealed { id, bytes })
}
