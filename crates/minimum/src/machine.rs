//! The engine: goes over a body unit by unit, as far as there are bytes, whoever brings them.

use bascule_fhir::ResourceType;

use crate::bundle::Bundle;
use crate::fault::{Fault, Flaw};
use crate::gate::Gate;
use crate::keys::Keys;
use crate::log::Log;
use crate::mask::Holder;
use crate::plan::Plan;
use crate::reply::Shape;
use crate::resource::named_type;
use crate::scan::Index;
use crate::token::{Cursor, Place};
use crate::walk::{Verdict, Walk};

/// Tokens that are surely there when a member of a Bundle can be told from the array of its entries: a comma, a string,
/// a colon and what follows.
const TELLING_TOKENS: usize = 4;

/// Bytes that are taken into the window at a time.
pub(crate) const WINDOW_BYTES: usize = 64 << 10;

/// How far a body has been read.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    stage: Stage,
    keys: Keys,
    gate: Option<Gate>,
    /// Whether the unit that the gate looks at is too large and its bytes are being dropped.
    dropping: bool,
    /// Bytes of the stream that are no longer in the window.
    base: u64,
}

#[derive(Debug, Default)]
enum Stage {
    /// Nothing is known yet.
    #[default]
    Start,
    /// One resource that is no Bundle.
    Single,
    Bundle(Bundle),
    End,
}

/// What a machine works on.
pub(crate) struct Desk<'d> {
    pub(crate) plan: &'d Plan<'d>,
    pub(crate) log: &'d mut Log,
    pub(crate) out: &'d mut Vec<u8>,
    pub(crate) window: &'d [u8],
    pub(crate) index: &'d Index,
    /// Whether no byte will follow the window.
    pub(crate) last: bool,
}

impl Machine {
    /// Goes as far as the window reaches, and says how far that is: the bytes and jumps before that place have to be
    /// forgotten before the next advance.
    pub(crate) fn advance(&mut self, desk: &mut Desk<'_>) -> Result<Place, Fault> {
        let mut place = Place::default();
        while let Some(next) = self.unit(desk, place)? {
            place = next;
        }
        let done = self.done(desk, place);
        if let Some(gate) = &mut self.gate {
            gate.forget(done);
        }
        self.base += done.at as u64;
        let held = desk.window.len() - done.at;
        if held > desk.plan.limits.resource_bytes_max.saturating_add(WINDOW_BYTES) && !desk.last {
            return Err(Fault::TooLarge);
        }
        Ok(done)
    }

    /// Whether the body has ended as it should.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::End) && self.gate.is_none()
    }

    /// Goes over one unit; where it ends, or `None` if there is no further whole unit in the window.
    fn unit(&mut self, desk: &mut Desk<'_>, from: Place) -> Result<Option<Place>, Fault> {
        if self.gate.is_some() {
            return self.guarded_unit(desk, from);
        }
        let cursor = Cursor::new(desk.window, desk.index, from, desk.last);
        if cursor.peek().is_err() {
            return Ok(None);
        }
        match self.step(desk, from) {
            Ok(next) => Ok(Some(next)),
            Err(Fault::Incomplete) if !desk.last => {
                if tells(cursor) && !matches!(self.stage, Stage::Start) {
                    self.gate = Some(Gate::new(from, self.stands_alone()));
                }
                Ok(None)
            }
            Err(fault) if self.may_drop() => self.reconsider(desk, from, fault),
            Err(fault) => Err(fault),
        }
    }

    /// A unit that cannot be read is passed by all the same if it is larger than what may be read.
    fn reconsider(&mut self, desk: &mut Desk<'_>, from: Place, fault: Fault) -> Result<Option<Place>, Fault> {
        let mut gate = Gate::new(from, self.stands_alone());
        match gate.look(desk.window, desk.index, self.base) {
            Some(next) if self.is_too_large(gate.bytes(), desk) => self.pass_by(desk, next).map(Some),
            None if !desk.last => {
                self.gate = Some(gate);
                Ok(None)
            }
            _ => Err(fault),
        }
    }

    /// Goes over the unit that the gate looks at, once it is there in full.
    fn guarded_unit(&mut self, desk: &mut Desk<'_>, from: Place) -> Result<Option<Place>, Fault> {
        let Some(gate) = &mut self.gate else { return Ok(None) };
        let found = gate.look(desk.window, desk.index, self.base);
        let scanned = self.base + desk.index.scanned().min(desk.window.len()) as u64;
        let bytes = if found.is_some() { gate.bytes() } else { gate.bytes_until(scanned) };
        self.dropping |= self.is_too_large(bytes, desk);
        if self.dropping && !self.may_drop() {
            return Err(Fault::TooLarge);
        }
        match found {
            None if desk.last => Err(Fault::Incomplete),
            None => Ok(None),
            Some(next) => {
                self.gate = None;
                if std::mem::take(&mut self.dropping) {
                    return self.pass_by(desk, next).map(Some);
                }
                match self.step(desk, from) {
                    Err(Fault::Incomplete) => Err(Fault::Malformed(Flaw::Brackets)),
                    result => result.map(Some),
                }
            }
        }
    }

    /// Runs one unit; a fault leaves everything as it was.
    fn step(&mut self, desk: &mut Desk<'_>, from: Place) -> Result<Place, Fault> {
        let (written, log_mark) = (desk.out.len(), desk.log.mark());
        self.keys.clear();
        let cursor = Cursor::new(desk.window, desk.index, from, desk.last);
        let mut walk = Walk::new(cursor, desk.out, desk.plan, desk.log, &mut self.keys);
        let result = self.stage.step(&mut walk);
        let next = walk.cursor.place();
        if result.is_err() {
            desk.out.truncate(written);
            desk.log.roll_back(log_mark);
        }
        if let Some(stage) = result? {
            let begun = matches!(stage, Stage::Single);
            self.stage = stage;
            return Ok(if begun { from } else { next });
        }
        Ok(next)
    }

    /// Leaves out the unit that ends before `next`.
    fn pass_by(&mut self, desk: &mut Desk<'_>, next: Place) -> Result<Place, Fault> {
        match &mut self.stage {
            Stage::Bundle(bundle) => {
                let cursor = Cursor::new(desk.window, desk.index, next, desk.last);
                let mut walk = Walk::new(cursor, desk.out, desk.plan, desk.log, &mut self.keys);
                bundle.withheld(&mut walk);
                bundle.passed_by();
            }
            _ => desk.log.withheld_resources += 1,
        }
        Ok(next)
    }

    /// Whether a unit that is too large is left out while the others go on.
    const fn may_drop(&self) -> bool {
        match &self.stage {
            Stage::Bundle(bundle) => bundle.is_among_entries(),
            Stage::Start | Stage::Single | Stage::End => false,
        }
    }

    /// Whether a unit is one object: all but the members of a Bundle.
    const fn stands_alone(&self) -> bool {
        match &self.stage {
            Stage::Bundle(bundle) => bundle.is_among_entries(),
            _ => true,
        }
    }

    const fn is_too_large(&self, bytes: u64, desk: &Desk<'_>) -> bool {
        bytes > desk.plan.limits.resource_bytes_max as u64
    }

    /// What is done with when the units before `place` are.
    fn done(&self, desk: &Desk<'_>, place: Place) -> Place {
        let jumps = desk.index.jumps().len();
        let scanned = desk.index.scanned().min(desk.window.len());
        if self.dropping {
            return Place { at: scanned, jump: jumps };
        }
        let blank = desk.window.get(place.at).is_some_and(|byte| *byte <= b' ');
        if blank && place.jump == jumps && self.gate.is_none() && place.at < scanned {
            // Of whitespace that has not ended one byte is enough.
            return Place { at: scanned - 1, jump: jumps };
        }
        place
    }
}

