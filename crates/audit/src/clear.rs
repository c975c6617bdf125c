//! The clear part of an entry: what anybody who reads the log may see. No identifier of any person stands here.

use serde::{Deserialize, Serialize};

/// Bytes of the longest word in the clear part.
pub const WORD_BYTES_MAX: usize = 128;
/// Element paths that are named as withheld; the number of the others is kept.
pub const WITHHELD_MAX: usize = 64;
/// Interactions inside a batch that one entry names; the number of the others is kept.
pub const INNER_MAX: usize = 100;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A request is about to go upstream. Stands in the write-ahead log only.
    Intent,
    /// An answer left.
    Access,
    /// A request was refused.
    Refusal,
    /// An answer was broken off midway: some of it may have left.
    BrokenOff,
    /// An intent whose end is not known: the process ended, or the request was abandoned.
    Unknown,
    /// More patients of the entry before.
    Continuation,
    /// Something about the bridge itself.
    System,
}

/// FHIR's `AuditEvent.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0
    Success,
    /// 4: the caller's fault.
    Minor,
    /// 8: the bridge's or the upstream's fault.
    Serious,
    /// 12: the bridge could not go on.
    Major,
}

impl Outcome {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Minor => 4,
            Self::Serious => 8,
            Self::Major => 12,
        }
    }

    /// What a status code of the answer means.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..=399 => Self::Success,
            400..=499 => Self::Minor,
            _ => Self::Serious,
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            0 => Ok(Self::Success),
            4 => Ok(Self::Minor),
            8 => Ok(Self::Serious),
            12 => Ok(Self::Major),
            _ => Err(serde::de::Error::custom("outcome is 0, 4, 8 or 12")),
        }
    }
}

/// What policy said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Yes.
    Permit,
    /// No.
    Refuse,
}

/// One interaction inside a batch or transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inner {
    /// Why not, as a code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// What policy said of it.
    pub decision: Decision,
    /// Its place in the Bundle, from 0.
    pub index: u64,
    /// `read`, `search`, …
    pub interaction: String,
    /// The type in its path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// The rule that decided.
    pub rule: String,
    /// Status code of its answer.
    pub status: u16,
}

/// Which piece of a long entry this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// From 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

/// Keyed digests of the bodies that passed, in base64, so that the integrity of the data can be shown, not only that of the log
/// (45 CFR 164.312(c)). Each is SHA-256 over a key of this entry alone and the body's SHA-256: without the key, not even
/// a guessed body can be tried out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyedDigests {
    /// Of what came from the upstream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub received: Option<String>,
    /// Of what left to the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released: Option<String>,
    /// Of what was sent to the upstream.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sent: Option<String>,
}

/// The clear part. Fields stand in the order of their JSON names, so that the bytes are canonical (RFC 8785).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clear {
    /// The agreement that covers the recipient.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agreement: Option<String>,
    /// The API asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub api: Option<String>,
    /// Microseconds since 1970.
    pub at: i64,
    /// Whether the emergency rule was used.
    #[serde(skip_serializing_if = "is_false", default)]
    pub break_glass: bool,
    /// Why not, as a code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// The OAuth client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
    /// What policy said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub decision: Option<Decision>,
    /// Of the bodies that passed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub digests: Option<KeyedDigests>,
    /// Whether it counts for an accounting of disclosures (45 CFR 164.528).
    #[serde(skip_serializing_if = "is_false", default)]
    pub disclosure: bool,
    /// How long the request took, in microseconds.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub duration_us: u64,
    /// Which month's keys seal the other parts: `2026-11`.
    pub epoch: String,
    /// A random name of this entry, in hex. Keys of the sealed parts are derived from it.
    pub id: String,
    /// The interactions of a batch.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub inner: Vec<Inner>,
    /// How many interactions of a batch there were beyond those in `inner`.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub inner_unnamed: u64,
    /// The intent that this entry closes, in hex.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intent: Option<String>,
    /// `read`, `search`, …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interaction: Option<String>,
    /// What this entry is about.
    pub kind: Kind,
    /// In observe mode, why enforcing would have refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub observed: Option<String>,
    /// Success or whose fault.
    pub outcome: Outcome,
    /// How many patients the access touched, continuations included.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub patients: u64,
    /// Which piece of a long entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub piece: Option<Piece>,
    /// Hex SHA-256 of the policy that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<String>,
    /// Purpose of use (HL7 v3 PurposeOfUse).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub purpose: Option<String>,
    /// The request's id, which the bridge gave.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<String>,
    /// The resource type asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource: Option<String>,
    /// The role whose rule decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rule: Option<String>,
    /// Status code of the answer; 0 if there is none.
    #[serde(skip_serializing_if = "is_zero_u16", default)]
    pub status: u16,
    /// What happened to the bridge itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub system: Option<serde_json::Value>,
    /// How many refusals of one address and cause this entry stands for, if it is a count.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub times: u64,
    /// Element paths kept back.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub withheld: Vec<String>,
    /// How many resources were kept back whole.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub withheld_resources: u64,
    /// How many more element paths were kept back than `withheld` names.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub withheld_unnamed: u64,
}

/// A word for the clear part: printable ASCII without quotes, of bounded length. What is not becomes `?`: an entry is
/// never lost over its spelling.
#[must_use]
pub fn word(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii() && is_plain(letter as u8) { letter } else { '?' };
    text.chars().take(WORD_BYTES_MAX).map(plain).collect()
}

/// As [`word`]; what is one already is not copied.
pub(crate) fn worded(text: String) -> String {
    let is_one = text.len() <= WORD_BYTES_MAX && text.bytes().all(is_plain);
    if is_one { text } else { word(&text) }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero_u16(value: &u16) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain_and_bounded() {
        assert_eq!(word("a\"b\\c\nd\u{e9}"), "a?b?c?d?");
        assert_eq!(word(&"x".repeat(1000)).len(), WORD_BYTES_MAX);
        for text in ["plain word", "a\"b", "\u{e9}", &"x".repeat(1000), ""] {
            assert_eq!(worded(text.to_owned()), word(text));
        }
    }
}
