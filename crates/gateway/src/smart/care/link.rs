//! The link that a refusal carries: it names patient and API under a seal, so that no identifier stands in an address,
//! and is good for the user who was refused.

use bascule_crypto::{Secret, aead};
use bascule_fhir::{Id, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Seconds for which a link is good: an hour at the bedside.
const LINK_SECONDS: i64 = 3_600;
/// Bytes of a link's token.
const TOKEN_BYTES_MAX: usize = 1_024;
/// What the seal is bound to, so that no other sealed text of the house is taken for it.
const BOUND: &[u8] = b"bascule care link v1";

/// For what access is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The user who was refused.
    pub(crate) user: String,
    /// The API.
    pub(crate) api: String,
    /// The patient, if one was named.
    pub(crate) patient: Option<Id>,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    u: String,
    a: String,
    p: Option<String>,
    e: i64,
}

/// Makes and opens links.
pub(crate) struct Links {
    key: Secret,
}

impl Links {
    pub(crate) const fn new(key: Secret) -> Self {
        Self { key }
    }

    /// The token of a link. `None` if the key is unusable, and then there is no link.
    pub(crate) fn seal(&self, ask: &Ask, nonce: [u8; aead::NONCE_BYTES], now: Timestamp) -> Option<String> {
        let sealed = Sealed {
            u: ask.user.clone(),
            a: ask.api.clone(),
            p: ask.patient.as_ref().map(|id| id.as_str().to_owned()),
            e: now.seconds() + LINK_SECONDS,
        };
        let plain = serde_json::to_vec(&sealed).ok()?;
        let sealed = aead::seal(&self.key, nonce, BOUND, &plain).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What a link asks for; nothing if it is not ours, or too old.
    pub(crate) fn open(&self, token: &str, now: Timestamp) -> Option<Ask> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok().filter(|_| token.len() <= TOKEN_BYTES_MAX)?;
        let (nonce, sealed) = bytes.split_first_chunk::<{ aead::NONCE_BYTES }>()?;
        let plain = aead::open(&self.key, *nonce, BOUND, sealed).ok()?;
        let Sealed { u: user, a: api, p, e } = serde_json::from_slice(&plain).ok()?;
        let patient = match p {
            Some(id) => Some(Id::parse(&id)?),
            None => None,
        };
        (now.seconds() < e).then_some(Ask { user, api, patient })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn links(byte: u8) -> Links {
        Links::new(Secret::new(vec![byte; 32]))
    }

    #[test]
    fn a_link_is_good_for_an_hour_and_under_our_seal_only() {
        let ask = Ask { user: "dr".into(), api: "ehr".into(), patient: Id::parse("p1") };
        let token = links(1).seal(&ask, [7; aead::NONCE_BYTES], NOW).unwrap();
        assert!(!token.contains("p1"));
        assert_eq!(links(1).open(&token, NOW.plus_seconds(3_599)), Some(ask));
        assert_eq!(links(1).open(&token, NOW.plus_seconds(3_600)), None);
        assert_eq!(links(2).open(&token, NOW), None);
        for wrong in ["", "AAAA", "not base64!", &format!("{token}A")] {
            assert_eq!(links(1).open(wrong, NOW), None, "{wrong}");
        }
    }
}
