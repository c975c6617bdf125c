//! What a new policy says otherwise beside its grants, in words.

use std::collections::BTreeSet;

use crate::label::Label;
use crate::policy::Policy;
use crate::rules::{Keeps, Settings};

/// Each in one line.
pub(super) fn changed(old: &Policy, new: &Policy) -> Vec<String> {
    let (before, after) = (old.settings(), new.settings());
    let mut changed = Vec::new();
    for api in old.apis().union(&new.apis()) {
        let (was, is) = (before.consent_default(api), after.consent_default(api));
        if was != is {
            changed.push(format!(
                "{api}: without a consent on file were permitted {}, are permitted {}",
                was.join(", "),
                is.join(", ")
            ));
        }
    }
    for api in before.without_consents.keys().chain(after.without_consents.keys()).collect::<BTreeSet<_>>() {
        let of =
            |settings: &Settings| settings.without_consents.get(api).map_or_else(String::new, |all| all.join(", "));
        let (was, is) = (of(before), of(after));
        if was != is {
            changed.push(format!("{api}: while consents are not known, [{is}] goes on under review, was [{was}]"));
        }
    }
    if before.majority_years != after.majority_years {
        let (was, is) = (before.majority_years, after.majority_years);
        changed.push(format!("a parent's representation ends at the age of {is}, did at {was}"));
    }
    for (name, was, is) in [
        ("42 CFR Part 2", &before.part2, &after.part2),
        ("psychotherapy notes", &before.psychotherapy, &after.psychotherapy),
        ("minor-consented services", &before.minor_consented, &after.minor_consented),
    ] {
        if was != is {
            let all = |labels: &[Label]| labels.iter().map(|label| label.code.as_str()).collect::<Vec<_>>().join(", ");
            changed.push(format!("the labels of {name} are {}, were {}", all(is), all(was)));
        }
    }
    if before.relations_age_minutes_max != after.relations_age_minutes_max {
        changed.push(format!(
            "relations are known for {} minutes, were for {}",
            after.relations_age_minutes_max, before.relations_age_minutes_max
        ));
    }
    for (name, was, is) in [
        ("emergency access", before.emergency_minutes_max, after.emergency_minutes_max),
        ("a reason for access", before.reason_minutes_max, after.reason_minutes_max),
    ] {
        if was != is {
            changed.push(format!("{name} serves for {is} minutes, did for {was}"));
        }
    }
    for what in Keeps::ALL {
        let keepers = |policy: &Policy| {
            let roles = policy.roles().filter(|role| role.keeps.contains(&what));
            roles.map(|role| role.name.to_string()).collect::<Vec<_>>().join(", ")
        };
        let (was, is) = (keepers(old), keepers(new));
        if was != is {
            changed.push(format!("{} is looked after by [{is}], was by [{was}]", what.name()));
        }
    }
    for role in new.roles() {
        let Some(earlier) = old.role(&role.name) else {
            if role.treating {
                changed.push(format!("{} gains emergency access", role.name));
            }
            continue;
        };
        if earlier.treating != role.treating {
            changed.push(format!("{} {} emergency access", role.name, if role.treating { "gains" } else { "loses" }));
        }
    }
    changed
}
