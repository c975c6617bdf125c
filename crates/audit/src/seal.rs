//! Sealing: an entry becomes the bytes that the log keeps.
//!
//! ```text
//! {"agent":"…","clear":{…},"keys":"…","patients":["…"],"v":1}
//! ```
//!
//! Each sealed part is base64 of nonce and AES-256-GCM ciphertext. Its key is HMAC-SHA-256 of the entry's random id and
//! the part's label under a base key: the month's staff key for `agent`, patient key and month key together for each of
//! `patients`. `keys` are the random names of the patients' keys, masked under the month's key. The associated data is the clear part
//! and the label, so parts cannot be moved between entries or places. One part's key can be handed out alone.
//!
//! The digests of bodies stand in the clear part, each as SHA-256 over a key of 32 bytes and the body's SHA-256: a commitment, whose
//! key is derived in the same way (label `digests`) from the key of the entry's one patient, else from the month's staff key. They
//! tell nothing without it, and with it anybody can show that some bytes are those that passed.

use std::sync::Arc;

use bascule_crypto::digest::{HmacKey, Sha256, sha256_parts};
use bascule_crypto::{Secret, aead, hex};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

use crate::clear::{Clear, KeyedDigests};
use crate::entry::Entry;
use crate::parts::Digests;
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
        hex::encode(&self.0)
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

/// The base keys that seal one entry, made ready.
#[derive(Debug)]
pub struct PartKeys<'a> {
    /// Which month: `2026-11`.
    pub epoch: &'a str,
    /// The month's staff key.
    pub agent: &'a HmacKey,
    /// The month's key, for the part that names patient keys.
    pub hints: &'a HmacKey,
    /// For each patient of the entry, in order: the key's name and the base key of patient and month together.
    pub patients: &'a [(KeyId, Arc<HmacKey>)],
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

/// Seals `entry`, which is named and dated by it. `closes` is the intent that it ends; `random` fills a slice with fresh random
/// bytes.
///
/// # Errors
/// `NoKey` if there are fewer patient keys than patients, `TooLong`, or what the library refuses.
pub fn seal(
    entry: &mut Entry,
    closes: Option<EntryId>,
    keys: &PartKeys<'_>,
    random: &mut impl FnMut(&mut [u8]),
) -> Result<Sealed, AuditError> {
    if keys.patients.len() != entry.patients.len() {
        return Err(AuditError::NoKey("patient"));
    }
    // All randomness at once: a name, and a nonce for each part.
    let mut fresh = vec![0; ID_BYTES + (1 + keys.patients.len()) * aead::NONCE_BYTES];
    random(&mut fresh);
    let id = named(entry, closes, &fresh, keys.epoch);
    entry.clear.digests = entry.digests.as_ref().map(|digests| keyed(digests, id, keys));
    let mut clear = json(&entry.clear)?;
    let clear_bytes = clear.len();
    clear.push(b'\n');
    let mut sealer = Sealer { id, associated: clear, clear_bytes, scratch: Vec::with_capacity(1024) };
    let (nonces, _) = fresh.get(ID_BYTES..).unwrap_or_default().as_chunks::<{ aead::NONCE_BYTES }>();
    let mut nonces = nonces.iter().copied();
    let mut nonce = || nonces.next().ok_or(AuditError::NoKey("patient"));
    let mut bytes = Vec::with_capacity(2 * clear_bytes + 512);
    bytes.push(b'{');
    if let Some(agent) = &entry.agent {
        bytes.extend_from_slice(b"\"agent\":");
        sealer.seal(&mut bytes, keys.agent, "agent", nonce()?, |plain| write(plain, agent))?;
        bytes.push(b',');
    }
    bytes.extend_from_slice(b"\"clear\":");
    bytes.extend_from_slice(sealer.clear());
    if !keys.patients.is_empty() {
        bytes.extend_from_slice(b",\"keys\":");
        let mut names: Vec<u8> = keys.patients.iter().flat_map(|(key, _)| key.0).collect();
        mask(keys.hints, id, &mut names);
        quoted(&mut bytes, &names)?;
        bytes.extend_from_slice(b",\"patients\":[");
        for (place, (patient, (_, key))) in entry.patients.iter().zip(keys.patients).enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            sealer.seal(&mut bytes, key, &patient_label(place), nonce()?, |plain| write(plain, patient))?;
        }
        bytes.push(b']');
    }
    finish(id, bytes, SEALED_BYTES_MAX)
}

/// The end of an intent that nobody closed: `intent`, the bytes of its record, stands inside as it was written.
///
/// # Errors
/// `Malformed` if `intent` is no record, `TooLong`.
pub fn enclose(
    entry: &mut Entry,
    intent: &[u8],
    epoch: &str,
    random: &mut impl FnMut(&mut [u8]),
) -> Result<Sealed, AuditError> {
    let mut fresh = [0; ID_BYTES];
    random(&mut fresh);
    let id = named(entry, None, &fresh, epoch);
    let intent: &serde_json::value::RawValue =
        serde_json::from_slice(intent).map_err(|error| AuditError::Malformed(error.to_string()))?;
    let mut bytes = b"{\"clear\":".to_vec();
    write(&mut bytes, &entry.clear)?;
    bytes.extend_from_slice(b",\"intent\":");
    bytes.extend_from_slice(intent.get().as_bytes());
    finish(id, bytes, ENTRY_BYTES_MAX)
}

