//! Why a request is permitted or refused, step by step, in words that an officer and a developer can both read. The
//! same text answers for a request of the log and for one that was only imagined ([`Simulation`]).

mod call;

use std::fmt;

use bascule_fhir::interaction::Request;
use bascule_fhir::{Id, Interaction, ResourceType, Timestamp};
use bascule_smart::{Credentials, Principal, Scopes, TokenRecord, Unauthenticated, authenticate};

use crate::Api;
use crate::decision::{Asked, Denial, DenialReason, Duty, Exemption, Permit, TotalRule};
use crate::describe;
use crate::facts::{Fact, Facts, Needs};
use crate::party::{Agreement, Organization, RecipientClass};
use crate::policy::{Cell, Policy};

/// A decision in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// `permit` or `refuse`.
    pub permitted: bool,
    /// The outcome in one sentence.
    pub outcome: String,
    /// The rule, with its file and line if it is one of a file, and why it is there.
    pub rule: String,
    /// What each step said.
    pub steps: Vec<(&'static str, String)>,
    /// What to do, if refused.
    pub mend: String,
    /// Hash of the policy that decided.
    pub policy_hash: String,
}

impl Policy {
    /// Decides, and says why.
    #[must_use]
    pub fn explain(&self, principal: Principal, asked: Asked, facts: &Facts, api: &Api, now: Timestamp) -> Explanation {
        let steps = self.steps(&principal, &asked, facts, api);
        match self.decide(principal, asked, facts, api, now) {
            Ok(permit) => self.permitted(&permit, steps),
            Err(denial) => self.refused(&denial, steps),
        }
    }

