//! The walk over a resource: what it is, what of it leaves, whether it leaves at all.

use std::borrow::Cow;

use bascule_fhir::ResourceType;
use bascule_policy::Elements;

use crate::condition::Known;
use crate::fault::{Fault, Flaw};
use crate::log::ReleasedResource;
use crate::mask::{Holder, Mask};
use crate::plan::Granted;
use crate::reply::Shape;
use crate::table;
use crate::token::{Cursor, Text, unescape};
use crate::walk::{Facts, Verdict, Walk};

impl<'w> Walk<'w> {
    /// The resource whose `{`, at `open`, was just taken. If it does not leave, the caller has to roll it back.
    pub(crate) fn resource(&mut self, open: usize, holder: Holder) -> Result<(Verdict, usize), Fault> {
        let resource = self.resource_type()?;
        match (holder, resource) {
            (Holder::Whole, None) => self.pass_from(open, b'{').map(|end| (Verdict::Kept, end)),
            (_, None) => self.refuse(open, Verdict::UnknownType),
            (Holder::Whole, Some(resource)) => {
                let mask = self.plan.masks.mask(resource, &Elements::Whole);
                self.unlisted(resource, &mask, open)
            }
            (Holder::Contained, Some(resource)) => match self.plan.granted(resource) {
                Some(granted) => self.unlisted(resource, &granted.mask, open),
                None => self.refuse(open, Verdict::NotGranted),
            },
            (Holder::Envelope, Some(resource)) => self.own_resource(resource, open),
        }
    }

    /// A resource that stands for itself.
    fn own_resource(&mut self, resource: ResourceType, open: usize) -> Result<(Verdict, usize), Fault> {
        let plan = self.plan;
        match plan.granted(resource) {
            _ if resource == ResourceType::BUNDLE && self.may_nest() => self.nested_bundle(open),
            _ if resource == ResourceType::BUNDLE => self.refuse(open, Verdict::NotGranted),
            Some(granted) => self.granted_resource(resource, granted, open),
            None if resource == ResourceType::OPERATION_OUTCOME => self.unlisted(resource, &plan.outcome, open),
            None if resource == ResourceType::PARAMETERS => self.unlisted(resource, &plan.parameters, open),
            None => self.refuse(open, Verdict::NotGranted),
        }
    }

    /// A resource that may leave, if the conditions hold; with more of it, if those of lanes hold.
    fn granted_resource(
        &mut self,
        resource: ResourceType,
        granted: &Granted,
        open: usize,
    ) -> Result<(Verdict, usize), Fault> {
        let (cursor, mark, log_mark) = (self.cursor, self.slices.mark(), self.log.mark());
        let (facts, end) = self.narrowed(resource, &granted.mask, open)?;
        let id = facts.id.map(|text| self.text(text));
        let bytes = self.cursor.bytes().get(open..end);
        let rewrite = self.plan.rewrite;
        let known = Known::new(resource, id.as_deref(), &facts.references, bytes, rewrite);
        if !known.meets(&granted.checks) {
            return Ok((Verdict::OutsideConditions, end));
        }
        if let Some(mask) = granted.wider(self.plan.masks, resource, &known) {
            self.cursor = cursor;
            self.slices.roll_back(mark);
            self.log.roll_back(log_mark);
            self.narrowed(resource, &mask, open)?;
        }
        let patients = patients(&known);
        let id = id.as_deref().map(str::to_owned);
        let version = facts.version.map(|text| self.text(text).into_owned());
        self.log.release(ReleasedResource { resource, id, version, patients })?;
        Ok((Verdict::Kept, end))
    }

    /// A resource as `mask` has it, what it says of itself, and its end.
    fn narrowed(&mut self, resource: ResourceType, mask: &Mask, open: usize) -> Result<(Facts<'w>, usize), Fault> {
        self.apart(resource, |walk| {
            let end = walk.root(mask, open)?;
            Ok((std::mem::take(&mut walk.facts), end))
        })
    }