/// Whether a unit that is not there in full shows what it is.
fn tells(mut cursor: Cursor<'_>) -> bool {
    (0..TELLING_TOKENS).all(|_| match cursor.token() {
        Ok((at, b'"')) => cursor.text(at).is_ok(),
        Ok((_, b'{' | b'}' | b'[' | b']' | b',' | b':')) => true,
        Ok(_) => {
            cursor.pass_scalar();
            true
        }
        Err(_) => false,
    })
}

impl Stage {
    /// Goes over one unit; the stage that follows, if another one follows.
    fn step(&mut self, walk: &mut Walk<'_>) -> Result<Option<Self>, Fault> {
        match self {
            Self::Start => start(walk).map(Some),
            Self::Single => single(walk).map(Some),
            Self::Bundle(bundle) => {
                bundle.step(walk)?;
                Ok(bundle.is_over().then_some(Self::End))
            }
            Self::End => Err(Fault::Malformed(Flaw::Afterwards)),
        }
    }
}

/// Looks what the body is.
fn start(walk: &mut Walk<'_>) -> Result<Stage, Fault> {
    walk.cursor.expect(b'{', Flaw::NoObject)?;
    let named = named_type(walk.cursor)?.map(|text| walk.text(text));
    let resource = named.and_then(|name| ResourceType::parse(&name)).ok_or(Fault::UnknownType)?;
    if resource != ResourceType::BUNDLE {
        return Ok(Stage::Single);
    }
    if walk.plan.shape == Shape::Resource && !walk.plan.grants_bundles() {
        return Err(Fault::NotGranted);
    }
    walk.slices.write(b"{");
    let answers = walk.plan.shape == Shape::BatchResponse;
    Ok(Stage::Bundle(Bundle::new(answers, walk.log.withheld_resources)))
}

/// The one resource of the body.
fn single(walk: &mut Walk<'_>) -> Result<Stage, Fault> {
    let open = walk.cursor.expect(b'{', Flaw::NoObject)?;
    walk.slices.start(open);
    let (verdict, end) = walk.resource(open, Holder::Envelope)?;
    if end - open > walk.plan.limits.resource_bytes_max {
        return Err(Fault::TooLarge);
    }
    match verdict {
        Verdict::Kept => walk.slices.stop(end),
        Verdict::NotGranted => return Err(Fault::NotGranted),
        Verdict::OutsideConditions => return Err(Fault::OutsideConditions),
        Verdict::UnknownType => return Err(Fault::UnknownType),
    }
    Ok(Stage::End)
}