    fn permitted(&self, permit: &Permit, mut steps: Vec<(&'static str, String)>) -> Explanation {
        for (resource, narrowing) in &permit.narrowing().types {
            let conditions: Vec<String> = narrowing.conditions.iter().map(describe::condition).collect();
            let when =
                if conditions.is_empty() { String::new() } else { format!(", if {}", conditions.join(", and ")) };
            steps.push(("shows", format!("{resource}: {}{when}", describe::elements(&narrowing.elements))));
            for lane in &narrowing.lanes {
                let conditions: Vec<String> = lane.conditions.iter().map(describe::condition).collect();
                steps.push((
                    "also",
                    format!("{resource}: {}, if {}", describe::elements(&lane.elements), conditions.join(", and ")),
                ));
            }
        }
        for write in permit.writes() {
            steps.push(("sets", describe::elements(&write.elements)));
        }
        steps.push(("total", describe_total(permit.narrowing().total).to_owned()));
        steps.extend(beside(permit.exemption(), permit.duties(), permit.would_refuse()));
        if let Some(narrowing) = permit.would_narrow() {
            for (resource, one) in &narrowing.types {
                steps.push((
                    "observe",
                    format!("enforcing would show of {resource}: {}", describe::elements(&one.elements)),
                ));
            }
        }
        let to = (permit.role(), permit.purpose(), permit.agreement());
        self.permission(to, permit.rule(), permit.policy_hash(), steps)
    }

    fn refused(&self, denial: &Denial, steps: Vec<(&'static str, String)>) -> Explanation {
        self.refusal(&denial.reason, &denial.rule, &denial.policy_hash, steps)
    }

    fn permission(
        &self,
        (role, purpose, agreement): (&str, &str, &str),
        rule: &str,
        policy_hash: &str,
        steps: Vec<(&'static str, String)>,
    ) -> Explanation {
        Explanation {
            permitted: true,
            outcome: format!("permitted to {role} for {purpose} (agreement: {agreement})"),
            rule: self.cite(rule),
            steps,
            mend: String::new(),
            policy_hash: policy_hash.to_owned(),
        }
    }

    fn refusal(
        &self,
        reason: &DenialReason,
        rule: &str,
        policy_hash: &str,
        steps: Vec<(&'static str, String)>,
    ) -> Explanation {
        Explanation {
            permitted: false,
            outcome: format!("refused: {}", describe::reason(reason)),
            rule: self.cite(rule),
            steps,
            mend: describe::mend(reason).to_owned(),
            policy_hash: policy_hash.to_owned(),
        }
    }

    /// A rule with its place and its reason: `scheduler.grant[0] (policy/scheduler.toml:8): to call a patient`.
    #[must_use]
    pub fn cite(&self, rule: &str) -> String {
        let cited: Vec<String> = rule.split('+').map(|one| self.cite_one(one)).collect();
        cited.join("\n             ")
    }

    fn cite_one(&self, rule: &str) -> String {
        for role in self.roles() {
            let grants = role.grants.iter().map(|grant| (&grant.id, grant.line, grant.because.as_deref()));
            let calls = role.calls.iter().map(|grant| (&grant.id, grant.line, grant.because.as_deref()));
            let denies = role.denies.iter().map(|deny| (&deny.id, deny.line, deny.because.as_deref()));
            if let Some((id, line, because)) = grants.chain(calls).chain(denies).find(|(id, ..)| id.as_ref() == rule) {
                let why = because.map_or_else(String::new, |because| format!(": {because}"));
                return format!("{id} ({}:{line}){why}", role.file);
            }
        }
        rule.to_owned()
    }

    /// What scopes, roles, recipient and mode say, each for itself.
    fn steps(&self, principal: &Principal, asked: &Asked, facts: &Facts, api: &Api) -> Vec<(&'static str, String)> {
        let mut steps = vec![
            ("asked", words(&asked.interaction)),
            ("api", format!("{}, {}, {}", api.name, api.exposure.name(), api.mode.name())),
        ];
        steps.push(("recipient", recipient(facts)));
        steps.push((
            "roles",
            if principal.roles().is_empty() { "none".to_owned() } else { principal.roles().join(", ") },
        ));
        if let Some(resource) = asked.interaction.resource() {
            for name in principal.roles() {
                steps
                    .push(("role", format!("{name}: {}", self.cell_in_words(name, api, resource, &asked.interaction))));
            }
        }
        steps
    }

    fn cell_in_words(&self, role: &str, api: &Api, resource: ResourceType, interaction: &Interaction) -> String {
        let kind = interaction.kind();
        match self.cell(role, &api.name, resource, kind) {
            _ if self.role(role).is_none() => "there is no such role".to_owned(),
            None => format!("grants no {} of {resource} on {}", kind.name(), api.name),
            Some(Cell::Denied(rule)) => format!("denied by {rule}"),
            Some(Cell::Granted(reaches)) => {
                let all: Vec<String> = reaches
                    .iter()
                    .map(|reach| {
                        format!("{} grants it for {}", reach.rule, describe::whose(&reach.terms, reach.no_relation))
                    })
                    .collect();
                all.join("; ")
            }
        }
    }
}

const fn describe_total(total: TotalRule) -> &'static str {
    match total {
        TotalRule::Exact => "told",
        TotalRule::Absent => "not told: it would speak of what is withheld",
        TotalRule::Only => "only the total is told",
    }
}

/// What a permit says beside what it shows: why minimum necessary does not act, what must happen, what enforcing would do.
fn beside(
    exemption: Option<&Exemption>,
    duties: &[Duty],
    would_refuse: Option<&DenialReason>,
) -> Vec<(&'static str, String)> {
    let exempt = exemption.map(|exemption| ("exempt", describe::exemption(exemption)));
    let duties = duties.iter().map(|duty| ("beside", describe::duty(duty)));
    let observe =
        would_refuse.map(|reason| ("observe", format!("enforcing would refuse: {}", describe::reason(reason))));
    exempt.into_iter().chain(duties).chain(observe).collect()
}

fn recipient(facts: &Facts) -> String {
    match &facts.organization {
        Fact::Unknown => "not known".to_owned(),
        Fact::Known(None) => "no organization on record".to_owned(),
        Fact::Known(Some(organization)) => {
            let class = organization.class.as_deref().unwrap_or("unclassified");
            let needs = RecipientClass::parse(class).and_then(RecipientClass::agreement_kind);
            let needs = needs.map_or_else(
                || "no agreement needed".to_owned(),
                |kind| format!("an agreement of kind `{kind}` needed"),
            );
            format!("{} ({class}; {needs})", organization.name)
        }
    }
}

/// The question in words, without values of a query.
fn words(interaction: &Interaction) -> String {
    let kind = interaction.kind().name();
    let resource = interaction.resource().map_or_else(String::new, |resource| format!(" of {resource}"));
    let query = match interaction {
        Interaction::Search { query, .. } | Interaction::Read { query, .. } | Interaction::History { query, .. } => {
            Some(query)
        }
        _ => None,
    };
    let names: Vec<&str> = query
        .map(|query| query.parameters.iter().map(|parameter| parameter.name.as_str()).collect())
        .unwrap_or_default();
    if names.is_empty() { format!("{kind}{resource}") } else { format!("{kind}{resource} by {}", names.join(", ")) }
}

/// A text for a terminal.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.outcome)?;
        writeln!(f, "  {:11}{}", "rule", self.rule)?;
        for (name, text) in &self.steps {
            writeln!(f, "  {name:11}{text}")?;
        }
        if !self.mend.is_empty() {
            writeln!(f, "  {:11}{}", "instead", self.mend)?;
        }
        writeln!(f, "  {:11}{}", "policy", self.policy_hash)
    }
}

/// A principal and facts that are only imagined, to ask what a policy would say.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Role names.
    pub roles: Vec<String>,
    /// What the token was granted.
    pub scopes: Scopes,
    /// The patient in context.
    pub patient: Option<Id>,
    /// The user's own resource.
    pub fhir_user: Option<(ResourceType, Id)>,
    /// The purpose that is asserted.
    pub purpose: Option<String>,
    /// The class of the recipient.
    pub class: RecipientClass,
    /// Whether somebody verified the recipient.
    pub verified: bool,
    /// Whether the agreement that the class needs is in force.
    pub agreement: bool,
}

