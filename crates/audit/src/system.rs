//! Things that happen to the bridge itself and belong in its log, so that silence and change are visible.

use serde_json::{Value, json};

/// Bytes of an entry that the lines of a difference may take.
const LINES_BYTES_MAX: usize = 40 * 1024;

/// Something that happened to the bridge. Texts are words of the house or of its operator, never of a patient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemEvent {
    /// The process opened the log.
    Start {
        /// The software's version.
        version: String,
        /// Entries that the write-ahead log held beyond the last checkpoint.
        recovered: u64,
        /// Bytes of a torn last batch that were cut; nothing acknowledged was in them.
        torn_bytes: u64,
    },
    /// The process closes the log.
    Stop,
    /// A shard begins.
    ShardOpen {
        /// The shard's origin.
        origin: String,
        /// The shard's verifier key.
        vkey: String,
        /// Origin of the shard before, if there was one.
        previous_origin: Option<String>,
        /// Size of the shard before at its end.
        previous_size: u64,
        /// Root of the shard before, in base64.
        previous_root: String,
    },
    /// A shard ends; the next one begins elsewhere.
    ShardClose {
        /// The next shard's origin.
        next_origin: String,
    },
    /// A shard's private key was destroyed after its last checkpoint.
    KeyDestroyed {
        /// The shard's origin.
        origin: String,
        /// Witnesses that cosigned the last checkpoint.
        cosignatures: u64,
    },
    /// The clock of the entries went back, or jumped.
    ClockStep {
        /// By how many microseconds; negative is back.
        micros: i64,
    },
    /// The queue was full: the requests were refused, or in `async` mode went on without an entry.
    Gap {
        /// How many.
        lost: u64,
    },
    /// The entries that follow were made while the log could not be written, and stood in the emergency reserve.
    CarriedOver {
        /// How many.
        entries: u64,
    },
    /// The emergency reserve was tried out: written, synced, read back.
    Drill {
        /// What was tried: `emergency-reserve`.
        what: String,
        /// `passed` or why not.
        result: String,
        /// Who, by role or user id of the console.
        by: String,
    },
    /// A person has reviewed something and signs it off (45 CFR 164.308(a)(1)(ii)(D), 164.308(a)(4)).
    Review {
        /// `access`, `activity`, `break-glass`.
        what: String,
        /// First day that was reviewed.
        from: String,
        /// Last day.
        to: String,
        /// What was found.
        note: String,
        /// Who, by role or user id of the console.
        by: String,
    },
    /// A setting, a policy or a mode changed.
    Changed {
        /// What: `policy`, `config`, `durability`, `emergency`, …
        what: String,
        /// Before.
        from: String,
        /// After.
        to: String,
    },
    /// A hold was set or lifted on a month or a patient (by its blind name).
    Hold {
        /// `set` or `lifted`.
        act: String,
        /// `epoch 2026-11` or `patient <blind>`.
        on: String,
        /// The matter.
        matter: String,
        /// Who, by role or user id of the console.
        by: String,
    },
    /// Keys were destroyed, or their destruction was refused.
    Shred {
        /// `done` or `refused`.
        act: String,
        /// `epoch 2026-11` or `patient <key id>`.
        on: String,
        /// Why, or why not.
        reason: String,
    },
    /// Somebody read the log.
    Read {
        /// `search`, `export`, `accounting`, `evidence`.
        act: String,
        /// How many entries were shown.
        shown: u64,
        /// Who, by role or user id of the console.
        by: String,
    },
    /// A witness did not cosign, or does again.
    Witness {
        /// Its name.
        name: String,
        /// `cosigns`, `silent`, `refuses`.
        state: String,
        /// Its status code, or 0.
        status: u16,
    },
    /// A policy was proposed, scheduled, put in force, withdrawn, reviewed, or found in force at a start.
    Policy {
        /// `proposed`, `scheduled`, `in-force`, `withdrawn`, `reviewed`, `begin`, `fallback`.
        act: String,
        /// Number of the change; 0 if none.
        change: u64,
        /// Hash before.
        before: String,
        /// Hash after.
        after: String,
        /// Who wrote it, by user id.
        author: String,
        /// Who approved or reviewed it, by user id; empty if nobody.
        approver: String,
        /// Why.
        reason: String,
        /// By when another person must have looked at it; empty if nobody must.
        review_by: String,
        /// What exactly opens and closes, line by line.
        difference: Vec<String>,
    },
    /// An administrative act on a record.
    Administration {
        /// `client.create`, `user.disable`, …
        act: String,
        /// Id of the record.
        record: String,
        /// Who, by user id.
        by: String,
    },
}

