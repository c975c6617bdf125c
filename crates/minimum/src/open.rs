//! The filter without a permit, for what measures and fuzzes it. Not in any build of the house: `cfg(fuzzing)` is set by
//! hand in `bench/` and `fuzz/` only.

use bascule_policy::Narrowing;

use crate::filter::Filter;
use crate::limits::Limits;
use crate::masks::Masks;
use crate::plan::Plan;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;
use crate::withheld::Withheld;

/// What leaves of a body that is held, without digests.
///
/// # Errors
/// As [`crate::release()`].
pub fn filtered(
    masks: &Masks,
    narrowing: &Narrowing,
    shape: Shape,
    body: &[u8],
    rewrite: &Rewrite<'_>,
    limits: &Limits,
) -> Result<Vec<u8>, Withheld> {
    let plan = Plan::new(masks, narrowing, shape, rewrite, limits);
    let (left, _) = crate::release::filtered(&plan, Reply { body, shape })?;
    Ok(left)
}

/// What leaves of a body that comes in pieces.
///
/// # Errors
/// As [`Filter::push`].
pub fn stream<'b>(
    masks: &Masks,
    narrowing: &Narrowing,
    shape: Shape,
    pieces: &mut dyn Iterator<Item = &'b [u8]>,
    rewrite: &Rewrite<'_>,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<(), Withheld> {
    let mut filter = Filter::narrowed(masks, narrowing, shape, rewrite, limits);
    for piece in pieces {
        filter.push(piece, out)?;
    }
    filter.finish(out).map(|_| ())
}