/// The ids that a simulation uses where a real request has its own.
const IMAGINED: &str = "simulated";

impl Simulation {
    /// A principal of these.
    ///
    /// # Errors
    /// Never, as long as the imagined token is one that `authenticate` accepts.
    pub fn principal(&self, api: &str, now: Timestamp) -> Result<Principal, Unauthenticated> {
        let token = TokenRecord {
            token_id: IMAGINED.to_owned(),
            client: IMAGINED.to_owned(),
            organization: Some(IMAGINED.to_owned()),
            apis: vec![api.to_owned()],
            scopes: self.scopes.clone(),
            roles: self.roles.clone(),
            user: Some(IMAGINED.to_owned()),
            fhir_user: self.fhir_user.clone(),
            patient: self.patient.clone(),
            encounter: None,
            purpose: self.purpose.clone(),
            expires: now.plus_seconds(1),
            active: true,
            origin: bascule_smart::Origin::default(),
        };
        let credentials = Credentials {
            token: Some(token),
            presented: true,
            address: String::new(),
            user_agent: IMAGINED.to_owned(),
        };
        authenticate(credentials, api, now)
    }

    /// Facts of a house where nothing is on file but the recipient, and its agreement if it has one.
    #[must_use]
    pub fn facts(&self, now: Timestamp) -> Facts {
        let organization = Organization {
            id: IMAGINED.to_owned(),
            name: IMAGINED.to_owned(),
            address: None,
            class: Some(self.class.name().to_owned()),
            verified: self.verified.then_some(now),
        };
        let agreements = self.class.agreement_kind().filter(|_| self.agreement).map(|kind| Agreement {
            id: IMAGINED.to_owned(),
            organization: IMAGINED.to_owned(),
            kind: kind.to_owned(),
            from: now,
            until: None,
            purposes: crate::purpose::PURPOSES.iter().map(|(code, _)| (*code).to_owned()).collect(),
            citation: Some(IMAGINED.to_owned()),
        });
        Facts {
            organization: Fact::Known(Some(organization)),
            agreements: Fact::Known(agreements.into_iter().collect()),
            ..Facts::nothing_on_file()
        }
    }

    /// What the policy would say.
    ///
    /// # Errors
    /// As [`Simulation::principal`].
    pub fn explain(
        &self,
        policy: &Policy,
        asked: Asked,
        api: &Api,
        now: Timestamp,
    ) -> Result<Explanation, Unauthenticated> {
        Ok(policy.explain(self.principal(&api.name, now)?, asked, &self.facts(now), api, now))
    }
}

/// A question as a person writes it: `GET Observation?code=x`, `PUT Patient/1`; without a method, `GET`.
///
/// # Errors
/// What is wrong with it, in words.
pub fn asked(api: &str, text: &str) -> Result<Asked, String> {
    let (method, target) = text.trim().split_once(' ').unwrap_or(("GET", text.trim()));
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let request = Request { method, path: path.trim_start_matches('/'), query, ..Request::default() };
    let interaction = Interaction::parse(&request).map_err(|fault| format!("`{text}`: {fault}"))?;
    Ok(Asked { api: api.to_owned(), interaction })
}

/// The patients that a request itself names.
#[must_use]
pub fn patients(interaction: &Interaction) -> Vec<Id> {
    crate::decide::patients_named(interaction).unwrap_or_default()
}

/// Which facts a door still has to gather, in words, for an explanation that was asked without them.
#[must_use]
pub fn needs(needs: &Needs) -> Vec<&'static str> {
    [
        (needs.organization.is_some(), "the client's organization and agreements"),
        (!needs.consents_of.is_empty() || needs.consents_of_all, "consents and restrictions"),
        (needs.relations_of.is_some(), "relations"),
        (needs.care_team_of.is_some(), "the care team"),
        (needs.representations_of.is_some(), "representations"),
        (needs.holds_of.is_some(), "holds"),
        (needs.links_of.is_some(), "identity links"),
        (needs.emergencies_of.is_some(), "emergency access"),
        (needs.reasons_of.is_some(), "reasons given"),
    ]
    .into_iter()
    .filter(|(needed, _)| *needed)
    .map(|(_, name)| name)
    .collect()
}
