//! Several ways to one type as one narrowing: nothing leaves that no way lets out.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::way::Way;
use crate::decision::{Condition, Lane, TotalRule, TypeNarrowing};

/// Rules that one decision usually cites at most.
const RULES_USUAL: usize = 16;

/// The narrowing that the ways make together.
pub(super) fn narrowing(ways: &[Way<'_>]) -> TypeNarrowing {
    let search = search_of(ways);
    if let [only] = ways {
        let (elements, conditions) = (Arc::clone(&only.elements), only.conditions.clone());
        return TypeNarrowing { elements, conditions, search, lanes: Vec::new() };
    }
    let mut lanes = merged(ways);
    match (lanes.pop(), lanes.is_empty()) {
        (None, _) => super::nothing(),
        (Some(only), true) => {
            TypeNarrowing { elements: only.elements, conditions: only.conditions, search, lanes: Vec::new() }
        }
        (Some(last), false) => {
            lanes.push(last);
            together(&lanes, search)
        }
    }
}

/// Lanes with the same conditions are one; a lane that another contains is none.
fn merged(ways: &[Way<'_>]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::with_capacity(ways.len());
    for way in ways {
        match lanes.iter_mut().find(|lane| lane.conditions == way.conditions) {
            Some(lane) if lane.elements.includes(&way.elements) => {}
            Some(lane) => lane.elements = Arc::new(lane.elements.union(&way.elements)),
            None => lanes.push(Lane { elements: Arc::clone(&way.elements), conditions: way.conditions.clone() }),
        }
    }
    if lanes.len() < 2 {
        return lanes;
    }
    let contained = |at: usize, lane: &Lane| is_contained(at, lane, &lanes);
    if !lanes.iter().enumerate().any(|(at, lane)| contained(at, lane)) {
        return lanes;
    }
    let kept: Vec<bool> = lanes.iter().enumerate().map(|(at, lane)| !contained(at, lane)).collect();
    lanes.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(lane, _)| lane).collect()
}

fn is_contained(at: usize, lane: &Lane, lanes: &[Lane]) -> bool {
    lanes.iter().enumerate().any(|(other_at, other)| {
        other_at != at
            && other.elements.includes(&lane.elements)
            && other.conditions.iter().all(|condition| lane.conditions.contains(condition))
    })
}

/// A resource must meet the conditions of one lane; it gets what every lane gives, and of each lane that it meets the
/// rest.
fn together(lanes: &[Lane], search: Option<Vec<String>>) -> TypeNarrowing {
    let common: Vec<Condition> = lanes
        .first()
        .map(|first| &first.conditions)
        .into_iter()
        .flatten()
        .filter(|condition| lanes.iter().skip(1).all(|lane| lane.conditions.contains(condition)))
        .cloned()
        .collect();
    let rest = |lane: &Lane| -> Vec<Condition> {
        lane.conditions.iter().filter(|condition| !common.contains(condition)).cloned().collect()
    };
    let is_for_all = |lane: &Lane| lane.conditions.iter().all(|condition| common.contains(condition));
    let mut elements = lanes.first().map_or_else(super::nothing_named, |lane| Arc::clone(&lane.elements));
    for lane in lanes.iter().skip(1) {
        if !lane.elements.includes(&elements) {
            elements = Arc::new(elements.intersection(&lane.elements));
        }
    }
    // A lane without further conditions holds for all: what it gives is given.
    for lane in lanes.iter().filter(|lane| is_for_all(lane)) {
        if lane.elements.includes(&elements) {
            elements = Arc::clone(&lane.elements);
        } else {
            elements = Arc::new(elements.union(&lane.elements));
        }
    }
    let further = lanes.iter().filter(|lane| !is_for_all(lane) && !elements.includes(&lane.elements));
    let further = further.map(|lane| Lane { elements: Arc::clone(&lane.elements), conditions: rest(lane) }).collect();
    let any_of = (!lanes.iter().any(is_for_all)).then(|| Condition::AnyOf(lanes.iter().map(rest).collect()));
    let mut conditions = common.clone();
    conditions.extend(any_of);
    TypeNarrowing { elements, conditions, search, lanes: further }
}

/// The parameters that the files list, if every one of them lists any.
fn search_of(ways: &[Way<'_>]) -> Option<Vec<String>> {
    let all = || ways.iter().flat_map(Way::searchables);
    if all().any(|one| one.listed.is_none()) {
        return None;
    }
    let listed: BTreeSet<&String> = all().filter_map(|one| one.listed.as_ref()).flatten().collect();
    Some(listed.into_iter().cloned().collect())
}

/// Two narrowings of one type that an answer may bring by two roads.
pub(super) fn wider(left: &TypeNarrowing, right: &TypeNarrowing) -> TypeNarrowing {
    let lanes =
        [left, right].map(|one| Lane { elements: Arc::clone(&one.elements), conditions: one.conditions.clone() });
    let mut both = if lanes.iter().all(|lane| lane.conditions == left.conditions) {
        TypeNarrowing::new(Arc::new(left.elements.union(&right.elements)), left.conditions.clone())
    } else {
        together(&lanes, None)
    };
    for one in [left, right] {
        let under = |lane: &Lane| one.conditions.iter().chain(&lane.conditions).cloned().collect();
        both.lanes.extend(
            one.lanes.iter().map(|lane| Lane { elements: Arc::clone(&lane.elements), conditions: under(lane) }),
        );
    }
    both.search.clone_from(&left.search);
    both
}

/// The rules of the ways, and the profile under which they let out, so that the record says it.
pub(super) fn rule(ways: &[Way<'_>]) -> Arc<str> {
    let rules: Arc<str> = match ways {
        [] => "default".into(),
        [only] if only.also.is_empty() => Arc::clone(&only.reach.rule),
        several => {
            let mut rules: Vec<&str> = Vec::with_capacity(RULES_USUAL);
            rules.extend(several.iter().flat_map(Way::rules).map(AsRef::as_ref));
            rules.dedup();
            rules.join("+").into()
        }
    };
    match ways
        .iter()
        .map(|way| way.elements.profile())
        .collect::<Option<Vec<_>>>()
        .and_then(|all| all.into_iter().max())
    {
        Some(profile) => format!("{rules} under {}", profile.name()).into(),
        None => rules,
    }
}

/// A total may leave where the query can be narrowed to exactly what is shown.
pub(super) fn total(narrowing: &TypeNarrowing) -> TotalRule {
    if narrowing.conditions.iter().all(is_in_query) { TotalRule::Exact } else { TotalRule::Absent }
}

/// Whether a query can say the condition.
fn is_in_query(condition: &Condition) -> bool {
    match condition {
        Condition::InCompartment { ids, .. } => ids.len() == 1,
        Condition::IsOneOf(ids) => ids.len() == 1,
        Condition::Matches { any_of } => any_of.len() == 1,
        Condition::HasLabel(_) | Condition::Not(_) | Condition::AnyOf(_) => false,
    }
}