const ID_BYTES: usize = 16;
/// How the digests' key is derived, beside the labels of the parts.
const DIGESTS: &str = "digests";

struct Sealer {
    id: EntryId,
    /// The clear part and a newline, to which each part adds its label.
    associated: Vec<u8>,
    clear_bytes: usize,
    scratch: Vec<u8>,
}

impl Sealer {
    fn clear(&self) -> &[u8] {
        self.associated.get(..self.clear_bytes).unwrap_or_default()
    }

    /// Appends a part to the entry: what `plain` writes, sealed, in base64, in quotes.
    fn seal(
        &mut self,
        entry: &mut Vec<u8>,
        base: &HmacKey,
        label: &str,
        nonce: [u8; aead::NONCE_BYTES],
        plain: impl FnOnce(&mut Vec<u8>) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let Self { id, associated, clear_bytes, scratch } = self;
        associated.truncate(*clear_bytes + 1);
        associated.extend_from_slice(label.as_bytes());
        scratch.clear();
        scratch.extend_from_slice(&nonce);
        plain(scratch)?;
        let key = base.derive(&[&id.0, label.as_bytes()]);
        aead::seal_in_place(&*key, nonce, associated, scratch, aead::NONCE_BYTES)?;
        quoted(entry, scratch)
    }
}

/// Appends `bytes` in base64, in quotes.
fn quoted(entry: &mut Vec<u8>, bytes: &[u8]) -> Result<(), AuditError> {
    entry.push(b'"');
    let from = entry.len();
    entry.resize(from + bytes.len().div_ceil(3) * 4, b'=');
    let place = entry.get_mut(from..).unwrap_or_default();
    STANDARD.encode_slice(bytes, place).map_err(|error| AuditError::Malformed(error.to_string()))?;
    entry.push(b'"');
    Ok(())
}

/// Hides the names of patients' keys under the month's key, or shows them again. They are random, and a name that was tampered with
/// opens nothing, so that they need no tag of their own.
pub(crate) fn mask(hints: &HmacKey, id: EntryId, names: &mut [u8]) {
    for (place, block) in names.chunks_mut(32).enumerate() {
        let pad = hints.digest(&[&id.0, b"keys", &(place as u64).to_be_bytes()]);
        block.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    }
}

/// The key of one sealed part. It opens this part of this entry, and nothing else.
#[must_use]
pub fn part_key(base: &Secret, id: EntryId, label: &str) -> Secret {
    Secret::new(HmacKey::new(base).digest(&[&id.0, label.as_bytes()]))
}

/// The digests of bodies, under a key that is this entry's own: the patient's, if there is one patient, so that shredding the
/// patient's key takes them along; else that of the month's staff.
fn keyed(digests: &Digests, id: EntryId, keys: &PartKeys<'_>) -> KeyedDigests {
    let base = match keys.patients {
        [(_, patient)] => patient,
        _ => keys.agent,
    };
    keyed_under(&*base.derive(&[&id.0, DIGESTS.as_bytes()]), digests)
}

/// As an entry of that name says them, `base` being the key of its one patient and its month, else the month's staff key.
pub(crate) fn keyed_digests(base: &Secret, id: EntryId, digests: &Digests) -> KeyedDigests {
    keyed_under(part_key(base, id, DIGESTS).expose(), digests)
}

fn keyed_under(key: &[u8], digests: &Digests) -> KeyedDigests {
    let keyed = |digest: &Option<Sha256>| digest.map(|digest| STANDARD.encode(sha256_parts(&[key, &digest])));
    KeyedDigests { received: keyed(&digests.received), released: keyed(&digests.released), sent: keyed(&digests.sent) }
}

pub(crate) fn patient_label(place: usize) -> String {
    format!("patient/{place}")
}

pub(crate) fn associated(clear: &[u8], label: &str) -> Vec<u8> {
    [clear, b"\n", label.as_bytes()].concat()
}

/// Gives the entry its random name and its month.
fn named(entry: &mut Entry, closes: Option<EntryId>, fresh: &[u8], epoch: &str) -> EntryId {
    let id = EntryId(fresh.first_chunk().copied().unwrap_or_default());
    let clear: &mut Clear = &mut entry.clear;
    clear.id = id.to_hex();
    epoch.clone_into(&mut clear.epoch);
    if let Some(closes) = closes {
        clear.intent = Some(closes.to_hex());
    }
    id
}

fn json(part: &impl Serialize) -> Result<Vec<u8>, AuditError> {
    let mut bytes = Vec::with_capacity(1024);
    write(&mut bytes, part)?;
    Ok(bytes)
}

fn write(bytes: &mut Vec<u8>, part: &impl Serialize) -> Result<(), AuditError> {
    serde_json::to_writer(bytes, part).map_err(|error| AuditError::Malformed(error.to_string()))
}

fn finish(id: EntryId, mut bytes: Vec<u8>, bytes_max: usize) -> Result<Sealed, AuditError> {
    bytes.extend_from_slice(format!(",\"v\":{SCHEMA_VERSION}}}").as_bytes());
    if bytes.len() > bytes_max {
        return Err(AuditError::TooLong(bytes.len()));
    }
    Ok(Sealed { id, bytes })
}
