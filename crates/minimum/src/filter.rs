//! The same filter over a body that is too large to hold: push bytes in, take bytes out.

use bascule_crypto::digest::{Sha256, Sha256Stream};
use bascule_policy::{Narrowing, Permit};

use crate::fault::Fault;
use crate::limits::Limits;
use crate::lines::Lines;
use crate::log::{Log, ReleasedResource};
use crate::machine::{Desk, Machine, WINDOW_BYTES};
use crate::masks::Masks;
use crate::plan::Plan;
use crate::released::patients_of;
use crate::reply::Shape;
use crate::rewrite::Rewrite;
use crate::scan::Index;
use crate::withheld::Withheld;

/// A filter over a body that comes in pieces. It holds at most one resource, a window, and the list of the resources
/// that have left since [`Filter::take_resources`] was called last.
///
/// After an error nothing more comes out: the connection has to be reset, so that the part that has left is not
/// taken for the whole.
///
/// ```compile_fail
/// let filter = bascule_minimum::Filter { buffer: Vec::new() };
/// ```
pub struct Filter<'f> {
    plan: Plan<'f>,
    log: Log,
    reader: Reader,
    received: Sha256Stream,
    released: Sha256Stream,
    fault: Option<Fault>,
}

/// What takes the bytes in, by the shape of the body.
enum Reader {
    /// One JSON value.
    Value(Value),
    /// Bulk data.
    Lines(Lines),
}

/// A JSON value of which the beginning has come.
#[derive(Default)]
struct Value {
    machine: Machine,
    index: Index,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are known to be UTF-8.
    sound: usize,
}

/// What the last record of a streamed body says.
#[derive(Debug)]
pub struct Finished {
    resources: Vec<ReleasedResource>,
    withheld_elements: Vec<String>,
    withheld_resources: u64,
    unreadable_lines: u64,
    received_digest: Sha256,
    released_digest: Sha256,
}

impl<'f> Filter<'f> {
    /// A filter that lets out of a body of `shape` what `permit` names.
    #[must_use]
    pub fn new(masks: &'f Masks, permit: &Permit, shape: Shape, rewrite: &'f Rewrite<'f>, limits: &Limits) -> Self {
        Self::narrowed(masks, permit.narrowing(), shape, rewrite, limits)
    }

    /// As [`Filter::new`], by what the permit narrows to.
    pub(crate) fn narrowed(
        masks: &'f Masks,
        narrowing: &Narrowing,
        shape: Shape,
        rewrite: &'f Rewrite<'f>,
        limits: &Limits,
    ) -> Self {
        Self {
            plan: Plan::new(masks, narrowing, shape, rewrite, limits),
            log: Log::new(*limits),
            reader: if shape == Shape::Ndjson {
                Reader::Lines(Lines::default())
            } else {
                Reader::Value(Value::default())
            },
            received: Sha256Stream::default(),
            released: Sha256Stream::default(),
            fault: None,
        }
    }

