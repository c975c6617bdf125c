//! A message: its segments in order, read without copying, written again byte for byte.

use crate::charset::Charset;
use crate::delimiters::Delimiters;
use crate::fault::glimpse;
use crate::field::Reading;
use crate::path::is_segment_name;
use crate::{Fault, MessageKind, Path, Segment};

/// How large a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a message.
    pub message_bytes_max: usize,
    /// Segments of a message.
    pub segments_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes_max: 20 * 1024 * 1024, segments_max: 50_000 }
    }
}

/// A message that could be read whole: its bytes are of its character set, each line is a segment.
#[derive(Debug, Clone)]
pub struct Message<'m> {
    lead: &'m [u8],
    reading: Reading,
    segments: Vec<Segment<'m>>,
}

impl<'m> Message<'m> {
    /// Reads a message. Segments end with CR as the standard says, or with LF or CR LF as many files do; a byte order mark
    /// and line breaks before MSH are carried along.
    ///
    /// # Errors
    /// `Fault`, with the segment where it is.
    pub fn read(bytes: &'m [u8], limits: &Limits) -> Result<Self, Fault> {
        if bytes.len() > limits.message_bytes_max {
            return Err(Fault::TooLarge { bytes: bytes.len(), bytes_max: limits.message_bytes_max });
        }
        let start = lead(bytes);
        let (lead, body) = bytes.split_at(start);
        let lines = lines(body, limits)?;
        let (header, _) = lines.first().ok_or(Fault::Empty)?;
        if !header.starts_with(b"MSH") {
            return Err(Fault::NoHeader { found: glimpse(header) });
        }
        let delimiters = Delimiters::read(header)?;
        let reading = Reading { delimiters, charset: Charset::of(declared_charset(header, delimiters), bytes)? };
        let segments = lines.iter().enumerate().map(|(index, line)| segment(index, *line, reading));
        Ok(Self { lead, reading, segments: segments.collect::<Result<_, _>>()? })
    }

    /// The bytes of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.lead.to_vec();
        for segment in &self.segments {
            segment.encode(&mut bytes);
        }
        bytes
    }

    /// The delimiters that it declares.
    #[must_use]
    pub const fn delimiters(&self) -> Delimiters {
        self.reading.delimiters
    }

    /// The character set that it declares, or is in.
    #[must_use]
    pub const fn charset(&self) -> Charset {
        self.reading.charset
    }

    /// All segments, MSH first.
    #[must_use]
    pub fn segments(&self) -> &[Segment<'m>] {
        &self.segments
    }

    /// All segments, to be changed.
    pub fn segments_mut(&mut self) -> &mut Vec<Segment<'m>> {
        &mut self.segments
    }

    /// The first segment of that name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&Segment<'m>> {
        self.segments.iter().find(|segment| segment.name() == name)
    }

    /// The text at `path` in the first segment of its name, `None` if it is empty.
    #[must_use]
    pub fn at(&self, path: &Path) -> Option<String> {
        self.first(&path.segment)?.at(path)
    }

    /// The text of a component of a header field, `None` if it is empty.
    #[must_use]
    pub fn header(&self, field: usize, component: usize) -> Option<String> {
        self.segments.first()?.text(field, component)
    }

    /// What it is: MSH-9.
    ///
    /// # Errors
    /// `Missing` if MSH-9.1 is empty.
    pub fn kind(&self) -> Result<MessageKind, Fault> {
        let missing = Fault::Missing { path: "MSH-9", mend: "say what the message is, as in ADT^A01^ADT_A01" };
        let code = self.header(9, 1).ok_or(missing)?;
        Ok(MessageKind { code, event: self.header(9, 2).unwrap_or_default() })
    }

    /// The sender's number for it: MSH-10.
    ///
    /// # Errors
    /// `Missing` if it is empty.
    pub fn control_id(&self) -> Result<String, Fault> {
        let missing = Fault::Missing { path: "MSH-10", mend: "give each message a control id that is not used again" };
        self.header(10, 1).ok_or(missing)
    }
}

