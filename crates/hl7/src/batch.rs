//! Files and batches (2.10.3): FHS, BHS, messages, BTS, FTS; and files that are just messages one after another.

use crate::Fault;

/// A piece of a file, in order. All pieces together are the file, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'b> {
    /// FHS.
    FileHeader(&'b [u8]),
    /// BHS.
    BatchHeader(&'b [u8]),
    /// MSH and what follows it.
    Message(&'b [u8]),
    /// BTS.
    BatchTrailer(&'b [u8]),
    /// FTS.
    FileTrailer(&'b [u8]),
}

impl<'b> Piece<'b> {
    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> &'b [u8] {
        match self {
            Self::FileHeader(bytes)
            | Self::BatchHeader(bytes)
            | Self::Message(bytes)
            | Self::BatchTrailer(bytes)
            | Self::FileTrailer(bytes) => bytes,
        }
    }

    fn new(bytes: &'b [u8]) -> Self {
        match bytes.get(..3) {
            Some(b"FHS") => Self::FileHeader(bytes),
            Some(b"BHS") => Self::BatchHeader(bytes),
            Some(b"BTS") => Self::BatchTrailer(bytes),
            Some(b"FTS") => Self::FileTrailer(bytes),
            _ => Self::Message(bytes),
        }
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batches<'b> {
    /// The pieces in order.
    pub pieces: Vec<Piece<'b>>,
}

impl<'b> Batches<'b> {
    /// The messages in order.
    pub fn messages(&self) -> impl Iterator<Item = &'b [u8]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Message(bytes) => Some(*bytes),
            _ => None,
        })
    }

    /// Does the file hold what its trailers say, in the order of the standard?
    ///
    /// # Errors
    /// `Batch`, with what is missing or miscounted. The messages can be read all the same; whether they are taken is the
    /// receiver's rule.
    pub fn check(&self) -> Result<(), Fault> {
        let mut count = Count::default();
        for piece in &self.pieces {
            count.take(*piece)?;
        }
        count.end()
    }
}

#[derive(Default)]
struct Count {
    file: bool,
    batch: bool,
    messages: usize,
    batches: usize,
}

impl Count {
    fn take(&mut self, piece: Piece<'_>) -> Result<(), Fault> {
        match piece {
            Piece::FileHeader(_) if self.file || self.batch || self.batches > 0 => {
                fault("FHS stands after the beginning")
            }
            Piece::FileHeader(_) => {
                self.file = true;
                Ok(())
            }
            Piece::BatchHeader(_) if self.batch => fault("BHS stands in a batch that has no BTS"),
            Piece::BatchHeader(_) => {
                self.batch = true;
                self.messages = 0;
                Ok(())
            }
            Piece::Message(_) => {
                self.messages = self.messages.saturating_add(1);
                Ok(())
            }
            Piece::BatchTrailer(bytes) => self.end_batch(bytes),
            Piece::FileTrailer(bytes) => self.end_file(bytes),
        }
    }

    fn end_batch(&mut self, trailer: &[u8]) -> Result<(), Fault> {
        if !self.batch {
            return fault("BTS without its BHS");
        }
        self.batch = false;
        self.batches = self.batches.saturating_add(1);
        agree("BTS-1", "messages", declared(trailer), self.messages)
    }

    fn end_file(&mut self, trailer: &[u8]) -> Result<(), Fault> {
        if !self.file {
            return fault("FTS without its FHS");
        }
        self.file = false;
        if self.batch {
            fault("FTS stands before BTS")
        } else {
            agree("FTS-1", "batches", declared(trailer), self.batches)
        }
    }

    fn end(&self) -> Result<(), Fault> {
        match (self.batch, self.file) {
            (true, _) => fault("BHS without its BTS: the end of the file is missing"),
            (_, true) => fault("FHS without its FTS: the end of the file is missing"),
            _ => Ok(()),
        }
    }
}

fn agree(path: &str, what: &str, declared: Option<usize>, found: usize) -> Result<(), Fault> {
    match declared {
        Some(declared) if declared != found => fault(&format!("{path} says {declared} {what}, {found} came")),
        _ => Ok(()),
    }
}

fn fault<T>(why: &str) -> Result<T, Fault> {
    Err(Fault::Batch { why: why.to_owned() })
}

/// The first field of a trailer, if it is a number. A trailer does not declare its delimiters: what follows its name is one.
fn declared(trailer: &[u8]) -> Option<usize> {
    let (delimiter, fields) = trailer.get(3..)?.split_first()?;
    let field = fields.split(|byte| byte == delimiter || byte.is_ascii_control()).next()?;
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}

/// Takes a file apart at the segments that begin a piece.
///
/// # Errors
/// `Empty` if there is nothing, `NoHeader` if it begins with another segment.
pub fn split(bytes: &[u8]) -> Result<Batches<'_>, Fault> {
    let starts = starts(bytes);
    let Some(&first) = starts.first() else {
        let rest = bytes.trim_ascii();
        return Err(if rest.is_empty() {
            Fault::Empty
        } else {
            Fault::NoHeader { found: crate::fault::glimpse(rest) }
        });
    };
    let lead = bytes.get(..first).unwrap_or_default();
    if !lead.strip_prefix(b"\xef\xbb\xbf").unwrap_or(lead).trim_ascii().is_empty() {
        return Err(Fault::NoHeader { found: crate::fault::glimpse(lead) });
    }
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let pieces = starts.iter().zip(ends).filter_map(|(start, end)| bytes.get(*start..end)).map(Piece::new).collect();
    Ok(Batches { pieces })
}

