//! What one permit means for one body: masks and conditions by type, fetched once.

use std::sync::Arc;

use bascule_fhir::ResourceType;
use bascule_policy::{Condition, Elements, Narrowing, TotalRule, TypeNarrowing};

use crate::condition::{Check, Known};
use crate::limits::Limits;
use crate::mask::Mask;
use crate::masks::Masks;
use crate::reply::Shape;
use crate::rewrite::Rewrite;

/// What may leave of a type.
#[derive(Debug)]
pub(crate) struct Granted {
    elements: Arc<Elements>,
    pub(crate) mask: Arc<Mask>,
    pub(crate) checks: Vec<Check>,
    /// What more may leave of a resource that meets further conditions.
    lanes: Vec<(Arc<Elements>, Vec<Check>)>,
}

impl Granted {
    fn of(masks: &Masks, resource: ResourceType, narrowing: &TypeNarrowing) -> Self {
        let checks = |conditions: &[Condition]| conditions.iter().map(Check::of).collect::<Vec<_>>();
        Self {
            elements: Arc::clone(&narrowing.elements),
            mask: masks.mask(resource, &narrowing.elements),
            checks: checks(&narrowing.conditions),
            lanes: narrowing.lanes.iter().map(|lane| (Arc::clone(&lane.elements), checks(&lane.conditions))).collect(),
        }
    }

    /// The mask that lets out more, if the resource meets what that takes.
    pub(crate) fn wider(&self, masks: &Masks, resource: ResourceType, known: &Known<'_>) -> Option<Arc<Mask>> {
        let met = self.lanes.iter().filter(|(_, checks)| known.meets(checks));
        let wider = met.fold(None, |so_far: Option<Elements>, (elements, _)| {
            Some(so_far.as_ref().unwrap_or(&self.elements).union(elements))
        })?;
        (wider != *self.elements).then(|| masks.mask(resource, &wider))
    }
}

/// Everything that a walk asks.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    types: Vec<Option<Granted>>,
    /// What surrounds resources in a Bundle.
    pub(crate) envelope: Arc<Mask>,
    /// OperationOutcome where the permit does not name it.
    pub(crate) outcome: Arc<Mask>,
    /// Parameters where the permit does not name it: only the resources in it.
    pub(crate) parameters: Arc<Mask>,
    pub(crate) total: TotalRule,
    pub(crate) shape: Shape,
    pub(crate) rewrite: &'p Rewrite<'p>,
    /// Our base as it stands in a JSON string.
    pub(crate) public_base_json: String,
    pub(crate) masks: &'p Masks,
    pub(crate) limits: Limits,
}

impl<'p> Plan<'p> {
    /// The plan of `narrowing` for a body of `shape`.
    pub(crate) fn new(
        masks: &'p Masks,
        narrowing: &Narrowing,
        shape: Shape,
        rewrite: &'p Rewrite<'p>,
        limits: &Limits,
    ) -> Self {
        let mut types: Vec<Option<Granted>> = Vec::new();
        types.resize_with(ResourceType::COUNT, || None);
        let named = narrowing.types.iter().filter(|_| narrowing.total != TotalRule::Only);
        for (resource, narrowing) in named {
            let granted = Granted::of(masks, *resource, narrowing);
            if let Some(slot) = types.get_mut(resource.index()) {
                *slot = Some(granted);
            }
        }
        Self {
            types,
            envelope: masks.mask(ResourceType::BUNDLE, &only(envelope(narrowing))),
            outcome: masks.mask(ResourceType::OPERATION_OUTCOME, &only(&OUTCOME)),
            parameters: masks.mask(ResourceType::PARAMETERS, &parameters()),
            total: narrowing.total,
            shape,
            rewrite,
            public_base_json: inner_json(rewrite.public_base()),
            masks,
            limits: *limits,
        }
    }

    /// Whether Bundles may leave as resources of their own.
    pub(crate) fn grants_bundles(&self) -> bool {
        self.granted(ResourceType::BUNDLE).is_some_and(|granted| granted.checks.is_empty())
    }

    /// What may leave of that type.
    pub(crate) fn granted(&self, resource: ResourceType) -> Option<&Granted> {
        self.types.get(resource.index())?.as_ref()
    }
}

/// What of a Bundle leaves around its resources. `link` and `total` have rules of their own.
const ENVELOPE: [&str; 15] = [
    "meta",
    "implicitRules",
    "language",
    "type",
    "timestamp",
    "entry.fullUrl",
    "entry.resource",
    "entry.search.mode",
    "entry.request.method",
    "entry.request.url",
    "entry.response.status",
    "entry.response.location",
    "entry.response.etag",
    "entry.response.lastModified",
    "entry.response.outcome",
];

/// What of a Bundle leaves around resources under a profile: no address, which names a resource, and no time.
const ENVELOPE_UNDER_PROFILE: [&str; 7] = [
    "id|code",
    "type",
    "entry.resource",
    "entry.search.mode",
    "entry.request.method",
    "entry.response.status",
    "entry.response.outcome",
];

fn envelope(narrowing: &Narrowing) -> &'static [&'static str] {
    let of_type = |narrowing: &TypeNarrowing| {
        narrowing.elements.profile().is_some() || narrowing.lanes.iter().any(|lane| lane.elements.profile().is_some())
    };
    if narrowing.types.values().any(of_type) { &ENVELOPE_UNDER_PROFILE } else { &ENVELOPE }
}

/// What of an outcome leaves: no word in it that the upstream wrote about data.
const OUTCOME: [&str; 2] = ["issue.severity", "issue.code"];

/// `part` in `part`, at most.
const PARTS_MAX: usize = 8;

fn only(paths: &[&str]) -> Elements {
    Elements::Only(paths.iter().map(|path| (*path).to_owned()).collect())
}

fn parameters() -> Elements {
    let paths = (0..=PARTS_MAX).flat_map(|depth| {
        let parameter = format!("parameter{}", ".part".repeat(depth));
        [format!("{parameter}.name"), format!("{parameter}.resource")]
    });
    Elements::Only(paths.collect())
}

/// `text` as it stands between the quotes of a JSON string.
fn inner_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}
