//! Acknowledgements (2.9.2, 2.9.3): original and enhanced mode, with the fault's place in ERR.

use crate::{Field, Message, escape};

/// MSA-1, table 0008.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcknowledgementCode {
    /// AA: taken and processed.
    ApplicationAccept,
    /// AE: the message has an error.
    ApplicationError,
    /// AR: refused for another reason; sent again as it is, it may be taken later.
    ApplicationReject,
    /// CA: safely stored, responsibility taken over.
    CommitAccept,
    /// CE: could not be stored because of the message.
    CommitError,
    /// CR: refused for its type, version or processing id.
    CommitReject,
}

impl AcknowledgementCode {
    /// The two letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::ApplicationAccept => "AA",
            Self::ApplicationError => "AE",
            Self::ApplicationReject => "AR",
            Self::CommitAccept => "CA",
            Self::CommitError => "CE",
            Self::CommitReject => "CR",
        }
    }

    const fn is_accept(self) -> bool {
        matches!(self, Self::ApplicationAccept | Self::CommitAccept)
    }
}

/// When a sender wants an acknowledgement: table 0155.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenToAcknowledge {
    /// AL.
    Always,
    /// NE.
    Never,
    /// ER.
    OnError,
    /// SU.
    OnSuccess,
}

impl WhenToAcknowledge {
    fn read(code: &str) -> Option<Self> {
        match code {
            "AL" => Some(Self::Always),
            "NE" => Some(Self::Never),
            "ER" => Some(Self::OnError),
            "SU" => Some(Self::OnSuccess),
            _ => None,
        }
    }

    /// Is an acknowledgement with `code` wanted?
    #[must_use]
    pub const fn wants(self, code: AcknowledgementCode) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::OnError => !code.is_accept(),
            Self::OnSuccess => code.is_accept(),
        }
    }
}

/// Which acknowledgements the sender of a message wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wishes {
    /// MSH-15 and MSH-16 are empty: one application acknowledgement.
    Original,
    /// Enhanced mode: a commit acknowledgement as MSH-15 says, an application acknowledgement as MSH-16 says.
    Enhanced {
        /// MSH-15; empty means never.
        commit: WhenToAcknowledge,
        /// MSH-16; empty means never.
        application: WhenToAcknowledge,
    },
}

impl Wishes {
    /// Reads MSH-15 and MSH-16. A code that is not of the table is taken as `AL`: better one answer too many.
    #[must_use]
    pub fn of(message: &Message<'_>) -> Self {
        let read = |field| {
            message.header(field, 1).map(|code| WhenToAcknowledge::read(&code).unwrap_or(WhenToAcknowledge::Always))
        };
        match (read(15), read(16)) {
            (None, None) => Self::Original,
            (commit, application) => Self::Enhanced {
                commit: commit.unwrap_or(WhenToAcknowledge::Never),
                application: application.unwrap_or(WhenToAcknowledge::Never),
            },
        }
    }
}

/// Where and why: ERR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPlace {
    /// ERR-2 as it is written, as in `PID^1^3`; empty if the fault has no place.
    pub location: String,
    /// ERR-3.1, table 0357, as in `101`.
    pub code: &'static str,
    /// ERR-8: one sentence for the sender's operator, without a value of the message.
    pub text: String,
}

/// What an acknowledgement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge<'a> {
    /// MSA-1.
    pub code: AcknowledgementCode,
    /// MSH-10 of the acknowledgement.
    pub control_id: &'a str,
    /// MSH-7 of the acknowledgement.
    pub time: &'a str,
    /// What was wrong; empty on acceptance.
    pub errors: &'a [ErrorPlace],
}

impl Acknowledge<'_> {
    /// The acknowledgement of `message`: sender and receiver change places; delimiters, character set, processing id and
    /// version are the sender's.
    #[must_use]
    pub fn of(&self, message: &Message<'_>) -> Vec<u8> {
        let delimiters = message.delimiters();
        let bar = char::from(delimiters.field);
        let header = |field| message.segments().first().map_or_else(String::new, |msh| as_text(msh.field(field)));
        let component = char::from(delimiters.component);
        let kind = match message.header(9, 2) {
            Some(event) => format!("ACK{component}{}", escape(&event, delimiters)),
            None => "ACK".to_owned(),
        };
        let encoding = String::from_utf8_lossy(&delimiters.encoding_characters()).into_owned();
        let mut msh = vec!["MSH".to_owned(), encoding, header(5), header(6), header(3), header(4)];
        msh.extend([
            self.time.to_owned(),
            String::new(),
            kind,
            escape(self.control_id, delimiters),
            header(11),
            header(12),
        ]);
        msh.extend([const { String::new() }; 5]);
        msh.push(header(18));
        let mut lines = vec![trimmed(msh, bar), self.msa(message, bar)];
        lines.extend(self.errors.iter().map(|error| error.segment(message, bar)));
        let text = lines.concat();
        message.charset().encode(&text)
    }

    fn msa(&self, message: &Message<'_>, bar: char) -> String {
        let control_id = message.control_id().unwrap_or_default();
        let text = self.errors.first().map(|error| escape(&error.text, message.delimiters())).unwrap_or_default();
        let fields = ["MSA".to_owned(), self.code.code().to_owned(), escape(&control_id, message.delimiters()), text];
        trimmed(fields.to_vec(), bar)
    }
}

