//! Who has looked at the record, as the bridge tells it.

use serde_json::Value;

use super::super::words::When;

/// One look.
#[derive(Debug, Clone)]
pub(in super::super) struct Look {
    pub(in super::super) at: Option<When>,
    pub(in super::super) who: String,
    pub(in super::super) what: String,
    pub(in super::super) why: String,
    pub(in super::super) emergency: bool,
}

impl Look {
    /// The day, for putting looks of one day together.
    pub(in super::super) fn day(&self) -> Option<String> {
        self.at.map(When::machine)
    }
}

/// The looks, the newest first.
#[derive(Debug, Clone)]
pub(in super::super) struct Looks {
    pub(in super::super) looks: Vec<Look>,
    /// Whether there are older ones that are not told here.
    pub(in super::super) more: bool,
}

/// Reads the bridge's answer.
pub(in super::super) fn looks(body: &Value) -> Looks {
    let list = body.get("looks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Looks { looks: list.iter().map(look).collect(), more: body.get("more").and_then(Value::as_bool).unwrap_or(false) }
}

fn look(body: &Value) -> Look {
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    Look {
        at: body.get("at").and_then(Value::as_str).and_then(When::parse),
        who: capital(&text("who")),
        what: text("what"),
        why: text("why"),
        emergency: body.get("emergency").and_then(Value::as_bool).unwrap_or(false),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_bridge_tells_is_read_and_what_is_missing_is_left_out() {
        let read = looks(&json!({ "more": true, "looks": [
            { "at": "2026-11-24T20:00:00.000Z", "who": "you", "what": "saw diagnoses", "why": "at your request", "emergency": false },
            {},
        ]}));
        assert!(read.more);
        assert_eq!((read.looks[0].who.as_str(), read.looks[0].day().as_deref()), ("You", Some("2026-11-24")));
        assert_eq!(read.looks[1].at, None);
        assert!(looks(&json!(null)).looks.is_empty());
    }
}
