//! The decision on a call: the same scopes, terms, consents and lanes as of FHIR, read in the type as which the grant
//! counts; what may leave is in the words of the API's kind.

use std::sync::Arc;

use bascule_fhir::{Interaction, Level, Query, ResourceType, Target, Timestamp, Within};
use bascule_smart::Principal;

use super::group::{Group, Held};
use super::recipient::Recipient;
use super::scope::covering;
use super::way::more_telling;
use super::{Ask, No, needs, observe};
use crate::Api;
use crate::call::{Call, CallDenial, CallGrant, CallPermit, Lane, Left, Names, Standing};
use crate::decision::{Asked, DenialReason, Duty, Exemption};
use crate::facts::{Facts, Needs};
use crate::policy::{Policy, Reach};
use crate::rules::{Role, Terms};

/// One way, open.
struct Open {
    lane: Lane,
    role: Arc<str>,
    rule: Arc<str>,
    purpose: Arc<str>,
    duties: Vec<Duty>,
    exemption: Option<Exemption>,
}

/// A permit without its principal.
struct Yes {
    open: Vec<Open>,
    agreement: Arc<str>,
    would_refuse: Option<DenialReason>,
    would_narrow: Option<Vec<Lane>>,
}

impl Policy {
    /// Which facts [`Policy::decide_call`] needs for this; the door gathers exactly these.
    #[must_use]
    pub fn needs_of_call(&self, principal: &Principal, call: &Call) -> Needs {
        let roles: Vec<&Role> = principal.roles().iter().filter_map(|name| self.role(name)).collect();
        let grants = roles.iter().flat_map(|role| &role.calls).filter(|grant| grant.apis.contains(&call.api));
        let terms: Vec<&Terms> = grants.map(|grant| &grant.terms).collect();
        needs::of_terms(&roles, &terms, principal, &call.api, call.patients.clone())
    }

    /// Yes, with what may pass, or no, with the reason.
    ///
    /// # Errors
    /// A [`CallDenial`] with principal, call, the reason and the rule.
    pub fn decide_call(
        &self,
        principal: Principal,
        call: Call,
        facts: &Facts,
        api: &Api,
        now: Timestamp,
    ) -> Result<CallPermit, Box<CallDenial>> {
        match decide(self, &principal, &call, facts, api, now) {
            Ok(yes) => Ok(permit(yes, principal, call, Arc::clone(self.shared_hash()))),
            Err(no) => Err(Box::new(CallDenial {
                principal,
                call,
                reason: no.reason,
                rule: no.rule.to_string(),
                policy_hash: self.hash().to_owned(),
            })),
        }
    }
}

fn permit(yes: Yes, principal: Principal, call: Call, policy_hash: Arc<str>) -> CallPermit {
    let mut duties: Vec<Duty> = Vec::new();
    let mut rules: Vec<&str> = Vec::new();
    for open in &yes.open {
        duties.extend(open.duties.iter().filter(|duty| !duties.contains(duty)).cloned().collect::<Vec<_>>());
        if !rules.contains(&open.rule.as_ref()) {
            rules.push(&open.rule);
        }
    }
    let first = yes.open.first();
    CallPermit {
        rule: rules.join("+").into(),
        role: first.map_or_else(|| "".into(), |open| Arc::clone(&open.role)),
        purpose: first.map_or_else(|| "".into(), |open| Arc::clone(&open.purpose)),
        exemption: first.and_then(|open| open.exemption.clone()),
        lanes: yes.open.iter().map(|open| open.lane.clone()).collect(),
        principal,
        call,
        policy_hash,
        agreement: yes.agreement,
        duties,
        would_refuse: yes.would_refuse,
        would_narrow: yes.would_narrow,
    }
}