impl ErrorPlace {
    /// ERR as of v2.5; a sender of an older version finds the text in MSA-3.
    fn segment(&self, message: &Message<'_>, bar: char) -> String {
        let delimiters = message.delimiters();
        let component = char::from(delimiters.component);
        let location = self.location.replace('^', &component.to_string());
        let code = format!("{}{component}{component}HL70357", self.code);
        let text = escape(&self.text, delimiters);
        let fields = ["ERR", "", &location, &code, "E", "", "", "", &text].map(str::to_owned);
        trimmed(fields.to_vec(), bar)
    }
}

fn as_text(field: Field<'_>) -> String {
    field
        .raw()
        .iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' })
        .collect()
}

fn trimmed(mut fields: Vec<String>, bar: char) -> String {
    while fields.last().is_some_and(String::is_empty) {
        fields.pop();
    }
    fields.join(&bar.to_string()) + "\r"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    const ORU: &[u8] =
        b"MSH|^~\\&|LAB|L1^1.2^ISO|EHR|H|20260101||ORU^R01^ORU_R01|m\\T\\1|P^T|2.5.1||||||UNICODE UTF-8\r";

    fn acknowledge(bytes: &[u8], code: AcknowledgementCode, errors: &[ErrorPlace]) -> String {
        let message = Message::read(bytes, &Limits::default()).unwrap();
        let acknowledge = Acknowledge { code, control_id: "a1", time: "20260101120000+0000", errors };
        String::from_utf8(acknowledge.of(&message)).unwrap()
    }

    #[test]
    fn sender_and_receiver_change_places() {
        let text = acknowledge(ORU, AcknowledgementCode::ApplicationAccept, &[]);
        let expect = "MSH|^~\\&|EHR|H|LAB|L1^1.2^ISO|20260101120000+0000||ACK^R01|a1|P^T|2.5.1||||||UNICODE UTF-8\rMSA|AA|m\\T\\1\r";
        assert_eq!(text, expect);
    }

    #[test]
    fn an_error_says_where_and_why() {
        let error =
            ErrorPlace { location: "PID^1^3".into(), code: "101", text: "PID-3 is empty; send a | number".into() };
        let text = acknowledge(ORU, AcknowledgementCode::ApplicationError, &[error]);
        assert!(text.contains("MSA|AE|m\\T\\1|PID-3 is empty; send a \\F\\ number\r"), "{text}");
        assert!(text.ends_with("ERR||PID^1^3|101^^HL70357|E||||PID-3 is empty; send a \\F\\ number\r"), "{text}");
    }

    #[test]
    fn an_acknowledgement_speaks_with_the_senders_delimiters() {
        let text = acknowledge(b"MSH$%*!@$LAB$$EHR$$$$ORU%R01$7$P$2.3\r", AcknowledgementCode::CommitReject, &[]);
        assert_eq!(text, "MSH$%*!@$EHR$$LAB$$20260101120000+0000$$ACK%R01$a1$P$2.3\rMSA$CR$7\r");
    }

    #[test]
    fn both_modes_are_read_off_the_header() {
        let wishes = |fields: &str| {
            let bytes = format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5|||{fields}\r");
            Wishes::of(&Message::read(bytes.as_bytes(), &Limits::default()).unwrap())
        };
        assert_eq!(wishes(""), Wishes::Original);
        let enhanced = Wishes::Enhanced { commit: WhenToAcknowledge::Always, application: WhenToAcknowledge::Never };
        assert_eq!(wishes("AL"), enhanced);
        assert_eq!(wishes("??|NE"), enhanced);
        assert!(WhenToAcknowledge::OnError.wants(AcknowledgementCode::CommitReject));
        assert!(!WhenToAcknowledge::OnError.wants(AcknowledgementCode::CommitAccept));
    }
}