fn starts(bytes: &[u8]) -> Vec<usize> {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let after_breaks = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\r' | b'\n'))
        .map(|(place, _)| place.saturating_add(1));
    std::iter::once(mark).chain(after_breaks).filter(|place| begins(bytes.get(*place..).unwrap_or_default())).collect()
}

fn begins(rest: &[u8]) -> bool {
    match rest.get(..3) {
        Some(b"MSH" | b"FHS" | b"BHS" | b"BTS" | b"FTS") => {
            rest.get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "FHS|^~\\&|a\rBHS|^~\\&|b\rMSH|^~\\&|1\rPID|1\rMSH|^~\\&|2\rBTS|2\rFTS|1\r";

    #[test]
    fn a_file_is_its_pieces() {
        let batches = split(FILE.as_bytes()).unwrap();
        assert_eq!(batches.messages().count(), 2);
        assert_eq!(batches.pieces.iter().flat_map(|piece| piece.bytes()).copied().collect::<Vec<_>>(), FILE.as_bytes());
        assert_eq!(batches.check(), Ok(()));
    }

    #[test]
    fn a_lone_message_and_several_in_a_row_are_files_too() {
        assert_eq!(split(b"MSH|^~\\&|1\r").unwrap().check(), Ok(()));
        assert_eq!(split(b"\xef\xbb\xbf\r\nMSH|^~\\&|1\nMSH|^~\\&|2\n").unwrap().messages().count(), 2);
    }

    fn check(file: &str, why: &str) {
        assert_eq!(split(file.as_bytes()).unwrap().check(), fault(why), "{file}");
    }

    #[test]
    fn what_a_trailer_says_must_be_so() {
        check(&FILE.replace("BTS|2", "BTS|3"), "BTS-1 says 3 messages, 2 came");
        check(&FILE.replace("FTS|1", "FTS|2"), "FTS-1 says 2 batches, 1 came");
        check(&FILE.replace("FTS|1\r", ""), "FHS without its FTS: the end of the file is missing");
        check(&FILE.replace("BTS|2\r", ""), "FTS stands before BTS");
        check("MSH|^~\\&|1\rBTS|1\r", "BTS without its BHS");
    }

    #[test]
    fn what_begins_with_something_else_is_refused() {
        assert_eq!(split(b" \r\n").unwrap_err(), Fault::Empty);
        assert!(matches!(split(b"PID|1\rMSH|^~\\&|\r"), Err(Fault::NoHeader { .. })));
        assert!(matches!(split(b"hello"), Err(Fault::NoHeader { .. })));
    }
}