    /// Takes the next bytes of the body in and appends to `out` what may leave by now.
    ///
    /// # Errors
    /// [`Withheld`] if the body cannot be read; the same again for whatever comes after.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Withheld> {
        self.received.update(bytes);
        let written = out.len();
        let mut result = Ok(());
        for part in bytes.chunks(WINDOW_BYTES) {
            result = result.and_then(|()| self.take(part, out));
        }
        self.conclude(result, written, out)
    }

    /// The body has ended: appends to `out` what is left, and says what the record says.
    ///
    /// # Errors
    /// [`Withheld`] if the body cannot be read or ends before it should.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Finished, Withheld> {
        let written = out.len();
        let result = self.end(out);
        self.conclude(result, written, out)?;
        Ok(Finished {
            resources: self.log.resources,
            withheld_elements: self.log.withheld_elements,
            withheld_resources: self.log.withheld_resources,
            unreadable_lines: self.log.unreadable_lines,
            received_digest: self.received.finish(),
            released_digest: self.released.finish(),
        })
    }

    /// The resources that have left since this was called last, for a record that continues. More than
    /// `listed_resources_max` between two calls are an error of [`Filter::push`].
    #[must_use]
    pub fn take_resources(&mut self) -> Vec<ReleasedResource> {
        std::mem::take(&mut self.log.resources)
    }

    /// Bytes of the body that are held now: those of a resource whose end has not come, and what came with them.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        match &self.reader {
            Reader::Value(value) => value.buffer.len(),
            Reader::Lines(lines) => lines.held_bytes(),
        }
    }

    fn take(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match &mut self.reader {
            Reader::Value(value) => value.push(&self.plan, &mut self.log, part, out),
            Reader::Lines(lines) => lines.push(&self.plan, &mut self.log, part, out),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match &mut self.reader {
            Reader::Value(value) => value.finish(&self.plan, &mut self.log, out),
            Reader::Lines(lines) => lines.finish(&self.plan, &mut self.log, out),
        }
    }

    /// Takes back what a failing push has written, and stays broken.
    fn conclude(&mut self, result: Result<(), Fault>, written: usize, out: &mut Vec<u8>) -> Result<(), Withheld> {
        match result {
            Ok(()) => {
                self.released.update(out.get(written..).unwrap_or_default());
                Ok(())
            }
            Err(fault) => {
                out.truncate(written);
                self.fault = Some(fault);
                Err(fault.into())
            }
        }
    }
}

impl Value {
    fn push(&mut self, plan: &Plan<'_>, log: &mut Log, part: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
        self.buffer.extend_from_slice(part);
        self.check_utf8()?;
        self.advance(plan, log, false, out)
    }

    fn finish(&mut self, plan: &Plan<'_>, log: &mut Log, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.sound < self.buffer.len() {
            return Err(Fault::NotUtf8);
        }
        self.advance(plan, log, true, out)?;
        if self.machine.is_over() { Ok(()) } else { Err(Fault::Incomplete) }
    }

    fn advance(&mut self, plan: &Plan<'_>, log: &mut Log, last: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.index.extend(&self.buffer, last)?;
        let mut desk = Desk { plan, log, out, window: &self.buffer, index: &self.index, last };
        let done = self.machine.advance(&mut desk)?;
        self.index.forget(done);
        self.buffer.drain(..done.at.min(self.buffer.len()));
        self.sound = self.sound.saturating_sub(done.at);
        Ok(())
    }

    /// Checks what is new in the buffer; a character that is cut in two waits for its other half.
    fn check_utf8(&mut self) -> Result<(), Fault> {
        self.sound += sound_bytes(self.buffer.get(self.sound..).unwrap_or_default())?;
        Ok(())
    }
}

/// How many of the bytes are UTF-8, if only a character that is cut in two follows them.
pub(crate) fn sound_bytes(bytes: &[u8]) -> Result<usize, Fault> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(cut) if cut.error_len().is_none() => Ok(cut.valid_up_to()),
        Err(_) => Err(Fault::NotUtf8),
    }
}

impl std::fmt::Debug for Filter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter").field("held_bytes", &self.held_bytes()).finish_non_exhaustive()
    }
}

impl Finished {
    /// The resources that have left since [`Filter::take_resources`] was called last.
    #[must_use]
    pub fn resources(&self) -> &[ReleasedResource] {
        &self.resources
    }

    /// The patients of these resources, each once, by id.
    #[must_use]
    pub fn patients(&self) -> Vec<&str> {
        patients_of(&self.resources)
    }

    /// Paths of elements that were there and stayed, each once, at most `withheld_paths_max`.
    #[must_use]
    pub fn withheld_elements(&self) -> &[String] {
        &self.withheld_elements
    }

    /// How many resources stayed, whole.
    #[must_use]
    pub const fn withheld_resources(&self) -> u64 {
        self.withheld_resources
    }

    /// How many of these are lines of bulk data that could not be read.
    #[must_use]
    pub const fn unreadable_lines(&self) -> u64 {
        self.unreadable_lines
    }

    /// SHA-256 of the body as the upstream sent it.
    #[must_use]
    pub const fn received_digest(&self) -> &Sha256 {
        &self.received_digest
    }

    /// SHA-256 of the body as it left.
    #[must_use]
    pub const fn released_digest(&self) -> &Sha256 {
        &self.released_digest
    }
}
