//! The output, made of slices of the input.
//!
//! What is kept is not copied element by element: a *run* of the input grows as long as nothing is withheld, and is
//! copied when it ends. A [`Series`] is an object or an array on the way out: it knows where a run may end and
//! whether a comma is due.

/// The output and the run that is not yet copied.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
    run: Option<usize>,
}

/// A state of the output to which it can be rolled back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    written: usize,
    run: Option<usize>,
}

/// The members of an object or the items of an array, as they leave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series {
    /// Whether nothing of it has been kept yet.
    pub(crate) empty: bool,
    /// Where the last kept member ends in the input, or the bracket that opens.
    end: usize,
}

impl Series {
    /// A series whose bracket opens just before `end`.
    pub(crate) const fn after(end: usize) -> Self {
        Self { empty: true, end }
    }

    /// Where the last kept member ends in the input.
    pub(crate) const fn end(&self) -> usize {
        self.end
    }

    /// Notes that what was begun has been kept up to `end`.
    #[inline(always)]
    pub(crate) const fn kept(&mut self, end: usize) {
        self.empty = false;
        self.end = end;
    }
}

impl<'a> Slices<'a> {
    /// An output that appends slices of `input` to `out`. Nothing is being copied yet.
    pub(crate) const fn new(input: &'a [u8], out: &'a mut Vec<u8>) -> Self {
        Self { input, out, run: None }
    }

    /// Where the output stands.
    #[inline(always)]
    pub(crate) fn mark(&self) -> Mark {
        Mark { written: self.out.len(), run: self.run }
    }

    /// Takes back everything since `mark`.
    #[inline(always)]
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        self.out.truncate(mark.written);
        self.run = mark.run;
    }

    /// Begins a member of `series` that stands at `start`.
    #[inline(always)]
    pub(crate) fn keep(&mut self, series: &Series, start: usize) {
        if self.run.is_none() {
            if !series.empty {
                self.out.push(b',');
            }
            self.run = Some(start);
        }
    }

    /// Leaves out what stands after the last kept member of `series`.
    #[inline(always)]
    pub(crate) fn skip(&mut self, series: &Series) {
        self.stop(series.end);
    }

    /// Ends `series`, whose bracket closes at `close`: the bracket is kept.
    #[inline(always)]
    pub(crate) fn close(&mut self, close: usize) {
        if self.run.is_none() {
            self.run = Some(close);
        }
    }

    /// Appends a member that is not in the input.
    pub(crate) fn add(&mut self, series: &mut Series, member: &[&str]) {
        self.stop(series.end);
        if !series.empty {
            self.out.push(b',');
        }
        series.empty = false;
        for part in member {
            self.out.extend_from_slice(part.as_bytes());
        }
    }

    /// Appends bytes that are not in the input, whatever they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Replaces the input from `start` to `end` by `bytes`.
    pub(crate) fn replace(&mut self, start: usize, end: usize, bytes: &[u8]) {
        self.stop(start);
        self.out.extend_from_slice(bytes);
        self.run = Some(end);
    }

    /// Goes on copying at `start`.
    pub(crate) const fn start(&mut self, start: usize) {
        self.run = Some(start);
    }

    /// Copies the run up to `end`.
    #[inline(always)]
    pub(crate) fn stop(&mut self, end: usize) {
        if let Some(start) = self.run.take() {
            self.out.extend_from_slice(self.input.get(start..end).unwrap_or_default());
        }
    }
}
