//! Reaches under the same terms, which open or stay shut together.

use std::ops::Deref;
use std::sync::Arc;

use crate::Elements;
use crate::policy::Reach;

/// A reach of the policy's tables, or one that a deny of another role made smaller.
#[derive(Debug, Clone)]
pub(super) enum Held<'a> {
    /// As it stands in the tables.
    Table(&'a Reach),
    /// What is left of it.
    Less(Arc<Reach>),
}

impl Deref for Held<'_> {
    type Target = Reach;

    fn deref(&self) -> &Reach {
        match self {
            Self::Table(reach) => reach,
            Self::Less(reach) => reach,
        }
    }
}

/// One reach, and those of other roles under the same terms.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) first: Held<'a>,
    pub(super) also: Vec<Held<'a>>,
}

impl<'a> Group<'a> {
    /// One reach alone.
    pub(super) const fn of(first: Held<'a>) -> Self {
        Self { first, also: Vec::new() }
    }

    /// What they let out together.
    pub(super) fn elements(&self, pick: fn(&Reach) -> &Arc<Elements>) -> Arc<Elements> {
        let mut all = Arc::clone(pick(&self.first));
        for reach in &self.also {
            if !Arc::ptr_eq(&all, pick(reach)) && !all.includes(pick(reach)) {
                all = Arc::new(all.union(pick(reach)));
            }
        }
        all
    }
}

/// Reaches under the same terms together.
pub(super) fn grouped(reaches: Vec<Held<'_>>) -> Vec<Group<'_>> {
    let usual = reaches.len();
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(usual.min(GROUPS_USUAL));
    for reach in reaches {
        match groups.iter_mut().find(|group| group.first.same_terms(&reach)) {
            Some(group) => {
                if group.also.capacity() == 0 {
                    group.also.reserve_exact(usual);
                }
                group.also.push(reach);
            }
            None => groups.push(Group::of(reach)),
        }
    }
    groups
}

/// Kinds of terms that meet in one decision usually at most.
const GROUPS_USUAL: usize = 4;
