//! The minimal lower layer protocol: a frame is `0x0B`, the message, `0x1C 0x0D`. A state machine without a socket.

use thiserror::Error;

const START: u8 = 0x0b;
const END: u8 = 0x1c;
const RETURN: u8 = 0x0d;

/// What is wrong with the bytes between two partners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameFault {
    /// Bytes came outside a frame.
    #[error("bytes outside a frame; begin each message with 0x0B")]
    Stray,
    /// A frame began, or the stream ended, before the last one had its end.
    #[error("a frame without its end; end each message with 0x1C 0x0D")]
    Unterminated,
    /// A frame is larger than the bound.
    #[error("a frame of more than {bytes_max} bytes; send large documents by reference")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
}

/// What comes out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The bytes of one message.
    Frame(Vec<u8>),
    /// A fault; the bytes that it concerns are gone, what follows is read.
    Fault(FrameFault),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between frames; `said` once stray bytes have been reported.
    Between { said: bool },
    /// In a frame.
    Inside,
    /// In a frame that is too large, which is skipped to its end.
    Skipping,
    /// After `0x1C`, where `0x0D` is due.
    Ending,
}

/// Takes frames out of a stream, wherever it is cut.
#[derive(Debug)]
pub struct Deframer {
    state: State,
    frame: Vec<u8>,
    bytes_max: usize,
}

impl Deframer {
    /// A reader of frames of up to `bytes_max` bytes.
    #[must_use]
    pub const fn new(bytes_max: usize) -> Self {
        Self { state: State::Between { said: false }, frame: Vec::new(), bytes_max }
    }

    /// Takes in bytes as they came, and gives out what they complete, in order.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some((&byte, rest)) = bytes.split_first() {
            bytes = match self.state {
                State::Inside => self.inside(bytes, &mut events),
                State::Skipping => self.skip(bytes),
                State::Ending => self.end(bytes),
                State::Between { said } => {
                    self.between(byte, said, &mut events);
                    rest
                }
            };
        }
        events
    }

    /// Is a frame begun and not ended?
    #[must_use]
    pub const fn is_inside(&self) -> bool {
        matches!(self.state, State::Inside | State::Skipping)
    }

    /// The stream ended: a fault if a frame was begun.
    #[must_use]
    pub const fn finish(&self) -> Option<FrameFault> {
        if self.is_inside() { Some(FrameFault::Unterminated) } else { None }
    }

    fn between(&mut self, byte: u8, said: bool, events: &mut Vec<Event>) {
        if byte == START {
            self.state = State::Inside;
        } else if !said && !byte.is_ascii_whitespace() {
            events.push(Event::Fault(FrameFault::Stray));
            self.state = State::Between { said: true };
        }
    }

    fn inside<'b>(&mut self, bytes: &'b [u8], events: &mut Vec<Event>) -> &'b [u8] {
        let end = bytes.iter().position(|byte| matches!(*byte, START | END)).unwrap_or(bytes.len());
        let (content, rest) = bytes.split_at(end);
        if self.frame.len().saturating_add(content.len()) > self.bytes_max {
            self.frame = Vec::new();
            self.state = State::Skipping;
            events.push(Event::Fault(FrameFault::TooLarge { bytes_max: self.bytes_max }));
            return rest;
        }
        self.frame.extend_from_slice(content);
        match rest.split_first() {
            Some((&END, rest)) => {
                events.push(Event::Frame(std::mem::take(&mut self.frame)));
                self.state = State::Ending;
                rest
            }
            Some((_, rest)) => {
                events.push(Event::Fault(FrameFault::Unterminated));
                self.frame = Vec::new();
                rest
            }
            None => rest,
        }
    }

    fn skip<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(end) = bytes.iter().position(|byte| matches!(*byte, START | END)) else { return &[] };
        let begun = bytes.get(end) == Some(&START);
        self.state = if begun { State::Inside } else { State::Ending };
        bytes.get(end.saturating_add(1)..).unwrap_or_default()
    }

    /// `0x0D` is due; a sender that leaves it out is understood all the same.
    fn end<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        self.state = State::Between { said: false };
        bytes.strip_prefix(&[RETURN]).unwrap_or(bytes)
    }
}

/// A message in its frame.
#[must_use]
pub fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(message.len().saturating_add(3));
    framed.push(START);
    framed.extend_from_slice(message);
    framed.extend_from_slice(&[END, RETURN]);
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Event> {
        let mut deframer = Deframer::new(8);
        pieces.iter().flat_map(|piece| deframer.push(piece)).collect()
    }

    fn framed(text: &str) -> Event {
        Event::Frame(text.as_bytes().to_vec())
    }

    #[test]
    fn lesson_16_frames_split_at_every_byte_and_several_in_a_packet_come_out_whole() {
        let stream = [frame(b"one"), frame(b"two"), frame(b"")].concat();
        let whole = vec![framed("one"), framed("two"), framed("")];
        for cut in 0..=stream.len() {
            let (first, second) = stream.split_at(cut);
            assert_eq!(read(&[first, second]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn lesson_16_a_missing_trailer_is_a_fault_and_the_next_frame_is_read() {
        assert_eq!(read(&[b"\x0bone\x0btwo\x1c\r"]), vec![Event::Fault(FrameFault::Unterminated), framed("two")]);
        let mut deframer = Deframer::new(8);
        assert_eq!(deframer.push(b"\x0bone"), vec![]);
        assert_eq!(deframer.finish(), Some(FrameFault::Unterminated));
    }

    #[test]
    fn lesson_16_a_wrong_terminator_does_not_eat_the_next_frame() {
        assert_eq!(
            read(&[b"\x0bone\x1c\x0btwo\x1c\n\x0bxyz\x1c\r"]),
            vec![framed("one"), framed("two"), framed("xyz")]
        );
    }

    #[test]
    fn lesson_16_an_oversize_frame_is_said_once_and_skipped() {
        let fault = Event::Fault(FrameFault::TooLarge { bytes_max: 8 });
        assert_eq!(read(&[b"\x0b123456789", b"123456789\x1c\r\x0bone\x1c\r"]), vec![fault, framed("one")]);
    }

    #[test]
    fn stray_bytes_are_said_once_white_space_is_not() {
        assert_eq!(
            read(&[b"GET / HT", b"TP\r\n\x0bone\x1c\r\r\n"]),
            vec![Event::Fault(FrameFault::Stray), framed("one")]
        );
    }
}
