//! What an administrator may do to the delivery queue: look, send again, discard, compare with the chart.

use bascule_fhir::Timestamp;
use bascule_store::delivery::{Delivery, Queue, State, Tally};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::day::{end_of_day, start_of_day};

/// One act on the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum ExchangeAct {
    List { state: String },
    Tally { day: String },
    Replay { number: i64, mended: Option<String> },
    Discard { number: i64, why: String },
}

impl ExchangeAct {
    /// Does it; the value, and the record that was changed, if one was.
    pub(crate) fn perform(self, queue: &Queue, now: Timestamp) -> Result<(Value, Option<String>), String> {
        let failed = |error: bascule_store::StoreError| error.to_string();
        match self {
            Self::List { state } => {
                let rows = queue.list(read_state(&state)?).map_err(failed)?;
                Ok((rows.iter().map(row).collect(), None))
            }
            Self::Tally { day } => {
                let (from, until) = (start_of_day(&day), end_of_day(&day));
                let span = from.zip(until).ok_or_else(|| format!("`{day}` is not a day; write 2026-11-24"))?;
                let rows = queue.tally(span.0, span.1).map_err(failed)?;
                Ok((rows.iter().map(tally_row).collect(), None))
            }
            Self::Replay { number, mended } => {
                let done = queue.replay(number, mended.as_deref().map(str::as_bytes), now).map_err(failed)?;
                changed(done, number, "waiting")
            }
            Self::Discard { number, why } => {
                let done = queue.discard(number, &why, now).map_err(failed)?;
                changed(done, number, "discarded")
            }
        }
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::List { .. } => "exchange-list",
            Self::Tally { .. } => "exchange-tally",
            Self::Replay { .. } => "exchange-replay",
            Self::Discard { .. } => "exchange-discard",
        }
    }
}

fn changed(done: bool, number: i64, state: &str) -> Result<(Value, Option<String>), String> {
    if done {
        return Ok((json!({ "number": number, "state": state }), Some(format!("message {number}"))));
    }
    Err(format!("message {number} is not dead; `bascule exchange queue` lists those that are"))
}

fn read_state(word: &str) -> Result<State, String> {
    match word {
        "waiting" => Ok(State::Waiting),
        "dead" => Ok(State::Dead),
        "delivered" => Ok(State::Delivered),
        "discarded" => Ok(State::Discarded),
        _ => Err(format!("there is no state `{word}`; choose waiting, dead, delivered or discarded")),
    }
}

fn row(delivery: &Delivery) -> Value {
    json!({
        "number": delivery.number, "partner": delivery.partner, "kind": delivery.kind, "control_id": delivery.control_id,
        "received": delivery.received.to_instant(), "attempts": delivery.attempts, "said": delivery.said,
    })
}

fn tally_row(tally: &Tally) -> Value {
    json!({
        "partner": tally.partner, "received": tally.received, "delivered": tally.delivered, "waiting": tally.waiting,
        "dead": tally.dead, "discarded": tally.discarded,
    })
}