fn decide(
    policy: &Policy,
    principal: &Principal,
    call: &Call,
    facts: &Facts,
    api: &Api,
    now: Timestamp,
) -> Result<Yes, No> {
    if call.api != api.name || call.action.kind() != api.kind {
        return Err(No::unknown("the api"));
    }
    let recipient = Recipient::of(principal, facts, api, now)?;
    let (grants, standing) = candidates(policy, principal, call);
    let asked = Asked { api: call.api.clone(), interaction: likeness(standing) };
    let ask = Ask { policy, principal, asked: &asked, facts, api, now, recipient, patients: call.patients.clone() };
    let outcome = ask.call(call, &grants);
    if observe::covers(api, principal, now) { ask.observed_call(call, standing, outcome) } else { outcome }
}

/// The grants of the principal's roles that are about the call, and as what it counts: as the first says, else as whatever
/// a role or deny of the policy may name, which is then a type of its own.
fn candidates<'a>(
    policy: &'a Policy,
    principal: &Principal,
    call: &Call,
) -> (Vec<(&'a Role, &'a CallGrant)>, Standing) {
    let roles = principal.roles().iter().filter_map(|name| policy.role(name));
    let all = roles.flat_map(|role| role.calls.iter().map(move |grant| (role, grant)));
    let grants: Vec<(&Role, &CallGrant)> = all.filter(|(_, grant)| grant.is_about(&call.api, &call.action)).collect();
    let anybody = || policy.roles().flat_map(|role| &role.calls).find(|grant| grant.is_about(&call.api, &call.action));
    let grant = grants.first().map(|(_, grant)| *grant).or_else(anybody);
    let resource = grant.map_or(ResourceType::PATIENT, |grant| grant.counts_as);
    (grants, Standing { resource, kind: call.action.interaction() })
}

/// The nearest that FHIR has.
fn likeness(Standing { resource, kind }: Standing) -> Interaction {
    use bascule_fhir::InteractionKind as Kind;
    let target = || Target::Matching(Query::default());
    match kind {
        Kind::Create => Interaction::Create { resource, unless: None },
        Kind::Update => Interaction::Update { resource, target: target() },
        Kind::Patch => Interaction::Patch { resource, target: target() },
        Kind::Delete => Interaction::Delete { resource, target: target() },
        Kind::Read => Interaction::History { on: Level::Type(resource), query: Query::default() },
        _ => Interaction::Search { within: Within::Type(resource), query: Query::default() },
    }
}

