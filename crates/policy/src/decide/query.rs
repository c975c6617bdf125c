//! A query, parameter by parameter: granted only if the parameter and every element that it reads are granted, on every
//! type that it walks through.

use bascule_fhir::{InteractionKind, Parameter, Query, ResourceType};

use super::combine;
use super::way::Way;
use super::{Ask, No};
use crate::decision::{DenialReason, TotalRule};
use crate::schema;
use crate::search::{CHAIN_STEPS_MAX, CONTROLS, Use, searching, usage};

/// What the query may do.
pub(super) struct Found<'a> {
    /// The ways that permit all of it.
    pub(super) ways: Vec<Way<'a>>,
    /// Types that includes bring.
    pub(super) included: Brought<'a>,
    /// Whether only a count is asked for.
    pub(super) asks_count: bool,
    /// Whether only a count is granted.
    pub(super) only_count: bool,
}

/// Types that includes bring, each with the ways by which it may be shown.
type Brought<'a> = Vec<(ResourceType, Vec<Way<'a>>)>;

/// Only parameters that shape the answer, and those named.
pub(super) fn only_controls(query: &Query, also: &[&str]) -> Result<(), No> {
    let wrong = query.parameters.iter().find(|parameter| {
        let name = parameter.name.as_str();
        !CONTROLS.contains(&name) && !also.contains(&name)
    });
    wrong.map_or(Ok(()), |parameter| Err(refused(parameter)))
}

/// The types of `_type`, in a search of several types.
pub(super) fn types(query: &Query) -> Result<Vec<ResourceType>, No> {
    let mut all = Vec::new();
    for parameter in query.named("_type") {
        match usage(parameter) {
            Use::Types(types) => all.extend(types),
            _ => return Err(refused(parameter)),
        }
    }
    if all.is_empty() { Err(No::not_supported("name the types with `_type`")) } else { Ok(all) }
}

/// The ways that permit the whole query.
pub(super) fn check<'a>(
    ask: &Ask<'a>,
    resource: ResourceType,
    ways: Vec<Way<'a>>,
    query: &Query,
) -> Result<Found<'a>, No> {
    let asks_count = asks_count(query);
    let mut permitting = Vec::with_capacity(ways.len());
    let mut wanted = Vec::new();
    let mut refusal = None;
    for way in ways {
        if way.reach.terms.only_count && !asks_count {
            let (interaction, resource) = ("search without `_summary=count`".to_owned(), resource.name().to_owned());
            let reason = DenialReason::NotGranted { interaction, resource };
            refusal = refusal.or_else(|| Some(No::because(reason, "default")));
            continue;
        }
        let mut brought = Vec::new();
        let outcome =
            query.parameters.iter().try_for_each(|parameter| permits(ask, resource, &way, parameter, &mut brought));
        match outcome {
            Ok(()) => {
                permitting.push(way);
                wanted = brought;
            }
            Err(no) => refusal = Some(no),
        }
    }
    if permitting.is_empty() {
        return Err(refusal.unwrap_or_else(|| ask.not_granted(Some(resource))));
    }
    let (mut counting, mut showing) = (Vec::new(), permitting);
    if showing.iter().any(|way| way.reach.terms.only_count) {
        (counting, showing) = showing.into_iter().partition(|way| way.reach.terms.only_count);
    }
    let exact = |ways: &[Way<'_>]| combine::total(&combine::narrowing(ways)) == TotalRule::Exact;
    let only_count = !counting.is_empty() && exact(&counting) && (showing.is_empty() || !exact(&showing));
    let ways = if only_count || showing.is_empty() { counting } else { showing };
    if asks_count && !only_count && !exact(&ways) {
        return Err(No::not_supported("a count cannot be given, because some of what matches may be withheld"));
    }
    let included = if only_count { Vec::new() } else { wanted };
    Ok(Found { ways, included, asks_count, only_count })
}

fn asks_count(query: &Query) -> bool {
    query.named("_summary").any(|parameter| parameter.value == "count")
        || query.named("_count").any(|parameter| parameter.value == "0")
}

/// The ways by which a type may be shown beside what was searched for.
fn showing<'a>(ask: &Ask<'a>, resource: ResourceType) -> Result<Vec<Way<'a>>, No> {
    // Most of what a reference may point at is reached by nobody.
    if !ask.is_reached(resource, InteractionKind::Read) && !ask.is_reached(resource, InteractionKind::Search) {
        return Err(ask.not_granted(Some(resource)));
    }
    let ways = ask.ways(resource, InteractionKind::Read).or_else(|_| ask.ways(resource, InteractionKind::Search))?;
    let shown: Vec<Way<'a>> = ways.into_iter().filter(|way| !way.reach.terms.only_count).collect();
    if shown.is_empty() { Err(ask.not_granted(Some(resource))) } else { Ok(shown) }
}

fn permits<'a>(
    ask: &Ask<'a>,
    resource: ResourceType,
    way: &Way<'a>,
    parameter: &Parameter,
    brought: &mut Brought<'a>,
) -> Result<(), No> {
    let used = usage(parameter);
    let granted = match &used {
        Use::Control => true,
        Use::Types(types) => types.contains(&resource),
        Use::Sort(keys) => keys.iter().all(|key| way.sorts_by(key)),
        Use::Include { reverse, source, reference, target } => {
            return include(ask, resource, parameter, (*reverse, *source, reference, *target), brought);
        }
        Use::IncludeAll | Use::Unknown => false,
        Use::Plain { .. } | Use::Chain { .. } | Use::Has { .. } => searches(ask, resource, way, &used, 0),
    };
    if granted { Ok(()) } else { Err(refused(parameter)) }
}

