//! Things that happen to the bridge itself and belong in its log, so that silence and change are visible.

use serde_json::{Value, json};

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
            Self::Administration { act, record, by } => {
                json!({"act": act, "by": by, "event": "administration", "record": record})
            }
        };
        plain(value)
    }
}

/// Makes every text a plain word.
fn plain(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(crate::clear::word(&text)),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(name, value)| (name, plain(value))).collect()),
        other => other,
    }
}
