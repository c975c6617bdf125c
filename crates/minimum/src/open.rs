//! The filter without a permit, for what measures and fuzzes it. Not in any build of the house: `cfg(fuzzing)` is set by
//! hand in `bench/` and `fuzz/` only.

use bascule_policy::Narrowing;

use crate::filter::Filter;
use crate::limits::Limits;
use crate::masks::Masks;
use crate::plan::Plan;
use crate::reply::{Reply, Shape};
use crate::rewrite::Rewrite;
use crate::scan::Index;
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

/// Stops if the vector code and its scalar twin find different jumps in `text`, or if it matters that the text comes
/// in two parts.
///
/// # Panics
/// If so.
pub fn compare_index(text: &[u8], cut: usize) {
    let (mut whole, mut parts, mut plain) = (Index::default(), Index::default(), Index::default());
    let result = whole.extend(text, true);
    let _ = parts.extend(text.get(..cut).unwrap_or_default(), false);
    assert_eq!(parts.extend(text, true), result);
    assert_eq!(plain.extend_plainly(text), result);
    for other in [&parts, &plain] {
        assert_eq!(other.jumps(), whole.jumps());
        assert_eq!(other.escapes(), whole.escapes());
    }
}
