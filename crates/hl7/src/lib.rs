//! HL7 version 2 as values: messages, fields, batches, MLLP frames, acknowledgements.
//!
//! Nothing here opens a socket or reads a clock. A message is read without copying its bytes, and written again byte for byte:
//! what this room does not understand it carries unchanged. Clauses named `2.x` are of HL7 v2.5.1, chapter 2.

mod ack;
mod batch;
mod charset;
mod delimiters;
mod escape;
mod fault;
mod field;
mod kind;
mod message;
mod mllp;
mod path;
mod segment;
mod timestamp;

pub use ack::{Acknowledge, AcknowledgementCode, ErrorPlace, WhenToAcknowledge, Wishes};
pub use batch::{Batches, Piece, split};
pub use charset::Charset;
pub use delimiters::Delimiters;
pub use escape::{escape, unescape};
pub use fault::Fault;
pub use field::{Field, Part, Repetition};
pub use kind::MessageKind;
pub use message::{Limits, Message};
pub use mllp::{Deframer, Event, FrameFault, frame};
pub use path::Path;
pub use segment::Segment;
pub use timestamp::{Precision, Timestamp};
