//! What a partner may send.

use bascule_hl7::{Message, MessageKind};

/// The rules of one partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Kinds of messages, as in `ORU^R01`, or `ORU^*` for every event of a code.
    pub kinds: Vec<String>,
    /// MSH-4.1, or MSH-3.1 where MSH-4 is empty.
    pub facilities: Vec<String>,
    /// MSH-11.1: `P` for production; a hospital's test systems send `T` or `D`.
    pub processing: Vec<String>,
    /// For which orders it may send results.
    pub orders: Orders,
}

/// For which orders results are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Orders {
    /// Any, or none.
    Any,
    /// Those that the chart has, of the same patient.
    Known,
    /// Those that the chart has, of the same patient, asked of this performer (a reference, as in `Organization/lab-north`).
    Own(String),
}

impl Rules {
    /// Why the partner may not send this message, `None` if it may: table 0357's code and a sentence for the sender.
    #[must_use]
    pub fn refusal(&self, message: &Message<'_>, kind: &MessageKind) -> Option<(&'static str, String)> {
        if !self.allows_kind(kind) {
            return Some((
                "200",
                format!("messages of kind {kind} are not agreed with you; agreed are {}", self.kinds.join(", ")),
            ));
        }
        let facility = message.header(4, 1).or_else(|| message.header(3, 1)).unwrap_or_default();
        if !self.facilities.contains(&facility) {
            return Some((
                "103",
                "MSH-4: this sending facility is not agreed with you; send the one that is".to_owned(),
            ));
        }
        let processing = message.header(11, 1).unwrap_or_default();
        if !self.processing.contains(&processing) {
            return Some((
                "202",
                format!("MSH-11: this processing id is not taken here; taken are {}", self.processing.join(", ")),
            ));
        }
        None
    }

    fn allows_kind(&self, kind: &MessageKind) -> bool {
        self.kinds.iter().any(|rule| match rule.split_once('^') {
            Some((code, "*")) => code == kind.code,
            Some((code, event)) => code == kind.code && event == kind.event,
            None => *rule == kind.code && kind.event.is_empty(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bascule_hl7::Limits;

    fn check(header: &str, code: Option<&str>) {
        let rules = Rules {
            kinds: vec!["ORU^*".into(), "ADT^A01".into()],
            facilities: vec!["NORTH".into()],
            processing: vec!["P".into()],
            orders: Orders::Any,
        };
        let bytes = format!("MSH|^~\\&|{header}\r");
        let message = Message::read(bytes.as_bytes(), &Limits::default()).unwrap();
        let kind = message.kind().unwrap();
        assert_eq!(rules.refusal(&message, &kind).map(|(code, _)| code), code, "{header}");
    }

    #[test]
    fn a_partner_sends_what_is_agreed_and_nothing_else() {
        check("LAB|NORTH|||||ORU^R01|1|P", None);
        check("NORTH||||||ORU^R32|1|P", None);
        check("LAB|NORTH|||||ADT^A01|1|P", None);
        check("LAB|NORTH|||||ADT^A08|1|P", Some("200"));
        check("LAB|SOUTH|||||ORU^R01|1|P", Some("103"));
        check("NORTH|SOUTH|||||ORU^R01|1|P", Some("103"));
        check("LAB|NORTH|||||ORU^R01|1|T", Some("202"));
        check("LAB|NORTH|||||ORU^R01|1|", Some("202"));
    }
}
