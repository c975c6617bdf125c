//! Why bytes are not an HL7 v2 message: what is wrong, where, and the mend.

use thiserror::Error;

/// A fault in a message, by whose hand it must be mended: always the sender's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// There is nothing to read.
    #[error("the message is empty; send at least an MSH segment")]
    Empty,
    /// The first segment is not a header.
    #[error("the message begins with `{found}`, not with MSH; begin it with its MSH segment")]
    NoHeader {
        /// The first bytes, printable ASCII only, at most three.
        found: String,
    },
    /// MSH-1 and MSH-2 do not declare delimiters that can be told apart.
    #[error("MSH-1 and MSH-2: {why}; the usual delimiters are |^~\\&")]
    Delimiters {
        /// What is wrong with them.
        why: &'static str,
    },
    /// A line is not a segment.
    #[error(
        "segment {number}: `{found}` is not a segment name (a letter and two letters or digits); a line break inside a field is written \\.br\\"
    )]
    SegmentName {
        /// Counted from 1, with MSH as the first.
        number: usize,
        /// The first bytes, printable ASCII only, at most three.
        found: String,
    },
    /// The message is larger than the reader's bound.
    #[error("the message has {bytes} bytes, at most {bytes_max} are read; send large documents by reference")]
    TooLarge {
        /// Bytes that came.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The message has more segments than the reader's bound.
    #[error("the message has more than {segments_max} segments; split it")]
    TooManySegments {
        /// The bound.
        segments_max: usize,
    },
    /// MSH-18 names a character set that is not read.
    #[error("MSH-18: the character set `{name}` is not read; send UNICODE UTF-8, ASCII or 8859/1 to 8859/15")]
    Charset {
        /// The name in MSH-18.
        name: String,
    },
    /// The bytes are not of the character set that MSH-18 declares.
    #[error("segment {number}: the bytes are not {charset} as MSH-18 says; declare the set that they are in")]
    NotInCharset {
        /// Counted from 1.
        number: usize,
        /// The declared set.
        charset: &'static str,
    },
    /// A field that every message needs is missing.
    #[error("{path} is empty; {mend}")]
    Missing {
        /// The field, as in `MSH-9`.
        path: &'static str,
        /// What to send.
        mend: &'static str,
    },
    /// A batch does not hold what its trailer or order says.
    #[error("batch: {why}")]
    Batch {
        /// What is wrong.
        why: String,
    },
    /// A path such as `PID-3.1` could not be read.
    #[error("`{text}` is not an HL7 v2 path; write it as PID-3, PID-3.1, PID-3.4.2 or PID-3(2).1")]
    Path {
        /// The text.
        text: String,
    },
}

/// The first printable bytes of what was found instead, so that an error shows the place and no value of a field.
pub(crate) fn glimpse(bytes: &[u8]) -> String {
    bytes.iter().take(3).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}