impl Ask<'_> {
    fn call(&self, call: &Call, grants: &[(&Role, &CallGrant)]) -> Result<Yes, No> {
        let mut open = Vec::with_capacity(grants.len());
        let mut refused = None;
        for (role, grant) in grants {
            match self.open(call, role, grant) {
                Ok(ways) => open.extend(ways),
                Err(Shut::All(no)) => return Err(no),
                Err(Shut::This(no)) => refused = Some(more_telling(refused, no)),
            }
        }
        if open.is_empty() {
            return Err(refused.unwrap_or_else(|| not_granted(call, "default")));
        }
        Ok(Yes { open, agreement: Arc::clone(&self.recipient.agreement), would_refuse: None, would_narrow: None })
    }

    fn open(&self, call: &Call, role: &Role, grant: &CallGrant) -> Result<Vec<Open>, Shut> {
        let roles = self.principal.roles().iter().filter_map(|name| self.policy.role(name));
        let denies = self.policy.denies().iter().chain(roles.flat_map(|role| &role.denies));
        let left = grant.less(&call.api, &call.action, denies).map_err(|rule| Shut::All(not_granted(call, &rule)))?;
        let standing = grant.standing(&call.action);
        let scopes = covering(self.principal, standing.resource, standing.kind).map_err(Shut::This)?;
        let reach = Arc::new(Reach::of_call(role, grant, &left));
        let group = Group::of(Held::Less(reach));
        let own = self.context();
        let mut open = Vec::new();
        let mut refused = None;
        for scope in &scopes {
            let way = self.way(group.clone(), scope, standing.resource, standing.kind, &own);
            let kept = way.and_then(|way| {
                let shows = if way.exemption.is_some() { &left.lifted } else { &left.shows };
                said(call, &left, way.exemption.is_some()).map_err(|no| No { rule: Arc::clone(&grant.id), ..no })?;
                Ok(Open {
                    lane: Lane { shows: shows.clone(), opaque: left.opaque.clone(), conditions: way.conditions },
                    role: Arc::clone(&role.name),
                    rule: Arc::clone(&grant.id),
                    purpose: way.purpose,
                    duties: way.duties,
                    exemption: way.exemption,
                })
            });
            match kept {
                Ok(one) => open.push(one),
                Err(no) => refused = Some(more_telling(refused, no)),
            }
        }
        if open.is_empty() {
            Err(Shut::This(refused.unwrap_or_else(|| not_granted(call, "default"))))
        } else {
            Ok(open)
        }
    }

    /// What observing makes of what the rules say.
    fn observed_call(&self, call: &Call, standing: Standing, outcome: Result<Yes, No>) -> Result<Yes, No> {
        match outcome {
            Ok(mut yes) => {
                let enforced: Vec<Lane> = yes.open.iter().map(|open| open.lane.clone()).collect();
                for open in &mut yes.open {
                    open.lane.shows = Names::All;
                    open.lane.opaque.extend(call.opaque.iter().cloned());
                }
                let wider = yes.open.iter().map(|open| &open.lane).ne(&enforced);
                yes.would_narrow = wider.then_some(enforced);
                Ok(yes)
            }
            Err(no) if observe::may_be_relaxed(&no.reason) => self.relaxed_call(call, standing, no),
            Err(no) => Err(no),
        }
    }

    fn relaxed_call(&self, call: &Call, standing: Standing, no: No) -> Result<Yes, No> {
        let own = self.is_bound_to_patient();
        let conditions = self.still_enforced(standing.resource, standing.kind, own)?;
        // Whoever may see one patient only could learn of others by what is asked by.
        if own && matches!(no.reason, DenialReason::ParameterNotGranted { .. }) {
            return Err(no);
        }
        let role: Arc<str> = self.principal.roles().first().map_or("", String::as_str).into();
        let open = Open {
            lane: Lane { shows: Names::All, opaque: call.opaque.clone(), conditions },
            role,
            rule: "observe".into(),
            purpose: self.principal.purpose().unwrap_or_default().into(),
            duties: Vec::new(),
            exemption: None,
        };
        let agreement = Arc::clone(&self.recipient.agreement);
        Ok(Yes { open: vec![open], agreement, would_refuse: Some(no.reason), would_narrow: None })
    }
}

/// How a grant does not let do it: for anybody, since a deny wins, or by itself.
enum Shut {
    All(No),
    This(No),
}

/// Whether the call asks and says only what the grant names. Where minimum necessary does not act, what is asked by is free
/// but for what is denied; what is written never is.
fn said(call: &Call, left: &Left, lifted: bool) -> Result<(), No> {
    let free = lifted && left.lifted == Names::All;
    if let Some(parameter) = call.searches.iter().find(|name| !free && !left.search.contains(*name)) {
        return Err(No::because(DenialReason::ParameterNotGranted { parameter: parameter.clone() }, "default"));
    }
    if let Some(element) = call.says.iter().find(|name| !left.writes.reaches(name)) {
        return Err(No::because(DenialReason::ElementNotGranted { element: element.clone() }, "default"));
    }
    if let Some(body) = call.opaque.iter().find(|media| !left.opaque.contains(*media)) {
        return Err(No::because(DenialReason::ElementNotGranted { element: body.clone() }, "default"));
    }
    Ok(())
}

fn not_granted(call: &Call, rule: &str) -> No {
    let reason = DenialReason::NotGranted { interaction: call.action.to_string(), resource: call.api.clone() };
    No::because(reason, rule)
}

impl Reach {
    /// A grant of calls as a reach of FHIR: its terms, and the labels that denies take away.
    fn of_call(role: &Role, grant: &CallGrant, left: &Left) -> Self {
        Self::bare(role, &grant.id, &grant.terms, (!left.labels.is_empty()).then(|| left.labels.clone().into()))
    }
}