impl SystemEvent {
    /// As the clear part carries it. Keys stand in their order.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let value = match self {
            Self::Start { version, recovered, torn_bytes } => {
                json!({"event": "start", "recovered": recovered, "tornBytes": torn_bytes, "version": version})
            }
            Self::Stop => json!({"event": "stop"}),
            Self::ShardOpen { origin, vkey, previous_origin, previous_size, previous_root } => json!({
                "event": "shard-open", "origin": origin, "previousOrigin": previous_origin,
                "previousRoot": previous_root, "previousSize": previous_size, "vkey": vkey
            }),
            Self::ShardClose { next_origin } => json!({"event": "shard-close", "nextOrigin": next_origin}),
            Self::KeyDestroyed { origin, cosignatures } => {
                json!({"cosignatures": cosignatures, "event": "key-destroyed", "origin": origin})
            }
            Self::ClockStep { micros } => json!({"event": "clock-step", "micros": micros}),
            Self::Gap { lost } => json!({"event": "gap", "lost": lost}),
            Self::CarriedOver { entries } => json!({"entries": entries, "event": "carried-over"}),
            Self::Drill { what, result, by } => {
                json!({"by": by, "event": "drill", "result": result, "what": what})
            }
            Self::Review { what, from, to, note, by } => {
                json!({"by": by, "event": "review", "from": from, "note": note, "to": to, "what": what})
            }
            Self::Changed { what, from, to } => json!({"event": "changed", "from": from, "to": to, "what": what}),
            Self::Hold { act, on, matter, by } => {
                json!({"act": act, "by": by, "event": "hold", "matter": matter, "on": on})
            }
            Self::Shred { act, on, reason } => json!({"act": act, "event": "shred", "on": on, "reason": reason}),
            Self::Read { act, shown, by } => json!({"act": act, "by": by, "event": "read", "shown": shown}),
            Self::Witness { name, state, status } => {
                json!({"event": "witness", "name": name, "state": state, "status": status})
            }
            Self::Policy { act, change, before, after, author, approver, reason, review_by, difference } => json!({
                "act": act, "after": after, "approver": approver, "author": author, "before": before,
                "change": change, "difference": lines(difference), "event": "policy",
                "reason": lines(std::slice::from_ref(reason)), "reviewBy": review_by
            }),
            Self::Administration { act, record, by } => {
                json!({"act": act, "by": by, "event": "administration", "record": record})
            }
        };
        plain(value)
    }
}

/// Lines folded so that each is a word of the log and none is cut; what goes on begins with two spaces. What the entry
/// cannot hold is counted, never left out silently: the hashes name both policies, and the house keeps them.
fn lines(texts: &[String]) -> Vec<String> {
    let (mut folded, mut bytes, mut left_out) = (Vec::new(), 0, 0_usize);
    for text in texts {
        let letters: Vec<char> = text.chars().collect();
        for (at, piece) in letters.chunks(crate::clear::WORD_BYTES_MAX - 2).enumerate() {
            bytes += piece.len() + 6;
            if bytes > LINES_BYTES_MAX {
                left_out += 1;
                continue;
            }
            let piece: String = piece.iter().collect();
            folded.push(if at == 0 { piece } else { format!("  {piece}") });
        }
    }
    if left_out > 0 {
        folded.push(format!("{left_out} more lines: compare the two policies by their hashes"));
    }
    folded
}

/// Makes every text a plain word.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(crate::clear::word(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(plain).collect()),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_folded_and_never_cut_silently() {
        assert_eq!(lines(&["short".to_owned()]), ["short"]);
        let folded = lines(&["x".repeat(300)]);
        assert_eq!(folded.iter().map(|line| line.trim_start().len()).sum::<usize>(), 300);
        assert!(folded.iter().all(|line| line.len() <= crate::clear::WORD_BYTES_MAX));
        let many = lines(&vec!["y".repeat(100); 1_000]);
        assert!(many.last().is_some_and(|last| last.contains("more lines")), "{:?}", many.last());
    }
}