/// A parameter that searches, on the type that the way leads to.
fn searches(ask: &Ask<'_>, resource: ResourceType, way: &Way<'_>, used: &Use<'_>, depth: usize) -> bool {
    match used {
        Use::Plain { code, modifier } => {
            way.searches_by(code) && modifier.is_none_or(|modifier| reads_only_granted(resource, way, code, modifier))
        }
        Use::Chain { code, target, rest } => {
            way.searches_by(code) && chain(ask, resource, code, *target, rest, depth + 1)
        }
        Use::Has { source, reference, rest } => {
            let points_here =
                schema::parameter(*source, reference).is_some_and(|parameter| parameter.targets.contains(&resource));
            points_here && elsewhere(ask, *source, depth + 1, |there| there.searches_by(reference), rest)
        }
        _ => false,
    }
}

/// Every type that the chain may lead to and that knows the next parameter is granted; there is at least one.
fn chain(
    ask: &Ask<'_>,
    resource: ResourceType,
    code: &str,
    target: Option<ResourceType>,
    rest: &str,
    depth: usize,
) -> bool {
    let Some(parameter) = schema::parameter(resource, code) else { return false };
    let targets: Vec<ResourceType> = match target {
        Some(target) => vec![target],
        None => parameter.targets.iter().copied().filter(|target| knows(*target, rest)).collect(),
    };
    let leads = targets
        .iter()
        .all(|target| parameter.targets.contains(target) && elsewhere(ask, *target, depth, |_| true, rest));
    leads && !targets.is_empty()
}

fn knows(resource: ResourceType, rest: &str) -> bool {
    match searching(rest) {
        Use::Plain { code, .. } | Use::Chain { code, .. } => schema::parameter(resource, code).is_some(),
        Use::Has { .. } => true,
        _ => false,
    }
}

/// The rest of a chain, on another type. That type must be granted without any condition on its resources: a match
/// would tell of those that may not be seen.
fn elsewhere(ask: &Ask<'_>, resource: ResourceType, depth: usize, also: impl Fn(&Way<'_>) -> bool, rest: &str) -> bool {
    if depth > CHAIN_STEPS_MAX {
        return false;
    }
    let Ok(ways) = ask.ways(resource, InteractionKind::Search) else { return false };
    let used = searching(rest);
    ways.iter().any(|way| {
        way.conditions.is_empty()
            && !way.reach.terms.only_count
            && also(way)
            && searches(ask, resource, way, &used, depth)
    })
}

/// Whether a modifier reads nothing that is not granted.
fn reads_only_granted(resource: ResourceType, way: &Way<'_>, code: &str, modifier: &str) -> bool {
    let reach = |suffix: &str| {
        schema::reads(resource, code).is_some_and(|reads| {
            !reads.paths.is_empty()
                && reads.paths.iter().all(|path| way.elements.reaches(resource, &format!("{path}.{suffix}")))
        })
    };
    match modifier {
        "exact" | "contains" | "missing" | "not" | "in" | "not-in" | "above" | "below" => true,
        "text" => {
            let leaves = schema::text_leaves(resource, code);
            leaves.is_some_and(|leaves| leaves.iter().all(|path| way.elements.reaches(resource, path)))
        }
        "identifier" => reach("identifier"),
        "of-type" => reach("type"),
        kind => ResourceType::parse(kind).is_some(),
    }
}

/// An include is granted if the reference that it follows leaves anyway, and each type that it may bring is granted.
fn include<'a>(
    ask: &Ask<'a>,
    resource: ResourceType,
    parameter: &Parameter,
    (reverse, source, reference, target): (bool, ResourceType, &str, Option<ResourceType>),
    brought: &mut Brought<'a>,
) -> Result<(), No> {
    let Some(known) = schema::parameter(source, reference) else { return Err(refused(parameter)) };
    let pointed = |target: ResourceType| known.targets.contains(&target);
    if target.is_some_and(|target| !pointed(target)) || (reverse && !pointed(resource) && !parameter.name.contains(':'))
    {
        return Err(refused(parameter));
    }
    let of_source = showing(ask, source)?;
    let follows = of_source.iter().any(|way| {
        let leaves = schema::reads(source, reference).and_then(|reads| reads.leaves.as_ref());
        leaves.is_some_and(|leaves| leaves.iter().all(|path| way.elements.reaches(source, path)))
    });
    if !follows {
        return Err(refused(parameter));
    }
    if reverse {
        bring(brought, source, of_source);
        return Ok(());
    }
    if target.is_none() && known.targets.len() == ResourceType::COUNT {
        return Err(No::not_supported("name the type that the include shall bring: `_include=Type:parameter:Target`"));
    }
    if let Some(target) = target {
        bring(brought, target, showing(ask, target).map_err(|_| refused(parameter))?);
        return Ok(());
    }
    // What else the reference may point at is not in the narrowing, so it does not leave.
    let mut found = false;
    for target in known.targets.iter().copied() {
        if let Ok(ways) = showing(ask, target) {
            found = true;
            bring(brought, target, ways);
        }
    }
    if found { Ok(()) } else { Err(refused(parameter)) }
}

fn bring<'a>(brought: &mut Brought<'a>, resource: ResourceType, ways: Vec<Way<'a>>) {
    if !brought.iter().any(|(known, _)| *known == resource) {
        brought.push((resource, ways));
    }
}

fn refused(parameter: &Parameter) -> No {
    let shown = match parameter.name.split(':').next() {
        Some("_include" | "_revinclude" | "_sort") => format!("{}={}", parameter.name, parameter.value),
        _ => parameter.name.clone(),
    };
    No::because(DenialReason::ParameterNotGranted { parameter: shown }, "default")
}
