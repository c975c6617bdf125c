//! Releasing a body that is held whole.

use bascule_crypto::digest::sha256;
use bascule_policy::{Narrowing, Permit};

use crate::fault::Fault;
use crate::filter::sound_bytes;
use crate::limits::Limits;
use crate::lines::Lines;
use crate::log::Log;
use crate::machine::{Desk, Machine};
use crate::masks::Masks;
use crate::plan::Plan;
use crate::released::Released;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;
use crate::scan::Index;
use crate::withheld::Withheld;

/// Bytes that are indexed at a time, so that they are still near when they are walked over.
const WINDOW_BYTES: usize = 256 << 10;

/// Lets out of `reply` what `permit` names.
///
/// # Errors
/// [`Withheld`] if nothing leaves: the body cannot be read, or the one resource that it is may not leave. Resources of
/// a Bundle that may not leave are left out and counted.
pub fn release(
    masks: &Masks,
    permit: &Permit,
    reply: Reply<'_>,
    rewrite: &Rewrite<'_>,
    limits: &Limits,
) -> Result<Released, Withheld> {
    release_narrowed(masks, permit.narrowing(), reply, rewrite, limits)
}

/// As [`release`], by what the permit narrows to.
pub(crate) fn release_narrowed(
    masks: &Masks,
    narrowing: &Narrowing,
    reply: Reply<'_>,
    rewrite: &Rewrite<'_>,
    limits: &Limits,
) -> Result<Released, Withheld> {
    let plan = Plan::new(masks, narrowing, reply.shape, rewrite, limits);
    let (body, log) = filtered(&plan, reply)?;
    let (received, released) = (sha256(reply.body), sha256(&body));
    Ok(Released::new(body, log, received, released))
}

/// What leaves of the body, and the record of it. The index is made a window at a time, so that it stays near.
pub(crate) fn filtered(plan: &Plan<'_>, reply: Reply<'_>) -> Result<(Vec<u8>, Log), Fault> {
    let body = reply.body;
    if reply.shape == Shape::Ndjson {
        return lines(plan, body);
    }
    let mut index = Index::default();
    let mut out = Vec::with_capacity(body.len());
    let mut log = Log::new(plan.limits);
    let mut machine = Machine::default();
    let (mut start, mut end, mut sound) = (0, 0, 0);
    loop {
        end = body.len().min(end + WINDOW_BYTES);
        sound += sound_bytes(body.get(sound..end).unwrap_or_default())?;
        let window = body.get(start..end).unwrap_or_default();
        let last = end == body.len();
        index.extend(window, last)?;
        let mut desk = Desk { plan, log: &mut log, out: &mut out, window, index: &index, last };
        let done = machine.advance(&mut desk)?;
        index.forget(done);
        start += done.at;
        if last {
            break;
        }
    }
    if sound < body.len() {
        return Err(Fault::NotUtf8);
    }
    if machine.is_over() { Ok((out, log)) } else { Err(Fault::Incomplete) }
}

/// What leaves of bulk data.
fn lines(plan: &Plan<'_>, body: &[u8]) -> Result<(Vec<u8>, Log), Fault> {
    let (mut out, mut log) = (Vec::with_capacity(body.len()), Log::new(plan.limits));
    let mut lines = Lines::default();
    lines.push(plan, &mut log, body, &mut out)?;
    lines.finish(plan, &mut log, &mut out)?;
    Ok((out, log))
}
