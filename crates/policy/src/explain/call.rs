//! The same of a call of an API that does not speak FHIR.

use bascule_fhir::Timestamp;
use bascule_smart::{Principal, Unauthenticated};

use super::{Explanation, Simulation, beside, recipient};
use crate::Api;
use crate::call::{Call, CallDenial, CallPermit};
use crate::describe;
use crate::facts::Facts;
use crate::policy::Policy;

type Steps = Vec<(&'static str, String)>;

impl Policy {
    /// Decides a call, and says why.
    #[must_use]
    pub fn explain_call(
        &self,
        principal: Principal,
        call: Call,
        facts: &Facts,
        api: &Api,
        now: Timestamp,
    ) -> Explanation {
        let steps = self.steps_of_call(&principal, &call, facts, api);
        match self.decide_call(principal, call, facts, api, now) {
            Ok(permit) => self.permitted_call(&permit, steps),
            Err(denial) => self.refused_call(&denial, steps),
        }
    }

    fn steps_of_call(&self, principal: &Principal, call: &Call, facts: &Facts, api: &Api) -> Steps {
        let searches: Vec<&str> = call.searches.iter().map(String::as_str).collect();
        let by = if searches.is_empty() { String::new() } else { format!(" by {}", searches.join(", ")) };
        let roles = principal.roles();
        let mut steps = vec![
            ("asked", format!("{}{by}", call.action)),
            ("api", format!("{} ({}), {}, {}", api.name, api.kind.name(), api.exposure.name(), api.mode.name())),
            ("recipient", recipient(facts)),
            ("roles", if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }),
        ];
        for name in roles {
            let said = match self.role(name) {
                None => "there is no such role".to_owned(),
                Some(role) => {
                    let grants = role.calls.iter().filter(|grant| grant.is_about(&call.api, &call.action));
                    let all: Vec<String> = grants
                        .map(|grant| {
                            let whose = describe::whose(&grant.terms, role.no_relation);
                            format!("{} grants it for {whose}, as {}", grant.id, grant.counts_as)
                        })
                        .collect();
                    if all.is_empty() {
                        format!("does not grant {} on {}", call.action, call.api)
                    } else {
                        all.join("; ")
                    }
                }
            };
            steps.push(("role", format!("{name}: {said}")));
        }
        steps
    }

    fn permitted_call(&self, permit: &CallPermit, mut steps: Steps) -> Explanation {
        for lane in permit.lanes() {
            let conditions: Vec<String> = lane.conditions.iter().map(describe::condition).collect();
            let when =
                if conditions.is_empty() { String::new() } else { format!(", if {}", conditions.join(", and ")) };
            steps.push(("shows", format!("{}{when}", lane.shows)));
            for media in &lane.opaque {
                steps.push(("passes", format!("{media}, without being looked into{when}")));
            }
        }
        steps.extend(beside(permit.exemption(), permit.duties(), permit.would_refuse()));
        let to = (permit.role(), permit.purpose(), permit.agreement());
        self.permission(to, permit.rule(), permit.policy_hash(), steps)
    }

    fn refused_call(&self, denial: &CallDenial, steps: Steps) -> Explanation {
        self.refusal(&denial.reason, &denial.rule, &denial.policy_hash, steps)
    }
}

impl Simulation {
    /// What the policy would say of a call.
    ///
    /// # Errors
    /// As [`Simulation::principal`].
    pub fn explain_call(
        &self,
        policy: &Policy,
        call: Call,
        api: &Api,
        now: Timestamp,
    ) -> Result<Explanation, Unauthenticated> {
        Ok(policy.explain_call(self.principal(&api.name, now)?, call, &self.facts(now), api, now))
    }
}
