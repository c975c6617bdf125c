//! What masks need of the door: the year, and who gives out codes in the place of identifiers.
//!
//! Every answer has a table of random codes of its own, so that two answers cannot be put together by them; the files of
//! one export share one, so that a reference in one file still leads into another. The tables live in memory only: after a
//! restart an export's further files have other codes. Only what an expert has determined has codes made with a key, and
//! that key is the recipient's own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bascule_crypto::Secret;
use bascule_crypto::digest::hkdf_sha256;
use bascule_fhir::Timestamp;
use bascule_minimum::{Masking, Pseudonyms, Rewrite};
use bascule_policy::{Permit, Profile};
use bascule_store::random;

/// Exports whose codes are remembered at once; the oldest is forgotten first.
const EXPORTS_MAX: usize = 32;

/// Values of one answer that get a code.
const ANSWER_CODES_MAX: usize = 1 << 16;

/// Values of one export that get a code: some hundred megabytes at most.
const EXPORT_CODES_MAX: usize = 1 << 20;

/// Says apart what the key is derived for.
const PURPOSE: &[u8] = b"codes of an expert determination";

/// Who gives out codes at this door.
pub(crate) struct Coder {
    key: Secret,
    exports: Mutex<VecDeque<(String, Arc<Pseudonyms>)>>,
}

/// What one answer is masked with.
pub(crate) struct Codes {
    year: Option<u32>,
    pseudonyms: Option<Arc<Pseudonyms>>,
}

impl Coder {
    /// With the key from which those of the recipients are derived.
    pub(crate) fn new(key: Secret) -> Self {
        Self { key, exports: Mutex::default() }
    }

    /// The codes of an answer under this permit; of a file of an export, those of the export.
    pub(crate) fn codes(&self, permit: &Permit, export: Option<&str>, now: Timestamp) -> Codes {
        let pseudonyms = match (permit.profile(), export) {
            (Some(Profile::Expert), _) => self.keyed(permit),
            (_, Some(export)) => self.of_export(&format!("{} {export}", permit.principal().client())),
            (_, None) => fresh(ANSWER_CODES_MAX),
        };
        let year = now.to_instant().get(..4).and_then(|year| year.parse().ok());
        Codes { year, pseudonyms }
    }

    fn keyed(&self, permit: &Permit) -> Option<Arc<Pseudonyms>> {
        let recipient = permit.principal().organization()?;
        let key = hkdf_sha256(&self.key, recipient.as_bytes(), &[PURPOSE]).ok()?;
        Some(Arc::new(Pseudonyms::keyed(key)))
    }

    fn of_export(&self, name: &str) -> Option<Arc<Pseudonyms>> {
        let mut exports = self.exports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = exports.iter().find(|(other, _)| other == name) {
            return Some(Arc::clone(known));
        }
        let made = fresh(EXPORT_CODES_MAX)?;
        if exports.len() >= EXPORTS_MAX {
            exports.pop_front();
        }
        exports.push_back((name.to_owned(), Arc::clone(&made)));
        Some(made)
    }
}

fn fresh(codes_max: usize) -> Option<Arc<Pseudonyms>> {
    random::bytes().ok().map(|seed| Arc::new(Pseudonyms::random(seed, codes_max)))
}

impl Codes {
    /// The rewriting, with what masks need. If something of that is not to be had, whatever needs it stays.
    pub(crate) fn given<'r>(&'r self, rewrite: Rewrite<'r>) -> Rewrite<'r> {
        match (self.year, self.pseudonyms.as_deref()) {
            (Some(year), Some(pseudonyms)) => rewrite.with_masking(Masking { year, pseudonyms }),
            _ => rewrite,
        }
    }
}