    /// A resource that needs no line of its own in the record.
    fn unlisted(&mut self, resource: ResourceType, mask: &Mask, open: usize) -> Result<(Verdict, usize), Fault> {
        let end = self.apart(resource, |walk| walk.root(mask, open))?;
        Ok((Verdict::Kept, end))
    }

    /// The members of a resource; its end.
    fn root(&mut self, mask: &Mask, open: usize) -> Result<usize, Fault> {
        let node = mask.nodes.first().ok_or(Fault::UnknownType)?;
        self.object(mask, node, open).map(|(_, end)| end)
    }

    /// Runs `walk` with facts and trail of its own.
    fn apart<T>(
        &mut self,
        resource: ResourceType,
        walk: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let facts = std::mem::take(&mut self.facts);
        let step = self.trail.begin(resource.name());
        let found = walk(self)?;
        self.facts = facts;
        self.trail.go_back(step);
        Ok(found)
    }

    /// Passes by an object that does not leave.
    fn refuse(&mut self, open: usize, verdict: Verdict) -> Result<(Verdict, usize), Fault> {
        let end = self.pass_from(open, b'{')?;
        Ok((verdict, end))
    }

    /// The type that the object says it is, wherever it says so. The cursor stays after the `{`.
    fn resource_type(&self) -> Result<Option<ResourceType>, Fault> {
        let found = named_type(self.cursor)?;
        Ok(found.and_then(|text| ResourceType::parse(&self.text(text))))
    }

    /// What a text reads.
    pub(crate) fn text(&self, text: Text) -> Cow<'w, str> {
        let raw = self.cursor.slice(text);
        if text.escaped {
            return Cow::Owned(String::from_utf8_lossy(&unescape(raw)).into_owned());
        }
        std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed)
    }

    /// Whether a Bundle may stand in a Bundle: only as the answer to an entry of a batch.
    fn may_nest(&self) -> bool {
        self.plan.shape == Shape::BatchResponse || self.plan.grants_bundles()
    }
}

/// The patients in whose compartment a resource lies.
fn patients(known: &Known<'_>) -> Vec<String> {
    let mut patients = Vec::new();
    if known.resource == ResourceType::PATIENT {
        patients.extend(known.id.map(str::to_owned));
    }
    let patient = table::compartment_bit(ResourceType::PATIENT);
    for (_, reference) in known.references.iter().filter(|(bits, _)| bits & patient != 0) {
        if let Some((b"Patient", id)) = known.rewrite.target(reference.as_bytes()) {
            let id = String::from_utf8_lossy(id).into_owned();
            if !patients.contains(&id) {
                patients.push(id);
            }
        }
    }
    patients
}

/// The string at `resourceType` of the object that `ahead` stands in, after its `{`.
pub(crate) fn named_type(mut ahead: Cursor<'_>) -> Result<Option<Text>, Fault> {
    loop {
        let (start, b'"') = ahead.token()? else { return Ok(None) };
        let key = ahead.text(start)?;
        ahead.expect(b':', Flaw::NoColon)?;
        let named =
            ahead.slice(key) == b"resourceType" || (key.escaped && unescape(ahead.slice(key)) == b"resourceType");
        if named {
            return match ahead.token()? {
                (start, b'"') => ahead.text(start).map(Some),
                _ => Ok(None),
            };
        }
        if !pass_value(&mut ahead)? {
            return Ok(None);
        }
    }
}

/// Goes past a value and the comma after it; `false` if the object ends there. Counts brackets only: whoever looks
/// ahead comes back and looks properly.
fn pass_value(ahead: &mut Cursor<'_>) -> Result<bool, Fault> {
    let mut depth = 0_usize;
    loop {
        match ahead.token()? {
            (_, b'{' | b'[') => depth += 1,
            (_, b'}' | b']') => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Ok(false),
            },
            (_, b',') if depth == 0 => return Ok(true),
            (start, b'"') => {
                ahead.text(start)?;
            }
            (_, b',' | b':') => {}
            _ => ahead.pass_scalar(),
        }
    }
}
