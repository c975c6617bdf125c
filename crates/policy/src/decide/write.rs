//! Writes: what the body may set, on which resources.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bascule_fhir::{Interaction, InteractionKind, Query, ResourceType, Target};

use super::query;
use super::way::Way;
use super::{Ask, No, Yes, combine};
use crate::Elements;
use crate::decision::{DenialReason, TotalRule};
use crate::facts::Fact;
use crate::policy::Writable;
use crate::rules::Named;
use crate::write::WriteNarrowing;

impl Ask<'_> {
    pub(super) fn write(&self, resource: ResourceType) -> Result<Yes, No> {
        let kind = self.asked.interaction.kind();
        let ways = self.ways(resource, kind)?;
        if let Some(condition) = self.condition() {
            self.conditional(resource, condition)?;
        }
        let mut writes = Vec::with_capacity(ways.len());
        for way in &ways {
            writes.push(self.writable(way, kind)?);
        }
        let mut yes = self.frame(&ways, TotalRule::Absent);
        yes.writes = writes;
        let answer = self
            .ways(resource, InteractionKind::Read)
            .map_or_else(|_| super::nothing(), |ways| combine::narrowing(&ways));
        yes.narrowing.types.insert(resource, answer);
        Ok(yes)
    }

    /// The query of a conditional write.
    const fn condition(&self) -> Option<&Query> {
        match &self.asked.interaction {
            Interaction::Create { unless, .. } => unless.as_ref(),
            Interaction::Update { target: Target::Matching(query), .. }
            | Interaction::Patch { target: Target::Matching(query), .. }
            | Interaction::Delete { target: Target::Matching(query), .. } => Some(query),
            _ => None,
        }
    }

    /// A conditional write tells whether something matches: it needs the search. What may not be seen does not match: the
    /// door finds what the write is about among what this access may read.
    fn conditional(&self, resource: ResourceType, query: &Query) -> Result<(), No> {
        self.ways(resource, InteractionKind::Read)?;
        query::check(self, resource, self.ways(resource, InteractionKind::Search)?, query).map(drop)
    }

    fn writable(&self, way: &Way<'_>, kind: InteractionKind) -> Result<WriteNarrowing, No> {
        let nothing = || Arc::new(Elements::Only(BTreeSet::new()));
        let conditions = way.conditions.clone();
        let Some(writes) = &way.reach.writes else {
            // A delete sets nothing; its conditions act on what is deleted.
            let reason = DenialReason::ElementNotGranted { element: "*".to_owned() };
            return if kind == InteractionKind::Delete {
                Ok(WriteNarrowing {
                    elements: nothing(),
                    values: Arc::default(),
                    references: BTreeMap::new(),
                    targets: Arc::default(),
                    conditions,
                })
            } else {
                Err(No { reason, rule: Arc::clone(&way.reach.rule) })
            };
        };
        let references = self.references(writes)?;
        Ok(WriteNarrowing {
            elements: Arc::clone(&writes.elements),
            values: Arc::clone(&writes.values),
            references,
            targets: Arc::clone(&writes.targets),
            conditions,
        })
    }

    /// Whom the references of the body may name, as references.
    fn references(&self, writes: &Writable) -> Result<BTreeMap<String, Vec<String>>, No> {
        let mut all = BTreeMap::new();
        for (path, named) in &writes.references {
            let allowed = match named {
                Named::OwnPatient => self.context()?.iter().map(|id| format!("Patient/{id}")).collect(),
                Named::OwnCareTeam => match &self.facts.care_team {
                    Fact::Known(team) => team.clone(),
                    Fact::Unknown => return Err(No::unknown("the patient's care team")),
                },
            };
            all.insert(path.clone(), allowed);
        }
        Ok(all)
    }
}