fn segment<'m>(index: usize, (line, terminator): (&'m [u8], &'m [u8]), reading: Reading) -> Result<Segment<'m>, Fault> {
    let number = index.saturating_add(1);
    let (name, rest) = line.split_at_checked(3).unwrap_or((line, &[]));
    let ended = rest.first().is_none_or(|byte| *byte == reading.delimiters.field);
    if !is_segment_name(name) || !ended || (name == b"MSH" && index > 0) {
        return Err(Fault::SegmentName { number, found: glimpse(line) });
    }
    if reading.charset.decode(line).is_none() {
        return Err(Fault::NotInCharset { number, charset: reading.charset.name() });
    }
    Ok(Segment::read(line, terminator, reading))
}

/// Bytes before the first segment that are carried along: a byte order mark, white space.
fn lead(bytes: &[u8]) -> usize {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let space = bytes.iter().skip(mark).take_while(|byte| byte.is_ascii_whitespace()).count();
    mark.saturating_add(space)
}

fn declared_charset(header: &[u8], delimiters: Delimiters) -> &[u8] {
    let field = header.split(|byte| *byte == delimiters.field).nth(17).unwrap_or_default();
    field.split(|byte| *byte == delimiters.repetition).next().unwrap_or_default()
}

type Line<'m> = (&'m [u8], &'m [u8]);

/// Lines with the line breaks that follow them.
fn lines<'m>(body: &'m [u8], limits: &Limits) -> Result<Vec<Line<'m>>, Fault> {
    let by_return = ends_by_return(body);
    let mut lines = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        if lines.len() == limits.segments_max {
            return Err(Fault::TooManySegments { segments_max: limits.segments_max });
        }
        let end = line_end(rest, by_return);
        let (line, after) = rest.split_at(end);
        let (terminator, next) = after.split_at(blank(after));
        lines.push((line, terminator));
        rest = next;
    }
    Ok(lines)
}

/// Does the first segment end with a lone CR, as the standard says? Then a lone LF may be text that a sender did not escape.
fn ends_by_return(body: &[u8]) -> bool {
    let end = body.iter().position(|byte| is_break(*byte)).unwrap_or(body.len());
    matches!(body.get(end..), Some([b'\r', next, ..]) if *next != b'\n')
}

fn line_end(rest: &[u8], by_return: bool) -> usize {
    let ends = |(place, byte): (usize, &u8)| match byte {
        b'\r' => true,
        b'\n' => !by_return || rest.get(place.saturating_add(1)..).is_none_or(begins_segment),
        _ => false,
    };
    rest.iter().enumerate().position(ends).unwrap_or(rest.len())
}

fn begins_segment(bytes: &[u8]) -> bool {
    let (name, rest) = bytes.split_at_checked(3).unwrap_or((bytes, &[]));
    bytes.first().is_none_or(|byte| is_break(*byte))
        || (is_segment_name(name) && rest.first().is_none_or(|byte| is_break(*byte) || byte.is_ascii_punctuation()))
}

/// Bytes after a segment that say nothing: line breaks, and what is left of frames and padding on lines of their own.
fn blank(after: &[u8]) -> usize {
    let run = after.iter().take_while(|byte| byte.is_ascii_control() || **byte == b' ').count();
    if run == after.len() {
        return run;
    }
    let spaces = after.iter().take(run).rev().take_while(|byte| **byte == b' ').count();
    run.saturating_sub(spaces)
}

const fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADT: &[u8] = b"MSH|^~\\&|ADT1|GHH|LAB|GHH|20260101||ADT^A01^ADT_A01|42|P|2.5.1\rPID|1||7^^^GHH^MR~8^^^SSA^SS||Doe^J\\S\\ne&II\r";

    fn read(bytes: &[u8]) -> Result<Message<'_>, Fault> {
        Message::read(bytes, &Limits::default())
    }

    #[test]
    fn fields_are_counted_as_the_standard_counts() {
        let message = read(ADT).unwrap();
        assert_eq!(message.header(3, 1).as_deref(), Some("ADT1"));
        assert_eq!(message.segments()[0].field(1).raw(), b"|");
        assert_eq!(message.segments()[0].field(2).raw(), b"^~\\&");
        assert_eq!(message.kind().unwrap().to_string(), "ADT^A01");
        assert_eq!(message.control_id().unwrap(), "42");
        let at = |path: &str| message.at(&path.parse().unwrap());
        assert_eq!(at("PID-3(2).5").as_deref(), Some("SS"));
        assert_eq!(at("PID-5.2").as_deref(), Some("J^ne"));
        assert_eq!(at("PID-5.2.2").as_deref(), Some("II"));
        assert_eq!(at("PID-9.1"), None);
    }

    #[test]
    fn it_is_written_byte_for_byte_whatever_ends_its_lines() {
        for end in ["\r", "\n", "\r\n", "\r\r\n"] {
            for lead in ["", "\u{feff}", "\r\n "] {
                let text = format!("{lead}{}", String::from_utf8_lossy(ADT).replace('\r', end));
                assert_eq!(read(text.as_bytes()).unwrap().encode(), text.as_bytes());
                assert_eq!(read(text.as_bytes()).unwrap().segments().len(), 2);
            }
        }
    }

    #[test]
    fn what_is_left_of_a_frame_on_a_line_of_its_own_is_carried_along() {
        let bytes = [ADT, b"\x0b\r \r\x1c\rNTE|1\r \x0b"].concat();
        let message = read(&bytes).unwrap();
        assert_eq!(message.segments().len(), 3);
        assert_eq!(message.encode(), bytes);
    }

    #[test]
    fn an_unescaped_line_feed_between_returns_is_text() {
        let bytes = b"MSH|^~\\&|||||||ORU^R01|1\rOBX|1|TX|a||one\ntwo\rNTE|1||x\r";
        let message = read(bytes).unwrap();
        assert_eq!(message.segments().len(), 3);
        assert_eq!(message.segments()[1].field(5).whole().as_deref(), Some("one\ntwo"));
        assert_eq!(message.encode(), bytes);
    }

    #[test]
    fn what_is_not_a_message_is_refused_with_its_place() {
        assert_eq!(read(b"").unwrap_err(), Fault::Empty);
        assert_eq!(read(b"\r\n").unwrap_err(), Fault::Empty);
        assert!(matches!(read(b"PID|1\r"), Err(Fault::NoHeader { .. })));
        let second = |line: &str| read(format!("MSH|^~\\&|\r{line}\r").as_bytes()).unwrap_err();
        for line in ["pid|1", "PI", "PIDX|1", "1AB|", "MSH|^~\\&|", " PID|1"] {
            assert!(matches!(second(line), Fault::SegmentName { number: 2, .. }), "{line}");
        }
    }

    #[test]
    fn bytes_outside_the_declared_set_are_refused() {
        let message = b"MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||UNICODE UTF-8\rPID|1||||M\xfcller\r";
        assert_eq!(read(message).unwrap_err(), Fault::NotInCharset { number: 2, charset: "UNICODE UTF-8" });
    }

    #[test]
    fn bounds_hold() {
        let limits = Limits { message_bytes_max: ADT.len() - 1, segments_max: 9 };
        assert!(matches!(Message::read(ADT, &limits), Err(Fault::TooLarge { .. })));
        let limits = Limits { message_bytes_max: ADT.len(), segments_max: 1 };
        assert_eq!(Message::read(ADT, &limits).unwrap_err(), Fault::TooManySegments { segments_max: 1 });
    }

    #[test]
    fn a_blanked_field_leaves_its_place() {
        let mut message = read(ADT).unwrap();
        let patient = &mut message.segments_mut()[1];
        patient.blank(3);
        patient.blank(40);
        patient.write(8, b"F".to_vec());
        let text = String::from_utf8(message.encode()).unwrap();
        assert!(text.ends_with("PID|1||||Doe^J\\S\\ne&II|||F\r"), "{text}");
    }
}
